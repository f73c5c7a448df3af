"""The stream worker: reads the event log on from where the state stands, and folds what it finds into the state."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread

from sixfold.errors import SixfoldError, StateLost, StateMoved
from sixfold.features.state import StateWriter
from sixfold.stores import EventLog
from sixfold.stores.lease import Alone, Lease

__all__ = ["Worker"]

_FOLLOW = 10_000


class Worker:
    """Applies the log in a thread of its own; where several servers share a state, the one that holds the lease does.

    The others see what it applied, by the offset of the store, and tell of it as if they had applied it.

    Args:
        log: The event log.
        writer: Keeps the state; this worker is its only user.
        applied: Told which streams and tables a batch brought, after it was committed.
        lease: Says whose turn it is; the default is that nobody else has the state open.
    """

    def __init__(
        self,
        log: EventLog,
        writer: StateWriter,
        applied: Callable[[frozenset[str]], None],
        lease: Lease | None = None,
    ) -> None:
        self._log, self._writer, self._applied, self._lease = log, writer, applied, lease or Alone()
        self._holds = False
        self._wake = Condition()
        self._told = self._stopped = False
        self._waiting: list[tuple[int, int, Future[None]]] = []
        self._order = count()
        self._behind_since: float | None = None
        self.offset = writer.offset
        """The largest offset applied, -1 for none."""
        self.failure: SixfoldError | None = None
        """Why the last batch could not be applied, if it could not."""
        self._thread = Thread(target=self._run, name="stream-worker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def notify(self) -> None:
        """Say that something was appended."""
        with self._wake:
            self._told = True
            self._wake.notify()

    def wait(self, offset: int) -> Future[None]:
        """A future that is done once this offset is applied; cancelled when the worker closes."""
        future: Future[None] = Future()
        with self._wake:
            if offset <= self.offset:
                future.set_result(None)
            elif self._stopped:
                future.cancel()
            else:
                heappush(self._waiting, (offset, next(self._order), future))
        return future

    @property
    def lag_s(self) -> float:
        """For how long the worker has been behind the log; 0 where it is not."""
        since = self._behind_since
        return 0.0 if since is None else time.monotonic() - since

    def catch_up(self) -> None:
        """Apply what the log holds, or wait until another has, in the caller's thread; before `start`."""
        last = self._log.last()
        try:
            while self._step() or self.offset < last:
                if not self._holds:
                    time.sleep(self._lease.poll_s)
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """Finish the batch at hand and stop. Closing twice is allowed."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()
        for _, _, future in self._waiting:
            future.cancel()
        self._let_go()

    def _let_go(self) -> None:
        # Where that fails, the lease ends by itself soon.
        with suppress(SixfoldError):
            self._lease.release()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._told or self._stopped, timeout=self._lease.poll_s)
                self._told = False
                if self._stopped:
                    return
            try:
                while self._step() and not self._stopped:
                    pass
                self.failure = None
            except SixfoldError as error:
                self.failure = error
                # What the state holds now, and whether another can do better, is not known.
                self._holds = False

    def _step(self) -> bool:
        """Apply one batch, or see one that another applied; whether there was one."""
        if not self._lease.held():
            self._holds = False
            return self._see()
        if not self._holds:
            # Another may have applied more, and given texts their numbers, since this one last did.
            self._see()
            self._writer.resume()
            self._holds = True
        records = self._log.read(self._writer.offset, self._lease.batch)
        if not records:
            self._behind_since = None
            return False
        if self._behind_since is None:
            self._behind_since = time.monotonic()
        try:
            self._writer.apply(records)
        except StateMoved:
            # The lease had ended unnoticed: what another applied meanwhile is seen by the next step.
            self._holds = False
            return True
        self._tell(self._writer.offset, frozenset(record.stream for record in records))
        return True

    def _see(self) -> bool:
        """See what another applied; whether it was anything."""
        applied, seen = self._writer.stored(), self.offset
        if applied < seen:
            raise StateLost(stood=seen, stands=applied)
        self._behind_since = self._behind_since or time.monotonic() if applied < self._log.last() else None
        if applied == seen:
            return False
        names: set[str] = set()
        while seen < applied and (records := self._log.read(seen, _FOLLOW)):
            names |= {record.stream for record in records if record.offset <= applied}
            seen = records[-1].offset
        self._tell(applied, frozenset(names))
        return True

    def _tell(self, offset: int, names: frozenset[str]) -> None:
        """Say that everything up to an offset is applied, and what was in it."""
        self._applied(names)
        with self._wake:
            self.offset = offset
            while self._waiting and self._waiting[0][0] <= self.offset:
                _, _, future = heappop(self._waiting)
                if future.set_running_or_notify_cancel():
                    future.set_result(None)
