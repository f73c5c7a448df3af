"""What a stream's or a table's rows look like once they are ingested: its columns, what identifies a row, its time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from sixfold.design.expressions import Expression
from sixfold.design.kinds import TEXT, TIME, Kind
from sixfold.design.schema import Field, KeyField, Stream, TableSchema
from sixfold.design.sources import Database, Source

__all__ = ["ALWAYS_US", "IDENTITY", "MAX_TIME_US", "KeyColumn", "Layout", "OutColumn", "layout"]

ALWAYS_US = -(2**62)
"""`valid_from` of a table's row that counts at any time."""
MAX_TIME_US = 2**61
IDENTITY = "_identity"
"""The column that holds the joined raw columns of `Events(id=)`, where a design names some."""

_ARROW = {"number": pa.float64(), "flag": pa.bool_(), "time": pa.int64(), "text": pa.string()}
_SQL = {"number": "DOUBLE", "flag": "BOOLEAN", "time": "BIGINT", "text": "VARCHAR"}


@dataclass(frozen=True, slots=True)
class OutColumn:
    """One column to make out of raw ones."""

    name: str
    raw: tuple[str, ...]
    """Several are joined into one key."""
    kind: Kind
    unit: str | None = None
    split: str | None = None
    values: tuple[str, ...] | None = None
    required: bool = False
    """A row where it is null is refused, and every source must have its raw columns, a query too."""

    @property
    def sql_type(self) -> str:
        """Its type in DuckDB."""
        return _SQL[self.kind.base] + ("[]" if self.kind.is_list else "")

    @property
    def arrow_type(self) -> pa.DataType:
        """Its type in Arrow."""
        base = _ARROW[self.kind.base]
        return pa.list_(base) if self.kind.is_list else base


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column that holds keys of an entity."""

    name: str
    entity: str
    is_list: bool
    own: bool
    """Whether a row is about its key, and goes with it; else it stays, without the key."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A stream or a table as `data` sees it."""

    name: str
    at: str
    is_table: bool
    sources: tuple[Source, ...]
    columns: tuple[OutColumn, ...]
    identity: tuple[str, ...]
    """Columns whose values identify a row."""
    time: str | None
    """The column that holds the event's time or a table's `valid_from`; None: rows of the table count always."""
    known: Expression | None
    keyed: tuple[KeyColumn, ...] = ()

    @property
    def part(self) -> str:
        """As an error names it."""
        return f"{'Table' if self.is_table else 'Events'} {self.name}"

    @property
    def extra(self) -> tuple[str, ...]:
        """The BIGINT columns that ingestion adds."""
        return ("valid_from" if self.is_table else "known", "arrival", "offset")

    @property
    def kinds(self) -> Mapping[str, OutColumn]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def canonical(self) -> dict[str, OutColumn]:
        """What the `known` expression may read, by canonical name."""
        return {f"{self.name}.{column.name}": column for column in self.columns}

    def fingerprint(self, timezone: str) -> str:
        """Changes when rows would be read differently."""
        known = self.known and self.known.text
        databases = [(i, s.uri, s.table, s.cursor) for i, s in enumerate(self.sources) if isinstance(s, Database)]
        text = repr((self.name, self.is_table, self.columns, self.identity, self.time, known, timezone, databases))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def layout(schema: Stream | TableSchema) -> Layout:
    """The layout of a stream or a table."""
    if isinstance(schema, Stream):
        keys = tuple(_key(key, required=not (key.is_list or key.optional)) for key in schema.keys)
        time = OutColumn("time", (schema.time.raw,), TIME, schema.time.unit, required=True)
        own = (*keys, time, *(_field(field) for field in schema.fields))
        identity: tuple[str, ...] = (*(key.name for key in keys), "time")
        if schema.identity is not None:
            own, identity = (*own, OutColumn(IDENTITY, schema.identity, TEXT, required=True)), (IDENTITY,)
        keyed = tuple(_keyed(key, own=not key.is_list) for key in schema.keys)
        return Layout(schema.name, schema.at, False, schema.sources, own, identity, "time", schema.known, keyed)
    keys = tuple(_key(key, required=True) for key in schema.keys)
    links = tuple(_key(key, required=False) for key in schema.links)
    fields = tuple(_field(field, required=field.name == schema.valid_from) for field in schema.fields)
    identity = (*(key.name for key in keys), "valid_from")
    keyed = (*(_keyed(key, own=True) for key in schema.keys), *(_keyed(key, own=False) for key in schema.links))
    columns = (*keys, *links, *fields)
    return Layout(schema.name, schema.at, True, schema.sources, columns, identity, schema.valid_from, None, keyed)


def _keyed(key: KeyField, *, own: bool) -> KeyColumn:
    return KeyColumn(key.name or key.entity, key.entity, key.is_list, own)


def _key(key: KeyField, *, required: bool) -> OutColumn:
    return OutColumn(key.name or key.entity, key.raw, Kind("text", key.is_list), split=key.split, required=required)


def _field(field: Field, *, required: bool = False) -> OutColumn:
    kind = Kind(field.kind.base, field.kind.is_list, image=field.kind.image)
    return OutColumn(field.name, (field.raw,), kind, field.unit, field.split, field.values, required)
