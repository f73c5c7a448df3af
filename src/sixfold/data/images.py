"""Images as the base64 text of their files' bytes: what is one, and what is wrong with what is none."""

import binascii
from base64 import b64decode
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_BYTES", "MAX_CHARACTERS", "RULE", "NoImage", "can_read", "image_problem", "opened"]

MAX_BYTES = 2_000_000
MAX_CHARACTERS = 4 * -(-MAX_BYTES // 3)
"""Of the base64 text."""
RULE = f"the base64 text of a JPEG or PNG file of at most {MAX_BYTES // 1_000_000} MB"
_MAX_PIXELS = 25_000_000
"""A small file can hold a very large picture, which would take all memory."""
_FORMATS = ("JPEG", "PNG")


class NoImage(Exception):
    """A text is no image; the argument says why."""


def can_read() -> bool:
    """Whether the library that reads images is installed."""
    return find_spec("PIL") is not None


def opened(text: str) -> "Image":
    """The picture of a base64 text, read whole, upright, in red, green and blue.

    Raises:
        NoImage: it is none.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(text) > MAX_CHARACTERS:
        raise NoImage(f"is an image of more than {MAX_BYTES // 1_000_000} MB")
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoImage("is not base64") from None
    try:
        found = Image.open(BytesIO(raw), formats=_FORMATS)
        if found.width * found.height > _MAX_PIXELS:
            raise NoImage(f"is an image of more than {_MAX_PIXELS // 1_000_000} million pixels")
        return ImageOps.exif_transpose(found).convert("RGB")
    except UnidentifiedImageError:
        raise NoImage("is not a JPEG or PNG file") from None
    # What a damaged file does to a decoder is not told by its documentation: these are what it raises.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise NoImage(f"is a damaged image ({error})") from None


def image_problem(text: str) -> str:
    """What is wrong with a text that should be an image; empty where nothing is."""
    try:
        opened(text)
    except NoImage as wrong:
        return str(wrong)
    return ""
