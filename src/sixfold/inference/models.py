"""Models of a release: ONNX Runtime and LightGBM behind two small interfaces."""
# B = rows, Q = queries, I = items, D = embedding width

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.errors import ReleaseDamaged
from sixfold.features.arrays import Array
from sixfold.inference.correction import Correction
from sixfold.inference.encoding import Encoder
from sixfold.inference.graphs import Graph
from sixfold.inference.inputs import Inputs
from sixfold.inference.leaves import LEAVES, LeafCodes, leaf_folder
from sixfold.inference.trees import TreesScorer
from sixfold.inference.vectors import Vectors

__all__ = [
    "Card",
    "Corrected",
    "NetworkScorer",
    "Scorer",
    "Towers",
    "load",
    "load_leaves",
    "read_card",
    "read_inputs",
    "write_card",
]

_CARD = "model.json"
_SMALLEST = 1e-12


class Card(msgspec.Struct, frozen=True):
    """What `model.json` in a model's folder says: how to run the files beside it."""

    type: str
    """`network`, `trees` or `two_tower`."""
    heads: tuple[str, ...] = ()
    """Names of the labels that it predicts."""
    encoders: dict[str, Encoder] = {}
    """`inputs` of a network or of trees; `query` and `item` of two towers."""
    corrections: dict[str, Correction] = {}
    """What is done to the scores of a head; nothing where it is not named."""
    exclusive: tuple[tuple[str, ...], ...] = ()
    """Scores that are the probabilities of one label's classes: corrected, they are made to sum to 1 again."""
    leaves: tuple[str, ...] = ()
    """Models of trees, in folders beside the network, whose leaves it reads."""


class Scorer(Protocol):
    """Scores rows: one number for each head."""

    heads: tuple[str, ...]
    names: frozenset[str]
    """Canonical names of the columns that it reads."""

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        """Predictions by head, each of shape (B,); columns have B rows or one that stands for all."""

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        """Predictions for every row of an Arrow table with those columns."""


class NetworkScorer:
    """A neural network in ONNX: inputs as `Encoder` gives them, one output (B,) a head, named as the head."""

    def __init__(self, folder: Path, card: Card, threads: int, kept: Path | None) -> None:
        self.heads = card.heads
        self._graph = Graph(folder, "model", read_inputs(folder, card, threads=threads, kept=kept), self.heads, threads)
        self.names = self._graph.names

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        return self._by_head(self._graph.of(columns, rows))

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        return self._by_head(self._graph.of_table(table))

    def _by_head(self, outputs: Sequence[NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
        return {head: np.asarray(out, np.float64).reshape(-1) for head, out in zip(self.heads, outputs)}


class Corrected:
    """A model whose scores are made probabilities (see `inference.correction`)."""

    def __init__(
        self, scorer: Scorer, corrections: Mapping[str, Correction], exclusive: Sequence[Sequence[str]] = ()
    ) -> None:
        self.heads, self.names = scorer.heads, scorer.names
        self._scorer, self._corrections = scorer, corrections
        self._exclusive = [own for own in exclusive if any(name in corrections for name in own)]

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        return self._corrected(self._scorer.score(columns, rows))

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        return self._corrected(self._scorer.score_table(table))

    def _corrected(self, scores: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        found = {
            head: self._corrections[head].apply(s) if head in self._corrections else s for head, s in scores.items()
        }
        for own in self._exclusive:
            total_B = np.maximum(sum(found[name] for name in own), _SMALLEST)
            found |= {name: found[name] / total_B for name in own}
        return found


class Towers:
    """Two towers in ONNX whose inner product orders items."""

    def __init__(self, folder: Path, card: Card, threads: int, kept: Path | None = None) -> None:
        read = {side: read_inputs(folder, card, side, threads=threads, kept=kept) for side in ("query", "item")}
        self._graphs = {side: Graph(folder, side, own, ["vector"], threads) for side, own in read.items()}

    def names(self, side: str) -> frozenset[str]:
        """Canonical names of the columns that one side (`query` or `item`) reads."""
        return self._graphs[side].names

    def query(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        """Vectors of queries, shape (Q, D)."""
        return np.asarray(self._graphs["query"].of(columns, rows)[0], np.float32)

    def item(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        """Vectors of items, shape (I, D)."""
        return np.asarray(self._graphs["item"].of(columns, rows)[0], np.float32)

    def table(self, side: str, table: Any) -> NDArray[np.float32]:
        """Vectors of one side for every row of an Arrow table."""
        return np.asarray(self._graphs[side].of_table(table)[0], np.float32)


def load(folder: Path, *, threads: int = 1, kept: Path | None = None) -> Scorer | Towers:
    """The model in a folder that training exported.

    Args:
        kept: A folder where a run keeps what encoders made of texts and images (see `inference.vectors`).

    Raises:
        ReleaseDamaged: a file is missing or cannot be read.
    """
    card = read_card(folder)
    scorer: Scorer
    try:
        match card.type:
            case "two_tower":
                return Towers(folder, card, threads, kept)
            case "trees":
                scorer = TreesScorer(folder, card.heads, card.encoders["inputs"], threads)
            case "network":
                scorer = NetworkScorer(folder, card, threads, kept)
            case other:
                raise ReleaseDamaged(path=str(folder / _CARD), reason=f"there is no model of type {other!r}")
    except (OSError, KeyError) as error:
        raise ReleaseDamaged(path=str(folder), reason=str(error)) from error
    return Corrected(scorer, card.corrections, card.exclusive) if card.corrections else scorer


def read_card(folder: Path) -> Card:
    """What `model.json` says.

    Raises:
        ReleaseDamaged: it is missing or cannot be read.
    """
    try:
        return msgspec.json.decode((folder / _CARD).read_bytes(), type=Card)
    except (OSError, msgspec.DecodeError) as error:
        raise ReleaseDamaged(path=str(folder), reason=str(error)) from error


def write_card(folder: Path, card: Card) -> None:
    """Write `model.json`."""
    (folder / _CARD).write_bytes(msgspec.json.encode(card))


def read_inputs(
    folder: Path, card: Card, side: str = "inputs", *, threads: int = 1, kept: Path | None = None
) -> Inputs:
    """What makes the arrays that the network in a folder reads, or one side of its towers."""
    leaves = {name + LEAVES: load_leaves(leaf_folder(folder, name), threads=threads) for name in card.leaves}
    encoder = card.encoders[side]
    return Inputs(encoder, leaves, Vectors(folder, encoder.vectors, threads=threads, kept=kept))


def load_leaves(folder: Path, *, threads: int = 1) -> LeafCodes:
    """The leaves of the trees that training exported to a folder."""
    card = read_card(folder)
    return LeafCodes(TreesScorer(folder, card.heads, card.encoders["inputs"], threads))
