"""The queue over HTTP: what is judged waits, what is decided does not, and nothing acknowledged is lost."""

import http.client
import signal
from contextlib import closing

import pytest
from shop_server import START_S, Server
from talk_release import DESIGN, release

from sixfold.design import load
from sixfold.pipeline.audit import audit
from sixfold.stores import LmdbLog

POSTS = {
    "vile": "the sun is grotty so it is",
    "rude": "the rain is silly so it is",
    "kind": "the sun is lovely so it is",
}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, talk_models):
    folder = tmp_path_factory.mktemp("talk")
    release(folder, models=talk_models)
    return folder


@pytest.fixture(scope="module")
def running(workdir):
    started = Server(workdir)
    yield started
    assert started.stop() == 0


@pytest.fixture
def server(running):
    """One server for all, without a row that waits: those left over are decided about."""
    for key in keys(running, "?n=200"):
        decide(running, key, "kind", author="nobody")
    return running


def predict(server, *rows):
    status, said = server.post("/v1/predict", {"rows": [*rows]})
    assert status == 200
    return [row["action"] for row in said["rows"]]


def post(key, mood="vile", author="a1"):
    return {"post": key, "author": author, "text": POSTS[mood]}


def decide(server, key, mood="vile", *, author="a1", at=0.0, reader="r1"):
    row = {"post_id": key, "author_id": author, "reader_id": reader, "at": server_s(server) + at, "mood": mood}
    return server.post("/v1/events/votes", [row])[1]


def server_s(server):
    return server.get("/v1/queue/review/form")[1]["now"] / 1e6


def queue(server, query=""):
    status, said = server.get(f"/v1/queue/review{query}")
    assert status == 200, said
    return said


def keys(server, query=""):
    return [row["key"] for row in queue(server, query)["rows"]]


def test_what_is_judged_waits_with_what_it_was_judged_by_until_it_is_decided(server):
    before = queue(server)
    assert before["rows"] == []
    judged = predict(server, post("p1", author="new"), post("p2", "rude", "new"), post("p3", "kind", "new"))
    assert judged == ["review", "review", "allow"]
    first, second = queue(server)["rows"]
    assert (first["key"], second["key"]) == ("p1", "p2")
    assert first["context"] == {"author": "new", "posts.text": POSTS["vile"]}
    assert set(first["scores"]) == {"mood.kind", "mood.rude", "mood.vile"}
    assert first["reasons"][0]["score"] == pytest.approx(1 - first["scores"]["mood.kind"])
    assert (first["propensity"], first["drawn"]) == (1.0, False)
    assert first["order"] == pytest.approx(1 - first["scores"]["mood.kind"])
    assert (first["features"], second["features_now"]["record.vile_7d"]) == ({"record.vile_7d": 0.0}, 0.0)
    assert decide(server, "p1", author="new")["accepted"] == 1
    said = queue(server)
    assert [row["key"] for row in said["rows"]] == ["p2"]
    assert (said["waiting"], said["per_day"]) == (1, 20)
    assert said["decided_today"] == before["decided_today"] + 1
    # A decision is label and feature at once: what else its author wrote stands beside it.
    assert said["rows"][0]["features_now"]["record.vile_7d"] == 1.0
    assert server.get("/v1/features/author/new")[1]["features"]["record.vile_7d"] == 1.0
    assert server.get("/v1/queue")[1]["queues"][0]["waiting"] == 1


def test_a_second_decision_is_a_newer_event_and_counts_once(server):
    before = queue(server)["decided_today"]
    predict(server, post("p1"))
    assert decide(server, "p1")["accepted"] == 1
    assert decide(server, "p1", "kind", at=0.001)["accepted"] == 1
    assert queue(server)["decided_today"] == before + 1


def test_a_row_that_is_asked_about_twice_is_queued_once(server):
    predict(server, post("p1"))
    predict(server, post("p1", "rude"))
    (row,) = queue(server)["rows"]
    assert row["context"]["posts.text"] == POSTS["rude"]


def test_a_row_that_gathers_views_rises(server):
    predict(server, post("v1"), post("v2", "rude"))
    assert keys(server) == ["v1", "v2"]
    views = [{"post_id": "v2", "at": START_S + n / 100} for n in range(3)]
    assert server.post("/v1/events/views", views)[1]["accepted"] == 3
    assert keys(server) == ["v2", "v1"]
    assert queue(server)["rows"][0]["features_now"]["traffic.views_1h"] == 3.0


def test_two_reviewers_get_different_rows_and_who_only_looks_takes_none(server):
    predict(server, *(post(f"p{n}") for n in range(4)))
    assert keys(server) == ["p0", "p1", "p2", "p3"]
    assert keys(server, "?n=2&reviewer=anna") == ["p0", "p1"]
    assert keys(server, "?n=2&reviewer=bob") == ["p2", "p3"]
    assert keys(server, "?n=3") == ["p0", "p1", "p2"]
    assert queue(server)["in_hand"] == 4
    assert keys(server, "?n=2&reviewer=anna&skip=p0&skip=p1") == []
    assert keys(server, "?n=4&reviewer=bob") == ["p0", "p1", "p2", "p3"], "what was skipped is free"
    assert keys(server, "?n=2&skip=p0") == ["p1", "p2"]


