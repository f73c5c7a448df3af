"""Columns that become vectors: what prepares a value, and an ONNX file that makes a vector of it.

A text read by a frozen transformer and an image read by an encoder are the same here. Where there is no file, the
network itself reads what was prepared: a transformer that was tuned is a part of it.
"""
# B = values, D = width of a vector

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.inference.kept import KeptVectors
from sixfold.inference.preparing import Pixels, Tokens, preparing
from sixfold.inference.sessions import session

__all__ = ["TOKENS", "VECTOR", "VectorField", "Vectors", "vectors_of"]

VECTOR, TOKENS = ":vector", ":tokens"
"""What the name of the array begins its end with: of an encoder's vectors, of what the network itself reads."""

_AT_ONCE = 4096
"""Numbers that go through a transformer together: rows times the longest's tokens."""


class VectorField(msgspec.Struct, frozen=True):
    """One column read by one encoder."""

    name: str
    """Canonical name of the column."""
    array: str
    """Name of the array that the network reads."""
    source: str
    """As the design names the encoder."""
    prepare: Tokens | Pixels
    width: int
    """D."""
    file: str | None = None
    """The ONNX file in the model's folder; None: the network reads what was prepared."""


class Vectors:
    """The encoders of one model, ready to run.

    Args:
        kept: A folder where a run keeps vectors, since it asks for the same ones again and again. A server does not.
    """

    def __init__(
        self, folder: Path, fields: Sequence[VectorField], *, threads: int = 1, kept: Path | None = None
    ) -> None:
        self.fields = tuple(fields)
        self._readers = [_Reader(folder, field, threads, kept) for field in fields]

    @property
    def names(self) -> frozenset[str]:
        """Canonical names of the columns that are read."""
        return frozenset(field.name for field in self.fields)

    def of(self, values: Mapping[str, Sequence[str | None]]) -> dict[str, NDArray[Any]]:
        """Arrays of B values of each column.

        Returns:
            float32 (B, D + 1) of an encoder: the vector, and a 1 behind the zeros of a null; or int64 (B, L), the
            tokens that the network reads, of a null those of an empty text.
        """
        return {one.field.array: one.of(values[one.field.name]) for one in self._readers}

    def tokens_of(self, values: Mapping[str, Sequence[str | None]]) -> dict[str, NDArray[Any]]:
        """As `of`, of those alone that the network itself reads."""
        own = [one for one in self._readers if one.field.file is None]
        return {one.field.array: one.of(values[one.field.name]) for one in own}


class _Reader:
    def __init__(self, folder: Path, field: VectorField, threads: int, kept: Path | None) -> None:
        self.field = field
        self._prepare = preparing(folder, field.prepare)
        self._session = None if field.file is None else session(folder / field.file, threads)
        self._kept = None
        if field.file is not None and kept is not None:
            encoder = blake2b((folder / field.file).read_bytes() + msgspec.json.encode(field.prepare), digest_size=8)
            self._kept = KeptVectors(kept / f"{encoder.hexdigest()}.vectors", field.width)

    def of(self, values: Sequence[str | None]) -> NDArray[Any]:
        if self._session is None:
            return self._prepare.stack(self._prepare.prepare([value or "" for value in values]))
        places: dict[str, int] = {}
        at_B = [-1 if value is None else places.setdefault(value, len(places)) for value in values]
        distinct = np.zeros((len(places) + 1, self.field.width + 1), np.float32)
        distinct[-1, -1] = 1.0
        asked = list(places)
        distinct[:-1, :-1] = self._computed(asked) if self._kept is None else self._kept.of(asked, self._computed)
        return distinct[at_B]

    def _computed(self, values: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, shape (B, D)."""
        out = np.empty((len(values), self.field.width), np.float32)
        for start in range(0, len(values), self._prepare.at_once):
            arrays = self._prepare.prepare(values[start : start + self._prepare.at_once])
            for own in _batches([len(one) for one in arrays]):
                batch = self._prepare.stack([arrays[at] for at in own])
                out[[start + at for at in own]] = vectors_of(self._session, batch)
        return out


def vectors_of(session: Any, batch: NDArray[Any]) -> NDArray[np.float32]:
    """What an encoder's session makes of a batch, shape (B, D)."""
    return np.asarray(session.run(None, {session.get_inputs()[0].name: batch})[0], np.float32)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Positions in batches of like lengths, so that little is computed of what stands behind a text's end."""
    found: list[list[int]] = []
    for at in np.argsort(np.array(lengths), kind="stable").tolist():
        if not found or (len(found[-1]) + 1) * lengths[at] > _AT_ONCE:
            found.append([])
        found[-1].append(at)
    return found
