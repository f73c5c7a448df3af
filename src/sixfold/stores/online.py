"""The online store: packed rows by key, put together with the log offset they stand for."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Protocol, runtime_checkable

from sixfold.errors import InvalidKey

__all__ = [
    "MAX_KEY_BYTES",
    "MAX_SPACE_BYTES",
    "OnlineStore",
    "Row",
    "Snapshot",
    "Snapshots",
    "check_key",
    "check_space",
]

MAX_SPACE_BYTES = 100
MAX_KEY_BYTES = 400
"""Together below the 511 bytes that LMDB allows a key. Longer keys are refused: a hash would lose their order."""

Row = tuple[str, bytes, bytes | None]
"""(space, key, row); a row of None deletes."""


class OnlineStore(Protocol):
    """Rows of bytes in named spaces (a feature group, a table, a dictionary). One writes, many may read.

    Rows and the applied log offset change in one transaction, so whoever continues after `offset()`
    applies no event twice and leaves none out. Every method may raise `StoreClosed` or `StoreFailed`.
    """

    bulk_rows: int
    """Rows of one commit in a bulk load: as many as readers of other states need not wait for."""

    def get(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read many rows from one snapshot: an answer per key, in the order of `keys`, None where there is no row.

        Raises:
            InvalidKey: `space` is not 1 to 100 bytes without NUL, or a key is longer than 400 bytes.
        """

    def scan(self, space: str, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """The next `limit` (key, row) pairs with a key above `after` (None: from the first), ascending by bytes."""

    def commit(self, rows: Iterable[Row], *, offset: int, after: int | None = None) -> None:
        """Put and delete `rows` and remember `offset` as applied, all or nothing; of equal keys the last row wins.

        Args:
            after: The offset that the rows were made after; None: whatever is applied.

        Raises:
            StateMoved: another offset than `after` is applied; nothing was changed.
            OffsetBehind: `offset` is below the one applied; the same one again is allowed.
            InvalidKey: as for `get`.
        """

    def offset(self) -> int:
        """The largest log offset applied, -1 for a new store."""

    def get_meta(self, name: str) -> bytes | None:
        """What `put_meta` kept under `name`, or None."""

    def put_meta(self, name: str, value: bytes) -> None:
        """Keep a small fact about the whole store, such as the fingerprint of its definitions."""

    def checkpoint(self) -> None:
        """Bring everything committed so far to the disk, so that it survives a power cut."""

    def close(self) -> None:
        """Checkpoint and let go of the store. Closing twice is allowed."""


class Snapshot(Protocol):
    """A store as it was at one moment, whatever is committed meanwhile: its rows, its offset and its facts agree.

    Every method may raise `SnapshotLost`.
    """

    def scan(self, space: str, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """As `OnlineStore.scan`."""

    def offset(self) -> int:
        """As `OnlineStore.offset`."""

    def get_meta(self, name: str) -> bytes | None:
        """As `OnlineStore.get_meta`."""


@runtime_checkable
class Snapshots(Protocol):
    """A power that a store may have: to be read whole while it is written. A new state takes over rows by it."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """The store as it is now, until the end of the block. Used by the thread that asked for it; reads go on beside.

        It may be lost when the store has to grow or is closed meanwhile, so that nobody waits for its end.
        """


@lru_cache(maxsize=1024)
def check_space(space: str) -> bytes:
    """The name of a space as bytes, or `InvalidKey`."""
    name = space.encode()
    if not 1 <= len(name) <= MAX_SPACE_BYTES or 0 in name:
        raise InvalidKey(space=space, part="its name", rule="1 to 100 bytes without NUL", got=f"{len(name)} bytes")
    return name


def check_key(space: str, key: bytes) -> None:
    """Raise `InvalidKey` for a key that is too long."""
    if len(key) > MAX_KEY_BYTES:
        raise InvalidKey(space=space, part="a key", rule=f"at most {MAX_KEY_BYTES} bytes", got=f"{len(key)} bytes")
