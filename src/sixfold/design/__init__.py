"""What the user writes: six sections, checked when built. Imports nothing heavy."""

from sixfold.design.load import load
from sixfold.design.system import System

__all__ = ["System", "load"]
