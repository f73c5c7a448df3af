"""Makes a work folder with a release that judges posts: a small network that learned three words, and thresholds."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from sixfold.design import load
from sixfold.inference.policy import Solved, write_policy
from sixfold.registry import Releases
from sixfold.registry.release import POLICY
from sixfold.training.network import train_network

DESIGN = Path(__file__).with_name("talk_design.py")
ROWS = 300
SAYS = {"kind": "lovely", "rude": "silly", "vile": "grotty"}


def release(workdir: Path, *, design: Path = DESIGN, models: Path | None = None, policy: Any = None) -> str:
    """Train, release and promote; the id of the release. `models` is where the models of an earlier one are."""
    system, folder = load(design), models or workdir / "trained"
    if not folder.is_dir():
        train(design, folder)
    write_policy(workdir / POLICY, policy or (Solved("remove", None), Solved("review", 0.5, explore=0.9)))
    said: dict[str, Any] = {
        "data": {},
        "seed": 0,
        "metrics": {},
        "baselines": {},
        "gates": [],
        "requirements": {},
    }
    releases = Releases(workdir / "releases")
    made = releases.add(system, design, folder, ["judge"], said, [workdir / POLICY])
    releases.promote(made.id)
    return made.id


def train(design: Path, folder: Path) -> None:
    system, draw = load(design), random.Random(1)
    judge = system.models["judge"]
    moods = [draw.choice(list(SAYS)) for _ in range(ROWS)]
    # Some words are of no mood: of a post that has them the score is unsure.
    texts = [f"the {draw.choice(('sun', 'rain'))} is {SAYS[mood]} so it is" for mood in moods]
    examples = pa.table(
        {
            "posts.text": texts,
            "record.vile_7d": pa.array([0.0] * ROWS),
            **{f"label.mood.{one}": [float(one == mood) for mood in moods] for one in SAYS},
            "part": ["train" if at < ROWS * 0.7 else "validation" for at in range(ROWS)],
        }
    )
    names = system.inputs(judge.inputs, where=judge.at, part="judge")
    outputs = {name: group.outputs for name, group in system.label_groups.items()}
    common = {"seed": 0, "progress": lambda one: None, "outputs": outputs}
    train_network(judge, examples, names, dict(system.kinds), folder / "judge", **common)
