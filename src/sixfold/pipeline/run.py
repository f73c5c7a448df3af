"""Running a design on this machine: the steps in order, what they print, what they made."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from sixfold.data.checks import Profile
from sixfold.data.report import Report
from sixfold.design.heads import Binary
from sixfold.design.metrics import CHAMPION, Metric, parse_metric
from sixfold.design.models import Model, TextModel
from sixfold.design.system import System
from sixfold.errors import UnknownStep
from sixfold.evaluation.bootstrap import Measured
from sixfold.evaluation.tables import (
    gates_as_json,
    gates_table,
    metrics_as_json,
    metrics_tables,
    reliability_table,
)
from sixfold.pipeline.attacks_step import attackable, attacks_step, attacks_tables, read_attacks
from sixfold.pipeline.data_steps import check_data, examples_step, ingest_step, retrieval_step
from sixfold.pipeline.encoders import encoder_marks, find_encoders
from sixfold.pipeline.evaluation_step import Evaluated, evaluate_step, read_evaluated
from sixfold.pipeline.job import Job, Step, make_folder, run_step
from sixfold.pipeline.latency import Latency, measure_latency
from sixfold.pipeline.policy_step import classes_table, policy_step, policy_table, read_judged
from sixfold.pipeline.prequential_step import (
    prequential_step,
    prequential_table,
    read_prequential,
    waiting_table,
)
from sixfold.pipeline.release_step import build_state, drop_old_states, make_release
from sixfold.pipeline.report import write_report
from sixfold.pipeline.training_step import learns, train_step
from sixfold.registry import Release
from sixfold.training.loop import Progress as Trained

__all__ = ["Result", "one_step", "run", "steps", "wide_console"]


@dataclass(frozen=True)
class Result:
    """What a run made."""

    job: Job
    report: Report
    profile: Profile
    evaluated: Evaluated
    release: Release | None
    latency: Latency | None
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object that `sixfold run --json` ends with."""
        return {
            "system": self.job.system.name,
            "release": self.release.id if self.release else None,
            "data": str(self.job.data),
            "metrics": metrics_as_json(_by_metric(self.evaluated.metrics)),
            "baselines": metrics_as_json(_by_metric(self.evaluated.baselines)),
            "gates": gates_as_json(self.evaluated.gates),
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
            "rows": self.report.rows,
        }


def steps(job: Job, progress: Callable[[Trained], None]) -> list[Step]:
    """The steps between ingestion and the release, in an order in which each comes after what it reads."""
    system = job.system
    # Those whose leaves others read come first; `sorted` keeps the design's order otherwise.
    models = sorted((m for m in system.models.values() if learns(m)), key=lambda m: bool(system.leaves_read(m)))
    made = [
        Step("examples", examples_step, reads=lambda job: (_data(job), repr(system.models), _asked(system))),
        Step("retrieval", retrieval_step, reads=lambda job: (_data(job), repr(system.models), _asked(system))),
    ]
    for model in models:
        made.append(
            Step(
                f"train-{model.name}",
                lambda job, model=model: train_step(job, model, progress),  # type: ignore[misc]
                depends=("examples", "retrieval", *(f"train-{name}" for name in system.leaves_read(model))),
                reads=lambda job, model=model: (model, _encoders(job, model)),  # type: ignore[misc]
            )
        )
    trained = tuple(f"train-{model.name}" for model in models)
    made.append(
        Step(
            "evaluate",
            evaluate_step,
            depends=("examples", "retrieval", *trained),
            reads=lambda job: (system.metrics, system.gates, system.deployment, _champion(job)),
        )
    )
    predict = system.deployment.predict.name
    if system.actions:
        depends = ("examples", f"train-{predict}")
        asked = repr(system.deployment.policy)
        made.append(
            Step("policy", policy_step, depends=depends, reads=lambda job: (asked, dict(system.evaluation.slices)))
        )
    if networks := attackable(system):
        trained_too = ("examples", *(f"train-{name}" for name in networks))
        made.append(
            Step("attacks", attacks_step, depends=trained_too, reads=lambda job: repr(system.deployment.policy))
        )
    made.append(
        Step(
            "prequential",
            lambda job: prequential_step(job, progress),
            depends=("examples", f"train-{predict}"),
            reads=lambda job: system.deployment.retrain,
        )
    )
    return made


