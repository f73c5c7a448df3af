"""Packed rows as bytes: their keys, many of them as one array, and back."""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sixfold.errors import StateMismatch
from sixfold.features.layout import Layout
from sixfold.stores.online import MAX_KEY_BYTES

__all__ = ["beside_space", "fitting", "group_space", "pack", "pairs_space", "row_keys", "table_space", "unpack"]


def group_space(group: str) -> str:
    """The space of a group's packed rows."""
    return f"group:{group}"


def table_space(table: str) -> str:
    """The space of a table's rows."""
    return f"table:{table}"


def pairs_space(table: str) -> str:
    """The space of a relation's pairs, by the key of who asks."""
    return f"pairs:{table}"


def beside_space(group: str) -> str:
    """The space of what a group keeps beside each first key."""
    return f"beside:{group}"


def row_keys(texts: Iterable[str]) -> list[bytes]:
    """The keys of rows: texts in UTF-8, or where a store would refuse the length a hash, which is no UTF-8."""
    own = list(texts)
    # All at once takes a third of the time, where no text has a NUL.
    keys = "\0".join(own).encode().split(b"\0")
    return fitting(keys if len(keys) == len(own) else [text.encode() for text in own])


def fitting(keys: list[bytes]) -> list[bytes]:
    """Keys in UTF-8 as a store takes them, those that are too long as a hash."""
    if max(map(len, keys), default=0) <= MAX_KEY_BYTES:
        return keys
    return [key if len(key) <= MAX_KEY_BYTES else b"\xff" + blake2b(key, digest_size=32).digest() for key in keys]


def unpack(rows: Iterable[bytes | None], layout: Layout) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows one after the other as slots, and where each begins (one more than there are rows); None has no slots.

    Raises:
        StateMismatch: a row was packed for another definition of the group.
    """
    found = [row or b"" for row in rows]
    starts = np.zeros(len(found) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, found), np.int64, len(found)) >> 3, out=starts[1:])
    # A bytearray, because numba compiles once more for arrays that cannot be written.
    slots = np.frombuffer(bytearray().join(found), "<i8")
    heads = starts[:-1][starts[1:] > starts[:-1]]
    if (slots[heads] != layout.definition).any():
        raise StateMismatch(what=f"a row of features {layout.group!r}")
    return slots, starts


def pack(slots: NDArray[np.int64], starts: NDArray[np.int64]) -> list[bytes]:
    """The bytes of each row; the other way round from `unpack`."""
    data, bounds = slots.astype("<i8", copy=False).tobytes(), (starts * 8).tolist()
    return [data[a:b] for a, b in pairwise(bounds)]
