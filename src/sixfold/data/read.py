"""Reading a source into the stage: files, queries over files, tables of databases."""

import glob
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from sixfold.data.convert import literal, quoted
from sixfold.data.database import opened
from sixfold.data.layout import ALWAYS_US, Layout
from sixfold.data.rows import known_times, typer
from sixfold.data.stage import Origin, Stage, typed_table
from sixfold.data.words import FUTURE, FUTURE_US
from sixfold.design.sources import Csv, Database, JsonLines, Parquet, Query, Source
from sixfold.errors import MissingColumn, NoSuchFile, QueryFailed, SourceUnreadable

__all__ = ["files_of", "fingerprint", "read_database", "read_files"]

_BATCH = 20_000
_PARQUET, _CSV = "union_by_name = true, binary_as_string = {}", "header = true"
"""Old writers do not say of bytes that they are text; where images are, bytes stay bytes."""
_REJECTS = "store_rejects = true, rejects_limit = 0"
_READERS = {
    Parquet: f"read_parquet({{}}, {_PARQUET})",
    Csv: f"read_csv({{}}, {_CSV}, union_by_name = true, sample_size = -1)",
    JsonLines: "read_json({}, format = 'newline_delimited', union_by_name = true, sample_size = -1)",
}


def files_of(source: Source, data: Path, *, part: str) -> list[Path]:
    """The files that a source reads, a query's inputs' too.

    Raises:
        NoSuchFile: nothing matches one of its paths, and the source is not optional.
    """
    if isinstance(source, Database):
        return []
    if isinstance(source, Query):
        return [path for _, one in source.inputs for path in files_of(one, data, part=part)]
    found: list[Path] = []
    for pattern in source.paths:
        paths = sorted(data / name for name in glob.glob(pattern, root_dir=data, recursive=True))
        if not paths and not source.optional:
            raise NoSuchFile(where=source.at, part=part, pattern=pattern, folder=str(data))
        found += [path for path in paths if path.is_file()]
    return list(dict.fromkeys(found))


def fingerprint(source: Source, data: Path, *, part: str) -> list[Any] | None:
    """Changes when what the source gives may have changed; None: nobody can tell."""
    if isinstance(source, Database) or (isinstance(source, Query) and not _closed(source)):
        return None
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files_of(source, data, part=part)]
    return [type(source).__name__, _texts(source), [list(file) for file in files]]


def read_files(stage: Stage, source: Source, origin: Origin, data: Path) -> None:
    """Stage the rows of files or of a query over them.

    Raises:
        DataError: see the classes in `errors` about sources.
    """
    layout = stage.layout
    if isinstance(source, Query):
        try:
            stage.add(f"({_query(source, data, layout, stage.con)})", origin)
        except duckdb.Error as error:
            raise QueryFailed(where=source.at, part=layout.part, reason=_one_line(error)) from None
        return
    for path in files_of(source, data, part=layout.part):
        named = Origin(origin.number, origin.rank, _shown(path, data), source.at, csv=isinstance(source, Csv))
        with _readable(source, layout, named.name):
            if isinstance(source, JsonLines):
                _read_json(stage, path, named)
            elif isinstance(source, Csv):
                _read_csv(stage, path, named)
            else:
                stage.add(f"read_parquet({literal(str(path))}, {_PARQUET.format(_as_text(layout))})", named)


def read_database(stage: Stage, source: Database, origin: Origin, data: Path, after: str | None) -> str | None:
    """Stage the rows of a table past the cursor; the largest cursor among them as an SQL literal, else `after`."""
    start = stage.rows()
    with opened(source, data, after, part=stage.layout.part) as (reader, types):
        stage.con.register("_database", reader)
        try:
            # A reader can be read once, so its columns' types come from an empty table like it.
            stage.con.register("_database_types", reader.schema.empty_table())
            stage.add("_database", origin, types_of="_database_types")
        except duckdb.Error as error:
            raise SourceUnreadable(
                where=source.at, part=stage.layout.part, source=str(source), reason=_one_line(error)
            ) from None
        finally:
            stage.con.unregister("_database")
            stage.con.unregister("_database_types")
        number = source.cursor is not None and (
            pa.types.is_integer(t := types[source.cursor]) or pa.types.is_floating(t)
        )
    if source.cursor is None:
        return None
    value = "cast(_cursor as double)" if number else "_cursor"
    last = stage.con.execute(
        f"select arg_max(_cursor, {value}) from stage where rowid >= {start} and _cursor is not null"
    ).fetchall()[0][0]
    if last is None:
        return after
    return str(last) if number else literal(last)


def _read_csv(stage: Stage, path: Path, origin: Origin) -> None:
    quotes = "quote = '\"', escape = '\"'"
    relation = f"read_csv({literal(str(path))}, {_CSV}, all_varchar = true, {quotes}, {_REJECTS})"
    stage.add(relation, origin)
    con = stage.con
    rejected = con.execute(
        "select any_value(csv_line), any_value(lower(cast(error_type as varchar))) from reject_errors "
        "where csv_line is not null group by line order by line"
    ).fetchall()
    con.execute("drop table reject_errors; drop table reject_scans")
    stage.refuse([(line, f"not a row of this file: {reason}") for line, reason in rejected], origin)


