"""The hot loops over packed rows, compiled by numba; loaded by the stream worker and the server only."""
# K = keys, N = events sorted by key and then (known, offset), A = measures, F = numeric features, S = scalars

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BASE_TILE", "NEVER", "finish_list", "finish_numbers", "fold"]

NEVER = -(2**62) - 1
"""A scalar that was never set, a clock before every event."""
BASE_TILE = -(2**62)
"""The start of the one tile of a level without a hop."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_F = TypeVar("_F", bound=Callable[..., Any])


def _compiled(function: _F) -> _F:
    return cast(_F, njit(cache=True, nogil=True)(function))


@_compiled
def _far_end(t: int, window: int, hop: int) -> int:
    # Floor division goes toward minus infinity here, as the rule wants it.
    return (t - window) // hop * hop


@_compiled
def _fold_level(
    old: Ints, at: int, tiles: int, known: Ints, adds: Floats, level: Ints, clock: int, out: Ints, to: int
) -> int:
    """Merge one level's old tiles (from slot `at`) with new events into `out` (from slot `to`); how many tiles."""
    hop, window, first, width = level[0], level[1], level[2], level[3]
    keep_from = BASE_TILE if hop == 0 else _far_end(clock + 1, window, hop)
    measures = out.view(np.float64)
    old_measures = old.view(np.float64)
    stride, count, i, e = 1 + width, 0, 0, 0
    while i < tiles or e < len(known):
        start = old[at + i * stride] if i < tiles else 2**62
        if e < len(known):
            new = BASE_TILE if hop == 0 else known[e] // hop * hop
            start = min(start, new)
        slot = to + count * stride
        out[slot] = start
        used = False
        for m in range(width):
            measures[slot + 1 + m] = 0.0
        if i < tiles and old[at + i * stride] == start:
            for m in range(width):
                measures[slot + 1 + m] = old_measures[at + i * stride + 1 + m]
            i += 1
            used = True
        while e < len(known) and (hop == 0 or known[e] // hop * hop == start):
            for m in range(width):
                if adds[e, first + m] != 0.0:
                    measures[slot + 1 + m] += adds[e, first + m]
                    used = True
            e += 1
        if used and start >= keep_from:
            count += 1
    return count


@_compiled
def _fold_list(
    old: Ints,
    at: int,
    entries: int,
    known: Ints,
    values: Ints,
    seen: Flags,
    limits: Ints,
    clock: int,
    out: Ints,
    to: int,
) -> int:
    """Merge one list's old entries with new events, keeping the latest n in the window; how many entries."""
    n, window, hop = limits[0], limits[1], limits[2]
    keep_from = NEVER if window == 0 else _far_end(clock + 1, window, hop)
    count, i, e = 0, entries - 1, len(known) - 1
    # From the latest backward; of equal times the new one is later.
    while count < n and (i >= 0 or e >= 0):
        if e >= 0 and not seen[e]:
            e -= 1
            continue
        if e >= 0 and (i < 0 or known[e] >= old[at + 2 * i]):
            out[to + 2 * count], out[to + 2 * count + 1] = known[e], values[e]
            e -= 1
        else:
            out[to + 2 * count], out[to + 2 * count + 1] = old[at + 2 * i], old[at + 2 * i + 1]
            i -= 1
        if out[to + 2 * count] < keep_from:
            break
        count += 1
    for j in range(count // 2):
        a, b = to + 2 * j, to + 2 * (count - 1 - j)
        out[a], out[b] = out[b], out[a]
        out[a + 1], out[b + 1] = out[b + 1], out[a + 1]
    return count


@_compiled
def fold(
    definition: int,
    levels: Ints,
    list_limits: Ints,
    old: Ints,
    old_starts: Ints,
    starts: Ints,
    known: Ints,
    adds: Floats,
    values: Ints,
    seen: Flags,
    hits: Flags,
) -> tuple[Ints, Ints]:
    """Fold events into packed rows.

    Args:
        old: Rows of all keys one after the other, slots; key k has old[old_starts[k]:old_starts[k + 1]], maybe none.
        starts: Shape (K + 1,); key k has the events starts[k] to starts[k + 1].
        adds: Shape (N, A), what each event adds to each measure.
        values, seen: Shape (N, lists), the value for each list and whether the list sees the event.
        hits: Shape (N, S), whether a scalar sees the event.

    Returns:
        The new rows in the form of `old` and `old_starts`.
    """
    keys, n_levels, n_lists, n_scalars = len(starts) - 1, len(levels), len(list_limits), hits.shape[1]
    head = 2 + n_levels + n_lists + n_scalars
    per_event = 2 * n_lists
    for level in range(n_levels):
        per_event += 1 + levels[level, 3]
    # Merging needs one more tile than it keeps.
    longest = head + n_levels + 1 + per_event
    out = np.empty(len(old) + len(known) * per_event + keys * longest, np.int64)
    out_starts = np.zeros(keys + 1, np.int64)
    to = 0
    for k in range(keys):
        a, b, at = starts[k], starts[k + 1], old_starts[k]
        is_new = old_starts[k + 1] == at
        clock = NEVER if is_new else old[at + 1]
        if b > a:
            clock = max(clock, known[b - 1])
        out[to], out[to + 1] = definition, clock
        read, write = at + head, to + head
        for level in range(n_levels):
            tiles = 0 if is_new else old[at + 2 + level]
            count = _fold_level(old, read, tiles, known[a:b], adds[a:b], levels[level], clock, out, write)
            out[to + 2 + level] = count
            read += tiles * (1 + levels[level, 3])
            write += count * (1 + levels[level, 3])
        for j in range(n_lists):
            entries = 0 if is_new else old[at + 2 + n_levels + j]
            count = _fold_list(
                old, read, entries, known[a:b], values[a:b, j], seen[a:b, j], list_limits[j], clock, out, write
            )
            out[to + 2 + n_levels + j] = count
            read += 2 * entries
            write += 2 * count
        for s in range(n_scalars):
            slot = 2 + n_levels + n_lists + s
            latest = NEVER if is_new else old[at + slot]
            for e in range(a, b):
                if hits[e, s] and known[e] > latest:
                    latest = known[e]
            out[to + slot] = latest
        to = write
        out_starts[k + 1] = to
    return out[:to].copy(), out_starts


@_compiled
def finish_numbers(
    levels: Ints, n_lists: int, head: int, codes: Ints, priors: Floats, rows: Ints, row_starts: Ints, now: int
) -> tuple[Floats, Flags]:
    """The numeric features of packed rows at `now`, or at a row's clock + 1 us where that is later.

    Args:
        rows, row_starts: As `old` and `old_starts` of `fold`; a key without a row has no slots.

    Returns:
        Values and whether they are known, shape (K, F).
    """
    keys, features, n_levels = len(row_starts) - 1, len(codes), len(levels)
    data, valid = np.zeros((keys, features)), np.ones((keys, features), np.bool_)
    measures = rows.view(np.float64)
    tile_at = np.zeros(n_levels + 1, np.int64)
    for k in range(keys):
        at = row_starts[k]
        has_row = row_starts[k + 1] > at
        t = max(now, rows[at + 1] + 1) if has_row else now
        if has_row:
            tile_at[0] = at + head
            for level in range(n_levels):
                tile_at[level + 1] = tile_at[level] + rows[at + 2 + level] * (1 + levels[level, 3])
        for f in range(features):
            code, level = codes[f, 0], codes[f, 1]
            if code == 4:
                latest = rows[at + 2 + n_levels + n_lists + level] if has_row else NEVER
                valid[k, f] = latest != NEVER
                if latest != NEVER:
                    data[k, f] = (t - latest) / 1e6
                continue
            n, total = 0.0, 0.0
            if has_row:
                window, hop = codes[f, 4], codes[f, 5]
                start = BASE_TILE if window == 0 else _far_end(t, window, hop)
                stride = 1 + levels[level, 3]
                slot = tile_at[level + 1] - stride
                while slot >= tile_at[level] and rows[slot] >= start:
                    n += measures[slot + 1 + codes[f, 2]]
                    total += measures[slot + 1 + codes[f, 3]]
                    slot -= stride
            if code == 0:
                data[k, f] = n
            elif code == 1:
                data[k, f] = total
            elif code == 2:
                valid[k, f] = n > 0
                if n > 0:
                    data[k, f] = total / n
            else:
                data[k, f] = (total + priors[f, 0]) / (n + priors[f, 1])
    return data, valid


@_compiled
def finish_list(
    levels: Ints, list_limits: Ints, head: int, which: int, rows: Ints, row_starts: Ints, now: int
) -> tuple[Ints, Ints]:
    """The entries of one list in the window at `now` (see `finish_numbers`), oldest first.

    Returns:
        The values of all keys one after the other, and where each key's begin, shape (K + 1,).
    """
    keys, n_levels = len(row_starts) - 1, len(levels)
    window, hop = list_limits[which, 1], list_limits[which, 2]
    starts = np.zeros(keys + 1, np.int64)
    values = np.empty(keys * list_limits[which, 0], np.int64)
    to = 0
    for k in range(keys):
        at = row_starts[k]
        if row_starts[k + 1] > at:
            slot = at + head
            for level in range(n_levels):
                slot += rows[at + 2 + level] * (1 + levels[level, 3])
            for j in range(which):
                slot += 2 * rows[at + 2 + n_levels + j]
            start = NEVER if window == 0 else _far_end(max(now, rows[at + 1] + 1), window, hop)
            for i in range(rows[at + 2 + n_levels + which]):
                if rows[slot + 2 * i] >= start:
                    values[to] = rows[slot + 2 * i + 1]
                    to += 1
        starts[k + 1] = to
    return values[:to].copy(), starts
