"""`sixfold new`: a folder with a design, its data or the way to it, and a page that says what to run and change."""

import keyword
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from sixfold.data.read import files_of
from sixfold.design import System, load
from sixfold.errors import FolderTaken, WorkdirUnusable
from sixfold.scaffold.page import MARK
from sixfold.scaffold.page import text as text_of
from sixfold.scaffold.propose import propose
from sixfold.scaffold.readme import readme

__all__ = ["Made", "Todo", "new_from_files", "new_like", "usable"]

DESIGN, README = "design.py", "README.md"


@dataclass(frozen=True, slots=True)
class Todo:
    """What could not be guessed, and where it stands."""

    line: int
    said: str


@dataclass(frozen=True, slots=True)
class Made:
    """A new folder."""

    folder: Path
    system: System
    todos: tuple[Todo, ...]


def usable(name: str) -> bool:
    """Whether a folder's name can be a system's.

    >>> usable("shop"), usable("my-shop"), usable("class"), usable("2nd")
    (True, False, False, False)
    """
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)) and not keyword.iskeyword(name)


def new_from_files(folder: Path, patterns: Sequence[str]) -> Made:
    """Propose a design for files, which stay where they are.

    Raises:
        FolderTaken: the folder is there already.
        NothingToRead: nothing is named, or nothing is in it.
        FileUnreadable: a file cannot be read.
    """
    with _made(folder) as making:
        # Paths in the design are relative to where the folder will stand.
        text, key = propose(folder.name, patterns, folder.resolve())
        (making / DESIGN).write_text(text, encoding="utf-8")
        system = load(making / DESIGN)
        data = "Proposed by `sixfold new` from your files, which `design.py` reads where they are: nothing was copied."
        (making / README).write_text(readme(system, text.splitlines(), data=data, key=key), encoding="utf-8")
    return Made(folder, system, tuple(_todos(text)))


def new_like(
    folder: Path, reference: Path, generate: Callable[[Path], object], gates: Mapping[str, str] = MappingProxyType({})
) -> Made:
    """Copy a reference system's design and some sample data of its world.

    Args:
        reference: The system's folder.
        generate: Makes sample data of the system into a folder.
        gates: Gates that so little data cannot pass, each with what takes its place; the page says so.

    Raises:
        FolderTaken: the folder is there already.
        WorldFailed: sample data could not be generated.
    """
    with _made(folder) as making:
        text = (reference / DESIGN).read_text(encoding="utf-8")
        text = re.sub(r'(sf\.System\(\s*)"[^"]*"', rf'\g<1>"{folder.name}"', text)
        for gate, other in gates.items():
            text = text.replace(text_of(gate), text_of(other))
        (making / DESIGN).write_text(text, encoding="utf-8")
        system = load(making / DESIGN)
        with TemporaryDirectory(dir=making) as world:
            generate(Path(world))
            # What the world knows beside, such as the true chances, is of no use here.
            for path in _read_by(system, Path(world)):
                (making / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(world) / path, making / path)
        data = (
            f"Made by `sixfold new` like the reference system `{reference.name}`, with sample data of its generated "
            "world: few rows, so that all of it runs in minutes, and numbers to match."
        )
        if gates:
            told = "; ".join(f"`{other}` instead of `{gate}`" for gate, other in gates.items())
            data += f" So few rows cannot pass every gate of the original, so there is {told}."
        (making / README).write_text(readme(system, text.splitlines(), data=data, key="1"), encoding="utf-8")
    return Made(folder, system, ())


def _read_by(system: System, data: Path) -> list[Path]:
    """The files that a design reads, relative to its data."""
    sources = [s for one in system.streams.values() for s in one.sources]
    sources += [s for one in system.tables.values() for s in one.sources]
    found = [path for source in sources for path in files_of(source, data, part=system.name)]
    return [path.relative_to(data) for path in dict.fromkeys(found)]


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """A folder beside, which takes its name once all of it is there: a failure leaves nothing behind."""
    if folder.exists() or folder.is_symlink():
        raise FolderTaken(path=str(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True) as making:
            inner = Path(making) / folder.name
            inner.mkdir()
            yield inner
            os.rename(inner, folder)
    except OSError as error:
        raise WorkdirUnusable(path=str(folder), reason=error.strerror or str(error)) from error


def _todos(text: str) -> Iterator[Todo]:
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if line.startswith(MARK):
            said = [line.removeprefix(MARK).strip()]
            for more in lines[at + 1 :]:
                if not more.startswith("#     "):
                    break
                said.append(more[2:].strip())
            yield Todo(at + 1, " ".join(said))
