"""Building the online state in one go: from history, and from the state in use where nothing changed."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from sixfold.design.system import System
from sixfold.features.buffered import Buffered
from sixfold.features.made_of import made_of
from sixfold.features.reuse import Reuse, TakenOver, copy, find_same, records, take_over
from sixfold.features.state import History, StateWriter, end_build, start_build
from sixfold.stores.online import OnlineStore

__all__ = ["Built", "Reuse", "build_state"]

_MEMORY = "3GB"


@dataclass(frozen=True, slots=True)
class Built:
    """How a state came about."""

    offset: int
    """Of the log; the stream goes on after it."""
    taken_over: frozenset[str]
    """Groups and tables whose rows came from the old state."""
    anew: frozenset[str]


def build_state(
    system: System, store: OnlineStore, history: History, spill: Path, *, reuse: Reuse | None = None
) -> Built:
    """Make all rows of an empty store; memory is bounded, and what does not fit goes to `spill`.

    Groups and tables whose definition and history are those of the old state are taken over as they stand there; the
    others are made from history. Then all are brought to one offset: those taken over by the rows that history had
    from the log since, the others by the log itself.

    Raises:
        StateNotEmpty: the store is not empty.
        SnapshotLost: the old state had to grow or to close; the store is to be thrown away.
    """
    with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": str(spill)}) as con:
        start_build(system, store)
        made = made_of(con, system, history)
        taken = _take_over(con, system, store, history, reuse)
        names, rows = frozenset({*system.features, *system.tables}), Buffered(store)
        old = StateWriter(system, rows, part=taken.names)
        new = StateWriter(system, rows, part=names - taken.names)
        since = _Since(history, taken.offset)
        # All tables before any event, and one writer after the other: each keeps in mind which texts have a number.
        old.add_tables(con, since)
        new.add_tables(con, history)
        old.add_events(con, since)
        new.add_events(con, history)
        new.reach(history.offset)
        if reuse is not None:
            for batch in records(reuse.log, history.offset, taken.offset):
                new.apply(batch)
        new.reach(max(history.offset, taken.offset))
        rows.flush()
        made.save(store)
        end_build(store)
        return Built(new.offset, taken.names, names - taken.names)


@dataclass(frozen=True)
class _Since:
    """The rows of history after an offset of the log."""

    history: History
    after: int

    @property
    def offset(self) -> int:
        return self.history.offset

    def sql(self, name: str) -> str:
        return f'(select * from {self.history.sql(name)} where "offset" > {self.after})'


def _take_over(
    con: duckdb.DuckDBPyConnection, system: System, store: OnlineStore, history: History, reuse: Reuse | None
) -> TakenOver:
    nothing = TakenOver(-1, frozenset())
    if reuse is None or (same := find_same(con, system, history, reuse.state)) is None:
        return nothing
    with reuse.state.snapshot() as snapshot:
        taken = take_over(con, system, history, same, snapshot, reuse.log)
        if taken is None:
            return nothing
        copy(system, taken.names, snapshot, store)
    return taken
