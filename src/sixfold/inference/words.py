"""Vectors of words, computed once: texts to come have most of their words in common with those that were read."""
# W = distinct words of a batch, K = codes of a word, V = numbers of a word's vector

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from sixfold.inference.sessions import session
from sixfold.inference.text import TextCoder

__all__ = ["OUTPUT", "WordVectors", "word_file", "word_vectors"]

OUTPUT = "vectors"
"""The name of the ONNX output."""
_REMEMBERED = 50_000
"""Words; where there are more they are all forgotten, and those that come are computed again."""


def word_file(graph: str, at: int) -> str:
    """The name of the ONNX file that makes vectors of words, in a model's folder, for text number `at` of a graph."""
    return f"{graph}-words-{at}.onnx"


def word_vectors(folder: Path, texts: Sequence[TextCoder], *, graph: str, threads: int) -> "tuple[WordVectors, ...]":
    """What makes the vectors of words of each text that a graph reads.

    Raises:
        ReleaseDamaged: a file is missing or cannot be read.
    """
    return tuple(WordVectors(folder / word_file(graph, at), threads=threads) for at in range(len(texts)))


class WordVectors:
    """Vectors of words by their codes. Threads may share it."""

    def __init__(self, path: Path, *, threads: int, remembered: int = _REMEMBERED) -> None:
        self._session = session(path, threads)
        (made,) = self._session.get_inputs()
        self._input, self._most = made.name, remembered
        self._places: dict[bytes, int] = {}
        self._vectors = np.empty((0, 0), np.float32)
        self._lock = Lock()

    def of(self, grams_WK: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors of words, shape (W, V); the codes as `TextCoder` gives them."""
        codes, width = np.ascontiguousarray(grams_WK).tobytes(), grams_WK.shape[1] * grams_WK.itemsize
        keys = [codes[at : at + width] for at in range(0, len(codes), width)]
        with self._lock:
            new = self._unknown(keys)
            if len(self._places) + len(new) > self._most:
                self._places = {}
                new = self._unknown(keys)
            if new:
                self._remember(list(new), self._computed(grams_WK[list(new.values())]))
            found: NDArray[np.float32] = self._vectors[[self._places[key] for key in keys]]
        return found

    def _unknown(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Where each is first that is not remembered: long words that differ at their ends can have the same codes."""
        found: dict[bytes, int] = {}
        for at, key in enumerate(keys):
            if key not in self._places:
                found.setdefault(key, at)
        return found

    def _computed(self, grams_WK: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(self._session.run([OUTPUT], {self._input: grams_WK})[0], np.float32)

    def _remember(self, keys: Sequence[bytes], vectors_WV: NDArray[np.float32]) -> None:
        first = len(self._places)
        if first + len(keys) > len(self._vectors):
            room = np.empty((max(2 * (first + len(keys)), 1024), vectors_WV.shape[1]), np.float32)
            room[:first] = self._vectors[:first] if first else 0.0
            self._vectors = room
        self._vectors[first : first + len(keys)] = vectors_WV
        self._places |= {key: first + at for at, key in enumerate(keys)}
