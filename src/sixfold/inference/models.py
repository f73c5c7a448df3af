"""Models of a release: ONNX Runtime and LightGBM behind two small interfaces."""
# B = rows, Q = queries, I = items, D = embedding width

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.errors import ReleaseDamaged
from sixfold.features.arrays import Array
from sixfold.inference.correction import Correction
from sixfold.inference.encoding import Encoder
from sixfold.inference.inputs import Inputs
from sixfold.inference.leaves import LEAVES, LeafCodes, leaf_folder
from sixfold.inference.sessions import session
from sixfold.inference.trees import TreesScorer
from sixfold.inference.vectors import Vectors
from sixfold.inference.words import word_vectors

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
_AT_ONCE, _TEXTS_AT_ONCE = 8192, 256
"""Rows of a batch; of texts fewer, since each word of each row becomes a vector."""
_LENGTHS = (400, 1600)
"""Characters from which on texts are computed apart from shorter ones: a batch is padded to its longest text."""
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
        read = read_inputs(folder, card, threads=threads, kept=kept)
        self._read = replace(read, words=word_vectors(folder, read.encoder.texts, threads=threads))
        self.names = self._read.names
        self._session = session(folder / "model.onnx", threads)
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._at_once = _TEXTS_AT_ONCE if self._read.few_at_once else _AT_ONCE

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        apart = self._apart(columns, rows) if self._read.few_at_once else []
        if len(apart) > 1:
            few = [self._score({n: a.take(own) for n, a in columns.items()}, len(own)) for own in apart]
            order = np.argsort(np.concatenate(apart))
            return {head: found[order] for head, found in self._joined(few).items()}
        return self._score(columns, rows)

    def _apart(self, columns: Mapping[str, Array], rows: int) -> list[NDArray[np.int64]]:
        """Which rows of texts are computed together: not too many, and of like lengths."""
        longest_B = np.zeros(rows, np.int64)
        for name in self._read.texts:
            sizes = [len(text or "") for text in columns[name].to_list()]
            longest_B = np.maximum(longest_B, np.array(sizes, np.int64))
        class_B = np.searchsorted(_LENGTHS, longest_B, "right")
        alike = [np.flatnonzero(class_B == one) for one in np.unique(class_B)]
        return [own[at : at + self._at_once] for own in alike for at in range(0, len(own), self._at_once)]

    def _score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        return self._run(self._read.of(columns, rows))

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        slices = (table.slice(at, self._at_once) for at in range(0, len(table), self._at_once))
        return self._joined([self._run(self._read.of_table(part)) for part in slices])

    def _joined(self, parts: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
        return {head: np.concatenate([np.empty(0), *(part[head] for part in parts)]) for head in self.heads}

    def _run(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
        outputs = self._session.run(list(self.heads), {name: arrays[name] for name in self._inputs})
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

    def __init__(self, folder: Path, card: Card, threads: int) -> None:
        self.encoders = card.encoders
        self._sessions = {side: session(folder / f"{side}.onnx", threads) for side in ("query", "item")}

    def query(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        """Vectors of queries, shape (Q, D)."""
        return self._run("query", self.encoders["query"].encode(columns, rows))

    def item(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        """Vectors of items, shape (I, D)."""
        return self._run("item", self.encoders["item"].encode(columns, rows))

    def table(self, side: str, table: Any) -> NDArray[np.float32]:
        """Vectors of one side (`query` or `item`) for every row of an Arrow table."""
        encoder = self.encoders[side]
        parts = [self._run(side, encoder.encode_table(table.slice(at, 8192))) for at in range(0, len(table), 8192)]
        return np.concatenate(parts)

    def _run(self, side: str, arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        session = self._sessions[side]
        out = session.run(["vector"], {i.name: arrays[i.name] for i in session.get_inputs()})[0]
        return np.asarray(out, np.float32)


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
                return Towers(folder, card, threads)
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


def read_inputs(folder: Path, card: Card, *, threads: int = 1, kept: Path | None = None) -> Inputs:
    """What makes the arrays that the network in a folder reads."""
    leaves = {name + LEAVES: load_leaves(leaf_folder(folder, name), threads=threads) for name in card.leaves}
    encoder = card.encoders["inputs"]
    return Inputs(encoder, leaves, Vectors(folder, encoder.vectors, threads=threads, kept=kept))


def load_leaves(folder: Path, *, threads: int = 1) -> LeafCodes:
    """The leaves of the trees that training exported to a folder."""
    card = read_card(folder)
    return LeafCodes(TreesScorer(folder, card.heads, card.encoders["inputs"], threads))
