"""Where in the user's own file a part was made."""

import os
import sys
from pathlib import Path

__all__ = ["caller"]

_PACKAGE = str(Path(__file__).parents[1]) + os.sep


def caller() -> str:
    """`file.py:12` of the nearest frame outside Sixfold: the line of the design that makes the part."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_PACKAGE) or frame.f_code.co_filename.startswith("<")
    ):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name
    return f"{shown}:{frame.f_lineno}"
