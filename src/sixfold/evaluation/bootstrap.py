"""95 % intervals by resampling users (Efron, Annals of Statistics 1979): a user's examples depend on each other."""
# R = replicates, U = users

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sixfold.evaluation.statistic import Statistic

__all__ = ["REPLICATES", "Measured", "difference", "measure"]

REPLICATES = 300
"""Enough that the ends of an interval move by a few percent of its width from seed to seed."""

_BLOCK = 4_000_000
"""Weights held at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric's value and its 95 % interval."""

    value: float
    low: float
    high: float
    why: str = ""
    """Why the value is NaN; empty otherwise."""


def measure(statistic: Statistic, *, seed: int = 0, replicates: int = REPLICATES) -> Measured:
    """A statistic's value, and its percentile interval over resampled users.

    Resampling adds noise, and `calibration_error` is a distance, which noise can only lengthen: near zero its interval
    lies high and may not hold the value.

    Args:
        statistic: What `score_statistic` or `list_statistic` gave.
        seed: Of the resampling; the same seed and data give the same interval.
        replicates: How often the users are drawn anew, 2 or more.

    Returns:
        Value and interval in the metric's unit; all NaN, with the reason, where there is no value.
    """
    return _interval(len(statistic.users), statistic.values, statistic.why, seed, replicates)


def difference(left: Statistic, right: Statistic, *, seed: int = 0, replicates: int = REPLICATES) -> Measured:
    """`left - right` and its interval, both computed over the same resampled users: what they share cancels out."""
    if why := left.why or right.why:
        return Measured(np.nan, np.nan, np.nan, why)
    users = np.union1d(left.users, right.users)
    at_left, at_right = np.searchsorted(users, left.users), np.searchsorted(users, right.users)

    def values(weight_RU: NDArray[np.float64]) -> NDArray[np.float64]:
        return left.values(weight_RU[:, at_left]) - right.values(weight_RU[:, at_right])

    return _interval(len(users), values, "", seed, replicates)


def _interval(
    users: int,
    values: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    why: str,
    seed: int,
    replicates: int,
) -> Measured:
    if why:
        return Measured(np.nan, np.nan, np.nan, why)
    value = float(values(np.ones((1, users)))[0])
    size, weight_RU = max(1, _BLOCK // users), _weights(seed, replicates, users)
    drawn = np.concatenate(
        [values(weight_RU[done : done + size].astype(np.float64)) for done in range(0, replicates, size)]
    )
    # A draw may hold one class only, or none of a slice's users: it says nothing about the value.
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return Measured(value, np.nan, np.nan)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Measured(value, float(low), float(high))


@lru_cache(maxsize=2)
def _weights(seed: int, replicates: int, users: int) -> NDArray[np.uint16]:
    """How often each user is drawn, shape (R, U); each row sums to U. Metrics of the same users share them."""
    rng = np.random.default_rng(seed)
    weight_RU = np.empty((replicates, users), np.uint16)
    for row in weight_RU:
        row[:] = np.bincount(rng.integers(0, users, users), minlength=users)
    return weight_RU
