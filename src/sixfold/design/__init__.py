"""What the user writes: six sections, checked when built. Imports nothing heavy, the parser only when needed."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sixfold.design.loading import load
    from sixfold.design.system import System

__all__ = ["System", "load"]


def __getattr__(name: str) -> Any:
    # A design is parsed by sqlglot, whose import takes longer than all the rest: `import sixfold` does without.
    if name == "System":
        from sixfold.design.system import System

        return System
    if name == "load":
        from sixfold.design.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
