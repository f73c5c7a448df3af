"""A design is changed and run while a server answers and takes events: it swaps, and counts each event once."""

import http.client
import json
import queue
import random
import signal
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from itertools import count

import pytest
from running import sixfold

from sixfold.data.ingested import Ingested
from sixfold.features.bulk import build_state
from sixfold.features.packed import group_space
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.registry import Releases
from sixfold.stores import LmdbLog, LmdbStore

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries that train and record, as in a run of the command
]

DAY_S, START_S = 86_400, 1_767_225_600
END_S = START_S + 5 * DAY_S
CLOCK_S = END_S + 7200
"""Where the servers' clocks begin."""

CLOCK = datetime.fromtimestamp(CLOCK_S, UTC).isoformat()

DESIGN = """
import sixfold as sf

reader, book = sf.Entity("reader"), sf.Entity("book")
books = sf.Table("books", sf.Csv("books.csv"), book.key("isbn"), pages=sf.Number())
loans = sf.Events("loans", sf.Csv("loans.csv"), reader.key("card"), book.key("isbn"), id="loan",
    time=sf.Time("at", unit="s"), keep="30d", read=sf.Flag())
habit = sf.Features("habit", reader, loans, loans_7d=sf.count(window="7d"), read=sf.last("book", n=10, where="read"))
demand = sf.Features("demand", book, loans, loans_2d=sf.count(window="2d"), pages=sf.sum("books.pages"))
read = sf.Label("read", "read", within="1h")
inputs = [habit.loans_7d, demand, books.pages]
ranker = sf.Trees("ranker", inputs=inputs, heads=[sf.Binary(read)], rounds=5, num_leaves=3)
popular = sf.Rule("popular", "demand.loans_2d")
system = sf.System("library",
    sf.Requirements(goal="Readers find books that they finish", p99_ms=100),
    sf.Framing(query=reader, item=book, examples=loans, labels=[read]),
    sf.Data(books, loans, habit, demand),
    sf.Models(ranker, popular),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(read)"], gates=[]),
    sf.Deployment(candidates=[popular.top(10)], predict=ranker, value="read"))
"""
SECOND = (
    DESIGN.replace('demand = sf.Features("demand", book, loans, loans_2d=sf.count(window="2d")',
                   'fresh = sf.Features("fresh", reader, loans, loans=sf.count())\n'
                   'demand = sf.Features("demand", book, loans, loans_2d=sf.count(window="2d", where="read")')
    .replace("loans, habit, demand)", "loans, habit, demand, fresh)")
)  # fmt: skip
THIRD = SECOND.replace("loans=sf.count())", 'loans=sf.count(window="29d"))')


class Server:
    """`sixfold serve` in a process of its own."""

    def __init__(self, folder, clock=CLOCK):
        command = [sys.executable, "-m", "sixfold.cli", "serve", folder / "design.py", "--workdir", folder / "work"]
        self.process = subprocess.Popen(
            [*map(str, command), "--port", "0", "--clock", clock],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()
        ready = lines.get(timeout=60)
        assert " on http://" in ready, self.process.stderr.read()
        self.port = int(ready.rsplit(":", 1)[1])

    def ask(self, method, path, body=None):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30), self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Crowd:
    """Threads that post numbered events and ask for answers until the end of the block."""

    def __init__(self, server, card, at):
        self.card, self.at = card, at
        self.server, self.posted, self.wrong, self.releases = server, 0, [], []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._until_stopped, args=(one,)) for one in (self._post, self._ask)]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def reach(self, events):
        while self.posted < events and not self.wrong and all(thread.is_alive() for thread in self._threads):
            self._stopped.wait(0.01)

    def _until_stopped(self, act):
        for number in count():
            if self._stopped.is_set():
                return
            act(number)

    def _post(self, number):
        status, said = self.server.ask("POST", "/v1/events/loans", [self._loan(number)])
        if (status, said) != (200, {"accepted": 1, "duplicates": 0, "refused": []}):
            self.wrong.append((number, status, said))
        self.posted = number + 1

    def _loan(self, number):
        return {
            "loan": f"{self.card} {number}",
            "card": self.card,
            "isbn": f"978-{number % 5}",
            "at": self.at,
            "read": True,
        }

    def _ask(self, number):
        status, said = self.server.ask("POST", "/v1/recommend", {"reader": f"card {number % 30}", "k": 3})
        if status != 200 or len(said["items"]) != 3:
            self.wrong.append((number, status, said))
        else:
            self.releases.append(said["release"])


