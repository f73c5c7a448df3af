"""Makes a work folder with releases of the small design of posts, its model trained on noise."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from sixfold.design import load
from sixfold.inference.policy import Solved, write_policy
from sixfold.registry import Releases
from sixfold.registry.release import POLICY
from sixfold.training.network import train_network

DESIGN = Path(__file__).with_name("posts_design.py")
ROWS = 400


def release(workdir: Path, seed: int = 0) -> str:
    """Train with a seed, release and promote; the id of the release."""
    system, folder, rng = load(DESIGN), workdir / f"trained-{seed}", np.random.default_rng(seed)
    judge = system.models["judge"]
    names = system.inputs(judge.inputs, where=judge.at, part="judge")
    words = ["sun", "rain", "cloud", "storm", "wind", "snow"]
    columns = {
        "posts.text": pa.array([" ".join(rng.choice(words, 5)) for _ in range(ROWS)]),
        "record.posts_7d": pa.array(rng.integers(0, 9, ROWS).astype(float)),
        "label.rude": pa.array((rng.random(ROWS) < 0.5).astype(float)),
        "part": pa.array(np.where(np.arange(ROWS) < ROWS * 0.7, "train", "validation")),
    }
    kinds = dict(system.kinds)
    train_network(judge, pa.table(columns), names, kinds, folder / "judge", seed=seed, progress=lambda one: None)
    write_policy(folder / POLICY, (Solved("hide", 0.9), Solved("review", 0.5, 0.5)))
    said = {"data": {}, "seed": seed, "metrics": {}, "baselines": {}, "gates": [], "requirements": {}}
    releases = Releases(workdir / "releases")
    made = releases.add(system, DESIGN, folder, ["judge"], said, [folder / POLICY])
    releases.promote(made.id)
    return made.id


def post(number: int, words: str = "sun", **more: object) -> dict[str, object]:
    """A row to predict."""
    return {"post": f"p{number}", "text": f"{words} rain {number}", **more}
