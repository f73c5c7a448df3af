"""Thresholds of actions, solved on one part of the examples and measured on another."""
# N = examples, A = actions

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sixfold.design.policy import Action
from sixfold.evaluation.bootstrap import Measured
from sixfold.evaluation.judged import share
from sixfold.inference.policy import Decided, Policy, Solved, doubt

__all__ = ["LEAST", "Taken", "measured", "solve"]

LEAST = 20
"""Of fewer rows no precision is told."""

Floats = NDArray[np.float64]


class Taken(msgspec.Struct, frozen=True):
    """What an action did on the test part."""

    name: str
    goal: str
    """As the design says it: `precision 0.95`."""
    threshold: float | None
    share: Measured
    """Of all examples, those it took."""
    precision: Measured
    """Of those it took for their score, those that are truly what `on` says."""
    recall: Measured
    """Of what truly is so, what it or an action before it took."""
    drawn: float = 0.0
    """Share of all examples that it drew to learn from."""

    @property
    def told(self) -> str:
        """The threshold in words; one that nothing reaches is read back as NaN."""
        return "none reaches it" if self.threshold is None or np.isnan(self.threshold) else f"{self.threshold:.4f}"


def solve(actions: Sequence[Action], score_AN: Sequence[Floats], true_AN: Sequence[Floats], per_day: float) -> Policy:
    """The threshold of each action.

    Args:
        score_AN: For each action what its `on` says of the scores, shape (N,).
        true_AN: What it says of the labels: 0 or 1, NaN where there is no label.
        per_day: How many rows a day has.
    """
    free_N = np.ones(len(score_AN[0]) if score_AN else 0, bool)
    solved = []
    for action, score_N, true_N in zip(actions, score_AN, true_AN):
        if action.per_day is not None:
            one = _of_capacity(action, np.where(free_N, score_N, np.nan), per_day)
        else:
            known = ~np.isnan(true_N) & ~np.isnan(score_N)
            one = Solved(action.name, _of_goal(action, score_N[known], true_N[known]))
        solved.append(one)
        if one.threshold is not None:
            free_N &= ~(score_N >= one.threshold)
    return tuple(solved)


def measured(
    actions: Sequence[Action],
    policy: Policy,
    decided: Decided,
    true_AN: Sequence[Floats],
    users: ArrayLike,
    *,
    seed: int,
) -> list[Taken]:
    """What each action did, with 95 % intervals that resample users."""
    users_N, found = np.asarray(users), []
    for at, (action, solved, true_N) in enumerate(zip(actions, policy, true_AN)):
        own_N, known_N = decided.action_B == at, ~np.isnan(true_N)
        so_far_N, is_N = decided.action_B <= at, true_N == 1
        scored_N = own_N & ~decided.drawn_B
        goal = next(
            f"{name} {value:g}" for name in ("precision", "recall", "per_day") if (value := getattr(action, name))
        )
        shares = [
            share(one, among, users_N, seed=seed)
            for one, among in ((own_N, np.ones(len(own_N), bool)), (is_N, scored_N & known_N), (so_far_N, is_N))
        ]
        taken, precision, recall = shares
        drawn = float(np.mean(own_N & decided.drawn_B))
        found.append(Taken(action.name, goal, solved.threshold, taken, precision, recall, drawn))
    return found


def _of_goal(action: Action, score_N: Floats, true_N: Floats) -> float | None:
    """The threshold that reaches a precision or a recall; None where none does."""
    order = np.argsort(-score_N, kind="stable")
    score_N, right_N = score_N[order], np.cumsum(true_N[order])
    # Rows of one score stand or fall together.
    ends = np.flatnonzero(np.append(score_N[1:] != score_N[:-1], True)) if len(score_N) else np.empty(0, np.int64)
    right, taken = right_N[ends], ends + 1
    if action.precision is not None:
        reached = ends[(right >= action.precision * taken) & (taken >= LEAST)]
        return float(score_N[reached[-1]]) if len(reached) else None
    reached = ends[right >= (action.recall or 0.0) * right[-1]] if len(ends) and right[-1] else ends[:0]
    return float(score_N[reached[0]]) if len(reached) else None


def _of_capacity(action: Action, score_N: Floats, per_day: float) -> Solved:
    """The threshold above which a day's capacity lies, and how likely others are drawn."""
    capacity = min(1.0, (action.per_day or 0) / per_day) * len(score_N)
    known_N = np.sort(score_N[~np.isnan(score_N)])[::-1]
    taken = int(capacity * (1 - action.explore))
    if not taken or not len(known_N):
        return Solved(action.name, None)
    if capacity >= len(known_N):  # all of them, so that none need be drawn
        return Solved(action.name, float(known_N[-1]))
    # Where many rows have the score at the border, less than the capacity is taken rather than more.
    above = known_N[:taken][known_N[:taken] > known_N[taken]]
    threshold = float(above[-1]) if len(above) else None
    rest_N = known_N[len(above) :]
    return Solved(action.name, threshold, min(1.0, capacity * action.explore / max(float(doubt(rest_N).sum()), 1e-9)))
