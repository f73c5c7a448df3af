"""Group commit: the appends of callers who come at the same time share one synced transaction."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Lock

from sixfold.errors import StoreClosed
from sixfold.stores.log import EventLog, NewEvent, Receipt, check_events

__all__ = ["GroupCommit"]


class GroupCommit:
    """A front of an event log for many threads. While one transaction syncs, the next one gathers.

    Args:
        log: Closed by its owner, after this.
        clock: Gives the arrival time in microseconds UTC, once per transaction.
        max_events: A transaction takes no further caller once it holds this many events.
    """

    def __init__(self, log: EventLog, *, clock: Callable[[], int], max_events: int = 10_000) -> None:
        self._log, self._clock, self._max_events = log, clock, max_events
        self._waiting: deque[tuple[list[NewEvent], Future[list[Receipt]]]] = deque()
        self._lock = Lock()
        self._closed = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="group-commit")

    def submit(self, events: Sequence[NewEvent]) -> "Future[list[Receipt]]":
        """Append `events` with those of other callers, still all or none of them.

        Returns:
            A future of what `EventLog.append` returns or raises. Cancelled before its turn, nothing is appended.

        Raises:
            InvalidEvent: at once, so that one caller's mistake does not refuse the others' events.
            StoreClosed: after `close`.
        """
        check_events(events)
        future: Future[list[Receipt]] = Future()
        with self._lock:
            if self._closed:
                raise StoreClosed(path="the group commit of the event log")
            self._waiting.append((list(events), future))
            # One turn per caller, and each takes at least one: nobody is left waiting.
            self._worker.submit(self._turn)
        return future

    def close(self) -> None:
        """Finish what is queued, refuse what comes later. Closing twice is allowed."""
        with self._lock:
            self._closed = True
        self._worker.shutdown(wait=True)

    def _turn(self) -> None:
        batch = self._take()
        if not batch:
            return
        try:
            receipts = iter(
                self._log.append([event for events, _ in batch for event in events], arrival_us=self._clock())
            )
        except BaseException as error:
            for _, future in batch:
                future.set_exception(error)
            raise
        for events, future in batch:
            future.set_result(list(islice(receipts, len(events))))

    def _take(self) -> list[tuple[list[NewEvent], "Future[list[Receipt]]"]]:
        batch: list[tuple[list[NewEvent], Future[list[Receipt]]]] = []
        size = 0
        with self._lock:
            while self._waiting and size < self._max_events:
                events, future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    batch.append((events, future))
                    size += len(events)
        return batch