def test_a_restart_gives_the_same_queue_and_a_kill_loses_nothing_acknowledged(tmp_path, talk_models):
    release(tmp_path, models=talk_models)
    server = Server(tmp_path)
    for n in range(5):
        predict(server, post(f"p{n}"))
    assert decide(server, "p1")["accepted"] == 1
    before = keys(server)
    server.stop(signal.SIGKILL)
    second = Server(tmp_path)
    assert keys(second) == before == ["p0", "p2", "p3", "p4"]
    assert queue(second)["decided_today"] == 1
    assert decide(second, "p2")["accepted"] == 1
    assert second.stop() == 0
    third = Server(tmp_path)
    assert keys(third) == ["p0", "p3", "p4"]
    assert third.stop() == 0


def test_a_new_release_orders_what_waits_by_its_own_design(server, workdir, tmp_path, talk_models):
    predict(server, post("p1"), post("p2", "rude"))
    text = DESIGN.read_text().replace('"(1 - mood.kind) * (1 + traffic.views_1h)"', '"mood.rude"')
    (tmp_path / "other.py").write_text(text)
    first = server.get("/v1/releases")[1]["serving"]
    name = release(workdir, design=tmp_path / "other.py", models=talk_models)
    assert server.post(f"/v1/releases/{name}/promote")[0] == 200
    assert keys(server) == ["p2", "p1"]
    assert server.post(f"/v1/releases/{first}/promote")[0] == 200
    assert keys(server) == ["p1", "p2"]


def logged(workdir):
    with closing(LmdbLog(workdir / "log", readonly=True)) as log:
        return b"".join(record.payload for record in log.read(-1, 10_000))


def test_an_erased_author_or_post_leaves_the_queue_and_the_log_with_its_texts(tmp_path, talk_models):
    release(tmp_path, models=talk_models)
    server = Server(tmp_path)
    rows = [{"post": f"p{n}", "author": f"a{n}", "text": f"grotty secret{n}"} for n in range(3)]
    predict(server, *rows)
    status, said = server.ask("DELETE", "/v1/entities/author/a0")
    assert (status, said["places"]["log answers"]["removed"]) == (200, 1)
    assert set(keys(server)) == {"p1", "p2"}
    assert server.ask("DELETE", "/v1/entities/post/p1")[0] == 200
    assert keys(server) == ["p2"]
    left = logged(tmp_path)
    assert (b"secret0" in left, b"secret1" in left, b"secret2" in left) == (False, False, True)
    assert decide(server, "p2", author="a2")["accepted"] == 1
    assert keys(server) == []
    assert server.stop() == 0


def test_an_audit_recomputes_the_features_of_decisions(server, workdir):
    since_us = server.get("/v1/queue/review")[1]["now"]
    for n in range(6):
        predict(server, post(f"p{n}", author=f"a{n % 2}"), post(f"q{n}", "kind", author=None))
        decide(server, f"p{n}", author=f"a{n % 2}")
    found = audit(load(DESIGN), workdir, since_us=since_us)
    assert found.answers == 12
    (one,) = found.features
    assert (one.name, one.compared, one.equal, one.different) == ("record.vile_7d", 12, 12, {})


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/v1/queue/revew", 404, "no queue is named 'revew'. Did you mean 'review'?"),
        ("/v1/queue/remove", 404, "no queue is named 'remove'. Did you mean 'review'?"),
        ("/v1/queue/nothing/form", 404, "no queue is named 'nothing'. There are: review."),
        ("/queue/nothing", 404, "no queue is named 'nothing'. There are: review."),
        ("/v1/queue/review?n=0", 400, "n must be a whole number from 1 to 200, got '0'"),
        ("/v1/queue/review?n=x", 400, "n must be a whole number from 1 to 200, got 'x'"),
        ("/v1/queue/review?reviewer=", 400, "reviewer must be from 1 to 200 characters long, got ''"),
        ("/v1/queue/review?m=1", 400, "query must be made of n, reviewer and skip, got 'm'"),
    ],
)
def test_a_wrong_request_gets_a_reason(running, path, status, detail):
    found = running.get(path)
    assert (found[0], found[1]["detail"]) == (status, detail)


def test_the_page_lets_a_browser_run_nothing_but_its_own_script(running):
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    with closing(connection):
        connection.request("GET", "/queue")
        moved = connection.getresponse()
        moved.read()
        assert (moved.status, moved.headers["Location"]) == (307, "/queue/review")
        connection.request("GET", "/queue/review")
        page = connection.getresponse()
        text = page.read().decode()
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "innerHTML" not in text
    assert " style=" not in text


def test_openapi_names_the_routes_of_queues(running):
    paths = running.get("/openapi.json")[1]["paths"]
    assert {"/v1/queue", "/v1/queue/{action}", "/v1/queue/{action}/form"} <= set(paths)
    assert "/queue/{action}" not in paths
    assert [one["name"] for one in paths["/v1/queue/{action}"]["get"]["parameters"]] == [
        "action",
        "n",
        "reviewer",
        "skip",
    ]
