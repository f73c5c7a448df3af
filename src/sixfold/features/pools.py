"""Which items could have been available around a time: what lists are drawn from, before each pair is checked."""
# I = items, G = blocks of time, B = rows asked about

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.system import System
from sixfold.errors import NoItems
from sixfold.features.arrays import from_arrow
from sixfold.features.batch import attach_as_known
from sixfold.features.expressions import holds
from sixfold.features.joins_sql import Relations
from sixfold.features.rows import with_nulls
from sixfold.features.scratch import Scratch, quoted

__all__ = ["Pools", "ints", "item_rows", "no_items", "pools"]

_GRID_ROWS = 4_000_000
_BLOCKS = (8, 512)
"""Fewest and most blocks of time."""
_AT_ONCE = 1_000_000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pools:
    """The items of each block of time.

    A block's pool has what is available at its start or its end, and what has a new row within it: only an item that
    becomes available and ceases to be within one block, without a row that says so, is missed.
    """

    keys: pa.Array
    """Shape (I,)."""
    since_us: Ints
    """From when on each item exists, shape (I,)."""
    sizes: Ints
    """Shape (G,)."""
    _starts_us: Ints
    _flat: Ints
    """The items of all pools, one pool after the other."""

    def block(self, times_us: Ints) -> Ints:
        """The block of each time, shape (B,)."""
        found: Ints = np.clip(np.searchsorted(self._starts_us, times_us, "right") - 1, 0, None)
        return found

    def items(self, block_B: Ints, place_B: Ints) -> Ints:
        """The item at each place of a block's pool."""
        first = np.cumsum(self.sizes) - self.sizes
        found: Ints = self._flat[first[block_B] + place_B]
        return found

    def number(self, keys: pa.ChunkedArray) -> Ints:
        """Which item each key is, -1 for none."""
        return np.asarray(pc.fill_null(pc.index_in(keys, value_set=self.keys), -1), np.int64)


def pools(con: duckdb.DuckDBPyConnection, system: System, ingested: Relations, times_us: Ints) -> Pools:
    """The pools of blocks that hold about as many of these times each; one time or more.

    Raises:
        NoItems: the design has no items.
    """
    with Scratch(con) as scratch:
        rows = scratch.read(f"select * from ({item_rows(system, ingested)}) order by since, key")
    if not len(rows):
        raise no_items(system)
    keys = pc.unique(rows["key"]).sort()
    which, since = np.asarray(pc.index_in(rows["key"], value_set=keys), np.int64), ints(rows["since"])
    since_us = np.full(len(keys), np.iinfo(np.int64).max)
    np.minimum.at(since_us, which, since)
    order = np.sort(times_us)
    count = int(np.clip(_GRID_ROWS // len(keys), *_BLOCKS))
    starts = np.unique(order[np.linspace(0, len(order), count, endpoint=False).astype(np.int64)])
    ends = np.append(starts[1:], order[-1] + 1)
    at = _available(con, system, ingested, keys, since_us, np.append(starts, ends[-1]))
    found = []
    for start, end, early, late in zip(starts, ends, at, at[1:]):
        low, high = np.searchsorted(since, [start, end], "right")
        found.append(np.unique(np.concatenate([early, late, which[low:high]])))
    return Pools(keys, since_us, np.array([len(one) for one in found], np.int64), starts, np.concatenate(found))


def _available(
    con: duckdb.DuckDBPyConnection,
    system: System,
    ingested: Relations,
    keys: pa.Array,
    since_us: Ints,
    times_us: Ints,
) -> list[Ints]:
    """The items that exist and are available at each of these times."""
    exists = [np.flatnonzero(since_us <= time) for time in times_us.tolist()]
    available, item = system.available, str(system.item)
    if available is None or any(system.depends(name) - {item} for name in available.names):
        return exists
    found: list[Ints] = []
    for some in _runs([len(one) for one in exists]):
        sizes = [len(exists[at]) for at in some]
        which = np.concatenate([exists[at] for at in some])
        time = np.repeat(times_us[some], sizes)
        rows = with_nulls(system, pa.table({"time": time, item: keys.take(pa.array(which))}))
        read = attach_as_known(con, system, ingested, rows, sorted(available.names))
        columns = {name: from_arrow(read[name], system.kinds[name]) for name in available.names}
        true, cuts = holds(available, columns, time, len(which), system.timezone), np.cumsum(sizes)[:-1]
        found += [own[kept] for own, kept in zip(np.split(which, cuts), np.split(true, cuts))]
    return found


def no_items(system: System) -> NoItems:
    """The error where a design's items have no row."""
    source = _item_source(system)
    return NoItems(
        where=system.tables[source].at if source in system.tables else system.examples.at,
        item=str(system.item),
        source=source,
    )


def item_rows(system: System, ingested: Relations) -> str:
    """A query of all items: `key`, and from when on (`since`) each of its rows counts.

    Rows of the items' table; of a design that has none, the first event of each item, from just after it on.
    """
    source = _item_source(system)
    if source in system.tables:
        key = quoted(system.tables[source].keys[0].name)
        return f"select {key} as key, valid_from as since from {ingested.sql(source)} where {key} is not null"
    key = quoted(str(system.item))
    return (
        f"select {key} as key, min(known) + 1 as since from {ingested.sql(source)} where {key} is not null group by 1"
    )


def ints(column: pa.ChunkedArray) -> Ints:
    """A column without nulls as int64."""
    return np.asarray(column, np.int64)


def _item_source(system: System) -> str:
    tables = [t.name for t in system.tables.values() if [key.entity for key in t.keys] == [system.item]]
    return tables[0] if tables else system.examples.name


def _runs(sizes: list[int]) -> list[list[int]]:
    """Neighbours whose sizes add up to what is read at once."""
    groups: list[list[int]] = []
    total = 0
    for at, size in enumerate(sizes):
        if not groups or total + size > _AT_ONCE:
            groups.append([])
            total = 0
        groups[-1].append(at)
        total += size
    return groups
