"""What a column is, guessed from its values and, where those leave it open, from its name."""

from dataclasses import dataclass
from typing import Literal

import duckdb

from sixfold.data.convert import literal, quoted
from sixfold.scaffold.columns import SEPARATORS, Column
from sixfold.scaffold.files import Loaded
from sixfold.scaffold.names import has_id_ending, words

__all__ = ["Meaning", "MeaningKind", "meaning"]

MeaningKind = Literal["empty", "constant", "flag", "time", "number", "category", "list", "text", "unreadable"]

_YES = {"ja nein": "ja", "no si": "si", "no sí": "sí", "non oui": "oui", "não sim": "sim"}
"""Flags in words that ingestion does not read."""
_MOST = 0.95
"""A column is of a type if so many of its values are; ingestion refuses the others and counts them."""
_UNITS = {"s": (3e8, 4.2e9), "ms": (3e11, 4.2e12), "us": (3e14, 4.2e15), "ns": (3e17, 4.2e18)}
"""Numbers since 1970 that are times from 1979 to 2103."""
_TIMELY = {
    "time", "times", "timestamp", "ts", "date", "datetime", "day", "at", "on", "created", "updated", "modified",
    "since", "when", "epoch", "mtime", "ctime", "start", "end", "started", "ended", "joined", "seen", "expires",
    "published", "released", "added", "opened", "zeit", "datum", "uhrzeit", "zeitpunkt", "fecha", "heure",
}  # fmt: skip
_SPENT = {"ms": "ms", "millis": "ms", "s": "s", "sec": "s", "secs": "s", "seconds": "s", "min": "min", "mins": "min"}
_SPENT |= {"minutes": "min", "hours": "h"}
_CODES = {"code", "type", "kind", "class", "category", "level", "status", "group", "zip", "plz", "postcode", "cluster"}
_DATES = [f"%d{x}%m{x}%Y" for x in "./-"] + [f"%m{x}%d{x}%Y" for x in "/-."] + [f"%Y{x}%m{x}%d" for x in "/."]
_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", " %H:%M:%S.%f")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column is taken for, and why."""

    kind: MeaningKind
    why: str
    unit: str | None = None
    """Of a time in numbers, or of a number that is a time spent."""
    split: str | None = None
    """Where a text is cut into a list."""
    made: str | None = None
    """SQL over the file's columns that makes values which ingestion can read of those that it cannot."""
    unsure: str = ""
    """What only the data's owner knows."""


def meaning(con: duckdb.DuckDBPyConnection, file: Loaded, column: Column) -> Meaning:
    """The meaning of a column."""
    share = column.shares
    if not column.filled:
        return Meaning("empty", "it has no value at all")
    if column.family in ("other", "bytes"):
        return Meaning("unreadable", f"{column.sql_type} is not a value that a column can have")
    if column.family == "list":
        return Meaning("list", f"a list: {column.sql_type}")
    if (time := _time(con, file, column)) is not None:
        return time
    if column.family == "flag" or (share["flag"] >= 1 and column.distinct <= 2):
        if column.distinct == 1:
            return Meaning("constant", f"always {column.few[0]}")
        return Meaning("flag", _shares(column))
    if (
        column.is_text
        and column.distinct == 2
        and (yes := _YES.get(" ".join(sorted(v.strip().lower() for v in column.few))))
    ):
        made = f"lower(trim({quoted(column.raw)})) = {literal(yes)}"
        return Meaning("flag", f"{_shares(column)}; {yes} is true", made=made)
    if share["number"] >= _MOST or column.family in ("integer", "float", "decimal"):
        return _number(column)
    if file.semicolons and share["comma"] + share["whole"] >= _MOST and share["comma"] > 0:
        made = f"replace(replace({quoted(column.raw)}::varchar, '.', ''), ',', '.')"
        return Meaning("number", "numbers with a decimal comma", made=made)
    return _texts(con, file, column)


