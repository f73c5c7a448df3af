"""Vectors that a run keeps, so that no text or image is computed twice, however often its models are changed."""
# B = values, D = width

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["KeptVectors"]

_HASH_BYTES, _AT_ONCE = 16, 4096

Floats = NDArray[np.float32]


class KeptVectors:
    """A file of vectors by a hash of the value; what cannot be read of it is computed again.

    It lies among the files of a run's steps, which go when a key is erased.
    """

    def __init__(self, path: Path, width: int) -> None:
        self._path = path
        self._row = np.dtype([("hash", f"V{_HASH_BYTES}"), ("vector", "<f4", (width,))])
        size = path.stat().st_size // self._row.itemsize if path.is_file() else 0
        self._vectors = np.empty((0, width), np.float32)
        self._at: dict[bytes, int] = {}
        if size:
            rows = np.fromfile(path, self._row, size)
            self._vectors = rows["vector"]
            self._at = {one.tobytes(): at for at, one in enumerate(rows["hash"])}

    def of(self, values: Sequence[str], compute: Callable[[Sequence[str]], Floats]) -> Floats:
        """Vectors of values that differ, shape (B, D)."""
        hashes = [blake2b(one.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest() for one in values]
        new = [at for at, one in enumerate(hashes) if one not in self._at]
        for start in range(0, len(new), _AT_ONCE):  # a run that is cut off has lost little
            own = new[start : start + _AT_ONCE]
            self._add([hashes[at] for at in own], compute([values[at] for at in own]))
        return self._vectors[[self._at[one] for one in hashes]]

    def _add(self, hashes: Sequence[bytes], vectors: Floats) -> None:
        self._at |= {one: at for at, one in enumerate(hashes, len(self._vectors))}
        self._vectors = np.concatenate([self._vectors, vectors])
        rows = np.zeros(len(hashes), self._row)
        rows["hash"] = np.frombuffer(b"".join(hashes), f"V{_HASH_BYTES}")
        rows["vector"] = vectors
        with self._path.open("ab") as file:
            # Behind a row that was cut off nothing could be read.
            file.truncate(file.tell() - file.tell() % self._row.itemsize)
            file.write(rows.tobytes())
