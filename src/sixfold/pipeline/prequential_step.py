"""The steps that ask when to learn: hour by hour over the test part, and how long to wait for outcomes."""
# R = rows of the test part

from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.table import Table

from sixfold.design.heads import Binary
from sixfold.design.models import Network
from sixfold.design.system import System
from sixfold.design.units import duration_us, shown
from sixfold.evaluation.bootstrap import Measured, difference, measure
from sixfold.evaluation.score_metrics import score_statistic
from sixfold.pipeline.job import Job
from sixfold.pipeline.training_step import sources
from sixfold.training.loop import Progress

__all__ = [
    "Prequential",
    "Waiting",
    "goes_hour_by_hour",
    "prequential_step",
    "prequential_table",
    "read_prequential",
    "waiting_table",
]

_WAITS_S = (60, 300, 900, 1800, 3600, 7200, 21600, 86400)


class Waiting(msgspec.Struct, frozen=True):
    """What a wait for outcomes would cost, had it been chosen."""

    wait_s: float
    came: float
    """The share of the outcomes within the label's own wait that had come by then."""
    log_loss: float | None
    """Of the test part, had the model learned that the others never came; None for a longer wait than the label's."""


class Prequential(msgspec.Struct, frozen=True):
    """What going through the test part as a schedule would showed; empty where the design asks for none."""

    label: str = ""
    every: str = ""
    hours_us: list[int] = []
    losses: dict[str, list[float | None]] = {}
    """By way, the log loss of each round."""
    overall: dict[str, Measured] = {}
    beside_frozen: dict[str, Measured] = {}
    """The difference of log losses to the frozen model, over the same users: below zero is better."""
    grown: int = 0
    waiting: dict[str, list[Waiting]] = {}
    """By label that says when its outcomes came."""


def goes_hour_by_hour(system: System) -> bool:
    """Whether the design retrains from the last weights, and what predicts has a probability to score."""
    deployment = system.deployment
    binary = any(isinstance(head, Binary) for head in deployment.predict.heads)
    return deployment.retrain is not None and deployment.retrain.warm and binary


def prequential_step(job: Job, progress: Callable[[Progress], None]) -> None:
    """Measure both: `prequential.json`."""
    system = job.system
    examples = pq.read_table(job.folder("examples") / "examples.parquet")
    found = Prequential(waiting=_waiting(job, examples))
    if goes_hour_by_hour(system):
        found = _by_round(job, examples, found.waiting, progress)
    (job.folder("prequential") / "prequential.json").write_bytes(msgspec.json.encode(found))


def read_prequential(job: Job) -> Prequential:
    """What the step wrote."""
    text = (job.folder("prequential") / "prequential.json").read_bytes()
    return msgspec.json.decode(text, type=Prequential)


def prequential_table(found: Prequential) -> Table:
    """A row a way."""
    title = (
        f"{found.label}, learned and scored every {found.every} of the test part; {found.grown:,} new texts got codes"
    )
    table = Table("Way", "log loss", "beside frozen", "", title=title, title_justify="left")
    for name, one in found.overall.items():
        apart = found.beside_frozen.get(name)
        cells = ("", "") if apart is None else (f"{apart.value:+.5f}", f"{apart.low:+.5f} to {apart.high:+.5f}")
        table.add_row(f"{name}: {WAYS[name]}", f"{one.value:.5f}", *cells)
    return table


WAYS = {
    "frozen": "trained once",
    "warm": "on from the last weights, once labels are complete",
    "early": "the same, with rows whose labels are not, weighted",
    "scratch": "trained anew at the start and in the middle",
}


