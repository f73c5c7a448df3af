"""One released state that serves, and the pointer to it: it is swapped whole, and never mixed with another."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sixfold.data.rows import RowChecker
from sixfold.design.expressions import Expression
from sixfold.design.groups import ANSWERS
from sixfold.design.models import TwoTower
from sixfold.design.schema import Stream, TableSchema
from sixfold.design.system import System
from sixfold.errors import LogShorter, NoSource, NothingReleased, SixfoldError, StoresChanged
from sixfold.features.arrays import Array, nulls
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.features.tables import Tables
from sixfold.inference.models import Scorer, Towers
from sixfold.registry import Release, Releases
from sixfold.serving.answer import Answerer, Question
from sixfold.serving.catalogue import Catalogue
from sixfold.serving.clock import Clock
from sixfold.serving.history import open_state, past_us, state_name
from sixfold.serving.sources import ItemRule, Neighbours, QueryRule, Source
from sixfold.serving.worker import Worker
from sixfold.stores import EventLog, Snapshots
from sixfold.stores.opening import open_states

__all__ = ["Current", "Live"]

_FOLLOW_S = 1.0


class Live:
    """Everything that answers are made of, from one release.

    Args:
        beside: What serves already, and goes on meanwhile: a state that has to be built takes over its rows.

    Raises:
        ReleaseDamaged, ReleaseMismatch, NoSource, StoreError: it cannot serve.
    """

    def __init__(
        self, workdir: Path, release: Release, log: EventLog, clock: Clock, *, beside: "Live | None" = None
    ) -> None:
        self.release, self.system = release, release.system
        system = release.system
        self._told_after: int = log.last() if beside is None else beside._told_after
        self.history_until_us = past_us(system, workdir, clock.start_us)
        """Before which events of the ingested data its state knows; None: all of them."""
        self._states = open_states(system.deployment.stores, system.name, workdir)
        try:
            self._store = open_state(
                system,
                workdir,
                release.id,
                clock.start_us,
                states=self._states,
                log=log,
                told_after=self._told_after,
                beside=beside._snapshots if beside is not None else None,
            )
        except BaseException:
            self._states.close()
            raise
        try:
            self.reader, self._tables = Reader(system, self._store), Tables(system.tables, self._store)
            self.scorer = cast(Scorer, release.model(system.deployment.predict.name))
            self.release.policy  # noqa: B018  # a damaged one is told before it serves
            schemas: tuple[Stream | TableSchema, ...] = (*system.streams.values(), *system.tables.values())
            checkers = {schema.name: RowChecker(schema, system.timezone) for schema in schemas}
            self.shown = checkers.pop(ANSWERS, None)
            """Makes events of what is shown; None where no feature counts them."""
            self.checkers = checkers
            # A replay may have a log of its own.
            if clock.start_us is None and (last := log.last()) < (taken := self._store.offset()):
                raise LogShorter(log="the event log", last=last, taken=taken, by="the online state")
            lease = self._states.lease(state_name(release.id, self.history_until_us))
            writer = StateWriter(system, self._store)
            writer.warm_up()
            self.worker = Worker(log, writer, self._applied, lease)
            self.worker.catch_up()
            self.catalogue, self.answerer = self._choosing(clock)
            self._warm_up(clock.now_us())
        except BaseException:
            self._close_stores()
            raise
        self.worker.start()
        if self.catalogue:
            self.catalogue.start()

    @property
    def failure(self) -> SixfoldError | None:
        """What keeps its state from being fresh, if anything does."""
        return self.worker.failure or (self.catalogue.failure if self.catalogue else None)

    def row(self, table: str, key: str, now_us: int) -> dict[str, Any]:
        """The columns of a table's row at a time, by canonical name; null where there is no row."""
        names, first = list(self._tables.columns[table]), np.zeros(1, np.int64)
        found = self._tables.lookup(table, names, [key], first, np.array([now_us], np.int64))
        return {name: array.to_list()[0] for name, array in found.items()}

    def applied(self) -> int:
        """The largest log offset that the state has applied."""
        return self._store.offset()

    def close(self) -> None:
        """Stop the threads and let go of the state. Closing twice is allowed."""
        if self.catalogue:
            self.catalogue.close()
        self.worker.close()
        self._close_stores()

    @property
    def _snapshots(self) -> Snapshots | None:
        return self._store if isinstance(self._store, Snapshots) else None

    def _close_stores(self) -> None:
        self._store.close()
        self._states.close()

    def _choosing(self, clock: Clock) -> tuple[Catalogue | None, Answerer | None]:
        """The catalogue and what chooses from it; nothing for a design without items."""
        system = self.system
        if system.item is None:
            return None, None
        made = _sources(self.release)
        also = frozenset().union(*(s.reads for s, _ in made.sources if isinstance(s, QueryRule)))
        # What filters read of the items' tables, so that they need not look up all items for each request.
        read = frozenset().union(*(system.read_for(c.names) for c in system.filters))
        also |= {name for name in read if name.split(".")[0] in system.tables}
        catalogue = Catalogue(
            system,
            self._store,
            self.reader.columns,
            clock.now_us,
            rules=made.rules,
            towers=made.towers,
            hold=self.reader.hold,
            also=also,
        )
        return catalogue, Answerer(system, self.reader.columns, catalogue.items, made.sources, self.scorer)

    def _applied(self, names: frozenset[str]) -> None:
        tables = names & self.system.tables.keys()
        for table in tables:
            self.reader.changed(table)
        # `catch_up` runs before the catalogue is made.
        if tables and (catalogue := getattr(self, "catalogue", None)) is not None:
            catalogue.changed()

    def _warm_up(self, now_us: int) -> None:
        """Answer once for nobody, so that the first who asks does not wait for what is loaded when first used."""
        if self.answerer is not None:
            context = {name: nulls(self.system.kinds[name], 1) for name in self.system.context}
            self.answerer.answer(Question("warm-up", "", 20, now_us, context))


