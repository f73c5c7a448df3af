"""The policy step: thresholds of the design's actions solved on validation, what they do measured on test."""
# N = examples, A = actions

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.table import Table

from sixfold.design.system import System
from sixfold.evaluation.bootstrap import Measured
from sixfold.evaluation.judged import ClassRow, Mistake, SliceRow, class_row, mistakes, slice_rows
from sixfold.evaluation.policy import Taken, measured, solve
from sixfold.features.examples import build, per_day
from sixfold.inference.models import Scorer, load
from sixfold.inference.policy import decide, draws, of_scores, write_policy
from sixfold.pipeline.data_steps import read_of_examples
from sixfold.pipeline.job import Job
from sixfold.pipeline.labelled import classes_of, within

__all__ = ["Judged", "classes_table", "policy_step", "policy_table", "prose_of", "read_judged"]

Floats = NDArray[np.float64]


class Judged(msgspec.Struct, frozen=True):
    """How the policy did on the test part."""

    taken: list[Taken] = []
    classes: list[ClassRow] = []
    slices: list[SliceRow] = []
    mistakes: list[Mistake] = []


def policy_step(job: Job) -> None:
    """Write `policy.json`, which the release takes, and `judged.json`, how it did on the test part.

    Actions meet rows that nobody labels, too: these count in capacities and shares, which those that somebody looked at
    would get wrong.
    """
    system, folder = job.system, job.folder("policy")
    with job.connect() as con:
        rows = build(con, system, job.ingested, read_of_examples(system), unlabelled=True)
        rows_a_day = per_day(con, system, job.ingested)
    predict = system.deployment.predict.name
    scorer: Scorer = load(job.folder(f"train-{predict}") / predict, threads=2, kept=job.folder("encoders"))  # type: ignore[assignment]  # no towers
    actions = [one.action for one in system.actions]

    validation = _Part(system, rows, "validation", scorer)
    policy = solve(actions, validation.said(), validation.true(), per_day=rows_a_day)
    write_policy(folder / "policy.json", policy)
    test = _Part(system, rows, "test", scorer)
    decided = decide(policy, test.said(), draws(test.keys))
    users = np.unique(np.asarray(test.keys, str), return_inverse=True)[1]
    of = dict.fromkeys([*(one.on.text for one in system.actions), *scorer.heads])
    expressions = {one.on.text: one.on for one in system.actions}
    classes, wrong = [], []
    for text in of:
        score_N, true_N = (
            of_scores(expressions[text], values, len(test.rows)) if text in expressions else values[text]
            for values in (test.scores, test.labels)
        )
        if not np.isin(true_N[~np.isnan(true_N)], (0, 1)).all():
            continue  # a number, which is not judged
        classes.append(class_row(text, score_N, true_N, users, seed=job.seed))
        if text in expressions:
            wrong += mistakes(text, score_N, true_N, test.keys, test.texts)
    slices = {name: within(system, test.rows, name) for name in system.slices}
    names = [action.name for action in actions]
    judged = Judged(
        measured(actions, policy, decided, test.true(), users, seed=job.seed),
        classes,
        slice_rows(names, decided, test.true(), slices, users, seed=job.seed),
        wrong,
    )
    (folder / "judged.json").write_bytes(msgspec.json.encode(judged))


class _Part:
    """The rows of a part with what the model says of it and what became of it."""

    def __init__(self, system: System, rows: pa.Table, name: str, scorer: Scorer) -> None:
        self._system = system
        self.rows = rows.filter(pc.equal(rows["part"], name))
        self.scores, self.labels = scorer.score_table(self.rows), classes_of(system, self.rows)
        self.keys: list[str] = self.rows[system.query].to_pylist()

    def said(self) -> list[Floats]:
        """For each action what its `on` says, shape (N,)."""
        return [of_scores(one.on, self.scores, len(self.rows)) for one in self._system.actions]

    def true(self) -> list[Floats]:
        """For each action whether it is truly so, shape (N,)."""
        return [of_scores(one.on, self.labels, len(self.rows)) for one in self._system.actions]

    @property
    def texts(self) -> dict[str, list[str | None]]:
        """The columns of prose that a request brings."""
        return {name: self.rows[name].to_pylist() for name in prose_of(self._system)}


def prose_of(system: System) -> list[str]:
    """The columns of prose that a request brings."""
    return [name for name in system.context if system.kinds[name].prose]


def read_judged(job: Job) -> Judged:
    """What the step found; nothing for a design without actions."""
    if not job.system.actions:
        return Judged()
    text = (job.folder("policy") / "judged.json").read_bytes()
    return msgspec.json.decode(text.replace(b":null", b':"nan"'), type=Judged, strict=False)


def policy_table(taken: list[Taken]) -> Table:
    """What each action did on the test part."""
    table = Table(
        "Action", "goal", "threshold", "takes", "precision", "recall so far", "drawn",
        title="Policy: solved on validation, measured on test", title_justify="left",
    )  # fmt: skip
    for one in taken:
        cells = [_cell(m) for m in (one.share, one.precision, one.recall)]
        table.add_row(one.name, one.goal, one.told, *cells, f"{one.drawn:.3f}")
    return table


def classes_table(classes: list[ClassRow]) -> Table:
    """How well each probability tells what is so."""
    table = Table(
        "Is it so?", "examples", "prevalence", "average precision", "AUC", "precision", "recall",
        title="By class: precision and recall from a half on", title_justify="left",
    )  # fmt: skip
    for one in classes:
        numbers: tuple[Any, ...] = (one.prevalence, one.average_precision, one.auc, one.precision, one.recall)
        table.add_row(one.of, f"{one.examples:,}", *(_cell(m) for m in numbers))
    return table


def _cell(one: Measured) -> str:
    return "none" if np.isnan(one.value) else f"{one.value:.3f}\n[dim]{one.low:.3f} to {one.high:.3f}[/dim]"
