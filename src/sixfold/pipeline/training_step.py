"""The training steps: one for each model that learns."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sixfold.design.models import Model, Network, Trees, TwoTower
from sixfold.design.system import System
from sixfold.design.units import duration_us
from sixfold.errors import NothingToLearn
from sixfold.features.local_time import floor_local
from sixfold.pipeline.encoders import find_encoders
from sixfold.pipeline.job import Job
from sixfold.training.encoders import Sources
from sixfold.training.loop import Curve, Progress

__all__ = ["check_labels", "learns", "sources", "train_step"]


def learns(model: Model) -> bool:
    """Whether the model has a training step."""
    return isinstance(model, TwoTower | Network | Trees)


def train_step(job: Job, model: Model, progress: Callable[[Progress], None]) -> None:
    """Train one model; its folder gets the exported model and `curves.json`."""
    system, folder = job.system, job.folder(f"train-{model.name}")
    kinds = dict(system.kinds)
    common: dict[str, Any] = {"seed": job.seed, "progress": progress}
    curves: dict[str, Curve]
    if isinstance(model, TwoTower):
        from sixfold.training.sides import SideNames
        from sixfold.training.towers import train_towers

        reads = {
            side: system.reads(inputs, where=model.at, part=model.name)
            for side, inputs in (("query", model.query), ("item", model.item))
        }
        names = {side: SideNames(read.columns, read.places) for side, read in reads.items()}
        common["sources"] = sources(job)
        data = _tower_data(job, model)
        item = str(system.item)
        curves = {model.name: train_towers(model, data, names, kinds, folder / model.name, key=item, **common)}
    else:
        assert isinstance(model, Network | Trees), "only what learns has a training step"
        examples = pq.read_table(job.folder("examples") / "examples.parquet")
        check_labels(system, model, examples)
        read = system.reads(model.inputs, where=model.at, part=model.name)
        common["hashed"] = read.hashed
        if isinstance(model, Network):
            from sixfold.training.network import train_network

            trees = {name: job.folder(f"train-{name}") / name for name in read.leaves}
            common["sources"] = sources(job)
            common["places"] = read.places
            common["outputs"] = {name: group.outputs for name, group in system.label_groups.items()}
            curve = train_network(model, examples, read.columns, kinds, folder / model.name, trees=trees, **common)
            curves = {model.name: curve}
        else:
            from sixfold.training.trees import train_trees

            by_head = train_trees(model, examples, read.columns, kinds, folder / model.name, **common)
            curves = {f"{model.name}.{head}": curve for head, curve in by_head.items()}
        from sixfold.training.calibration import calibrate

        validation = examples.filter(pc.equal(examples["part"], "validation"))
        calibrate(model.heads, validation, folder / model.name, system.outputs, job.folder("encoders"))
    (folder / "curves.json").write_bytes(msgspec.json.encode(curves))


def check_labels(system: System, model: Network | Trees, examples: pa.Table) -> None:
    """See that there is something to learn for each head.

    Raises:
        NothingToLearn: the training part has no value of a label.
    """
    train = examples.filter(pc.equal(examples["part"], "train"))
    for head in model.heads:
        if all(train[f"label.{name}"].null_count == len(train) for name in system.outputs(head.label.name)):
            part = f"{type(model).__name__} {model.name}"
            raise NothingToLearn(where=head.at, part=part, label=head.label.name, examples=len(train))


def sources(job: Job) -> Sources:
    """Where the design's transformers and image encoders lie.

    Raises:
        EncoderMissing, LibraryMissing: one is not there, or cannot be run.
    """
    return Sources(find_encoders(job.system, job.design), job.folder("encoders"))


def _tower_data(job: Job, model: TwoTower) -> Any:
    from sixfold.training.towers import TowerData, TowerLists

    system, folder = job.system, job.folder("retrieval") / model.positives.name
    if system.negatives is not None:
        return TowerLists.of_examples(pq.read_table(job.folder("examples") / "examples.parquet"), model.positives.name)
    liked, items = (pq.read_table(folder / f"{name}.parquet") for name in ("positives", "items"))
    every_us = duration_us(system.evaluation.ask_every, where=model.at, part=model.name, field="ask_every")
    starts = np.unique(np.asarray(items["time"], np.int64))
    n_items = len(items) // len(starts)
    keys = items[str(system.item)].slice(0, n_items).combine_chunks()
    item = np.asarray(pc.fill_null(pc.index_in(liked[str(system.item)], value_set=keys), -1), np.int64)
    own = floor_local(np.asarray(liked["time"], np.int64), every_us, system.timezone)
    period = np.searchsorted(starts, own)
    known = (item >= 0) & (period < len(starts)) & (starts[np.minimum(period, len(starts) - 1)] == own)
    rows = np.flatnonzero(known)
    kept: pa.Table = liked.take(rows)
    return TowerData(kept, items, item[rows], period[rows].astype(np.int64), n_items)