def _read_json(stage: Stage, path: Path, origin: Origin) -> None:
    layout, seen = stage.layout, set[str]()
    wanted = {raw for column in layout.columns for raw in column.raw}
    start, rows = stage.rows(), 0
    read, finish = typer(layout, stage.timezone, own_names=False), _finisher(stage)
    for lines in _batches(path):
        typed: list[dict[str, Any]] = []
        good: list[tuple[dict[str, Any], bytes]] = []
        unread: list[tuple[str, str]] = []
        for line in lines:
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                unread.append((_text(line), "not a line of JSON"))
                continue
            if len(seen) < len(wanted) and isinstance(row, dict):
                seen |= wanted & row.keys()
            values, reasons = read(row)
            # A refused row keeps its place and what could be read of it.
            typed.append({**values, "_reasons": reasons, "_raw": _text(line)} if reasons else values)
            if not reasons:
                good.append((values, line))
        rows += len(typed)
        finish(good)
        stage.add_typed(typed_table(layout, typed), origin)
        stage.refuse(unread, origin)
    for raw in sorted(wanted - seen):
        if rows:
            raise MissingColumn(where=origin.at, part=layout.part, column=raw, source=origin.name, known=_keys(path))
    stage.saw(origin, dict.fromkeys(_keys(path), ""))
    stage.check_throughout(start, origin)


def _finisher(stage: Stage) -> Callable[[list[tuple[dict[str, Any], bytes]]], None]:
    """What gives typed rows their `known` or `valid_from`, and refuses those from the future, each with its line."""
    layout = stage.layout
    if layout.is_table:

        def finish(good: list[tuple[dict[str, Any], bytes]]) -> None:
            for values, _ in good:
                values["valid_from"] = values[layout.time] if layout.time else ALWAYS_US

        return finish
    known = known_times(layout, stage.timezone)

    def finish_events(good: list[tuple[dict[str, Any], bytes]]) -> None:
        for (values, line), time in zip(good, known([values for values, _ in good])):
            values["known"] = time
            if (ahead_us := time - stage.now_us) > FUTURE_US:
                values |= {"_reasons": [FUTURE.format(ahead_us / 1e6)], "_raw": _text(line)}

    return finish_events


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _keys(path: Path) -> list[str]:
    """The names in the first line that is an object."""
    for lines in _batches(path):
        for line in lines:
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if isinstance(row, dict):
                return list(row)
    return []


def _batches(path: Path) -> Iterator[Sequence[bytes]]:
    with path.open("rb") as lines:
        batch: list[bytes] = []
        for line in lines:
            if line := line.strip():
                batch.append(line)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch


def _query(source: Query, data: Path, layout: Layout, con: duckdb.DuckDBPyConnection) -> str:
    """Each input is a name in front of the query, and a query among them has its own names within it."""
    inputs = []
    for name, one in source.inputs:
        if isinstance(one, Query):
            inner = _query(one, data, layout, con)
        else:
            files = ", ".join(literal(str(path)) for path in files_of(one, data, part=layout.part))
            reader = _READERS[type(one)].format(f"[{files}]", _as_text(layout))
            inner = f"from {reader if isinstance(one, Parquet) else _loaded(reader, con)}"
        inputs.append(f"{quoted(name)} as ({inner})")
    head = f"with {', '.join(inputs)} " if inputs else ""
    return f"{head}select * from (\n{source.sql.strip().rstrip(';')}\n)"


def _loaded(reader: str, con: duckdb.DuckDBPyConnection) -> str:
    """A temporary table of text files: they are parsed once, however many queries of one ingestion read them."""
    name = quoted(f"input {hashlib.sha256(reader.encode()).hexdigest()[:16]}")
    con.execute(f"create temp table if not exists {name} as from {reader}")
    return name


def _closed(source: Query) -> bool:
    """Whether all that a query reads is among its inputs: one without any may name files in its text."""
    return bool(source.inputs) and all(_closed(one) for _, one in source.inputs if isinstance(one, Query))


def _as_text(layout: Layout) -> str:
    """Whether bytes in Parquet are texts, as DuckDB spells it."""
    return "false" if any(column.kind.image for column in layout.columns) else "true"


def _texts(source: Source) -> list[Any]:
    if isinstance(source, Query):
        return [source.sql, *([name, _texts(one)] for name, one in source.inputs)]
    return list(getattr(source, "paths", ()))


@contextmanager
def _readable(source: Source, layout: Layout, name: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise SourceUnreadable(where=source.at, part=layout.part, source=name, reason=_one_line(error)) from None


def _shown(path: Path, data: Path) -> str:
    return str(path.relative_to(data)) if path.is_relative_to(data) else str(path)


def _one_line(error: Exception) -> str:
    """What DuckDB says, without the name of its class and the excerpt of the SQL."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())
