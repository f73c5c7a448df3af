"""The check-ins for trying the docs have the awkward places and the structure that they promise."""

import json
from pathlib import Path
from typing import Any

import checkins_world
import numpy as np
import pyarrow.parquet as pq
import pytest

FILES = ("checkins.parquet", "friends.parquet", "places.jsonl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    made: Path = tmp_path_factory.mktemp("checkins")
    checkins_world.generate(made)
    return made


@pytest.fixture(scope="module")
def places(folder: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "places.jsonl").read_text().splitlines()]
    return {row["place"]: row for row in rows}


@pytest.fixture(scope="module")
def visits(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "checkins.parquet").to_pylist()
    return rows


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    checkins_world.generate(tmp_path)
    assert all((folder / name).read_bytes() == (tmp_path / name).read_bytes() for name in FILES)


def test_it_has_the_sizes_it_says(places: dict[str, Any], visits: list[dict[str, Any]]) -> None:
    assert (len(places), len(visits)) == (1_000, 30_000)
    assert len({row["user"] for row in visits}) > 1_800
    assert all(row["place"] in places for row in visits)


def test_places_lie_on_both_sides_of_the_date_line_on_the_poles_and_nowhere(places: dict[str, Any]) -> None:
    known = [row for row in places.values() if row["lat"] is not None]
    assert len(places) - len(known) == 30
    assert sum(abs(row["lat"]) == 90 for row in known) == 5
    assert min(sum(row["lon"] > 179 for row in known), sum(row["lon"] < -179 for row in known)) > 300
    assert all(abs(row["lon"]) <= 180 for row in known)


def test_each_friendship_is_told_once_and_one_user_has_5000(folder: Path) -> None:
    pairs = pq.read_table(folder / "friends.parquet").to_pylist()
    told = {frozenset((row["user"], row["friend"])) for row in pairs}
    assert len(told) == len(pairs)
    assert all(len(pair) == 2 for pair in told)
    assert sum("u0" in pair for pair in told) == 5_000


def test_people_go_near_again_and_where_friends_were(folder: Path, visits: list[dict[str, Any]]) -> None:
    pairs = pq.read_table(folder / "friends.parquet").to_pylist()
    friends: dict[str, set[str]] = {}
    for row in pairs:
        if row["user"] != "u0":
            friends.setdefault(row["user"], set()).add(row["friend"])
            friends.setdefault(row["friend"], set()).add(row["user"])
    rng, been = np.random.default_rng(0), dict[str, set[str]]()
    again, followed, by_chance = [], [], []
    for row in visits:
        mine, known = been.setdefault(row["user"], set()), list(friends.get(row["user"], ()))
        others = set().union(*(been.get(friend, set()) for friend in known))
        again.append(row["place"] in mine)
        followed.append(row["place"] in others)
        by_chance.append(f"p{rng.integers(1_000)}" in others)
        mine.add(row["place"])
    assert np.mean(again) > 0.15
    assert np.mean(followed) > 3 * np.mean(by_chance)
