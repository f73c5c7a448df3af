"""Re-ranking: from values to the k items of an answer; who takes part, how many of a kind, what each would pay."""
# M = candidates, K = items of the answer

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sixfold.design.deployment import AtMost, Explore, Rerank, SecondPrice
from sixfold.features.arrays import Array, Lists
from sixfold.features.keys import Codes, length, pair_keys, spread
from sixfold.serving.catalogue import numbers

__all__ = ["Picks", "rerank", "seed_of"]


class Picks(NamedTuple):
    """The answer's items by position."""

    rows: NDArray[np.int64]
    """Shape (K,): which candidates."""
    propensities: NDArray[np.float64]
    """Shape (K,): how probable each was at its position, given those before it and who took part."""
    prices: NDArray[np.float64] | None = None
    """Shape (K,): what each would pay; None where the design has no prices."""


def rerank(
    values: NDArray[np.float64],
    steps: Sequence[Rerank],
    columns: Mapping[str, Array],
    k: int,
    seed: int,
    takes_part: NDArray[np.bool_] | None = None,
) -> Picks:
    """Choose at most k candidates, position by position: the best that is allowed, or one of the allowed at random.

    Args:
        values: Shape (M,), larger is better; NaN comes last, and of equal values the earlier candidate comes first.
        steps: What the design asks for. An `AtMost` limits each value of its column (of a list, each element), null
            not; the share of several `Explore` adds up to that of one after the other; below the reserve of a
            `SecondPrice` nothing is shown, nor what has no value.
        columns: Those that the steps name, of M rows or of one that stands for all.
        seed: Of the draws.
        takes_part: Shape (M,); None: all do (see `pacing`).
    """
    order = np.argsort(-np.where(np.isnan(values), -np.inf, values), kind="stable")
    groups = [
        _Limit(step.n, columns[str(step.column)], len(values), order) for step in steps if isinstance(step, AtMost)
    ]
    share = 1.0 - float(np.prod([1.0 - step.share for step in steps if isinstance(step, Explore)]))
    auction = next((step for step in steps if isinstance(step, SecondPrice)), None)
    draws = np.random.default_rng(seed)
    allowed = np.ones(len(values), bool) if takes_part is None else takes_part[order]
    if auction is not None:
        allowed = allowed & (values[order] >= auction.reserve)
    picked: list[int] = []
    propensities: list[float] = []
    others: list[float] = []
    while len(picked) < k and (count := int(np.count_nonzero(allowed))):
        best = int(np.argmax(allowed))
        place = best
        if share and draws.random() < share:
            place = int(np.flatnonzero(allowed)[draws.integers(count)])
        propensities.append((1.0 - share) * (place == best) + share / count)
        picked.append(place)
        allowed[place] = False
        if auction is not None:  # before what the pick rules out: without it, that could have stood here
            others.append(float(values[order[np.argmax(allowed)]]) if allowed.any() else 0.0)
        for group in groups:
            group.take(place, allowed)
    rows = order[np.array(picked, np.int64)]
    prices = None if auction is None else _prices(auction, values[rows], np.array(others), columns, rows, len(values))
    return Picks(rows, np.array(propensities, np.float64), prices)


def seed_of(request_id: str) -> int:
    """The seed of a request's draws: the same request is answered the same way."""
    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "big")


def _prices(
    auction: SecondPrice,
    value_K: NDArray[np.float64],
    other_K: NDArray[np.float64],
    columns: Mapping[str, Array],
    rows: NDArray[np.int64],
    candidates: int,
) -> NDArray[np.float64]:
    """The least price at which each item keeps its place: never above its own value, or its bid."""
    least_K = np.minimum(np.maximum(other_K, auction.reserve), value_K)
    if auction.bid is None:
        return least_K
    bid_K = numbers(columns[str(auction.bid)], candidates)[rows]
    share_K = np.divide(least_K, value_K, out=np.zeros(len(rows)), where=value_K > 0)
    return np.asarray(np.nan_to_num(bid_K) * share_K, np.float64)


class _Limit:
    """At most n of each value; places are those in the order of the values."""

    def __init__(self, n: int, column: Array, rows: int, order: NDArray[np.int64]) -> None:
        full = column if length(column) == rows else spread(column, rows)
        if not isinstance(full, Lists) and full.data.dtype != object:
            texts = full.data.astype(str).astype(object)
            full = full._replace(data=texts)
        pairs = pair_keys([full], rows, Codes())
        place_of = np.empty(rows, np.int64)
        place_of[order] = np.arange(rows)
        known = pairs.which >= 0
        places, which = place_of[pairs.row[known]], pairs.which[known]
        self._left = [n] * len(pairs.texts)
        self._members = _Grouped(which, places, len(pairs.texts))
        self._of = _Grouped(places, which, rows)

    def take(self, place: int, allowed: NDArray[np.bool_]) -> None:
        """Count the candidate at this place, and rule out those whose value is used up."""
        for value in self._of.beside(place):
            self._left[value] -= 1
            if self._left[value] == 0:
                allowed[self._members.beside(value)] = False


class _Grouped:
    """What stands beside each number of `by`, which are below `size`."""

    def __init__(self, by: NDArray[np.int64], what: NDArray[np.int64], size: int) -> None:
        self._what: list[int] = what[np.argsort(by, kind="stable")].tolist()
        self._ends: list[int] = np.cumsum(np.bincount(by, minlength=size)).tolist()

    def beside(self, number: int) -> list[int]:
        return self._what[self._ends[number - 1] if number else 0 : self._ends[number]]