def _by_round(
    job: Job, examples: pa.Table, waiting: dict[str, list[Waiting]], progress: Callable[[Progress], None]
) -> Prequential:
    from sixfold.training.prequential import Setting, prequential

    system, retrain, model = job.system, job.system.deployment.retrain, job.system.deployment.predict
    assert isinstance(model, Network), "the design is checked for it"
    assert retrain is not None, "the caller asked"
    head = next(at for at, one in enumerate(model.heads) if isinstance(one, Binary))
    label = system.labels[model.heads[head].label.name]
    read = system.reads(model.inputs, where=model.at, part=model.name)
    every_us = duration_us(retrain.every, where=retrain.at, part="Retrain", field="every")
    trees = {name: job.folder(f"train-{name}") / name for name in read.leaves}
    folder = job.folder(f"train-{model.name}") / model.name
    setting = Setting(
        model, read.columns, dict(system.kinds), read.hashed, trees, folder, head, label.within_us or 0, job.seed,
        sources(job), read.places,
    )  # fmt: skip
    rounds = prequential(setting, examples, every_us, progress)
    test = examples.filter(pc.equal(examples["part"], "test"))
    y = np.asarray(test[f"label.{label.name}"].to_numpy(zero_copy_only=False), np.float64)
    users = np.asarray(test[system.query].combine_chunks().dictionary_encode().indices, np.int64)
    statistics = {name: score_statistic("log_loss", scores, y, users) for name, scores in rounds.scores.items()}
    frozen = statistics["frozen"]
    round_R = np.searchsorted(rounds.starts_us, np.asarray(test["time"], np.int64), side="right") - 1
    return Prequential(
        label.name,
        retrain.every,
        rounds.starts_us.tolist(),
        {name: _losses(scores, y, round_R, len(rounds.starts_us)) for name, scores in rounds.scores.items()},
        {name: measure(one, seed=job.seed) for name, one in statistics.items()},
        {n: difference(one, frozen, seed=job.seed) for n, one in statistics.items() if n != "frozen"},
        rounds.grown,
        waiting,
    )


def _losses(
    scores: NDArray[np.float64], y: NDArray[np.float64], round_R: NDArray[np.int64], rounds: int
) -> list[float | None]:
    p = np.clip(scores, 1e-15, 1 - 1e-15)
    loss, known = -(y * np.log(p) + (1 - y) * np.log1p(-p)), ~np.isnan(y)
    rows = np.bincount(round_R[known], minlength=rounds)
    sums = np.bincount(round_R[known], loss[known], minlength=rounds)
    return [float(s / n) if n else None for s, n in zip(sums.tolist(), rows.tolist())]


def _waiting(job: Job, examples: pa.Table) -> dict[str, list[Waiting]]:
    """For each label that says when outcomes came, what shorter and longer waits would have meant."""
    found = {}
    for label in job.system.labels.values():
        name = f"delay.{label.name}"
        if name not in examples.column_names or examples[name].null_count == len(examples):
            continue
        delay_s = np.asarray(examples[name].drop_null(), np.float64)
        within_s = (label.within_us or 0) / 1e6
        within = int((delay_s <= within_s).sum())
        loss = _loss_of(job, examples, label.name)
        waits = sorted({*(w for w in _WAITS_S if w <= delay_s.max()), within_s})
        found[label.name] = [
            Waiting(w, came := float((delay_s <= w).sum() / max(1, within)), None if w > within_s else loss(came))
            for w in waits
        ]
    return found


def _loss_of(job: Job, examples: pa.Table, label: str) -> Callable[[float], float | None]:
    """The log loss on the test part of what ships, if its probabilities were this share of what they are."""
    from sixfold.inference.models import Scorer, load

    predict = job.system.deployment.predict
    if label not in {head.label.name for head in predict.heads if isinstance(head, Binary)}:
        return lambda share: None
    scorer: Scorer = load(job.folder(f"train-{predict.name}") / predict.name, threads=2, kept=job.folder("encoders"))  # type: ignore[assignment]
    test = examples.filter(pc.equal(examples["part"], "test"))
    y = np.asarray(test[f"label.{label}"].to_numpy(zero_copy_only=False), np.float64)
    p = scorer.score_table(test)[label][~np.isnan(y)]
    y = y[~np.isnan(y)]

    def loss(share: float) -> float:
        said = np.clip(p * share, 1e-15, 1 - 1e-15)
        return float(-(y * np.log(said) + (1 - y) * np.log1p(-said)).mean())

    return loss


def waiting_table(label: str, rows: list[Waiting], within_us: int) -> Table:
    """A row a wait."""
    title = f"{label}: outcomes come late; the label waits {shown(within_us)}"
    table = Table(
        "Wait", "outcomes that had come", "log loss, had it been learned so", title=title, title_justify="left"
    )
    for one in rows:
        loss = "" if one.log_loss is None else f"{one.log_loss:.5f}"
        table.add_row(shown(int(one.wait_s * 1e6)), f"{one.came:.1%}", loss)
    return table
