"""The events system on a small generated world: it is released, and its answers keep the rules and know what is new."""

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from running import sixfold

from tests.serving.shop_server import Server

pytestmark = pytest.mark.filterwarnings("default")  # of the libraries that train and record

SYSTEM = Path(__file__).parents[2] / "systems" / "events"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = 1_775_023_200_000 + 36 * DAY_MS + 18 * HOUR_MS
"""In the last fifth of the world's forty days."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    size = ["--members", "3000", "--events", "800", "--cities", "2", "--days", "40"]
    subprocess.run([sys.executable, SYSTEM / "world.py", folder / "data", *size], check=True)
    ran = sixfold("run", SYSTEM / "design.py", "--data", folder / "data", "--workdir", folder / "work", "--json")
    assert ran.status == 0, ran.err
    (folder / "said.json").write_text(ran.out.splitlines()[-1])
    return folder


@pytest.fixture(scope="module")
def said(folder):
    return json.loads((folder / "said.json").read_text())


@pytest.fixture(scope="module")
def server(folder):
    server = Server(folder / "work", clock=datetime.fromtimestamp(NOW_MS / 1000, UTC).isoformat())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def world(folder):
    found = {}
    for name in ("events", "rsvps", "friendships", "groups", "members"):
        with open(folder / "data" / f"{name}.csv", newline="") as file:
            found[name] = list(csv.DictReader(file))
    return found


def ask(server, member, k=20, **more):
    status, said = server.post("/v1/recommend", {"member": member, "k": k, **more})
    assert status == 200, said
    return said


def keys(answer):
    return [one["key"] for one in answer["items"]]


def new_event(key, **values):
    """A row of the events table as a client posts it."""
    said = {"name": "New here", "words": ["new", "here"], "group_id": None, "capacity": 50}
    when = {"opened": NOW_MS, "time": NOW_MS + 2 * DAY_MS, "slot": "4 PM"}
    return {"id": key, **said, **when, "lat": None, "lon": None, **values}


def regulars(world, count):
    """Members who had answered most by now."""
    answers = {}
    for row in world["rsvps"]:
        if int(row["mtime"]) < NOW_MS:
            answers[row["member_id"]] = answers.get(row["member_id"], 0) + 1
    return sorted(answers, key=lambda one: -answers[one])[:count]


def test_the_ranker_beats_every_rule_and_new_members_and_events_are_reported(said):
    assert all(gate["passed"] for gate in said["gates"])
    assert said["metrics"]["ndcg@10"]["value"] > 1.2 * said["baselines"]["own_groups.ndcg@10"]["value"]
    assert {"network.ndcg@10", "neighbours.ndcg@10", "nearest.ndcg@10"} <= said["baselines"].keys()


def test_nothing_that_is_over_full_or_answered_is_shown(server, world):
    starts = {row["id"]: int(row["time"]) for row in world["events"]}
    room = {row["id"]: float(row["capacity"] or "inf") for row in world["events"]}
    shown = 0
    for member in regulars(world, 20):
        mine = {row["event_id"] for row in world["rsvps"] if row["member_id"] == member and int(row["mtime"]) < NOW_MS}
        for key in keys(ask(server, member)):
            yes = {
                row["member_id"]
                for row in world["rsvps"]
                if row["event_id"] == key and row["response"] == "yes" and int(row["mtime"]) < NOW_MS
            }
            assert starts[key] > NOW_MS
            assert len(yes) < room[key]
            assert key not in mine
            shown += 1
    assert shown > 200


def test_a_friends_yes_counts_in_the_next_answer(server, world):
    member = regulars(world, 1)[0]
    friends = [row["friend_id"] for row in world["friendships"] if row["member_id"] == member]
    answer = ask(server, member)
    key = answer["items"][-1]["key"]
    before = explained(server, answer, key)["friends.going"]
    said = [{"event_id": key, "member_id": friends[0], "response": "yes", "mtime": NOW_MS + 1}]
    assert server.post("/v1/events/rsvps", said)[1]["accepted"] == 1
    again = ask(server, member, items=[key])
    assert explained(server, again, key)["friends.going"] in (before, before + 1), "the friend may have said yes before"
    stranger = next(row["id"] for row in world["members"] if row["id"] not in friends and row["id"] != member)
    assert server.post("/v1/events/rsvps", [{**said[0], "member_id": stranger}])[1]["accepted"] == 1
    last = explained(server, ask(server, member, items=[key]), key)
    assert last["friends.going"] == explained(server, again, key)["friends.going"]
    assert last["turnout.yes"] >= explained(server, again, key)["turnout.yes"]


def explained(server, answer, key):
    status, said = server.get(f"/v1/explain/{answer['request_id']}")
    assert status == 200, said
    return next(one["features"] for one in said["items"] if one["key"] == key)


def test_an_event_made_a_minute_ago_is_found_and_one_that_is_over_is_not(server, world):
    member = regulars(world, 1)[0]
    group = next(row["groupId"] for row in world["members"] if row["id"] == member)
    rows = [new_event("fresh", group_id=group, time=NOW_MS + DAY_MS), new_event("gone", time=NOW_MS - HOUR_MS)]
    assert server.post("/v1/events/events", rows)[1] == {"accepted": 2, "duplicates": 0, "refused": []}
    found = keys(ask(server, member, k=300))
    assert "fresh" in found
    assert "gone" not in found
    assert keys(ask(server, member, items=["gone", "fresh"])) == ["fresh"]


def test_places_at_a_pole_beyond_the_date_line_and_nowhere(server):
    places = {"pole": (90.0, 12.0), "date-line": (0.0, -179.9), "nowhere": (None, None), "wrong": (99.0, 7.0)}
    rows = [new_event(key, lat=lat, lon=lon) for key, (lat, lon) in places.items()]
    assert server.post("/v1/events/events", rows)[1]["accepted"] == 4
    away = [{"event_id": "date-line", "member_id": "sailor", "response": "yes", "mtime": NOW_MS + 1}]
    assert server.post("/v1/events/rsvps", away)[1]["accepted"] == 1
    answer = ask(server, "sailor", items=list(places))
    assert set(keys(answer)) == {"nowhere", "wrong"}, "answered, too far; where nobody knows, nothing is too far"
    near = [new_event("across", lat=0.0, lon=179.9)]
    assert server.post("/v1/events/events", near)[1]["accepted"] == 1
    answer = ask(server, "sailor", items=["across"])
    assert explained(server, answer, "across")["reach.km"] == pytest.approx(22.24, abs=0.01)
