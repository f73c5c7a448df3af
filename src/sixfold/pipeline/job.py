"""One run of a design: what it is given, where it works, which steps are done."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import msgspec

from sixfold.data.ingested import Ingested
from sixfold.design import System, load
from sixfold.registry import Releases

__all__ = ["Job", "Step", "run_step"]


@dataclass(frozen=True)
class Job:
    """A design, its data and its work folder. Steps share nothing but files in the work folder."""

    design: Path
    data: Path
    workdir: Path
    seed: int = 0

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

    def folder(self, step: str) -> Path:
        """The folder of one step's files."""
        path = self.workdir / "steps" / step
        path.mkdir(parents=True, exist_ok=True)
        return path

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB whose memory is bounded and which spills into the work folder."""
        spill = self.workdir / "spill"
        return duckdb.connect(config={"memory_limit": "3GB", "temp_directory": str(spill)})


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
    above = [(job.folder(name) / "done").read_text() for name in step.depends]
    said = [step.name, job.seed, job.system.fingerprint, repr(step.reads(job)), above, _code()]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def _code() -> str:
    """A change of Sixfold's own code makes every step run again."""
    package = Path(__file__).parents[1]
    stats = [(str(p.relative_to(package)), p.stat().st_size, p.stat().st_mtime_ns) for p in package.rglob("*.py")]
    return hashlib.sha256(repr(sorted(stats)).encode()).hexdigest()
