"""What is done about rows that were predicted: an action each, and why."""
# B = rows

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sixfold.design.policy import ALLOW
from sixfold.design.system import System
from sixfold.inference.policy import Policy, decide, draws, of_scores

__all__ = ["acted_on"]


def acted_on(
    system: System, policy: Policy, heads: Mapping[str, Sequence[float]], keys: Sequence[str]
) -> list[dict[str, Any]]:
    """For each row `action`, `reasons` and `propensity`.

    A reason says on what expression, how high it was and from where on the action is taken; of a row that was drawn to
    learn from it says so instead. `propensity` is how likely that action was: 1 where nothing was left to chance.

    Args:
        heads: Scores of the model that predicts, B each.
        keys: Of the rows, B; the same key has the same fate.
    """
    scores = {name: np.asarray(values, np.float64) for name, values in heads.items()}
    score_AB = [of_scores(one.on, scores, len(keys)) for one in system.actions]
    decided = decide(policy, score_AB, draws(keys))
    found = []
    for row, at in enumerate(decided.action_B.tolist()):
        if at == len(policy):
            found.append({"action": ALLOW, "reasons": [], "propensity": float(decided.propensity_B[row])})
            continue
        score = float(score_AB[at][row])
        reason: dict[str, Any] = {"on": system.actions[at].on.text, "score": score, "threshold": policy[at].threshold}
        if decided.drawn_B[row]:
            reason["drawn"] = True
        name, propensity = policy[at].name, float(decided.propensity_B[row])
        found.append({"action": name, "reasons": [reason], "propensity": propensity})
    return found
