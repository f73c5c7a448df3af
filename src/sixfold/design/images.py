"""Section 4, how a network reads images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["OnnxImage"]


@dataclass(frozen=True, slots=True)
class OnnxImage:
    """Any ONNX file that makes vectors of images: one float32 input (B, 3, H, W) or (B, H, W, 3), one output (B, D).

    An image is brought to its size (bilinear, without keeping its proportions), its red, green and blue go from 0 to 1,
    less `mean` and over `std`. It stays as it is while the network learns, and is copied into the release.
    """

    source: str
    """The file, relative to the design file."""
    size: int | Sequence[int] = field(kw_only=True)
    """Height and width in pixels; one number where they are equal."""
    mean: Sequence[float] = field(default=(0.485, 0.456, 0.406), kw_only=True)
    """Of red, green and blue; by default those of ImageNet, which most encoders were trained with."""
    std: Sequence[float] = field(default=(0.229, 0.224, 0.225), kw_only=True)
    channels: Literal["first", "last"] = field(default="first", kw_only=True)
    """Where the colours stand: (B, 3, H, W) or (B, H, W, 3)."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source.strip():
            raise self._wrong("source", "the path of an ONNX file")
        size = self.size if isinstance(self.size, Sequence) else (self.size, self.size)
        whole = all(isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= 2048 for one in size)
        if isinstance(size, str) or len(size) != 2 or not whole:
            raise self._wrong("size", "a height and a width, whole numbers from 1 to 2048")
        for name in ("mean", "std"):
            if not _three(getattr(self, name), above=0.0 if name == "std" else float("-inf")):
                raise self._wrong(name, f"three numbers{' above 0' if name == 'std' else ''}, of red, green and blue")
            object.__setattr__(self, name, tuple(float(one) for one in getattr(self, name)))
        if self.channels not in ("first", "last"):
            raise self._wrong("channels", "first or last")
        object.__setattr__(self, "size", tuple(size))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.size  # type: ignore[misc]  # made a pair when it was checked
        return height, width

    def _wrong(self, name: str, rule: str) -> InvalidField:
        return InvalidField(where=self.at, part="OnnxImage", field=name, rule=rule, value=getattr(self, name))


def _three(values: Any, *, above: float) -> bool:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 3:
        return False
    return all(
        isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one) and one > above for one in values
    )
