"""Models of a release: ONNX Runtime and LightGBM behind two small interfaces."""
# B = rows, Q = queries, I = items, D = embedding width

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.errors import ReleaseDamaged
from sixfold.features.arrays import Array
from sixfold.inference.encoding import Encoder

__all__ = ["Card", "NetworkScorer", "Scorer", "Towers", "TreesScorer", "load", "matrix", "write_card"]


class Card(msgspec.Struct, frozen=True):
    """What `model.json` in a model's folder says: how to run the files beside it."""

    type: str
    """`network`, `trees` or `two_tower`."""
    heads: tuple[str, ...] = ()
    """Names of the labels that it predicts."""
    encoders: dict[str, Encoder] = {}
    """`inputs` of a network or of trees; `query` and `item` of two towers."""


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

    def __init__(self, folder: Path, card: Card, threads: int) -> None:
        self.heads, self._encoder = card.heads, card.encoders["inputs"]
        self.names = self._encoder.names
        self._session = _session(folder / "model.onnx", threads)
        self._inputs = [i.name for i in self._session.get_inputs()]

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        return self._run(self._encoder.encode(columns, rows))

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        parts = [self._run(self._encoder.encode_table(table.slice(at, 8192))) for at in range(0, len(table), 8192)]
        return {head: np.concatenate([part[head] for part in parts]) for head in self.heads}

    def _run(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
        outputs = self._session.run(list(self.heads), {name: arrays[name] for name in self._inputs})
        return {head: np.asarray(out, np.float64).reshape(-1) for head, out in zip(self.heads, outputs)}


class TreesScorer:
    """Gradient-boosted trees: one LightGBM file a head; categories as codes, a list as its length."""

    def __init__(self, folder: Path, card: Card, threads: int) -> None:
        import lightgbm

        self.heads, self._encoder, self._threads = card.heads, card.encoders["inputs"], threads
        self.names = self._encoder.names
        self._boosters = {head: lightgbm.Booster(model_file=str(folder / f"{head}.txt")) for head in card.heads}

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        return self._run(matrix(self._encoder, self._encoder.encode(columns, rows)))

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        return self._run(matrix(self._encoder, self._encoder.encode_table(table)))

    def _run(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        return {
            head: np.asarray(booster.predict(rows, num_threads=self._threads), np.float64)
            for head, booster in self._boosters.items()
        }


class Towers:
    """Two towers in ONNX whose inner product orders items."""

    def __init__(self, folder: Path, card: Card, threads: int) -> None:
        self.encoders = card.encoders
        self._sessions = {side: _session(folder / f"{side}.onnx", threads) for side in ("query", "item")}

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


def load(folder: Path, *, threads: int = 1) -> Scorer | Towers:
    """The model in a folder that training exported.

    Raises:
        ReleaseDamaged: a file is missing or cannot be read.
    """
    try:
        card = msgspec.json.decode((folder / "model.json").read_bytes(), type=Card)
        kinds: dict[str, type[NetworkScorer] | type[TreesScorer] | type[Towers]] = {
            "network": NetworkScorer,
            "trees": TreesScorer,
            "two_tower": Towers,
        }
        return kinds[card.type](folder, card, threads)
    except (OSError, KeyError, msgspec.DecodeError) as error:
        raise ReleaseDamaged(path=str(folder), reason=str(error)) from error


def write_card(folder: Path, card: Card) -> None:
    """Write `model.json`."""
    (folder / "model.json").write_bytes(msgspec.json.encode(card))


def matrix(encoder: Encoder, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """The rows of trees, float32 (B, N + C + lists): scaled numbers, category codes (null as NaN), list lengths."""
    categories = arrays["categories"].astype(np.float32)
    categories[arrays["categories"] == 0] = np.nan
    sizes = [(arrays[field.name] != 0).sum(1, keepdims=True).astype(np.float32) for field in encoder.lists]
    return np.concatenate([arrays["numbers"], categories, *sizes], axis=1)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:
        raise ReleaseDamaged(path=str(path), reason=str(error).splitlines()[0]) from error
