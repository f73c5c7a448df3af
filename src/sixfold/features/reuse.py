"""Taking rows over from the state in use: which of them a state built from history would hold too."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import duckdb

from sixfold.design.kinds import Kind
from sixfold.design.system import System
from sixfold.features.dictionary import text_space
from sixfold.features.made_of import MadeOf, Sums, group_definition, read_made_of, reads, sums, table_definition
from sixfold.features.packed import beside_space, group_space, pairs_space, table_space
from sixfold.features.state import History
from sixfold.stores.log import EventLog, Record
from sixfold.stores.online import OnlineStore, Snapshot, Snapshots

__all__ = ["Reuse", "Same", "TakenOver", "copy", "find_same", "records", "take_over"]

_ROWS = 20_000
_RECORDS = 10_000


class Reuse(NamedTuple):
    """A state to take rows over from; it may be in use."""

    state: Snapshots
    log: EventLog
    """The log that it applies."""


class Same(NamedTuple):
    """What of an old state is defined, and was made of history, as it would be now."""

    made_of: MadeOf
    groups: frozenset[str]
    tables: frozenset[str]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What is taken over, and the offset of the log that it stands at."""

    offset: int
    names: frozenset[str]
    """Of groups and tables."""


def find_same(con: duckdb.DuckDBPyConnection, system: System, history: History, state: Snapshots) -> Same | None:
    """Compare definitions and ingested history with what an old state was made of; None where nothing can be said."""
    with state.snapshot() as snapshot:
        old = read_made_of(snapshot)
    if old is None or old.offset > history.offset:
        return None
    now = sums(con, system, history, old.offset)
    tables = frozenset(
        name
        for name, table in system.tables.items()
        if old.tables.get(name) == table_definition(system, table) and old.history.get(name) == now[name]
    )
    groups = frozenset(
        name
        for name, group in system.features.items()
        if old.groups.get(name) == group_definition(system, group)
        and all(_agree(old.history, now, source, columns) for source, columns in reads(system, group).items())
    )
    return Same(old, groups, tables)


def take_over(
    con: duckdb.DuckDBPyConnection, system: System, history: History, same: Same, snapshot: Snapshot, log: EventLog
) -> TakenOver | None:
    """What of it a snapshot can give, if that applied the very log that history took in; None: nothing."""
    at, since = snapshot.offset(), same.made_of.offset
    if log.last() < at:
        return None
    applied = _counted(log, since, min(at, history.offset))
    ingested = {name: _rows(con, history.sql(name), since, min(at, history.offset)) for name in _sources(system)}
    # Ingestion leaves out what it finds to be double or no event; a state had counted it.
    trusted = {name for name, count in ingested.items() if applied[name] == count}
    groups = {name for name in same.groups if reads(system, system.features[name]).keys() <= trusted}
    tables = same.tables & trusted
    if at > history.offset:
        # The rows of a table that events of before have yet to read must stand as they did then.
        later = _counted(log, history.offset, at)
        anew = [group for name, group in system.features.items() if name not in groups]
        tables -= {source for group in anew for source in reads(system, group) if later[source]}
    return TakenOver(at, frozenset(groups | tables)) if groups or tables else None


def copy(system: System, names: frozenset[str], snapshot: Snapshot, store: OnlineStore) -> None:
    """Put the rows of groups and tables into a new store, and the texts that rows name by number."""
    spaces = {space(name) for name in names & system.tables.keys() for space in (table_space, pairs_space)}
    for name in names & system.features.keys():
        spaces |= {group_space(name), beside_space(name), *(text_space(kind) for kind in _texts(system, name))}
    # Ascending over all: so every page of a store that keeps its rows in order fills up.
    for space in sorted(spaces, key=str.encode):
        after = None
        while page := snapshot.scan(space, after, _ROWS):
            store.commit([(space, key, row) for key, row in page], offset=store.offset())
            after = page[-1][0]


def records(log: EventLog, after: int, upto: int) -> Iterator[list[Record]]:
    """The log after one offset and up to another one, in batches."""
    while after < upto and (batch := log.read(after, min(_RECORDS, upto - after))):
        yield batch
        after = batch[-1].offset


def _agree(old: Sums, now: Sums, source: str, columns: set[str]) -> bool:
    had = old.get(source, {})
    return all(column in had and had[column] == now[source][column] for column in columns)


def _counted(log: EventLog, after: int, upto: int) -> Counter[str]:
    return Counter(record.stream for batch in records(log, after, upto) for record in batch)


def _rows(con: duckdb.DuckDBPyConnection, relation: str, after: int, upto: int) -> int:
    where = f'"offset" > {after} and "offset" <= {upto}'
    return int(con.execute(f"select count(*) from {relation} where {where}").fetchall()[0][0])


def _sources(system: System) -> set[str]:
    return {source for group in system.features.values() for source in reads(system, group)} | system.tables.keys()


def _texts(system: System, group: str) -> set[Kind]:
    """Kinds of the texts that a group's rows may hold, as numbers."""
    aggregates = system.features[group].aggregates
    kinds = {a.kind for a in aggregates} | {a.expression.kind for a in aggregates if a.expression is not None}
    return {kind for kind in kinds if kind.base == "text"}
