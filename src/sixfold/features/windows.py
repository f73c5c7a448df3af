"""Aggregates over windows of sorted events, as arrays: binary searches for where a window is, then what lies there."""
# B = reads, K = keys, E = events of all keys, ascending by key, known time and offset, V = those that a measure sees

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.schema import Aggregate
from sixfold.features._range_kernels import distinct_counts, first_places, most_frequent
from sixfold.features.hashing import hash_numbers, hash_texts, leading_zeros
from sixfold.features.local_time import local_midnight
from sixfold.features.ranges import Columns, decayed_sums, deviations, folded

__all__ = ["Span", "Windows", "place"]

Ints = NDArray[np.int64]
_ELEMENTS_A_CHUNK = 1 << 24


class Span(NamedTuple):
    """A range of neighbours for each read: [begin, end)."""

    begin_B: Ints
    end_B: Ints


class Windows:
    """What some reads see of the events of their keys, and aggregates over windows of it.

    Args:
        known_E: Known times in microseconds.
        spans: What each read sees, before its time: one span, or several of which the later hold later events. Each
            ascends by known time.
        time_B: When it is read.
    """

    def __init__(self, known_E: Ints, spans: Sequence[Span], time_B: Ints) -> None:
        self._known_E, self._spans, self._time_B = known_E, spans, time_B
        self._windows: dict[tuple[int, int], Sequence[Span]] = {}
        self._measures: dict[int, _Measure] = {}
        self._sums: dict[tuple[int, int | None], NDArray[np.float64]] = {}

    def value(self, aggregate: Aggregate, measure_E: pa.Array) -> pa.ChunkedArray:
        """An aggregate's value at each read, over the measure that it sees (`windows_sql.measure`)."""
        measure, window = self._measured(measure_E), self._window(aggregate)
        own = [Span(measure.before_E[span.begin_B], measure.before_E[span.end_B]) for span in window]
        count_B = sum((span.end_B - span.begin_B for span in own), np.zeros(len(self._time_B), np.int64))
        nothing = count_B == 0
        match aggregate.function:
            case "since_last":
                latest = pa.array(self._known_E[measure.seen_E]).take(pa.array(_last(own), mask=nothing))
                found = pa.array((self._time_B - np.asarray(latest.fill_null(0))) / 1e6, mask=nothing)
            case "first":
                found = measure.values_V.take(pa.array(_first(own), mask=nothing))
            case "last" if aggregate.n is None:
                found = measure.values_V.take(pa.array(_last(own), mask=nothing))
            case "last":
                return _lists(measure.values_V, _latest(own, aggregate.n or 1))
            case "top":
                return _most_frequent(measure, _latest(own, aggregate.limit or 1), aggregate.n)
            case "distinct":
                found = pa.array(_distinct(measure, own, aggregate.limit or 1))
            case _:
                found = self._number(aggregate, measure, window, count_B)
        return pa.chunked_array([found])

    def _number(self, aggregate: Aggregate, measure: "_Measure", window: Sequence[Span], count_B: Ints) -> pa.Array:
        """A value that is reckoned from how many events there are, and their sum, extremes or distances."""
        match aggregate.function:
            case "count":
                return pa.array(count_B.astype(np.float64))
            case "sum":
                return pa.array(self._sum(aggregate, measure, window))
            case "mean":
                return pa.array(self._sum(aggregate, measure, window) / np.maximum(count_B, 1), mask=count_B == 0)
            case "min" | "max":
                nothing, merge = (np.inf, _smaller) if aggregate.function == "min" else (-np.inf, _larger)
                (value_B,) = folded((measure.filled(nothing),), window, (nothing,), merge)
                return pa.array(value_B, mask=count_B == 0)
            case "std":
                n_B, squares_B = deviations(measure.filled(0.0), measure.seen_E, window)
                return pa.array(np.sqrt(squares_B / np.maximum(n_B - 1, 1)), mask=n_B < 2)
            case "rate":
                good_E = _running(np.asarray(measure.measure_E.fill_null(False)))
                good_B = sum((good_E[span.end_B] - good_E[span.begin_B] for span in window), np.zeros(len(count_B)))
                successes, trials = aggregate.prior or (0.0, 0.0)
                return pa.array((good_B + successes) / (count_B + trials))
            case "decayed":
                half_life_us = aggregate.half_life_us or 1
                return pa.array(decayed_sums(measure.filled(0.0), self._known_E, window, self._time_B, half_life_us))
        raise ValueError(f"no such aggregate: {aggregate.function}")

    def _sum(self, aggregate: Aggregate, measure: "_Measure", window: Sequence[Span]) -> NDArray[np.float64]:
        """Shared by a sum and a mean."""
        key = id(measure), aggregate.window_us
        if key not in self._sums:
            (self._sums[key],) = folded((measure.filled(0.0),), window, (0.0,), _added)
        return self._sums[key]

    def _measured(self, measure_E: pa.Array) -> "_Measure":
        # It keeps the array, so that no other one has its id.
        if id(measure_E) not in self._measures:
            self._measures[id(measure_E)] = _Measure(measure_E)
        return self._measures[id(measure_E)]

    def _window(self, aggregate: Aggregate) -> Sequence[Span]:
        """What each read sees from `floor(t - window, hop)` on (rule T2)."""
        window_us, hop_us = aggregate.window_us, aggregate.hop_us
        if window_us is None or hop_us is None:
            return self._spans
        if (window_us, hop_us) not in self._windows:
            zone = aggregate.day_zone
            from_B = self._time_B - window_us if zone is None else local_midnight(self._time_B, zone)
            start_B = from_B // hop_us * hop_us
            self._windows[window_us, hop_us] = [
                Span(place(self._known_E, begin_B, end_B, start_B), end_B) for begin_B, end_B in self._spans
            ]
        return self._windows[window_us, hop_us]


