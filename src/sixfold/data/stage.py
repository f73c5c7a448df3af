"""The staging table of one stream or table: rows as they were read, before duplicates are dropped."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from sixfold.data.convert import Converted, converted, family, literal, quoted
from sixfold.data.drift import merged
from sixfold.data.images import image_problem
from sixfold.data.layout import ALWAYS_US, MAX_TIME_US, Layout, OutColumn
from sixfold.data.words import FUTURE, FUTURE_US, NUMBER_TEXT, WORDS
from sixfold.errors import MissingColumn, TimeWithoutUnit, WrongColumn
from sixfold.features.sql import duckdb as render

__all__ = ["Origin", "Stage", "connection", "known_sql", "log_table", "typed_table"]

MEMORY = "2GB"

_NUMBER_AS_TIME = re.compile(rf"('?{NUMBER_TEXT}'?) {WORDS['time']}(?:: .*)?")
"""What is said of a number where a time without a unit is declared."""


@contextmanager
def connection(folder: Path, data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that keeps to its memory, spills to a folder beside the data, and fetches nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".spill-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
        }
        with duckdb.connect(config=config) as con:
            con.execute("set timezone = 'UTC'")
            con.execute(f"set file_search_path = {literal(str(data))}")
            yield con


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows that are staged come from."""

    number: int
    """Of the source within its stream or table; the event log's is the number of sources; -1: ingested before."""
    rank: int
    """Rows of a lower rank stand first."""
    name: str
    at: str
    csv: bool = False
    ordered: bool = True
    """Whether its rows come in an order; a query's do not."""
    cursor: str | None = None


