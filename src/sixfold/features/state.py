"""The stream's side of features: events folded into packed rows, rows and log offset committed together."""
# N = events, K = keys

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from sixfold.data.keys import joined
from sixfold.data.rows import decode
from sixfold.design.groups import logged_as
from sixfold.design.kinds import Kind
from sixfold.design.schema import FeatureGroup, Stream, TableSchema
from sixfold.design.system import System
from sixfold.errors import StateMismatch, StateMoved, StateNotEmpty, StateUnfinished
from sixfold.features import _kernels
from sixfold.features.dictionary import Dictionary
from sixfold.features.events import EventBatch, event_kinds, from_records, from_table, look_up
from sixfold.features.keys import Codes, pair_keys, spread
from sixfold.features.layout import layout
from sixfold.features.packed import group_space, pack, row_keys, unpack
from sixfold.features.read_plan import lookups
from sixfold.features.relations import Beside, Pair, Pairs
from sixfold.features.tables import Tables
from sixfold.stores.log import Record
from sixfold.stores.online import OnlineStore, Row

if TYPE_CHECKING:
    import duckdb

__all__ = ["History", "StateWriter", "check_definitions", "end_build", "is_new", "start_build"]

DEFINITIONS = "definitions"
UNFINISHED = "building"
"""Names of meta entries: the fingerprint of the definitions in force, and whether a build was left halfway."""
CHUNK = 500_000


class History(Protocol):
    """Ingested sources, as `sixfold.data` keeps them."""

    @property
    def offset(self) -> int:
        """The log offset up to which it has taken the log, -1 for nothing."""

    def sql(self, name: str) -> str:
        """What stands after `from` in SQL for the rows of a stream or a table."""


def check_definitions(system: System, store: OnlineStore) -> None:
    """Refuse a store whose rows were made for other definitions, or by half a build.

    Raises:
        StateMismatch, StateUnfinished: as they say.
    """
    if store.get_meta(UNFINISHED):
        raise StateUnfinished
    found = store.get_meta(DEFINITIONS)
    if found is not None and found != system.fingerprint.encode():
        raise StateMismatch(what="the online store")


def is_new(store: OnlineStore) -> bool:
    """Whether nothing was ever applied or built there."""
    return store.offset() < 0 and store.get_meta(DEFINITIONS) is None


def start_build(system: System, store: OnlineStore) -> None:
    """Mark an empty store as half of a build of this system's state.

    Raises:
        StateNotEmpty: it is not empty.
    """
    if not is_new(store):
        raise StateNotEmpty(offset=store.offset())
    store.put_meta(UNFINISHED, b"1")
    store.put_meta(DEFINITIONS, system.fingerprint.encode())


def end_build(store: OnlineStore) -> None:
    """Mark it as a whole one."""
    store.put_meta(UNFINISHED, b"")


