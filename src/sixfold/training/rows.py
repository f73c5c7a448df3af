"""Encoded rows as tensors, of which batches are taken."""
# B = rows of a batch, R = all rows, W = distinct words

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor

from sixfold.inference.inputs import Inputs
from sixfold.inference.text import GRAMS, PAIRS, WORDS
from sixfold.inference.vectors import TOKENS
from sixfold.training.loop import tensors

__all__ = ["Rows", "encoded", "sample_of"]

_AT_ONCE, _TEXTS_AT_ONCE, _TOKENS_AT_ONCE = 8192, 512, 64


class Rows:
    """Arrays of R rows, codes of leaves and texts in 32 bits.

    Args:
        arrays: As `encoded` gives them.
        kept_R: Which row of an array is each row's own, by the array's name (of a text its words'); where an array is
            not named it has R rows.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], kept_R: Mapping[str, NDArray[np.int64]] | None = None):
        self._arrays, self._kept_R = tensors(dict(arrays)), tensors(dict(kept_R or {}))
        self._texts = [name.removesuffix(GRAMS) for name in arrays if name.endswith(GRAMS)]
        tuned = any(TOKENS in name for name in arrays)
        self.at_once = _TOKENS_AT_ONCE if tuned else _TEXTS_AT_ONCE if self._texts else _AT_ONCE
        """How many rows to take where no gradients are wanted."""

    @staticmethod
    def repeating(inputs: Inputs, table: pa.Table) -> "Rows":
        """Rows of a table in which texts come again and again: each of them is read once and kept once."""
        coders = inputs.encoder.texts
        names = {*(coder.name for coder in coders), *inputs.vectors.names}
        distinct = {name: _distinct(table[name].combine_chunks()) for name in names}
        arrays = inputs.vectors.of({name: distinct[name][0] for name in inputs.vectors.names})
        kept_R = {field.array: distinct[field.name][1] for field in inputs.vectors.fields}
        kept_R |= {coder.name + WORDS: distinct[coder.name][1] for coder in coders}
        for coder in coders:
            found = coder.encode(distinct[coder.name][0])
            arrays |= {name: array.astype(np.int32) for name, array in found.items()}
        plain = Inputs(replace(inputs.encoder, texts=()), inputs.leaves)
        return Rows({**encoded(plain, table), **arrays}, kept_R)

    def replace(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take other arrays for some columns, such as texts in disguise."""
        self._arrays |= tensors(dict(arrays))

    def take(self, rows_B: Tensor) -> dict[str, Tensor]:
        """The arrays of some rows; texts cut to the longest among them, and to their distinct words."""
        read = {name + part for name in self._texts for part in (WORDS, PAIRS, GRAMS)}
        batch = {name: array[self._of(name, rows_B)] for name, array in self._arrays.items() if name not in read}
        for name in (name for name in batch if TOKENS in name):
            batch[name] = batch[name][:, : max(1, int((batch[name] > 0).sum(1).max()))]
        for name in self._texts:
            batch |= self._text(name, self._of(name + WORDS, rows_B))
        return {n: a.long() if a.dtype == torch.int32 else a for n, a in batch.items()}

    def _of(self, name: str, rows_B: Tensor) -> Tensor:
        return self._kept_R[name][rows_B] if name in self._kept_R else rows_B

    def _text(self, name: str, rows_B: Tensor) -> dict[str, Tensor]:
        words_BL, pairs_BL = self._arrays[name + WORDS][rows_B], self._arrays[name + PAIRS][rows_B]
        length = max(1, int((words_BL > 0).sum(1).max()))
        # Nothing keeps its place at the front.
        flat = torch.cat([words_BL.new_zeros(1), words_BL[:, :length].flatten()])
        distinct_W, place = torch.unique(flat, return_inverse=True)
        return {
            name + WORDS: place[1:].view(-1, length),
            name + PAIRS: pairs_BL[:, :length],
            name + GRAMS: self._arrays[name + GRAMS][distinct_W.long()],
        }


def encoded(inputs: Inputs, table: pa.Table) -> dict[str, NDArray[Any]]:
    """All arrays that a network reads of a table; codes of leaves and of texts in 32 bits."""
    arrays = inputs.of_table(table)
    short = {name for name in arrays if name.endswith((WORDS, PAIRS, GRAMS)) or TOKENS in name} | set(inputs.leaves)
    return {name: array.astype(np.int32) if name in short else array for name, array in arrays.items()}


def sample_of(inputs: Inputs, few: pa.Table) -> dict[str, NDArray[Any]]:
    """All arrays that a network reads of a few rows, as an exported one does: codes in 64 bits.

    Texts have two words or more, as if padded: an export takes a length of one for a length that never changes.
    """
    arrays = encoded(inputs, few)
    for name, own in arrays.items():
        if name.endswith((WORDS, PAIRS, GRAMS)):
            short = [max(0, 2 - own.shape[0]) if name.endswith(GRAMS) else 0, max(0, 2 - own.shape[1])]
            arrays[name] = np.pad(own, [(0, more) for more in short])
    return {name: own.astype(np.int64) if own.dtype == np.int32 else own for name, own in arrays.items()}


def _distinct(column: pa.Array) -> tuple[list[str | None], NDArray[np.int64]]:
    """The values of a column, each once and a null behind them, and which of them each row has."""
    told = pc.dictionary_encode(column)
    values = [*told.dictionary.to_pylist(), None]
    return values, np.asarray(pc.fill_null(told.indices, len(values) - 1), np.int64)
