"""What `sixfold check --data` does: ingest, measure the data, look for features that know the label."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from sixfold.data.checks import Profile
from sixfold.data.report import Report
from sixfold.monitoring.leaks import Leak, Leaks, find_leaks
from sixfold.pipeline.data_steps import ingest_step, profile_data
from sixfold.pipeline.encoders import find_encoders
from sixfold.pipeline.job import Job, make_folder
from sixfold.pipeline.report import write_data_page

__all__ = ["Checked", "check_design_data"]

_MEMORY = "800MB"
_KINDS = {
    "outcome": "sees outcomes before they came about",
    "list": "sees what else was on its list",
    "future": "knows what came later",
    "label": "is the label",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the data looks like, which checks of the design it fails, which inputs know the label."""

    report: Report
    profile: Profile
    leaks: Leaks
    seconds: float
    page: Path
    """The columns of the data, plotted."""

    @property
    def passed(self) -> bool:
        """Whether every check of the design holds and no input knows the label."""
        return not self.profile.failed and not self.leaks.leaks

    def tables(self) -> Sequence[Table | str]:
        """For a terminal, in order."""
        changed = [f"[yellow]changed since it was last read:[/yellow] {change}" for change in self.report.drift]
        page = f"Columns on one page: {self.page}"
        data: list[Table | str] = [self.report.table(), *changed, *self.profile.tables(), page]
        strongest = [_strongest(self.leaks)] if self.leaks.strongest else []
        return [*data, *strongest, *_leaks(self.leaks)]

    def to_json(self) -> dict[str, Any]:
        """The object that `sixfold check --data --json` prints."""
        measures = [
            {"measure": measure, "of": group if column is None else f"{group}.{column}", "value": value}
            for (measure, group, column), value in self.profile.measures.items()
        ]
        checks = [{"check": c.text, "value": v, "passed": c.holds(v)} for c, v in self.profile.checks]
        return {
            "passed": self.passed,
            "rows": self.report.rows,
            "drift": self.report.drift,
            "measures": measures,
            "checks": checks,
            "leaks": [asdict(leak) for leak in self.leaks.leaks],
            "strongest": [asdict(one) for one in self.leaks.strongest],
            "unprobed": list(self.leaks.unprobed),
            "seconds": round(self.seconds, 2),
        }


def check_design_data(job: Job, *, now_us: int) -> Checked:
    """Ingest a design's data into the work folder, measure it, and look for leaks.

    Raises:
        DataError: the data cannot be read as the design says.
    """
    started = time.perf_counter()
    find_encoders(job.system, job.design)
    make_folder(job.workdir)
    report = ingest_step(job, now_us=now_us)
    found = profile_data(job, report)
    looked = time.perf_counter()
    with closing(job.connect()) as con:
        con.execute(f"set memory_limit = '{_MEMORY}'")
        leaks = find_leaks(con, job.system, job.ingested, job.data, job.workdir)
    ended = time.perf_counter()
    page = write_data_page(job, found, report)
    return Checked(report, found, replace(leaks, seconds=ended - looked), ended - started, page)


def _strongest(leaks: Leaks) -> Table:
    table = Table("input", "label", "AUC", title="What one input alone says most of a label", title_justify="left")
    for one in leaks.strongest:
        table.add_row(one.name, one.label, f"{one.auc:.3f}")
    return table


def _leaks(leaks: Leaks) -> list[str]:
    looked = f"{leaks.inputs} inputs, {leaks.examples:,} examples, {leaks.seconds:.1f} s"
    left = [f"Not probed, since they come over another stream: {', '.join(leaks.unprobed)}"] if leaks.unprobed else []
    if not leaks.leaks and left and not leaks.strongest:
        return [f"No leak was found, and no label was probed ({looked}).", *left]
    if not leaks.leaks:
        return [f"No input was found to know a label ({looked}).", *left]
    return [*map(_told, leaks.leaks), f"{len(leaks.leaks)} leaks ({looked}).", *left]


def _told(leak: Leak) -> str:
    return (
        f"[bold red]LEAK[/bold red] {leak.where}: {leak.name} {_KINDS[leak.kind]} ({leak.kind})\n"
        f"   path   {' <- '.join(leak.path)}, read by {', '.join(leak.models)}\n"
        f"   found  {leak.found}\n"
        f"   do     {leak.advice}"
    )
