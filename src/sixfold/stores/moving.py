"""Moving an event log from one kind of store to another: offsets, arrivals and the ids of events stay as they are."""

from collections.abc import Callable, Sequence
from typing import Protocol

from sixfold.errors import StoreUnusable
from sixfold.stores.log import EventLog, Record

__all__ = ["Movable", "move_log"]

_PAGE = 5_000


class Movable(EventLog, Protocol):
    """A log that another can be made of."""

    def ids(self, after: bytes | None, limit: int) -> list[tuple[bytes, int]]:
        """The next keys of ids (`stores.ids`) above `after` (None: from the first), ascending, and their offsets."""

    def restore(self, records: Sequence[Record], ids: Sequence[tuple[bytes, int]]) -> None:
        """Keep records as they are, the first of them following the last one here, and ids; all or none."""


def _same(record: Record) -> Record:
    return record


def move_log(source: Movable, target: Movable, change: Callable[[Record], Record] = _same) -> int:
    """Copy a log that nobody appends to into an empty one, or go on with a copy that was cut off.

    Args:
        change: What becomes of each record; its offset and arrival stay.

    Returns:
        The last offset of both.

    Raises:
        StoreUnusable: the target holds something else.
    """
    at = target.last()
    if at >= 0 and [change(one) for one in source.read(at - 1, 1)] != target.read(at - 1, 1):
        reason = f"the log to move to holds other events: at offset {at} the two differ"
        raise StoreUnusable(path="the event log", reason=reason)
    after: bytes | None = None
    while ids := source.ids(after, _PAGE):
        target.restore([], ids)
        after = ids[-1][0]
    while records := source.read(at, _PAGE):
        target.restore([change(record) for record in records], [])
        at = records[-1].offset
    return at
