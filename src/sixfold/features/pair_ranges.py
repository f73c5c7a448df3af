"""Who is paired with whom as of each row: ranges of pairs that are sorted once, so that no row is made for a pair."""
# B = points: who asks, when, having seen what; N = who asks, M = rows of the relation or pairs

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sixfold.features import relations
from sixfold.features._pair_kernels import grouped
from sixfold.features.paired import expanded
from sixfold.features.reads import newest_by_key
from sixfold.features.windows import place

__all__ = ["Ranges", "RelationRows", "in_order", "pair_ranges"]

Ints = NDArray[np.int64]
_AT_ONCE = 1 << 22


class RelationRows(NamedTuple):
    """Rows of a relation."""

    near_M: Ints
    far_M: Ints
    valid_from_M: Ints
    offset_M: Ints


class Ranges(NamedTuple):
    """The pairs that count for each of B points: `far_M[begin_B:end_B]`, in the order of their places."""

    far_M: Ints
    begin_B: Ints
    end_B: Ints


def pair_ranges(rows: RelationRows, size: int, near_B: Ints, time_B: Ints, seen_B: Ints | None) -> Ranges:
    """The pairs of each point that hold at its time, the newest of them.

    Args:
        rows: `in_order`.
        size: N.
        near_B: Who asks.
        seen_B: The largest log offset that each point sees; None: everything.
    """
    pairs = _first(rows)
    starts_N = np.searchsorted(pairs.near_M, np.arange(size + 1))
    end_B = place(pairs.valid_from_M, starts_N[near_B], starts_N[near_B + 1], time_B + 1)
    begin_B = np.maximum(starts_N[near_B], end_B - relations.NEWEST)
    if seen_B is None or rows.offset_M.max(initial=-1) < 0:
        return Ranges(pairs.far_M, begin_B, end_B)
    # A point that does not see one of the rows of its time has pairs of its own.
    starts_N = np.searchsorted(rows.near_M, np.arange(size + 1))
    first_B, last_B = starts_N[near_B], starts_N[near_B + 1]
    last_B = place(rows.valid_from_M, first_B, last_B, time_B + 1)
    newest_M = newest_by_key(rows.offset_M, starts_N)
    apart = np.flatnonzero(place(newest_M, first_B, last_B, seen_B + 1) < last_B)
    far, at = [pairs.far_M], len(pairs.far_M)
    for own in _cut(apart, (last_B - first_B)[apart]):
        point, which = expanded(first_B[own], last_B[own])
        seen = rows.offset_M[which] <= seen_B[own][point]
        found = _first(RelationRows(point[seen], *(one[which[seen]] for one in rows[1:])))
        bounds = np.searchsorted(found.near_M, np.arange(len(own) + 1))
        begin_B[own] = at + np.maximum(bounds[:-1], bounds[1:] - relations.NEWEST)
        end_B[own] = at + bounds[1:]
        far.append(found.far_M)
        at += len(found.far_M)
    return Ranges(np.concatenate(far), begin_B, end_B)


def in_order(rows: RelationRows) -> RelationRows:
    """The rows by who asks, valid_from and offset."""
    order = np.arange(len(rows.offset_M))
    if (rows.offset_M[1:] < rows.offset_M[:-1]).any():  # most files are read in the order of their offsets
        order = np.argsort(rows.offset_M, kind="stable")
    order = order[np.argsort(rows.valid_from_M[order], kind="stable")]
    order = order[grouped(rows.near_M[order], int(rows.near_M.max(initial=-1)) + 1)]
    return RelationRows(*(one[order] for one in rows))


def _first(rows: RelationRows) -> RelationRows:
    """Each pair at its place: of its earliest rows the last one; both are `in_order`."""
    both = rows.near_M * (int(rows.far_M.max(initial=0)) + 1) + rows.far_M
    ascending = np.sort(both)
    if (ascending[1:] != ascending[:-1]).all():
        return rows
    order = np.argsort(both, kind="stable")
    both, times = both[order], rows.valid_from_M[order]
    begins = np.append(np.flatnonzero(np.diff(both, prepend=-1)), len(both))
    # Where the time or the pair changes, a run of equal ones ends; of each pair the first run counts.
    ends = np.flatnonzero(np.append((both[1:] != both[:-1]) | (times[1:] != times[:-1]), True))
    kept = np.sort(order[ends[np.searchsorted(ends, begins[:-1])]])
    return RelationRows(*(one[kept] for one in rows))


def _cut(which: Ints, sizes: Ints) -> Iterator[Ints]:
    """These points, so many at a time that memory is bounded."""
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _AT_ONCE)) + 1
    yield from np.split(which, cuts)
