"""The online store in an LMDB environment."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from sixfold.errors import OffsetBehind, StateMoved
from sixfold.stores._lmdb import Environment, Read, Transaction
from sixfold.stores._mark import is_torn
from sixfold.stores.online import MAX_KEY_BYTES, Row, check_key, check_space

__all__ = ["LmdbSnapshot", "LmdbStore", "was_torn"]

# All rows are in one table, under space NUL key: a space needs no handle, and no name of a space is empty.
_OFFSET = b"\0offset"
_META = b"\0meta\0"
_INT64 = struct.Struct("<q")


def was_torn(path: Path | str) -> bool:
    """True if the state there must be rebuilt: the machine stopped, or the folder was copied, while it was open.

    `LmdbStore` raises `StoreTorn` on such a folder; delete it, build from history, continue with the log.
    """
    return is_torn(Path(path))


class LmdbStore:
    """The `OnlineStore` of one machine: one process writes, others open it with `readonly=True`.

    A commit survives the death of the process at once, and a power cut after the next `checkpoint` or `close`.
    Open it after forking, once per process; threads share the object.

    Args:
        path: A folder of its own, made when missing.
        map_bytes: Size to begin with; it doubles by itself, so this only saves repeated work on a bulk load.
        readonly: Read beside the writer.

    Raises:
        StoreUnusable, StoreBusy, StoreTorn: as their docstrings in `sixfold.errors` say.
    """

    bulk_rows = 100_000

    def __init__(self, path: Path | str, *, map_bytes: int = 1 << 30, readonly: bool = False) -> None:
        self._env = Environment(
            Path(path), kind="sixfold state 1", map_bytes=map_bytes, readonly=readonly, synced=False
        )

    def get(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `OnlineStore.get`."""
        full = _full_keys(space, keys)
        found = self._env.read(lambda txn: txn.cursor().getmulti(full))
        if len(found) == len(full):
            return [row for _, row in found]
        rows = dict(found)
        return [rows.get(key) for key in full]

    def scan(self, space: str, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """See `OnlineStore.scan`."""
        return self._env.read(_page(space, after, limit))

    def commit(self, rows: Iterable[Row], *, offset: int, after: int | None = None) -> None:
        """See `OnlineStore.commit`. Rows are sorted before they are put, in pages that fill up when they come last."""
        newest = _by_full_key(rows)
        puts = [(key, row) for key in sorted(newest) if (row := newest[key]) is not None]
        deletes = [key for key, row in newest.items() if row is None]

        def body(txn: Transaction) -> None:
            applied = _applied(txn)
            if after is not None and applied != after:
                raise StateMoved(path=str(self._env.path), after=after, applied=applied)
            if offset < applied:
                raise OffsetBehind(path=str(self._env.path), offset=offset, applied=applied)
            cursor = txn.cursor()
            if puts:
                cursor.putmulti(puts, append=not cursor.last() or puts[0][0] > cursor.key())
            for key in deletes:
                txn.delete(key)
            txn.put(_OFFSET, _INT64.pack(offset))

        self._env.write(body)

    def offset(self) -> int:
        """See `OnlineStore.offset`."""
        return self._env.read(_applied)

    def get_meta(self, name: str) -> bytes | None:
        """See `OnlineStore.get_meta`."""
        return self._env.read(_fact(name))

    def put_meta(self, name: str, value: bytes) -> None:
        """See `OnlineStore.put_meta`."""
        key = _META + check_space(name)
        self._env.write(lambda txn: txn.put(key, value))

    @contextmanager
    def snapshot(self) -> Iterator["LmdbSnapshot"]:
        """See `Snapshots.snapshot`. A store that is opened to be read only gives one beside its writer."""
        with self._env.snapshot() as read:
            yield LmdbSnapshot(read)

    def checkpoint(self) -> None:
        """See `OnlineStore.checkpoint`."""
        self._env.checkpoint()

    def close(self) -> None:
        """See `OnlineStore.close`."""
        self._env.close()


class LmdbSnapshot:
    """The `Snapshot` of an `LmdbStore`: one read transaction, which keeps its pages from being written over."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def scan(self, space: str, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """See `Snapshot.scan`."""
        return self._read(_page(space, after, limit))

    def offset(self) -> int:
        """See `Snapshot.offset`."""
        return self._read(_applied)

    def get_meta(self, name: str) -> bytes | None:
        """See `Snapshot.get_meta`."""
        return self._read(_fact(name))


def _page(space: str, after: bytes | None, limit: int) -> Callable[[Transaction], list[tuple[bytes, bytes]]]:
    head = check_space(space) + b"\0"
    # The smallest key above a key is that key and a zero byte.
    start = head if after is None else head + after + b"\0"

    def body(txn: Transaction) -> list[tuple[bytes, bytes]]:
        cursor = txn.cursor()
        if not cursor.set_range(start):
            return []
        rows: list[tuple[bytes, bytes]] = []
        for key, row in islice(cursor.iternext(), max(limit, 0)):
            if not key.startswith(head):
                break
            rows.append((key[len(head) :], row))
        return rows

    return body


def _fact(name: str) -> Callable[[Transaction], bytes | None]:
    key = _META + check_space(name)
    return lambda txn: txn.get(key)


def _applied(txn: Transaction) -> int:
    packed = txn.get(_OFFSET)
    return -1 if packed is None else int(_INT64.unpack(packed)[0])


def _full_keys(space: str, keys: Sequence[bytes]) -> list[bytes]:
    head = check_space(space) + b"\0"
    if keys and max(map(len, keys)) > MAX_KEY_BYTES:
        for key in keys:
            check_key(space, key)
    return [head + key for key in keys]


def _by_full_key(rows: Iterable[Row]) -> dict[bytes, bytes | None]:
    newest: dict[bytes, bytes | None] = {}
    for space, key, row in rows:
        if len(key) > MAX_KEY_BYTES:
            check_key(space, key)
        newest[check_space(space) + b"\0" + key] = row
    return newest
