"""The generated ads world has the real log's columns, and models can be compared with its truth."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pytest

from sixfold.errors import InvalidField

REAL = (
    "session_id DateTime user_id product campaign_id webpage_id product_category_1 product_category_2 user_group_id "
    "gender age_level user_depth city_development_index var_1 is_click"
)
SMALL = {"viewers": 3_000, "ads": 2_000, "impressions": 60_000}


def _world() -> ModuleType:
    path = Path(__file__).parents[2] / "systems" / "ads" / "world.py"
    spec = importlib.util.spec_from_file_location("ads_world", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ads_world"] = module
    spec.loader.exec_module(module)
    return module


world = _world()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    made: Path = tmp_path_factory.mktemp("ads")
    world.generate(world.World(**SMALL), made)
    return made


def ask(folder: Path, query: str) -> Any:
    """Rows of a query over the log `i` beside the truth `t`."""
    tables = f"'{folder}/impressions.csv' i join '{folder}/truth.parquet' t using (session_id)"
    return duckdb.sql(query.replace("LOG", tables))


def test_it_writes_the_columns_of_the_real_log_and_three_more(folder: Path) -> None:
    header = (folder / "impressions.csv").read_text().split("\n", 1)[0].replace('"', "").split(",")
    assert header == [*REAL.split(), "clicked_at", "bid", "daily_budget"]
    assert ask(folder, "select count(*), count(distinct session_id) from LOG").fetchall()[0] == (60_000, 60_000)


def test_clicks_are_as_often_as_they_are_true(folder: Path) -> None:
    within = "is_click = 1 and clicked_at - DateTime <= interval 30 minute"
    told = ask(folder, f"select avg(({within})::int), avg(t.click) from LOG").fetchall()[0]
    assert told[0] == pytest.approx(told[1], rel=0.03)
    fifths = f"select ntile(5) over (order by t.click) as q, ({within})::int as y, t.click as p from LOG"
    for was, said in ask(folder, f"select avg(y), avg(p) from ({fifths}) group by q").fetchall():
        assert was == pytest.approx(said, rel=0.12)
    late = ask(folder, f"select avg((not ({within}))::int) from LOG where is_click = 1").fetchall()[0][0]
    assert 0.05 < late < 0.15


def test_the_truth_answers_for_any_viewer_ad_and_time(folder: Path) -> None:
    truth = world.Truth.load(folder)
    rows = ask(
        folder, "select user_id, campaign_id, product, product_category_1, epoch(DateTime), t.click from LOG limit 500"
    )
    place = {key: at for at, key in enumerate(truth.keys())}
    start = (world.FIRST - np.datetime64("1970-01-01T00:00:00", "s")).astype(int)
    for user, campaign, product, category, at, chance in rows.fetchall():
        ad = place[f"{campaign}|{product}|{category}"]
        assert truth.chances([user], [ad], [(at - start) / 3600])[0] == pytest.approx(chance)


def test_no_campaign_spends_more_than_its_budget_by_more_than_a_click(folder: Path) -> None:
    spent = ask(
        folder,
        "select max(s - daily_budget - bid) from (select campaign_id, DateTime::date, any_value(daily_budget) as "
        f"daily_budget, any_value(bid) as bid, sum(is_click * bid * {world.PAYS}) as s from LOG group by 1, 2)",
    ).fetchall()[0][0]
    assert spent <= 0


def test_crosses_hold_what_no_single_part_tells(folder: Path) -> None:
    truth = world.Truth.load(folder)
    rng = np.random.default_rng(0)
    viewer, ad = rng.integers(0, 3000, 40_000), rng.integers(0, 2000, 40_000)
    chance = truth.chances(viewer, ad, np.full(40_000, 12.0))
    logit = np.log(chance / (1 - chance))
    category, age = truth.category_P[truth.product_A[ad]], truth.age_U[viewer]
    both = np.array([logit[(category == c) & (age == a)].mean() for c in range(5) for a in range(1, 5)]).reshape(5, 4)
    alone = both - both.mean(0) - both.mean(1)[:, None] + both.mean()
    assert alone.std() > 0.2


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(folder: Path, tmp_path: Path) -> None:
    world.main([str(tmp_path / "a"), *(f"--{name}={value}" for name, value in SMALL.items())])
    same = (tmp_path / "a" / "impressions.csv").read_bytes()
    assert same == (folder / "impressions.csv").read_bytes()
    world.generate(world.World(**SMALL, seed=1), tmp_path / "b")
    assert (tmp_path / "b" / "impressions.csv").read_bytes() != same


@pytest.mark.parametrize(
    ("field", "value"), [("viewers", 9), ("ads", 99), ("impressions", 999), ("days", 0), ("seed", -1)]
)
def test_a_world_too_small_is_refused(field: str, value: int) -> None:
    with pytest.raises(InvalidField, match=f"World.{field} must be at least"):
        world.World(**{field: value})