class Stage:
    """A temporary table `stage` with the layout's columns and, beside them, what ingestion needs to know of a row.

    Columns of its own: `_number` and `_rank` of the origin, `_tie` (orders rows that come in no order),
    `_file`, `_reasons` (why the row is refused, else null), `_raw` (the refused row as JSON), `_cursor`.

    Args:
        now_us: Events known later than a little after it are refused as from the future.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, layout: Layout, timezone: str, now_us: int) -> None:
        self.con, self.layout, self.timezone, self.now_us = con, layout, timezone, now_us
        self.columns: dict[int, dict[str, str]] = {}
        """The raw columns of each source that was staged, by its number."""
        own = [f"{quoted(c.name)} {c.sql_type}" for c in layout.columns]
        own += [f"{quoted(name)} BIGINT" for name in layout.extra]
        own += [
            "_number SMALLINT",
            "_rank SMALLINT",
            "_tie UBIGINT",
            "_file VARCHAR",
            "_reasons VARCHAR[]",
            "_raw VARCHAR",
        ]
        con.execute(f"create or replace temp table stage ({', '.join(own)}, _cursor VARCHAR)")
        known = "select count(*) from duckdb_functions() where function_name = 'image_problem'"
        if any(column.kind.image for column in layout.columns) and not self._one(known):
            con.create_function("image_problem", image_problem, ["VARCHAR"], "VARCHAR")

    def rows(self) -> int:
        """Rows staged so far."""
        return self._one("select count(*) from stage")

    def future_us(self, below_rank: int) -> int | None:
        """The earliest known time for which a row of a lower rank was refused as from the future; None: there is none.

        Where no event is, as in a table, there is none either.
        """
        if self.layout.is_table:
            return None
        late = f"known > {self.now_us + FUTURE_US} and _reasons is not null and _rank < {below_rank}"
        found: int | None = self.con.execute(f"select min(known) from stage where {late}").fetchall()[0][0]
        return found

    def add(self, relation: str, origin: Origin, *, types_of: str | None = None) -> None:
        """Stage the rows of an SQL relation with raw columns.

        Args:
            types_of: A relation with the same columns to look at first, where `relation` can be read only once.

        Raises:
            MissingColumn: a column that the source must have is not there.
            WrongColumn, TimeWithoutUnit: a column's type, or each of its values, cannot be what the design declares.
        """
        types = self.columns_of(types_of or relation)
        self.saw(origin, dict.fromkeys(types, "") if origin.csv else types)
        start = self.rows()
        self.con.execute(f"insert into stage by name {self._select(relation, types, origin)}")
        self.check_throughout(start, origin)

    def saw(self, origin: Origin, columns: Mapping[str, str]) -> None:
        """Keep which columns a source has, and of which types (a text format has none)."""
        self.columns[origin.number] = merged(self.columns.get(origin.number, {}), columns)

    def add_typed(self, batch: pa.Table, origin: Origin) -> None:
        """Stage rows that are typed already; `_reasons` and `_raw` may be among their columns."""
        self.con.register("_batch", batch)
        own = f"{origin.number} as _number, {origin.rank} as _rank, 0 as _tie, {literal(origin.name)} as _file"
        select = f"select *, {own} from _batch"
        self.con.execute(f"insert into stage by name {select}")
        self.con.unregister("_batch")

    def add_parts(self, parts: Sequence[Path], rank: int) -> None:
        """Stage what was ingested before."""
        if parts:
            names = ", ".join(quoted(name) for name in (*self.layout.kinds, *self.layout.extra))
            relation = f"read_parquet([{', '.join(literal(str(path)) for path in parts)}])"
            self.con.execute(
                f"insert into stage by name select {names}, -1 as _number, {rank} as _rank, 0 as _tie "
                f'from {relation} order by "offset"'
            )

    def add_log(self, origin: Origin) -> None:
        """Stage what `take_log` found for this stream or table."""
        table = log_table(self.layout)
        if self._one(f"select count(*) from duckdb_tables() where table_name = {literal(table)}"):
            own = f"{origin.number} as _number, {origin.rank} as _rank, 0 as _tie, {literal(origin.name)} as _file"
            self.con.execute(f"insert into stage by name select *, {own} from {quoted(table)} order by rowid")
            self.con.execute(f"drop table {quoted(table)}")

    def drop(self) -> None:
        """Let go of the rows."""
        self.con.execute("drop table stage; drop table if exists twins; drop table if exists dropped")

    def refuse(self, rows: Sequence[tuple[str, str]], origin: Origin) -> None:
        """Stage rows that could not be read at all, each as its text and the reason."""
        batch = pa.table(
            {
                "_raw": pa.array([text for text, _ in rows], pa.string()),
                "_reasons": pa.array([[reason] for _, reason in rows], pa.list_(pa.string())),
            }
        )
        if rows:
            self.add_typed(batch, origin)

    def columns_of(self, relation: str) -> dict[str, str]:
        """Names and DuckDB types of a relation's columns."""
        return {row[0]: row[1] for row in self.con.execute(f"describe from {relation}").fetchall()}

    def check_throughout(self, start: int, origin: Origin) -> None:
        """Refuse a source in which some column never holds what the design declares; its rows begin at `start`."""
        columns = [c for c in self.layout.columns if c.kind.base != "text" or c.values is not None]
        if not columns or self._one(f"select count(*) from stage where rowid >= {start} and _reasons is not null") == 0:
            return
        counts = ", ".join(f"count({quoted(c.name)})" for c in columns)
        filled: tuple[int, ...] = self.con.execute(f"select {counts} from stage where rowid >= {start}").fetchall()[0]
        for column, count in zip(columns, filled):
            said = f"list_filter(_reasons, lambda e: starts_with(e, {literal(column.raw[0] + ': ')}))[1]"
            first = self.con.execute(
                f"select rowid - {start} + 1, {said} from stage "
                f"where rowid >= {start} and {said} is not null order by rowid limit 1"
            ).fetchall()
            if count == 0 and first:
                found = first[0][1].removeprefix(column.raw[0] + ": ")
                number = _NUMBER_AS_TIME.fullmatch(found)
                if number is not None and column.kind.base == "time" and column.unit is None:
                    raise TimeWithoutUnit(
                        where=origin.at, part=self.layout.part, column=column.raw[0], source=origin.name,
                        found=f"row {first[0][0]}: {number[1]}",
                    )  # fmt: skip
                wanted = "one of the values declared" if column.values is not None else column.kind.base
                raise WrongColumn(
                    where=origin.at, part=self.layout.part, column=column.raw[0], source=origin.name, wanted=wanted,
                    found=f"row {first[0][0]} has {found}",
                )  # fmt: skip

    def _select(self, relation: str, types: dict[str, str], origin: Origin) -> str:
        """Three levels: raw columns; typed ones; what follows from those."""
        raws = list(dict.fromkeys(raw for c in self.layout.columns for raw in c.raw if raw in types))
        spelled = {raw: f"r{i}" for i, raw in enumerate(raws)}
        first = [f"{_clean(quoted(raw), types[raw])} as {spelled[raw]}" for raw in raws]
        made = {c.name: self._converted(c, spelled, types, origin) for c in self.layout.columns}
        typed = [f"{made[c.name].value if made[c.name] else 'null'} as {quoted(c.name)}" for c in self.layout.columns]  # type: ignore[union-attr]
        bad = {name: f"b{i}" for i, (name, one) in enumerate(made.items()) if one is not None and one.bad is not None}
        typed += [f"coalesce({made[name].bad}, false) as {flag}" for name, flag in bad.items()]  # type: ignore[union-attr]
        cursor = "null"
        if origin.cursor is not None:
            first.append(f"cast({quoted(origin.cursor)} as varchar) as rcursor")
            cursor = "rcursor"
        checks = [(flag, made[name].reason) for name, flag in bad.items()]  # type: ignore[union-attr]
        for c in self.layout.columns:
            if c.required:
                empty = f"{quoted(c.name)} is null" + (f" and not {bad[c.name]}" if c.name in bad else "")
                checks.append((empty, literal(f"{', '.join(c.raw)}: {WORDS['null']}")))
        if not self.layout.is_table:
            ahead = f"({known_sql(self.layout, self.timezone)}) - {self.now_us}"
            others = " or ".join(f"({check})" for check, _ in checks)
            checks.append((f"{ahead} > {FUTURE_US} and not ({others})", f"format({literal(FUTURE)}, ({ahead}) / 1e6)"))
        any_bad = " or ".join(f"({check})" for check, _ in checks) or "false"
        reasons = ", ".join(f"case when {check} then {reason} end" for check, reason in checks)
        raw = ", ".join(f"{literal(name)}: {alias}" for name, alias in spelled.items())
        names = ", ".join(quoted(c.name) for c in self.layout.columns)
        tie = "0" if origin.ordered else f"hash({names})"
        return (
            f"select {names}, {self._extra()}, {origin.number} as _number, {origin.rank} as _rank, {tie} as _tie, "
            f"{literal(origin.name)} as _file, "
            f"case when {any_bad} then list_filter([{reasons}], lambda e: e is not null) end as _reasons, "
            f"case when {any_bad} then cast(to_json({{{raw}}}) as varchar) end as _raw, {cursor} as _cursor "
            f"from (select *, {', '.join(typed)} from (select {', '.join(first)} from {relation}))"
        )

    def _extra(self) -> str:
        if self.layout.is_table:
            valid = quoted(self.layout.time) if self.layout.time else f"{ALWAYS_US}::bigint"
            return f"{valid} as valid_from"
        return f"{known_sql(self.layout, self.timezone)} as known"

    def _converted(
        self, column: OutColumn, spelled: dict[str, str], types: dict[str, str], origin: Origin
    ) -> Converted | None:
        """How to make a column; None for one that a query does not select."""
        for raw in column.raw:
            if raw not in types:
                if origin.ordered or column.required:
                    raise MissingColumn(
                        where=origin.at, part=self.layout.part, column=raw, source=origin.name, known=list(types)
                    )
                return None
        own = [types[raw] for raw in column.raw]
        if column.kind.base == "time" and column.unit is None and family(own[0]) in ("integer", "float", "decimal"):
            raise TimeWithoutUnit(
                where=origin.at, part=self.layout.part, column=column.raw[0], source=origin.name, found=own[0]
            )
        one = converted(column, [spelled[raw] for raw in column.raw], own, csv=origin.csv, timezone=self.timezone)
        if one is None:
            raise WrongColumn(
                where=origin.at, part=self.layout.part, column=", ".join(column.raw), source=origin.name,
                wanted=str(column.kind), found=f"its type is {', '.join(own)}",
            )  # fmt: skip
        return one

    def _one(self, sql: str) -> int:
        return int(self.con.execute(sql).fetchall()[0][0])


def typed_table(layout: Layout, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Typed rows by column, as `Stage.add_typed` takes them; a value that a row lacks is null."""
    types = {c.name: c.arrow_type for c in layout.columns} | {name: pa.int64() for name in layout.extra}
    types |= {"_reasons": pa.list_(pa.string()), "_raw": pa.string()}
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in types.items()})


def log_table(layout: Layout) -> str:
    """The temporary table in which rows of the event log wait."""
    return f"log of {layout.name}"


def known_sql(layout: Layout, timezone: str) -> str:
    """SQL of `known` over the layout's columns: never before the event's time."""
    if layout.known is None:
        return '"time"'
    columns = {name: quoted(column.name) for name, column in layout.canonical.items()}
    value = render(layout.known, columns, '"time"', timezone)
    limit = MAX_TIME_US * 2 - 1
    return f'least(greatest("time", coalesce({value}, "time")), {limit})'


def _clean(raw: str, sql_type: str) -> str:
    # Not-a-number is how many tools write a missing value.
    return f"case when isfinite({raw}) then {raw} end" if family(sql_type) == "float" else raw
