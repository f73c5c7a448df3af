"""Reads of one group's events: what each sees of them, by time and by what the log had brought."""
# B = reads, E = events of all keys, ascending by key, known time and offset, A = some reads, P = pairs of them

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.features.windows import Windows

__all__ = ["Events", "Reads", "attach_values"]

Ints = NDArray[np.int64]
Values = Callable[[Windows, list[pa.Array]], list[pa.ChunkedArray]]
"""What aggregates give for reads over measures."""
_PAIRS_AT_ONCE = 1 << 23


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

    All reads are worked out as if they saw everything; those of which the log brought an event too late again, each
    with the events that it sees as a key of its own.

    Args:
        as_served: A read is as of the time of the latest event that it sees + 1 us, where that is later (rule T5).
    """
    time_B, seen_B = reads.time_B, reads.seen_B
    if as_served:
        time_B = _served(events, reads)
    found = values(Windows(events.known_E, events.starts_K, reads.key_B, time_B), events.measures)
    if seen_B is None or not len(events.known_E):
        return found
    first_B, end_B = _spans(events, reads.key_B)
    latest_E = _running_max(events.offset_E, events.starts_K)
    affected = np.flatnonzero((end_B > first_B) & (latest_E[np.maximum(end_B - 1, 0)] > seen_B))
    place, parts = np.arange(len(time_B)), [found]
    at = len(time_B)
    for own, pairs, read in _pairs(first_B, end_B, affected):
        visible = events.offset_E[pairs] <= seen_B[own][read]
        pairs, read = pairs[visible], read[visible]
        starts = np.searchsorted(read, np.arange(len(own) + 1))
        windows = Windows(events.known_E[pairs], starts, np.arange(len(own)), time_B[own])
        parts.append(values(windows, [one.take(pa.array(pairs)) for one in events.measures]))
        place[own] = np.arange(at, at + len(own))
        at += len(own)
    if len(parts) == 1:
        return found
    taken = pa.array(place)
    return [pa.chunked_array([c for part in one for c in part.chunks]).take(taken) for one in zip(*parts)]


def _served(events: Events, reads: Reads) -> Ints:
    """When a store answers that has applied what each read sees."""
    time_B = reads.time_B.copy()
    if not len(events.known_E):
        return time_B
    first_B, end_B = _spans(events, reads.key_B)
    seen_B = np.full(len(time_B), np.iinfo(np.int64).max) if reads.seen_B is None else reads.seen_B
    last_B = events.known_E[np.maximum(end_B - 1, 0)]
    later = np.flatnonzero((end_B > first_B) & (last_B >= time_B))
    for own, pairs, read in _pairs(first_B, end_B, later):
        visible = events.offset_E[pairs] <= seen_B[own][read]
        # Pairs of a read ascend by time, so the last one written is the latest.
        clock = np.full(len(own), np.iinfo(np.int64).min)
        clock[read[visible]] = events.known_E[pairs[visible]]
        time_B[own] = np.maximum(time_B[own], clock + 1)
    return time_B


def _spans(events: Events, key_B: Ints) -> tuple[Ints, Ints]:
    """Where the events of each read's key begin and end."""
    nothing = key_B < 0
    first_B = np.where(nothing, 0, events.starts_K[key_B])
    return first_B, np.where(nothing, 0, events.starts_K[key_B + 1])


def _running_max(offset_E: Ints, starts_K: Ints) -> Ints:
    """The largest offset of the events of the same key up to each."""
    key_E = np.repeat(np.arange(len(starts_K) - 1), np.diff(starts_K))
    low = int(offset_E.min(initial=0))
    step = int(offset_E.max(initial=0)) - low + 1
    lifted: Ints = np.maximum.accumulate(offset_E - low + key_E * step)
    return lifted - key_E * step + low


def _pairs(first_B: Ints, end_B: Ints, which: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Some reads with all events of their keys, so many at a time that memory is bounded.

    Yields:
        The reads (A of B), the events' places (P of E), and which of the A reads each belongs to, ascending.
    """
    sizes = (end_B - first_B)[which]
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _PAIRS_AT_ONCE)) + 1
    for own in np.split(which, cuts):
        if not len(own):
            continue
        size = (end_B - first_B)[own]
        read = np.repeat(np.arange(len(own)), size)
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        yield own, first_B[own][read] + within, read
