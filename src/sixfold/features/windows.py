"""Aggregates over windows of sorted events, as arrays: two binary searches a read, then sums without subtraction."""
# B = reads, K = keys, E = events of all keys, ascending by key, known time and offset, V = those that a measure sees

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.design.schema import Aggregate

__all__ = ["Windows"]

Ints = NDArray[np.int64]
_ELEMENTS_A_CHUNK = 1 << 24


class Windows:
    """The events of some keys, and the reads that look back at them."""

    def __init__(self, known_E: Ints, starts_K: Ints, key_B: Ints, time_B: Ints) -> None:
        """
        Args:
            known_E: Known times in microseconds.
            starts_K: Where each key's events begin, and last where all end: shape (K + 1,).
            key_B: Which key is read; -1: one without events.
            time_B: When it is read; an event at this very time is not seen.
        """
        self._known_E, self._time_B = known_E, time_B
        nothing = key_B < 0
        self._first_B = np.where(nothing, 0, starts_K[key_B])
        self._end_B = _place(known_E, self._first_B, np.where(nothing, 0, starts_K[key_B + 1]), time_B)
        self._begins: dict[tuple[int, int], Ints] = {}

    def value(self, aggregate: Aggregate, measure_E: pa.Array) -> pa.ChunkedArray:
        """An aggregate's value at each read, over the measure that it sees (`windows_sql.measure`)."""
        seen_E = np.asarray(measure_E.is_valid())
        before_E = _running(seen_E)
        begin_B = self._begin(aggregate)
        last_B = before_E[self._end_B]
        count_B = last_B - before_E[begin_B]
        match aggregate.function:
            case "count":
                found = pa.array(count_B.astype(np.float64))
            case "sum":
                found = pa.array(self._sum(measure_E, begin_B))
            case "mean":
                found = pa.array(self._sum(measure_E, begin_B) / np.maximum(count_B, 1), mask=count_B == 0)
            case "rate":
                good_E = _running(np.asarray(measure_E.fill_null(False)))
                successes, trials = aggregate.prior or (0.0, 0.0)
                found = pa.array((good_E[self._end_B] - good_E[begin_B] + successes) / (count_B + trials))
            case "since_last":
                latest = pa.array(self._known_E[seen_E]).take(pa.array(last_B - 1, mask=count_B == 0))
                known_B = np.asarray(latest.fill_null(0))
                found = pa.array((self._time_B - known_B) / 1e6, mask=count_B == 0)
            case _:
                values_V = measure_E.drop_null()
                if aggregate.n is not None:
                    return _lists(values_V, last_B, np.minimum(count_B, aggregate.n))
                found = values_V.take(pa.array(last_B - 1, mask=count_B == 0))
        return pa.chunked_array([found])

    def _begin(self, aggregate: Aggregate) -> Ints:
        """Where the window of each read begins, at `floor(t - window, hop)` (rule T2)."""
        window_us, hop_us = aggregate.window_us, aggregate.hop_us
        if window_us is None or hop_us is None:
            return self._first_B
        if (window_us, hop_us) not in self._begins:
            start_B = (self._time_B - window_us) // hop_us * hop_us
            self._begins[window_us, hop_us] = _place(self._known_E, self._first_B, self._end_B, start_B)
        return self._begins[window_us, hop_us]

    def _sum(self, measure_E: pa.Array, begin_B: Ints) -> NDArray[np.float64]:
        """Sums of what lies between, out of the sums of 1, 2, 4, … neighbours.

        Differences of running sums would take fewer steps, but lose small values beside large ones of the past.
        """
        level = np.asarray(measure_E.fill_null(0.0))
        low_B, high_B, total_B = begin_B.copy(), self._end_B.copy(), np.zeros(len(begin_B))
        left = np.flatnonzero(low_B < high_B)
        while len(left):
            low, high = low_B[left], high_B[left]
            odd = (low & 1) == 1
            total_B[left[odd]] += level[low[odd]]
            low += odd
            odd = ((high & 1) == 1) & (low < high)
            high -= odd
            total_B[left[odd]] += level[high[odd]]
            low_B[left], high_B[left] = low >> 1, high >> 1
            left = left[low < high]
            level = level[: len(level) & ~1].reshape(-1, 2).sum(axis=1)
        return total_B


def _place(known_E: Ints, low_B: Ints, high_B: Ints, at_B: Ints) -> Ints:
    """The first place in `[low, high]` whose event is not before `at`: one binary search for all."""
    low_B, high_B = low_B.copy(), high_B.copy()
    for _ in range(int((high_B - low_B).max(initial=0)).bit_length()):
        middle_B = (low_B + high_B) // 2
        before = (low_B < high_B) & (known_E[np.minimum(middle_B, len(known_E) - 1)] < at_B)
        low_B, high_B = np.where(before, middle_B + 1, low_B), np.where(before, high_B, middle_B)
    return low_B


def _running(flags_E: NDArray[np.bool_]) -> Ints:
    """How many are true before each place: shape (E + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(flags_E, dtype=np.int64)])


def _lists(values_V: pa.Array, end_B: Ints, size_B: Ints) -> pa.ChunkedArray:
    """Lists of so many values before each end, in pieces, since a piece of Arrow has 32-bit offsets."""
    cuts: Sequence[int] = (np.flatnonzero(np.diff(np.cumsum(size_B) // _ELEMENTS_A_CHUNK)) + 1).tolist()
    pieces = []
    for low, high in pairwise([0, *cuts, len(end_B)]):
        size, end = size_B[low:high], end_B[low:high]
        offsets = np.concatenate([[0], np.cumsum(size)])
        place_E = np.arange(offsets[-1]) + np.repeat(end - size - offsets[:-1], size)
        pieces.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values_V.take(pa.array(place_E))))
    return pa.chunked_array(pieces)
