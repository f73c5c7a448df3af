"""How a design that judges rows did: by class, by slice and by mistake."""
# N = examples, A = actions

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sixfold.evaluation.bootstrap import Measured, measure
from sixfold.evaluation.score_metrics import score_statistic
from sixfold.evaluation.statistic import Sums, by_user
from sixfold.inference.policy import Decided

__all__ = ["ClassRow", "Mistake", "SliceRow", "class_row", "mistakes", "share", "slice_rows"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class ClassRow(msgspec.Struct, frozen=True):
    """How well one probability tells what is so."""

    of: str
    """A score, or an expression over scores."""
    examples: int
    prevalence: Measured
    """Share of the examples of which it is truly so."""
    average_precision: Measured
    auc: Measured
    precision: Measured
    """Of those whose score is a half or more, those that are so."""
    recall: Measured
    """Of those that are so, those whose score is a half or more."""


class SliceRow(msgspec.Struct, frozen=True):
    """What an action, or one before it, did with the rows of a slice."""

    action: str
    slice: str
    """Empty for all rows."""
    examples: int
    wrongly: Measured
    """Of the slice's rows of which it is not so, those that met it all the same."""
    recall: Measured
    """Of the slice's rows of which it is so, those that met it."""
    part: Measured
    """Of all rows that met it rightly, those of the slice."""


class Mistake(msgspec.Struct, frozen=True):
    """A row that was judged wrongly with much confidence."""

    of: str
    missed: bool
    """Whether it is so and was scored low; otherwise it is not, and was scored high."""
    key: str
    score: float
    texts: dict[str, str]


def class_row(of: str, score_N: Floats, true_N: Floats, users: ArrayLike, *, seed: int) -> ClassRow:
    """Measure one probability.

    Args:
        score_N: Shape (N,).
        true_N: 0 or 1; NaN takes no part.
        users: Whom intervals resample, shape (N,).
    """
    names = ("prevalence", "average_precision", "auc", "precision", "true_positive_rate")
    found = (measure(score_statistic(name, score_N, true_N, users), seed=seed) for name in names)
    return ClassRow(of, int(np.count_nonzero(~np.isnan(true_N))), *found)


def slice_rows(
    names: Sequence[str],
    decided: Decided,
    true_AN: Sequence[Floats],
    slices: Mapping[str, Flags],
    users: ArrayLike,
    *,
    seed: int,
) -> list[SliceRow]:
    """What each action did within each slice.

    Args:
        names: Of the actions.
        true_AN: For each action whether a row is truly what it is about; NaN takes no part.
        slices: Which rows each holds, shape (N,).
    """
    users_N, found = np.asarray(users), []
    everything = np.ones(len(decided.action_B), bool)
    for at, (name, true_N) in enumerate(zip(names, true_AN)):
        met_N, is_N, is_not_N = decided.action_B <= at, true_N == 1, true_N == 0
        for slice_, own_N in {"": everything, **slices}.items():
            shares = [
                share(met_N, own_N & is_not_N, users_N, seed=seed),
                share(met_N, own_N & is_N, users_N, seed=seed),
                share(own_N, met_N & is_N, users_N, seed=seed),
            ]
            found.append(SliceRow(name, slice_, int(own_N.sum()), *shares))
    return found


def mistakes(
    of: str,
    score_N: Floats,
    true_N: Floats,
    keys: Sequence[str],
    texts: Mapping[str, Sequence[str | None]],
    most: int = 5,
) -> list[Mistake]:
    """The rows that a probability was most wrong about, `most` of either kind."""
    found = []
    for missed in (False, True):
        wrong_N = (true_N == 1) & (score_N < 0.5) if missed else (true_N == 0) & (score_N >= 0.5)
        rows = np.flatnonzero(wrong_N)
        order = rows[np.argsort(score_N[rows] if missed else -score_N[rows], kind="stable")][:most]
        for row in order.tolist():
            said = {name: values[row] or "" for name, values in texts.items()}
            found.append(Mistake(of, missed, str(keys[row]), float(score_N[row]), said))
    return found


def share(one_N: Flags, among_N: Flags, users_N: NDArray[np.generic], *, seed: int) -> Measured:
    """Of the rows of `among_N` those of `one_N`, with its interval."""
    if not among_N.any():
        return Measured(np.nan, np.nan, np.nan, "there is none")
    sums = by_user(users_N, (one_N & among_N).astype(np.float64), among_N.astype(np.float64))
    return measure(Sums(*sums, lambda total: np.asarray(total[:, 0] / total[:, 1], np.float64)), seed=seed)
