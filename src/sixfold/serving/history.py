"""The state that a server goes on from: the one that `run` built, or one built here from history."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sixfold.data.ingested import Ingested
from sixfold.design.system import System
from sixfold.errors import StateUnfinished, StoreTorn
from sixfold.features.bulk import build_state
from sixfold.features.state import History, check_definitions
from sixfold.stores import EventLog, LmdbStore

__all__ = ["AsKnown", "newest_or_logged_us", "newest_us", "open_state", "past_us"]


@dataclass(frozen=True)
class AsKnown:
    """Ingested data as it was known at a time: events known before it, versions of rows valid by then."""

    system: System
    ingested: History
    until_us: int

    @property
    def offset(self) -> int:
        """See `History.offset`."""
        return self.ingested.offset

    def sql(self, name: str) -> str:
        """See `History.sql`."""
        rule = f"known < {self.until_us}" if name in self.system.streams else f"valid_from <= {self.until_us}"
        return f"(select * from {self.ingested.sql(name)} where {rule})"


def newest_us(system: System, workdir: Path) -> int | None:
    """The largest known time of the ingested events; None where there are none."""
    ingested = Ingested.of(system, workdir / "ingested")
    files = [path for stream in system.streams for path in ingested.files(stream)]
    newest = [_largest(path) for path in files]
    return max((one for one in newest if one is not None), default=None)


def newest_or_logged_us(system: System, workdir: Path, log: EventLog) -> int | None:
    """The largest known time of the data: of the ingested events, or the last arrival in the log."""
    last = log.read(log.last() - 1, 1)
    times = [newest_us(system, workdir), *(record.arrival_us for record in last)]
    return max((one for one in times if one is not None), default=None)


def past_us(system: System, workdir: Path, start_us: int | None) -> int | None:
    """Where a replay that starts then leaves the ingested data off; None where it knows all of it."""
    newest = newest_us(system, workdir) if start_us is not None else None
    return start_us if start_us is not None and newest is not None and start_us <= newest else None


def open_state(system: System, workdir: Path, release: str, start_us: int | None) -> LmdbStore:
    """The state of a release; one that is missing, torn or half-built is built again from the ingested data.

    Args:
        start_us: Where a replay's clock starts. In the past of the ingested data, a state of its own is made beside
            the release's, which knows only the past.
    """
    past = past_us(system, workdir, start_us)
    folder = workdir / "state" / (release if past is None else f"{release}@{past}")
    if folder.is_dir():
        try:
            store = LmdbStore(folder)
        except StoreTorn:
            shutil.rmtree(folder)
        else:
            try:
                check_definitions(system, store)
            except StateUnfinished:
                store.close()
                shutil.rmtree(folder)
            else:
                return store
    return _built(system, workdir, folder, past)


def _built(system: System, workdir: Path, folder: Path, past_us: int | None) -> LmdbStore:
    ingested = Ingested.of(system, workdir / "ingested")
    history: History = ingested if past_us is None else AsKnown(system, ingested, past_us)
    store = LmdbStore(folder)
    try:
        build_state(system, store, history, workdir / "spill")
    except BaseException:
        store.close()
        raise
    return store


def _largest(path: Path) -> int | None:
    """The largest known time in a file, from its statistics where it has them."""
    file = pq.ParquetFile(path)
    if not file.metadata.num_rows:
        return None
    place = file.schema_arrow.get_field_index("known")
    groups = [file.metadata.row_group(i).column(place).statistics for i in range(file.metadata.num_row_groups)]
    if all(one is not None and one.has_min_max for one in groups):
        return max(int(one.max) for one in groups)
    found = pc.max(file.read(columns=["known"])["known"]).as_py()
    return None if found is None else int(found)
