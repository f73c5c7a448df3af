"""Aggregates over windows of sorted events, as arrays: two binary searches a read, then what lies between."""
# B = reads, K = keys, E = events of all keys, ascending by key, known time and offset, V = those that a measure sees

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.schema import Aggregate
from sixfold.features._range_kernels import distinct_counts, most_frequent
from sixfold.features.hashing import hash_numbers, hash_texts, leading_zeros
from sixfold.features.ranges import Columns, decayed_sums, deviations, folded

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
        first_B, last_B = before_E[begin_B], before_E[self._end_B]
        count_B = last_B - first_B
        match aggregate.function:
            case "since_last":
                latest = pa.array(self._known_E[seen_E]).take(pa.array(last_B - 1, mask=count_B == 0))
                known_B = np.asarray(latest.fill_null(0))
                found = pa.array((self._time_B - known_B) / 1e6, mask=count_B == 0)
            case "first":
                found = measure_E.drop_null().take(pa.array(first_B, mask=count_B == 0))
            case "last":
                values_V = measure_E.drop_null()
                if aggregate.n is not None:
                    return _lists(values_V, last_B, np.minimum(count_B, aggregate.n))
                found = values_V.take(pa.array(last_B - 1, mask=count_B == 0))
            case "top":
                begin_B = np.maximum(first_B, last_B - (aggregate.limit or 1))
                return _most_frequent(measure_E.drop_null(), begin_B, last_B, aggregate.n)
            case "distinct":
                found = pa.array(_distinct(measure_E.drop_null(), first_B, last_B, aggregate.limit or 1))
            case _:
                found = self._number(aggregate, measure_E, begin_B, count_B)
        return pa.chunked_array([found])

    def _number(self, aggregate: Aggregate, measure_E: pa.Array, begin_B: Ints, count_B: Ints) -> pa.Array:
        """A value that is reckoned from how many events there are, and their sum, extremes or distances."""
        end_B = self._end_B
        match aggregate.function:
            case "count":
                return pa.array(count_B.astype(np.float64))
            case "sum" | "mean":
                (sum_B,) = folded((np.asarray(measure_E.fill_null(0.0)),), begin_B, end_B, (0.0,), _added)
                if aggregate.function == "sum":
                    return pa.array(sum_B)
                return pa.array(sum_B / np.maximum(count_B, 1), mask=count_B == 0)
            case "min" | "max":
                nothing, merge = (np.inf, _smaller) if aggregate.function == "min" else (-np.inf, _larger)
                (value_B,) = folded((np.asarray(measure_E.fill_null(nothing)),), begin_B, end_B, (nothing,), merge)
                return pa.array(value_B, mask=count_B == 0)
            case "std":
                values_E = np.asarray(measure_E.fill_null(0.0))
                n_B, squares_B = deviations(values_E, np.asarray(measure_E.is_valid()), begin_B, end_B)
                return pa.array(np.sqrt(squares_B / np.maximum(n_B - 1, 1)), mask=n_B < 2)
            case "rate":
                good_E = _running(np.asarray(measure_E.fill_null(False)))
                successes, trials = aggregate.prior or (0.0, 0.0)
                return pa.array((good_E[end_B] - good_E[begin_B] + successes) / (count_B + trials))
            case "decayed":
                values_E = np.asarray(measure_E.cast(pa.float64()).fill_null(0.0))
                half_life_us = aggregate.half_life_us or 1
                return pa.array(decayed_sums(values_E, self._known_E, begin_B, end_B, self._time_B, half_life_us))
        raise ValueError(f"no such aggregate: {aggregate.function}")

    def _begin(self, aggregate: Aggregate) -> Ints:
        """Where the window of each read begins, at `floor(t - window, hop)` (rule T2)."""
        window_us, hop_us = aggregate.window_us, aggregate.hop_us
        if window_us is None or hop_us is None:
            return self._first_B
        if (window_us, hop_us) not in self._begins:
            start_B = (self._time_B - window_us) // hop_us * hop_us
            self._begins[window_us, hop_us] = _place(self._known_E, self._first_B, self._end_B, start_B)
        return self._begins[window_us, hop_us]


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


def _coded(values_V: pa.Array) -> tuple[Ints, pa.Array]:
    """A code for each value, and the different values by code; -0.0 and 0.0 are one."""
    if pa.types.is_floating(values_V.type):
        values_V = pc.add(values_V, 0.0)
    encoded = values_V.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary


def _distinct(values_V: pa.Array, begin_B: Ints, end_B: Ints, size: int) -> NDArray[np.float64]:
    codes_V, different = _coded(values_V)
    if pa.types.is_string(different.type) or pa.types.is_large_string(different.type):
        hashes_U = hash_texts(different.to_pylist())
    else:
        hashes_U = hash_numbers(different.to_numpy(zero_copy_only=False))
    order_B = np.lexsort((begin_B, end_B))
    return distinct_counts(codes_V, leading_zeros(hashes_U), begin_B, end_B, order_B, size)


def _most_frequent(values_V: pa.Array, begin_B: Ints, end_B: Ints, n: int | None) -> pa.ChunkedArray:
    codes_V, different = _coded(values_V)
    chosen, starts = most_frequent(codes_V, begin_B, end_B, n or 1)
    if n is None:
        found = np.diff(starts) > 0
        places = np.zeros(len(begin_B), np.int64)
        places[found] = chosen
        return pa.chunked_array([different.take(pa.array(places, mask=~found))])
    return _lists(different.take(pa.array(chosen)), starts[1:], np.diff(starts))


def _added(one: Columns, other: Columns) -> Columns:
    return (one[0] + other[0],)


def _smaller(one: Columns, other: Columns) -> Columns:
    return (np.minimum(one[0], other[0]),)


def _larger(one: Columns, other: Columns) -> Columns:
    return (np.maximum(one[0], other[0]),)
