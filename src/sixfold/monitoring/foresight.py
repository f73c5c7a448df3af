"""Table columns that know what came later: they tell apart what chance made, not only what keys are like.

Two rows of a key agree in what the key is like and in nothing else. So what a column that was known before can explain
of both is at most what they have in common (Spearman's argument of 1904: measures that share one cause). A column that
was computed from the outcomes themselves explains more: it knows the chance in them too. Products of two rows are taken
over all pairs, so nothing is drawn at random.
"""
# U = units: keys with one value of the column, B = rows, G = values or bins of the column, K = blocks of units

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Foresight", "foresight", "repeats"]

_BLOCKS = 40
_LEAST = 50
"""So many units at least."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a column explains of two rows of a key, beside what these have in common."""

    units: int
    explained: float
    common: float
    error: float
    """Standard error of `explained - common`, by leaving out one block of units after the other."""

    @property
    def z(self) -> float:
        """How far the difference is above 0, in standard errors."""
        return (self.explained - self.common) / self.error if self.error > 0 else 0.0

    @property
    def knows(self) -> bool:
        """Whether it explains more than a column known before could: by over a quarter, beyond chance."""
        return self.z > 5 and self.explained > 1.25 * max(self.common, 0.0)


def foresight(unit_B: NDArray[np.int64], code_B: NDArray[np.int64], value_B: NDArray[np.float64]) -> Foresight | None:
    """Measure a column against a label; None where too few keys have two rows or more.

    Args:
        unit_B: The row's key and the column's value for it, as a number from 0 on.
        code_B: The column's value or bin, the same for all rows of a unit.
        value_B: The label; NaN is left out.
    """
    known = ~np.isnan(value_B)
    unit_B, code_B, value_B = unit_B[known], code_B[known], value_B[known]
    if not len(unit_B):
        return None
    _, first_B, unit_B = np.unique(unit_B, return_index=True, return_inverse=True)
    n_U = np.bincount(unit_B)
    kept_U = n_U >= 2
    if kept_U.sum() < _LEAST:
        return None
    total_U, squares_U = np.bincount(unit_B, value_B)[kept_U], np.bincount(unit_B, value_B**2)[kept_U]
    weight_U: NDArray[np.float64] = n_U[kept_U].astype(np.float64)
    pair_U = (total_U**2 - squares_U) / (weight_U * (weight_U - 1))
    explained, common = _covariances(weight_U, total_U / weight_U, pair_U, code_B[first_B][kept_U])
    left_out = explained[1:] - common[1:]
    error = float(np.sqrt((_BLOCKS - 1) / _BLOCKS * np.sum((left_out - left_out.mean()) ** 2)))
    return Foresight(len(weight_U), float(explained[0]), float(common[0]), error)


def repeats(column_U: NDArray[np.float64], total_U: NDArray[np.float64]) -> bool:
    """Whether a column is a total of the data, but for its scale: a straight line through nearly all of its spread."""
    known = ~np.isnan(column_U) & ~np.isnan(total_U)
    x, y = column_U[known], total_U[known]
    if len(x) < _LEAST or len(np.unique(x)) < 10 or x.std() == 0 or y.std() == 0:
        return False
    return bool(abs(np.corrcoef(x, y)[0, 1]) > 0.999)


def _covariances(
    weight_U: NDArray[np.float64], mean_U: NDArray[np.float64], pair_U: NDArray[np.float64], code_U: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the column explains of two rows, and what two rows share; for all units, then without each block of them.

    Args:
        pair_U: The mean product of two different rows.
    """
    _, code_U = np.unique(code_U, return_inverse=True)
    bins = int(code_U.max()) + 1
    block_U = np.random.default_rng(0).permutation(len(code_U)) % _BLOCKS

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        by_KG = np.bincount(block_U * bins + code_U, values, minlength=_BLOCKS * bins).reshape(_BLOCKS, bins)
        return np.concatenate([by_KG.sum(0)[None], by_KG.sum(0) - by_KG])

    weight, means = sums(weight_U), sums(weight_U * mean_U)
    # A unit's mean times itself holds each row's square; the product of two different rows stands in for it.
    itself = sums(weight_U**2 * (pair_U - mean_U**2))
    pairs = sums(weight_U * pair_U).sum(1)
    total = weight.sum(1)
    middle = (means.sum(1) ** 2 + itself.sum(1)) / total**2
    within = np.divide(means**2 + itself, weight, out=np.zeros_like(means), where=weight > 0).sum(1)
    return within / total - middle, pairs / total - middle
