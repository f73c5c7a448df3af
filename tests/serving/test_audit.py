"""The skew audit: a server that serves what it should passes, and each kind of skew that is planted is named."""

import json
import shutil
import subprocess
import sys

import msgspec
import pytest
from shop_release import DESIGN, release
from shop_server import ITEMS, START_S, Server, visit

from sixfold.design import load
from sixfold.errors import NoAnswers
from sixfold.features.layout import layout
from sixfold.features.packed import group_space, pack, table_space, unpack
from sixfold.pipeline.audit import audit
from sixfold.stores import LmdbLog, LmdbStore, NewEvent

LATER = "2024-05-03T00:00:00Z"
LATER_US = (START_S + 2 * 86_400) * 1_000_000


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A work folder after a session of events and answers, some events late and some answers asked for the past."""
    folder = tmp_path_factory.mktemp("audited")
    release(folder)
    server = Server(folder)
    server.post("/v1/events/items", ITEMS)
    for i in range(30):
        rows = [visit(f"p{i % 3}", (i * 7 + j) % 20, START_S + 600 * i, bought=j == 0) for j in range(3)]
        server.post("/v1/events/visits", rows)
        if i % 5 == 4:
            server.post("/v1/events/visits", [visit("p1", 3, START_S - 3600 * i, page="old")])
        server.post("/v1/recommend", {"person": f"p{i % 4}", "k": 5, "context": {"page": "home"}})
        if i == 20:
            server.post("/v1/events/items", [{**ITEMS[3], "price": 99.5}])
    server.post("/v1/recommend", {"person": "p1", "now": "2024-04-30T00:00:00Z"})
    assert server.stop() == 0
    return folder


@pytest.fixture
def copied(served, tmp_path):
    return shutil.copytree(served, tmp_path / "work")


def differences(found) -> dict[str, dict[str, int]]:
    return {one.name: one.different for one in found.features if one.different}


def test_what_was_served_is_what_batch_gives_for_what_had_been_applied(copied):
    found = audit(load(DESIGN), copied)
    assert found.answers == 31
    assert differences(found) == {}
    names = "habit.visits_7d habit.bought demand.visits_1d trade.rate_1d items.price items.shop moment.hour"
    assert {one.name for one in found.features} >= set(names.split())
    by_name = {one.name: one for one in found.features}
    assert by_name["habit.visits_7d"].compared == 31
    assert by_name["demand.visits_1d"].compared > 100
    assert by_name["habit.visits_7d"].late > 0, "late events would have changed some"
    assert all(one.equal + one.unsettled == one.compared for one in found.features)


def test_an_answer_that_logged_another_value_is_named_with_what_it_looks_like(copied):
    def change(answer, number):
        if number == 5:
            answer["features"]["habit.visits_7d"] += 1.0
        if number == 25:
            answer["features"]["habit.bought"] = []

    rewrite(copied, change)
    found = audit(load(DESIGN), copied)
    assert set(differences(found)) == {"habit.visits_7d", "habit.bought"}
    skew = {one.name: one for one in found.features}["habit.visits_7d"]
    example = skew.examples[0]
    assert (example.served, example.recomputed) == (example.recomputed + 1.0, example.served - 1.0)
    assert skew.share == 1 / 31


def test_a_lost_row_a_doubled_event_and_a_changed_table_row_are_found(copied):
    system, (folder,) = load(DESIGN), (copied / "state").glob("r*")
    store = LmdbStore(folder)
    demand = layout(system.features["demand"])
    doubled = store.get(group_space("demand"), [b"3"])[0]
    slots, starts = unpack([doubled], demand)
    slots.view(float)[demand.head + 1] += 1.0
    rows = [(group_space("habit"), b"p0", None), (group_space("demand"), b"3", pack(slots, starts)[0])]
    shop = msgspec.msgpack.decode(store.get(table_space("items"), [b"5"])[0])
    shop[-1][list_index(system, "price")] = 1e6
    rows.append((table_space("items"), b"5", msgspec.msgpack.encode(shop)))
    store.commit(rows, offset=store.offset())
    store.close()
    server = Server(copied, LATER)
    for person in ("p0", "p1"):
        server.post("/v1/recommend", {"person": person, "items": ["3", "5", "6"], "now": "2024-05-01T05:00:00Z"})
    assert server.stop() == 0
    found = differences(audit(system, copied, since_us=(START_S + 5 * 3600) * 1_000_000))
    assert found["habit.visits_7d"] == {"lost": 1}
    assert found["demand.visits_1d"] == {"other": 2}
    assert found["items.price"] == {"other": 2}
    assert set(found) == {"habit.visits_7d", "habit.bought", "demand.visits_1d", "items.price"}


def test_a_state_left_behind_is_named_stale(copied):
    (folder,) = (copied / "state").glob("r*")
    log = LmdbLog(copied / "log")
    rows = [{"person": "p2", "item": "4", "time": LATER_US, "known": LATER_US, "page": "x", "bought": True}]
    log.append(
        [NewEvent("visits", b"unseen", LATER_US, msgspec.msgpack.encode(row)) for row in rows], arrival_us=LATER_US
    )
    last = log.last()
    log.close()
    store = LmdbStore(folder)
    store.commit([], offset=last)
    store.close()
    server = Server(copied, LATER)
    server.post("/v1/recommend", {"person": "p2", "items": ["4"], "now": "2024-05-03T01:00:00Z"})
    assert server.stop() == 0
    found = differences(audit(load(DESIGN), copied, since_us=LATER_US))
    assert found["habit.visits_7d"] == {"stale": 1}
    assert found["demand.visits_1d"] == {"stale": 1}


def test_a_definition_that_changed_since_is_listed_and_the_releases_own_is_recomputed(copied, tmp_path):
    design = tmp_path / "changed.py"
    design.write_text(DESIGN.read_text().replace('sf.count(window="7d")', 'sf.count(window="6d")'))
    found = audit(load(design), copied)
    assert found.redefined == ["habit.visits_7d"]
    assert differences(found) == {}


def test_the_command_prints_a_table_and_fails_beyond_the_threshold(copied):
    command = [sys.executable, "-m", "sixfold.cli", "audit", str(DESIGN), "--workdir", str(copied)]
    right = subprocess.run([*command, "--sample", "10"], capture_output=True, text=True, check=False)
    assert (right.returncode, right.stderr) == (0, "")
    assert "habit.visits_7d" in right.stdout
    assert "10 answers" in right.stdout
    rewrite(copied, lambda answer, number: answer["features"].update({"habit.visits_7d": -1.0}))
    wrong = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    told = {one["name"]: one for one in json.loads(wrong.stdout)["features"]}
    assert told["habit.visits_7d"]["different"] == {"other": 31}
    allowed = subprocess.run([*command, "--max-different", "1"], capture_output=True, text=True, check=False)
    assert allowed.returncode == 0


def test_without_answers_there_is_nothing_to_audit(tmp_path):
    with pytest.raises(NoAnswers):
        audit(load(DESIGN), tmp_path)


def list_index(system, name) -> int:
    table = system.tables["items"]
    columns = [key.name for key in (*table.keys, *table.links)] + [one.name for one in table.fields]
    return 2 + columns.index(name)


def rewrite(folder, change) -> None:
    """Make the log anew with answers that were changed."""
    old, new, number = LmdbLog(folder / "log"), LmdbLog(folder / "new"), 0
    for record in old.read(-1, 100_000):
        payload = record.payload
        if record.stream == "answers":
            answer = msgspec.msgpack.decode(payload)
            change(answer, number)
            number, payload = number + 1, msgspec.msgpack.encode(answer)
        event = NewEvent(record.stream, record.offset.to_bytes(8), record.time_us, payload)
        new.append([event], arrival_us=record.arrival_us)
    old.close()
    new.close()
    shutil.rmtree(folder / "log")
    (folder / "new").rename(folder / "log")
