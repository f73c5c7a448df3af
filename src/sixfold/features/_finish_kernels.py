"""The hot loops that finish packed rows to values at a time, compiled."""
# K = keys, F = features finished from tiles

import numpy as np
from numpy.typing import NDArray

from sixfold.features._compiled import compiled
from sixfold.features._kernels import clear, far_end, merge, zeros
from sixfold.features.hashing import MAX_ZEROS
from sixfold.features.layout import BASE_TILE, FAR, NEVER

__all__ = ["estimate", "finish_distinct", "finish_list", "finish_tiles"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@compiled
def _finish(code: int, ints: Ints, floats: Floats, a: int, b: int, numbers: Floats, t: int) -> tuple[float, bool]:
    """The value that merged columns give at `t`, and whether it is known."""
    if code == 0:
        return floats[a], True
    if code == 1:
        return (floats[b] / floats[a], True) if floats[a] > 0 else (0.0, False)
    if code == 2:
        return (floats[b] + numbers[0]) / (floats[a] + numbers[1]), True
    if code == 3:
        return (floats[a], True) if np.isfinite(floats[a]) else (0.0, False)
    if code == 4:
        return (np.sqrt(floats[a + 2] / (floats[a] - 1.0)), True) if floats[a] > 1.0 else (0.0, False)
    if code == 5:
        return (floats[a + 1], True) if ints[a] != FAR else (0.0, False)
    if code == 6:
        return ((t - ints[a]) / 1e6, True) if ints[a] != NEVER else (0.0, False)
    return (floats[a + 1] * 2.0 ** ((ints[a] - t) / numbers[0]), True) if ints[a] != NEVER else (0.0, True)


@compiled
def finish_tiles(
    ops: Ints,
    half_lives: Floats,
    levels: Ints,
    head: int,
    codes: Ints,
    numbers: Floats,
    rows: Ints,
    row_starts: Ints,
    now: int,
    midnights: Ints,
) -> tuple[Floats, Flags]:
    """The features of packed rows that tiles give, at `now`, or at a row's clock + 1 us where that is later.

    Args:
        codes, numbers: Ascending by level and window, so that each window goes on where the one before ended.
        rows, row_starts: As `old` and `old_starts` of `_kernels.fold`; a key without a row has no slots.
        midnights: Where the day so far begins for each key, shape (K,); read where a window is -1.

    Returns:
        Values (the bits of what is no number) and whether they are known, shape (F, K).
    """
    keys, features = len(row_starts) - 1, len(codes)
    data, valid = np.zeros((features, keys)), np.ones((features, keys), np.bool_)
    floats = rows.view(np.float64)
    sums = np.ones(len(levels), np.bool_)
    for level in range(len(levels)):
        for m in range(levels[level, 2], levels[level, 2] + levels[level, 3]):
            sums[level] &= ops[m] == 0
    merged = np.empty(len(ops), np.int64)
    merged_floats = merged.view(np.float64)
    for k in range(keys):
        at = row_starts[k]
        has_row = row_starts[k + 1] > at
        t = max(now, rows[at + 1] + 1) if has_row else now
        begin, end, slot, level = at + head, at + head, at + head, -1
        for f in range(features):
            if codes[f, 1] != level:
                level = codes[f, 1]
                first, width = levels[level, 2], levels[level, 3]
                clear(ops, first, width, merged, merged_floats, first)
                begin = end
                end += rows[at + 2 + level] * (1 + width) if has_row else 0
                slot = end - 1 - width
            window, hop = codes[f, 4], codes[f, 5]
            start = BASE_TILE
            if window != 0:
                start = far_end(t, window, hop) if window > 0 else far_end(midnights[k], 0, hop)
            while slot >= begin and rows[slot] >= start:
                if sums[level]:
                    for m in range(width):
                        merged_floats[first + m] += floats[slot + 1 + m]
                else:
                    merge(ops, half_lives, first, width, merged, merged_floats, first, rows, floats, slot + 1)
                slot -= 1 + width
            data[f, k], valid[f, k] = _finish(
                codes[f, 0], merged, merged_floats, first + codes[f, 2], first + codes[f, 3], numbers[f], t
            )
    return data, valid


@compiled
def _list_at(levels: Ints, head: int, which: int, rows: Ints, at: int) -> int:
    """The slot where the entries of a row's list begin."""
    slot = at + head
    for level in range(len(levels)):
        slot += rows[at + 2 + level] * (1 + levels[level, 3])
    for j in range(which):
        slot += 2 * rows[at + 2 + len(levels) + j]
    return slot


@compiled
def _start(t: int, window: int, hop: int, midnight: int) -> int:
    """Where a list's window begins at `t`."""
    if window == 0:
        return NEVER
    return far_end(t, window, hop) if window > 0 else far_end(midnight, 0, hop)


@compiled
def finish_list(
    levels: Ints,
    list_limits: Ints,
    head: int,
    which: int,
    rows: Ints,
    row_starts: Ints,
    now: int,
    window: int,
    midnights: Ints,
) -> tuple[Ints, Ints]:
    """The entries of one list in the window at `now` (see `finish_tiles`), oldest first.

    Returns:
        The values of all keys one after the other, and where each key's begin, shape (K + 1,).
    """
    keys = len(row_starts) - 1
    hop = list_limits[which, 2]
    starts = np.zeros(keys + 1, np.int64)
    values = np.empty(keys * list_limits[which, 0], np.int64)
    to = 0
    for k in range(keys):
        at = row_starts[k]
        if row_starts[k + 1] > at:
            slot = _list_at(levels, head, which, rows, at)
            start = _start(max(now, rows[at + 1] + 1), window, hop, midnights[k])
            for i in range(rows[at + 2 + len(levels) + which]):
                if rows[slot + 2 * i] >= start:
                    values[to] = rows[slot + 2 * i + 1]
                    to += 1
        starts[k + 1] = to
    return values[:to].copy(), starts


@compiled
def finish_distinct(
    levels: Ints,
    list_limits: Ints,
    head: int,
    which: int,
    rows: Ints,
    row_starts: Ints,
    now: int,
    window: int,
    midnights: Ints,
) -> Floats:
    """How many different values one `distinct` list stands for in the window at `now` (see `finish_tiles`)."""
    keys = len(row_starts) - 1
    size, hop = list_limits[which, 0], list_limits[which, 2]
    counts, met = np.zeros(keys), np.empty(MAX_ZEROS + 1, np.int64)
    for k in range(keys):
        at = row_starts[k]
        if row_starts[k + 1] == at:
            continue
        slot = _list_at(levels, head, which, rows, at)
        start = _start(max(now, rows[at + 1] + 1), window, hop, midnights[k])
        met[:] = 0
        for i in range(rows[at + 2 + len(levels) + which]):
            if rows[slot + 2 * i] >= start:
                met[zeros(rows[slot + 2 * i + 1])] += 1
        counts[k] = estimate(met, size)
    return counts


@compiled
def estimate(met: Ints, size: int) -> float:
    """The estimate of how many different values there are, from the first level that is not full.

    Args:
        met: Shape (MAX_ZEROS + 1,): how many different hashes begin with exactly so many zeros.
        size: Of a full level.
    """
    left = met.sum()
    for level in range(MAX_ZEROS):
        if left < size:
            return float(left) * 2.0**level
        left -= met[level]
    return float(left) * 2.0**MAX_ZEROS
