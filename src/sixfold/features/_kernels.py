"""The hot loop that folds events into packed rows, compiled; loaded by the stream worker and the server only."""
# K = keys, N = events sorted by key and then (known, offset), A = columns of tiles

import numpy as np
from numpy.typing import NDArray

from sixfold.features._compiled import compiled
from sixfold.features.hashing import MAX_ZEROS
from sixfold.features.layout import BASE_TILE, FAR, NEVER

__all__ = ["clear", "far_end", "fold", "merge", "zeros"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@compiled
def far_end(t: int, window: int, hop: int) -> int:
    """Where a window at `t` begins (rule T2)."""
    # Floor division goes toward minus infinity here, as the rule wants it.
    return (t - window) // hop * hop


@compiled
def clear(ops: Ints, first: int, width: int, ints: Ints, floats: Floats, at: int) -> None:
    """Make a tile's columns those of no event."""
    for m in range(width):
        op = ops[first + m]
        if op == 1:
            floats[at + m] = np.inf
        elif op == 2:
            floats[at + m] = -np.inf
        elif op == 4:
            ints[at + m] = FAR
        elif op >= 5:
            ints[at + m] = NEVER
        else:
            floats[at + m] = 0.0


@compiled
def _merge_std(into: Floats, at: int, other: Floats, other_at: int) -> bool:
    """(n, mean, M2) of both (Chan, Golub & LeVeque, COMPSTAT 1982)."""
    n, more = into[at], other[other_at]
    if more == 0.0:
        return False
    apart, both = other[other_at + 1] - into[at + 1], n + more
    into[at] = both
    into[at + 1] += apart * (more / both)
    into[at + 2] += other[other_at + 2] + apart * apart * (n * more / both)
    return True


@compiled
def _merge_decayed(ints: Ints, floats: Floats, at: int, time: int, value: float, half_life: float) -> bool:
    """(known, sum as of then) of both, as of the later."""
    if time == NEVER:
        return False
    if ints[at] == NEVER:
        ints[at], floats[at + 1] = time, value
    elif time > ints[at]:
        floats[at + 1] = floats[at + 1] * 2.0 ** ((ints[at] - time) / half_life) + value
        ints[at] = time
    else:
        floats[at + 1] += value * 2.0 ** ((time - ints[at]) / half_life)
    return True


@compiled
def merge(
    ops: Ints,
    half_lives: Floats,
    first: int,
    width: int,
    ints: Ints,
    floats: Floats,
    at: int,
    others: Ints,
    other_floats: Floats,
    other_at: int,
) -> bool:
    """Merge the columns at `other_at` into those at `at`; whether they held an event."""
    held = False
    for m in range(width):
        op = ops[first + m]
        a, b = at + m, other_at + m
        if op == 0:
            if other_floats[b] != 0.0:
                floats[a] += other_floats[b]
                held = True
        elif op == 1:
            held |= other_floats[b] != np.inf
            floats[a] = min(floats[a], other_floats[b])
        elif op == 2:
            held |= other_floats[b] != -np.inf
            floats[a] = max(floats[a], other_floats[b])
        elif op == 3:
            held |= _merge_std(floats, a, other_floats, b)
        elif op == 4:
            held |= others[b] != FAR
            # Of equal times what is there already came first.
            if others[b] < ints[a]:
                ints[a], ints[a + 1] = others[b], others[b + 1]
        elif op == 5:
            held |= others[b] != NEVER
            ints[a] = max(ints[a], others[b])
        elif op == 6:
            held |= _merge_decayed(ints, floats, a, others[b], other_floats[b + 1], half_lives[first + m])
    return held


@compiled
def _fold_level(
    ops: Ints,
    half_lives: Floats,
    level: Ints,
    old: Ints,
    at: int,
    tiles: int,
    known: Ints,
    adds: Ints,
    clock: int,
    out: Ints,
    to: int,
) -> int:
    """Merge one level's old tiles (from slot `at`) with new events into `out` (from slot `to`); how many tiles."""
    hop, window, first, width = level[0], level[1], level[2], level[3]
    keep_from = BASE_TILE if hop == 0 else far_end(clock + 1, window, hop)
    floats, add_ints, columns = out.view(np.float64), adds.reshape(-1), adds.shape[1]
    add_floats = add_ints.view(np.float64)
    stride, count, i, e = 1 + width, 0, 0, 0
    while i < tiles or e < len(known):
        start = old[at + i * stride] if i < tiles else FAR
        if e < len(known):
            new = BASE_TILE if hop == 0 else known[e] // hop * hop
            start = min(start, new)
        slot = to + count * stride
        out[slot] = start
        held = False
        if i < tiles and old[at + i * stride] == start:
            out[slot + 1 : slot + stride] = old[at + i * stride + 1 : at + (i + 1) * stride]
            i += 1
            held = True
        else:
            clear(ops, first, width, out, floats, slot + 1)
        while e < len(known) and (hop == 0 or known[e] // hop * hop == start):
            held |= merge(
                ops,
                half_lives,
                first,
                width,
                out,
                floats,
                slot + 1,
                add_ints,
                add_floats,
                e * columns + first,
            )
            e += 1
        if held and start >= keep_from:
            count += 1
    return count


@compiled
def _reverse(out: Ints, to: int, count: int) -> None:
    """Turn `count` entries around."""
    for j in range(count // 2):
        a, b = to + 2 * j, to + 2 * (count - 1 - j)
        out[a], out[b] = out[b], out[a]
        out[a + 1], out[b + 1] = out[b + 1], out[a + 1]


@compiled
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
    n, window, hop, distinct = limits[0], limits[1], limits[2], limits[3]
    keep_from = NEVER if window == 0 else far_end(clock + 1, window, hop)
    count, i, e = 0, entries - 1, len(known) - 1
    size = 2
    while distinct and size < 2 * (entries + len(known)):
        size *= 2
    met, levels = np.zeros(size if distinct else 0, np.int64), np.zeros(MAX_ZEROS + 1, np.int64)
    # From the latest backward; of equal times the new one is later.
    while (count < n or distinct) and (i >= 0 or e >= 0):
        if e >= 0 and not seen[e]:
            e -= 1
            continue
        if e >= 0 and (i < 0 or known[e] >= old[at + 2 * i]):
            time, value = known[e], values[e]
            e -= 1
        else:
            time, value = old[at + 2 * i], old[at + 2 * i + 1]
            i -= 1
        if time < keep_from:
            break
        if not distinct or _kept(value, out, to, count, met, levels, n):
            out[to + 2 * count], out[to + 2 * count + 1] = time, value
            count += 1
    _reverse(out, to, count)
    return count


@compiled
def zeros(value: int) -> int:
    """How many zero bits a hash begins with."""
    zeros = 0
    while zeros < MAX_ZEROS and value >= 0:
        value <<= 1
        zeros += 1
    return zeros


@compiled
def _kept(value: int, out: Ints, to: int, count: int, met: Ints, levels: Ints, n: int) -> bool:
    """Whether a hash, met from the latest backward, is new and among the n latest of one of its levels.

    Args:
        met: A hash table of the places (plus 1) of those kept, of a size that is a power of two.
        levels: How many were kept so far of those with at least so many leading zeros.
    """
    own = zeros(value)
    # Of those with at least as many zeros n came later; then they did in all its lower levels too.
    if levels[own] >= n:
        return False
    place = value & (len(met) - 1)
    while met[place] != 0:
        if out[to + 2 * (met[place] - 1) + 1] == value:
            return False
        place = (place + 1) & (len(met) - 1)
    met[place] = count + 1
    levels[: own + 1] += 1
    return True


@compiled
def fold(
    definition: int,
    ops: Ints,
    half_lives: Floats,
    levels: Ints,
    list_limits: Ints,
    old: Ints,
    old_starts: Ints,
    starts: Ints,
    known: Ints,
    adds: Ints,
    values: Ints,
    seen: Flags,
) -> tuple[Ints, Ints]:
    """Fold events into packed rows.

    Args:
        old: Rows of all keys one after the other, slots; key k has old[old_starts[k]:old_starts[k + 1]], maybe none.
        starts: Shape (K + 1,); key k has the events starts[k] to starts[k + 1].
        adds: Shape (N, A), each event as a tile of its own, C-contiguous; floats by their bits.
        values, seen: Shape (N, lists), the value for each list and whether the list sees the event.

    Returns:
        The new rows in the form of `old` and `old_starts`.
    """
    keys, n_levels, n_lists = len(starts) - 1, len(levels), len(list_limits)
    head = 2 + n_levels + n_lists
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
            count = _fold_level(
                ops, half_lives, levels[level], old, read, tiles, known[a:b], adds[a:b], clock, out, write
            )
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
        to = write
        out_starts[k + 1] = to
    return out[:to].copy(), out_starts
