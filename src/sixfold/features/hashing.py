"""64-bit hashes of values that never change: those of `distinct`, in batch, stream and serving."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_ZEROS", "hash_numbers", "hash_texts", "leading_zeros"]

MAX_ZEROS = 40
"""More leading zeros than these are not told apart."""


def hash_texts(texts: Sequence[str]) -> NDArray[np.int64]:
    """A hash of each text's UTF-8 (BLAKE2b)."""
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<i8").astype(np.int64)


def hash_numbers(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """A hash of each number, flag or time: the finalizer of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).

    Flags count as 0 and 1, and -0.0 as 0.0.
    """
    if numbers.dtype == np.float64:
        numbers = (numbers + 0.0).view(np.uint64)
    x = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))).view(np.int64)


def leading_zeros(hashes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many zero bits each hash begins with, at most `MAX_ZEROS`.

    >>> leading_zeros(np.array([-1, 2**63 - 1, 1, 0])).tolist()
    [0, 1, 40, 40]
    """
    top = hashes.view(np.uint64) >> np.uint64(64 - MAX_ZEROS)
    # Below 2**40 the float is exact, and its exponent counts the bits.
    return MAX_ZEROS - np.frexp(top.astype(np.float64))[1].astype(np.int64)
