"""Temporary tables of one computation in DuckDB, dropped when it is over."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from uuid import uuid4

import duckdb
import pyarrow as pa

from sixfold.errors import ComputationFailed

__all__ = ["Scratch", "quoted"]


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Scratch:
    """A connection with names of its own for what is kept while a computation runs."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._tables: list[str] = []
        self._views: list[str] = []

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._tables:
            self._con.execute(f"drop table if exists {name}")
        for name in self._views:
            self._con.unregister(name)

    def table(self, query: str) -> str:
        """Keep the rows of a query; returns the table's name."""
        self._tables.append(name := f"_scratch_{uuid4().hex}")
        with _wrapped():
            self._con.execute(f"create temp table {name} as {query}")
        return name

    def rows(self, table: pa.Table) -> str:
        """Make Arrow rows readable by SQL; returns the name to read them by."""
        self._views.append(name := f"_scratch_{uuid4().hex}")
        self._con.register(name, table)
        return name

    def read(self, query: str) -> pa.Table:
        """The rows of a query.

        Raises:
            ComputationFailed: DuckDB ran out of memory or disk, or a file is gone or damaged.
        """
        with _wrapped():
            return self._con.sql(query).to_arrow_table()


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InvalidInputException) as error:
        raise ComputationFailed(reason=str(error)) from error