class _Measure:
    """What aggregates see of the events, and what several of them make of that."""

    def __init__(self, measure_E: pa.Array) -> None:
        self.measure_E = measure_E
        self.seen_E = np.asarray(measure_E.is_valid())
        self.before_E = _running(self.seen_E)
        """How many are seen before each event: shape (E + 1,)."""

    def filled(self, nothing: float) -> NDArray[np.float64]:
        """Numbers (a flag is 0 or 1), with this one where an event is not seen."""
        return np.asarray(self.measure_E.cast(pa.float64()).fill_null(nothing))

    @cached_property
    def values_V(self) -> pa.Array:
        """What is seen."""
        return self.measure_E.drop_null()

    @cached_property
    def coded(self) -> tuple[Ints, pa.Array]:
        """A code for each value seen, and the different values by code; -0.0 and 0.0 are one."""
        values = self.values_V
        if pa.types.is_floating(values.type):
            values = pc.add(values, 0.0)
        encoded = values.dictionary_encode()
        return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary


def place(ascending_E: Ints, low_B: Ints, high_B: Ints, at_B: Ints) -> Ints:
    """The first place in `[low, high]` whose value is not below `at`.

    Args:
        ascending_E: Ascending within each `[low, high)`.
    """
    return first_places(ascending_E, low_B, high_B, at_B)


