"""What is done about rows: thresholds of a release, applied alike where they are measured and where they serve."""
# B = rows

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.errors import ReleaseDamaged
from sixfold.features.arrays import Values
from sixfold.features.expressions import evaluate

__all__ = ["Decided", "Policy", "Solved", "decide", "doubt", "draws", "of_scores", "read_policy", "write_policy"]

Floats = NDArray[np.float64]


class Solved(msgspec.Struct, frozen=True):
    """An action with the threshold that was found for it."""

    name: str
    threshold: float | None
    """The least score that it takes; None: no threshold reaches its goal, and it is never taken."""
    explore: float = 0.0
    """How likely a row of which nothing is known (a score of a half), below the threshold, is drawn."""


Policy = tuple[Solved, ...]
"""In the order in which they are tried."""


class Decided(NamedTuple):
    """What is done with B rows."""

    action_B: NDArray[np.int64]
    """Place of the action in the policy; its length for none."""
    propensity_B: Floats
    """How likely the action was, shape (B,): 1 where nothing was drawn."""
    drawn_B: NDArray[np.bool_]
    """Whether it was taken to learn from it and not for its score."""


def decide(policy: Policy, score_AB: Sequence[Floats], draw_B: Floats) -> Decided:
    """Choose an action for each row.

    Args:
        score_AB: For each action what its `on` says, shape (B,); NaN passes no threshold.
        draw_B: Uniform in [0, 1), one a row.
    """
    rows = len(draw_B)
    action_B, propensity_B = np.full(rows, len(policy)), np.ones(rows)
    drawn_B = np.zeros(rows, bool)
    for at, (own, score_B) in enumerate(zip(policy, score_AB)):
        free = action_B == len(policy)
        passed = np.zeros(rows, bool) if own.threshold is None else free & (score_B >= own.threshold)
        action_B[passed] = at
        # One draw a row, used up by each queue in turn: what is left of it is uniform again.
        likely_B = np.where(free & ~passed, own.explore * doubt(score_B), 0.0)
        chosen = free & ~passed & (draw_B < likely_B)
        action_B[chosen], drawn_B[chosen] = at, True
        propensity_B[chosen] *= likely_B[chosen]
        left = free & ~passed & ~chosen
        propensity_B[left] *= 1 - likely_B[left]
        draw_B = np.where(left & (likely_B > 0), (draw_B - likely_B) / np.maximum(1 - likely_B, 1e-12), draw_B)
    return Decided(action_B, propensity_B, drawn_B)


def doubt(score_B: Floats) -> Floats:
    """How unsure a probability is: 1 at a half, 0 at both ends and where it is unknown."""
    found: Floats = np.nan_to_num(4 * score_B * (1 - score_B), nan=0.0)
    return np.clip(found, 0.0, 1.0)


def draws(keys: Sequence[str]) -> Floats:
    """A number in [0, 1) for each key, always the same: a row that is asked about twice meets the same fate."""
    return np.array([crc32(f"draw {key}".encode("utf-8", "surrogatepass")) / 2**32 for key in keys], np.float64)


def of_scores(expression: Expression, scores: Mapping[str, Floats], rows: int) -> Floats:
    """The values of an expression over scores, shape (B,); NaN where it is null."""
    columns = {name: Values(scores[name], ~np.isnan(scores[name])) for name in expression.names}
    found = evaluate(expression, columns, 0, "UTC")
    assert isinstance(found, Values)
    return np.broadcast_to(np.where(found.valid, found.data, np.nan), rows).astype(np.float64)


def write_policy(path: Path, policy: Policy) -> None:
    """Write the thresholds of a release."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(policy), indent=1))


def read_policy(path: Path) -> Policy:
    """The thresholds that `write_policy` wrote.

    Raises:
        ReleaseDamaged: the file is missing or cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Solved, ...])
    except (OSError, msgspec.DecodeError) as error:
        raise ReleaseDamaged(path=str(path), reason=str(error)) from error
