"""Pacing: whose budget still takes part in this request (Agarwal et al., KDD 2014)."""
# M = candidates

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sixfold.design.deployment import Pace
from sixfold.design.system import System
from sixfold.features.arrays import Array
from sixfold.features.keys import Codes, pair_keys
from sixfold.features.local_time import local_midnight
from sixfold.serving.catalogue import numbers

__all__ = ["chances", "takes_part"]

_DAY_US = 86_400_000_000


def takes_part(
    system: System, columns: Mapping[str, Array], rows: int, now_us: int, request_id: str
) -> NDArray[np.bool_] | None:
    """Which candidates every `Pace` of the design lets in, shape (M,); None where it has none.

    The same request draws alike for all items that share a budget, and alike when it is answered again.
    """
    steps = [step for step in system.deployment.rerank if isinstance(step, Pace)]
    if not steps:
        return None
    midnight = int(local_midnight(np.array([now_us]), system.timezone)[0])
    passed = min(1.0, (now_us - midnight) / _DAY_US)
    within = np.ones(rows, bool)
    for step in steps:
        chance = chances(numbers(columns[str(step.spent)], rows), numbers(columns[str(step.budget)], rows), passed)
        within &= chance > 0
        if len(drawn := np.flatnonzero((chance > 0) & (chance < 1))):
            pairs = pair_keys([columns[name] for name in system.shares_budget(step)], rows, Codes())
            draw = np.array([_draw(request_id, owner) for owner in pairs.texts] + [0.0])
            within[drawn] &= draw[pairs.which[drawn]] < chance[drawn]
    return within


def chances(spent: NDArray[np.float64], budget: NDArray[np.float64], passed: float) -> NDArray[np.float64]:
    """With which probability each takes part.

    Args:
        spent: What was spent today; NaN is nothing.
        budget: Of the whole day; NaN is no limit.
        passed: The share of the day that has passed, 0 to 1.
    """
    spent = np.nan_to_num(spent)
    planned = budget * passed
    ahead = np.divide(planned, spent, out=np.ones(len(spent)), where=spent > planned)
    return np.where(np.isnan(budget), 1.0, np.where(spent >= budget, 0.0, ahead))


def _draw(request_id: str, owner: str) -> float:
    digest = hashlib.blake2b(f"{request_id}|{owner}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
