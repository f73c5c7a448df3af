"""Loops that find which keys the rows of a relation lead to, without a row for every pair."""
# B = points: rows with one rest of a key each, K = keys, U = rests, F = far keys, M = pairs, R = reads

import numpy as np
from numpy.typing import NDArray

from sixfold.features._compiled import compiled

__all__ = ["grouped", "reads_by_key"]

Ints = NDArray[np.int64]


@compiled
def grouped(code_B: Ints, size: int) -> Ints:
    """The places in the order of their codes, which are below `size`; equal ones stay in theirs."""
    starts = np.zeros(size + 1, np.int64)
    for code in code_B:
        starts[code + 1] += 1
    starts = np.cumsum(starts)
    order_B = np.empty(len(code_B), np.int64)
    for b in range(len(code_B)):
        order_B[starts[code_B[b]]] = b
        starts[code_B[b]] += 1
    return order_B


@compiled
def reads_by_key(
    far_K: Ints, keys_U: Ints, points_U: Ints, begin_B: Ints, end_B: Ints, far_M: Ints, size: int
) -> tuple[Ints, Ints]:
    """Which points read each key that exists.

    Args:
        far_K: The far key of each key, by their rests.
        keys_U, points_U: Where the keys, and the points, of each rest begin: shape (U + 1,).
        begin_B, end_B: The pairs of each point, in M.
        far_M: The far key of each pair.
        size: F, how many far keys there are.

    Returns:
        The points that read each key one after the other, shape (R,), those of a key in their own order; and where
        each key's begin, shape (K + 1,).
    """
    key_F = np.full(size, -1, np.int64)
    starts_K = np.zeros(len(far_K) + 1, np.int64)
    point_R, next_K = np.empty(0, np.int64), np.empty(0, np.int64)
    for filling in range(2):
        if filling:
            for key in range(len(far_K)):
                starts_K[key + 1] += starts_K[key]
            point_R, next_K = np.empty(starts_K[-1], np.int64), starts_K[:-1].copy()
        for u in range(len(keys_U) - 1):
            for key in range(keys_U[u], keys_U[u + 1]):
                key_F[far_K[key]] = key
            for b in range(points_U[u], points_U[u + 1]):
                for m in range(begin_B[b], end_B[b]):
                    key = key_F[far_M[m]]
                    if key < 0:
                        continue
                    if filling:
                        point_R[next_K[key]] = b
                        next_K[key] += 1
                    else:
                        starts_K[key + 1] += 1
            for key in range(keys_U[u], keys_U[u + 1]):
                key_F[far_K[key]] = -1
    return point_R, starts_K
