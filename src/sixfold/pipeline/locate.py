"""Finding what a command names: the design, its data, its work folder."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sixfold.design import System, load
from sixfold.errors import NotADesign, WorldFailed
from sixfold.pipeline.job import Job

__all__ = ["Located", "generate_sample", "locate", "reference_systems", "sample_gates"]


@dataclass(frozen=True)
class Located:
    """A design file, and the folder of its reference system if it is one's."""

    design: Path
    reference: Path | None

    @cached_property
    def system(self) -> System:
        """The design, resolved."""
        return load(self.design)

    def workdir(self, given: Path | None) -> Path:
        """The folder given, else `.sixfold/SYSTEM` where the command is run."""
        return given or Path(".sixfold") / self.system.name

    def job(self, *, data: Path | None, workdir: Path | None, seed: int) -> Job:
        """A run of the design over its data (see `data`).

        Where that is generated, gates that no model can pass there are replaced, in a copy of the design beside it.
        """
        folder = self.workdir(workdir)
        found = self.data(data, folder)
        if self.reference is None or found != _generated(folder) or not (gates := _gates(self.reference, "world")):
            return Job(self.design, found, folder, seed)
        text = self.design.read_text(encoding="utf-8")
        for gate, other in gates.items():
            text = text.replace(f'"{gate}"', f'"{other}"')
        (found / "design.py").write_text(text, encoding="utf-8")
        return Job(found / "design.py", found, folder, seed, original=self.design)

    def data(self, given: Path | None, workdir: Path) -> Path:
        """The folder of relative sources.

        The one given; for a reference system, its folder under `$SIXFOLD_DATA` or `../shared/data`, else sample data
        that its world generates in the work folder; for any other design, the folder of the design file.
        """
        if given is not None:
            return given
        if self.reference is None:
            return self.design.parent
        said = tomllib.loads((self.reference / "system.toml").read_text())
        roots = [Path(os.environ["SIXFOLD_DATA"])] if "SIXFOLD_DATA" in os.environ else []
        for root in (*roots, Path("..") / "shared" / "data", self.reference.parents[2] / "shared" / "data"):
            found = root / str(said["data"])
            if found.is_dir():
                return found
        return _generate(self.reference / said["world"], _generated(workdir))


def locate(name: str) -> Located:
    """A design by its file's path, or by the name of a reference system.

    Raises:
        NotADesign: it is neither.
    """
    path = Path(name)
    if path.suffix == ".py" or path.is_file():
        path = path.resolve()
        reference = path.parent if (path.parent / "system.toml").is_file() else None
        return Located(path, reference)
    systems = reference_systems()
    if name in systems:
        return Located(systems[name] / "design.py", systems[name])
    raise NotADesign(path=name, reason=f"neither a file nor a reference system ({', '.join(systems) or 'none here'})")


def reference_systems() -> dict[str, Path]:
    """Name to folder: those of the working directory, of a checkout, of an installed package."""
    folders = [Path("systems"), Path(__file__).parents[3] / "systems", Path(__file__).parents[2] / "sixfold_systems"]
    found: dict[str, Path] = {}
    for folder in folders:
        for design in sorted(folder.glob("*/design.py")):
            found.setdefault(design.parent.name, design.parent.resolve())
    return dict(sorted(found.items()))


def generate_sample(reference: Path, folder: Path) -> Path:
    """Sample data of a reference system, of the size that its `system.toml` says is enough to try it.

    Raises:
        WorldFailed: its world could not make it.
    """
    said = tomllib.loads((reference / "system.toml").read_text())
    return _generate(reference / said["world"], folder, [str(one) for one in said.get("sample", [])])


def sample_gates(reference: Path) -> dict[str, str]:
    """Gates of a reference system that its small sample cannot pass, each with the one that takes its place."""
    return _gates(reference, "world") | _gates(reference, "sample")


def _gates(reference: Path, of: str) -> dict[str, str]:
    said = tomllib.loads((reference / "system.toml").read_text())
    return {str(gate): str(other) for gate, other in said.get(f"{of}_gates", {}).items()}


def _generated(workdir: Path) -> Path:
    return workdir / "generated"


def _generate(world: Path, folder: Path, arguments: Sequence[str] = ()) -> Path:
    """Run a world once; its files stay in the work folder."""
    done = folder / "done"
    if not done.is_file():
        command = [sys.executable, str(world), str(folder), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise WorldFailed(
                path=str(world), reason=ran.stderr.strip().splitlines()[-1] if ran.stderr else "no reason"
            )
        done.touch()
    return folder
