"""The stream worker: reads the event log on from where the state stands, and folds what it finds into the state."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread

from sixfold.errors import SixfoldError
from sixfold.features.state import StateWriter
from sixfold.stores import EventLog

__all__ = ["Worker"]

_BATCH = 10_000
_POLL_S = 0.2
"""Other processes may append to the log too, and nobody tells of those."""


class Worker:
    """Applies the log in a thread of its own.

    Args:
        log: The event log.
        writer: Keeps the state; this worker is its only user.
        applied: Told which streams and tables a batch brought, after it was committed.
    """

    def __init__(self, log: EventLog, writer: StateWriter, applied: Callable[[frozenset[str]], None]) -> None:
        self._log, self._writer, self._applied = log, writer, applied
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
        """Apply everything that the log holds, in the caller's thread; before `start`."""
        while self._step():
            pass

    def close(self) -> None:
        """Finish the batch at hand and stop. Closing twice is allowed."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()
        for _, _, future in self._waiting:
            future.cancel()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._told or self._stopped, timeout=_POLL_S)
                self._told = False
                if self._stopped:
                    return
            try:
                while self._step() and not self._stopped:
                    pass
                self.failure = None
            except SixfoldError as error:
                self.failure = error

    def _step(self) -> bool:
        """Apply one batch; whether there was one."""
        records = self._log.read(self._writer.offset, _BATCH)
        if not records:
            self._behind_since = None
            return False
        if self._behind_since is None:
            self._behind_since = time.monotonic()
        self._writer.apply(records)
        self._applied(frozenset(record.stream for record in records))
        with self._wake:
            self.offset = self._writer.offset
            while self._waiting and self._waiting[0][0] <= self.offset:
                _, _, future = heappop(self._waiting)
                if future.set_running_or_notify_cancel():
                    future.set_result(None)
        return True
