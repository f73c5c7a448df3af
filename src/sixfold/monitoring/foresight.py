"""Table columns that know what came later: they tell apart what chance made, not only what keys are like.

Two rows of a key agree in what the key is like and in nothing else. So what a column that was known before can explain
of both is at most what they have in common (Spearman's argument of 1904: measures that share one cause). A column that
was computed from the outcomes themselves explains more: it knows the chance in them too. Products of two rows are taken
over all pairs, so nothing is drawn at random.
"""
# U = units: keys with one value of the column, B = rows, G = values or bins of the column, K = blocks of units

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Foresight", "Lean", "foresight", "lean", "repeats"]

_BLOCKS = 40
_LEAST = 50
"""So many units at least."""
_LINE = 0.998
"""A correlation above it is no likeness but the same number, duplicates counted or not."""


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
        """Whether it explains more than a column known before could, beyond chance."""
        return self.z > 6 and self.explained > 1.05 * max(self.common, 0.0)


@dataclass(frozen=True, slots=True)
class Lean:
    """What a column explains of the later outcomes of its keys, beside what it explains of the earlier ones."""

    units: int
    earlier: float
    later: float
    common: float
    """What two later rows of a key have in common."""
    error: float
    """Standard error of `later - earlier`."""

    @property
    def knows(self) -> bool:
        """Whether it leans to what came later, far beyond how tastes drift."""
        much = self.later > 0.1 * self.common and self.later > 4 * max(self.earlier, 0.0)
        return much and self.later - self.earlier > 8 * self.error > 0


def foresight(unit_B: NDArray[np.int64], code_B: NDArray[np.int64], value_B: NDArray[np.float64]) -> Foresight | None:
    """Measure a column against a label; None where too few keys have two rows or more.

    Args:
        unit_B: The row's key and the column's value for it, as a number from 0 on without wide gaps.
        code_B: The column's value or bin, the same for all rows of a unit.
        value_B: The label; NaN is left out.
    """
    found = _units(unit_B, code_B, value_B)
    if found is None:
        return None
    explained, common = _covariances(found)
    return Foresight(len(found.code_U), float(explained[0]), float(common[0]), _error(explained - common))


def lean(
    unit_B: NDArray[np.int64], code_B: NDArray[np.int64], value_B: NDArray[np.float64], later_B: NDArray[np.bool_]
) -> Lean | None:
    """As `foresight`, of the rows of either half of the time, by the units that have two rows in each.

    Args:
        later_B: Whether a row is of the later half.
    """
    known = ~np.isnan(value_B)
    in_both = np.ones(len(unit_B), bool)
    for half in (known & later_B, known & ~later_B):
        count = np.bincount(unit_B[half], minlength=int(unit_B.max(initial=0)) + 1)
        in_both &= (count >= 2)[unit_B]
    halves = [_units(unit_B[own], code_B[own], value_B[own]) for own in (in_both & ~later_B, in_both & later_B)]
    if halves[0] is None or halves[1] is None:
        return None
    (earlier, _), (later, common) = _covariances(halves[0]), _covariances(halves[1])
    units = len(halves[1].code_U)
    return Lean(units, float(earlier[0]), float(later[0]), float(common[0]), _error(later - earlier))


def repeats(column_U: NDArray[np.float64], total_U: NDArray[np.float64]) -> bool:
    """Whether a column is a total of the data, but for its scale: on a straight line, or in the same order.

    >>> repeats(np.arange(100.0), 3 * np.arange(100.0)), repeats(np.arange(100.0), np.arange(100.0) % 50)
    (True, False)
    """
    known = ~np.isnan(column_U) & ~np.isnan(total_U)
    x, y = column_U[known], total_U[known]
    if len(x) < _LEAST or len(np.unique(x)) < 10 or x.std() == 0 or y.std() == 0:
        return False
    return bool(max(abs(np.corrcoef(x, y)[0, 1]), abs(np.corrcoef(_ranks(x), _ranks(y))[0, 1])) > _LINE)


class _Units(NamedTuple):
    """Units of two rows or more."""

    weight_U: NDArray[np.float64]
    mean_U: NDArray[np.float64]
    pair_U: NDArray[np.float64]
    """The mean product of two different rows."""
    code_U: NDArray[np.int64]


def _units(unit_B: NDArray[np.int64], code_B: NDArray[np.int64], value_B: NDArray[np.float64]) -> _Units | None:
    known = ~np.isnan(value_B)
    unit_B, code_B, value_B = unit_B[known], code_B[known], value_B[known]
    n_U = np.bincount(unit_B)
    kept_U = n_U >= 2
    if kept_U.sum() < _LEAST:
        return None
    total_U, squares_U = np.bincount(unit_B, value_B)[kept_U], np.bincount(unit_B, value_B**2)[kept_U]
    weight_U: NDArray[np.float64] = n_U[kept_U].astype(np.float64)
    pair_U = (total_U**2 - squares_U) / (weight_U * (weight_U - 1))
    code_U = np.zeros(len(n_U), np.int64)
    code_U[unit_B] = code_B
    return _Units(weight_U, total_U / weight_U, pair_U, code_U[kept_U])


def _covariances(units: _Units) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the column explains of two rows, and what two rows share; for all units, then without each block of them."""
    weight_U, mean_U, pair_U, code_U = units
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


def _error(left_out: NDArray[np.float64]) -> float:
    """The standard error of a statistic that is given for all units, then without each block (jackknife)."""
    blocks = left_out[1:]
    return float(np.sqrt((len(blocks) - 1) / len(blocks) * np.sum((blocks - blocks.mean()) ** 2)))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks, the mean of them for equal values."""
    _, place = np.unique(values, return_inverse=True)
    count = np.bincount(place)
    ranks: NDArray[np.float64] = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks
