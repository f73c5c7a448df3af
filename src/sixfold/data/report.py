"""What ingestion did, source by source."""

from collections import Counter
from dataclasses import dataclass

from rich.table import Table

__all__ = ["Report", "SourceReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One source of one stream or table. `read` is `duplicates`, `refused` and the rows that are there, together."""

    group: str
    source: str
    read: int
    """Rows, since the source was first read or last read anew, as the next three."""
    duplicates: int
    """Dropped because the event, or the version of a table's row, was there already."""
    differing: int
    """Those of the duplicates that were not the same in every column."""
    refused: int
    new: int
    """Rows that this run added."""
    seconds: float
    drift: tuple[str, ...] = ()
    """What had changed in its columns when it was last read, in words."""


@dataclass(frozen=True, slots=True)
class Report:
    """All sources, in the design's order; the event log is one of them where it gave rows."""

    sources: tuple[SourceReport, ...]
    seconds: float

    @property
    def rows(self) -> dict[str, dict[str, int]]:
        """By source: read, duplicates, refused; a source of several streams or tables has their names in front."""
        often = Counter(one.source for one in self.sources)
        return {
            one.source if often[one.source] == 1 else f"{one.group}: {one.source}": {
                "read": one.read,
                "duplicates": one.duplicates,
                "refused": one.refused,
            }
            for one in self.sources
        }

    @property
    def drift(self) -> list[str]:
        """What had changed in the columns of sources when they were last read, a line a change."""
        return [f"{one.group}, {one.source}: {change}" for one in self.sources for change in one.drift]

    def table(self) -> Table:
        """For a terminal."""
        table = Table(title="Ingested", title_justify="left")
        table.add_column("into")
        table.add_column("source")
        for name in ("read", "new", "duplicates", "differing", "refused", "seconds"):
            table.add_column(name, justify="right")
        for one in self.sources:
            numbers = (one.read, one.new, one.duplicates, one.differing, one.refused)
            table.add_row(one.group, one.source, *(f"{n:,}" for n in numbers), f"{one.seconds:.2f}")
        return table
