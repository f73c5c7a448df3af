"""The state that a server goes on from: the one that `run` built, or one built here from history."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sixfold.data.ingested import Ingested
from sixfold.data.rows import decode_columns
from sixfold.design.groups import ANSWERS
from sixfold.design.system import System
from sixfold.errors import SnapshotLost, StateUnfinished
from sixfold.features.bulk import Built, Reuse, build_state
from sixfold.features.state import History, check_definitions
from sixfold.registry import Releases
from sixfold.stores import EventLog, OnlineStore, Snapshots
from sixfold.stores.opening import States

__all__ = ["AsKnown", "make_state", "newest_or_logged_us", "newest_us", "open_state", "past_us", "state_name"]

_BATCH = 20_000
_TRIES = 4
"""So often is a snapshot taken again that was lost; each time the store in use has doubled its room."""


@dataclass(frozen=True)
class AsKnown:
    """Ingested data as it was known at a time: events known before it, versions of rows valid by then.

    What the log brought after `told_after` is known too: it was posted to the server whose clock began at that time.
    """

    system: System
    ingested: History
    until_us: int
    told_after: int

    @property
    def offset(self) -> int:
        """See `History.offset`."""
        return self.ingested.offset

    def sql(self, name: str) -> str:
        """See `History.sql`."""
        rule = f"known < {self.until_us}" if name in self.system.streams else f"valid_from <= {self.until_us}"
        return f'(select * from {self.ingested.sql(name)} where {rule} or "offset" > {self.told_after})'


def newest_us(system: System, workdir: Path) -> int | None:
    """The largest known time of the ingested events; None where there are none."""
    ingested = Ingested.of(system, workdir / "ingested")
    files = [path for stream in system.streams if stream != ANSWERS for path in ingested.files(stream)]
    newest = [_largest(path) for path in files]
    return max((one for one in newest if one is not None), default=None)


def newest_or_logged_us(system: System, workdir: Path, log: EventLog) -> int | None:
    """The largest known time of the design's own events, ingested or only in the log; None where there are none.

    When a server answered says nothing of the data, so logged answers do not count.
    """
    told = system.streams.keys() - {ANSWERS}
    found, after = newest_us(system, workdir), Ingested.of(system, workdir / "ingested").offset
    while records := log.read(after, _BATCH):
        after = records[-1].offset
        (known,) = decode_columns([one.payload for one in records if one.stream in told], ["known"])
        found = max([*known, *([] if found is None else [found])], default=None)
    return found


def past_us(system: System, workdir: Path, start_us: int | None) -> int | None:
    """Where a replay that starts then leaves the ingested data off; None where it knows all of it."""
    newest = newest_us(system, workdir) if start_us is not None else None
    return start_us if start_us is not None and newest is not None and start_us <= newest else None


def open_state(
    system: System,
    workdir: Path,
    release: str,
    start_us: int | None,
    *,
    states: States,
    log: EventLog,
    told_after: int,
    beside: Snapshots | None = None,
) -> OnlineStore:
    """The state of a release; one that is missing, torn or half-built is built again.

    Args:
        start_us: Where a replay's clock starts. In the past of the ingested data, a state of its own is made beside
            the release's, which knows only the past.
        states: Where it is.
        log: What the states apply.
        told_after: The last offset of the log when the server began.
        beside: The state in use, to take over what is the same; without it, another one.
    """
    past = past_us(system, workdir, start_us)
    name = state_name(release, past)
    store = states.open(name)
    if store is not None:
        try:
            check_definitions(system, store)
        except StateUnfinished:
            store.close()
            states.discard(name)
        else:
            return store
    ingested = Ingested.of(system, workdir / "ingested")
    history: History = ingested if past is None else AsKnown(system, ingested, past, told_after)
    make_state(system, workdir, name, history, states=states, log=log, beside=beside)
    made = states.open(name)
    assert made is not None, "a state was made, or found, a moment ago"
    return made


def state_name(release: str, past: int | None) -> str:
    """What a state is called: its release, and behind an @ the time of a replay."""
    return release if past is None else f"{release}@{past}"


def make_state(
    system: System,
    workdir: Path,
    name: str,
    history: History,
    *,
    states: States,
    log: EventLog,
    beside: Snapshots | None = None,
) -> Built | None:
    """Build a state beside those in use; it gets its name once it is whole.

    Args:
        name: See `state_name`.
        states, log, beside: See `open_state`.

    Returns:
        How it came about; None where another process built it.

    Raises:
        StoreBusy: another process builds it at this moment.
    """
    with states.building(name) as empty:
        if empty is None:
            return None
        for _ in range(_TRIES):
            with closing(empty()) as store, _in_use(workdir, name, states, beside) as old:
                try:
                    reuse = None if old is None else Reuse(old, log)
                    return build_state(system, store, history, workdir / "spill", reuse=reuse)
                except SnapshotLost:
                    continue
        with closing(empty()) as store:
            return build_state(system, store, history, workdir / "spill")


@contextmanager
def _in_use(workdir: Path, name: str, states: States, beside: Snapshots | None) -> Iterator[Snapshots | None]:
    """The state to take rows over from: the one given, or that of the release that serves, or a late one."""
    if beside is not None:
        yield beside
        return
    current, clock = Releases(workdir / "releases").current(), name.partition("@")[2]
    found = [one for one in states.names() if one != name and one.partition("@")[2] == clock]
    found.sort(key=lambda one: one.partition("@")[0] != current)
    with ExitStack() as stack:
        opened = (stack.enter_context(states.beside(one)) for one in found)
        yield next((one for one in opened if one is not None), None)


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
