"""The generated events world has the real folder's files, nothing in it knows the future, and its truth ranks best."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from sixfold.errors import InvalidField

COLUMNS = {
    "rsvps": "rsvp_id event_id member_id guests response created mtime",
    "events": "id name time utc_offset group_id venue_id status capacity",
    "groups": "id name urlname rating created organiserMemberId",
    "groups_topics": "groupId name id urlkey",
    "members": "id joined topics groupId",
    "venues": "id name city lat lon",
    "friendships": "member_id friend_id since",
}
SMALL = {"members": 3_000, "events": 800, "cities": 2, "days": 40, "lists": 600}
DAY_MS = 86_400_000


def _world() -> ModuleType:
    folder = Path(__file__).parents[2] / "systems" / "events"
    sys.path.insert(0, str(folder))  # as it is when the script is run: its parts lie beside it
    try:
        spec = importlib.util.spec_from_file_location("events_world_script", folder / "world.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["events_world_script"] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


world = _world()
END_MS = world.START_MS + SMALL["days"] * DAY_MS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    made: Path = tmp_path_factory.mktemp("events")
    world.generate(world.World(**SMALL), made)
    return made


@pytest.fixture(scope="module")
def lists(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "truth.parquet").to_pylist()
    return [{k: np.array(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows]


def ask(folder: Path, query: str) -> Any:
    """The single row of a query in which a table is called by its file's name."""
    with duckdb.connect() as connection:
        for name in COLUMNS:
            connection.sql(f"create view {name} as from '{folder}/{name}.csv'")
        return connection.sql(query).fetchall()[0]


def ndcg(lists: list[dict[str, Any]], score: Any) -> float:
    """nDCG@10 of lists with one chosen event each, ordered by a score; equal scores as by chance."""
    rng, gained = np.random.default_rng(0), []
    for row in lists:
        s: NDArray[np.float64] = np.asarray(score(row), float)
        order = np.lexsort((rng.random(len(s)), -s))
        rank = int(np.flatnonzero(row["event_id"][order] == row["chosen"])[0])
        gained.append(1 / np.log2(rank + 2) if rank < 10 else 0.0)
    return float(np.mean(gained))


@pytest.mark.parametrize("name", COLUMNS)
def test_the_files_have_the_real_columns_and_capacities_and_friendships_beside(folder: Path, name: str) -> None:
    assert (folder / f"{name}.csv").read_text().split("\n", 1)[0].replace('"', "") == COLUMNS[name].replace(" ", ",")


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        world.generate(world.World(members=300, events=150, cities=2, days=10, seed=seed), tmp_path / name)
    for name in [*(f"{table}.csv" for table in COLUMNS), "truth.parquet", "truth.npz"]:
        first, again, other = ((tmp_path / run / name).read_bytes() for run in ("one", "again", "other"))
        assert first == again
        assert first != other


@pytest.mark.parametrize(
    ("members", "events", "cities", "days"), [(200, 100, 10, 5), (200, 400, 1, 6), (900, 100, 1, 90)]
)
def test_odd_sizes_work(tmp_path: Path, members: int, events: int, cities: int, days: int) -> None:
    world.generate(world.World(members=members, events=events, cities=cities, days=days), tmp_path)
    query = "select (select count(*) from events), (select count(distinct id) from members), count(*) from rsvps"
    made, lived, answers = ask(tmp_path, query)
    assert (made, lived) == (events, members)
    assert answers > 0


def test_nobody_answers_before_an_event_is_announced_or_after_it_starts_or_twice(folder: Path) -> None:
    truth = world.Truth.load(folder)
    lead_h = truth.start_h_E - truth.announced_h_E
    assert lead_h.min() >= 24
    assert lead_h.max() <= 21 * 24
    with duckdb.connect() as connection:
        answers = connection.sql(f"select event_id, created, mtime from '{folder}/rsvps.csv'").fetchnumpy()
    event = answers["event_id"] - 200_000_000
    assert (answers["created"] >= world.START_MS + truth.announced_h_E[event] * world.HOUR_MS).all()
    assert (answers["mtime"] < world.START_MS + truth.start_h_E[event] * world.HOUR_MS).all()
    assert (answers["mtime"] >= answers["created"]).all()
    assert answers["mtime"].max() < END_MS
    assert ask(folder, "select count(*) - count(distinct (member_id, event_id)) from rsvps") == (0,)


