"""Running a design file."""

import runpy
from pathlib import Path

from sixfold.design.system import System
from sixfold.errors import NotADesign

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
    except SyntaxError as error:
        raise NotADesign(path=str(path), reason=f"line {error.lineno}: {error.msg}") from error
    systems = {id(value): value for value in names.values() if isinstance(value, System)}
    if len(systems) != 1:
        reason = "it makes no System" if not systems else f"it makes {len(systems)} Systems, one is needed"
        raise NotADesign(path=str(path), reason=reason)
    return next(iter(systems.values()))
