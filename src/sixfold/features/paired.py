"""Rows that are read through a relation: which of them exist for whoever asks, and how many do not."""
# B = rows, N = different keys of who asks, F = different far keys, U = different rests of keys, E = rows that exist
# P = pairs of a row asked about and a key that exists

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sixfold.design.schema import FeatureGroup
from sixfold.features.arrays import Array, Lists, Values
from sixfold.features.keys import Codes, factorize, length, pair_keys
from sixfold.features.packed import fitting
from sixfold.features.relations import Beside, Pairs

__all__ = ["Found", "expanded", "far_keys", "find"]

Ints = NDArray[np.int64]


class Found(NamedTuple):
    """The keys that rows are read for."""

    keys: list[bytes]
    """Of E rows that exist."""
    row_P: Ints
    """Ascending."""
    which_P: Ints
    """The place of the key."""
    missing_B: Ints
    """How many keys of each row have no row; 1 where it has no key at all."""


def far_keys(pairs: Pairs, table: str, near: Array, now_us: int, codes: Codes) -> Lists:
    """The far keys of each row; one row where the near key is one that stands for all."""
    code, lists = _paired(pairs, table, near, now_us, codes)
    return lists.take(code)


def find(
    pairs: Pairs,
    beside: Beside,
    group: FeatureGroup,
    keys: Sequence[Array],
    now_us: int,
    codes: Codes,
) -> Found:
    """The keys of a group that is kept for a far key and others.

    Args:
        keys: The near key, then the other keys.
    """
    assert group.hop is not None, "it is read through a relation"
    rows = max(length(key) for key in keys)
    near, lists = _paired(pairs, group.hop.table, keys[0], now_us, codes)
    near_B = np.broadcast_to(near, rows)
    rest = pair_keys(keys[1:], rows, codes)
    far, firsts = factorize(lists.data, np.ones(len(lists.data), bool))
    firsts = _escaped(firsts)
    if len(keys) == 2:
        rests, places = codes.once(keys[1], "rests", lambda _: _placed(_escaped(rest.texts)))
    else:
        rests, places = _placed(rest.texts)
    far_E, rest_E = _existing(beside.of(group.name, firsts), places)
    # Who sees which of them: by the key of who asks and the rest of the key.
    starts_F = np.searchsorted(far_E, np.arange(len(firsts) + 1))
    of_pair, which = expanded(starts_F[far], starts_F[far + 1])
    sizes_N = np.diff(lists.offsets)
    owner = np.repeat(np.arange(len(sizes_N)), sizes_N)[of_pair]
    seen = owner * len(rests) + rest_E[which]
    order = np.argsort(seen, kind="stable")
    seen = seen[order]
    asked = np.where(rest.which < 0, -1, near_B[rest.row] * len(rests) + rest.which)
    begin, end = np.searchsorted(seen, asked, "left"), np.searchsorted(seen, asked, "right")
    of_asked, place = expanded(begin, end)
    row = rest.row[of_asked]
    total_B = np.bincount(rest.row[rest.which >= 0], sizes_N[near_B[rest.row[rest.which >= 0]]], rows).astype(np.int64)
    missing_B = np.where(total_B == 0, 1, total_B - np.bincount(row, minlength=rows))
    begins = [text.encode() + b"|" for text in firsts]
    existing = [begins[f] + rests[u].encode() for f, u in zip(far_E.tolist(), rest_E.tolist())]
    return Found(fitting(existing), row, which[order[place]], missing_B)


def _paired(pairs: Pairs, table: str, near: Array, now_us: int, codes: Codes) -> tuple[Ints, Lists]:
    """The list of each row, and the N + 1 lists of far keys; the last is that of who is nobody."""
    assert isinstance(near, Values), "the design allows one such key a row"
    code, texts = codes.of(near)
    found = pairs.newest(table, texts, now_us)
    lists = Lists(found.data, np.append(found.offsets, found.offsets[-1]), np.ones(len(texts) + 1, bool))
    return np.where(code < 0, len(texts), code), lists


def _placed(texts: list[str]) -> tuple[list[str], dict[str, int]]:
    """Texts with the place of each."""
    return texts, dict(zip(texts, range(len(texts))))


def _existing(besides: Sequence[Sequence[str]], places: Mapping[str, int]) -> tuple[Ints, Ints]:
    """The rows that exist of these rests, by the place of their first key, which ascends, and of their rest."""
    sizes = np.array([len(one) for one in besides], np.int64)
    found = np.fromiter(map(places.get, chain.from_iterable(besides), repeat(-1)), np.int64, int(sizes.sum()))
    first = np.repeat(np.arange(len(besides)), sizes)
    return first[found >= 0], found[found >= 0]


def expanded(begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Every element of the ranges [begin, end): which range, and the place."""
    sizes = end - begin
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return owner, np.arange(len(owner)) + np.repeat(begin - (np.cumsum(sizes) - sizes), sizes)


def _escaped(texts: list[str]) -> list[str]:
    """As they stand in a key of several parts."""
    whole = "".join(texts)
    if "|" not in whole and "\\" not in whole:
        return texts
    return [text.replace("\\", "\\\\").replace("|", "\\|") for text in texts]
