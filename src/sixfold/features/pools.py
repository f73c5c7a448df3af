"""Which items could have been available around a time: what lists are drawn from, before each pair is checked."""
# I = items, G = blocks of time, B = rows asked about

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.system import System
from sixfold.errors import NoItems
from sixfold.features.arrays import Values, from_arrow
from sixfold.features.batch import attach_as_known
from sixfold.features.expressions import evaluate
from sixfold.features.joins_sql import Relations
from sixfold.features.rows import with_nulls
from sixfold.features.scratch import Scratch, quoted

__all__ = ["Pools", "ints", "item_rows", "no_items", "pools"]

_GRID_ROWS = 4_000_000
_BLOCKS = (8, 512)
"""Fewest and most blocks of time."""
_AT_ONCE = 1_000_000

Ints = NDArray[np.int64]


@dataclass
class Pools:
    """The items of each block of time.

    A block's pool has what is available at its start or its end, and what has a new row within it: only an item that
    becomes available and ceases to be within one block, without a row that says so, is missed.
    """

    con: duckdb.DuckDBPyConnection
    system: System
    ingested: Relations
    keys: pa.Array
    """Shape (I,)."""
    version_item: Ints
    """Of each row of the items' table, which item it is of."""
    version_us: Ints
    """And from when on it counts, ascending."""
    sizes: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Shape (G,)."""
    _starts_us: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _flat: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _first: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def prepare(self, times_us: Ints) -> None:
        """Make the pools of blocks that hold about as many of these times each; one time or more."""
        count = int(np.clip(_GRID_ROWS // max(len(self.keys), 1), *_BLOCKS))
        order = np.sort(times_us)
        starts = np.unique(order[np.linspace(0, len(order), count, endpoint=False).astype(np.int64)])
        ends = np.append(starts[1:], order[-1] + 1)
        at_start = self._available(starts)
        at_end = [*at_start[1:], *self._available(ends[-1:])]
        found = []
        for start, end, early, late in zip(starts, ends, at_start, at_end):
            low, high = np.searchsorted(self.version_us, [start, end], "right")
            found.append(np.unique(np.concatenate([early, late, self.version_item[low:high]])))
        self._starts_us, self.sizes = starts, np.array([len(one) for one in found], np.int64)
        self._flat = np.concatenate([np.zeros(0, np.int64), *found])
        self._first = np.cumsum(self.sizes) - self.sizes

    def block(self, times_us: Ints) -> Ints:
        """The block of each time, shape (B,)."""
        found: Ints = np.clip(np.searchsorted(self._starts_us, times_us, "right") - 1, 0, None)
        return found

    def items(self, block_B: Ints, place_B: Ints) -> Ints:
        """The item at each place of a block's pool."""
        found: Ints = self._flat[self._first[block_B] + place_B]
        return found

    def number(self, keys: pa.ChunkedArray) -> Ints:
        """Which item each key is, -1 for none."""
        return np.asarray(pc.fill_null(pc.index_in(keys, value_set=self.keys), -1), np.int64)

    @cached_property
    def since_us(self) -> Ints:
        """From when on each item exists, shape (I,)."""
        found = np.full(len(self.keys), np.iinfo(np.int64).max)
        np.minimum.at(found, self.version_item, self.version_us)
        return found

    def _available(self, times_us: Ints) -> list[Ints]:
        """The items that exist and are available at each of these times."""
        exists = [np.flatnonzero(self.since_us <= time) for time in times_us.tolist()]
        available, item = self.system.available, str(self.system.item)
        if available is None or any(self.system.depends(name) - {item} for name in available.names):
            return exists
        found: list[Ints] = []
        for some in _together([len(one) for one in exists]):
            sizes = [len(exists[at]) for at in some]
            which = np.concatenate([np.zeros(0, np.int64), *(exists[at] for at in some)])
            time = pa.array(np.repeat(times_us[some], sizes))
            rows = with_nulls(self.system, pa.table({"time": time, item: self.keys.take(pa.array(which))}))
            read = attach_as_known(self.con, self.system, self.ingested, rows, sorted(available.names))
            columns = {name: from_arrow(read[name], self.system.kinds[name]) for name in available.names}
            value = evaluate(available, columns, np.asarray(time), self.system.timezone)
            assert isinstance(value, Values), "a condition is checked by the design to be a flag"
            true = np.broadcast_to(np.asarray(value.data, bool) & value.valid, len(which))
            cuts = np.cumsum(sizes)[:-1]
            found += [own[kept] for own, kept in zip(np.split(which, cuts), np.split(true, cuts))]
        return found


def pools(con: duckdb.DuckDBPyConnection, system: System, ingested: Relations) -> Pools:
    """The pools of a design's items, not prepared yet.

    Raises:
        NoItems: there is none.
    """
    with Scratch(con) as scratch:
        rows = scratch.read(f"select * from ({item_rows(system, ingested)}) order by since, key")
    if not len(rows):
        raise no_items(system)
    keys = pc.unique(rows["key"]).sort()
    which = np.asarray(pc.index_in(rows["key"], value_set=keys), np.int64)
    return Pools(con, system, ingested, keys, which, np.asarray(rows["since"], np.int64))


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


def _together(sizes: list[int]) -> list[list[int]]:
    """Neighbours whose sizes add up to what is read at once."""
    groups: list[list[int]] = []
    total: Any = _AT_ONCE
    for at, size in enumerate(sizes):
        if total + size > _AT_ONCE:
            groups.append([])
            total = 0
        groups[-1].append(at)
        total += size
    return groups
