"""Where the relevant items stand in the lists that a model would answer, and the metrics of that."""
# Q = queries, I = items, P = (query, relevant item) pairs

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.evaluation.statistic import Statistic, Sums, Undefined, by_user

__all__ = ["Ranks", "list_statistic", "rank_in_lists", "rank_items", "rank_rows"]

_BLOCK = 4_000_000
"""Scores held at once."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """Relevant items, each with its place in its query's list. A query without any takes no part in a metric."""

    query_P: Ints
    """Position of the query, ascending."""
    rank_P: NDArray[np.float64]
    """1 is the head of the list; infinite: the item is not in it."""


def rank_items(
    score: Callable[[slice], NDArray[Any]],
    keep: Callable[[slice], NDArray[np.bool_]],
    *,
    query_P: Ints,
    item_P: Ints,
    queries: int,
    items: int,
) -> Ranks:
    """Rank all items for each query, in blocks of queries, and look up where the relevant ones stand.

    Args:
        score: Scores of all items for a slice of the queries, shape (q, I); NaN goes last.
        keep: Which items are available and pass the filters, for a slice of the queries, shape (q, I) or (1, I).
        query_P, item_P: The relevant items, each pair once: position of the query in [0, `queries`) and of the item in
            [0, `items`); in any order.
        queries: How many queries there are.
        items: How many items there are.

    Returns:
        The rank of each relevant item among those kept; equal scores stand in the order of the items. A relevant item
        that is not kept is not relevant and left out.
    """
    order = np.lexsort((item_P, query_P))
    query_P, item_P = np.asarray(query_P)[order], np.asarray(item_P)[order]
    rank_P = np.full(len(query_P), np.nan)
    size = max(1, _BLOCK // max(items, 1))
    for start in range(0, queries, size):
        block = slice(start, min(start + size, queries))
        first, end = np.searchsorted(query_P, [block.start, block.stop])
        if first == end:
            continue
        scores = np.asarray(score(block))
        scores = np.where(np.isnan(scores), -np.inf, scores)
        # Comparing with NaN is false, so an item that is not kept stands before nothing.
        scores = np.where(keep(block), scores, np.nan)
        for piece in (slice(a, min(a + size, end)) for a in range(first, end, size)):
            rank_P[piece] = _ranks(scores, query_P[piece] - block.start, item_P[piece])
    kept = ~np.isnan(rank_P)
    return Ranks(query_P[kept], rank_P[kept])


def rank_in_lists(lists: NDArray[np.int64], *, query_P: Ints, item_P: Ints) -> Ranks:
    """Look up relevant items in lists that were answered.

    Args:
        lists: Items of each query in order, shape (Q, length); -1 fills up a shorter list.
        query_P, item_P: The relevant items, each pair once, in any order.
    """
    order = np.lexsort((item_P, query_P))
    query_P, item_P = np.asarray(query_P)[order], np.asarray(item_P)[order]
    found = lists[query_P] == item_P[:, None]
    return Ranks(query_P, np.where(found.any(axis=1), found.argmax(axis=1) + 1.0, np.inf))


def rank_rows(score_N: NDArray[Any], *, list_N: Ints, own_N: NDArray[np.bool_], kept_N: NDArray[np.bool_]) -> Ranks:
    """Look up where the one row of each list that was chosen stands by its score.

    Args:
        score_N: Scores of the rows of lists, those of a list together; NaN goes last.
        list_N: The list of each row, ascending.
        own_N: Which row of each list was chosen.
        kept_N: Which rows are answered at all; one that was chosen and is not kept is not in its list.

    Returns:
        A rank for each list, in their order; equal scores stand in the order of the rows.
    """
    score_N = np.where(np.isnan(score_N), -np.inf, score_N)
    own = np.flatnonzero(own_N)
    which_N = np.searchsorted(list_N[own], list_N)
    at_N = own[which_N]
    ahead_N = (score_N > score_N[at_N]) | ((score_N == score_N[at_N]) & (np.arange(len(score_N)) < at_N))
    rank = np.bincount(which_N, ahead_N & kept_N, len(own)) + 1.0
    return Ranks(np.arange(len(own)), np.where(kept_N[own], rank, np.inf))


def list_statistic(
    name: str, k: int | None, ranks: Ranks, users_Q: NDArray[Any], *, among_Q: NDArray[np.bool_] | None = None
) -> Statistic:
    """Prepare a metric of lists: its mean over the queries that have relevant items.

    Args:
        name: `recall`, the share of the relevant items among the first k; `hit`, whether there is one; `ndcg` with
            gain 1 (Järvelin & Kekäläinen, TOIS 2002); `mrr`, 1 / the rank of the first one (Voorhees, TREC 1999).
        k: How many items of each list count; None: all.
        ranks: What `rank_items` or `rank_in_lists` gave.
        users_Q: Shape (Q,), the query entity's key of each query (one user may ask more than once); any type that
            sorts, none null.
        among_Q: Shape (Q,), which queries count (a slice); None: all.

    Returns:
        The statistic; `Undefined`, with the reason, where no query has a relevant item.
    """
    query_P, rank_P = ranks.query_P, ranks.rank_P
    if among_Q is not None:
        query_P, rank_P = query_P[among_Q[query_P]], rank_P[among_Q[query_P]]
    if not len(query_P):
        return Undefined("no query has a relevant item")
    asked, query_P, relevant = np.unique(query_P, return_inverse=True, return_counts=True)
    gain_P = np.where(rank_P <= (np.inf if k is None else k), _gain(name, rank_P), 0.0)
    if name in ("hit", "mrr"):
        value = np.zeros(len(asked))
        np.maximum.at(value, query_P, gain_P)
    else:
        best = np.cumsum(_gain(name, np.arange(1, relevant.max() + 1, dtype=np.float64)))
        reachable = np.minimum(relevant, k) if name == "ndcg" and k is not None else relevant
        value = np.bincount(query_P, weights=gain_P) / best[reachable - 1]
    users, sums = by_user(np.asarray(users_Q)[asked], value, np.ones_like(value))
    return Sums(users, sums, lambda total: total[:, 0] / total[:, 1])


def _gain(name: str, rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a relevant item at this rank adds, before it is divided by the best possible sum."""
    if name == "ndcg":
        return np.asarray(1 / np.log2(1 + rank), np.float64)
    return np.asarray(1 / rank, np.float64) if name == "mrr" else np.ones_like(rank)


def _ranks(scores: NDArray[Any], row_P: Ints, item_P: Ints) -> NDArray[np.float64]:
    """Ranks of some items in their rows of `scores`; NaN for an item that is not kept."""
    rows = scores[row_P]
    own = rows[np.arange(len(rows)), item_P][:, None]
    ahead = (rows > own).sum(axis=1)
    ahead += ((rows == own) & (np.arange(rows.shape[1]) < item_P[:, None])).sum(axis=1)
    return np.where(np.isnan(own[:, 0]), np.nan, ahead + 1.0)
