"""Which leaf of each tree a row reaches, as codes that a network embeds (He et al., ADKDD 2014)."""
# B = rows, T = trees of all heads

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.features.arrays import Array
from sixfold.inference.trees import TreesScorer
from sixfold.inference.vocabularies import FIRST

__all__ = ["LEAVES", "LeafCodes", "leaf_folder"]

LEAVES = ".leaves"
"""Behind the name of a model of trees: the input that is made of its leaves."""


class LeafCodes:
    """The leaves of an exported model of trees.

    Args:
        trees: As `inference.trees` runs it.
    """

    def __init__(self, trees: TreesScorer) -> None:
        self._trees = trees
        counts = [tree["num_leaves"] for b in trees.boosters.values() for tree in b.dump_model()["tree_info"]]
        self.trees = len(counts)
        """T."""
        self._starts = FIRST + np.cumsum([0, *counts])[:-1]
        self.codes = FIRST + sum(counts)
        """How many codes there are; those of null and unknown stand for none."""

    @property
    def names(self) -> frozenset[str]:
        """Canonical names of the columns that the trees read."""
        return self._trees.names

    def of(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.int64]:
        """Codes of B rows, shape (B, T)."""
        return self._reached(self._trees.rows(columns, rows))

    def of_table(self, table: Any) -> NDArray[np.int64]:
        """Codes of every row of an Arrow table, shape (B, T)."""
        return self._reached(self._trees.table_rows(table))

    def _reached(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        found = [
            np.asarray(booster.predict(rows, pred_leaf=True, num_threads=self._trees.threads)).reshape(len(rows), -1)
            for booster in self._trees.boosters.values()
        ]
        return np.asarray(np.concatenate(found, axis=1) + self._starts, np.int64)


def leaf_folder(folder: Path, trees: str) -> Path:
    """Where a network keeps the trees whose leaves it reads."""
    return folder / f"trees-{trees}"
