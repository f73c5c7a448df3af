"""The policy step: thresholds of the design's actions solved on validation, what they do measured on test."""
# N = examples, A = actions

from collections.abc import Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.table import Table

from sixfold.design.system import System
from sixfold.evaluation.class_metrics import majority
from sixfold.evaluation.policy import Taken, measured, solve
from sixfold.inference.models import Scorer, load
from sixfold.inference.policy import decide, draws, of_scores, write_policy
from sixfold.pipeline.job import Job

__all__ = ["classes_of", "label_of", "policy_step", "policy_table", "read_taken"]

Floats = NDArray[np.float64]
_DAY_US = 86_400_000_000


def policy_step(job: Job) -> None:
    """Write `policy.json`, which the release takes, and `taken.json`, what each action did on the test part."""
    system, folder = job.system, job.folder("policy")
    if not system.actions:
        return
    examples = pq.read_table(job.folder("examples") / "examples.parquet")
    predict = system.deployment.predict.name
    scorer: Scorer = load(job.folder(f"train-{predict}") / predict, threads=2, kept=job.folder("encoders"))  # type: ignore[assignment]  # no towers
    actions = [one.action for one in system.actions]
    time_us = np.asarray(examples["time"], np.int64)
    days = max(1.0, float(np.ptp(time_us)) / _DAY_US)

    def of(part: str) -> tuple[pa.Table, list[Floats], list[Floats]]:
        rows = examples.filter(pc.equal(examples["part"], part))
        scores, labels = scorer.score_table(rows), classes_of(system, rows)
        said = [of_scores(one.on, scores, len(rows)) for one in system.actions]
        return rows, said, [of_scores(one.on, labels, len(rows)) for one in system.actions]

    _, said_AN, true_AN = of("validation")
    policy = solve(actions, said_AN, true_AN, per_day=len(examples) / days)
    write_policy(folder / "policy.json", policy)
    rows, said_AN, true_AN = of("test")
    keys = rows[system.query].to_pylist()
    decided = decide(policy, said_AN, draws(keys))
    taken = measured(actions, policy, decided, true_AN, np.asarray(keys, str), seed=job.seed)
    (folder / "taken.json").write_bytes(msgspec.json.encode(taken))


def read_taken(job: Job) -> list[Taken]:
    """What the step found; nothing for a design without actions."""
    if not job.system.actions:
        return []
    text = (job.folder("policy") / "taken.json").read_bytes()
    return msgspec.json.decode(text.replace(b":null", b':"nan"'), type=list[Taken], strict=False)


def policy_table(taken: list[Taken]) -> Table:
    """What each action did on the test part."""
    table = Table(
        "Action", "goal", "threshold", "takes", "precision", "recall so far", "drawn",
        title="Policy: solved on validation, measured on test", title_justify="left",
    )  # fmt: skip
    for one in taken:
        threshold = "none reaches it" if np.isnan(float(one.threshold or "nan")) else f"{one.threshold:.4f}"
        cells = [
            "none" if np.isnan(m.value) else f"{m.value:.3f}\n[dim]{m.low:.3f} to {m.high:.3f}[/dim]"
            for m in (one.share, one.precision, one.recall)
        ]
        table.add_row(one.name, one.goal, threshold, *cells, f"{one.drawn:.3f}")
    return table


def classes_of(system: System, examples: pa.Table) -> Mapping[str, Floats]:
    """Every label of the examples, shape (N,); of votes the majority."""
    found = {name: label_of(examples, name) for name in system.labels}
    for group in system.label_groups.values():
        shares_NC = np.stack([found[name] for name in group.outputs], 1)
        found |= dict(zip(group.outputs, majority(shares_NC, exclusive=group.exclusive).T))
    return found


def label_of(examples: pa.Table, name: str) -> Floats:
    """A label of the examples, shape (N,); NaN where it is null."""
    return np.asarray(examples[f"label.{name}"].to_numpy(zero_copy_only=False), np.float64)
