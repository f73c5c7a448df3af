"""Expressions on NumPy arrays, for streams and serving; `sixfold.features.sql` gives the same values in DuckDB."""
# B = rows; every array has shape (B,) or (1,), which stands for every row

from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlglot import exp

from sixfold.design.expressions import Expression
from sixfold.design.operations import base_of, digits, operation
from sixfold.features import _functions as fn
from sixfold.features import _nulls as nl
from sixfold.features._nulls import Env, Step
from sixfold.features.arrays import Array, Values

__all__ = ["Compiled", "Now", "compile", "evaluate", "holds"]

Now = int | NDArray[np.int64]
Compiled = Callable[[Mapping[str, Array], Now], Array]

_Part = tuple[Step, bool]
"""A number's step, and whether its only value that is not finite is NaN."""

_CASES = ("case", "case of")
_ON_TIMES: dict[str, Callable[[Any, str], Any]] = {"hour": fn.hour, "weekday": fn.weekday}
# These give nothing finite for what is not finite, so that one look at the end finds it.
_RAW: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "neg": np.negative,
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "ln": np.log,
    "sqrt": np.sqrt,
}
# These may: exp(-inf) is 0, and so is 1 / inf.
_CLEAN: dict[str, Callable[..., Any]] = {"exp": np.exp, "haversine_km": fn.haversine_km, "power": fn.power}
_DIVISIONS: dict[str, Callable[..., Any]] = {"/": fn.divide, "//": fn.divide_whole, "%": fn.remainder}


def evaluate(expression: Expression, columns: Mapping[str, Array], now: Now, timezone: str = "UTC") -> Array:
    """The value of an expression for each row.

    Args:
        expression: As `sixfold.design.expressions.parse` gives it.
        columns: What it reads by canonical name, of B rows or of one that stands for all; numbers are finite.
        now: Microseconds UTC, one or one a row.
        timezone: The IANA name of the zone that `hour` and `weekday` are told in.

    Returns:
        B values, or 1 if all that it reads has one row. It may share memory with a column.
    """
    return compile(expression, timezone)(columns, now)


def holds(
    condition: Expression, columns: Mapping[str, Array], now: Now, rows: int, timezone: str = "UTC"
) -> NDArray[np.bool_]:
    """Where a condition is true, shape (rows,); null counts as false. Arguments as of `evaluate`."""
    found = evaluate(condition, columns, now, timezone)
    assert isinstance(found, Values), "a condition is checked by the design to be a flag"
    return np.broadcast_to(np.asarray(found.data, bool) & found.valid, rows)


@lru_cache(maxsize=4096)
def compile(expression: Expression, timezone: str = "UTC") -> Compiled:
    """The function from columns and `now` to values that `evaluate` calls; made once for each expression."""
    tree = expression.tree.unnest()
    if operation(tree) == ("column", []) and expression.names:
        (name,) = expression.names
        return lambda columns, now: columns[name]
    compiler = _Compiler(timezone)
    base = expression.kind.base
    step = compiler.part(tree)[0] if base == "number" else compiler.step(tree, base)
    loads = [(name, nl.LOADS["list" if is_list else base]) for name, base, is_list in compiler.slots]

    def run(columns: Mapping[str, Array], now: Now) -> Array:
        with np.errstate(all="ignore"):
            env = [nl.moment(now) if name == "now" else load(columns[name]) for name, load in loads]
            value = step(env)
            if base == "number":
                return Values(value, np.isfinite(value))
            return Values(value[0], value[0] | value[1]) if base == "flag" else Values(*value)

    return run


