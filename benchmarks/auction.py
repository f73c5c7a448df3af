"""What the auction of the ads system earns in the generated world, by each model's probabilities and by the true ones.

    python benchmarks/auction.py [--quick] [--json] [--workdir DIR --data DIR]

Requests of drawn viewers on drawn pages are answered at the data's end, in process, by the released design: its
filters, value, limits and second prices, but with the clicks' probabilities of each model in turn. What is shown earns
the price times the true probability of a click. Without a work folder and its data, a world is generated and run first
(200,000 impressions, or 60,000).
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sixfold.features.arrays import Array, Values, column
from sixfold.inference.models import Scorer, load
from sixfold.pipeline.locate import locate
from sixfold.registry import Releases
from sixfold.serving.answer import Answerer, Question
from sixfold.serving.clock import Clock
from sixfold.serving.history import newest_us
from sixfold.serving.live import Live
from sixfold.stores.opening import open_log

DESIGN = locate("ads")
K = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small world, few requests")
    parser.add_argument("--json", action="store_true", help="one object a line; without, a line of words each")
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        workdir, data = given.workdir, given.data
        if workdir is None:
            workdir, data = Path(made) / "work", Path(made) / "data"
            _run(workdir, data, 60_000 if given.quick else 200_000)
        earned = _earned(workdir, data, 200 if given.quick else 2000)
    best = earned["the truth"]
    for name, value in earned.items():
        said = {
            "benchmark": "auction",
            "case": name,
            "value": round(value, 3),
            "unit": "earned by 1,000 requests",
            "against": round(best, 3),
            "ratio": round(value / best, 4),
        }
        words = f"{name}: {value:.2f} for 1,000 requests, {value / best:.1%} of what the truth earns"
        print(json.dumps(said) if given.json else words, flush=True)


def _run(workdir: Path, data: Path, impressions: int) -> None:
    world = DESIGN.design.parent / "world.py"
    size = ["--impressions", str(impressions), "--ads", str(impressions // 50), "--viewers", str(impressions // 5)]
    subprocess.run([sys.executable, str(world), str(data), *size], check=True)
    command = [sys.executable, "-m", "sixfold.cli", "run", str(DESIGN.design), "--data", str(data)]
    subprocess.run([*command, "--workdir", str(workdir)], check=False, stdout=subprocess.DEVNULL)


def _earned(workdir: Path, data: Path, requests: int) -> dict[str, float]:
    """By whose probabilities are used, what 1,000 requests earn."""
    module = _world()
    truth = module.Truth.load(data)
    releases = Releases(workdir / "releases")
    release = releases.open(str(releases.current()))
    system = release.system
    end_us = newest_us(system, workdir)
    assert end_us is not None, "the world has rows"
    hour = float(truth.drift_CH.shape[1]) - 0.5
    log = open_log(system.deployment.stores, system.name, workdir)
    live = Live(workdir, release, log, Clock(end_us + 1))
    scorers: dict[str, Scorer] = {"the truth": _True(truth, hour), "everybody alike": _Alike()}
    for name, model in system.models.items():
        scorers[name] = cast(Scorer, load(workdir / "steps" / f"train-{name}" / model.name))
    rng = np.random.default_rng(0)
    viewers = rng.integers(0, len(truth.age_U), requests)
    pages = rng.integers(0, module.PAGES, requests) + module.FIRST_PAGE
    places = {key: at for at, key in enumerate(truth.keys())}
    try:
        assert live.catalogue is not None, "ads are items"
        earned = {}
        for name, scorer in scorers.items():
            answerer = Answerer(system, live.reader.columns, live.catalogue.items, [], scorer)
            total = 0.0
            for at in range(requests):
                (context,) = system.context
                page = {context: column(system.kinds[context], [str(pages[at])])}
                asked = Question(f"auction-{at}", str(viewers[at]), K, end_us + 1, page)
                for one in answerer.answer(asked).items:
                    chance = truth.chances([viewers[at]], [places[one.key]], [hour])[0]
                    total += float(chance) * float(one.price or 0.0)
            earned[name] = total / requests * 1000
    finally:
        live.close()
        log.close()
    return earned


@dataclass
class _True:
    """The world's own probabilities."""

    truth: Any
    hour: float
    heads: tuple[str, ...] = ("click",)
    names: frozenset[str] = frozenset({"viewer", "ad"})
    _places: dict[str, int] = field(default_factory=dict)

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        self._places = self._places or {key: at for at, key in enumerate(self.truth.keys())}
        viewer, ad = (cast(Values, columns[name]).data for name in ("viewer", "ad"))
        places = np.array([self._places[key] for key in ad.tolist()])
        who = np.broadcast_to(np.array([int(key) for key in viewer.tolist()]), rows)
        return {"click": self.truth.chances(who, places, np.full(rows, self.hour))}

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        raise NotImplementedError


@dataclass
class _Alike:
    """One probability for all: the auction goes to the highest bid."""

    heads: tuple[str, ...] = ("click",)
    names: frozenset[str] = frozenset()

    def score(self, columns: Mapping[str, Array], rows: int) -> dict[str, NDArray[np.float64]]:
        return {"click": np.full(rows, 0.06)}

    def score_table(self, table: Any) -> dict[str, NDArray[np.float64]]:
        raise NotImplementedError


def _world() -> Any:
    spec = importlib.util.spec_from_file_location("ads_world", DESIGN.design.parent / "world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ads_world"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
