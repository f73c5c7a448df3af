"""The brute-force value of one feature: what every engine must agree with."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from sixfold.design.schema import Aggregate

__all__ = ["MAX_MEASURE", "Event", "feature_value", "is_measure"]

MAX_MEASURE = 1e15
"""Numbers beyond it are null (rule T9)."""


class Event(NamedTuple):
    """An event of one key, as one aggregate sees it."""

    known_us: int
    offset: int
    value: Any = True
    """What the aggregate's expression gives, None for null; True where it has none."""
    where: bool | None = True
    """What its condition gives; True where it has none."""


def feature_value(events: Iterable[Event], aggregate: Aggregate, t_us: int) -> Any:
    """The value of `aggregate` at `t_us` over these events of one key, by rules T1 to T10.

    Returns:
        A float for count, sum, mean, rate, since_last (seconds); the event's value for last; a list, oldest first,
        for last(n): empty, not None, where there is no event. None is null.
    """
    start = -math.inf
    if aggregate.window_us is not None and aggregate.hop_us is not None:
        start = (t_us - aggregate.window_us) // aggregate.hop_us * aggregate.hop_us
    seen = sorted(
        (e for e in events if start <= e.known_us < t_us and e.where is True and is_measure(e.value)),
        key=lambda e: (e.known_us, e.offset),
    )
    values = [e.value for e in seen]
    match aggregate.function:
        case "count":
            return float(len(seen))
        case "sum":
            return math.fsum(values)
        case "mean":
            return math.fsum(values) / len(values) if values else None
        case "rate":
            a, b = aggregate.prior or (0.0, 0.0)
            return (sum(values) + a) / (len(values) + b)
        case "last":
            return values[-aggregate.n :] if aggregate.n is not None else values[-1] if values else None
        case "since_last":
            return (t_us - seen[-1].known_us) / 1e6 if seen else None
    raise ValueError(f"no such aggregate: {aggregate.function}")


def is_measure(value: Any) -> bool:
    """Whether an aggregate sees this value: not null, and as a number finite and within 1e15 of 0."""
    if value is None:
        return False
    return not isinstance(value, float) or (math.isfinite(value) and abs(value) <= MAX_MEASURE)
