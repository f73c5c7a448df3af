"""A design of one's own over check-ins: places across the date line and at poles, somebody with 5,000 friends."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from checkins_world import generate
from running import sixfold

from sixfold.design import load
from sixfold.registry import Releases
from sixfold.serving.answer import Question
from sixfold.serving.clock import Clock
from sixfold.serving.history import newest_us
from sixfold.serving.live import Live
from sixfold.stores import LmdbLog

pytestmark = pytest.mark.filterwarnings("default")  # of the libraries that train and record

DESIGN = Path(__file__).with_name("checkins_design.py")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkins")
    generate(folder / "data")
    ran = sixfold("run", DESIGN, "--data", folder / "data", "--workdir", folder / "work", "--json")
    assert ran.status == 0, ran.err
    (folder / "work" / "said.json").write_text(ran.out.splitlines()[-1])
    return folder / "work"


def test_order_is_learned_where_the_log_tells_only_who_came(work):
    said = json.loads((work / "said.json").read_text())
    assert all(gate["passed"] for gate in said["gates"])
    best = max(said["baselines"][f"{rule}.ndcg@10"]["value"] for rule in ("popular", "near", "again"))
    assert said["metrics"]["ndcg@10"]["value"] > best + 0.02
    assert said["baselines"]["towers.ndcg@10"]["value"] > said["baselines"]["popular.ndcg@10"]["value"]


def test_who_has_five_thousand_friends_and_who_is_nobody_are_answered(work):
    now_us = newest_us(load(DESIGN), work) + 1
    releases = Releases(work / "releases")
    release, clock = releases.open(releases.current()), Clock(now_us)
    with closing(LmdbLog(work / "log")) as log, closing(Live(work, release, log, clock)) as live:
        friendly, nobody, unknown = (
            live.answerer.answer(Question(f"r{at}", key, 10, now_us, {}))
            for at, key in enumerate(("u0", "nobody", None))
        )
    assert sum(one["lately.n_3d"] for one in friendly.item_features) > 0, "where friends were lately"
    assert [one["lately.n_3d"] for one in nobody.item_features] == [0.0] * 10
    assert len(unknown.items) == 10
    # Everybody is somewhere in the city, on whichever side of the date line: what is near is near.
    assert sorted(one["go.km"] for one in friendly.item_features if one["go.km"] is not None)[5] < 10
