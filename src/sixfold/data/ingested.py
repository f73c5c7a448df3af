"""Ingested data as others read it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sixfold.data.convert import literal, quoted
from sixfold.data.layout import Layout, layout
from sixfold.data.manifest import load
from sixfold.design.schema import Stream, TableSchema
from sixfold.design.system import System

__all__ = ["Ingested"]


@dataclass(frozen=True, slots=True)
class Ingested:
    """The folder that `ingest` fills for a design."""

    folder: Path
    layouts: dict[str, Layout]

    @classmethod
    def of(cls, system: System, folder: Path) -> "Ingested":
        """The ingested data of a design's streams and tables."""
        return cls.of_schemas((*system.streams.values(), *system.tables.values()), folder)

    @classmethod
    def of_schemas(cls, schemas: Iterable[Stream | TableSchema], folder: Path) -> "Ingested":
        """The ingested data of these streams and tables."""
        return cls(Path(folder), {schema.name: layout(schema) for schema in schemas})

    def files(self, name: str) -> list[Path]:
        """The Parquet files of a stream or a table; none where nothing was ingested.

        Raises:
            IngestedDamaged: its manifest is not readable, or a file that it names is gone.
        """
        manifest = load(self.folder / name)
        return [] if manifest is None else [self.folder / name / file for file in (*manifest.files, *manifest.more)]

    def sql(self, name: str) -> str:
        """A relation for DuckDB with the rows of a stream or a table; empty, of the right types, where there are none.

        Raises:
            IngestedDamaged: as `files` does.
        """
        if files := self.files(name):
            return f"read_parquet([{', '.join(literal(str(path)) for path in files)}])"
        rows = self.layouts[name]
        columns = [f"cast(null as {c.sql_type}) as {quoted(c.name)}" for c in rows.columns]
        columns += [f"cast(null as BIGINT) as {quoted(extra)}" for extra in rows.extra]
        return f"(select {', '.join(columns)} where false)"

    @property
    def offset(self) -> int:
        """The offset up to which every stream and table has taken the event log; -1: nothing."""
        manifests = [load(self.folder / name) for name in self.layouts]
        return min((-1 if manifest is None else manifest.offset for manifest in manifests), default=-1)
