"""Makes releases of the shops' design around a model that is only named, never run."""

from pathlib import Path
from typing import Any

from sixfold.design import load
from sixfold.registry import Release, Releases

DESIGN = Path(__file__).parents[1] / "serving" / "shop_design.py"
SYSTEM = load(DESIGN)


def said(**replaced: Any) -> dict[str, Any]:
    """What a release says of itself, with some of it replaced."""
    bare: dict[str, Any] = {
        "data": {},
        "seed": 0,
        "metrics": {},
        "baselines": {},
        "gates": [],
        "requirements": {"p99_ms": 50},
    }
    return {**bare, **replaced}


def make(releases: Releases, content: str = "weights", **replaced: Any) -> Release:
    """Add a release whose one model, `ranker`, holds this text."""
    models = releases.folder.parent / "models"
    (models / "ranker").mkdir(parents=True, exist_ok=True)
    (models / "ranker" / "model.json").write_text('{"type": "network"}')
    (models / "ranker" / "model.onnx").write_text(content)
    return releases.add(SYSTEM, DESIGN, models, ["ranker"], said(**replaced))
