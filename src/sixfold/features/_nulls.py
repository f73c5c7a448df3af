"""Values that may be null, as expressions compute with them, and SQL's three-valued logic on them."""
# B = rows; every array has shape (B,) or (1,), which stands for every row

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COMPARISONS",
    "LOADS",
    "NULLS",
    "Env",
    "Step",
    "applied",
    "as_pair",
    "both",
    "coalesced",
    "constant",
    "either",
    "known",
    "moment",
    "where",
]

# Within one evaluation a number is its float64 with NaN for null, a flag the pair (is true, is false),
# a time or a text the pair (data, known), and a list a `Lists`. With these forms most operations need no mask.
Env = list[Any]
"""The columns that an expression reads, in these forms."""
Step = Callable[[Env], Any]
"""One operation with all below it."""


def constant(value: Any) -> Step:
    """The step that gives the same arrays each time; nobody may write to them."""
    for array in value if isinstance(value, tuple) else (value,):
        array.setflags(write=False)
    return lambda env: value


def applied(function: Callable[..., Any], steps: list[Step]) -> Step:
    """The step that calls a function with what the steps give."""
    if len(steps) == 1:
        (only,) = steps
        return lambda env: function(only(env))
    if len(steps) == 2:
        left, right = steps
        return lambda env: function(left(env), right(env))
    return lambda env: function(*(step(env) for step in steps))


def where(base: str, condition: NDArray[np.bool_], yes: Any, no: Any) -> Any:
    """Row by row one of two values."""
    if base == "number":
        return np.where(condition, yes, no)
    return np.where(condition, yes[0], no[0]), np.where(condition, yes[1], no[1])


def known(base: str, value: Any) -> NDArray[np.bool_]:
    """Which rows are not null."""
    if base == "number":
        return np.asarray(~np.isnan(value), np.bool_)
    return np.asarray(value[0] | value[1] if base == "flag" else value[1], np.bool_)


def coalesced(base: str, first: Step, second: Step) -> Step:
    """The first, or the second where that is null."""

    def coalesce(env: Env) -> Any:
        value = first(env)
        return where(base, known(base, value), value, second(env))

    return coalesce


def as_pair(base: str, value: Any) -> Any:
    """Data and which of it is known, as columns have it."""
    return value if base in ("time", "text") else (value if base == "number" else value[0], known(base, value))


def both(x: Any, y: Any) -> Any:
    """x and y."""
    return x[0] & y[0], x[1] | y[1]


def either(x: Any, y: Any) -> Any:
    """x or y."""
    return x[0] | y[0], x[1] & y[1]


def moment(now: int | NDArray[np.int64]) -> Any:
    """`now` as a time."""
    data = np.atleast_1d(np.asarray(now, np.int64))
    return data, np.ones(len(data), np.bool_)


def _numbers(holds: Callable[..., Any], fails: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    # NaN compares false with everything, so neither holds where one is null.
    return lambda x, y: (holds(x, y), fails(x, y))


def _pairs(holds: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def compare(x: Any, y: Any) -> Any:
        valid, result = x[1] & y[1], np.asarray(holds(x[0], y[0]), np.bool_)
        return valid & result, valid & ~result

    return compare


def _differ(x: Any, y: Any) -> Any:
    return (x < y) | (x > y)


def _equal_flags(x: Any, y: Any) -> Any:
    return (x[0] & y[0]) | (x[1] & y[1]), (x[0] & y[1]) | (x[1] & y[0])


_ORDERS = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_PAIRS = {name: _pairs(holds) for name, holds in _ORDERS.items()}

COMPARISONS: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "number": {
        "=": _numbers(np.equal, _differ),
        "!=": _numbers(_differ, np.equal),
        "<": _numbers(np.less, np.greater_equal),
        "<=": _numbers(np.less_equal, np.greater),
        ">": _numbers(np.greater, np.less_equal),
        ">=": _numbers(np.greater_equal, np.less),
    },
    "flag": {"=": _equal_flags, "!=": lambda x, y: _equal_flags(x, y)[::-1]},
    "time": _PAIRS,
    "text": _PAIRS,
}
"""Each comparison by base kind; it gives a flag."""

_NO = np.zeros(1, np.bool_)
NULLS: dict[str, Any] = {
    "number": np.array([np.nan]),
    "flag": (_NO, _NO),
    "time": (np.zeros(1, np.int64), _NO),
    "text": (np.array([""], np.object_), _NO),
}
"""Null of each base kind."""

LOADS: dict[str, Callable[[Any], Any]] = {
    "number": lambda x: x.data if x.valid.all() else np.where(x.valid, x.data, np.nan),
    "flag": lambda x: (x.valid & x.data, x.valid & ~x.data),
    "time": tuple,
    "text": tuple,
    "list": lambda x: x,
}
"""From a column to the form that the steps compute with."""