def test_a_member_who_answers_had_joined_a_group_and_lives_in_the_events_city(folder: Path) -> None:
    query = """select count(*), count(*) filter (where r.created < m.joined), avg((r.response = 'yes')::int)
               from rsvps r join (select id, min(joined) as joined from members group by id) m on m.id = r.member_id"""
    answers, early, yes = ask(folder, query)
    assert answers > 5_000
    assert early == 0
    assert yes == pytest.approx(0.88, abs=0.04)
    truth = world.Truth.load(folder)
    assert (truth.city_M[truth.member_A] == truth.city_E[truth.event_A]).all()


def test_no_event_ever_has_more_yes_than_seats_and_some_are_full(folder: Path) -> None:
    truth = world.Truth.load(folder)
    for hour in range(0, 24 * SMALL["days"], 7):
        goes = (truth.from_h_A <= hour) & (truth.until_h_A > hour)
        assert (np.bincount(truth.event_A[goes], minlength=SMALL["events"]) <= truth.capacity_E).all()
    query = """select count(*) filter (where yes > capacity), avg((yes = capacity)::int) from (
               select capacity, (select count(*) from rsvps where event_id = e.id and response = 'yes') as yes
               from events e where status = 'past' and capacity is not null)"""
    over, full = ask(folder, query)
    assert over == 0
    assert full > 0.02
    assert ask(folder, "select avg((capacity is null)::int) from events")[0] == pytest.approx(0.4, abs=0.06)


def test_friendships_go_both_ways_begin_after_both_joined_and_one_member_has_very_many(folder: Path) -> None:
    query = """select count(*) - count(distinct (a.member_id, a.friend_id)), count(*) filter (where b.since is null),
                      count(*) filter (where a.member_id = a.friend_id), max(a.since) from friendships a
               left join friendships b on (b.member_id, b.friend_id, b.since) = (a.friend_id, a.member_id, a.since)"""
    twice, one_way, own, last = ask(folder, query)
    assert (twice, one_way, own) == (0, 0, 0)
    assert last < END_MS
    most, typical = ask(
        folder, "select max(n), median(n) from (select count(*) as n from friendships group by member_id)"
    )
    assert most >= 500
    assert 3 <= typical <= 20


def test_members_and_events_without_an_answer_exist_and_some_values_are_missing(folder: Path) -> None:
    silent, topicless, quiet, lost, nowhere, zero = ask(
        folder,
        """select (select count(distinct id) from members where id not in (select member_id from rsvps)),
                  (select count(distinct id) from members where topics is null),
                  (select count(*) from events where id not in (select event_id from rsvps)),
                  (select count(*) from events where venue_id is null),
                  (select count(*) from venues where lat is null), (select count(*) from venues where lat = 0)""",
    )
    assert silent > 300
    assert topicless > 100
    assert min(quiet, lost, nowhere, zero) >= 1


def test_members_join_more_groups_over_time_and_most_events_begin_with_their_organisers_yes(folder: Path) -> None:
    assert ask(folder, f"select avg((joined > {world.START_MS})::int) from members")[0] > 0.1
    query = """select avg((first = g."organiserMemberId")::int) from groups g join events e on e.group_id = g.id
               join (select event_id, arg_min(member_id, created) as first from rsvps group by event_id) r
               on r.event_id = e.id"""
    assert ask(folder, query)[0] > 0.8


def test_times_of_events_have_the_weekdays_and_hours_that_members_like(folder: Path) -> None:
    truth = world.Truth.load(folder)
    with duckdb.connect() as connection:
        local = f"select make_timestamp((time + utc_offset) * 1000) as t from '{folder}/events.csv'"
        found = connection.sql(f"select isodow(t) - 1 as weekday, hour(t) as hour from ({local})").fetchnumpy()
    assert (found["weekday"] == truth.weekday_E).all()
    assert ((found["hour"] >= 17) == (truth.evening_E > 0)).all()
    assert set(found["hour"].tolist()) == set(range(9, 22))


