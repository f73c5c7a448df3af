"""The attacks step: what is left of each network's recall where the texts of the test part are disguised."""
# N = examples

import random

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.table import Table

from sixfold.design.models import Network
from sixfold.design.system import System
from sixfold.evaluation.bootstrap import Measured
from sixfold.evaluation.judged import share
from sixfold.inference.models import Scorer, load
from sixfold.inference.policy import of_scores
from sixfold.pipeline.job import Job
from sixfold.pipeline.labelled import classes_of
from sixfold.pipeline.policy_step import prose_of
from sixfold.training.attacks import ATTACKS, attacked

__all__ = ["FLAGGED", "Attacked", "attackable", "attacks_step", "attacks_tables", "read_attacks"]

FLAGGED = 0.1
"""A row is flagged from the score on that a tenth of the validation rows of which it is not so have, undisguised."""
_MOST = 5_000
"""Test rows that are disguised, evenly spread over the part."""

Floats = NDArray[np.float64]


class Attacked(msgspec.Struct, frozen=True):
    """What a network says of disguised texts."""

    model: str
    on: str
    """An action's expression."""
    attack: str
    """Empty: the texts as they are."""
    recall: Measured
    """Of the rows of which it is so, those that are flagged."""
    wrongly: Measured
    """Of the others, those that are flagged."""


def attackable(system: System) -> list[str]:
    """The networks that read what a request writes and score what an action is about, the one that predicts first."""
    prose, names = set(prose_of(system)), []
    for model in (system.deployment.predict, *system.models.values()):
        if isinstance(model, Network) and model.name not in names:
            read = system.inputs(model.inputs, where=model.at, part=model.name)
            if prose & set(read) and any(one.on.names <= _scores(system, model) for one in system.actions):
                names.append(model.name)
    return names


def attacks_step(job: Job) -> None:
    """Write `attacks.json`."""
    system, found = job.system, list[Attacked]()
    examples = pq.read_table(job.folder("examples") / "examples.parquet")
    validation = examples.filter(pc.equal(examples["part"], "validation"))
    test = examples.filter(pc.equal(examples["part"], "test"))
    test = test.take(np.linspace(0, len(test) - 1, min(len(test), _MOST)).astype(np.int64))
    users = np.unique(np.asarray(test[system.query].to_pylist(), str), return_inverse=True)[1]
    tables = {"": test, **{name: _disguised(system, test, name, job.seed) for name in ATTACKS}}
    held, true = classes_of(system, validation), classes_of(system, test)
    for name in attackable(system):
        own = job.folder(f"train-{name}") / name
        scorer: Scorer = load(own, threads=2, kept=job.folder("encoders"))  # type: ignore[assignment]  # no towers
        before = scorer.score_table(validation)
        after = {attack: scorer.score_table(table) for attack, table in tables.items()}
        for on in {one.on.text: one.on for one in system.actions if one.on.names <= set(scorer.heads)}.values():
            is_not = of_scores(on, held, len(validation)) == 0
            if not is_not.any():
                continue
            least = np.quantile(of_scores(on, before, len(validation))[is_not], 1 - FLAGGED)
            true_N = of_scores(on, true, len(test))
            for attack, scores in after.items():
                flagged = of_scores(on, scores, len(test)) > least
                shares = (share(flagged, true_N == which, users, seed=job.seed) for which in (1, 0))
                found.append(Attacked(name, on.text, attack, *shares))
    (job.folder("attacks") / "attacks.json").write_bytes(msgspec.json.encode(found))


def read_attacks(job: Job) -> list[Attacked]:
    """What the step found; nothing where no network reads what a request writes."""
    path = job.folder("attacks") / "attacks.json"
    if not attackable(job.system):
        return []
    return msgspec.json.decode(path.read_bytes().replace(b":null", b':"nan"'), type=list[Attacked], strict=False)


def attacks_tables(found: list[Attacked]) -> list[Table]:
    """For each expression the recall of each network under each attack, and in brackets what is flagged wrongly."""
    tables = []
    for on in dict.fromkeys(one.on for one in found):
        own = [one for one in found if one.on == on]
        models = list(dict.fromkeys(one.model for one in own))
        title = f"Disguised texts: recall of {on} (flagged wrongly), where a tenth would be wrongly"
        table = Table("Attack", *models, title=title, title_justify="left")
        for attack in dict.fromkeys(one.attack for one in own):
            cells = {
                one.model: f"{one.recall.value:.3f} ({one.wrongly.value:.3f})" for one in own if one.attack == attack
            }
            table.add_row(attack or "as they are", *(cells.get(model, "") for model in models))
        tables.append(table)
    return tables


def _scores(system: System, model: Network) -> set[str]:
    return {name for head in model.heads for name in system.outputs(head.label.name)}


def _disguised(system: System, table: pa.Table, attack: str, seed: int) -> pa.Table:
    rng = random.Random(seed)
    for name in prose_of(system):
        texts = [text and attacked(text, attack, rng) for text in table[name].to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))
    return table
