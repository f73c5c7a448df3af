"""Gradient-boosted trees of a release, run by LightGBM."""
# B = rows, N = numbers, C = categories

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.features.arrays import Array
from sixfold.inference.encoding import Encoder

__all__ = ["TreesScorer", "matrix"]


class TreesScorer:
    """One LightGBM file a head; categories as codes, a list as its length.

    Args:
        folder: Holds `HEAD.txt` for each head.
    """

    def __init__(self, folder: Path, heads: tuple[str, ...], encoder: Encoder, threads: int) -> None:
        import lightgbm

        self.heads, self._encoder, self.threads = heads, encoder, threads
        self.names = encoder.names
        self.boosters = {head: lightgbm.Booster(model_file=str(folder / f"{head}.txt")) for head in heads}

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        return self._run(self.rows(columns, rows))

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        return self._run(self.table_rows(table))

    def rows(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        """What the trees read of B rows (see `matrix`)."""
        return matrix(self._encoder, self._encoder.encode(columns, rows))

    def table_rows(self, table: Any) -> NDArray[np.float32]:
        """What the trees read of every row of an Arrow table."""
        return matrix(self._encoder, self._encoder.encode_table(table))

    def _run(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        return {
            head: np.asarray(booster.predict(rows, num_threads=self.threads), np.float64)
            for head, booster in self.boosters.items()
        }


def matrix(encoder: Encoder, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """The rows of trees, float32 (B, N + C + lists): scaled numbers, category codes (null as NaN), list lengths."""
    categories = arrays["categories"].astype(np.float32)
    categories[arrays["categories"] == 0] = np.nan
    sizes = [(arrays[field.name] != 0).sum(1, keepdims=True).astype(np.float32) for field in encoder.lists]
    return np.concatenate([arrays["numbers"], categories, *sizes], axis=1)
