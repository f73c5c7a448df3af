"""Tables in the online store: every version of each row, and the version that holds at a time."""
# B = rows asked about, U = different keys among them, V = versions of these keys

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from threading import Lock
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.design.kinds import Kind
from sixfold.design.schema import TableSchema
from sixfold.features.arrays import Array, column, nulls
from sixfold.features.packed import row_keys, table_space
from sixfold.stores.online import OnlineStore, Row

__all__ = ["Tables"]

Version = list[Any]
"""[valid_from (us), offset, value of each column in the order of `Tables.columns`]."""
_KEY = itemgetter(0, 1)
_PAGE = 20_000


class Tables:
    """Looks rows up by key and time. A version holds from its `valid_from` on; of equal ones the later offset holds.

    All versions stay, since a late event reads the version of its own time.
    """

    def __init__(self, tables: Mapping[str, TableSchema], store: OnlineStore) -> None:
        self._store = store
        self.columns: dict[str, dict[str, Kind]] = {name: _columns(table) for name, table in tables.items()}
        """Kinds by column of each table."""
        self._staged: dict[tuple[str, str], list[Version]] = {}
        self._held: dict[str, _Held] = {}
        self._large: set[str] = set()
        """Tables that are too large to be held."""
        self._changes: dict[str, int] = dict.fromkeys(tables, 0)
        self._holding = Lock()
        self._decode = msgspec.msgpack.Decoder(list[Version]).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def lookup(
        self,
        table: str,
        names: Sequence[str],
        keys: Sequence[str],
        which: NDArray[np.int64],
        at: NDArray[np.int64],
        offsets: NDArray[np.int64] | None = None,
    ) -> dict[str, Array]:
        """Columns of the versions that hold, by canonical name.

        Args:
            names: Columns of the table, without its name.
            keys: U different keys.
            which: Shape (B,), the key of each row, -1 for none.
            at: Shape (B,) or (1,), microseconds.
            offsets: Shape (B,), of events: they do not see versions that the log brought later.
        """
        if not len(which):
            return {f"{table}.{name}": nulls(self.columns[table][name], 0) for name in names}
        at = np.broadcast_to(at, which.shape)
        if (held := self._held.get(table)) is not None:
            places = np.fromiter(map(held.places.get, [*row_keys(keys), b""], repeat(-1)), np.int64, len(keys) + 1)
            picked = held.order.pick(np.where(which < 0, -1, places[which]), at, offsets)
            return {f"{table}.{name}": held.columns[name].take(picked) for name in names}
        versions, starts = self._versions(table, keys)
        picked = _Order(versions, starts).pick(which, at, offsets)
        return {f"{table}.{name}": self._column(table, name, versions).take(picked) for name in names}

    def hold(self, table: str, at_most: int | None = None) -> None:
        """Keep all rows of a table in memory as columns, until `changed` says that there are others.

        Nothing may be staged here: what is held is what was committed.

        Args:
            at_most: A table with more rows than that is not kept, now and later; None: it is, whatever its size.
        """
        if table in self._held or table in self._large:
            return
        changes, places = self._changes[table], dict[bytes, int]()
        versions: list[Version] = []
        starts, after = [0], None
        while page := self._store.scan(table_space(table), after, _PAGE):
            for key, raw in page:
                places[key] = len(places)
                versions += self._decode(raw)
                starts.append(len(versions))
            after = page[-1][0]
            if at_most is not None and len(versions) > at_most:
                self._large.add(table)
                return
        columns = {name: self._column(table, name, versions) for name in self.columns[table]}
        held = _Held(places, _Order(versions, np.array(starts, np.int64)), columns)
        with self._holding:
            if self._changes[table] == changes:
                self._held[table] = held

    def changed(self, table: str) -> None:
        """Say that rows of a table were committed: lookups see them from now on."""
        with self._holding:
            self._changes[table] += 1
            self._held.pop(table, None)

    def stage(self, table: str, rows: Sequence[tuple[str, int, int, Mapping[str, Any]]]) -> None:
        """Take new versions in: (key, valid_from, offset, values by column). Lookups see them at once."""
        missing = [key for key in dict.fromkeys(row[0] for row in rows) if (table, key) not in self._staged]
        for key, raw in zip(missing, self._store.get(table_space(table), row_keys(missing))):
            self._staged[table, key] = self._decode(raw) if raw else []
        for key, valid_from, offset, values in rows:
            self._staged[table, key].append([valid_from, offset, *(values.get(c) for c in self.columns[table])])
        for key in dict.fromkeys(row[0] for row in rows):
            self._staged[table, key].sort(key=_KEY)

    def since(self, table: str, key: str) -> tuple[int, int]:
        """Of a key that was staged: from when its first version holds, and the offset that brought this one."""
        versions = self._staged[table, key]
        return max((one[0], one[1]) for one in versions if one[0] == versions[0][0])

    def staged(self) -> list[Row]:
        """Rows to commit."""
        rows: list[Row] = []
        keys = row_keys(key for _, key in self._staged)
        for (table, _), key, versions in zip(self._staged, keys, self._staged.values()):
            # After this commit nothing can see a version that has a later one of the same time.
            kept = {version[0]: version for version in versions}
            rows.append((table_space(table), key, self._encode(list(kept.values()))))
        return rows

    def settle(self) -> None:
        """Forget what was staged: it is committed, or will not be."""
        self._staged = {}

    def _column(self, table: str, name: str, versions: Sequence[Version]) -> Array:
        """One column of these versions, and a null behind them for where none holds."""
        place = 2 + list(self.columns[table]).index(name)
        values = [version[place] for version in versions]
        return column(self.columns[table][name], [*values, None])

    def _versions(self, table: str, keys: Sequence[str]) -> tuple[list[Version], NDArray[np.int64]]:
        """V versions, those of one key together and ascending, and where each key's begin, shape (U + 1,)."""
        found = self._store.get(table_space(table), row_keys(keys))
        versions: list[Version] = []
        starts = np.zeros(len(keys) + 1, np.int64)
        for i, (key, raw) in enumerate(zip(keys, found), 1):
            staged = self._staged.get((table, key)) if self._staged else None
            versions += self._decode(raw) if staged is None and raw else staged or ()
            starts[i] = len(versions)
        return versions, starts


