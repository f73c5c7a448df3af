"""Where raw rows come from: files, queries over files, databases."""

from dataclasses import dataclass, field
from typing import Any

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Csv", "Database", "File", "JsonLines", "Parquet", "Query", "Source"]


@dataclass(frozen=True, slots=True, init=False)
class File:
    """Files of one format; each path may be a glob, relative to the data folder."""

    paths: tuple[str, ...]
    optional: bool
    """Whether there may be no such file: then there are no rows, and a run's table of what it ingested says so."""
    at: str = field(repr=False, compare=False)

    def __init__(self, *paths: str, optional: bool = False) -> None:
        object.__setattr__(self, "paths", paths)
        object.__setattr__(self, "optional", optional)
        object.__setattr__(self, "at", caller())
        if not paths or not all(isinstance(path, str) and path for path in paths):
            raise InvalidField(
                where=self.at, part=type(self).__name__, field="paths", rule="one path or more", value=paths
            )

    def __str__(self) -> str:
        return ", ".join(self.paths) + (" (optional)" if self.optional else "")


class Parquet(File):
    """Parquet files."""

    __slots__ = ()


class Csv(File):
    """CSV files with a header line; the separator is found."""

    __slots__ = ()


class JsonLines(File):
    """Files of one JSON object a line."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, init=False)
class Query:
    """A DuckDB query over files or other queries, each under the name that its keyword gives it."""

    sql: str
    inputs: tuple[tuple[str, "File | Query"], ...]
    at: str = field(repr=False, compare=False)

    def __init__(self, sql: str, **inputs: "File | Query") -> None:
        object.__setattr__(self, "sql", sql)
        object.__setattr__(self, "inputs", tuple(inputs.items()))
        object.__setattr__(self, "at", caller())
        for name, source in inputs.items():
            if not isinstance(source, File | Query):
                rule = "a file source or a Query"
                raise InvalidField(where=self.at, part="Query", field=name, rule=rule, value=source)
            if isinstance(source, File) and source.optional:
                rule = "a file that is there: a query needs its columns"
                raise InvalidField(where=self.at, part="Query", field=name, rule=rule, value=str(source))

    def __str__(self) -> str:
        return f"query over {', '.join(str(source) for _, source in self.inputs) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Database:
    """Rows of a table in SQLite (`sqlite:///relative/or//absolute/path`) or PostgreSQL (`postgresql://…`)."""

    uri: str
    table: str
    cursor: str | None = None
    """A column that only grows: each run reads the rows past the last value seen. None reads the whole table again."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.uri.startswith(("sqlite:///", "postgresql://", "postgres://")):
            rule = "sqlite:///PATH or postgresql://…"
            raise InvalidField(where=self.at, part="Database", field="uri", rule=rule, value=self.uri)

    def __str__(self) -> str:
        return f"{self.uri.split('://')[0]} table {self.table}"


Source = File | Query | Database


def as_sources(source: Any, *, where: str, part: str) -> tuple[Source, ...]:
    """The sources of a stream or table: one, a list, or an empty list (rows come over HTTP only)."""
    sources = tuple(source) if isinstance(source, list | tuple) else (source,)
    for one in sources:
        if not isinstance(one, File | Query | Database):
            rule = "Parquet, Csv, JsonLines, Query, Database, or a list of them"
            raise InvalidField(where=where, part=part, field="source", rule=rule, value=one)
    return sources
