"""From a text or an image to the one array that an encoder reads: tokens, or pixels."""
# L = tokens of a text, H = height, W = width

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sixfold.data.images import can_read, opened
from sixfold.errors import LibraryMissing, ReleaseDamaged
from sixfold.inference.text import normalised

__all__ = ["Pixels", "Preparing", "Tokens", "preparing"]

_CHARACTERS = 20
"""Of each end of a text so many a token are looked at: a token is a few characters."""


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """Texts become int64 (B, L): the token's number and one, 0 behind a text's end."""

    file: str
    """The tokenizer's, in the model's folder."""
    longest: int
    """Tokens at most, those that frame a text included; of a longer text the first and the last half."""
    normalise: bool


class Pixels(msgspec.Struct, frozen=True, tag="pixels"):
    """Images become float32 (B, 3, H, W), or (B, H, W, 3)."""

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: Literal["first", "last"]


class Preparing(Protocol):
    """What a `Tokens` or a `Pixels` says, ready to run."""

    at_once: int
    """So many values are prepared together."""

    def prepare(self, values: Sequence[str]) -> list[NDArray[Any]]:
        """An array a value; those of texts differ in length."""

    def stack(self, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """A batch of them."""


def preparing(folder: Path, said: Tokens | Pixels) -> Preparing:
    """What prepares values; a tokenizer is read from the model's folder.

    Raises:
        LibraryMissing: the library that reads texts or images is not installed.
        ReleaseDamaged: the tokenizer is missing or cannot be read.
    """
    if isinstance(said, Tokens) and find_spec("tokenizers") is None:
        raise LibraryMissing(where=str(folder), part="Transformer", library="tokenizers", extra="text")
    if isinstance(said, Pixels) and not can_read():
        raise LibraryMissing(where=str(folder), part="OnnxImage", library="pillow", extra="image")
    return _Tokenizing(folder, said) if isinstance(said, Tokens) else _Picturing(said)


class _Tokenizing:
    at_once = 4096

    def __init__(self, folder: Path, said: Tokens) -> None:
        from tokenizers import Tokenizer

        self._said = said
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / said.file))
        except Exception as error:  # the library has no narrower class
            raise ReleaseDamaged(path=str(folder / said.file), reason=str(error)) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        bare, framed = (self._tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
        start = next(at for at in range(len(framed) + 1) if framed[at : at + len(bare)] == bare)
        self._before, self._after = framed[:start], framed[start + len(bare) :]

    def prepare(self, values: Sequence[str]) -> list[NDArray[np.int64]]:
        """Shape (L,) each."""
        cut = [self._cut(text) for text in values]
        room = self._said.longest - len(self._before) - len(self._after)
        found = []
        for one in self._tokenizer.encode_batch_fast(cut, add_special_tokens=False):
            own = one.ids
            if len(own) > room:
                own = own[: room // 2] + own[len(own) - (room - room // 2) :]
            found.append(np.array([*self._before, *own, *self._after], np.int64) + 1)
        return found

    def stack(self, arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Shape (B, L), of the longest."""
        out = np.zeros((len(arrays), max(1, max(map(len, arrays), default=1))), np.int64)
        for at, one in enumerate(arrays):
            out[at, : len(one)] = one
        return out

    def _cut(self, text: str) -> str:
        most = self._said.longest * _CHARACTERS
        if len(text) > 2 * most:
            text = f"{text[:most]} {text[-most:]}"
        # A half of a pair of UTF-16, which JSON can write, is no character.
        text = text.encode("utf-8", "replace").decode()
        return normalised(text) if self._said.normalise else text


class _Picturing:
    at_once = 32

    def __init__(self, said: Pixels) -> None:
        self._said = said
        self._mean, self._std = np.array(said.mean, np.float32), np.array(said.std, np.float32)

    def prepare(self, values: Sequence[str]) -> list[NDArray[np.float32]]:
        """Shape (3, H, W) or (H, W, 3) each.

        Raises:
            NoImage: one is none; what was ingested or asked was checked before.
        """
        return [self._pixels(text) for text in values]

    def stack(self, arrays: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Shape (B, 3, H, W) or (B, H, W, 3)."""
        return np.stack(arrays)

    def _pixels(self, text: str) -> NDArray[np.float32]:
        from PIL.Image import Resampling

        picture = opened(text).resize((self._said.width, self._said.height), Resampling.BILINEAR)
        scaled_HWC = (np.asarray(picture, np.float32) / 255 - self._mean) / self._std
        first = self._said.channels == "first"
        return np.ascontiguousarray(scaled_HWC.transpose(2, 0, 1) if first else scaled_HWC, np.float32)
