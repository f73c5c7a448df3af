"""The brute-force value of one feature: what every engine must agree with."""

import math
import statistics
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from sixfold.design.schema import Aggregate
from sixfold.features.hashing import MAX_ZEROS, hash_numbers, hash_texts, leading_zeros

__all__ = ["MAX_MEASURE", "Event", "feature_value", "is_measure"]

MAX_MEASURE = 1e15
"""Numbers beyond it are null (rule T9)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        A float for what counts or reckons (since_last: seconds); an event's value for first, last and top; a list for
        last(n) (oldest first) and top(n) (most frequent first): empty, not None, where there is no event. None is null.
    """
    start = -math.inf
    if aggregate.window_us is not None and aggregate.hop_us is not None:
        begin = t_us - aggregate.window_us if aggregate.day_zone is None else _midnight_us(t_us, aggregate.day_zone)
        start = begin // aggregate.hop_us * aggregate.hop_us
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
        case "min" | "max":
            return (min if aggregate.function == "min" else max)(values) if values else None
        case "std":
            return statistics.stdev(values) if len(values) > 1 else None
        case "first":
            return values[0] if values else None
        case "distinct":
            return _distinct(values, aggregate.limit or 0)
        case "top":
            latest = values[::-1][: aggregate.limit]
            # A stable sort: of equally frequent values the one met first, the more recent, stays first.
            ranked = sorted(dict.fromkeys(latest), key=lambda value: -latest.count(value))
            return ranked[: aggregate.n] if aggregate.n is not None else ranked[0] if ranked else None
        case "decayed":
            half_life_us = aggregate.half_life_us or 0
            return math.fsum(e.value * 2.0 ** ((e.known_us - t_us) / half_life_us) for e in seen)
        case "last":
            return values[-aggregate.n :] if aggregate.n is not None else values[-1] if values else None
        case "since_last":
            return (t_us - seen[-1].known_us) / 1e6 if seen else None
    raise ValueError(f"no such aggregate: {aggregate.function}")


def _midnight_us(t_us: int, zone: str) -> int:
    local = (_EPOCH + timedelta(microseconds=t_us)).astimezone(ZoneInfo(zone))
    midnight = datetime.combine(local.date(), time(), ZoneInfo(zone))
    return (midnight.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def _distinct(values: list[Any], size: int) -> float:
    """How many different values; from `size` on, those whose hash begins with 1, 2, … zero bits, times 2, 4, …"""
    different = list(dict.fromkeys(values))
    if different and isinstance(different[0], str):
        hashes = hash_texts(different)
    else:
        hashes = hash_numbers(np.array(different))
    zeros: list[int] = leading_zeros(hashes).tolist()
    for level in range(MAX_ZEROS):
        if (count := sum(zero >= level for zero in zeros)) < size:
            return float(count << level)
    return float(sum(zero >= MAX_ZEROS for zero in zeros) << MAX_ZEROS)


def is_measure(value: Any) -> bool:
    """Whether an aggregate sees this value: not null, and as a number finite and within 1e15 of 0."""
    if value is None:
        return False
    return not isinstance(value, float) or (math.isfinite(value) and abs(value) <= MAX_MEASURE)
