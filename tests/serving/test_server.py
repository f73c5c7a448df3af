"""The HTTP contract, against a server that is really started."""

import signal
import socket
from pathlib import Path

import msgspec
import pytest
from shop_release import release
from shop_server import ITEMS, START_S, Server, visit

from sixfold.errors import NothingReleased, OneProcess, PortTaken
from sixfold.serving.server import serve
from sixfold.stores import LmdbLog


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    release(folder)
    return folder


@pytest.fixture(scope="module")
def server(workdir):
    running = Server(workdir)
    assert running.post("/v1/events/items", ITEMS)[1]["accepted"] == len(ITEMS)
    yield running
    assert running.stop() == 0


def test_it_says_what_it_serves_and_where(server):
    assert server.ready.startswith("Sixfold serves shop r1-")
    assert server.get("/healthz") == (200, {"status": "ok"})
    assert server.get("/readyz")[1]["status"] == "ready"


def test_an_answer_has_what_the_contract_says(server):
    status, answer = server.post("/v1/recommend", {"person": "p1", "k": 5, "context": {"page": "home"}})
    assert status == 200
    assert set(answer) == {"request_id", "release", "items"}
    assert [item["position"] for item in answer["items"]] == [0, 1, 2, 3, 4]
    assert set(answer["items"][0]) == {"key", "score", "heads", "source", "position", "propensity"}
    assert {item["source"] for item in answer["items"]} <= {"tower", "busy", "near"}
    assert "7" not in {item["key"] for item in answer["items"]}


def test_an_event_changes_features_and_the_next_answer(server):
    key = server.post("/v1/recommend", {"person": "p2", "k": 1})[1]["items"][0]["key"]
    assert server.post("/v1/events/visits", [visit("p2", key)]) == (
        200,
        {"accepted": 1, "duplicates": 0, "refused": []},
    )
    features = server.get("/v1/features/person/p2")[1]["features"]
    assert (features["habit.visits_7d"], features["habit.bought"]) == (1.0, [key])
    assert key not in {item["key"] for item in server.post("/v1/recommend", {"person": "p2"})[1]["items"]}


def test_a_retry_is_recognised_and_what_is_no_event_is_refused_with_its_reason(server):
    rows = [visit("p3", 1), {"person_id": "p3", "at": START_S}, "row"]
    first, again = server.post("/v1/events/visits", rows)[1], server.post("/v1/events/visits", rows)[1]
    assert (first["accepted"], first["duplicates"]) == (1, 0)
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert first["refused"] == [
        {"index": 1, "reason": "item_id: is missing"},
        {"index": 2, "reason": "a row must be an object"},
    ]


def test_who_and_what_was_never_seen_gets_a_defined_answer(server):
    assert len(server.post("/v1/recommend", {"person": "nobody", "k": 3})[1]["items"]) == 3
    assert server.post("/v1/recommend", {"person": "nobody", "items": ["never"]})[1]["items"] == []
    rows = server.post("/v1/predict", {"rows": [{"person": "nobody", "item": "never"}, {}]})[1]["rows"]
    assert [set(row) for row in rows] == [{"bought"}] * 2
    assert server.get("/v1/features/item/never")[1]["features"]["items.price"] is None


def test_a_key_may_hold_slashes_and_is_no_book(server):
    assert server.post("/v1/events/visits", [visit("a/b", 1)])[1]["accepted"] == 1
    for path in ("a/b", "a%2Fb"):
        found = server.get(f"/v1/features/person/{path}")[1]
        assert (found["key"], found["features"]["habit.visits_7d"]) == ("a/b", 1.0)
    status, said = server.post("/v1/recommend", {"person": "x" * 9_000_000})
    assert (status, said["error"]) == (400, "InvalidRequest")
    assert said["detail"].startswith("person must be at most 1000 characters long, got 'xxx")


def test_an_item_posted_now_is_recommended_soon(server):
    row = {"item_id": "new", "shop_id": "new", "price": 5_000, "listed": True}
    server.post("/v1/events/items", [row])
    for _ in range(200):  # until the catalogue was made anew in the background
        items = server.post("/v1/recommend", {"person": "p4", "k": 1})[1]["items"]
        if items[0]["key"] == "new":
            break
    assert items[0]["key"] == "new"


@pytest.mark.parametrize(
    ("path", "body", "status", "error", "detail"),
    [
        ("recommend", b"", 400, "InvalidRequest", "body must be JSON, got ''"),
        ("recommend", [], 400, "InvalidRequest", "body must be a JSON object, got []"),
        (
            "recommend",
            {},
            400,
            "InvalidRequest",
            "person must be there: the key to answer for, null for nobody known, got None",
        ),
        ("recommend", {"person": []}, 400, "InvalidRequest", "person must be a text or a number, got []"),
        ("recommend", {"person": 1, "k": 0}, 400, "InvalidRequest", "k must be a whole number from 1 to 1000, got 0"),
        (
            "recommend",
            {"person": 1, "k": "9"},
            400,
            "InvalidRequest",
            "k must be a whole number from 1 to 1000, got '9'",
        ),
        (
            "recommend",
            {"person": 1, "items": 3},
            400,
            "InvalidRequest",
            "items must be a list of at most 10000 keys, got 3",
        ),
        (
            "recommend",
            {"person": 1, "now": "x"},
            400,
            "InvalidRequest",
            "now must be ISO text or microseconds, got 'x'",
        ),
        (
            "recommend",
            {"person": 1, "user": 2},
            400,
            "InvalidRequest",
            "body must be an object with person, k, context, items, only, now and no other field, got 'user'",
        ),
        (
            "recommend",
            {"person": 1, "context": {"tab": 2}},
            400,
            "InvalidRequest",
            "context must be an object with page, visits.page and no other field, got 'tab'",
        ),
        ("predict", {"rows": 1}, 400, "InvalidRequest", "rows must be a list of at most 10000 objects, got 1"),
        ("events/visits", {"a": 1}, 400, "InvalidRequest", "body must be a JSON list of objects, got {'a': 1}"),
        (
            "events/visit",
            [],
            404,
            "UnknownInRequest",
            "no stream or table is named 'visit'. Did you mean 'visits'?",
        ),
    ],
)
def test_a_wrong_request_gets_a_reason(server, path, body, status, error, detail):
    assert server.post(f"/v1/{path}", body) == (status, {"error": error, "detail": detail})


