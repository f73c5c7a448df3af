"""Ingestion: every source of every stream and table into typed Parquet, nothing twice."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
from msgspec.structs import astuple

from sixfold.data.convert import quoted
from sixfold.data.drift import drift
from sixfold.data.erased import ErasedKeys, without
from sixfold.data.journal import take_log
from sixfold.data.layout import Layout, layout
from sixfold.data.manifest import Counts, Manifest, load, save
from sixfold.data.merge import FIRST_ADDED, FIRST_FILE, RANK_ADDED, RANK_LOG, RANK_OLD, drop_duplicates, dropped, write
from sixfold.data.quarantine import keep_refused
from sixfold.data.read import fingerprint, read_database, read_files
from sixfold.data.report import Report, SourceReport
from sixfold.data.stage import Origin, Stage, connection
from sixfold.data.words import FUTURE_US
from sixfold.design.groups import logged_as
from sixfold.design.schema import Stream, TableSchema
from sixfold.design.sources import Database, Query, Source
from sixfold.design.system import System
from sixfold.stores.log import EventLog

__all__ = ["ingest", "ingest_schemas"]

LOG_NAME = "event log"
MANY_PARTS = 32
"""So many files of added rows are written together as one."""


def ingest(system: System, data: Path, folder: Path, *, log: EventLog | None = None, now_us: int) -> Report:
    """Bring every stream's and table's sources into `folder/NAME/*.parquet`, and refused rows into `quarantine` beside.

    Files are read again when one of a stream's files changed; databases and the event log from where the last run
    stopped. A run that is cut off leaves each stream and table as it was before or as it is after.

    Args:
        data: Where relative paths of sources begin.
        log: Rows posted to a server: one more source.
        now_us: The time of this run. Events of files and databases that are known later are refused as from the
            future (those of the log were measured by the server's clock when they came).

    Raises:
        DataError: a source cannot be read, or is not what the design says of it.
    """
    return ingest_schemas(
        (*system.streams.values(), *system.tables.values()), system.timezone, data, folder, log=log, now_us=now_us
    )


def ingest_schemas(
    schemas: Iterable[Stream | TableSchema],
    timezone: str,
    data: Path,
    folder: Path,
    *,
    log: EventLog | None = None,
    now_us: int,
) -> Report:
    """As `ingest`, for these streams and tables."""
    begun = time.perf_counter()
    layouts = [layout(schema) for schema in schemas]
    last = -1 if log is None else log.last()
    with connection(folder, data) as con:
        groups = [_Group(con, rows, timezone, data, folder, now_us) for rows in layouts]
        if log is not None:
            take_log(
                con, log, {logged_as(group.layout.name): (group.layout, group.state.offset) for group in groups}, last
            )
        reports = [report for group in groups for report in group.run(last)]
    return Report(tuple(reports), time.perf_counter() - begun)


class _Group:
    """The ingestion of one stream or table."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, rows: Layout, timezone: str, data: Path, folder: Path, now_us: int
    ) -> None:
        self.con, self.layout, self.timezone, self.data = con, rows, timezone, data
        self.folder, self.quarantine = folder / rows.name, folder.parent / "quarantine" / f"{rows.name}.jsonl"
        self.now_us, self.erased = now_us, ErasedKeys.load(folder.parent)
        fingerprint, before = rows.fingerprint(timezone), load(self.folder)
        self.fresh = before is None or before.fingerprint != fingerprint
        generation = 0 if before is None else before.generation
        self.state = Manifest(fingerprint, generation=generation) if self.fresh or before is None else before
        self.sources = {str(i): source for i, source in enumerate(rows.sources)}
        self.names = _distinct([str(source) for source in rows.sources])
        self.columns, self.drift = ({}, {}) if before is None else (before.columns, before.drift)
        self.seconds: dict[str, float] = {}

    def run(self, last: int) -> list[SourceReport]:
        """Take what is new, and report on every source."""
        inputs = {
            number: fingerprint(source, self.data, part=self.layout.part)
            for number, source in self.sources.items()
            if not _grows(source)
        }
        whole = self.fresh or None in inputs.values() or inputs != self.state.inputs or self._future_came()
        stage = Stage(self.con, self.layout, self.timezone, self.now_us)
        if whole:
            self._read_whole(stage)
        cursors, added = self._read_past(stage)
        stage.add_log(Origin(len(self.sources), RANK_LOG, LOG_NAME, self.layout.at))
        self._leave_out_erased()
        before = self.state.counts
        if whole or stage.rows():
            self._merge(stage, inputs, cursors, added, whole=whole)
        if self.state.offset != last or whole or stage.rows():
            self.state.offset = max(last, self.state.offset)
            save(self.folder, self.state)
        stage.drop()
        return self._reports(before)

    def _leave_out_erased(self) -> None:
        """Erased keys are not read again. What was posted since is new, and stands in the log."""
        for entity in dict.fromkeys(column.entity for column in self.layout.keyed):
            if (erased := self.erased.holds(entity)) is None:
                continue
            read = 'coalesce("offset", -1) < 0'
            goes, left = without(self.layout, entity, erased)
            self.con.execute(f"delete from stage where {read} and ({goes})")
            for name, value in left.items():
                self.con.execute(f"update stage set {quoted(name)} = {value} where {read}")

    def _read_whole(self, stage: Stage) -> None:
        for number, source in self.sources.items():
            begun = time.perf_counter()
            if isinstance(source, Database):
                if not _grows(source):
                    origin = Origin(int(number), int(number), self.names[int(number)], source.at, ordered=False)
                    read_database(stage, source, origin, self.data, None)
            else:
                ordered = not isinstance(source, Query)
                origin = Origin(int(number), int(number), self.names[int(number)], source.at, ordered=ordered)
                read_files(stage, source, origin, self.data)
            self.seconds[number] = time.perf_counter() - begun

    def _read_past(self, stage: Stage) -> tuple[dict[str, str], int]:
        """Stage the new rows of databases; their cursors after it, and how many rows."""
        start, cursors = stage.rows(), dict(self.state.cursors)
        for number, source in self.sources.items():
            if isinstance(source, Database) and source.cursor is not None:
                begun = time.perf_counter()
                origin = Origin(int(number), RANK_ADDED, self.names[int(number)], source.at, cursor=source.cursor)
                after = read_database(stage, source, origin, self.data, cursors.get(number))
                if after is not None:
                    cursors[number] = after
                self.seconds[number] = time.perf_counter() - begun
        return cursors, stage.rows() - start

    def _merge(self, stage: Stage, inputs: dict[str, Any], cursors: dict[str, str], added: int, *, whole: bool) -> None:
        """Write what was staged, beside or in place of what is there."""
        state, rewrite = self.state, whole or self.layout.is_table
        files, more = ([self.folder / name for name in names] for names in (state.files, state.more))
        if rewrite and not whole:
            stage.add_parts(files, 0)
        together = rewrite or len(more) >= MANY_PARTS
        if together:
            stage.add_parts(more, RANK_OLD)
        drop_duplicates(self.con, self.layout, [] if rewrite else files if together else [*files, *more])
        generation = state.generation + 1
        self.folder.mkdir(parents=True, exist_ok=True)
        kept_files, kept_more = ([] if rewrite else state.files), ([] if together else state.more)
        name = f"files-{generation:06}.parquet"
        if rewrite and write(self.con, self.layout, self.folder / name, ranks=(0, RANK_OLD - 1), first=FIRST_FILE):
            kept_files = [name]
        name, first = f"more-{generation:06}.parquet", FIRST_ADDED + state.ordinal
        if write(self.con, self.layout, self.folder / name, ranks=(RANK_OLD, RANK_LOG), first=first):
            kept_more = [*kept_more, name]
        counts = self._counts(whole)
        self._note_columns(stage)
        names = [*self.names, LOG_NAME]
        again = [name for name, source in zip(self.names, self.layout.sources) if self.fresh or not _grows(source)]
        keep_refused(
            self.con, self.quarantine, names, [*again, LOG_NAME] if self.fresh else again if whole else [],
            run=generation, at_us=self.now_us,
        )  # fmt: skip
        self.state = Manifest(
            state.fingerprint, kept_files, kept_more, generation, inputs if whole else state.inputs, cursors,
            state.ordinal + added, state.offset, counts, stage.future_us(RANK_OLD) if whole else state.future_us,
            self.columns, self.drift,
        )  # fmt: skip

    def _future_came(self) -> bool:
        """Whether a row that was refused as from the future would be taken now."""
        return self.state.future_us is not None and self.state.future_us <= self.now_us + FUTURE_US

    def _note_columns(self, stage: Stage) -> None:
        """Compare the columns of the sources that were read with those of the reading before."""
        read = {self.names[number]: found for number, found in stage.columns.items()}
        self.drift = {name: found for name, found in self.drift.items() if name in self.names and name not in read}
        for name, found in read.items():
            if name in self.columns and (changes := drift(self.columns[name], found)):
                self.drift[name] = changes
        self.columns = {**{name: found for name, found in self.columns.items() if name in self.names}, **read}

    def _counts(self, whole: bool) -> dict[str, Counts]:
        """What was read of each source so far, this run's rows with it."""
        found, counts = dropped(self.con), {}
        for number in [*self.sources, str(len(self.sources))]:
            source = self.sources.get(number)
            before = self.state.counts.get(number, Counts())
            if whole and source is not None and not _grows(source):
                before = Counts()
            now = found.get(int(number), (0, 0, 0, 0))
            counts[number] = Counts(*(a + b for a, b in zip(astuple(before), now)))
        return counts

    def _reports(self, before: dict[str, Counts]) -> list[SourceReport]:
        reports = []
        for number, name in enumerate([*self.names, LOG_NAME]):
            counts, old = self.state.counts.get(str(number), Counts()), before.get(str(number), Counts())
            if name == LOG_NAME and counts.read == 0:
                continue
            reports.append(
                SourceReport(
                    group=self.layout.name, source=name, read=counts.read, duplicates=counts.duplicates,
                    differing=counts.differing, refused=counts.refused, new=max(0, _kept(counts) - _kept(old)),
                    seconds=self.seconds.get(str(number), 0.0), drift=tuple(self.drift.get(name, ())),
                )
            )  # fmt: skip
        return reports


def _grows(source: Source) -> bool:
    return isinstance(source, Database) and source.cursor is not None


def _kept(counts: Counts) -> int:
    return counts.read - counts.duplicates - counts.refused


def _distinct(names: list[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]