class StateWriter:
    """Keeps the packed rows of all groups, and the tables that they and serving read. One writes a store.

    Args:
        part: Names of groups and tables, for a build in several steps: only these are kept. What their events look up
            in other tables must be there already.

    Raises:
        StateMismatch, StateUnfinished: the store cannot be gone on with.
    """

    def __init__(self, system: System, store: OnlineStore, *, part: Collection[str] | None = None) -> None:
        if part is None:
            check_definitions(system, store)
        self._system, self._store = system, store
        self._tables, self._dictionary = Tables(system.tables, store), Dictionary(store)
        self._pairs, self._beside = Pairs(store), Beside(store)
        kept = {*system.features, *system.tables} if part is None else part
        self._kept_tables = {name: table for name, table in system.tables.items() if name in kept}
        self._groups: dict[str, list[FeatureGroup]] = defaultdict(list)
        for group in system.features.values():
            if group.name in kept:
                self._groups[group.stream].append(group)
        self._layouts = {name: layout(group) for name, group in system.features.items()}
        self.offset = store.offset()
        """The largest log offset applied, -1 for none."""

    def apply(self, records: Sequence[Record]) -> None:
        """Fold log records, ascending by offset, into the rows and commit; those applied before are left out.

        Records of streams that no group reads only move the offset.
        """
        new = [record for record in records if record.offset > self.offset]
        if not new:
            return
        if self.offset < 0 and self._store.get_meta(DEFINITIONS) is None:
            self._store.put_meta(DEFINITIONS, self._system.fingerprint.encode())
        by_name: dict[str, list[Record]] = defaultdict(list)
        for record in new:
            by_name[record.stream].append(record)
        for name, schema in self._kept_tables.items():
            self._stage(schema, by_name.get(name, []))
        rows: list[Row] = []
        for name in self._groups:
            if (own := by_name.get(logged_as(name))) is not None:
                reads = self._reads(self._system.streams[name])
                rows += self._fold(name, from_records(own, reads, self._system.timezone))
        self._commit(rows, new[-1].offset)

    def stored(self) -> int:
        """The largest log offset that the store has applied, by whomever."""
        return self._store.offset()

    def resume(self) -> None:
        """Go on from where the store stands, after another has written it."""
        self._settle(committed=False)
        self.offset = self.stored()

    def warm_up(self) -> None:
        """Fold no event at all: the first one then does not wait for kernels to be compiled or loaded."""
        for name in self._groups:
            none = from_records([], self._reads(self._system.streams[name]), self._system.timezone)
            for _ in self._fold(name, none):
                raise AssertionError("no event has no row")

    def build(self, con: "duckdb.DuckDBPyConnection", ingested: History) -> None:
        """Make all rows from ingested history in an empty store; go on with the log after `ingested.offset`.

        Raises:
            StateNotEmpty: events were applied to this store, or it was built before.
        """
        start_build(self._system, self._store)
        self.add_tables(con, ingested)
        self.add_events(con, ingested)
        self.reach(ingested.offset)
        end_build(self._store)

    def add_tables(self, con: "duckdb.DuckDBPyConnection", ingested: History) -> None:
        """Part of a build: rows of tables."""
        for name, schema in self._kept_tables.items():
            for chunk in _chunks(con, ingested, name):
                self._stage_rows(schema, chunk.to_pylist())
                self._commit([], self.offset)

    def add_events(self, con: "duckdb.DuckDBPyConnection", ingested: History) -> None:
        """Part of a build: events, after the rows of all tables that they read."""
        for name in self._groups:
            stream = self._system.streams[name]
            for chunk in _chunks(con, ingested, name):
                self._commit(
                    self._fold(name, from_table(chunk, self._reads(stream), self._system.timezone)), self.offset
                )

    def reach(self, offset: int) -> None:
        """Part of a build: say that the rows stand at this offset of the log."""
        self._commit([], offset)

    def _fold(self, stream: str, events: EventBatch) -> Iterator[Row]:
        groups = self._groups[stream]
        names = frozenset().union(*(group.names for group in groups))
        steps = lookups(groups[0].event, names, events.columns)
        look_up(steps, events.columns, self._tables, events.known, events.offsets, codes=Codes())
        for group in groups:
            yield from self._fold_group(group, events)

    def _fold_group(self, group: FeatureGroup, events: EventBatch) -> Iterator[Row]:
        own, space = self._layouts[group.name], group_space(group.name)
        touching = events.touching(own)
        columns = [events.columns[group.event.keys[entity]] for entity in group.entities]
        keys = pair_keys([spread(array, len(events.known)).take(touching) for array in columns], len(touching), Codes())
        # Rows ascend by offset and the sort is stable, so equal times stay in the order of their offsets.
        order = np.lexsort((events.known[touching[keys.row]], keys.which))
        order = order[keys.which[order] >= 0]
        at, starts = touching[keys.row[order]], np.searchsorted(keys.which[order], np.arange(len(keys.texts) + 1))
        places = row_keys(keys.texts)
        found = self._store.get(space, places)
        if group.hop is not None and len(group.entities) > 1:
            self._beside.stage(group.name, [text for text, row in zip(keys.texts, found) if row is None])
        old, old_starts = unpack(found, own)
        values, seen = events.entries(own.lists, self._dictionary)
        slots, bounds = _kernels.fold(
            own.definition,
            own.ops,
            own.half_lives,
            own.levels,
            own.list_limits,
            old,
            old_starts,
            starts,
            events.known[at],
            events.tiles(own, self._dictionary)[at],
            values[at],
            seen[at],
        )
        return zip(repeat(space), places, pack(slots, bounds))

    def _commit(self, rows: Iterable[Row], offset: int) -> None:
        try:
            # The rows come first: making them stages what is beside them.
            every = [*rows, *self._tables.staged(), *self._pairs.staged(), *self._beside.staged()]
            # The rows were read at this offset: another worker must not have changed them since.
            self._store.commit([*every, *self._dictionary.added()], offset=offset, after=self.offset)
        except BaseException as error:
            self._settle(committed=False)
            if isinstance(error, StateMoved):
                self.offset = error.applied
            raise
        self._settle(committed=True)
        self.offset = max(self.offset, offset)

    def _settle(self, *, committed: bool) -> None:
        self._dictionary.settle(committed=committed)
        self._tables.settle()
        self._pairs.settle()
        self._beside.settle()

    def _stage(self, schema: TableSchema, records: Sequence[Record]) -> None:
        rows: list[dict[str, Any]] = []
        for record in records:
            row = decode(record.payload)
            if row["valid_from"] is None:
                row["valid_from"] = record.arrival_us
            rows.append({**row, "offset": record.offset})
        self._stage_rows(schema, rows)

    def _stage_rows(self, schema: TableSchema, rows: Iterable[Mapping[str, Any]]) -> None:
        staged, pairs = [], dict[str, list[str]]()
        for row in rows:
            parts = [row[key.name] for key in schema.keys]
            if None not in parts:
                pairs[key := joined(parts)] = parts
                staged.append((key, row["valid_from"], row["offset"], row))
        self._tables.stage(schema.name, staged)
        if schema.name in self._system.relations:
            own = [Pair(near, far, *self._tables.since(schema.name, key)) for key, (near, far) in pairs.items()]
            self._pairs.stage(schema.name, own)

    def _reads(self, stream: Stream) -> dict[str, Kind]:
        """The stream's own columns that its groups or the lookups for them read."""
        groups = self._groups[stream.name]
        names = frozenset().union(*(group.names for group in groups), groups[0].event.base)
        return {name: kind for name, kind in event_kinds(stream).items() if name in names}


def _chunks(con: "duckdb.DuckDBPyConnection", ingested: History, name: str) -> Iterator[pa.Table]:
    """The rows that every source has reached, ascending by offset."""
    query = f'select * from {ingested.sql(name)} where "offset" <= {ingested.offset} order by "offset"'
    for batch in con.sql(query).to_arrow_reader(CHUNK):
        yield pa.Table.from_batches([batch])
