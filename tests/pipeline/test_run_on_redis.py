"""A design whose stores are in Redis is run, served twice, changed and run again: servers follow, nothing is lost."""

import http.client
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from running import sixfold

from sixfold.design import load
from sixfold.errors import StoreBusy
from sixfold.registry import Releases
from sixfold.serving.erase import erase
from sixfold.stores.opening import open_log, open_states
from sixfold.testing.redis_server import RedisServer

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries that train and record, as in a run of the command
]

DAY_S, START_S = 86_400, 1_767_225_600
END_S = START_S + 5 * DAY_S
CLOCK = datetime.fromtimestamp(END_S + 7200, UTC).isoformat()

DESIGN = """
import sixfold as sf

reader, book = sf.Entity("reader"), sf.Entity("book")
books = sf.Table("books", sf.Csv("books.csv"), book.key("isbn"), pages=sf.Number())
loans = sf.Events("loans", sf.Csv("loans.csv"), reader.key("card"), book.key("isbn"), id="loan",
    time=sf.Time("at", unit="s"), keep="30d", read=sf.Flag())
habit = sf.Features("habit", reader, loans, loans_7d=sf.count(window="7d"))
read = sf.Label("read", "read", within="1h")
ranker = sf.Trees("ranker", inputs=[habit.loans_7d, books.pages], heads=[sf.Binary(read)], rounds=5, num_leaves=3)
longest = sf.Rule("longest", "books.pages")
system = sf.System("library",
    sf.Requirements(goal="Readers find books that they finish", p99_ms=100),
    sf.Framing(query=reader, item=book, examples=loans, labels=[read]),
    sf.Data(books, loans, habit),
    sf.Models(ranker, longest),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(read)"], gates=[]),
    sf.Deployment(candidates=[longest.top(10)], predict=ranker, value="read", stores=sf.Redis("REDIS")))
"""
SECOND = DESIGN.replace('window="7d")', 'window="7d"), loans=sf.count()')


class Server:
    """`sixfold serve` in a process of its own."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "sixfold.cli", "serve", str(folder / "design.py"), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--workdir", str(folder / "work"), "--clock", CLOCK],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        lines = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()
        self.port = int(lines.get(timeout=60).rsplit(":", 1)[1])

    def ask(self, method, path, body=None):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body).encode())
            return json.loads(connection.getresponse().read())

    def features(self, card):
        return self.ask("GET", f"/v1/features/reader/{card}")["features"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        self.process.stdout.close()


def run(folder):
    ended = sixfold("run", folder / "design.py", "--workdir", folder / "work")
    assert ended.status == 0, ended.err
    return Releases(folder / "work" / "releases").current()


def until(true):
    until_s = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until_s


def write(folder, design, url):
    (folder / "design.py").write_text(design.replace("REDIS", url))


@pytest.fixture
def folder(tmp_path):
    rng = random.Random(1)
    books = [f"978-{book},{100 + book}" for book in range(20)]
    (tmp_path / "books.csv").write_text("\n".join(["isbn,pages", *books]) + "\n")
    rows = [
        f"l{n},card {rng.randrange(30)},978-{rng.randrange(20)},{START_S + n * 5 * DAY_S // 500},{rng.random() < 0.5}"
        for n in range(500)
    ]
    (tmp_path / "loans.csv").write_text("\n".join(["loan,card,isbn,at,read", *rows]) + "\n")
    return tmp_path


def loan(number):
    return {"loan": f"new {number}", "card": "walker", "isbn": f"978-{number % 5}", "at": END_S, "read": True}


def test_servers_follow_a_run_and_the_log_of_all_is_taken_in(folder, tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        write(folder, DESIGN, redis.url)
        first = run(folder)
        servers = [Server(folder), Server(folder)]
        for number in range(10):
            assert servers[number % 2].ask("POST", "/v1/events/loans", [loan(number)])["accepted"] == 1
        write(folder, SECOND, redis.url)
        second = run(folder)
        assert first != second
        for server in servers:
            until(lambda server=server: server.ask("GET", "/v1/releases")["serving"] == second)
        assert servers[1].ask("POST", "/v1/events/loans", [loan(n) for n in range(15)])["duplicates"] == 10
        for server in servers:
            until(lambda server=server: server.features("walker") == {"habit.loans_7d": 15.0, "habit.loans": 15.0})
        assert (
            "Stop them all and use `sixfold erase`" in servers[0].ask("DELETE", "/v1/entities/reader/walker")["detail"]
        )
        with pytest.raises(StoreBusy):
            erase(load(folder / "design.py"), folder / "work", "reader", "walker", now_us=0)
        for server in servers:
            server.stop()
        stores = load(folder / "design.py").deployment.stores
        with closing(open_states(stores, "library", folder / "work")) as states:
            assert states.names() == [second, first]
            states.discard_all_but([second])
            assert states.names() == [second]
        with closing(open_log(stores, "library", folder / "work")) as log:
            assert [record.stream for record in log.read(-1, 1000) if record.stream == "loans"] == ["loans"] * 15
        left = {key.split(b":")[2] for key in redis_keys(redis.url)}
        assert left == {b"log", b"ids", b"ids in order", b"states", b"state"}
        check_erased(folder, stores, second)
    with RedisServer(tmp_path_factory.mktemp("another redis")) as another:
        write(folder, SECOND, another.url)
        ended = sixfold("run", folder / "design.py", "--workdir", folder / "work")
        assert ended.status == 1
        assert "sixfold: the event log ends at offset -1, but " in ended.err


def check_erased(folder, stores, release):
    done = erase(load(folder / "design.py"), folder / "work", "reader", "walker", now_us=0)
    assert (done.places["log loans"].removed, done.discarded[0]) == (15, f"state {release}")
    with closing(open_log(stores, "library", folder / "work")) as log:
        kept = log.read(-1, 1000)
        assert not any(b"walker" in record.payload for record in kept)
        assert sum(record.stream == "erased" for record in kept) == 15
    server = Server(folder)
    assert server.features("walker") == {"habit.loans_7d": 0.0, "habit.loans": 0.0}
    assert server.ask("POST", "/v1/events/loans", [loan(99)])["accepted"] == 1
    until(lambda: server.features("walker") == {"habit.loans_7d": 1.0, "habit.loans": 1.0})
    server.stop()


def redis_keys(url):
    import redis

    with closing(redis.Redis.from_url(url)) as client:
        return list(client.scan_iter())
