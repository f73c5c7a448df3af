"""What the columns of tables know: made again from half of the log, held against totals, held against chance."""
# B = examples, U = keys of a table

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sixfold.data.ingest import ingest_schemas
from sixfold.data.ingested import Ingested
from sixfold.data.layout import ALWAYS_US
from sixfold.data.words import unit_us
from sixfold.design.schema import Join, Stream, TableSchema
from sixfold.design.sources import Csv, File, JsonLines, Parquet, Query, Source
from sixfold.design.system import System
from sixfold.features.joins_sql import Relations, looked_up
from sixfold.features.scratch import Scratch, quoted
from sixfold.monitoring.foresight import foresight, lean, repeats
from sixfold.monitoring.strength import as_flag, codes

__all__ = ["changed_by_cut", "foresights", "repeated_totals"]

MOST = 300_000
"""So many examples at most are held against chance."""


def changed_by_cut(
    scratch: Scratch,
    system: System,
    ingested: Relations,
    rows: str,
    columns: Iterable[str],
    data: Path,
    folder: Path,
) -> dict[str, str]:
    """Columns of tables that are queries over a stream's own files: which change when the stream's later half is gone.

    Args:
        columns: Canonical names.
        data: Where relative paths of sources begin.
        folder: For what is ingested again.

    Returns:
        What was seen, by the columns that changed.
    """
    wanted = list(columns)
    found: dict[str, str] = {}
    for table in system.tables.values():
        own = [name.split(".")[1] for name in wanted if name.split(".")[0] == table.name]
        own = [one.name for one in table.fields if one.name in own]
        for stream in system.streams.values():
            those = f"{rows} where _example" if stream.name == system.examples.name else ingested.sql(stream.name)
            middle = scratch.read(f"select quantile_disc(time, 0.5) from {those}")[0][0].as_py()
            if middle is None or not own:
                continue
            sources = tuple(_cut(source, stream, middle, system.timezone) for source in table.sources)
            if sources == table.sources:
                continue
            with TemporaryDirectory(dir=folder, prefix=".cut-") as again:
                schema = replace(table, sources=sources)
                ingest_schemas([schema], system.timezone, data, Path(again) / "ingested", now_us=0)
                cut = Ingested.of_schemas([schema], Path(again) / "ingested").sql(table.name)
                found |= _changes(scratch, table, own, ingested.sql(table.name), cut, stream.name, middle)
    return found


def repeated_totals(
    scratch: Scratch, system: System, ingested: Relations, rows: str, columns: Iterable[str]
) -> dict[str, str]:
    """Number columns that are a count, a sum or a mean over all rows of the examples' stream, the later ones too.

    A column of the stream that is the same in all rows of a key is a copy of the table's and no outcome.
    """
    wanted = set(columns)
    stream = system.examples
    measured = [f.name for f in stream.fields if f.kind.base in ("number", "flag") and not f.kind.is_list]
    values = {f"{stream.name}.{name}": f"{stream.name}.{name}" for name in measured}
    values |= {f"label {name}": f"label.{name}" for name in system.row_labels}
    found: dict[str, str] = {}
    for join in system.row.joins:
        table = system.tables[join.table]
        own = [f.name for f in table.fields if f.kind.base == "number" and f"{table.name}.{f.name}" in wanted]
        if not own or not _single(scratch, ingested, table):
            continue
        totals = {"the number of rows": "count(*)"}
        for name, column in values.items():
            value = f"r.{quoted(column)}::double"
            totals[f"the sum of {name}"] = f"case when min({value}) < max({value}) then sum({value}) end"
            totals[f"the mean of {name}"] = f"case when min({value}) < max({value}) then avg({value}) end"
        for those in ("true", "r._example"):
            read = scratch.read(
                f"select {', '.join(f'any_value(t.{quoted(name)})' for name in own)}, {', '.join(totals.values())} "
                f"from {rows} r join {ingested.sql(table.name)} t on {_on(join, table, 'r', 't')} where {those} "
                f"group by {', '.join(f'r.{quoted(on)}' for on in join.on)}"
            )
            numbers = [np.asarray(one.to_numpy(), np.float64) for one in read.columns]
            for i, name in enumerate(own):
                for j, total in enumerate(totals):
                    if repeats(numbers[i], numbers[len(own) + j]):
                        found.setdefault(
                            f"{table.name}.{name}",
                            f"it is {total} of {stream.name} for its key, later rows included "
                            f"({len(numbers[i]):,} keys)",
                        )
    return found


