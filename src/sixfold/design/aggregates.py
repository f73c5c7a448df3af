"""Aggregates of events over a window, or over all time."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["AggregateSpec", "count", "last", "mean", "rate", "since_last", "sum"]


@dataclass(frozen=True, slots=True)
class AggregateSpec:
    """What a feature computes, as the design wrote it."""

    function: str
    expression: str | None = None
    window: str | None = None
    where: str | None = None
    n: int | None = None
    prior: tuple[float, float] | None = None
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


def rate(
    expression: str, *, window: str | None = None, where: str | None = None, prior: tuple[float, float]
) -> AggregateSpec:
    """The share of events for which a flag is true, `(successes + a) / (trials + b)` with `prior=(a, b)`."""
    spec = AggregateSpec("rate", expression, window, where, prior=prior)
    if len(prior) != 2 or prior[0] < 0 or prior[1] <= 0:
        rule = "two numbers (successes, trials), the second above 0"
        raise InvalidField(where=spec.at, part="rate", field="prior", rule=rule, value=prior)
    return spec


def last(
    expression: str, *, n: int | None = None, window: str | None = None, where: str | None = None
) -> AggregateSpec:
    """The value of the latest event; with `n`, the list of the latest n, oldest first."""
    spec = AggregateSpec("last", expression, window, where, n=n)
    if n is not None and not 1 <= n <= 1000:
        raise InvalidField(where=spec.at, part="last", field="n", rule="1 to 1000", value=n)
    return spec


def since_last(*, where: str | None = None) -> AggregateSpec:
    """Seconds since the latest event; null when there was none."""
    return AggregateSpec("since_last", None, None, where)
