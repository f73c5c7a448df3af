"""The keys under which rows are kept: from columns of entities' keys to different keys and who has which."""
# B = rows, P = pairs of a row and one of its keys, U = different texts

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.features.arrays import Array, Lists, Values

__all__ = ["Codes", "Pairs", "Same", "combined", "factorize", "length", "pair_keys", "spread"]

_DENSE = 8
"""Up to so many times as many possible codes as there are, a table of all is faster than sorting those that are."""
SMALL = 4096
"""Below so many texts a dictionary of Python is faster than Arrow's."""


class Codes:
    """What calls that read the same columns share, so that each column is looked through once. Threads may share it.

    Args:
        columns: Are kept with what is found of them; without `lasting` any other that is asked about is, too.
        lasting: Knows columns that live longer than this.
    """

    def __init__(self, columns: Iterable[Array] = (), *, lasting: "Codes | None" = None) -> None:
        # A column is kept with what was found: an id says which only while it lives.
        self._columns = {id(column): column for column in columns}
        self._found: dict[tuple[int, str], Any] = {}
        self._lasting = lasting

    def once(self, array: Array, what: str, find: Callable[[Any], Any]) -> Any:
        """What `find` makes of a column, by a name for that."""
        lasting = self._lasting
        own = self if lasting is None or id(array) not in lasting._columns else lasting
        if (found := own._found.get((id(array), what))) is None:
            own._columns.setdefault(id(array), array)
            found = own._found[id(array), what] = find(array)
        return found

    def distinct(self, column: Array) -> None:
        """Say that the texts of a column are all different and none is null, which saves looking for equal ones."""
        self.once(column, "codes", lambda values: (np.arange(len(values.data)), values.data.tolist()))

    def of(self, values: Values) -> tuple[NDArray[np.int64], list[str]]:
        """A code for each text of a column, -1 for null, and the different texts by code."""
        found: tuple[NDArray[np.int64], list[str]] = self.once(values, "codes", lambda v: factorize(v.data, v.valid))
        return found


class Pairs(NamedTuple):
    """Every row with its key, or with each different key of its list."""

    texts: list[str]
    """The different keys."""
    row: NDArray[np.int64]
    """Shape (P,), ascending; a row without any key is here once."""
    which: NDArray[np.int64]
    """Shape (P,), the place of its key in `texts`, -1 for none."""


def length(array: Array) -> int:
    """How many rows a column has; one may stand for all."""
    return len(array.valid)


def spread(array: Array, rows: int) -> Array:
    """The column with a row for each of `rows`."""
    if len(array.valid) == rows:
        return array
    valid = np.broadcast_to(array.valid, rows)
    if isinstance(array, Values):
        return Values(np.broadcast_to(array.data, rows), valid)
    offsets = np.arange(rows + 1, dtype=np.int64) * len(array.data)
    return Lists(np.tile(array.data, rows), offsets, valid)


def factorize(texts: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.int64], list[str]]:
    """A code for each text, -1 where it is not valid, and the U different texts by code."""
    if len(texts) < SMALL:
        few = (texts if valid.all() else np.where(valid, texts, np.array(None, object))).tolist()
        own = [text for text in dict.fromkeys(few) if text is not None]
        places: dict[str | None, int] = {**dict(zip(own, range(len(own)))), None: -1}
        return np.fromiter(map(places.__getitem__, few), np.int64, len(few)), own
    encoded = pa.array(texts, pa.large_string(), mask=~valid).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist()


def pair_keys(columns: Sequence[Array], rows: int, codes: Codes) -> Pairs:
    """The keys of `rows` rows over the columns of one entity or several; a key with a null part is none."""
    row = np.arange(rows, dtype=np.int64)
    if len(columns) == 1 and isinstance(columns[0], Values) and length(columns[0]) == rows:
        part, own = codes.of(columns[0])
        return Pairs(own, row, part)
    code = np.zeros(rows, np.int64)
    uniques: list[list[str]] = []
    for array in columns:
        if isinstance(array, Lists):
            part, starts, own = codes.once(array, "elements", _different_elements)
            of_row = row if len(starts) > 2 else np.zeros(len(row), np.int64)
            sizes = np.diff(starts)[of_row]
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            part = part[np.repeat(starts[of_row], sizes) + within]
            row, code = np.repeat(row, sizes), np.repeat(code, sizes)
        else:
            part, own = codes.of(array)
            part = part[row] if len(part) == rows else np.broadcast_to(part, len(row))
        code = np.where((code < 0) | (part < 0), -1, code * max(len(own), 1) + part)
        uniques.append(own)
    if len(row) > rows:
        row, code = _once_without(row, code, rows)
    return _pairs(row, code, uniques)