def run(folder):
    """The release that a run makes, and what it says of it."""
    ended = sixfold("run", folder / "design.py", "--workdir", folder / "work")
    assert ended.status == 0, ended.err
    return Releases(folder / "work" / "releases").current(), ended.err


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A released design, and what was said by the run that made its first release."""
    folder, rng = tmp_path_factory.mktemp("library"), random.Random(1)
    books = [f"978-{book},{100 + book}" for book in range(20)]
    (folder / "books.csv").write_text("\n".join(["isbn,pages", *books]) + "\n")
    rows = [
        f"l{n},card {rng.randrange(30)},978-{rng.randrange(20)},{START_S + n * 5 * DAY_S // 1000},{rng.random() < 0.5}"
        for n in range(1000)
    ]
    (folder / "loans.csv").write_text("\n".join(["loan,card,isbn,at,read", *rows]) + "\n")
    (folder / "design.py").write_text(DESIGN)
    return folder, run(folder)


def changed_under_load(folder, design, card, at):
    """Change the design under a server and run it; the crowd, what the run said, what is known of the card after."""
    with Server(folder) as server:
        with Crowd(server, card, at) as crowd:
            crowd.reach(20)
            (folder / "design.py").write_text(design)
            release, said = run(folder)
            while server.ask("GET", "/v1/releases")[1]["serving"] != release and not crowd.wrong:
                pass
            crowd.reach(crowd.posted + 50)
        features = server.ask("GET", f"/v1/features/reader/{card}")[1]["features"]
        assert server.stop() == (0, "")
    assert crowd.wrong == []
    assert crowd.releases[-1] == release
    assert crowd.releases == sorted(crowd.releases, key=[crowd.releases[0], release].index)
    return crowd, said, features


def test_a_changed_design_takes_over_while_requests_and_events_go_on(world):
    folder, (first, said) = world
    assert "takes over" not in said
    crowd, said, features = changed_under_load(folder, SECOND, "walker", END_S)
    assert "The online state takes over books, habit; made anew: demand, fresh." in said
    assert crowd.releases[0] == first
    assert (features["habit.loans_7d"], features["fresh.loans"]) == (crowd.posted, crowd.posted)
    assert features["habit.read"] == [f"978-{n % 5}" for n in range(crowd.posted - 10, crowd.posted)]
    assert_as_built_from_history(folder, crowd.releases[-1])


def test_a_replay_takes_over_what_it_was_told_since_it_began(world):
    """The run has ingested events from after the replay's begin, so that the server makes a state of its own."""
    folder, _ = world
    crowd, _, features = changed_under_load(folder, THIRD, "runner", CLOCK_S + 1)
    assert (features["habit.loans_7d"], features["fresh.loans"]) == (crowd.posted, crowd.posted)
    assert_as_built_from_history(folder, f"{crowd.releases[-1]}@{CLOCK_S * 1_000_000}")


def test_a_server_that_finds_no_state_takes_over_what_lies_there(world):
    folder, _ = world
    states, serving = folder / "work" / "state", Releases(folder / "work" / "releases").current()
    space = group_space("habit")
    with closing(LmdbStore(states / serving)) as state:
        # A row that no history has shows where the rows come from.
        state.commit([(space, b"planted", state.get(space, [b"card 0"])[0])], offset=state.offset())
    (states / serving).rename(states / "r0-of another release")
    with Server(folder, clock="wall") as server:
        assert server.stop() == (0, "")
    with closing(LmdbStore(states / serving)) as state:
        assert state.get(space, [b"planted"]) == state.get(space, [b"card 0"]) != [None]
        state.commit([(space, b"planted", None)], offset=state.offset())
    assert_as_built_from_history(folder, serving)


def assert_as_built_from_history(folder, name):
    """A state holds the values, and but for texts' numbers the bytes, of one that took nothing over."""
    work, release = folder / "work", name.partition("@")[0]
    system = Releases(work / "releases").open(release).system
    with (
        closing(LmdbStore(work / "state" / name, readonly=True)) as state,
        closing(LmdbStore(folder / f"scratch {name}")) as scratch,
        closing(LmdbLog(work / "log")) as log,
    ):
        build_state(system, scratch, Ingested.of(system, work / "ingested"), work / "spill")
        writer = StateWriter(system, scratch)
        while records := log.read(writer.offset, min(10_000, state.offset() - writer.offset)):
            writer.apply(records)
        assert state.offset() == scratch.offset()
        # A server need not apply the answers that it logged last before it stops.
        assert {record.stream for record in log.read(state.offset(), 10_000)} <= {"answers"}
        for group in system.features:
            rows, expected = (one.scan(group_space(group), None, 1000) for one in (state, scratch))
            assert len(rows) > 19
            if group != "habit":
                assert rows == expected
            readers = [Reader(system, one) for one in (state, scratch)]
            for key, _ in rows:
                one, other = (reader.group(group, [key.decode()], CLOCK_S * 1_000_000) for reader in readers)
                assert one == other