class Current:
    """The release that serves now; follows the pointer of the registry.

    Args:
        workdir: Holds `releases/` and `state/`.
        log: The event log, open for as long as this is.
        clock: The server's.

    Raises:
        NothingReleased: no release was promoted.
        SixfoldError: the promoted one cannot serve.
    """

    def __init__(self, workdir: Path, log: EventLog, clock: Clock) -> None:
        self.releases = Releases(workdir / "releases")
        self._workdir, self._log, self._clock = workdir, log, clock
        if (name := self.releases.current()) is None:
            raise NothingReleased(folder=str(workdir / "releases"))
        self._live: Live = Live(workdir, self.releases.open(name), log, clock)
        self._users: dict[Live, int] = {}
        self._lock, self._swapping, self._stopped = Lock(), Lock(), Event()
        self.failure: SixfoldError | None = None
        """Why the release that the pointer names does not serve, if it does not."""
        self._thread = Thread(target=self._follow, name="follow-releases", daemon=True)
        self._thread.start()

    @contextmanager
    def borrow(self) -> Iterator[Live]:
        """The live state, kept open until the end of the block."""
        with self._lock:
            live = self._live
            self._users[live] = self._users.get(live, 0) + 1
        try:
            yield live
        finally:
            with self._lock:
                self._users[live] -= 1
                idle = not self._users[live]
                if idle:
                    del self._users[live]
            if idle and live is not self._live:
                live.close()

    def promote(self, name: str) -> None:
        """Serve this release from now on; the pointer moves once it is ready to.

        Raises:
            ReleaseMissing, or why it cannot serve; then everything stays as it was.
        """
        with self._swapping:
            self.releases.open(name)
            new = None if name == self._live.release.id else self._open(name)
            self.releases.promote(name)
            self._swap(new)

    def rollback(self) -> str:
        """Serve the release that served before, and say which.

        Raises:
            NothingBefore, or why it cannot serve; then everything stays as it was.
        """
        with self._swapping:
            serving = self._live.release.id
            name = self.releases.rollback()
            try:
                new = None if name == serving else self._open(name)
            except SixfoldError:
                self.releases.promote(serving)
                raise
            self._swap(new)
            return name

    def close(self) -> None:
        """Stop following, and close what serves. Closing twice is allowed."""
        self._stopped.set()
        self._thread.join()
        self._live.close()

    def _open(self, name: str) -> Live:
        release, stores = self.releases.open(name), self._live.system.deployment.stores
        if (wanted := release.system.deployment.stores) != stores:
            raise StoresChanged(release=name, wanted=str(wanted), found=str(stores))
        return Live(self._workdir, release, self._log, self._clock, beside=self._live)

    def _swap(self, new: Live | None) -> None:
        if new is None:
            return
        with self._lock:
            old, self._live = self._live, new
            idle = old not in self._users
        self.failure = None
        if idle:
            old.close()

    def _follow(self) -> None:
        while not self._stopped.wait(_FOLLOW_S):
            with self._swapping:
                name = self.releases.current()
                if name is None or name == self._live.release.id:
                    continue
                try:
                    self._swap(self._open(name))
                except SixfoldError as error:
                    self.failure = error


@dataclass(frozen=True)
class _Sources:
    sources: list[tuple[Source, int]]
    rules: dict[str, Expression]
    towers: dict[str, "_ItemTower"]


@dataclass(frozen=True)
class _ItemTower:
    """Two towers as the catalogue sees them."""

    towers: Towers

    @property
    def item_names(self) -> frozenset[str]:
        return self.towers.names("item")

    def item(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        return self.towers.item(columns, rows)


def _sources(release: Release) -> _Sources:
    """What proposes candidates, in the design's order, and what the catalogue keeps for it."""
    system = release.system
    made = _Sources([], {}, {})
    for top in system.deployment.candidates:
        name = top.model.name
        if name in system.rules:
            made.sources.append((_rule(system, name), top.n))
            if isinstance(made.sources[-1][0], ItemRule):
                made.rules[name] = system.rules[name]
        elif isinstance(top.model, TwoTower):
            towers = cast(Towers, release.model(name))
            query: Callable[[Mapping[str, Array], int], NDArray[np.float32]] = towers.query
            made.sources.append((Neighbours(name, towers.names("query"), query), top.n))
            made.towers[name] = _ItemTower(towers)
        else:
            raise NoSource(where=top.at, model=name, type=type(top.model).__name__)
    return made


def _rule(system: System, name: str) -> Source:
    rule = system.rules[name]
    if all(system.depends(read_name) <= {system.item} for read_name in rule.names):
        return ItemRule(name)
    return QueryRule(name, rule.names, system.read_for(rule.names), rule, system.timezone)