def test_what_is_not_there_is_404_and_what_is_too_large_413(server):
    assert server.get("/v1/nothing")[0] == 404
    assert server.get("/v1/features/nothing/1")[0] == 404
    assert server.get("/v1/queue") == (200, {"queues": []})
    assert server.get("/v1/queue/review")[1]["detail"] == "no queue is named 'review'. There are: none."
    assert server.get("/queue")[0] == 404
    status, answer = server.post("/v1/releases/r99/promote")
    assert (status, answer["error"]) == (404, "ReleaseMissing")
    assert server.get("/v1/recommend")[0] == 405
    assert server.post("/v1/events/visits", b"[" + b" " * 10_000_001 + b"]")[0] == 413


def test_events_from_the_future_move_a_replays_clock_but_by_a_day_at_most(server):
    answer = server.post("/v1/events/visits", [visit("p5", 1, START_S + 3600), visit("p5", 2, START_S + 10 * 86_400)])
    assert answer[1]["accepted"] == 1
    assert [one["index"] for one in answer[1]["refused"]] == [1]
    assert server.get("/v1/features/person/p5")[1]["now"] > (START_S + 3600) * 1_000_000


def test_metrics_and_openapi_are_there(server):
    text = server.get("/metrics")[1]
    for name in (
        "sixfold_requests_total",
        "sixfold_stage_seconds_bucket",
        "sixfold_events_total",
        "sixfold_worker_lag",
    ):
        assert name in text
    assert {"/v1/recommend", "/v1/predict", "/v1/events/{name}"} <= set(server.get("/openapi.json")[1]["paths"])


def test_answers_are_logged_with_what_they_were_made_of(server, workdir):
    answer = server.post("/v1/recommend", {"person": "logged", "k": 2})[1]
    server.post("/v1/events/visits", [visit("logged", 1)])  # commits after the answer
    log = LmdbLog(workdir / "log", readonly=True)
    try:
        rows = [msgspec.msgpack.decode(r.payload) for r in log.read(-1, 100_000) if r.stream == "answers"]
    finally:
        log.close()
    (row,) = [row for row in rows if row["request_id"] == answer["request_id"]]
    assert (row["person"], row["release"]) == ("logged", answer["release"])
    assert [item["key"] for item in row["items"]] == [item["key"] for item in answer["items"]]
    assert row["features"]["habit.visits_7d"] == 0.0
    assert row["items"][0]["features"]["items.price"] is not None


def test_a_server_follows_promotion_and_goes_back(server, workdir):
    first = server.get("/v1/releases")[1]["serving"]
    second = release(workdir, design=_another_design(workdir), models=workdir / "trained")
    assert server.post(f"/v1/releases/{second}/promote")[1]["serving"] == second
    assert server.post("/v1/recommend", {"person": "p1"})[1]["release"] == second
    # The events that the log holds were applied to the new release's state too.
    assert server.get("/v1/features/person/p2")[1]["features"]["habit.visits_7d"] == 1.0
    while server.get("/v1/releases")[1]["serving"] != first:
        server.post("/v1/releases/rollback")
    assert server.post("/v1/recommend", {"person": "p1"})[1]["release"] == first


def _another_design(workdir):
    path = workdir / "other_design.py"
    text = Path(__file__).with_name("shop_design.py").read_text()
    path.write_text(text.replace("items.price / 1000", "items.price / 500"))
    return path


def test_killed_between_events_it_loses_none(workdir, tmp_path):
    release(tmp_path, models=workdir / "trained")
    for round_number in range(3):
        running = Server(tmp_path)
        for n in range(5):
            at = START_S + 10 * round_number + n
            assert running.post("/v1/events/visits", [visit("p", n, at)])[1]["accepted"] == 1
        running.stop(signal.SIGKILL)
    running = Server(tmp_path)
    assert running.get("/v1/features/person/p")[1]["features"]["habit.visits_7d"] == 15.0
    assert running.stop() == 0


def test_what_cannot_be_served_is_said_before_anything_is_opened(tmp_path):
    with pytest.raises(OneProcess):
        serve(tmp_path, port=0, workers=2, clock="wall")
    with pytest.raises(NothingReleased) as refused:
        serve(tmp_path, port=0, workers=1, clock="wall")
    assert str(refused.value) == f"{tmp_path / 'releases'} has no release to serve. Make one with `sixfold run`."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTaken):
            serve(tmp_path, port=taken.getsockname()[1], workers=1, clock="wall")
