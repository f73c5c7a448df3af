"""All arrays that a network reads of rows: what its encoder gives, the leaves of trees, vectors."""
# B = rows

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.features.arrays import Array
from sixfold.inference.encoding import Encoder
from sixfold.inference.leaves import LeafCodes
from sixfold.inference.text import GRAMS, WORD_VECTORS
from sixfold.inference.vectors import Vectors
from sixfold.inference.words import WordVectors

__all__ = ["Inputs"]


@dataclass(frozen=True)
class Inputs:
    """What makes the arrays of one network."""

    encoder: Encoder
    leaves: Mapping[str, LeafCodes] = field(default_factory=dict)
    """By the name of the array."""
    vectors: Vectors = field(default_factory=lambda: Vectors(Path(), ()))
    words: tuple[WordVectors, ...] = ()
    """Of each text, for an exported network; while training a network learns what words are."""

    @property
    def names(self) -> frozenset[str]:
        """Canonical names of the columns that are read."""
        return self.encoder.names.union(self.vectors.names, *(leaves.names for leaves in self.leaves.values()))

    @property
    def texts(self) -> list[str]:
        """Canonical names of the texts of which the network itself reads every word."""
        tokens = (field.name for field in self.vectors.fields if field.file is None)
        return [*(coder.name for coder in self.encoder.texts), *tokens]

    @property
    def few_at_once(self) -> bool:
        """Whether a row takes much memory: each word of a text becomes a vector."""
        return bool(self.encoder.texts or self.vectors.fields)

    def of(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[Any]]:
        """Arrays of columns of B rows or of one that stands for all."""
        found = self.vectors.of({name: columns[name].to_list() for name in self.vectors.names})
        return {
            **self._worded(self.encoder.encode(columns, rows)),
            **{name: own.of(columns, rows) for name, own in self.leaves.items()},
            **{name: array if len(array) == rows else np.repeat(array, rows, 0) for name, array in found.items()},
        }

    def of_table(self, table: Any) -> dict[str, NDArray[Any]]:
        """Arrays of every row of an Arrow table."""
        return {
            **self._worded(self.encoder.encode_table(table)),
            **{name: own.of_table(table) for name, own in self.leaves.items()},
            **self.vectors.of({name: table[name].to_pylist() for name in self.vectors.names}),
        }

    def _worded(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The arrays with vectors of words in place of their codes, where they are known."""
        for coder, words in zip(self.encoder.texts, self.words):
            arrays[coder.name + WORD_VECTORS] = words.of(arrays.pop(coder.name + GRAMS))
        return arrays
