"""Running a design file."""

import runpy
from pathlib import Path
from traceback import extract_tb

from sixfold.design.system import System
from sixfold.errors import NotADesign, SixfoldError

__all__ = ["load"]


def load(path: Path) -> System:
    """Run a design file and give the one `System` that it makes.

    Raises:
        NotADesign: there is no such file, or it makes no System, or several.
        DesignError: what the file says cannot be run.
    """
    if not path.is_file():
        raise NotADesign(path=str(path), reason="there is no such file")
    try:
        names = runpy.run_path(str(path))
    except SixfoldError:
        raise
    # The file is the user's program: it can raise anything, and even leave.
    except (Exception, SystemExit) as error:
        raise NotADesign(path=str(path), reason=_why(path, error)) from error
    systems = {id(value): value for value in names.values() if isinstance(value, System)}
    if len(systems) != 1:
        reason = "it makes no System" if not systems else f"it makes {len(systems)} Systems, one is needed"
        raise NotADesign(path=str(path), reason=reason)
    return next(iter(systems.values()))


def _why(path: Path, error: BaseException) -> str:
    """What a design raised, and at which of its lines."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        said, lines = error.msg, [error.lineno]
    else:
        said = f"{type(error).__name__}: {error}"
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"line {lines[-1]}: {said}" if lines and lines[-1] else said
