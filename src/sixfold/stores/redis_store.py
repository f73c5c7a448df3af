"""The online store in Redis: a hash for each space, and its keys in order beside it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import redis

from sixfold.errors import OffsetBehind, StateMoved
from sixfold.stores._redis import Server
from sixfold.stores.online import Row, check_key, check_space

__all__ = ["RedisStore"]

T = TypeVar("T")
_CHUNK = 1_000
_SCAN = """
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local found = {}
for i, key in ipairs(keys) do
  found[2 * i - 1], found[2 * i] = key, redis.call('HGET', KEYS[1], key)
end
return found
"""


class RedisStore:
    """The `OnlineStore` of several machines: any number read; of those that write, one gets through at a time.

    A commit is one transaction, on the disk when it returns (`appendfsync always`). Whoever folds events into rows that
    it has read says after which offset (`after`), and is refused where another was faster.

    Args:
        url: See `stores._redis.Server`.
        prefix: Before the names of its keys, such as `sixfold:video:state:r1-0a1b2c3d`.

    Raises:
        StoreUnreachable, StoreUnusable, UnsafeSettings, SecretMissing: as their docstrings say.
    """

    bulk_rows = _CHUNK

    def __init__(self, url: str, prefix: str) -> None:
        self._server, self._prefix = Server(url), prefix
        self._offset, self._meta = f"{prefix}:offset", f"{prefix}:meta"

    def get(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `OnlineStore.get`; one command is one snapshot."""
        rows, _ = self._names(space)
        for key in keys:
            check_key(space, key)
        if not keys:
            return []
        found: list[bytes | None] = self._server.read(lambda client: client.execute_command("HMGET", rows, *keys))
        return found

    def scan(self, space: str, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """See `OnlineStore.scan`."""
        names, low = self._names(space), b"-" if after is None else b"(" + after
        rows: list[tuple[bytes, bytes]] = []
        # Piece by piece, since the server answers nobody else meanwhile.
        while (count := min(limit - len(rows), _CHUNK)) > 0:
            flat = self._scanned(names, low, count)
            rows += zip(flat[::2], flat[1::2])
            if len(flat) < 2 * count:
                break
            low = b"(" + rows[-1][0]
        return rows

    def commit(self, rows: Iterable[Row], *, offset: int, after: int | None = None) -> None:
        """See `OnlineStore.commit`."""
        newest: dict[str, dict[bytes, bytes | None]] = defaultdict(dict)
        for space, key, row in rows:
            check_space(space)
            check_key(space, key)
            newest[space][key] = row

        def put(client: Any) -> bool:
            with client.pipeline(transaction=True) as both:
                both.watch(self._offset)
                applied = _number(both.get(self._offset))
                if after is not None and applied != after:
                    raise StateMoved(path=self._server.name, after=after, applied=applied)
                if offset < applied:
                    raise OffsetBehind(path=self._server.name, offset=offset, applied=applied)
                both.multi()
                for space, own in newest.items():
                    self._put(both, space, own)
                both.set(self._offset, offset)
                try:
                    both.execute()
                except redis.WatchError:
                    return False
                return True

        while not self._server.write(put):
            pass

    def offset(self) -> int:
        """See `OnlineStore.offset`."""
        return _number(self._server.read(lambda client: client.get(self._offset)))

    def get_meta(self, name: str) -> bytes | None:
        """See `OnlineStore.get_meta`."""
        key = check_space(name)
        found: bytes | None = self._server.read(lambda client: client.hget(self._meta, key))
        return found

    def put_meta(self, name: str, value: bytes) -> None:
        """See `OnlineStore.put_meta`."""
        key = check_space(name)
        self._server.write(lambda client: client.hset(self._meta, key, value))

    def checkpoint(self) -> None:
        """See `OnlineStore.checkpoint`: every commit is on the disk already; this asks whether the server is there."""
        self._server.read(lambda client: client.ping())

    def close(self) -> None:
        """See `OnlineStore.close`."""
        self._server.close()

    def _scanned(self, names: tuple[str, str], low: bytes, count: int) -> list[bytes]:
        """Keys and rows in turn."""
        found: list[bytes] = self._server.read(lambda client: client.eval(_SCAN, 2, *names, low, count))
        return found

    def _names(self, space: str) -> tuple[str, str]:
        check_space(space)
        return f"{self._prefix}:rows:{space}", f"{self._prefix}:keys:{space}"

    def _put(self, both: Any, space: str, rows: dict[bytes, bytes | None]) -> None:
        held, order = self._names(space)
        for some in _batched(((key, row) for key, row in rows.items() if row is not None), _CHUNK):
            both.execute_command("HSET", held, *[x for pair in some for x in pair])
            both.execute_command("ZADD", order, *[x for key, _ in some for x in (0, key)])
        for keys in _batched((key for key, row in rows.items() if row is None), _CHUNK):
            both.hdel(held, *keys)
            both.zrem(order, *keys)


def _number(found: bytes | None) -> int:
    return -1 if found is None else int(found)


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
