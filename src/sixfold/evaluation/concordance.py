"""How many other examples agree with each one on order: what Kendall's tau and XAUC count, in O(n log n)."""
# N = examples

import numpy as np
from numpy.typing import NDArray

__all__ = ["concordance"]


def concordance(scores_N: NDArray[np.float64], labels_N: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Compare each example with every other one whose label differs.

    Args:
        scores_N: Shape (N,), finite.
        labels_N: Shape (N,), finite.

    Returns:
        For each example, shape (N,): with how many the scores order as the labels do (equal scores are half),
        and how many there are.
    """
    agree_N = (_agreeing(scores_N, labels_N, ties=1) + _agreeing(scores_N, labels_N, ties=-1)) / 2
    _, label_N, count = np.unique(labels_N, return_inverse=True, return_counts=True)
    return agree_N, (len(labels_N) - count[label_N]).astype(np.float64)


def _agreeing(scores_N: NDArray[np.float64], labels_N: NDArray[np.float64], *, ties: int) -> NDArray[np.float64]:
    """Examples that agree with each one; among equal scores all agree (`ties=1`), or none (`ties=-1`)."""
    n = len(scores_N)
    by_score = np.lexsort((ties * labels_N, scores_N))
    place_N = np.empty(n, np.int64)
    place_N[by_score] = np.arange(n)
    # Equal labels are ranked against the order of the scores, so that none of their pairs agrees.
    by_label = np.lexsort((-place_N, labels_N))
    rank_N = np.empty(n, np.int64)
    rank_N[by_label] = np.arange(n)
    below = np.empty(n, np.int64)
    below[by_score] = _smaller_before(rank_N[by_score])
    above = (n - 1 - rank_N) - (place_N - below)
    return (below + above).astype(np.float64)


def _smaller_before(rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each element of a permutation of 0..N-1, how many elements before it are smaller.

    Goes down the bits as a wavelet tree does (Grossi, Gupta & Vitter, SODA 2003). On each level, elements that share
    the higher bits stand together in their original order; one whose bit is 1 is above those before it whose bit is 0.
    """
    n = len(rank)
    count = np.zeros(n, np.int64)
    now = np.asarray(rank)
    for bit in reversed(range(max(n - 1, 0).bit_length())):
        one = (now >> bit & 1).astype(bool)
        start = now >> (bit + 1) << (bit + 1)  # ranks are a permutation: a group begins where its smallest rank says
        zeros = np.concatenate([[0], np.cumsum(~one)])
        zeros_before = zeros[:-1] - zeros[start]
        count[now[one]] += zeros_before[one]
        ones_before = np.arange(n) - start - zeros_before
        target = np.where(one, start + (1 << bit) + ones_before, start + zeros_before)
        moved = np.empty(n, np.int64)
        moved[target] = now
        now = moved
    return count[rank]
