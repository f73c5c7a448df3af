"""The event log as a Redis Stream: the id of an entry is its offset, and ids are checked where entries are added."""

import struct
from collections.abc import Sequence
from typing import Any

from sixfold.stores._redis import Server
from sixfold.stores.ids import id_keys, time_prefix
from sixfold.stores.log import NewEvent, Receipt, Record, check_events

__all__ = ["RedisLog"]

_HEAD = struct.Struct("<qH")  # time, bytes of the stream's name; then name and payload
_DROP_BATCH = 50_000
_READ_BATCH = 2_000
_SHIFT = 2**63
"""Makes an arrival positive, so that twenty digits of it sort as it does: Lua's numbers have 53 bits."""
# Entry 0-n is offset n - 1: 0-0 is no id.
_APPEND = """
local log, ids, order = KEYS[1], KEYS[2], KEYS[3]
local arrival, offset, done = ARGV[1], -1, {}
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
if #last > 0 then
  offset = tonumber(string.match(last[1][1], '%-(%d+)$')) - 1
  if last[1][2][2] > arrival then arrival = last[1][2][2] end
end
for i = 2, #ARGV, 2 do
  local first = redis.call('HGET', ids, ARGV[i])
  if first then
    done[#done + 1] = {tonumber(first), 1}
  else
    offset = offset + 1
    redis.call('XADD', log, string.format('0-%.0f', offset + 1), 'a', arrival, 'e', ARGV[i + 1])
    redis.call('HSET', ids, ARGV[i], string.format('%.0f', offset))
    redis.call('ZADD', order, 0, ARGV[i])
    done[#done + 1] = {offset, 0}
  end
end
return done
"""


class RedisLog:
    """The `EventLog` of several machines; any number of processes may append and read.

    An append is one script, so that the check of ids and the entries are one thing; with `appendfsync always`, which
    is asked for, the answer comes when they are on the disk. Join small appends with `GroupCommit`.

    Args:
        url: See `stores._redis.Server`.
        prefix: Before the names of its keys, such as `sixfold:video`.

    Raises:
        StoreUnreachable, StoreUnusable, UnsafeSettings, SecretMissing: as their docstrings say.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._server = Server(url)
        self._log, self._ids, self._order = (f"{prefix}:{name}" for name in ("log", "ids", "ids in order"))

    def append(self, events: Sequence[NewEvent], *, arrival_us: int) -> list[Receipt]:
        """See `EventLog.append`."""
        check_events(events)
        if not events:
            return []
        arguments: list[bytes] = [_arrival(arrival_us)]
        for event, key in zip(events, id_keys(events), strict=True):
            arguments += [key, _entry(event.time_us, event.stream.encode(), event.payload)]
        keys = (self._log, self._ids, self._order)
        done = self._server.write(lambda client: client.eval(_APPEND, len(keys), *keys, *arguments))
        return [Receipt(offset, bool(duplicate)) for offset, duplicate in done]

    def read(self, after: int, limit: int) -> list[Record]:
        """See `EventLog.read`."""
        records: list[Record] = []
        # Piece by piece, since the server answers nobody else meanwhile.
        while (count := min(limit - len(records), _READ_BATCH)) > 0:
            found = self._entries(records[-1].offset if records else after, count)
            records += [_record(entry, fields) for entry, fields in found]
            if len(found) < count:
                break
        return records

    def last(self) -> int:
        """See `EventLog.last`."""
        found = self._server.read(lambda client: client.xrevrange(self._log, count=1))
        return _offset(found[0][0]) if found else -1

    def offset_as_of(self, arrival_us: int) -> int:
        """See `EventLog.offset_as_of`; a search over the offsets, since arrival never decreases."""
        low, high = -1, self.last()
        while low < high:
            middle = (low + high + 1) // 2
            (record,) = self.read(middle - 1, 1)
            low, high = (middle, high) if record.arrival_us <= arrival_us else (low, middle - 1)
        return low

    def drop_ids(self, before_us: int) -> int:
        """See `EventLog.drop_ids`; in several transactions, so that appends need not wait long."""
        dropped = 0

        def drop(client: Any) -> int:
            old = client.zrangebylex(self._order, "-", b"(" + time_prefix(before_us), 0, _DROP_BATCH)
            if old:
                with client.pipeline(transaction=True) as both:
                    both.hdel(self._ids, *old)
                    both.zrem(self._order, *old)
                    both.execute()
            return len(old)

        while count := self._server.write(drop):
            dropped += count
        return dropped

    def ids(self, after: bytes | None, limit: int) -> list[tuple[bytes, int]]:
        """See `stores.moving.Movable`."""

        def body(client: Any) -> list[tuple[bytes, int]]:
            low = b"-" if after is None else b"(" + after
            keys = client.zrangebylex(self._order, low, b"+", 0, limit)
            return [(key, int(offset)) for key, offset in zip(keys, client.hmget(self._ids, keys))] if keys else []

        return self._server.read(body)

    def restore(self, records: Sequence[Record], ids: Sequence[tuple[bytes, int]]) -> None:
        """See `stores.moving.Movable`."""

        def body(client: Any) -> None:
            with client.pipeline(transaction=True) as once:
                for record in records:
                    name = record.stream.encode()
                    entry = {"a": _arrival(record.arrival_us), "e": _entry(record.time_us, name, record.payload)}
                    once.xadd(self._log, entry, id=f"0-{record.offset + 1}")
                for key, offset in ids:
                    once.hset(self._ids, key, offset)
                    once.zadd(self._order, {key: 0})
                once.execute()

        self._server.write(body)

    def clear(self) -> None:
        """Forget everything."""
        self._server.write(lambda client: client.unlink(*self._keys))

    def take_place_of(self, other: "RedisLog") -> None:
        """Have its name, in one transaction; what it held is gone, from the server's file of appends too."""

        def body(client: Any) -> None:
            with client.pipeline(transaction=True) as once:
                once.unlink(*other._keys)
                for own, its in zip(self._keys, other._keys):
                    if client.exists(own):
                        once.rename(own, its)
                once.execute()

        self._server.write(body)
        self._server.write(lambda client: client.bgrewriteaof())

    @property
    def _keys(self) -> tuple[str, str, str]:
        return self._log, self._ids, self._order

    def close(self) -> None:
        """See `EventLog.close`."""
        self._server.close()

    def _entries(self, after: int, count: int) -> list[tuple[bytes, Any]]:
        first = f"0-{max(after + 1, 0) + 1}"
        found: list[tuple[bytes, Any]] = self._server.read(
            lambda client: client.execute_command("XRANGE", self._log, first, "+", "COUNT", count)
        )
        return found


def _arrival(arrival_us: int) -> bytes:
    return b"%020d" % (arrival_us + _SHIFT)


def _entry(time_us: int, name: bytes, payload: bytes) -> bytes:
    return _HEAD.pack(time_us, len(name)) + name + payload


def _offset(entry: bytes) -> int:
    return int(entry.partition(b"-")[2]) - 1


def _record(entry: bytes, fields: Any) -> Record:
    values = dict(zip(fields[::2], fields[1::2])) if isinstance(fields, list) else fields
    value = values[b"e"]
    time_us, size = _HEAD.unpack_from(value)
    start = _HEAD.size + size
    arrival_us = int(values[b"a"]) - _SHIFT
    return Record(_offset(entry), arrival_us, value[_HEAD.size : start].decode(), time_us, value[start:])
