"""Loops over ranges of sorted values that arrays cannot express: distinct values, most frequent values."""
# B = ranges, V = values, U = different ones

import numpy as np
from numpy.typing import NDArray

from sixfold.features._compiled import compiled
from sixfold.features._finish_kernels import estimate
from sixfold.features.hashing import MAX_ZEROS

__all__ = ["distinct_counts", "first_places", "most_frequent"]

Ints = NDArray[np.int64]


@compiled
def first_places(ascending_E: Ints, low_B: Ints, high_B: Ints, at_B: Ints) -> Ints:
    """See `windows.place`."""
    found_B = np.empty(len(low_B), np.int64)
    for b in range(len(low_B)):
        low, high, at = low_B[b], high_B[b], at_B[b]
        while low < high:
            middle = (low + high) // 2
            if ascending_E[middle] < at:
                low = middle + 1
            else:
                high = middle
        found_B[b] = low
    return found_B


@compiled
def distinct_counts(
    codes_V: Ints, zeros_U: Ints, begin_B: Ints, end_B: Ints, order_B: Ints, size: int
) -> NDArray[np.float64]:
    """How many different codes each range has, or from `size` on the estimate that a `distinct` list gives.

    Args:
        zeros_U: How many zero bits the hash of each code begins with.
        begin_B, end_B: The ranges, in V.
        order_B: An order of the ranges in which neither begins nor ends go back.
    """
    counts_B, times_U, met = np.zeros(len(begin_B)), np.zeros(len(zeros_U), np.int64), np.zeros(MAX_ZEROS + 1, np.int64)
    low, high = 0, 0
    for b in order_B:
        begin, end = begin_B[b], end_B[b]
        while low < min(begin, high):
            code = codes_V[low]
            times_U[code] -= 1
            met[zeros_U[code]] -= times_U[code] == 0
            low += 1
        if low < begin:
            low = high = begin
        while high < end:
            code = codes_V[high]
            met[zeros_U[code]] += times_U[code] == 0
            times_U[code] += 1
            high += 1
        if begin < end:
            counts_B[b] = estimate(met, size)
    return counts_B


@compiled
def most_frequent(values_V: Ints, begin_B: Ints, end_B: Ints, n: int) -> tuple[Ints, Ints]:
    """The n most frequent values of each range, most frequent first; of equally frequent ones the later in V first.

    Returns:
        The values of all ranges one after the other, and where each range's begin, shape (B + 1,).
    """
    longest = 0
    for b in range(len(begin_B)):
        longest = max(longest, end_B[b] - begin_B[b])
    size = 2
    while size < 2 * longest:
        size *= 2
    met, places = np.zeros(size, np.int64), np.zeros(longest, np.int64)
    own, counts = np.zeros(longest, np.int64), np.zeros(longest, np.int64)
    chosen, starts = np.empty(len(begin_B) * min(n, longest), np.int64), np.zeros(len(begin_B) + 1, np.int64)
    to = 0
    for b in range(len(begin_B)):
        different = 0
        for v in range(end_B[b] - 1, begin_B[b] - 1, -1):
            value = values_V[v]
            # The bits of neighbouring floats and codes differ in few places: spread them before the table's mask.
            place = ((value ^ (value >> 32)) * 0x9E3779B1 >> 15) & (size - 1)
            while met[place] != 0 and own[met[place] - 1] != value:
                place = (place + 1) & (size - 1)
            if met[place] == 0:
                own[different], counts[different], places[different] = value, 0, place
                different += 1
                met[place] = different
            counts[met[place] - 1] += 1
        for i in range(different):
            met[places[i]] = 0
        # Few are wanted: pick the best of what is left, the earlier met (the more recent) of equals, n times.
        for _ in range(min(n, different)):
            best = 0
            for i in range(1, different):
                if counts[i] > counts[best]:
                    best = i
            chosen[to] = own[best]
            counts[best] = 0
            to += 1
        starts[b + 1] = to
    return chosen[:to].copy(), starts
