"""Aggregates of events over a window, or over all time."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = [
    "AggregateSpec",
    "count",
    "decayed",
    "distinct",
    "first",
    "last",
    "max",
    "mean",
    "min",
    "rate",
    "since_last",
    "std",
    "sum",
    "top",
]


@dataclass(frozen=True, slots=True)
class AggregateSpec:
    """What a feature computes, as the design wrote it."""

    function: str
    expression: str | None = None
    window: str | None = None
    where: str | None = None
    n: int | None = None
    prior: tuple[float, float] | None = None
    limit: int | None = None
    half_life: str | None = None
    at: str = field(default_factory=caller, repr=False, compare=False)


def count(*, window: str | None = None, where: str | None = None) -> AggregateSpec:
    """How many events; 0 when there is none."""
    return AggregateSpec("count", None, window, where)


def sum(expression: str, *, window: str | None = None, where: str | None = None) -> AggregateSpec:
    """The sum of an expression; 0 when there is no event."""
    return AggregateSpec("sum", expression, window, where)


def mean(expression: str, *, window: str | None = None, where: str | None = None) -> AggregateSpec:
    """The mean of an expression; null when there is no event."""
    return AggregateSpec("mean", expression, window, where)


def min(expression: str, *, window: str | None = None, where: str | None = None) -> AggregateSpec:
    """The smallest value of an expression; null when there is no event."""
    return AggregateSpec("min", expression, window, where)


def max(expression: str, *, window: str | None = None, where: str | None = None) -> AggregateSpec:
    """The largest value of an expression; null when there is no event."""
    return AggregateSpec("max", expression, window, where)


def std(expression: str, *, window: str | None = None, where: str | None = None) -> AggregateSpec:
    """The standard deviation of a sample (divided by n - 1); null for fewer than two events."""
    return AggregateSpec("std", expression, window, where)


def rate(
    expression: str, *, window: str | None = None, where: str | None = None, prior: tuple[float, float]
) -> AggregateSpec:
    """The share of events for which a flag is true, `(successes + a) / (trials + b)` with `prior=(a, b)`."""
    spec = AggregateSpec("rate", expression, window, where, prior=prior)
    if len(prior) != 2 or prior[0] < 0 or prior[1] <= 0:
        rule = "two numbers (successes, trials), the second above 0"
        raise InvalidField(where=spec.at, part="rate", field="prior", rule=rule, value=prior)
    return spec


def first(expression: str, *, window: str | None = None, where: str | None = None) -> AggregateSpec:
    """The value of the earliest event; null when there is none."""
    return AggregateSpec("first", expression, window, where)


def last(
    expression: str, *, n: int | None = None, window: str | None = None, where: str | None = None
) -> AggregateSpec:
    """The value of the latest event; with `n`, the list of the latest n, oldest first."""
    spec = AggregateSpec("last", expression, window, where, n=n)
    _check_size(spec, "n", n)
    return spec


def top(
    expression: str, *, n: int | None = None, of: int = 100, window: str | None = None, where: str | None = None
) -> AggregateSpec:
    """The most frequent value among the latest `of`; with `n`, the list of the n most frequent, most frequent first.

    Of equally frequent values the more recent one comes first.
    """
    spec = AggregateSpec("top", expression, window, where, n=n, limit=of)
    _check_size(spec, "n", n)
    _check_size(spec, "of", of)
    return spec


def distinct(
    expression: str, *, exact: int = 256, window: str | None = None, where: str | None = None
) -> AggregateSpec:
    """How many different values; from `exact` on an estimate with a standard error below `1.4 / sqrt(exact)`.

    Adaptive sampling (Flajolet, Computing 43, 1990) over the times at which values were last seen.
    """
    spec = AggregateSpec("distinct", expression, window, where, limit=exact)
    if not 16 <= exact <= 4096:
        raise InvalidField(where=spec.at, part="distinct", field="exact", rule="16 to 4096", value=exact)
    return spec


def since_last(*, where: str | None = None) -> AggregateSpec:
    """Seconds since the latest event; null when there was none."""
    return AggregateSpec("since_last", None, None, where)


def decayed(expression: str | None = None, *, half_life: str, where: str | None = None) -> AggregateSpec:
    """The sum of an expression, or how many events, each worth half as much a `half_life` later; 0 with no event."""
    return AggregateSpec("decayed", expression, None, where, half_life=half_life)


def _check_size(spec: AggregateSpec, field: str, size: int | None) -> None:
    if size is not None and not 1 <= size <= 1000:
        raise InvalidField(where=spec.at, part=spec.function, field=field, rule="1 to 1000", value=size)
