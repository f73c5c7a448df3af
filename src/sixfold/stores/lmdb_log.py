"""The event log in an LMDB environment of its own, synced at each append."""

import struct
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from sixfold.stores._lmdb import Environment, Transaction
from sixfold.stores.ids import id_keys, time_prefix
from sixfold.stores.log import NewEvent, Receipt, Record, check_events

__all__ = ["LmdbLog"]

_HEAD = struct.Struct("<qqH")  # arrival, time, bytes of the stream's name; then name and payload
_HEAD_BYTES, _head = _HEAD.size, _HEAD.unpack_from
# Named tuples by their own constructor take twice as long, and there is one for each event.
_new_record, _new_receipt = tuple.__new__, tuple.__new__
_pack = struct.Struct(">Q").pack
_DROP_BATCH = 50_000


class LmdbLog:
    """The `EventLog` of one machine; any number of processes may append and read.

    Each append is one synced transaction, so join small ones with `GroupCommit`. Open it after forking, once per
    process; threads share the object.

    Args:
        path: A folder of its own, made when missing.
        map_bytes: Size to begin with; it doubles by itself.
        readonly: Read beside the writers.

    Raises:
        StoreUnusable, StoreBusy: as their docstrings in `sixfold.errors` say.
    """

    def __init__(self, path: Path | str, *, map_bytes: int = 1 << 30, readonly: bool = False) -> None:
        self._env = Environment(
            Path(path), kind="sixfold log 1", map_bytes=map_bytes, readonly=readonly, synced=True, tables=2
        )
        self._events = self._env.table(b"events")
        self._ids = self._env.table(b"ids")

    def append(self, events: Sequence[NewEvent], *, arrival_us: int) -> list[Receipt]:
        """See `EventLog.append`."""
        check_events(events)
        if not events:
            return []
        keys = id_keys(events)
        ordered = sorted(keys)
        return self._env.write(lambda txn: self._append(txn, events, keys, ordered, arrival_us))

    def read(self, after: int, limit: int) -> list[Record]:
        """See `EventLog.read`."""

        first = max(after + 1, 0)

        def body(txn: Transaction) -> list[bytes]:
            cursor = txn.cursor(self._events)
            found = cursor.set_range(_pack(first))
            return list(islice(cursor.iternext(keys=False), max(limit, 0))) if found else []

        # Offsets have no gaps, so the keys need not be read.
        return _records(first, self._env.read(body))

    def last(self) -> int:
        """See `EventLog.last`."""
        return self._env.read(self._last)[0]

    def offset_as_of(self, arrival_us: int) -> int:
        """See `EventLog.offset_as_of`; a search over the offsets, since arrival never decreases."""

        def body(txn: Transaction) -> int:
            low, high = -1, self._last(txn)[0]
            while low < high:
                middle = (low + high + 1) // 2
                value = txn.get(_pack(middle), b"", self._events)
                if _HEAD.unpack_from(value)[0] <= arrival_us:
                    low = middle
                else:
                    high = middle - 1
            return low

        return self._env.read(body)

    def drop_ids(self, before_us: int) -> int:
        """See `EventLog.drop_ids`; in several transactions, so that appends need not wait long."""
        limit, dropped = time_prefix(before_us), 0

        def body(txn: Transaction) -> int:
            cursor, count = txn.cursor(self._ids), 0
            more = cursor.first()
            while more and count < _DROP_BATCH and cursor.key() < limit:
                more = cursor.delete()
                count += 1
            return count

        while count := self._env.write(body):
            dropped += count
        return dropped

    def ids(self, after: bytes | None, limit: int) -> list[tuple[bytes, int]]:
        """See `stores.moving.Movable`."""

        def body(txn: Transaction) -> list[tuple[bytes, bytes]]:
            cursor = txn.cursor(self._ids)
            found = cursor.first() if after is None else cursor.set_range(after + b"\0")
            return list(islice(cursor.iternext(), limit)) if found else []

        return [(key, _unpack(packed)) for key, packed in self._env.read(body)]

    def restore(self, records: Sequence[Record], ids: Sequence[tuple[bytes, int]]) -> None:
        """See `stores.moving.Movable`."""
        rows = []
        for record in records:
            name = record.stream.encode()
            head = _HEAD.pack(record.arrival_us, record.time_us, len(name))
            rows.append((_pack(record.offset), head + name + record.payload))
        keys = [(key, _pack(offset)) for key, offset in ids]

        def body(txn: Transaction) -> None:
            txn.cursor(self._events).putmulti(rows, append=True)
            txn.cursor(self._ids).putmulti(keys)

        self._env.write(body)

    def close(self) -> None:
        """See `EventLog.close`."""
        self._env.close()

    def _append(
        self, txn: Transaction, events: Sequence[NewEvent], keys: list[bytes], ordered: list[bytes], arrival_us: int
    ) -> list[Receipt]:
        last, newest_us = self._last(txn)
        arrival_us = max(arrival_us, newest_us)
        ids = txn.cursor(self._ids)
        seen = {key: _unpack(packed) for key, packed in ids.getmulti(ordered)}
        receipts = [_new_receipt(Receipt, (at, False)) for at in range(last + 1, last + 1 + len(keys))]
        fresh, new = events, keys
        if seen or len(set(ordered)) < len(ordered):
            fresh, receipts = _without_duplicates(events, keys, seen, last + 1)
            new = [key for key, one in zip(keys, receipts) if not one.duplicate]
        if fresh:
            places = list(map(_pack, range(last + 1, last + 1 + len(fresh))))
            txn.cursor(self._events).putmulti(list(zip(places, _entries(fresh, arrival_us))), append=True)
            ids.putmulti(sorted(zip(new, places)))
        return receipts

    def _last(self, txn: Transaction) -> tuple[int, int]:
        """The largest offset and its arrival; (-1, the earliest time there is) when empty."""
        cursor = txn.cursor(self._events)
        if not cursor.last():
            return -1, -(2**63)
        return _unpack(cursor.key()), int(_HEAD.unpack_from(cursor.value())[0])


def _without_duplicates(
    events: Sequence[NewEvent], keys: list[bytes], seen: dict[bytes, int], first: int
) -> tuple[Sequence[NewEvent], list[Receipt]]:
    """The events that are new, which get offsets from `first` on, and the receipts of all."""
    fresh, receipts = list[NewEvent](), list[Receipt]()
    for event, key in zip(events, keys, strict=True):
        if (there := seen.get(key)) is not None:
            receipts.append(Receipt(there, True))
        else:
            seen[key] = first + len(fresh)
            receipts.append(Receipt(seen[key], False))
            fresh.append(event)
    return fresh, receipts


def _entries(events: Sequence[NewEvent], arrival_us: int) -> list[bytes]:
    names, pack = {event.stream: event.stream.encode() for event in events}, _HEAD.pack
    return [
        pack(arrival_us, time_us, len(name := names[stream])) + name + payload for stream, _, time_us, payload in events
    ]


def _records(first: int, values: Sequence[bytes]) -> list[Record]:
    found, names = list[Record](), dict[bytes, str]()
    for offset, value in enumerate(values, first):
        arrival_us, time_us, size = _head(value)
        start = _HEAD_BYTES + size
        if (name := names.get(packed := value[_HEAD_BYTES:start])) is None:
            name = names[packed] = packed.decode()
        found.append(_new_record(Record, (offset, arrival_us, name, time_us, value[start:])))
    return found


def _unpack(packed: bytes) -> int:
    return int.from_bytes(packed, "big")