class _Order:
    """Where the versions of each key stand, and from when on each holds.

    Args:
        versions: V, those of one key together and ascending.
        starts: Shape (U + 1,), where each key's begin.
    """

    def __init__(self, versions: Sequence[Version], starts: NDArray[np.int64]) -> None:
        valid_from = np.array([version[0] for version in versions], np.int64)
        self._starts, self._times = starts, np.unique(valid_from)
        self._ranks = len(self._times) + 1
        owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._place = owner * self._ranks + np.searchsorted(self._times, valid_from, "right")
        self._brought = np.array([version[1] for version in versions] or [0], np.int64)

    def pick(
        self, which: NDArray[np.int64], at: NDArray[np.int64], offsets: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """For each row the position of the version that holds, -1 for none."""
        wanted = which * self._ranks + np.searchsorted(self._times, at, "right")
        picked = np.searchsorted(self._place, wanted, "right") - 1
        first = self._starts[np.maximum(which, 0)] if len(self._starts) > 1 else np.zeros(len(which), np.int64)
        if offsets is not None:
            while (hidden := self._hidden(picked, first, offsets)).any():
                picked[hidden] -= 1
        return np.where((which >= 0) & (picked >= first), picked, -1).astype(np.int64)

    def _hidden(
        self, picked: NDArray[np.int64], first: NDArray[np.int64], offsets: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        brought: NDArray[np.int64] = self._brought[picked]
        return (picked >= first) & (brought >= 0) & (brought >= offsets)


@dataclass(frozen=True)
class _Held:
    """A whole table."""

    places: Mapping[bytes, int]
    """Of the rows' keys."""
    order: _Order
    columns: Mapping[str, Array]
    """Of V + 1 rows, the last one null."""


def _columns(table: TableSchema) -> dict[str, Kind]:
    return {
        **{key.name: Kind("text", key.is_list, key.entity) for key in (*table.keys, *table.links)},
        **{one.name: one.kind for one in table.fields},
    }
