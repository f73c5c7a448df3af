"""The generated harm world has the real posts' columns, and its votes are as often as their chances say."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sixfold.design import load
from sixfold.errors import InvalidField

SYSTEM = Path(__file__).parents[2] / "systems" / "harm"
REAL = ["text", "labels", "targets", "unanimous", "split"]
SMALL = {"posts": 6_000, "authors": 300}


def _world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("harm_world", SYSTEM / "world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["harm_world"] = module
    spec.loader.exec_module(module)
    return module


world = _world()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    made: Path = tmp_path_factory.mktemp("harm")
    world.generate(world.World(**SMALL), made)
    return made


@pytest.fixture(scope="module")
def posts(folder: Path) -> list[dict[str, Any]]:
    truth = pq.read_table(folder / "truth.parquet").to_pylist()
    return [{**post, **of} for post, of in zip(pq.read_table(folder / "posts.parquet").to_pylist(), truth)]


def test_it_writes_the_columns_of_the_real_posts_and_more(folder: Path) -> None:
    assert pq.read_schema(folder / "posts.parquet").names[:5] == REAL


def test_votes_are_as_often_as_their_chances_say(posts: list[dict[str, Any]]) -> None:
    for verdict in world.VERDICTS:
        said = np.array([post[verdict] for post in posts])
        was = np.array([post["labels"].count(verdict) / 3 for post in posts])
        assert was.mean() == pytest.approx(said.mean(), rel=0.1)
        assert was[said > 0.6].mean() == pytest.approx(said[said > 0.6].mean(), rel=0.06)


def test_harms_have_different_base_rates_and_reviewers_disagree(posts: list[dict[str, Any]]) -> None:
    votes = Counter(vote for post in posts for vote in post["labels"])
    assert votes["normal"] > 5 * votes["offensive"] > 5 * votes["hatespeech"]
    assert 0.05 < np.mean([not post["unanimous"] for post in posts]) < 0.35


def test_authors_have_habits(posts: list[dict[str, Any]]) -> None:
    by_author: dict[str, list[float]] = {}
    for post in posts:
        by_author.setdefault(post["author_id"], []).append(1 - post["normal"])
    halves = [(np.mean(own[::2]), np.mean(own[1::2])) for own in by_author.values() if len(own) >= 20]
    assert np.corrcoef(np.array(halves).T)[0, 1] > 0.5


def test_what_is_harmful_is_reported_more_and_nothing_happens_before_it_is_written(posts: list[dict[str, Any]]) -> None:
    seen = {harm: [post for post in posts if (post["normal"] < 0.5) is harm] for harm in (True, False)}
    rates = {
        harm: sum(len(post["reported_at"]) for post in own) / sum(len(post["viewed_at"]) for post in own)
        for harm, own in seen.items()
    }
    assert rates[True] > 5 * rates[False]
    assert all(post["joined_at"] <= post["asked_at"] < min(post["voted_at"]) for post in posts)
    upheld = [post["upheld"] for post in posts if post["appealed_at"] is not None]
    assert 0.02 < np.mean(upheld) < 0.6


def test_targets_are_those_that_the_design_declares(posts: list[dict[str, Any]]) -> None:
    system = load(SYSTEM / "design.py")
    declared = {name.removeprefix("target.") for name in system.outputs("target")}
    assert {target for post in posts for target in post["targets"]} <= declared == set(world.GROUPS)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(folder: Path, tmp_path: Path) -> None:
    world.main([str(tmp_path / "a"), *(f"--{name}={value}" for name, value in SMALL.items())])
    same = (tmp_path / "a" / "posts.parquet").read_bytes()
    assert same == (folder / "posts.parquet").read_bytes()
    world.generate(world.World(**SMALL, seed=1), tmp_path / "b")
    assert (tmp_path / "b" / "posts.parquet").read_bytes() != same


@pytest.mark.parametrize(("field", "value"), [("posts", 999), ("authors", 9), ("days", 4), ("seed", -1)])
def test_a_world_too_small_is_refused(field: str, value: int) -> None:
    with pytest.raises(InvalidField, match=f"World.{field} must be at least"):
        world.World(**{field: value})