class _Compiler:
    """Turns a tree into nested closures over the columns, so that evaluating walks no tree."""

    def __init__(self, timezone: str) -> None:
        self.timezone = timezone
        self.slots: dict[tuple[str, str, bool], int] = {}

    def step(self, node: exp.Expr, base: str) -> Step:
        """How to compute a node as this base; a number comes out finite or NaN."""
        name, operands = operation(node)
        if name == "null":
            return nl.constant(nl.NULLS[base])
        if name == "column":
            return self._column(node)
        if name in _CASES and base != "number":
            return self._case(name, operands, base, [self.step(x, base) for x in _values(name, operands)])
        if name == "coalesce":
            return reduce(lambda x, y: nl.coalesced(base, x, y), [self.step(x, base) for x in operands])
        if name == "nullif":
            value, equal = self.step(operands[0], base), self._comparison("=", operands)
            return lambda env: nl.where(base, equal(env)[0], nl.NULLS[base], value(env))
        if name in ("least", "greatest"):
            return self._extreme(name, operands, base)
        if base == "number":
            step, clean = self.part(node)
            return step if clean else lambda env: fn.finite(step(env))
        return {"flag": self._flag, "time": self._time, "text": self._text}[base](node, name, operands)

    def part(self, node: exp.Expr) -> _Part:
        """How to compute a number, and whether it is finite or NaN; what is not finite is null, but only later."""
        name, operands = operation(node)
        if name == "number":
            return nl.constant(np.array([float(node.name)])), True
        if name in _ON_TIMES:
            times = self.step(operands[0], "time")
            on_times = _ON_TIMES[name]
            return lambda env: on_times(times(env), self.timezone), True
        if name == "len":
            lists = self._column(operands[0])
            return lambda env: fn.sizes(lists(env)), True
        if name == "overlap":
            left, right = self._column(operands[0]), self._column(operands[1])
            return lambda env: fn.overlap(left(env), right(env)), True
        if name == "-" and base_of(operands[1]) == "time":
            later, earlier = self.step(operands[0], "time"), self.step(operands[1], "time")
            return lambda env: fn.seconds_between(later(env), earlier(env)), True
        if name == "round":
            places = digits(operands[1]) if len(operands) == 2 else 0
            whole = self.part(operands[0])[0]
            return lambda env: fn.round_half_away(whole(env), places or 0), False
        if name in _CASES:
            parts = [self.part(x) for x in _values(name, operands)]
            return self._case(name, operands, "number", [x for x, _ in parts]), all(clean for _, clean in parts)
        if name in _RAW:
            return nl.applied(_RAW[name], [self.part(x)[0] for x in operands]), False
        if name in _CLEAN:
            return nl.applied(_CLEAN[name], [self.step(x, "number") for x in operands]), False
        if name in ("/", "//", "%"):
            return nl.applied(_DIVISIONS[name], [self.part(operands[0])[0], self.step(operands[1], "number")]), False
        return self.step(node, "number"), True

    def _flag(self, node: exp.Expr, name: str, operands: list[exp.Expr]) -> Step:
        if name == "flag":
            truth = np.array([bool(node.this)])
            return nl.constant((truth, ~truth))
        if name == "not":
            inner = self.step(operands[0], "flag")
            return lambda env: inner(env)[::-1]
        if name in ("and", "or"):
            both = nl.both if name == "and" else nl.either
            return nl.applied(both, [self.step(x, "flag") for x in operands])
        if name == "in":
            subject, *items = operands
            return reduce(
                lambda x, y: nl.applied(nl.either, [x, y]), [self._comparison("=", [subject, x]) for x in items]
            )
        if name == "between":
            value, low, high = operands
            above, below = self._comparison(">=", [value, low]), self._comparison("<=", [value, high])
            return nl.applied(nl.both, [above, below])
        if name == "is null":
            return self._is_null(operands[0])
        if name == "contains":
            lists, base = self._column(operands[0]), operands[0].meta["kind"].base
            wanted = self.step(operands[1], base)
            return lambda env: fn.contains(lists(env), nl.as_pair(base, wanted(env)))
        return self._comparison(name, operands)

    def _time(self, node: exp.Expr, name: str, operands: list[exp.Expr]) -> Step:
        times, seconds = operands if base_of(operands[0]) == "time" else reversed(operands)
        start, shift = self.step(times, "time"), self.part(seconds)[0]
        if name == "-":
            return lambda env: fn.moved(start(env), -shift(env))
        return lambda env: fn.moved(start(env), shift(env))

    def _text(self, node: exp.Expr, name: str, operands: list[exp.Expr]) -> Step:
        if name == "lower":
            inner = self.step(operands[0], "text")
            return lambda env: fn.lower(inner(env))
        data = np.empty(1, np.object_)
        data[0] = node.name
        return nl.constant((data, np.ones(1, np.bool_)))

    def _column(self, node: exp.Expr) -> Step:
        kind = node.meta["kind"]
        slot = self.slots.setdefault((node.name, kind.base, kind.is_list), len(self.slots))
        return lambda env: env[slot]

    def _is_null(self, node: exp.Expr) -> Step:
        kind = node.meta.get("kind")
        if kind is not None and kind.is_list:
            lists = self._column(node)
            return lambda env: (~lists(env).valid, lists(env).valid)
        base = base_of(node)
        value = self.step(node, base)

        def is_null(env: Env) -> Any:
            known = nl.known(base, value(env))
            return ~known, known

        return is_null

    def _comparison(self, name: str, operands: list[exp.Expr]) -> Step:
        base = base_of(*operands)
        return nl.applied(nl.COMPARISONS[base][name], [self.step(x, base) for x in operands])

    def _case(self, name: str, operands: list[exp.Expr], base: str, values: list[Step]) -> Step:
        if name == "case of":
            subject, *operands = operands
            conditions = [self._comparison_within(subject, x, operands[:-1:2]) for x in operands[:-1:2]]
        else:
            conditions = [self.step(x, "flag") for x in operands[:-1:2]]
        *values, default = values
        branches = list(zip(conditions, values))[::-1]

        def case(env: Env) -> Any:
            result = default(env)
            for condition, value in branches:
                result = nl.where(base, condition(env)[0], value(env), result)
            return result

        return case

    def _comparison_within(self, subject: exp.Expr, other: exp.Expr, others: list[exp.Expr]) -> Step:
        """Equality of a subject and one of the values that it is compared with; the kind is that of them all."""
        base = base_of(subject, *others)
        return nl.applied(nl.COMPARISONS[base]["="], [self.step(subject, base), self.step(other, base)])

    def _extreme(self, name: str, operands: list[exp.Expr], base: str) -> Step:
        if base == "number":
            extreme: Any = np.fmin if name == "least" else np.fmax
        else:
            before = np.less_equal if name == "least" else np.greater_equal

            def extreme(x: Any, y: Any) -> Any:
                first = x[1] & (~y[1] | before(x[0], y[0]))
                return nl.where(base, first, x, y)

        return reduce(lambda x, y: nl.applied(extreme, [x, y]), [self.step(x, base) for x in operands])


def _values(name: str, operands: list[exp.Expr]) -> list[exp.Expr]:
    """What a case may give, the default last."""
    first = 1 if name == "case" else 2
    return [*operands[first:-1:2], operands[-1]]
