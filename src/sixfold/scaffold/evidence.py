"""What only several columns together tell: how fast rows follow each other, what comes again, what came before what."""

from dataclasses import dataclass

import duckdb

from sixfold.data.convert import quoted
from sixfold.design.units import SECONDS
from sixfold.scaffold.decide import Question
from sixfold.scaffold.links import Looked

__all__ = ["Evidence", "gather"]

LIST_GAP_S = 1.0
"""Rows of one key that are nearer than this were shown together, as the leak check has it."""
_FAMILIES = {"date", "stamp", "zoned"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Measured of the log and the tables that it leads to."""

    span_s: float | None
    """From the first to the last row; None where that is not known."""
    together: float
    """Share of the rows that come within a second of another of their query's."""
    again: float
    """Share of the rows whose query met the item before."""
    before: dict[str, float]
    """Times of the item's table: in which share of the rows they are at or before the row."""
    after: dict[str, float]
    """And at or after it."""


def gather(con: duckdb.DuckDBPyConnection, question: Question) -> Evidence:
    """Measure what `Evidence` has."""
    main, time = question.main, question.time
    at = None if time is None else _seconds(main, time)
    if at is None:
        return Evidence(None, 0.0, 0.0, {}, {})
    row = con.execute(f"select max({at}) - min({at}) from {main.file.table}").fetchone()
    span = None if row is None or row[0] is None else float(row[0])
    query, item = question.query, question.item
    if query is None or item is None:
        return Evidence(span, 0.0, 0.0, {}, {})
    key = quoted(query.column)
    close = con.execute(
        f"select avg((gap > 0 and gap <= {LIST_GAP_S})::int) from "
        f"(select {at} - lag({at}) over (partition by {key} order by {at}) as gap from {main.file.table})"
    ).fetchone()
    pairs = con.execute(
        f"select 1 - count(distinct ({key}, {quoted(item.column)})) / count(*) from {main.file.table} "
        f"where {key} is not null and {quoted(item.column)} is not null"
    ).fetchone()
    before, after = _order(con, question, at) if item.table is not None else ({}, {})
    return Evidence(span, float((close or [0])[0] or 0), float((pairs or [0])[0] or 0), before, after)


def _order(con: duckdb.DuckDBPyConnection, question: Question, at: str) -> tuple[dict[str, float], dict[str, float]]:
    item = question.item
    assert item is not None
    table = item.table
    assert table is not None
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for name in table.of_kind("time"):
        when = _seconds(table, name)
        if when is None:
            continue
        row = con.execute(
            f"select avg((l.at >= t.at)::int), avg((l.at <= t.at)::int) from "
            f"(select {at} as at, {quoted(item.column)}::varchar as key from {question.main.file.table}) l join "
            f"(select {when} as at, {quoted(str(table.key))}::varchar as key from {table.file.table}) t using (key)"
        ).fetchone()
        if row is not None and row[0] is not None:
            before[name], after[name] = float(row[0]), float(row[1])
    return before, after


def _seconds(one: Looked, name: str) -> str | None:
    """SQL of a time in seconds; None where ingestion needs a query to read it."""
    meaning, column = one.meanings[name], quoted(name)
    if meaning.made is not None:
        return None
    if meaning.unit is not None:
        return f"(try_cast({column} as double) * {SECONDS[meaning.unit]!r})"
    return (
        f"epoch(try_cast({column} as timestamp))"
        if one.columns[name].family in _FAMILIES
        else (f"epoch(coalesce(try_cast({column} as timestamptz)::timestamp, try_cast({column} as timestamp)))")
    )
