"""Metrics of labels with classes, and of a probability cut at a half."""
# N = examples, C = classes, U = users, R = sets of weights, T = distinct scores

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sixfold.evaluation.score_metrics import score_statistic
from sixfold.evaluation.statistic import Statistic, Sums, Undefined, by_user

__all__ = ["class_statistic", "majority"]

Floats = NDArray[np.float64]


def majority(shares_NC: ArrayLike, *, exclusive: bool) -> Floats:
    """What an example is, from shares of votes: 1 for its class and 0 for the others, shape (N, C).

    Args:
        exclusive: Whether it has one class, that with most votes: NaN where several have as many, since nobody can
            say. Otherwise each class for itself: 1 from half of the votes on.
    """
    found: Floats = np.asarray(shares_NC, np.float64)
    if not exclusive:
        return np.where(np.isnan(found), np.nan, found >= 0.5).astype(np.float64)
    most_N1 = found.max(1, keepdims=True)
    first = np.isclose(found, most_N1)
    # A label that is null has no class, and its comparison with NaN is false throughout.
    return np.where(first.sum(1, keepdims=True) == 1, first, np.nan).astype(np.float64)


def class_statistic(name: str, scores: ArrayLike, labels: ArrayLike, users: ArrayLike, *, exclusive: bool) -> Statistic:
    """Prepare a metric of a label with classes.

    Args:
        name: `accuracy`, the share of examples whose largest score is that of their class (without `exclusive`, all of
            whose classes are told right); `macro_f1`, the mean of the classes' F1; `auc` and `average_precision`, the
            means over the classes, each against the rest, of those that some example has and another has not.
        scores: Shape (N, C).
        labels: Shape (N, C), 0 or 1 as `majority` gives them; an example with a NaN takes no part.
        users: Shape (N,).
    """
    labels_NC: Floats = np.asarray(labels, np.float64)
    known = ~np.isnan(labels_NC).any(1)
    scores_NC, labels_NC, users_N = np.asarray(scores, np.float64)[known], labels_NC[known], np.asarray(users)[known]
    if not len(labels_NC):
        return Undefined("no example has the label")
    if name in ("auc", "average_precision"):
        told = [at for at in range(labels_NC.shape[1]) if 0 < labels_NC[:, at].sum() < len(labels_NC)]
        parts = [score_statistic(name, scores_NC[:, at], labels_NC[:, at], users_N) for at in told]
        return _Mean.of(parts) if parts else Undefined("no class has examples within and without")
    said_NC = scores_NC >= 0.5
    if exclusive:
        said_NC = np.arange(scores_NC.shape[1]) == scores_NC.argmax(1)[:, None]
    if name == "accuracy":
        right_N = (said_NC == (labels_NC == 1)).all(1).astype(np.float64)
        return Sums(*by_user(users_N, right_N, np.ones(len(right_N))), lambda sums: sums[:, 0] / sums[:, 1])
    return _macro_f1(said_NC, labels_NC == 1, users_N)


def _macro_f1(said_NC: NDArray[np.bool_], is_NC: NDArray[np.bool_], users_N: NDArray[Any]) -> Statistic:
    classes = said_NC.shape[1]
    both = [(said_NC[:, at] & is_NC[:, at]).astype(np.float64) for at in range(classes)]
    either = [(said_NC[:, at].astype(np.float64) + is_NC[:, at]) for at in range(classes)]

    def finish(sums_RS: Floats) -> Floats:
        both_RC, either_RC = sums_RS[:, :classes], sums_RS[:, classes:]
        # A class that is neither there nor said counts as 0, as in scikit-learn.
        f1_RC = np.divide(2 * both_RC, either_RC, out=np.zeros_like(both_RC), where=either_RC > 0)
        return np.asarray(f1_RC.mean(1), np.float64)

    return Sums(*by_user(users_N, *both, *either), finish)


@dataclass(frozen=True, slots=True, eq=False)
class _Mean:
    """The mean of several metrics."""

    parts: Sequence[Statistic]
    users: NDArray[Any]
    why: str = ""

    @staticmethod
    def of(parts: Sequence[Statistic]) -> "Statistic":
        if broken := [part.why for part in parts if part.why]:
            return Undefined(broken[0])
        users = parts[0].users
        for part in parts[1:]:
            users = np.union1d(users, part.users)
        return _Mean(parts, users)

    def values(self, weight_RU: Floats) -> Floats:
        own = [part.values(weight_RU[:, np.searchsorted(self.users, part.users)]) for part in self.parts]
        return np.asarray(np.mean(own, axis=0), np.float64)
