"""One run of a design: what it is given, where it works, which steps are done."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile

import duckdb
import msgspec

from sixfold.data.ingested import Ingested
from sixfold.design import System, load
from sixfold.errors import StepNotReady, WorkdirUnusable
from sixfold.registry import Releases
from sixfold.stores import EventLog
from sixfold.stores.opening import States, open_log, open_states

__all__ = ["Job", "Step", "make_folder", "run_step"]


@dataclass(frozen=True)
class Job:
    """A design, its data and its work folder. Steps share nothing but files in the work folder."""

    design: Path
    data: Path
    workdir: Path
    seed: int = 0
    original: Path | None = None
    """The design that somebody wrote, where `design` is a copy of it with the gates of a generated world."""

    @cached_property
    def system(self) -> System:
        """The design, resolved."""
        return load(self.design)

    @property
    def ingested(self) -> Ingested:
        """What ingestion left."""
        return Ingested.of(self.system, self.workdir / "ingested")

    @property
    def releases(self) -> Releases:
        """The releases made so far."""
        return Releases(self.workdir / "releases")

    def open_log(self) -> EventLog:
        """The event log, where the design keeps it."""
        return open_log(self.system.deployment.stores, self.system.name, self.workdir)

    def open_states(self) -> States:
        """The online states, where the design keeps them."""
        return open_states(self.system.deployment.stores, self.system.name, self.workdir)

    def folder(self, step: str) -> Path:
        """The folder of one step's files."""
        return make_folder(self.workdir / "steps" / step)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB whose memory is bounded and which spills into the work folder."""
        spill = self.workdir / "spill"
        return duckdb.connect(config={"memory_limit": "3GB", "temp_directory": str(spill)})


def make_folder(folder: Path) -> Path:
    """A folder of the work folder, made if it is not there.

    Raises:
        WorkdirUnusable: it can be neither made nor written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise WorkdirUnusable(path=str(folder), reason=error.strerror or str(error)) from error


@dataclass(frozen=True, slots=True)
class Step:
    """A function of files to files."""

    name: str
    run: Callable[[Job], None]
    depends: tuple[str, ...] = ()
    """Names of the steps whose files it reads."""
    reads: Callable[[Job], object] = lambda job: None
    """What else it depends on: anything whose `repr` says all of it."""


def run_step(step: Step, job: Job) -> tuple[bool, float]:
    """Run a step unless the very same was done before.

    Returns:
        Whether it ran, and the seconds that it took.

    Raises:
        StepNotReady: one that it depends on has not run.
    """
    started = time.perf_counter()
    fingerprint = _fingerprint(step, job)
    mark = job.folder(step.name) / "done"
    if mark.is_file() and mark.read_text() == fingerprint:
        return False, time.perf_counter() - started
    mark.unlink(missing_ok=True)
    step.run(job)
    mark.write_text(fingerprint)
    return True, time.perf_counter() - started


def _fingerprint(step: Step, job: Job) -> str:
    marks = {name: job.folder(name) / "done" for name in step.depends}
    for name, mark in marks.items():
        if not mark.is_file():
            raise StepNotReady(name=step.name, needs=name)
    above = [mark.read_text() for mark in marks.values()]
    said = [step.name, job.seed, job.system.fingerprint, repr(step.reads(job)), above, _code()]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def _code() -> str:
    """A change of Sixfold's own code makes every step run again."""
    package = Path(__file__).parents[1]
    stats = [(str(p.relative_to(package)), p.stat().st_size, p.stat().st_mtime_ns) for p in package.rglob("*.py")]
    return hashlib.sha256(repr(sorted(stats)).encode()).hexdigest()
