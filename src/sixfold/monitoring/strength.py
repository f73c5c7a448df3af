"""How much one input alone says of a label: the area under the ROC curve of the label's mean by the input's value."""
# B = rows

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.kinds import Kind

__all__ = ["BINS", "alone", "as_flag", "codes", "equal_share"]

BINS = 50
_FEW = 20


def alone(code_B: NDArray[np.int64], flag_B: NDArray[np.float64]) -> float | None:
    """The AUC of an input for a flag; None where there are too few rows of either kind.

    Each half of the rows is scored by the other half's mean of the flag for the same value, so a value that few rows
    have says nothing of itself.

    Args:
        code_B: The input's value as a number of its own, as `codes` gives it.
        flag_B: 0 or 1; NaN is left out.
    """
    known = ~np.isnan(flag_B)
    code_B, flag_B = code_B[known], flag_B[known]
    if min(flag_B.sum(), (1 - flag_B).sum()) < _FEW:
        return None
    half_B = np.arange(len(code_B)) % 2
    found = [_auc(_scored(code_B, flag_B, half_B == half), flag_B[half_B == half]) for half in (0, 1)]
    return float(np.mean(found))


def codes(column: pa.ChunkedArray | pa.Array, kind: Kind) -> NDArray[np.int64]:
    """A column as numbers from 0 on, equal for equal values: numbers in `BINS` bins, lists by length; null is 0."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if kind.is_list:
        values, kind = pc.cast(pc.list_value_length(values), pa.float64()), Kind("number")
    null_B = ~np.asarray(values.is_valid())
    if kind.base == "text":
        encoded = pc.dictionary_encode(values.fill_null(""))
        found = np.asarray(encoded.indices, np.int64) + 1
    else:
        numbers = np.asarray(pc.cast(values, pa.float64()).fill_null(0.0))
        edges = np.unique(numbers[~null_B])[1:]
        if len(edges) >= BINS:
            edges = np.unique(np.quantile(numbers[~null_B], np.linspace(0, 1, BINS + 1)[1:-1]))
        found = np.searchsorted(edges, numbers, "right") + 1
    return np.where(null_B, 0, found).astype(np.int64)


def as_flag(value_B: NDArray[np.float64]) -> NDArray[np.float64]:
    """A label as 0 and 1: itself where it is that, else whether it is above its median; NaN stays."""
    known = value_B[~np.isnan(value_B)]
    if not len(known) or np.isin(known, (0.0, 1.0)).all():
        return value_B
    return np.where(np.isnan(value_B), np.nan, (value_B > np.median(known)).astype(np.float64))


def equal_share(column: pa.ChunkedArray | pa.Array, value_B: NDArray[np.float64]) -> float:
    """Of the rows where both are known, the share in which a number or flag is the label itself; 0 if there is none."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    both = np.asarray(values.is_valid()) & ~np.isnan(value_B)
    numbers = np.asarray(pc.cast(values, pa.float64()).fill_null(0.0))
    return float(np.mean(numbers[both] == value_B[both])) if both.any() else 0.0


def _scored(code_B: NDArray[np.int64], flag_B: NDArray[np.float64], scored: NDArray[np.bool_]) -> NDArray[np.float64]:
    size = int(code_B.max()) + 1
    count = np.bincount(code_B[~scored], minlength=size)
    total = np.bincount(code_B[~scored], flag_B[~scored], minlength=size)
    mean = flag_B[~scored].mean()
    by_value: NDArray[np.float64] = (total + mean) / (count + 1)
    return by_value[code_B[scored]]


def _auc(score_B: NDArray[np.float64], flag_B: NDArray[np.float64]) -> float:
    """By ranks, ties counted half."""
    _, place = np.unique(score_B, return_inverse=True)
    count = np.bincount(place)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    ones = flag_B.sum()
    return float((rank[flag_B == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(flag_B) - ones)))