def foresights(
    scratch: Scratch, system: System, ingested: Relations, rows: str, columns: Iterable[str]
) -> dict[str, str]:
    """Columns that explain more of the labels than a column known before could (see `foresight`)."""
    wanted, found = sorted(columns), dict[str, str]()
    total = int(scratch.read(f"select count(*) from {rows} where _example")[0][0].as_py())
    drawn = f"hash({quoted(system.query)}) % {total} < {MOST}" if total > MOST else "true"
    for join in system.row.joins:
        table = system.tables[join.table]
        own = [f for f in table.fields if f"{table.name}.{f.name}" in wanted and not f.kind.is_list]
        if not own:
            continue
        labels = ", ".join(quoted(f"label.{name}") for name in system.row_labels)
        keys = ", ".join(quoted(on) for on in dict.fromkeys(join.on))
        base = f"select _offset, time, {keys}, {labels} from {rows} where _example and {drawn}"
        names = frozenset(f"{table.name}.{f.name}" for f in own)
        joined = looked_up(base, [join], names, system.tables, ingested, at="time")
        kept = scratch.table(f"select *, dense_rank() over (order by {keys}) as _key from ({joined}) order by _offset")
        read = scratch.read(f"select _key, time, {labels} from {kept} order by _offset")
        key_B, time_B = np.asarray(read["_key"], np.int64), np.asarray(read["time"], np.int64)
        values = {n: as_flag(np.asarray(read[f"label.{n}"].to_numpy(), np.float64)) for n in system.row_labels}
        later_B = time_B > np.median(time_B)
        for f in own:
            column = scratch.read(f"select {quoted(f'{table.name}.{f.name}')} from {kept} order by _offset")[0]
            code_B = codes(column, f.kind)
            _, unit_B = np.unique(key_B * (int(code_B.max()) + 1) + code_B, return_inverse=True)
            for label, value_B in values.items():
                text = _told(unit_B, code_B, value_B, later_B, label)
                if text is not None:
                    found.setdefault(f"{table.name}.{f.name}", text)
    return found


def _told(
    unit_B: NDArray[np.int64],
    code_B: NDArray[np.int64],
    value_B: NDArray[np.float64],
    later_B: NDArray[np.bool_],
    label: str,
) -> str | None:
    for those_B in (np.ones(len(unit_B), bool), later_B):
        seen = foresight(unit_B[those_B], code_B[those_B], value_B[those_B])
        if seen is not None and seen.knows:
            times = f"{seen.explained / seen.common:.2f} times what" if seen.common > 0 else "more than"
            return (
                f"for label {label} it explains {times} a key's rows have in common, which only a value made from "
                f"the outcomes themselves can ({seen.units:,} keys, {seen.z:.0f} standard errors)"
            )
    leans = lean(unit_B, code_B, value_B, later_B)
    if leans is not None and leans.knows:
        return (
            f"for label {label} it explains {leans.later:.2g} of the later half's variance and {leans.earlier:.2g} of "
            f"the earlier half's ({leans.units:,} keys with rows in both)"
        )
    return None


def _cut(source: Source, stream: Stream, middle_us: int, timezone: str) -> Source:
    """The source with the stream's files cut at a time, wherever a query reads them."""
    if not isinstance(source, Query):
        return source
    mine = [(type(one), one.paths) for one in stream.sources if isinstance(one, File)]
    inputs: dict[str, File | Query] = {}
    for name, one in source.inputs:
        if isinstance(one, File) and (type(one), one.paths) in mine:
            inputs[name] = Query(f"select * from f where {_before(one, stream, middle_us, timezone)}", f=one)
        else:
            inner = _cut(one, stream, middle_us, timezone)
            assert isinstance(inner, File | Query)
            inputs[name] = inner
    return source if inputs == dict(source.inputs) else Query(source.sql, **inputs)


def _before(source: File, stream: Stream, middle_us: int, timezone: str) -> str:
    """Raw rows of a stream's file before a time."""
    assert isinstance(source, Parquet | Csv | JsonLines)
    raw = quoted(stream.time.raw)
    number = f"try_cast({raw} as double) < {middle_us / unit_us(stream.time.unit)!r}" if stream.time.unit else "false"
    local = f"epoch_us(timezone('{timezone}', try_cast(cast({raw} as varchar) as timestamp))) < {middle_us}"
    return f"coalesce({number}, false) or coalesce({local}, false)"


def _changes(
    scratch: Scratch, table: TableSchema, own: list[str], whole: str, cut: str, stream: str, middle_us: int
) -> dict[str, str]:
    """Columns whose values at the same key and version differ between the whole and the cut."""
    keys = " and ".join(f"a.{quoted(k.name)} = b.{quoted(k.name)}" for k in table.keys)
    differ = ", ".join(f"avg((a.{quoted(n)} is distinct from b.{quoted(n)})::int)" for n in own)
    read = scratch.read(
        f"select count(*), {differ} from {whole} a join {cut} b on {keys} and a.valid_from = b.valid_from "
        f"where a.valid_from < {middle_us} or a.valid_from = {ALWAYS_US}"
    )
    found = {}
    for i, name in enumerate(own, 1):
        share = read[i][0].as_py() or 0.0
        if share > 0.01:
            found[f"{table.name}.{name}"] = (
                f"its query reads {stream}: without the later half of that, {share:.0%} of its values for the same "
                f"keys are others ({read[0][0].as_py():,} keys)"
            )
    return found


def _single(scratch: Scratch, ingested: Relations, table: TableSchema) -> bool:
    """Whether every key has one row."""
    keys = ", ".join(quoted(key.name) for key in table.keys)
    query = f"select coalesce(max(n), 0) from (select count(*) as n from {ingested.sql(table.name)} group by {keys})"
    return int(scratch.read(query)[0][0].as_py()) == 1


def _on(join: Join, table: TableSchema, left: str, right: str) -> str:
    pairs = zip(join.on, table.keys)
    return " and ".join(f"{left}.{quoted(on)} = {right}.{quoted(key.name)}" for on, key in pairs)
