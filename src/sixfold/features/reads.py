"""Reads of one group's events: what each sees of them, by time and by what the log had brought."""
# B = reads, E = events of all keys, ascending by key, known time and offset, A = some reads, P = events seen apart

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.features.windows import Span, Windows, place

__all__ = ["Events", "Reads", "attach_values", "newest_by_key"]

Ints = NDArray[np.int64]
Values = Callable[[Windows, list[pa.Array]], list[pa.ChunkedArray]]
"""What aggregates give for reads over measures."""
_APART_AT_ONCE = 1 << 22


class Events(NamedTuple):
    """The events of some keys."""

    known_E: Ints
    offset_E: Ints
    starts_K: Ints
    """Where each key's events begin, and last where all end: shape (K + 1,)."""
    measures: list[pa.Array]


class Reads(NamedTuple):
    """Who reads what, when."""

    key_B: Ints
    """-1: a key without events."""
    time_B: Ints
    seen_B: Ints | None
    """The largest log offset that a read sees; None: everything."""


def attach_values(events: Events, reads: Reads, values: Values, *, as_served: bool) -> list[pa.ChunkedArray]:
    """The values of each read.

    A read sees the events before its time up to the first that the log brought too late for it, all at once; what came
    in time of the events behind that one is put apart, behind all others, as a second span.

    Args:
        as_served: A read is as of the time of the latest event that it sees + 1 us, where that is later (rule T5).
    """
    nothing = reads.key_B < 0
    first_B = np.where(nothing, 0, events.starts_K[reads.key_B])
    last_B = np.where(nothing, 0, events.starts_K[reads.key_B + 1])
    time_B = _served(events, reads, first_B, last_B) if as_served else reads.time_B
    end_B = place(events.known_E, first_B, last_B, time_B)
    if reads.seen_B is None or not len(events.known_E):
        return values(Windows(events.known_E, [Span(first_B, end_B)], time_B), events.measures)
    newest_E = newest_by_key(events.offset_E, events.starts_K)
    until_B = place(newest_E, first_B, end_B, reads.seen_B + 1)
    found = values(Windows(events.known_E, [Span(first_B, until_B)], time_B), events.measures)
    parts, where, at = [found], np.arange(len(time_B)), len(time_B)
    for own, apart, starts in _apart(events.offset_E, reads.seen_B, until_B, end_B):
        size = len(events.known_E)
        known = np.concatenate([events.known_E, events.known_E[apart]])
        spans = [Span(first_B[own], until_B[own]), Span(size + starts[:-1], size + starts[1:])]
        measures = [pa.concat_arrays([one, one.take(pa.array(apart))]) for one in events.measures]
        parts.append(values(Windows(known, spans, time_B[own]), measures))
        where[own] = np.arange(at, at + len(own))
        at += len(own)
    if len(parts) == 1:
        return found
    taken = pa.array(where)
    return [pa.chunked_array([c for part in one for c in part.chunks]).take(taken) for one in zip(*parts)]


def _served(events: Events, reads: Reads, first_B: Ints, last_B: Ints) -> Ints:
    """When a store answers that has applied what each read sees."""
    if not len(events.known_E):
        return reads.time_B
    end_B = last_B
    if reads.seen_B is not None:
        # Behind the last event that is seen, all that follow came later.
        oldest_E = _by_key(events.offset_E[::-1], len(events.offset_E) - events.starts_K[::-1], np.minimum)[::-1]
        end_B = place(oldest_E, first_B, last_B, reads.seen_B + 1)
    clock_B = np.where(end_B > first_B, events.known_E[np.maximum(end_B - 1, 0)], np.iinfo(np.int64).min)
    served_B: Ints = np.maximum(reads.time_B, clock_B + 1)
    return served_B


def newest_by_key(offset_E: Ints, starts_K: Ints) -> Ints:
    """The largest offset of what stands up to each of E places, of the same key."""
    return _by_key(offset_E, starts_K, np.maximum)


def _by_key(offset_E: Ints, starts_K: Ints, extreme: np.ufunc) -> Ints:
    """The largest (or smallest) offset of the events of the same key up to each."""
    low, step = int(offset_E.min()), int(offset_E.max() - offset_E.min()) + 1
    sign = 1 if extreme is np.maximum else -1
    lift_E = sign * step * np.repeat(np.arange(len(starts_K) - 1), np.diff(starts_K))
    lifted: Ints = extreme.accumulate(offset_E - low + lift_E)
    return lifted - lift_E + low


def _apart(offset_E: Ints, seen_B: Ints, until_B: Ints, end_B: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """What reads see behind the first event that came too late for them, so much at a time that memory is bounded.

    Yields:
        The A reads that see anything there, the places of the P events, and where each read's begin among these.
    """
    which = np.flatnonzero(until_B < end_B)
    cuts = np.flatnonzero(np.diff(np.cumsum((end_B - until_B)[which]) // _APART_AT_ONCE)) + 1
    for own in np.split(which, cuts):
        size = (end_B - until_B)[own]
        read = np.repeat(np.arange(len(own)), size)
        behind = np.arange(size.sum()) + np.repeat(until_B[own] - (np.cumsum(size) - size), size)
        seen = offset_E[behind] <= seen_B[own][read]
        counts = np.bincount(read[seen], minlength=len(own))
        if counts.any():
            some = counts > 0
            yield own[some], behind[seen], np.concatenate([[0], np.cumsum(counts[some])])
