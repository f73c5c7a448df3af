"""Partial values over ranges of neighbours, out of those of 1, 2, 4, … neighbours: nothing is ever subtracted.

Differences of running sums would take fewer steps, but lose small values beside large ones of the past, and minima
cannot be subtracted at all.
"""
# B = ranges, E = elements

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns", "decayed_sums", "deviations", "folded"]

Columns = tuple[NDArray[Any], ...]
"""The partial values of a kind: one array or several of one length."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def folded(
    leaves_E: Columns,
    begin_B: Ints,
    end_B: Ints,
    start: Sequence[float],
    merge: Callable[[Columns, Columns], Columns],
    onto: Callable[[Columns, Columns, Ints], Columns] | None = None,
) -> Columns:
    """The merged elements of each range [begin, end).

    Args:
        start: The value of no element, one for each column.
        merge: Of earlier and later neighbours.
        onto: How a part of a range is merged into what its ranges have so far (their places in B are given too);
            default `merge`. Parts come in no order.
    """
    onto = onto or (lambda total, part, which: merge(total, part))
    totals = tuple(np.full(len(begin_B), value) for value in start)
    low_B, high_B, level = begin_B.copy(), end_B.copy(), leaves_E
    left = np.flatnonzero(low_B < high_B)

    def take(which: Ints, places: Ints) -> None:
        merged = onto(tuple(t[which] for t in totals), tuple(column[places] for column in level), which)
        for total, column in zip(totals, merged):
            total[which] = column

    while len(left):
        low, high = low_B[left], high_B[left]
        odd = (low & 1) == 1
        take(left[odd], low[odd])
        low += odd
        odd = ((high & 1) == 1) & (low < high)
        high -= odd
        take(left[odd], high[odd])
        low_B[left], high_B[left] = low >> 1, high >> 1
        left = left[low < high]
        even = len(level[0]) & ~1
        level = merge(tuple(c[0:even:2] for c in level), tuple(c[1:even:2] for c in level))
    return totals


def deviations(values_E: Floats, seen_E: NDArray[np.bool_], begin_B: Ints, end_B: Ints) -> tuple[Floats, Floats]:
    """How many values are seen in each range, and the sum of their squared distances from their mean.

    Merged as (n, mean, M2) (Chan, Golub & LeVeque, COMPSTAT 1982).
    """
    leaves = (seen_E.astype(np.float64), np.where(seen_E, values_E, 0.0), np.zeros(len(values_E)))
    count, _, squares = folded(leaves, begin_B, end_B, (0.0, 0.0, 0.0), _chan)
    return count, squares


def decayed_sums(
    values_E: Floats, known_E: Ints, begin_B: Ints, end_B: Ints, time_B: Ints, half_life_us: int
) -> Floats:
    """The sum of each range's values, each worth half as much a half-life later, as of the range's time."""

    def merge(earlier: Columns, later: Columns) -> Columns:
        passed = (earlier[1] - later[1]) / half_life_us
        return later[0] + earlier[0] * np.exp2(passed), later[1]

    def onto(total: Columns, part: Columns, which: Ints) -> Columns:
        return total[0] + part[0] * np.exp2((part[1] - time_B[which]) / half_life_us), total[1]

    # Where one key's events end and another's begin, time goes back; such neighbours are part of no range.
    with np.errstate(over="ignore", invalid="ignore"):
        return folded((values_E, known_E), begin_B, end_B, (0.0, 0.0), merge, onto)[0]


def _chan(one: Columns, other: Columns) -> Columns:
    both, apart = one[0] + other[0], other[1] - one[1]
    share = other[0] / np.maximum(both, 1.0)
    return both, one[1] + apart * share, one[2] + other[2] + apart * apart * (one[0] * share)
