"""Designs of other shapes than the reference systems: text keys, CSV and JSON lines, versions of a row; no item at all."""

import json
import random

import pytest
from running import ask, sixfold

from sixfold.data.rows import RowChecker
from sixfold.design import load
from sixfold.registry import Releases
from sixfold.stores import LmdbLog

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries that train and record, as in a run of the command
]

DAY_S, START_S = 86_400, 1_767_225_600
SHELVES = ("crime", "poems", "travel")

LIBRARY = """
import sixfold as sf

reader, book, shelf = sf.Entity("reader"), sf.Entity("book"), sf.Entity("shelf")
books = sf.Table("books", sf.Csv("books.csv"), book.key("isbn"), valid_from="since",
    since=sf.Time(), shelf=shelf.key("shelf"), pages=sf.Number(), lendable=sf.Flag(),
    title=sf.Text(), lat=sf.Number(), lon=sf.Number())
loans = sf.Events("loans", sf.JsonLines("loans-*.jsonl"), reader.key("card"), book.key("isbn"), id="loan",
    time=sf.Time("at", unit="ms"), keep="30d", read=sf.Flag("finished"))
habit = sf.Features("habit", reader, loans, loans_7d=sf.count(window="7d"), read=sf.last("book", n=10, where="read"),
    lat=sf.last("books.lat"), lon=sf.last("books.lon"))
demand = sf.Features("demand", book, loans, loans_3d=sf.count(window="3d"), read_3d=sf.rate("read", window="3d", prior=(1, 2)))
liking = sf.Features("liking", (reader, shelf), loans, read_7d=sf.rate("read", window="7d", prior=(1, 2)))
read = sf.Label("read", "read", within="1h")
inputs = [habit.loans_7d, demand, liking, books.pages, shelf, sf.Place(books.lat, books.lon)]
towers = sf.TwoTower("towers", query=[reader, habit.read, sf.Place(habit.lat, habit.lon)], positives=read, size=8,
    item=[book, books.shelf, books.title, sf.Place(books.lat, books.lon)], text=sf.HashedText(size=8, filters=8, buckets=2**10),
    training=sf.Training(epochs=1, batch_size=128, learning_rate=0.01))
ranker = sf.Network("ranker", inputs=inputs, body=sf.Mlp(16), heads=[sf.Binary(read)], training=sf.Training(epochs=1, batch_size=64))
popular = sf.Rule("popular", "demand.loans_3d")
system = sf.System("library",
    sf.Requirements(goal="Readers find books that they finish", p99_ms=100),
    sf.Framing(query=reader, item=book, examples=loans, available="books.lendable", labels=[read]),
    sf.Data(books, loans, habit, demand, liking),
    sf.Models(towers, ranker, popular),
    sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), slices={"regulars": "habit.loans_7d >= 5"},
        metrics=["recall@10", "auc(read)", "auc(read)[regulars]"], gates=["GATE"]),
    sf.Deployment(candidates=[towers.top(20), popular.top(10)], filters=["not contains(habit.read, book)"],
        predict=ranker, value="read"))
"""

PARCELS = """
import sixfold as sf

depot = sf.Entity("depot")
scans = sf.Events("scans", sf.Csv("scans.csv"), depot.key(), time=sf.Time("at", unit="s"), id="parcel", weight=sf.Number(), late=sf.Flag())
state = sf.Features("state", depot, scans, late_1d=sf.rate("late", window="1d", prior=(1, 4)))
late = sf.Label("late", "late", within="1h")
trees = sf.Trees("trees", inputs=[state, depot, scans.weight], heads=[sf.Binary(late)], rounds=20, num_leaves=7)
system = sf.System("parcels",
    sf.Requirements(goal="Late parcels are known before they are late"),
    sf.Framing(query=depot, examples=scans, context=[scans.weight], labels=[late]),
    sf.Data(scans, state),
    sf.Models(trees),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(late)"], gates=["auc(late) >= 0.6"]),
    sf.Deployment(predict=trees, value="late"))
"""


