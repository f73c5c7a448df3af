"""A store in front of another one for a bulk load: rows that change often are put once, in the order of their keys."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from sixfold.errors import StateMoved
from sixfold.stores.online import OnlineStore, Row

__all__ = ["Buffered"]

_MAX_BYTES = 256 << 20


class Buffered:
    """The `OnlineStore` of one thread, whose commits stay in memory until there are many, or `flush`.

    Pages that are filled in the order of keys stay full: the state of the video system's real log, a million events in
    chunks, takes 90 MB so, and 340 MB where each chunk is put for itself.

    Args:
        store: Nobody else writes it meanwhile. Closed by its owner.
        max_bytes: About so much is kept, keys and rows.
    """

    def __init__(self, store: OnlineStore, *, max_bytes: int = _MAX_BYTES) -> None:
        self._store, self._max_bytes = store, max_bytes
        self.bulk_rows = store.bulk_rows
        self._rows: dict[str, dict[bytes, bytes | None]] = defaultdict(dict)
        self._bytes: dict[str, float] = {}
        self._below: dict[str, bool] = {}
        self._offset = store.offset()

    def get(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `OnlineStore.get`."""
        own = self._rows[space]
        if space not in self._below:
            self._below[space] = bool(self._store.scan(space, None, 1))
        if not self._below[space]:
            return list(map(own.get, keys))
        missing = [key for key in keys if key not in own]
        found = dict(zip(missing, self._store.get(space, missing)))
        return [own[key] if key in own else found[key] for key in keys]

    def scan(self, space: str, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """See `OnlineStore.scan`."""
        self._put([space])
        return self._store.scan(space, after, limit)

    def commit(self, rows: Iterable[Row], *, offset: int, after: int | None = None) -> None:
        """See `OnlineStore.commit`; but what is wrong with a row or the offset is found when it is put."""
        if after is not None and after != self._offset:
            raise StateMoved(path="the state that is built", after=after, applied=self._offset)
        for space, of_space in groupby(rows, itemgetter(0)):
            own, new = self._rows[space], {key: row for _, key, row in of_space}
            own.update(new)
            # Rows of a space are alike: their mean now stands for all that are kept.
            size = sum(map(len, filter(None, new.values()))) + sum(map(len, new))
            self._bytes[space] = size / len(new) * len(own)
        self._offset = offset
        if sum(self._bytes.values()) > self._max_bytes:
            self.flush()

    def flush(self) -> None:
        """Put everything into the store below."""
        self._put([*self._rows])
        self._store.commit([], offset=self._offset)

    def _put(self, spaces: Iterable[str]) -> None:
        for space in sorted(spaces, key=str.encode):
            own = self._rows.pop(space, {})
            keys = sorted(own)
            for start in range(0, len(keys), self.bulk_rows):
                rows = [(space, key, own[key]) for key in keys[start : start + self.bulk_rows]]
                self._store.commit(rows, offset=self._store.offset())
            self._bytes.pop(space, None)
            if own:
                self._below[space] = True

    def offset(self) -> int:
        """See `OnlineStore.offset`."""
        return self._offset

    def get_meta(self, name: str) -> bytes | None:
        """See `OnlineStore.get_meta`."""
        return self._store.get_meta(name)

    def put_meta(self, name: str, value: bytes) -> None:
        """See `OnlineStore.put_meta`."""
        self._store.put_meta(name, value)

    def checkpoint(self) -> None:
        """See `OnlineStore.checkpoint`."""
        self.flush()
        self._store.checkpoint()

    def close(self) -> None:
        """Put everything into the store below, which stays open."""
        self.flush()
