"""What a metric is to the bootstrap: a number that can be computed again for any weights of the users."""
# R = sets of weights (replicates), U = users, S = sums, N = examples, T = distinct scores

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Auc", "AveragePrecision", "Statistic", "Sums", "Undefined", "by_user"]

Floats = NDArray[np.float64]


class Statistic(Protocol):
    """A metric of some users' examples or lists, ready to be weighted."""

    @property
    def users(self) -> NDArray[Any]:
        """The users it is about, shape (U,), sorted, distinct."""

    @property
    def why(self) -> str:
        """Why it has no value; empty if it has one."""

    def values(self, weight_RU: Floats) -> Floats:
        """Its value where user u counts `weight_RU[r, u]` times; shape (R,); NaN where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Undefined:
    """A metric that cannot be computed from what there is."""

    why: str
    users: NDArray[Any] = field(default_factory=lambda: np.empty(0, np.int64))

    def values(self, weight_RU: Floats) -> Floats:
        return np.full(len(weight_RU), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """A function of sums over users: means, and ratios of them."""

    users: NDArray[Any]
    sum_US: Floats
    finish: Callable[[Floats], Floats]
    """From the sums over all users, shape (R, S), to the values, shape (R,)."""
    why: str = ""

    def values(self, weight_RU: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.finish(weight_RU @ self.sum_US)


@dataclass(frozen=True, slots=True, eq=False)
class Auc:
    """The share of (positive, negative) pairs of examples that the score puts in the right order; a tie is half."""

    users: NDArray[Any]
    user_N: NDArray[np.int64]
    """Of each example, in ascending order of the scores: its user's position in `users`."""
    positive_N: Floats
    """1 or 0, in the same order."""
    first_T: NDArray[np.int64]
    """Where each distinct score begins, in the same order."""
    why: str = ""

    def values(self, weight_RU: Floats) -> Floats:
        return np.array([self._value(weight_U) for weight_U in weight_RU])

    def _value(self, weight_U: Floats) -> float:
        weight_N = weight_U[self.user_N]
        positive = weight_N * self.positive_N
        negative = weight_N - positive
        if len(self.first_T) < len(weight_N):
            positive, negative = np.add.reduceat(positive, self.first_T), np.add.reduceat(negative, self.first_T)
        up_to = np.cumsum(negative)
        pairs = positive.sum() * up_to[-1]
        return float(positive @ (up_to - negative / 2) / pairs) if pairs else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class AveragePrecision:
    """The mean over positives of the precision among all examples with a score at least theirs."""

    users: NDArray[Any]
    user_N: NDArray[np.int64]
    """Of each example, in descending order of the scores: its user's position in `users`."""
    positive_N: Floats
    """1 or 0, in the same order."""
    last_T: NDArray[np.int64]
    """Where each distinct score ends, in the same order."""
    why: str = ""

    def values(self, weight_RU: Floats) -> Floats:
        return np.array([self._value(weight_U) for weight_U in weight_RU])

    def _value(self, weight_U: Floats) -> float:
        weight_N = weight_U[self.user_N]
        found_T = np.cumsum(weight_N * self.positive_N)[self.last_T]
        among_T = np.cumsum(weight_N)[self.last_T]
        if not found_T[-1]:
            return float("nan")
        precision_T = np.divide(found_T, among_T, out=np.zeros_like(found_T), where=among_T > 0)
        return float(np.diff(found_T, prepend=0.0) @ precision_T / found_T[-1])


def by_user(users_N: NDArray[Any], *columns_N: NDArray[Any]) -> tuple[NDArray[Any], Floats]:
    """The distinct users in order, shape (U,), and each column's sum over each user's examples, shape (U, columns)."""
    users, user_N = np.unique(users_N, return_inverse=True)
    sums = [np.bincount(user_N, weights=column, minlength=len(users)) for column in columns_N]
    return users, np.stack(sums, axis=1)
