"""`POST /v1/predict` over HTTP while many ask: neighbours, promotion, erasure, clients that leave, the end."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from threading import Event

import msgspec
import pytest
from posts_release import post, release
from shop_server import START, Server

from sixfold.stores import LmdbLog


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posts")
    release(folder)
    return folder


@pytest.fixture(scope="module")
def server(workdir):
    running = Server(workdir, START)
    yield running
    assert running.stop() == 0


def request(rows, head=""):
    content = rows if isinstance(rows, bytes) else json.dumps({"rows": rows}).encode()
    return f"POST /v1/predict HTTP/1.1\r\nhost: x\r\n{head}content-length: {len(content)}\r\n\r\n".encode() + content


def reply(sock):
    """The next answer on a connection: its status, and what it holds."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = sock.recv(65_536)
        assert more, "the server hung up"
        got += more
    head, _, content = got.partition(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(content) < size:
        content += sock.recv(65_536)
    return int(head.split()[1]), json.loads(content)


def promote(server, name):
    """Serve a release; while an answer of its turn before is still being made, its state is open and it is busy."""
    while (said := server.post(f"/v1/releases/{name}/promote"))[0] == 503:
        assert said[1]["error"] == "StoreBusy"
    assert said[0] == 200


def connect(server):
    return closing(socket.create_connection(("127.0.0.1", server.port), timeout=30))


def records(workdir):
    with closing(LmdbLog(workdir / "log", readonly=True)) as log:
        return [msgspec.msgpack.decode(one.payload) for one in log.read(-1, 10**6) if one.stream == "answers"]


def test_each_connection_gets_its_own_answer_and_the_wrong_ones_their_reason(server, workdir):
    asked = [[post(100 * n + i) for i in range(1 + n % 3)] if n % 5 else b'{"rows": 1}' for n in range(40)]
    socks = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in asked]
    for sock, rows in zip(socks, asked):
        sock.sendall(request(rows))
    told = [reply(sock) for sock in socks]
    kept = {}
    for record in records(workdir):
        kept.setdefault(record["request_id"], []).append(record["post"])
    for (status, said), rows in zip(told, asked):
        if rows == b'{"rows": 1}':
            detail = "rows must be a list of at most 10000 objects, got 1"
            assert (status, said) == (400, {"error": "InvalidRequest", "detail": detail})
        else:
            assert (status, len(said["rows"])) == (200, len(rows))
            assert kept[said["request_id"]] == [row["post"] for row in rows], "durable when it was told"
    for sock in socks:
        sock.close()


def test_bodies_that_say_no_length_or_are_too_large_go_through_the_routes(server):
    with connect(server) as sock:
        content = json.dumps({"rows": [post(1)]}).encode()
        chunk = f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n"
        sock.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + chunk)
        status, said = reply(sock)
        assert (status, len(said["rows"])) == (200, 1)
    assert server.post("/v1/predict", b" " * 10_000_001)[0] == 413
    assert server.get("/v1/predict")[0] == 405
    assert server.post("/v1/predict/", {"rows": [post(1)]})[0] == 200
    text = server.get("/metrics")[1]
    assert 'sixfold_requests_total{path="predict",status="200"}' in text
    assert 'sixfold_stage_seconds_count{stage="predict rows"}' in text
    assert "post" in server.get("/openapi.json")[1]["paths"]["/v1/predict"]


def test_a_client_that_leaves_disturbs_nobody(server):
    for _ in range(5):
        with connect(server) as gone, connect(server) as half, connect(server) as stays:
            half.sendall(request([post(2)])[:-5])
            gone.sendall(request([post(1)] * 500))
            stays.sendall(request([post(3)]))
            gone.close()
            half.close()
            assert reply(stays)[0] == 200


def test_a_reply_is_of_one_release_also_while_others_are_promoted(server, workdir):
    first = server.get("/v1/releases")[1]["serving"]
    second = release(workdir, seed=1)
    texts = [post(n, "storm") for n in range(20)]
    alone, ended = {}, Event()
    for name in (first, second):
        promote(server, name)
        alone[name] = [row["rude"] for row in server.post("/v1/predict", {"rows": texts})[1]["rows"]]
    assert alone[first] != pytest.approx(alone[second], abs=1e-3)

    def asking(_):
        found = []
        with connect(server) as sock:
            while not ended.is_set():
                sock.sendall(request(texts))
                found.append(reply(sock))
        return found

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(asking, n) for n in range(8)]
        try:
            for name in (first, second) * 2:
                promote(server, name)
        finally:
            ended.set()
        told = [one for future in asked for one in future.result()]
    assert {said["release"] for _, said in told} == {first, second}
    for status, said in told:
        assert status == 200
        assert [row["rude"] for row in said["rows"]] == pytest.approx(alone[said["release"]], abs=1e-5)


def test_an_erasure_keeps_predictions_out_and_loses_none(server, workdir):
    ended, numbers = Event(), count(50_000)

    def asking(_):
        found = []
        with connect(server) as sock:
            while not ended.is_set():
                sock.sendall(request([post(number := next(numbers))]))
                found.append((number, *reply(sock)))
        return found

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(asking, n) for n in range(4)]
        try:
            erased = server.ask("DELETE", "/v1/entities/author/nobody")
        finally:
            ended.set()
        told = [one for future in asked for one in future.result()]
    assert erased[0] == 200, erased
    assert {status for _, status, _ in told} <= {200, 503}
    assert {said["error"] for _, status, said in told if status == 503} <= {"StoreBusy"}
    kept = {record["post"] for record in records(workdir)}
    assert {f"p{number}" for number, status, _ in told if status == 200} <= kept


def test_a_server_that_is_stopped_answers_those_who_wait(tmp_path):
    release(tmp_path)
    running = Server(tmp_path)
    with connect(running) as many, connect(running) as behind, connect(running) as last:
        many.sendall(request([post(n) for n in range(3_000)]))
        for sock in (behind, last):
            sock.sendall(request([post(1)]))
        # An answer on another connection: the server has read what came before.
        assert running.get("/healthz")[0] == 200
        running.process.send_signal(signal.SIGTERM)
        told = [reply(sock) for sock in (many, behind, last)]
    assert [(status, len(said["rows"])) for status, said in told] == [(200, 3_000), (200, 1), (200, 1)]
    assert running.stop() == 0
    assert len(records(tmp_path)) == 3_002
