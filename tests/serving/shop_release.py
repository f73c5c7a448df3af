"""Makes a work folder with a release of the small design, its models trained on noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sixfold.design import System, load
from sixfold.registry import Releases
from sixfold.training.network import train_network
from sixfold.training.sides import SideNames
from sixfold.training.towers import TowerData, train_towers

DESIGN = Path(__file__).with_name("shop_design.py")
ROWS, ITEMS = 400, 40


def release(workdir: Path, seed: int = 0, design: Path = DESIGN, models: Path | None = None) -> str:
    """Train, release and promote; the id of the release. `models` is where the models of an earlier one are."""
    system = load(design)
    folder = models or workdir / "trained"
    if not folder.is_dir():
        train(system, folder, seed)
    said: dict[str, Any] = {
        "data": {},
        "seed": seed,
        "metrics": {},
        "baselines": {},
        "gates": [],
        "requirements": {"p99_ms": 50},
    }
    releases = Releases(workdir / "releases")
    made = releases.add(system, design, folder, ["ranker", "tower"], said)
    releases.promote(made.id)
    return made.id


def train(system: System, folder: Path, seed: int) -> None:
    ranker, tower = system.models["ranker"], system.models["tower"]
    names = system.inputs(ranker.inputs, where=ranker.at, part="ranker")
    rng = np.random.default_rng(seed)
    part = np.where(np.arange(ROWS) < ROWS * 0.7, "train", "validation")
    label = (rng.random(ROWS) < 0.5).astype(float)
    examples = pa.table({**columns(system, names, ROWS, rng), "label.bought": label, "part": pa.array(part)})
    kinds, common = dict(system.kinds), {"seed": seed, "progress": lambda one: None}
    train_network(ranker, examples, names, kinds, folder / "ranker", **common)
    inputs = {"query": tower.query, "item": tower.item}
    reads = {side: system.reads(own, where=tower.at, part="tower") for side, own in inputs.items()}
    sides = {side: SideNames(read.columns, read.places) for side, read in reads.items()}
    named = {side: system.inputs(own, where=tower.at, part="tower") for side, own in inputs.items()}
    positives = pa.table({**columns(system, named["query"], ROWS, rng), "part": pa.array(part)})
    offered = columns(system, named["item"], ITEMS, rng)
    offered["item"] = pa.array([f"i{i}" for i in range(ITEMS)])
    which = rng.integers(0, ITEMS, ROWS).astype(np.int64)
    data = TowerData(positives, pa.table(offered), which, np.zeros(ROWS, np.int64), ITEMS)
    train_towers(tower, data, sides, kinds, folder / "tower", key="item", **common)


def columns(system: System, names: Any, rows: int, rng: np.random.Generator) -> dict[str, Any]:
    """Noise of each column's kind."""
    made: dict[str, Any] = {}
    for name in names:
        kind = system.kinds[name]
        texts = [f"i{i}" if kind.domain == "item" else f"t{i % 5}" for i in rng.integers(0, ITEMS, rows).tolist()]
        if kind.is_list:
            made[name] = pa.array([[text] for text in texts])
        elif kind.base == "text":
            made[name] = pa.array(texts)
        else:
            made[name] = pa.array(rng.random(rows))
    return made