def _once_without(
    row: NDArray[np.int64], code: NDArray[np.int64], rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs without those that are no key; a row that has no other is left once."""
    some = np.zeros(rows, bool)
    some[row[code >= 0]] = True
    first = np.concatenate([[True], row[1:] != row[:-1]])
    kept = (code >= 0) | (first & ~some[row])
    return row[kept], code[kept]


class Same(NamedTuple):
    """Further keys that all have one value: that of a key without events."""

    value: float
    valid: bool
    counts: NDArray[np.int64]
    """Shape (B,), how many of each row."""


def combined(
    how: str,
    values: NDArray[np.float64],
    valid: NDArray[np.bool_],
    row: NDArray[np.int64],
    rows: int,
    same: Same | None = None,
) -> Values:
    """One value for each row out of those of its keys, those that are not valid left out.

    Args:
        how: `mean`, `sum`, `min` or `max`.
        values, valid, row: Shape (P,).
    """
    counts = np.bincount(row, valid, rows)
    if how in ("min", "max"):
        nothing, extreme = (np.inf, np.minimum) if how == "min" else (-np.inf, np.maximum)
        found = np.full(rows, nothing)
        extreme.at(found, row[valid], values[valid])
    else:
        found = np.bincount(row, np.where(valid, values, 0.0), rows)
    if same is not None and same.valid:
        counts = counts + same.counts
        if how in ("min", "max"):
            found = np.where(same.counts > 0, extreme(found, same.value), found)
        else:
            found = found + same.counts * same.value
    if how == "mean":
        found = found / np.maximum(counts, 1)
    return Values(np.where(counts > 0, found, 0.0), counts > 0)


def _pairs(row: NDArray[np.int64], code: NDArray[np.int64], uniques: Sequence[list[str]]) -> Pairs:
    if len(uniques) == 1:
        return Pairs(uniques[0], row, code)
    rest, which = _different(code, math.prod(max(len(own), 1) for own in uniques))
    parts: list[list[str]] = []
    for own in reversed(uniques):
        rest, part = np.divmod(rest, max(len(own), 1))
        # As `data.keys.joined` does it, with each different part escaped once.
        escaped = [text.replace("\\", "\\\\").replace("|", "\\|") for text in own]
        parts.append([escaped[i] for i in part.tolist()])
    return Pairs(list(map("|".join, zip(*reversed(parts)))), row, which)


def _different(code: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different codes below a size, ascending, and which of them each is; a code of -1 is none of them."""
    if size > _DENSE * len(code):
        different, which = np.unique(code, return_inverse=True)
        nulls = int(len(different) > 0 and different[0] < 0)
        return different[nulls:], which.astype(np.int64) - nulls
    # The last place is that of -1.
    seen = np.zeros(size + 1, bool)
    seen[code] = True
    seen[size] = False
    places = np.cumsum(seen) - 1
    places[size] = -1
    return np.flatnonzero(seen), places[code]


def _different_elements(lists: Lists) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """The different elements of each list as codes (an empty list: one -1), where each list's begin, the texts."""
    codes, texts = factorize(lists.data, np.ones(len(lists.data), bool))
    owner = np.repeat(np.arange(len(lists.valid)), np.diff(lists.offsets))
    empty = np.flatnonzero(np.diff(lists.offsets) == 0)
    width = len(texts) + 1
    pairs = np.unique(np.concatenate([owner * width + codes + 1, empty * width]))
    owner, codes = np.divmod(pairs, width)
    return codes - 1, np.searchsorted(owner, np.arange(len(lists.valid) + 1)), texts
