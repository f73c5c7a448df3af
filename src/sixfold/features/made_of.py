"""What an online state was made of: its definitions and its history. A later state takes over rows made of the same."""

import hashlib
from collections import defaultdict
from functools import cache
from pathlib import Path

import duckdb
import msgspec

import sixfold
from sixfold.data.convert import quoted
from sixfold.design.fingerprint import fingerprint
from sixfold.design.resolve import row_kinds
from sixfold.design.schema import FeatureGroup, TableSchema
from sixfold.design.system import System
from sixfold.features.events import event_kinds
from sixfold.features.layout import layout
from sixfold.features.needs import event_names
from sixfold.features.state import History
from sixfold.stores.online import OnlineStore, Snapshot

__all__ = [
    "MadeOf",
    "Sums",
    "forget_made_of",
    "group_definition",
    "made_of",
    "read_made_of",
    "reads",
    "sums",
    "table_definition",
]

_META = "made of"
_CODE = ("design", "data", "features")
"""Folders of what decides how rows come out."""

Sums = dict[str, dict[str, str]]
"""Of each stream and table, a sum over each column that a state is made of: it tells rows that are not the same."""


class MadeOf(msgspec.Struct, frozen=True):
    """Kept beside the rows when they are built; the log that was applied since is not part of it."""

    engine: str
    """What computed rows and sums: none of another one is comparable."""
    offset: int
    """Up to which the ingested history had taken the log."""
    groups: dict[str, str]
    """Fingerprint of each group's definition."""
    tables: dict[str, str]
    """Fingerprint of each table's columns."""
    history: Sums

    def save(self, store: OnlineStore) -> None:
        """Keep it beside the rows."""
        store.put_meta(_META, msgspec.json.encode(self))


def made_of(con: duckdb.DuckDBPyConnection, system: System, history: History) -> MadeOf:
    """What a state built now is made of."""
    return MadeOf(
        engine=_engine(),
        offset=history.offset,
        groups={name: group_definition(system, group) for name, group in system.features.items()},
        tables={name: table_definition(system, table) for name, table in system.tables.items()},
        history=sums(con, system, history, history.offset),
    )


def read_made_of(state: Snapshot) -> MadeOf | None:
    """What the rows of a state were made of; None where that is not known, or was computed otherwise than now."""
    if not (raw := state.get_meta(_META)):
        return None
    found = msgspec.json.decode(raw, type=MadeOf)
    return found if found.engine == _engine() else None


def forget_made_of(store: OnlineStore) -> None:
    """Say that rows were changed otherwise than by the log, so that none is taken over from this store."""
    store.put_meta(_META, b"")


def group_definition(system: System, group: FeatureGroup) -> str:
    """The same for two groups whose rows are the same after the same rows of history and log.

    That is more than the row's layout: how the times of its events are known, the time zone of its expressions, the
    way to its keys and the tables on it, the kinds of all that it reads.
    """
    stream, names = system.streams[group.stream], event_names(group, group.aggregates)
    kinds = {**row_kinds(group.event, system.tables, stream), **event_kinds(stream)}
    read = [(name, kinds[name]) for name in sorted(names)]
    joined = [(join, system.tables[join.table]) for join in group.event.joins_for(names)]
    expressions = [e for a in group.aggregates for e in (a.expression, a.where) if e is not None]
    return fingerprint(
        [
            layout(group).definition,
            system.timezone,
            (stream.name, stream.known, stream.keys),
            group.entities,
            group.hop is not None and len(group.entities) > 1,
            group.aggregates,
            [(sorted(e.names), e.kind) for e in expressions],
            [group.event.keys[entity] for entity in group.entities],
            [(join, table.keys, table.valid_from) for join, table in joined],
            read,
        ]
    )


def table_definition(system: System, table: TableSchema) -> str:
    """The same for two tables whose rows hold the same columns in the same order, and have pairs beside them or not."""
    columns = [(one.name, one.kind) for one in table.fields]
    paired = table.name in system.relations
    return fingerprint([table.name, table.keys, table.links, table.valid_from, columns, paired])


def reads(system: System, group: FeatureGroup) -> dict[str, set[str]]:
    """The columns that a group's rows are made of, by the stream and the tables that they are in."""
    names, found = event_names(group, group.aggregates), defaultdict[str, set[str]](set)
    found[group.stream] |= {"known"}
    for join in group.event.joins_for(names):
        found[join.table] |= {"valid_from", *(key.name for key in system.tables[join.table].keys)}
    for name in names:
        source, _, column = name.rpartition(".")
        found[source or group.stream].add(column)
    return found


def sums(con: duckdb.DuckDBPyConnection, system: System, history: History, offset: int) -> Sums:
    """Sums over the columns that this system's state is made of, of the rows up to an offset."""
    wanted = defaultdict[str, set[str]](set)
    for group in system.features.values():
        for source, columns in reads(system, group).items():
            wanted[source] |= columns
    for name, table in system.tables.items():
        wanted[name] = _all_columns(table)
    return {source: _sums(con, history.sql(source), sorted(columns), offset) for source, columns in wanted.items()}


def _all_columns(table: TableSchema) -> set[str]:
    keys = {key.name for key in (*table.keys, *table.links)}
    return {"valid_from", *keys, *(one.name for one in table.fields)}


def _sums(con: duckdb.DuckDBPyConnection, relation: str, columns: list[str], offset: int) -> dict[str, str]:
    # With the offset, which no two rows share, in each hash, equal values do not cancel each other out.
    each = "".join(f', bit_xor(hash("offset", {quoted(column)}))' for column in columns)
    row = con.execute(f'select count(*){each} from {relation} where "offset" <= {offset}').fetchall()[0]
    return {column: f"{row[0]} {found}" for column, found in zip(columns, row[1:])}


@cache
def _engine() -> str:
    """Changes with DuckDB's version, whose hashes are promised for that one alone, and with our own code."""
    code, package = hashlib.sha256(), Path(sixfold.__file__).parent
    for folder in _CODE:
        for path in sorted((package / folder).glob("*.py")):
            code.update(path.read_bytes())
    return f"duckdb {duckdb.__version__}, {code.hexdigest()[:16]}"