def one_step(name: str, job: Job) -> tuple[bool, float]:
    """Run one step by name; whether there was something to do, and the seconds it took.

    Raises:
        UnknownStep: there is none of that name.
    """
    if name == "ingest":
        started = time.perf_counter()
        ingest_step(job, now_us=time.time_ns() // 1000)
        return True, time.perf_counter() - started
    known = {step.name: step for step in steps(job, lambda trained: None)}
    if name not in known:
        raise UnknownStep(name=name, known=["ingest", *known])
    return run_step(known[name], job)


def run(job: Job, console: Console | None = None) -> Result:
    """Run a design from its raw data to a promoted release; steps whose inputs did not change are not run again.

    Raises:
        SixfoldError: the design or the data is wrong.
    """
    console = console or wide_console(stderr=True)
    seconds: dict[str, float] = {}
    find_encoders(job.system, job.design)  # before an hour was spent on what cannot be trained
    make_folder(job.workdir)
    console.print(f"[bold]{job.system.name}[/bold]: {job.system.requirements.goal}\ndata: {job.data}")
    if job.original is not None:
        gates = "; ".join(gate.text for gate in job.system.gates)
        console.print(f"The data is generated, and has gates of its own: {gates}", highlight=False)
    with _timed(seconds, "ingest"):
        report = ingest_step(job, now_us=time.time_ns() // 1000)
    console.print(report.table())
    for change in report.drift:
        console.print(f"[yellow]changed since it was last read:[/yellow] {change}")
    with _timed(seconds, "profile"):
        profile = check_data(job, report)
    with _progress(console) as show:
        for step in steps(job, show):
            ran, seconds[step.name] = run_step(step, job)
            console.print(
                f"{step.name:<20} {seconds[step.name]:6.1f} s{'' if ran else '   (unchanged, not run again)'}"
            )
    evaluated = read_evaluated(job)
    tables = metrics_tables(_by_metric(evaluated.metrics), _by_metric(evaluated.baselines))
    if (judged := read_judged(job)).taken:
        tables += [policy_table(judged.taken), classes_table(judged.classes)]
    tables += attacks_tables(read_attacks(job))
    for table in [*tables, *_reliability_tables(job, evaluated), *_waiting_tables(job), gates_table(evaluated.gates)]:
        console.print(table)
    release, latency = _release(job, report, seconds, console)
    result = Result(job, report, profile, evaluated, release, latency, seconds)
    page = write_report(result)
    console.print(f"The run on one page: {page}")
    return result


def wide_console(*, stderr: bool) -> Console:
    """A console; where no terminal says its width, one in which the tables fit."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=140)


def _release(
    job: Job, report: Report, seconds: dict[str, float], console: Console
) -> tuple[Release | None, Latency | None]:
    current = job.releases.current()
    with _timed(seconds, "release"):
        release = make_release(job, report.rows)
    if release is not None and release.id == current:
        console.print(f"Nothing changed: release [bold]{release.id}[/bold] goes on serving.")
        return release, None
    if release is None:
        console.print("[bold red]A gate failed: no release was made; what serves goes on serving.[/bold red]")
        return None, None
    with _timed(seconds, "state"):
        built = build_state(job, release)
    # Before a server that follows opens the state to write it; where one has built it itself, it has it open already.
    latency = None if built is None else measure_latency(job, release)
    job.releases.promote(release.id)
    drop_old_states(job)
    if built is not None and built.taken_over:
        anew = ", ".join(sorted(built.anew)) or "nothing"
        console.print(f"The online state takes over {', '.join(sorted(built.taken_over))}; made anew: {anew}.")
    with _timed(seconds, "register"):
        from sixfold.registry.mlflow_registry import record

        version = record(release, job.workdir, promoted=True)
    console.print(f"Release [bold]{release.id}[/bold] is made, verified and promoted; version {version} in MLflow.")
    if latency is not None:
        console.print(latency.table(job.system.requirements))
    return release, latency


def _data(job: Job) -> object:
    """What ingestion left: changes exactly when an ingested file does."""
    names = [*job.system.streams, *job.system.tables]
    files = [path for name in names for path in job.ingested.files(name)]
    return [(str(path.name), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def _encoders(job: Job, model: Model) -> object:
    """The files of the transformers and image encoders that a model reads by."""
    return encoder_marks(model, find_encoders(job.system, job.design)) if isinstance(model, TextModel) else ()


def _asked(system: System) -> object:
    """What the sections say, beside data and models, of which examples there are and what is read for them."""
    conditions = [None if one is None else one.text for one in (system.where, system.available, *system.filters)]
    labels = [
        (label.name, label.value.text, label.within_us, label.time and label.time.text, repr(label.over))
        for label in system.labels.values()
    ]
    split, ask_every = system.evaluation.split, system.evaluation.ask_every
    base = (system.examples.name, system.query, system.item, system.context)
    learns_on = system.deployment.retrain is not None and system.deployment.retrain.warm
    listed = (system.negatives, system.lists, system.evaluation.lists, system.value.text)
    return base, conditions, labels, split, ask_every, learns_on, dict(system.evaluation.slices), listed


def _reliability_tables(job: Job, evaluated: Evaluated) -> list[Table]:
    """Of those that are calibrated; the report has all."""
    heads = [head for head in job.system.deployment.predict.heads if isinstance(head, Binary) and head.calibrate]
    found = {head.label.name: evaluated.reliability.get(head.label.name) for head in heads}
    return [reliability_table(name, one) for name, one in found.items() if one is not None]


def _waiting_tables(job: Job) -> list[Table]:
    found = read_prequential(job)
    labels = job.system.labels
    tables = [waiting_table(name, rows, labels[name].within_us or 0) for name, rows in found.waiting.items()]
    return [*tables, *([prequential_table(found)] if found.overall else [])]


def _champion(job: Job) -> str | None:
    """The release that serves, if a gate compares with it."""
    metrics = [side for gate in job.system.gates for side in (gate.left, gate.right) if side is not None]
    return job.releases.current() if any(metric.model == CHAMPION for metric in metrics) else None


def _by_metric(measured: dict[str, Measured]) -> dict[Metric, Measured]:
    return {parse_metric(text, where="", part="Evaluation"): value for text, value in measured.items()}


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[Trained], None]]:
    """A bar for each model that trains."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(trained: Trained) -> None:
            if trained.model not in tasks:
                tasks[trained.model] = bars.add_task(trained.model, total=1.0, said="")
            said = f"epoch {trained.epoch}/{trained.epochs}  loss {trained.loss:.4f}"
            bars.update(tasks[trained.model], completed=trained.done, said=said)
            if trained.done >= 1.0:
                bars.remove_task(tasks.pop(trained.model))

        yield show
