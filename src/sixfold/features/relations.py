"""Relations in the online store: who is paired with a key, and which other keys have rows beside a first one.

A pair holds from its first row on. Its place among the pairs of a key is that row's (valid_from, offset); where rows of
one valid_from say it again, the last of them. So a pair is told by the rows of its own two keys alone.
"""
# U = keys asked about, M = pairs of all of them, K = pairs of one

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.features.arrays import Lists
from sixfold.features.packed import beside_space, pairs_space, row_keys
from sixfold.stores.online import OnlineStore, Row

__all__ = ["KEPT", "NEWEST", "Beside", "Pair", "Pairs"]

NEWEST = 500
"""So many of a key's pairs count, those with the latest places."""
KEPT = 4096
"""So many of a key's pairs are kept: those behind the newest are for reads at a time before the latest pairs."""
_A_ROW = 512
"""So many keys beside a first one are put into a row; full rows are not written again."""
_FIRST = re.compile(r"((?:[^\\|]|\\.)*)\|(.*)", re.DOTALL)
"""The first part of a joined key, and the rest."""

_Stored = tuple[bytes, bytes, list[str]]
"""valid_from and offset of each pair as little-endian int64, and its far key; ascending by (valid_from, offset)."""


class Pair(NamedTuple):
    """A pair and its place."""

    near: str
    far: str
    valid_from_us: int
    offset: int


class Pairs:
    """The pairs of relations by the key of who asks. One writer stages; readers see what was committed."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._staged: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
        self._decode = msgspec.msgpack.Decoder(_Stored).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def newest(self, table: str, keys: Sequence[str], now_us: int) -> Lists:
        """For each of U keys the far keys of the pairs that count at a time, shape (U,); never null."""
        lists: list[list[str]] = []
        for raw in self._store.get(pairs_space(table), row_keys(keys)):
            if raw is None:
                lists.append([])
                continue
            times, _, far = self._decode(raw)
            end = int(np.searchsorted(np.frombuffer(times, "<i8"), now_us, "right"))
            lists.append(far[max(end - NEWEST, 0) : end])
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(one) for one in lists], out=offsets[1:])
        data = np.empty(offsets[-1], object)
        data[:] = list(chain.from_iterable(lists))
        return Lists(data, offsets, np.ones(len(lists), bool))

    def stage(self, table: str, pairs: Sequence[Pair]) -> None:
        """Take pairs in, with the places that they have from now on."""
        near = [key for key in dict.fromkeys(pair.near for pair in pairs) if (table, key) not in self._staged]
        for key, raw in zip(near, self._store.get(pairs_space(table), row_keys(near))):
            times, offsets, far = self._decode(raw) if raw else (b"", b"", [])
            places = zip(*(np.frombuffer(one, "<i8").tolist() for one in (times, offsets)))
            self._staged[table, key] = dict(zip(far, places))
        for pair in pairs:
            self._staged[table, pair.near][pair.far] = (pair.valid_from_us, pair.offset)

    def staged(self) -> list[Row]:
        """Rows to commit."""
        keys = row_keys(near for _, near in self._staged)
        return [
            (pairs_space(table), key, self._encode(_stored(pairs)))
            for (table, _), key, pairs in zip(self._staged, keys, self._staged.values())
        ]

    def settle(self) -> None:
        """Forget what was staged: it is committed, or will not be."""
        self._staged = {}


class Beside:
    """Of groups that are read through a relation and kept for further entities: which rows there are of a first key.

    Who has 500 friends and is shown 5,000 events asks for 2.5 million rows, of which few exist.
    """

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._staged: dict[tuple[str, str], list[str]] = {}
        self._decode = msgspec.msgpack.Decoder(tuple[int, list[str]]).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def of(self, group: str, firsts: Sequence[str]) -> list[list[str]]:
        """For each first key, as it stands in a row's key, the rest of the keys of its rows."""
        found, more = list[list[str]](), list[str]()
        for first, raw in zip(firsts, self._store.get(beside_space(group), row_keys(firsts))):
            full, rest = self._decode(raw) if raw else (0, [])
            found.append(rest)
            more += [f"{first}|{number}" for number in range(full)]
        if more:
            places = {first: place for place, first in enumerate(firsts)}
            for name, raw in zip(more, self._store.get(beside_space(group), row_keys(more))):
                found[places[name.rpartition("|")[0]]] += self._decode(raw)[1] if raw else []
        return found

    def stage(self, group: str, keys: Iterable[str]) -> None:
        """Take in the keys of new rows."""
        for key in keys:
            parts = _FIRST.fullmatch(key)
            assert parts is not None, "such a key has several parts"
            self._staged.setdefault((group, parts[1]), []).append(parts[2])

    def staged(self) -> list[Row]:
        """Rows to commit."""
        rows: list[Row] = []
        for group in dict.fromkeys(group for group, _ in self._staged):
            own = {first: rest for (of, first), rest in self._staged.items() if of == group}
            space = beside_space(group)
            for first, raw, new in zip(own, self._store.get(space, row_keys(own)), own.values()):
                full, rest = self._decode(raw) if raw else (0, [])
                rest += new
                while len(rest) > _A_ROW:
                    rows.append((space, row_keys([f"{first}|{full}"])[0], self._encode((0, rest[:_A_ROW]))))
                    full, rest = full + 1, rest[_A_ROW:]
                rows.append((space, row_keys([first])[0], self._encode((full, rest))))
        return rows

    def settle(self) -> None:
        """Forget what was staged: it is committed, or will not be."""
        self._staged = {}


def _stored(pairs: dict[str, tuple[int, int]]) -> _Stored:
    ordered = sorted(pairs.items(), key=lambda pair: pair[1])[-KEPT:]
    places: NDArray[np.int64] = np.array([place for _, place in ordered], "<i8").reshape(-1, 2)
    return places[:, 0].tobytes(), places[:, 1].tobytes(), [far for far, _ in ordered]
