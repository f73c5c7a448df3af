"""What compiles the hot loops.

Machine code is cached beside the sources, by file: after a change of a function that loops of other files call, empty
the `__pycache__` folder.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["compiled"]

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile a function when it is first called, once for all processes."""
    return cast(_F, njit(cache=True, nogil=True)(function))
