"""Partial values over ranges of neighbours, out of those of 1, 2, 4, … neighbours: nothing is ever subtracted.

Differences of running sums would take fewer steps, but lose small values beside large ones of the past, and minima
cannot be subtracted at all.
"""
# B = owners of ranges, E = elements

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
    spans: Sequence[tuple[Ints, Ints]],
    start: Sequence[float],
    merge: Callable[[Columns, Columns], Columns],
    onto: Callable[[Columns, Columns, Ints], Columns] | None = None,
) -> Columns:
    """The merged elements that lie in the ranges [begin, end) of each of B.

    Args:
        spans: One range for each of B, or several.
        start: The value of no element, one for each column.
        merge: Of earlier and later neighbours.
        onto: How a part of a range is merged into what its owners have so far (their places in B are given too);
            default `merge`. Parts come in no order.
    """
    onto = onto or (lambda total, part, which: merge(total, part))
    totals, level = tuple(np.full(len(spans[0][0]), value) for value in start), leaves_E
    left = [_Left(begin_B, end_B) for begin_B, end_B in spans]

    def take(which: Ints, places: Ints) -> None:
        merged = onto(tuple(t[which] for t in totals), tuple(column[places] for column in level), which)
        for total, column in zip(totals, merged):
            total[which] = column

    while any(len(one.which) for one in left):
        for one in left:
            one.shrink(take)
        even = len(level[0]) & ~1
        level = merge(tuple(c[0:even:2] for c in level), tuple(c[1:even:2] for c in level))
    return totals


class _Left:
    """What is not taken yet of one range for each of B, in places of the level at hand."""

    def __init__(self, begin_B: Ints, end_B: Ints) -> None:
        self.low_B, self.high_B = begin_B.copy(), end_B.copy()
        self.which = np.flatnonzero(begin_B < end_B)

    def shrink(self, take: Callable[[Ints, Ints], None]) -> None:
        """Take what has no neighbour within its range, and go to places of the next level."""
        low, high = self.low_B[self.which], self.high_B[self.which]
        odd = (low & 1) == 1
        take(self.which[odd], low[odd])
        low += odd
        odd = ((high & 1) == 1) & (low < high)
        high -= odd
        take(self.which[odd], high[odd])
        self.low_B[self.which], self.high_B[self.which] = low >> 1, high >> 1
        self.which = self.which[low < high]


def deviations(
    values_E: Floats, seen_E: NDArray[np.bool_], spans: Sequence[tuple[Ints, Ints]]
) -> tuple[Floats, Floats]:
    """How many values are seen in the ranges, and the sum of their squared distances from their mean.

    Merged as (n, mean, M2) (Chan, Golub & LeVeque, COMPSTAT 1982).
    """
    leaves = (seen_E.astype(np.float64), np.where(seen_E, values_E, 0.0), np.zeros(len(values_E)))
    count, _, squares = folded(leaves, spans, (0.0, 0.0, 0.0), _chan)
    return count, squares


def decayed_sums(
    values_E: Floats, known_E: Ints, spans: Sequence[tuple[Ints, Ints]], time_B: Ints, half_life_us: int
) -> Floats:
    """The sum of the values in the ranges, each worth half as much a half-life later, as of the time of each of B."""

    def merge(earlier: Columns, later: Columns) -> Columns:
        passed = (earlier[1] - later[1]) / half_life_us
        return later[0] + earlier[0] * np.exp2(passed), later[1]

    def onto(total: Columns, part: Columns, which: Ints) -> Columns:
        return total[0] + part[0] * np.exp2((part[1] - time_B[which]) / half_life_us), total[1]

    # Where one key's events end and another's begin, time goes back; such neighbours are part of no range.
    with np.errstate(over="ignore", invalid="ignore"):
        return folded((values_E, known_E), spans, (0.0, 0.0), merge, onto)[0]


def _chan(one: Columns, other: Columns) -> Columns:
    both, apart = one[0] + other[0], other[1] - one[1]
    share = other[0] / np.maximum(both, 1.0)
    return both, one[1] + apart * share, one[2] + other[2] + apart * apart * (one[0] * share)
