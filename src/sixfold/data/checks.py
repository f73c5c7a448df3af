"""What ingested data looks like, measured: rows, nulls, ranges, unknown keys, gaps, and what a design's checks say."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
from rich.table import Table

from sixfold.data.convert import quoted
from sixfold.data.ingested import Ingested
from sixfold.data.report import Report
from sixfold.data.shapes import Shapes, look, psi
from sixfold.design.checks import DataCheck
from sixfold.design.schema import KeyField, Stream, TableSchema
from sixfold.design.system import System

__all__ = ["Profile", "profile"]

Measures = dict[tuple[str, str, str | None], float | None]
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Profile:
    """Every measure by its name, group and column; None: there is nothing to measure."""

    measures: Measures
    checks: tuple[tuple[DataCheck, float | None], ...]
    """The design's checks, each with what was measured."""
    shapes: Shapes
    """How values are distributed, beside the ingestion before."""

    @property
    def failed(self) -> tuple[tuple[DataCheck, float | None], ...]:
        """The checks that do not hold."""
        return tuple((one, value) for one, value in self.checks if not one.holds(value))

    def tables(self) -> list[Table]:
        """For a terminal: a row a stream or table, a row a column, a row a check."""
        return [self._groups(), self._columns(), *([self._checks()] if self.checks else [])]

    def _groups(self) -> Table:
        names = ("rows", "refused", "duplicates", "drift", "gap_h")
        table = Table("stream or table", *names, title="Data", title_justify="left")
        for group in dict.fromkeys(group for _, group, _ in self.measures):
            table.add_row(group, *(_shown(self.measures.get((name, group, None))) for name in names))
        return table

    def _columns(self) -> Table:
        names = ("nulls", "distinct", "min", "max", "unknown", "psi")
        table = Table("column", *names)
        for group, column in dict.fromkeys((group, column) for _, group, column in self.measures if column):
            shown = [
                _shown(self.measures[name, group, column]) if (name, group, column) in self.measures else ""
                for name in names
            ]
            table.add_row(f"{group}.{column}", *shown)
        return table

    def _checks(self) -> Table:
        table = Table("check", "measured", "holds")
        for one, value in self.checks:
            table.add_row(one.text, _shown(value), "yes" if one.holds(value) else "[bold red]no[/bold red]")
        return table


def profile(con: duckdb.DuckDBPyConnection, system: System, ingested: Ingested, report: Report) -> Profile:
    """Measure what ingestion left.

    Args:
        report: What ingestion said of each source: refused rows and duplicates are not there any more.
    """
    measures: Measures = {}
    schemas: tuple[Stream | TableSchema, ...] = (*system.streams.values(), *system.tables.values())
    for schema in schemas:
        measures |= _of_group(con, schema, ingested)
        own = [one for one in report.sources if one.group == schema.name]
        read = sum(one.read for one in own)
        for name in ("refused", "duplicates"):
            total = sum(getattr(one, name) for one in own)
            measures[name, schema.name, None] = total / read if read else None
        measures["drift", schema.name, None] = float(sum(len(one.drift) for one in own))
        for key in schema.keys + (schema.links if isinstance(schema, TableSchema) else ()):
            owner = _owner(key, schema, system.tables)
            if owner is not None and not key.is_list:
                measures["unknown", schema.name, key.name] = _unknown(con, schema.name, key.name, owner, ingested)
    shapes = look(con, system, ingested)
    for name, now in shapes.now.items():
        group, _, column = name.partition(".")
        if now.base != "time":
            measures["psi", group, column] = psi(shapes.before[name], now) if name in shapes.before else 0.0
    checks = tuple((one, measures.get((one.measure, one.group, one.column))) for one in system.checks)
    return Profile(measures, checks, shapes)


def _of_group(con: duckdb.DuckDBPyConnection, schema: Stream | TableSchema, ingested: Ingested) -> Measures:
    keys = [(key.name, False) for key in schema.keys + (schema.links if isinstance(schema, TableSchema) else ())]
    fields = [(one.name, one.kind.base == "number" and not one.kind.is_list) for one in schema.fields]
    wanted: list[tuple[str, str | None, str]] = [("rows", None, "count(*)")]
    for name, is_number in keys + fields:
        column = quoted(name)
        wanted.append(("nulls", name, f"avg(({column} is null)::int)"))
        wanted.append(("distinct", name, f"approx_count_distinct({column})"))
        if is_number:
            wanted += [("min", name, f"min({column})"), ("max", name, f"max({column})")]
    relation = ingested.sql(schema.name)
    row = con.execute(f"select {', '.join(sql for _, _, sql in wanted)} from {relation}").fetchall()[0]
    found: Measures = {
        (measure, schema.name, column): None if value is None else float(value)
        for (measure, column, _), value in zip(wanted, row)
    }
    if isinstance(schema, Stream):
        gap = f"select max(gap) from (select time - lag(time) over (order by time) as gap from {relation})"
        widest = con.execute(gap).fetchall()[0][0]
        found["gap_h", schema.name, None] = None if widest is None else widest / _HOUR_US
    return found


def _owner(key: KeyField, schema: Stream | TableSchema, tables: Mapping[str, TableSchema]) -> TableSchema | None:
    """The table whose rows are of the key's entity, if there is one beside this."""
    for table in tables.values():
        if [one.entity for one in table.keys] == [key.entity] and table.name != schema.name:
            return table
    return None


def _unknown(
    con: duckdb.DuckDBPyConnection, name: str, column: str, owner: TableSchema, ingested: Ingested
) -> float | None:
    """The share of rows whose key has no row in its table; null keys are no keys."""
    own, key = quoted(column), quoted(owner.keys[0].name)
    known = f"(select {key} from {ingested.sql(owner.name)})"
    query = f"select avg(({own} not in {known})::int) from {ingested.sql(name)} where {own} is not null"
    found = con.execute(query).fetchall()[0][0]
    return None if found is None else float(found)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
