"""A model in ONNX with what makes its arrays: rows in, its outputs out, however many rows there are."""
# B = rows

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.features.arrays import Array
from sixfold.inference.inputs import Inputs
from sixfold.inference.sessions import session
from sixfold.inference.words import word_vectors

__all__ = ["Graph"]

_AT_ONCE, _TEXTS_AT_ONCE = 8192, 256
"""Rows of a batch; of texts fewer, since each word of each row becomes a vector."""
_LENGTHS = (400, 1600)
"""Characters from which on texts are computed apart from shorter ones: a batch is padded to its longest text."""


class Graph:
    """`NAME.onnx` in a model's folder, whose inputs are arrays as `Inputs` gives them.

    Raises:
        ReleaseDamaged: a file is missing or cannot be read.
    """

    def __init__(self, folder: Path, name: str, read: Inputs, outputs: Sequence[str], threads: int) -> None:
        words = word_vectors(folder, read.encoder.texts, graph=name, threads=threads)
        self._read, self._outputs = replace(read, words=words), list(outputs)
        self.names = read.names
        self._session = session(folder / f"{name}.onnx", threads)
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._at_once = _TEXTS_AT_ONCE if read.few_at_once else _AT_ONCE

    def of(self, columns: Mapping[str, Array], rows: int) -> list[NDArray[Any]]:
        """Its outputs for columns of B rows or of one that stands for all, each with B rows."""
        apart = self._apart(columns, rows) if self._read.few_at_once else []
        if len(apart) < 2:
            return self._run(self._read.of(columns, rows))
        few = [self._run(self._read.of({n: a.take(own) for n, a in columns.items()}, len(own))) for own in apart]
        order = np.argsort(np.concatenate(apart))
        return [np.concatenate(parts)[order] for parts in zip(*few)]

    def of_table(self, table: Any) -> list[NDArray[Any]]:
        """Its outputs for every row of an Arrow table with those columns."""
        if not len(table):
            return [np.empty(0, np.float32) for _ in self._outputs]
        starts = range(0, len(table), self._at_once)
        few = [self._run(self._read.of_table(table.slice(at, self._at_once))) for at in starts]
        return [np.concatenate(parts) for parts in zip(*few)]

    def _apart(self, columns: Mapping[str, Array], rows: int) -> list[NDArray[np.int64]]:
        """Which rows of texts are computed together: not too many, and of like lengths."""
        longest_B = np.zeros(rows, np.int64)
        for name in self._read.texts:
            sizes = [len(text or "") for text in columns[name].to_list()]
            longest_B = np.maximum(longest_B, np.array(sizes, np.int64))
        class_B = np.searchsorted(_LENGTHS, longest_B, "right")
        alike = [np.flatnonzero(class_B == one) for one in np.unique(class_B)]
        return [own[at : at + self._at_once] for own in alike for at in range(0, len(own), self._at_once)]

    def _run(self, arrays: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return list(self._session.run(self._outputs, {name: arrays[name] for name in self._inputs}))