def loan(number, day, rng):
    """Each reader finishes the books of one shelf and gives up those of the others."""
    reader, book = rng.randrange(30), rng.randrange(45)
    finished = rng.random() < (0.9 if reader % 3 == book % 3 else 0.1)
    at = START_S + day * DAY_S + 3600 + number % 1000 * 230
    return {
        "loan": f"l{number}",
        "card": f"card {reader}",
        "isbn": f"978-{book}",
        "at": at * 1000,
        "finished": finished,
    }


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("library"), random.Random(1)
    versions = ["isbn,since,shelf,pages,lendable,title,lat,lon"]
    for book in range(45):
        lendable, place = "no" if book == 44 else "yes", "," if book % 7 == 0 else f"{46 + book % 3},{6 + book / 100}"
        shelf = SHELVES[book % 3]
        versions.append(f"978-{book},2025-01-01,{shelf},{100 + book},{lendable},On {shelf} and {book},{place}")
    versions.append("978-0,2026-01-03,crime,999,yes,On crime again,46.2,6.1")
    (folder / "books.csv").write_text("\n".join(versions) + "\n")
    for day in range(6):
        rows = [json.dumps(loan(day * 1000 + i, day, rng)) for i in range(300)]
        (folder / f"loans-{day}.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "design.py").write_text(LIBRARY.replace("GATE", "auc(read) >= 0.6"))
    (folder / "strict.py").write_text(LIBRARY.replace("GATE", "auc(read)[regulars] >= 0.9999"))
    return folder


@pytest.fixture(scope="module")
def first(library):
    return sixfold("run", library / "design.py", "--workdir", library / "work", "--json")


def test_a_run_ends_with_one_object_that_says_all(library, first):
    said = first.json
    assert first.status == 0
    assert set(said) == {"system", "release", "data", "metrics", "baselines", "gates", "seconds", "rows"}
    assert (said["system"], said["data"]) == ("library", str(library))
    assert said["release"] == Releases(library / "work" / "releases").current()
    assert list(said["metrics"]) == ["recall@10", "auc(read)", "auc(read)[regulars]"]
    assert list(said["baselines"]) == ["popular.recall@10"]
    for one in [*said["metrics"].values(), *said["baselines"].values()]:
        assert 0 <= one["low"] <= one["value"] <= one["high"] <= 1
    assert [(gate["gate"], gate["passed"]) for gate in said["gates"]] == [("auc(read) >= 0.6", True)]
    assert said["rows"]["loans-*.jsonl"] == {"read": 1800, "duplicates": 0, "refused": 0}
    assert said["rows"]["books.csv"] == {"read": 46, "duplicates": 0, "refused": 0}
    assert {"ingest", "examples", "retrieval", "train-towers", "train-ranker", "evaluate", "release"} <= set(
        said["seconds"]
    )


def test_a_second_run_repeats_no_step_and_posted_events_are_data_of_the_next(library, first):
    run = ("run", library / "design.py", "--workdir", library / "work", "--json")
    again = sixfold(*run)
    assert again.status == 0
    assert again.err.count("unchanged, not run again") == 6
    assert again.json["release"] == first.json["release"]
    assert again.json["metrics"] == first.json["metrics"]

    rng = random.Random(2)
    system = load(library / "design.py")
    rows = [loan(9000 + i, 5, rng) for i in range(40)] + [{"card": "card 1"}]
    checked = RowChecker(system.streams["loans"], system.timezone).check(rows, (START_S + 6 * DAY_S) * 1_000_000)
    assert [one.index for one in checked.refused] == [40]
    log = LmdbLog(library / "work" / "log")
    log.append(checked.accepted, arrival_us=(START_S + 6 * DAY_S) * 1_000_000)
    log.close()

    more = sixfold(*run)
    assert more.status == 0
    assert more.json["rows"]["event log"] == {"read": 40, "duplicates": 0, "refused": 0}
    assert "unchanged, not run again" not in more.err
    assert more.json["release"] != first.json["release"]


def test_a_gate_that_fails_makes_no_release_and_the_command_ends_with_1(library):
    ended = sixfold("run", library / "strict.py", "--workdir", library / "strict", "--json")
    assert ended.status == 1
    assert ended.json["release"] is None
    assert [gate["passed"] for gate in ended.json["gates"]] == [False]
    assert "A gate failed: no release was made; what serves goes on serving." in ended.err
    assert Releases(library / "strict" / "releases").ids() == []


def test_a_design_without_items_is_released_and_predicts_rows(tmp_path):
    rng = random.Random(3)
    scans = ["parcel,depot,at,weight,late"]
    for i in range(1500):
        depot, weight = rng.randrange(5), round(rng.random() * 10, 1)
        late = rng.random() < 0.15 * depot + 0.03 * weight
        scans.append(f"p{i},north {depot},{START_S + i * 300},{weight},{int(late)}")
    (tmp_path / "scans.csv").write_text("\n".join(scans) + "\n")
    (tmp_path / "parcels.py").write_text(PARCELS)
    ended = sixfold("run", tmp_path / "parcels.py", "--workdir", tmp_path / "work", "--json")
    assert ended.status == 0, ended.err
    page = (tmp_path / "work" / "report.html").read_text()
    assert "<figcaption>scans.weight<small>psi 0." in page, "the test part beside the training part"
    asked = [{"depot": "north 0", "weight": 1}, {"depot": "north 4", "weight": 9}]
    reply, _ = ask(tmp_path / "work", ended.json["release"], asked, (START_S + 1500 * 300) * 1_000_000)
    rows = reply["rows"]
    assert 0 < rows[0]["late"] < rows[1]["late"] < 1


def test_a_head_whose_label_is_null_throughout_the_training_part_stops_the_run(tmp_path):
    scans = [f"p{i},north,{START_S + i * 300},1,{'' if i < 900 else i % 2}" for i in range(1500)]
    (tmp_path / "scans.csv").write_text("\n".join(["parcel,depot,at,weight,late", *scans]) + "\n")
    two = PARCELS.replace("labels=[late]", "labels=[late, heavy]").replace(
        "trees =", 'heavy = sf.Label("heavy", "weight > 1")\ntrees ='
    )
    (tmp_path / "parcels.py").write_text(two)
    ended = sixfold("run", tmp_path / "parcels.py", "--workdir", tmp_path / "work")
    assert ended.status == 1
    told = " ".join(ended.err.split())
    assert "Trees trees learns late, which is null in all 900 examples of the training part." in told
    assert Releases(tmp_path / "work" / "releases").ids() == []