def test_a_title_has_two_words_of_its_topic(folder: Path) -> None:
    titles = Path(folder / "events.csv").read_text().splitlines()[1:]
    topic_of: dict[str, set[int]] = {}
    for line, topic in zip(titles, world.Truth.load(folder).topic_E.tolist()):
        for word in line.split(",")[1].lower().split()[:2]:
            topic_of.setdefault(word, set()).add(topic)
    assert all(len(topics) == 1 for topics in topic_of.values())
    assert len(topic_of) > 200


def test_the_utility_for_any_time_is_the_one_by_which_was_chosen(folder: Path, lists: list[dict[str, Any]]) -> None:
    truth = world.Truth.load(folder)
    for row in lists[:60]:
        asked = truth.utilities(np.full(800, row["member_id"] - 10_000_000), np.arange(800), np.full(800, row["time"]))
        assert np.flatnonzero(asked > -np.inf).tolist() == (row["event_id"] - 200_000_000).tolist()
        np.testing.assert_allclose(asked[row["event_id"] - 200_000_000], row["utility"], atol=2e-4)


def test_choices_are_as_often_as_the_truth_says(lists: list[dict[str, Any]]) -> None:
    """The chosen event's probability, averaged over lists, is the average of the sums of squares."""
    said, was = [], []
    for row in lists:
        chance = np.exp(row["utility"] - row["utility"].max())
        chance /= chance.sum()
        said.append((chance**2).sum())
        was.append(chance[row["event_id"] == row["chosen"]][0])
    assert np.mean(was) == pytest.approx(np.mean(said), abs=0.04)


def test_the_truth_tells_answers_of_the_last_fifth(folder: Path, lists: list[dict[str, Any]]) -> None:
    assert len(lists) > 0.9 * SMALL["lists"]
    query = f"""select count(*), min(r.mtime), (select quantile_cont(mtime, 0.8) from rsvps) from rsvps r
                join '{folder}/truth.parquet' t on t.rsvp_id = r.rsvp_id and t.chosen = r.event_id
                and t.member_id = r.member_id and t.time = r.mtime where r.response = 'yes'"""
    found, first, fifth = ask(folder, query)
    assert found == len(lists)
    assert first > fifth


def test_the_truth_ranks_better_than_any_simple_rule(lists: list[dict[str, Any]]) -> None:
    rules = {
        "soonest": lambda row: -row["days_left"],
        "nearest": lambda row: -row["km"],
        "most_yes": lambda row: row["yes"],
        "own_groups": lambda row: 1000 * row["own"] - row["days_left"],
    }
    truth = ndcg(lists, lambda row: row["utility"])
    by_chance = ndcg(lists, lambda row: 0 * row["km"])
    assert truth > 0.55
    for rule in rules.values():
        assert by_chance < ndcg(lists, rule) < truth - 0.15


def test_friends_habits_distance_and_groups_draw(lists: list[dict[str, Any]]) -> None:
    chosen = {
        k: np.array([row[k][row["event_id"] == row["chosen"]][0] for row in lists], float)
        for k in ("km", "friends", "own")
    }
    offered = {k: np.concatenate([row[k] for row in lists]).astype(float) for k in chosen}
    assert chosen["km"].mean() < offered["km"].mean() - 1
    assert chosen["friends"].mean() > 3 * offered["friends"].mean()
    assert chosen["own"].mean() > 3 * offered["own"].mean()


def test_the_script_writes_a_world_of_the_size_asked_for(tmp_path: Path) -> None:
    world.main([str(tmp_path / "new"), "--members", "250", "--events", "100", "--days", "6", "--seed", "3"])
    made = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert made == sorted([*(f"{name}.csv" for name in COLUMNS), "truth.npz", "truth.parquet"])


def test_a_size_that_cannot_be_is_refused() -> None:
    for size, words in (
        ({"members": 10}, "members must be at least 200, got 10"),
        ({"cities": 11}, "cities must be at most 10, got 11"),
    ):
        with pytest.raises(InvalidField) as caught:
            world.World(**size)
        assert str(caught.value) == f"world.py: World.{words}"
