"""The codes of texts that are compared whole: those of a vocabulary, or of the buckets of a hash."""
# B = rows

from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["FIRST", "NULL", "UNKNOWN", "Vocabulary"]

NULL, UNKNOWN, FIRST = 0, 1, 2
"""Codes of a null (and of padding), of a text outside the vocabulary, and of the first known text."""


@dataclass(frozen=True)
class Vocabulary:
    """The texts that have a code of their own; or into how many buckets a hash (CRC-32) puts whatever comes."""

    texts: tuple[str, ...] = ()
    buckets: int = 0
    """Above 0: every text has the code of its bucket, and none is unknown."""

    @property
    def size(self) -> int:
        """Number of codes, null and unknown included."""
        return FIRST + (self.buckets or len(self.texts))

    @cached_property
    def codes(self) -> dict[str | None, int]:
        """Text to code, None to that of null."""
        return {None: NULL, **{text: code for code, text in enumerate(self.texts, FIRST)}}

    @cached_property
    def values(self) -> pa.Array:
        """The texts as Arrow's strings."""
        return pa.array(self.texts, pa.string())

    def encode(self, column: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """Codes of a column of strings, shape (B,)."""
        if self.buckets:
            return self._bucket_codes(column)
        found = pc.index_in(column, value_set=self.values)
        codes = np.asarray(pc.fill_null(found, UNKNOWN - FIRST), np.int64) + FIRST
        codes[np.asarray(pc.is_null(column), bool)] = NULL
        return codes

    def look_up(self, texts: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of texts or None in an object array, shape (B,)."""
        if self.buckets:
            return np.fromiter(map(self._bucket, texts.tolist()), np.int64, len(texts))
        return np.fromiter(map(self.codes.get, texts.tolist(), repeat(UNKNOWN)), np.int64, len(texts))

    def _bucket(self, text: str | None) -> int:
        return NULL if text is None else FIRST + crc32(text.encode()) % self.buckets

    def _bucket_codes(self, column: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        encoded = pc.dictionary_encode(whole)
        own = np.array([self._bucket(text) for text in encoded.dictionary.to_pylist()] + [NULL], np.int64)
        return own[np.asarray(pc.fill_null(encoded.indices, len(own) - 1), np.int64)]
