"""How far probabilities are what they say: mean probability beside mean label, overall, by decile, by slice."""
# N = examples, U = users, B = bins

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sixfold.evaluation.statistic import by_user

__all__ = ["DECILES", "Group", "Reliability", "reliability"]

DECILES = 10
_Z = 1.959964
"""Of a 95 % interval."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Some examples. The ratio's interval is by users, whose examples depend on each other."""

    examples: int
    said: float
    """Mean probability."""
    was: float
    """Mean label."""
    ratio: float
    """said / was (He et al., ADKDD 2014, call it calibration); NaN where no label is true."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """One head of one model on the test part."""

    overall: Group
    deciles: list[Group]
    """By ascending probability, of about as many examples each; equal probabilities stay together."""
    slices: dict[str, Group]


def reliability(
    scores: ArrayLike, labels: ArrayLike, users: ArrayLike, slices: Mapping[str, NDArray[np.bool_]]
) -> Reliability | None:
    """Hold probabilities against what came of them.

    Args:
        scores: Shape (N,), from 0 to 1.
        labels: Shape (N,), 0 or 1; NaN takes no part.
        users: Shape (N,), as in `score_statistic`.
        slices: Which examples belong to each, shape (N,).

    Returns:
        None where no example has the label.
    """
    label_N: Floats = np.asarray(labels, np.float64)
    known = np.isfinite(label_N)
    if not known.any():
        return None
    score_N, label_N, user_N = np.asarray(scores, np.float64)[known], label_N[known], np.asarray(users)[known]
    order = np.argsort(score_N, kind="stable")
    score_N, label_N, user_N = score_N[order], label_N[order], user_N[order]
    # A border between deciles moves up to where the probability changes.
    cuts = np.arange(1, DECILES) * len(score_N) // DECILES
    edges = np.unique([0, *np.searchsorted(score_N, score_N[cuts], side="left"), len(score_N)])
    deciles = [_group(score_N[a:b], label_N[a:b], user_N[a:b]) for a, b in pairwise(edges)]
    among = {name: mask[known][order] for name, mask in slices.items()}
    found = {n: _group(score_N[own], label_N[own], user_N[own]) for n, own in among.items() if own.any()}
    return Reliability(_group(score_N, label_N, user_N), deciles, found)


def _group(score_N: Floats, label_N: Floats, user_N: NDArray[Any]) -> Group:
    said, was = float(score_N.mean()), float(label_N.mean())
    if not was:
        return Group(len(label_N), said, was, np.nan, np.nan, np.nan)
    ratio = said / was
    # The delta method for a ratio of two sums, by users.
    _, sum_U2 = by_user(user_N, score_N, label_N)
    spread = float(np.sqrt(np.square(sum_U2[:, 0] - ratio * sum_U2[:, 1]).sum())) / float(label_N.sum())
    return Group(len(label_N), said, was, ratio, ratio - _Z * spread, ratio + _Z * spread)
