"""Tables of SQLite and PostgreSQL over ADBC, as Arrow batches."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from sixfold.design.sources import Database
from sixfold.errors import DatabaseFailed, DriverMissing, MissingColumn

__all__ = ["opened"]

_SQLITE_BATCH = 65_536
"""Rows from which SQLite's driver takes a column's type; a later row of another type is an error."""


@contextmanager
def opened(
    source: Database, data: Path, after: str | None, *, part: str
) -> Iterator[tuple[pa.RecordBatchReader, dict[str, Any]]]:
    """Rows of the table past the cursor `after`, in the cursor's order, and its columns' Arrow types.

    Args:
        after: The largest cursor taken so far as an SQL literal, None for all rows.

    Raises:
        DriverMissing: the driver is not installed.
        DatabaseFailed: the database is unreachable, or it has no such table, or reading it failed.
        MissingColumn: the table has no such cursor column.
    """
    sqlite = source.uri.startswith("sqlite:///")
    name = "adbc_driver_sqlite" if sqlite else "adbc_driver_postgresql"
    try:
        driver = importlib.import_module(f"{name}.dbapi")
        errors: type[Exception] = importlib.import_module("adbc_driver_manager").Error
    except ModuleNotFoundError:
        raise DriverMissing(where=source.at, part=part, driver=name) from None
    try:
        with driver.connect(_sqlite_uri(source, data, part) if sqlite else source.uri) as con, con.cursor() as cursor:
            if sqlite:
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_SQLITE_BATCH)})
            yield _rows(source, cursor, after, part)
    except (errors, pa.ArrowException, OSError) as error:
        raise DatabaseFailed(where=source.at, part=part, source=str(source), reason=_one_line(error)) from None


def _rows(source: Database, cursor: Any, after: str | None, part: str) -> tuple[pa.RecordBatchReader, dict[str, Any]]:
    table = ".".join(_quoted(piece) for piece in source.table.split("."))
    cursor.execute(f"select * from {table} where 1 = 0")
    known = [field[0] for field in cursor.description]
    cursor.fetchall()
    sql = f"select * from {table}"
    if source.cursor is not None:
        if source.cursor not in known:
            raise MissingColumn(where=source.at, part=part, column=source.cursor, source=str(source), known=known)
        past = f" where {_quoted(source.cursor)} > {after}" if after is not None else ""
        sql += f"{past} order by {_quoted(source.cursor)}"
    cursor.execute(sql)
    reader = cursor.fetch_record_batch()
    return reader, {field.name: field.type for field in reader.schema}


def _sqlite_uri(source: Database, data: Path, part: str) -> str:
    path = data / source.uri.removeprefix("sqlite:///")
    if not path.is_file():  # the driver would make an empty database
        raise DatabaseFailed(where=source.at, part=part, source=str(source), reason=f"no file {path}")
    return f"{path.resolve().as_uri()}?mode=ro"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _one_line(error: Exception) -> str:
    """The first line, without the driver's own prefixes."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    for driver in ("[SQLite] ", "[libpq] "):
        line = line.split(driver, 1)[-1]
    return line.removeprefix("Failed to prepare query: ")
