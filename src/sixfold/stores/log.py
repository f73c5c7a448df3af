"""The event log: events kept durably in the order of their arrival, each at most once."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sixfold.errors import InvalidEvent

__all__ = ["EventLog", "NewEvent", "Receipt", "Record", "check_events"]

MAX_STREAM_BYTES = 100
MAX_TIME_US = 2**61


class NewEvent(NamedTuple):
    """An event to append. It is a duplicate of an earlier one with the same stream, id and time."""

    stream: str
    """1 to 100 bytes of UTF-8 without NUL."""
    event_id: bytes
    """Any bytes that tell this event from the others of its stream."""
    time_us: int
    """When it happened; at most 2**61 from 0. A retry carries it unchanged."""
    payload: bytes


class Receipt(NamedTuple):
    """Where an event is in the log."""

    offset: int
    """Of the first, for a duplicate."""
    duplicate: bool


class Record(NamedTuple):
    """An event as the log keeps it."""

    offset: int
    arrival_us: int
    stream: str
    time_us: int
    payload: bytes


class EventLog(Protocol):
    """Offsets are 0, 1, 2, … without a gap; arrival never decreases with the offset.

    Several processes may append at once. Every method may raise `StoreClosed` or `StoreFailed`.
    """

    def append(self, events: Sequence[NewEvent], *, arrival_us: int) -> list[Receipt]:
        """Keep `events`, all or none, durable on return, and give a receipt for each, in their order.

        The arrival kept is the later of `arrival_us` and the newest one in the log.

        Raises:
            InvalidEvent: an event breaks the limits of `NewEvent`; none was kept.
        """

    def read(self, after: int, limit: int) -> list[Record]:
        """At most `limit` records with an offset above `after` (-1: from the first), ascending."""

    def last(self) -> int:
        """The largest offset, -1 when empty."""

    def offset_as_of(self, arrival_us: int) -> int:
        """The largest offset that had arrived at `arrival_us`, -1 for none."""

    def drop_ids(self, before_us: int) -> int:
        """Forget the ids of events older than `before_us` and say how many; their records stay.

        Afterwards such an event would be appended again: the caller refuses events older than that.
        """

    def close(self) -> None:
        """Let go of the log. Closing twice is allowed."""


def check_events(events: Sequence[NewEvent]) -> None:
    """Raise `InvalidEvent` for the first event that breaks the limits of `NewEvent`."""
    good: set[str] = set()
    for index, event in enumerate(events):
        if event.stream not in good:
            _check_stream(index, event.stream)
            good.add(event.stream)
        if not -MAX_TIME_US <= event.time_us <= MAX_TIME_US:
            raise InvalidEvent(
                index=index, stream=event.stream, field="time_us", rule="within 2**61 of 0", got=str(event.time_us)
            )


def _check_stream(index: int, stream: str) -> None:
    name = stream.encode()
    if not 1 <= len(name) <= MAX_STREAM_BYTES or 0 in name:
        rule = f"1 to {MAX_STREAM_BYTES} bytes without NUL"
        raise InvalidEvent(index=index, stream=stream, field="stream", rule=rule, got=f"{len(name)} bytes")
