"""Columns of values in memory: NumPy arrays with a mask of what is known."""
# B = rows, E = list elements of all rows together

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.kinds import Kind

__all__ = ["DTYPES", "Array", "Lists", "Values", "column", "from_arrow", "nulls", "to_arrow"]

DTYPES: dict[str, type] = {"number": np.float64, "flag": np.bool_, "time": np.int64, "text": np.object_}
"""The NumPy type of each base kind; a time is microseconds UTC, a text is `str`."""
_ARROW = {"number": pa.float64(), "flag": pa.bool_(), "time": pa.int64(), "text": pa.string()}


class Values(NamedTuple):
    """One value a row. Where `valid` is false the value is null, and `data` holds anything of its type."""

    data: NDArray[Any]
    """Shape (B,) or (1,), which stands for every row."""
    valid: NDArray[np.bool_]
    """Shape of `data`."""

    def take(self, rows: NDArray[Any]) -> "Values":
        """The rows at these positions; a single value stays single."""
        return self if len(self.data) == 1 else Values(self.data[rows], self.valid[rows])

    def to_list(self) -> list[Any]:
        """Python values, None for null."""
        return [x if ok else None for x, ok in zip(self.data.tolist(), self.valid.tolist())]


class Lists(NamedTuple):
    """One list a row: row i holds `data[offsets[i]:offsets[i + 1]]`; an element is never null."""

    data: NDArray[Any]
    """Shape (E,)."""
    offsets: NDArray[np.int64]
    """Shape (B + 1,), or (2,), whose one list stands for every row."""
    valid: NDArray[np.bool_]
    """Shape (B,); a null list has no elements."""

    def take(self, rows: NDArray[Any]) -> "Lists":
        """The rows at these positions; a single list stays single."""
        if len(self.valid) == 1:
            return self
        starts, sizes = self.offsets[rows], np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        return Lists(self.data[np.repeat(starts, sizes) + within], offsets, self.valid[rows])

    def to_list(self) -> list[Any]:
        """Python lists, None for null."""
        flat = self.data.tolist()
        bounds = self.offsets.tolist()
        return [flat[a:b] if ok else None for a, b, ok in zip(bounds, bounds[1:], self.valid.tolist())]


Array = Values | Lists


def nulls(kind: Kind, rows: int) -> Array:
    """A column of `rows` nulls."""
    if kind.is_list:
        return Lists(np.empty(0, DTYPES[kind.base]), np.zeros(rows + 1, np.int64), np.zeros(rows, bool))
    return Values(np.zeros(rows, DTYPES[kind.base]), np.zeros(rows, bool))


def column(kind: Kind, items: Sequence[Any]) -> Array:
    """A column of Python values (None for null); a list's own nulls are left out."""
    dtype = DTYPES[kind.base]
    if not kind.is_list and None not in items:
        whole: NDArray[Any] = np.empty(len(items), dtype)
        whole[:] = items
        return Values(whole, np.ones(len(items), bool))
    valid = np.array([x is not None for x in items], bool)
    if kind.is_list:
        lists = [[] if x is None else [y for y in x if y is not None] for x in items]
        offsets = np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)
        data = np.empty(offsets[-1], dtype)
        data[:] = [y for x in lists for y in x]
        return Lists(data, offsets, valid)
    data = np.empty(len(items), dtype)
    data[:] = [("" if dtype is np.object_ else 0) if x is None else x for x in items]
    return Values(data, valid)


def from_arrow(values: pa.ChunkedArray | pa.Array, kind: Kind) -> Array:
    """An Arrow column (of DOUBLE, BOOLEAN, BIGINT or VARCHAR, or lists of them) as arrays; lists lose their nulls."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    valid = np.asarray(whole.is_valid())
    if not kind.is_list:
        return Values(_flat(whole, kind), valid)
    owner = np.asarray(pc.list_parent_indices(whole))
    flat = pc.list_flatten(whole)
    known = np.asarray(flat.is_valid())
    counts = np.bincount(owner[known], minlength=len(valid))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Lists(_flat(flat.drop_null(), kind), offsets, valid)


def to_arrow(array: Array, kind: Kind, rows: int) -> pa.Array:
    """Arrays as an Arrow column of `rows` rows; a single value stands for every row."""
    if len(array.valid) == 1 != rows:
        valid = np.repeat(array.valid, rows)
        if isinstance(array, Lists):
            offsets = np.arange(rows + 1, dtype=np.int64) * len(array.data)
            array = Lists(np.tile(array.data, rows), offsets, valid)
        else:
            array = Values(np.repeat(array.data, rows), valid)
    if not isinstance(array, Lists):
        return pa.array(array.data, _ARROW[kind.base], mask=~array.valid)
    elements = pa.array(array.data, _ARROW[kind.base])
    nulls = pa.array(~array.valid) if not array.valid.all() else None
    return pa.ListArray.from_arrays(pa.array(array.offsets, pa.int32()), elements, mask=nulls)


def _flat(values: pa.Array, kind: Kind) -> NDArray[Any]:
    empty = "" if kind.base == "text" else False if kind.base == "flag" else 0
    filled = values.fill_null(pa.scalar(empty, values.type)) if values.null_count else values
    data: NDArray[Any] = filled.to_numpy(zero_copy_only=False).astype(DTYPES[kind.base], copy=False)
    return data
