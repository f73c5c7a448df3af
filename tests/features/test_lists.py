"""Lists: what was chosen beside what could have been, never what did not exist yet or was over, drawn as is said."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.errors import EmptyPart, InvalidField, NoItems
from sixfold.features.batch import attach_as_known
from sixfold.features.lists import lists

HOUR, DAY = 3_600_000_000, 86_400_000_000
REPLIES = pa.schema(
    [
        ("member", pa.string()), ("meeting", pa.string()), ("going", pa.bool_()), ("time", pa.int64()),
        ("known", pa.int64()), ("offset", pa.int64()),
    ]
)  # fmt: skip
MEETINGS = pa.schema(
    [
        ("meeting", pa.string()), ("opened", pa.int64()), ("starts", pa.int64()), ("seats", pa.float64()),
        ("valid_from", pa.int64()), ("offset", pa.int64()),
    ]
)  # fmt: skip


class World:
    """Meetings that open at an hour of their own and are over a week later; at each hour a member goes to one."""

    def __init__(self, con: duckdb.DuckDBPyConnection, *, meetings: int = 60, hours: int = 400, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        opened = np.sort(rng.integers(0, hours, meetings)) * HOUR
        opened[:5] = 0
        self.opened = {f"e{i}": int(one) for i, one in enumerate(opened)}
        self.starts = {key: one + 7 * DAY for key, one in self.opened.items()}
        rows = []
        for hour in range(1, hours):
            at = hour * HOUR + 7
            going = rng.random() < 0.8
            meeting = str(rng.choice(self.open_at(at)))
            rows.append({"member": f"m{rng.integers(20)}", "meeting": meeting, "going": going, "time": at, "known": at})
        self.rows = rows
        numbered = [{**row, "offset": i - len(rows)} for i, row in enumerate(rows)]
        tables = [
            {"meeting": key, "opened": self.opened[key], "starts": self.starts[key], "seats": 1000.0,
             "valid_from": self.opened[key], "offset": i - meetings}
            for i, key in enumerate(self.opened)
        ]  # fmt: skip
        con.register("replies", pa.Table.from_pylist(numbered, REPLIES))
        con.register("meetings", pa.Table.from_pylist(tables, MEETINGS))

    def open_at(self, time: int) -> list[str]:
        return [key for key in self.opened if self.opened[key] <= time < self.starts[key]]

    def sql(self, name: str) -> str:
        return f'"{name}"'


def make_system(
    *,
    negatives: int | None = 4,
    most: int | None = None,
    learned: int | None = None,
    filters: tuple[str, ...] = (),
    available: str | None = "now < meetings.starts",
    table: bool = True,
    **said: Any,
) -> sf.System:
    member, meeting = sf.Entity("member"), sf.Entity("meeting")
    meetings = sf.Table(
        "meetings", [], meeting.key(), valid_from="opened", opened=sf.Time(unit="us"), starts=sf.Time(unit="us"),
        seats=sf.Number(),
    )  # fmt: skip
    replies = sf.Events("replies", [], member.key(), meeting.key(), time=sf.Time(unit="us"), going=sf.Flag())
    person = sf.Features("person", member, replies, answers=sf.count(), yes=sf.count(where="going"))
    turnout = sf.Features("turnout", meeting, replies, yes=sf.count(where="going"))
    pair = sf.Features("pair", (member, meeting), replies, given=sf.count())
    left = [sf.Derived("left", days="(meetings.starts - now) / 86400", share="person.yes / (1 + turnout.yes)")]
    yes = sf.Label("yes", "going")
    groups = [replies, person, turnout, pair, *([meetings, *left] if table else [])]
    trees = sf.Trees("trees", inputs=[person, turnout, pair, *left[: len(groups) - 4]], heads=[sf.Order(yes)])
    return sf.System(
        "meet",
        sf.Requirements(goal="test"),
        sf.Framing(query=member, item=meeting, examples=replies, labels=[yes], available=available if table else None,
                   negatives=negatives, lists=learned),
        sf.Data(*groups),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["ndcg@10"], lists=most, **said),
        sf.Deployment(predict=trees, value="yes", filters=filters),
    )  # fmt: skip


NAMES = ["person.answers", "person.yes", "turnout.yes", "pair.given", "left.days", "left.share", "meetings.seats"]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as opened:
        yield opened


def made(con: Any, world: World, system: sf.System, names: list[str] = NAMES, seed: int = 1) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.concat_tables(list(lists(con, system, world, names, seed=seed))).to_pylist()
    return rows


def by_list(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["list"], []).append(row)
    return list(found.values())


def test_each_yes_has_one_list_with_nothing_that_was_not_open_then(con: Any) -> None:
    world = World(con)
    found = by_list(made(con, world, make_system()))
    assert len(found) == sum(row["going"] for row in world.rows), "a no has no list"
    for own in found:
        assert len({(row["time"], row["member"], row["part"]) for row in own}) == 1
        chosen = [row for row in own if row["own"]]
        assert [row["label.yes"] for row in chosen] == [1.0]
        assert all(row["label.yes"] == 0.0 and row["kept"] for row in own if not row["own"])
        assert {row["meeting"] for row in own} <= set(world.open_at(own[0]["time"]))
        assert len({row["meeting"] for row in own}) == len(own), "nothing is there twice"


def test_validation_and_test_have_all_that_was_open_and_training_about_as_many_as_asked(con: Any) -> None:
    world = World(con, meetings=200)
    found = by_list(made(con, world, make_system()))
    drawn = []
    for own in found:
        if own[0]["part"] == "train":
            drawn.append(len(own) - 1)
        else:
            assert {row["meeting"] for row in own} == set(world.open_at(own[0]["time"]))
            assert {row["rate"] for row in own} == {1.0}
    assert 3.5 < np.mean(drawn) < 5, "where fewer than twice as many are open, all are drawn"


def test_an_item_is_drawn_as_often_as_the_rate_of_its_list_says(con: Any) -> None:
    world = World(con, meetings=80, hours=60)
    counts: dict[tuple[int, str], int] = {}
    rates: dict[int, list[float]] = {}
    runs = 60
    for seed in range(runs):
        for own in by_list(made(con, world, make_system(), [], seed=seed)):
            if own[0]["part"] == "train":
                rates.setdefault(own[0]["time"], []).append(own[0]["rate"])
                for row in own:
                    counts[own[0]["time"], row["meeting"]] = counts.get((own[0]["time"], row["meeting"]), 0) + 1
    chosen = {row["time"]: row["meeting"] for row in world.rows}
    z = []
    for time, said in rates.items():
        others = [key for key in world.open_at(time) if key != chosen[time]]
        expected, variance = sum(said), sum(rate * (1 - rate) for rate in said)
        z += [(counts.get((time, key), 0) - expected) / max(variance, 1e-9) ** 0.5 for key in others if variance > 5]
    assert len(z) > 300
    assert abs(np.mean(z)) < 0.15, "no item is drawn more often, or less, than its list's rate"
    assert 0.8 < np.std(z) < 1.25


def test_values_are_those_of_each_row_by_itself(con: Any) -> None:
    world, system = World(con), make_system()
    rows = pa.concat_tables(list(lists(con, system, world, NAMES, seed=1)))
    bare = rows.select(["time", "member", "meeting"])
    assert rows.select(NAMES).equals(attach_as_known(con, system, world, bare, NAMES).select(NAMES))


def test_a_filter_holds_for_what_is_drawn_and_marks_what_was_chosen_against_it(con: Any) -> None:
    world = World(con)
    rows = made(con, world, make_system(filters=("pair.given = 0",)))
    given = {(row["member"], row["meeting"], row["time"]) for row in world.rows}
    for row in rows:
        before = any((row["member"], row["meeting"], t) in given for t in range(7, row["time"], HOUR))
        assert row["kept"] == (not before)
        assert row["own"] or row["kept"]
    assert any(not row["kept"] for row in rows)


def test_so_many_lists_are_measured_as_evaluation_says(con: Any) -> None:
    world = World(con)
    found = by_list(made(con, world, make_system(most=10)))
    parts = [own[0]["part"] for own in found]
    assert parts.count("validation") == parts.count("test") == 10
    assert parts.count("train") > 100
    parts = [own[0]["part"] for own in by_list(made(con, world, make_system(learned=50)))]
    assert parts.count("train") == 50
    assert parts.count("test") > 50


def test_the_same_seed_gives_the_same_rows_and_another_one_others(con: Any) -> None:
    world = World(con, meetings=200)
    first, again, other = (made(con, world, make_system(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_order_within_a_list_says_nothing_about_what_was_chosen(con: Any) -> None:
    found = by_list(made(con, World(con, meetings=200, hours=600), make_system(), []))
    place = [next(at for at, row in enumerate(own) if row["own"]) / (len(own) - 1) for own in found if len(own) > 3]
    assert 0.42 < np.mean(place) < 0.58


def test_items_without_a_table_are_there_from_their_first_event_on(con: Any) -> None:
    world = World(con)
    first: dict[str, int] = {}
    for row in world.rows:
        first.setdefault(row["meeting"], row["time"])
    found = by_list(made(con, world, make_system(table=False), ["turnout.yes"]))
    for own in found:
        others = {row["meeting"] for row in own if not row["own"]}
        chosen = next(row["meeting"] for row in own if row["own"])
        known = {key for key, time in first.items() if time < own[0]["time"]}
        assert others <= known
        if own[0]["part"] == "test":
            assert others == known - {chosen}


def test_what_nobody_could_be_answered_has_no_list(con: Any) -> None:
    world = World(con)
    late = world.rows[200]
    world.starts[late["meeting"]] = late["time"] - HOUR
    moved = [
        {"meeting": key, "opened": world.opened[key], "starts": world.starts[key], "seats": 1.0,
         "valid_from": world.opened[key], "offset": i - 60}
        for i, key in enumerate(world.opened)
    ]  # fmt: skip
    con.register("meetings", pa.Table.from_pylist(moved, MEETINGS))
    rows = made(con, world, make_system())
    assert all(row["time"] < world.starts[row["meeting"]] for row in rows)


def test_a_part_without_any_list_and_a_design_without_items_are_told(con: Any) -> None:
    world = World(con)
    for row in world.rows[-200:]:
        row["going"] = False
    numbered = [{**row, "offset": i - len(world.rows)} for i, row in enumerate(world.rows)]
    con.register("replies", pa.Table.from_pylist(numbered, REPLIES))
    with pytest.raises(EmptyPart, match="validation"):
        made(con, world, make_system())
    World(con)
    con.register("meetings", MEETINGS.empty_table())
    with pytest.raises(NoItems, match="meetings"):
        made(con, world, make_system())


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"negatives": 0}, "negatives"),
        ({"negatives": 1.5}, "negatives"),
        ({"negatives": None}, "Order"),
        ({"most": 0}, "lists"),
        ({"learned": 0}, "lists"),
        ({"learned": 5, "negatives": None}, "lists"),
    ],
)
def test_what_lists_cannot_be_made_of_is_refused(said: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidField, match=names):
        make_system(**said)


def test_a_slice_of_lists_may_read_what_was_chosen(con: Any) -> None:
    assert make_system(slices={"new": "turnout.yes = 0"}, gates=["ndcg@10[new] >= 0.1"]).slices