def _time(con: duckdb.DuckDBPyConnection, file: Loaded, column: Column) -> Meaning | None:
    share = column.shares
    if column.family in ("date", "stamp", "zoned") or share["iso"] >= _MOST:
        kind = {"date": "dates", "stamp": "times", "zoned": "times with a zone"}.get(column.family)
        zoned = column.family == "zoned" or share["zoned"] >= _MOST
        clock = column.family in ("stamp", "zoned") or share["clock"] > 0
        said = kind or f"{'times' if clock else 'dates'} in ISO 8601{' with a zone' if zoned else ''}"
        return Meaning("time", said, unsure="" if zoned else "zone")
    if column.is_text and share["dated"] >= _MOST:
        return _odd_time(con, file, column)
    if share["number"] < _MOST or column.low is None or column.high is None or column.distinct < 2:
        return None
    unit = next((u for u, (low, high) in _UNITS.items() if low <= column.low and column.high <= high), None)
    named = bool(_TIMELY & set(words(column.raw))) or words(column.raw)[-1:] in (["time"], ["timestamp"])
    if unit is None or (not named and (has_id_ending(column.raw) or column.low < _UNITS[unit][0] * 3)):
        return None
    why = f"numbers that are times from {_year(column.low, unit)} to {_year(column.high, unit)}, if they are in {unit}"
    if unit == "ns":
        return Meaning("time", why, unit="us", made=f"{quoted(column.raw)}::hugeint // 1000")
    return Meaning("time", why, unit=unit)


def _odd_time(con: duckdb.DuckDBPyConnection, file: Loaded, column: Column) -> Meaning | None:
    """Times that are not written as ISO 8601 has them, where all have one of the usual other forms."""
    name = quoted(column.raw)
    forms = [date + clock for date in _DATES for clock in _CLOCKS]
    counted = [f"count(try_strptime(trim({name}), {literal(form)}))" for form in forms]
    sample = f"(select {name} from {file.table} where {name} is not null limit 5000)"
    read = con.execute(f"select count(*), {', '.join(counted)} from {sample}").fetchall()[0]
    fits = [form for form, count in zip(forms, read[1:]) if count >= _MOST * read[0]]
    if not fits:
        return None
    unsure = "zone, and whether days or months come first" if len(fits) > 1 else "zone"
    sniffed = {name: kind for name, kind, *_ in con.execute(f"describe select * from {file.sniffed}").fetchall()}
    made = name if sniffed.get(column.raw) != "VARCHAR" else f"strptime(trim({name}), {literal(fits[0])})"
    if made == name:
        made = f"{name}::timestamp"
    return Meaning("time", f"times written as {fits[0]}", made=made, unsure=unsure)


def _number(column: Column) -> Meaning:
    last = words(column.raw)[-1:]
    whole = column.shares["whole"] >= _MOST or column.family == "integer"
    if whole and _CODES & set(words(column.raw)) and column.distinct <= max(50, column.filled // 20):
        return Meaning("category", f"{column.distinct:,} codes")
    unit = _SPENT.get(last[0]) if last and len(words(column.raw)) > 1 else None
    low, high = column.low, column.high
    said = f"numbers from {_brief(low)} to {_brief(high)}" if low is not None else "numbers"
    return Meaning("number", said, unit=unit)


def _texts(con: duckdb.DuckDBPyConnection, file: Loaded, column: Column) -> Meaning:
    for separator in SEPARATORS:
        if column.shares[separator] >= 0.15 and (found := _cut(con, file, column, separator)):
            return found
    if column.distinct <= max(60, column.filled // 20) and column.length <= 60:
        return Meaning("category", f"{column.distinct:,} different texts")
    return Meaning("text", f"{column.distinct:,} different texts of {column.words:.0f} words on average")


def _cut(con: duckdb.DuckDBPyConnection, file: Loaded, column: Column, separator: str) -> Meaning | None:
    """A list, if the pieces come again and again and are short."""
    pieces = f"unnest(string_split({quoted(column.raw)}::varchar, {literal(separator)}))"
    row = con.execute(
        f"select count(*), count(distinct piece), avg(length(piece)), "
        f"avg(regexp_matches(piece, '[][(){{}}]')::int) from "
        f"(select trim(piece) as piece from (select {pieces} as piece from {file.table})) where piece <> ''"
    ).fetchone()
    assert row is not None
    total, distinct, length, brackets = row
    if not total or total < 4 * distinct or length > 30 or distinct >= column.distinct * 2 or brackets > 0.01:
        return None
    return Meaning("list", f"lists of {distinct:,} different values, cut at {separator!r}", split=separator)


def _shares(column: Column) -> str:
    most = column.counts[0] / max(1, column.filled)
    return f"{column.few[0]} in {most:.0%}, {column.few[1]} in {1 - most:.0%}"


def _year(value: float, unit: str) -> int:
    return int(1970 + value / {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit] / 31_556_952)


def _brief(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