def _running(flags_E: NDArray[np.bool_]) -> Ints:
    """How many are true before each place: shape (E + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(flags_E, dtype=np.int64)])


def _first(spans: Sequence[Span]) -> Ints:
    """Where the first element of each read is; of any value where it has none."""
    found = spans[-1].begin_B
    for begin_B, end_B in spans[-2::-1]:
        found = np.where(begin_B < end_B, begin_B, found)
    return found


def _last(spans: Sequence[Span]) -> Ints:
    """Where the last element of each read is; of any value where it has none."""
    found = spans[0].end_B - 1
    for begin_B, end_B in spans[1:]:
        found = np.where(begin_B < end_B, end_B - 1, found)
    return found


def _latest(spans: Sequence[Span], n: int) -> list[Span]:
    """The last n elements of each read."""
    left_B, found = np.full(len(spans[0].end_B), n), list[Span]()
    for begin_B, end_B in reversed(spans):
        size_B = np.minimum(end_B - begin_B, left_B)
        found.insert(0, Span(end_B - size_B, end_B))
        left_B = left_B - size_B
    return found


def _elements(spans: Sequence[Span]) -> Iterator[tuple[slice, Ints, Ints]]:
    """The elements of all spans of each read one after the other, so many reads at a time that memory is bounded.

    Yields:
        Which reads, the places of their elements, and where each read's begin among these, one more than there are.
    """
    begins = np.stack([span.begin_B for span in spans], axis=1)
    sizes = np.stack([span.end_B - span.begin_B for span in spans], axis=1)
    total_B = sizes.sum(axis=1)
    cuts = np.flatnonzero(np.diff(np.cumsum(total_B) // _ELEMENTS_A_CHUNK)) + 1
    for low, high in zip([0, *cuts.tolist()], [*cuts.tolist(), len(total_B)]):
        begin, size = begins[low:high].ravel(), sizes[low:high].ravel()
        before = np.concatenate([[0], np.cumsum(size)])
        places = np.arange(before[-1]) + np.repeat(begin - before[:-1], size)
        yield slice(low, high), places, before[:: len(spans)]


def _lists(values_V: pa.Array, spans: Sequence[Span]) -> pa.ChunkedArray:
    """Lists of these values, in pieces, since a piece of Arrow has 32-bit offsets."""
    pieces = [
        pa.ListArray.from_arrays(pa.array(starts, pa.int32()), values_V.take(pa.array(places)))
        for _, places, starts in _elements(spans)
    ]
    return pa.chunked_array(pieces, pa.list_(values_V.type))


def _distinct(measure: _Measure, spans: Sequence[Span], size: int) -> NDArray[np.float64]:
    codes_V, different = measure.coded
    if pa.types.is_string(different.type) or pa.types.is_large_string(different.type):
        hashes_U = hash_texts(different.to_pylist())
    else:
        hashes_U = hash_numbers(different.to_numpy(zero_copy_only=False))
    zeros_U, begin_B, end_B = leading_zeros(hashes_U), spans[0].begin_B, spans[0].end_B
    if len(spans) == 1:
        return distinct_counts(codes_V, zeros_U, begin_B, end_B, np.lexsort((begin_B, end_B)), size)
    found_B = np.zeros(len(begin_B))
    for which, places, starts in _elements(spans):
        order = np.arange(len(starts) - 1)
        found_B[which] = distinct_counts(codes_V[places], zeros_U, starts[:-1], starts[1:], order, size)
    return found_B


def _most_frequent(measure: _Measure, spans: Sequence[Span], n: int | None) -> pa.ChunkedArray:
    codes_V, different = measure.coded
    pieces = []
    for _, places, starts in _elements(spans):
        chosen, begins = most_frequent(codes_V[places], starts[:-1], starts[1:], n or 1)
        if n is None:
            found = np.diff(begins) > 0
            values = np.zeros(len(found), np.int64)
            values[found] = chosen
            pieces.append(different.take(pa.array(values, mask=~found)))
        else:
            pieces.append(pa.ListArray.from_arrays(pa.array(begins, pa.int32()), different.take(pa.array(chosen))))
    return pa.chunked_array(pieces, different.type if n is None else pa.list_(different.type))


def _added(one: Columns, other: Columns) -> Columns:
    return (one[0] + other[0],)


def _smaller(one: Columns, other: Columns) -> Columns:
    return (np.minimum(one[0], other[0]),)


def _larger(one: Columns, other: Columns) -> Columns:
    return (np.maximum(one[0], other[0]),)
