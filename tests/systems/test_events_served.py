"""The events system on a small generated world: it is released, and its answers keep the rules and know what is new."""

import csv
import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from running import sixfold

from sixfold.data.rows import decode
from sixfold.stores import LmdbLog
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
    if server.process.poll() is None:
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
    said = {"words": ["new", "here"], "group_id": None, "capacity": 50}
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


def test_an_event_made_a_minute_ago_is_found_and_one_that_is_over_is_not(server, world):
    member = regulars(world, 1)[0]
    rows = [new_event("fresh", group_id="g", time=NOW_MS + HOUR_MS), new_event("gone", time=NOW_MS - HOUR_MS)]
    assert server.post("/v1/events/events", rows)[1] == {"accepted": 2, "duplicates": 0, "refused": []}
    for _ in range(200):  # until the catalogue was made anew in the background
        if "fresh" in (found := keys(ask(server, member, k=300))):
            break
    assert "fresh" in found
    assert "gone" not in found
    assert keys(ask(server, member, items=["gone", "fresh"])) == ["fresh"]


def test_friends_and_places_are_known_when_asked(server, folder, world):
    places = {"pole": (90.0, 12.0), "date-line": (0.0, -179.9), "nowhere": (None, None), "wrong": (99.0, 7.0)}
    rows = [new_event(key, lat=lat, lon=lon) for key, (lat, lon) in places.items()]
    assert server.post("/v1/events/events", [*rows, new_event("across", lat=0.0, lon=179.9)])[1]["accepted"] == 5
    member = world["friendships"][0]["member_id"]
    friends = {row["friend_id"] for row in world["friendships"] if row["member_id"] == member}
    early = [
        row["friend_id"] for row in world["friendships"] if row["member_id"] == member and int(row["since"]) < NOW_MS
    ]
    strangers = [row["id"] for row in world["members"] if row["id"] not in friends and row["id"] != member]
    asked = [ask(server, member, items=["nowhere"])]
    for who in (strangers[0], early[0], "sailor"):
        event = "date-line" if who == "sailor" else "nowhere"
        yes = {"event_id": event, "member_id": who, "response": "yes", "mtime": NOW_MS + 1}
        assert server.post("/v1/events/rsvps", [yes])[1]["accepted"] == 1
        asked.append(ask(server, member, items=["nowhere"]))
    sailing = ask(server, "sailor", items=[*places, "across"])
    assert set(keys(sailing)) == {"nowhere", "wrong", "across"}, "a pole is too far; where nobody knows, nothing is"
    server.stop()
    used = features(folder)
    assert [used[one["request_id"], "nowhere"]["friends.going"] for one in asked] == [0, 0, 1, 1]
    assert [used[one["request_id"], "nowhere"]["turnout.yes"] for one in asked] == [0, 1, 2, 2]
    assert used[sailing["request_id"], "across"]["reach.km"] == pytest.approx(22.24, abs=0.01)


def features(folder):
    """By request and event, the values that an answer read, from the log of a server that has stopped."""
    found = {}
    with closing(LmdbLog(folder / "work" / "log")) as log:
        for record in log.read(-1, 100_000):
            if record.stream == "answers":
                row = decode(record.payload)
                found |= {(row["request_id"], one["key"]): one["features"] for one in row["items"]}
    return found
