"""The server's clock: that of the wall, or one that starts at a given time and runs on."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock

from sixfold.errors import InvalidClock

__all__ = ["Clock", "parse_time_us", "start_us"]

_DAY_US = 86_400_000_000


class Clock:
    """Gives the time that a server takes for now, in microseconds UTC. Threads may share it.

    Args:
        start_us: None for the wall's time; else the clock starts there, and follows what is sent to it.
    """

    def __init__(self, start_us: int | None = None) -> None:
        self.start_us = start_us
        self._lock = Lock()
        self._ahead_us = 0 if start_us is None else start_us - _monotonic_us()

    def now_us(self) -> int:
        """The time now."""
        return time.time_ns() // 1000 if self.start_us is None else _monotonic_us() + self._ahead_us

    @property
    def tolerance_us(self) -> int:
        """How far beyond now this clock can be moved by an event: a day in a replay, not at all otherwise."""
        return 0 if self.start_us is None else _DAY_US

    def follow(self, time_us: int) -> None:
        """In a replay, go on from `time_us` if that is later; the wall's clock moves by itself."""
        if self.start_us is not None:
            with self._lock:
                self._ahead_us = max(self._ahead_us, time_us - _monotonic_us())


def start_us(text: str, newest_us: Callable[[], int | None]) -> int | None:
    """Where a clock starts that the command line names; None for the wall's.

    Args:
        text: `wall`, `data` or a time in ISO 8601 (UTC where it names no zone).
        newest_us: Asked only for `data`: the newest time that the data knows; with no data the wall's clock is meant.

    Raises:
        InvalidClock: it is none of these.
    """
    if text == "wall":
        return None
    if text == "data":
        newest = newest_us()
        return None if newest is None else newest + 1
    time_us = parse_time_us(text)
    if time_us is None:
        raise InvalidClock(text=text)
    return time_us


def parse_time_us(text: str) -> int | None:
    """Microseconds UTC of a time in ISO 8601, UTC where it names no zone; None for what is none.

    >>> parse_time_us("1970-01-01T00:00:01Z"), parse_time_us("1970-01-01T01:00:00+01:00"), parse_time_us("soon")
    (1000000, 0, None)
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000
