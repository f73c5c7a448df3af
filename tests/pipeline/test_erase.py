"""A key is erased from everything that is kept, as if it had never been there; sources read again leave it out."""

import http.client
import json
import queue
import random
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from running import sixfold

from sixfold.data.ingest import ingest
from sixfold.data.ingested import Ingested
from sixfold.data.rows import decode
from sixfold.design import load
from sixfold.errors import IngestedDamaged, StoreBusy, UnknownInRequest
from sixfold.features.arrays import column
from sixfold.features.bulk import build_state
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.registry import Releases
from sixfold.serving.erase import erase
from sixfold.stores import LmdbLog, LmdbStore

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries that train and record, as in a run of the command
]

DAY_S, START_S = 86_400, 1_767_225_600
END_S = START_S + 5 * DAY_S
GONE = "reader-gone"
READERS, BOOKS = [f"reader-{n}" for n in range(20)] + [GONE], [f"book-{n}" for n in range(10)]
DESIGN = """
import sixfold as sf

reader, book = sf.Entity("reader"), sf.Entity("book")
books = sf.Table("books", sf.Csv("books.csv"), book.key("isbn"), giver=reader.key("giver"), pages=sf.Number())
loans = sf.Events("loans", sf.Csv("loans.csv"), reader.key("card"), book.key("isbn"), id="loan",
    time=sf.Time("at", unit="s"), keep="30d", read=sf.Flag())
pals = sf.Table("pals", sf.Csv("pals.csv"), reader.key("who"), reader.alias("pal").key("with"),
    valid_from="since", since=sf.Time(unit="s"))
crowd = sf.Features("crowd", pals, loans, loans=sf.count())
tips = sf.Features("tips", (pals, book), loans, loans=sf.count())
habit = sf.Features("habit", reader, loans, loans_7d=sf.count(window="7d"), books=sf.last("book", n=5))
demand = sf.Features("demand", book, loans, loans_2d=sf.count(window="2d"), who=sf.last("reader", n=50))
read = sf.Label("read", "read", within="1h")
ranker = sf.Trees("ranker", inputs=[habit.loans_7d, demand.loans_2d, books.pages], heads=[sf.Binary(read)],
    rounds=5, num_leaves=3)
popular = sf.Rule("popular", "demand.loans_2d")
system = sf.System("library",
    sf.Requirements(goal="Readers find books that they finish", p99_ms=100),
    sf.Framing(query=reader, item=book, examples=loans, labels=[read]),
    sf.Data(books, loans, pals, habit, demand, crowd, tips),
    sf.Models(ranker, popular),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(read)"], gates=[]),
    sf.Deployment(candidates=[popular.top(10)], predict=ranker, value="read",
        filters=["not contains(demand.who, 'x')"]))
"""


def loans(readers, first=0, count=800):
    draw = random.Random(first)
    rows = [
        {"loan": first + n, "card": draw.choice(READERS), "isbn": draw.choice(BOOKS), "read": draw.randrange(2),
         "at": START_S + n * 5 * DAY_S // count}
        for n in range(count)
    ]  # fmt: skip
    return [row for row in rows if row["card"] in readers]


def write(folder, readers, first=0):
    folder.mkdir(exist_ok=True)
    (folder / "design.py").write_text(DESIGN)
    rows = loans(readers, first)
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows), f"x,{GONE},book-1,1,no time"]
    (folder / "loans.csv").write_text("\n".join(lines if GONE in readers else lines[:-1]) + "\n")
    givers = [GONE if n == 3 and GONE in readers else "" if n == 3 else "reader-1" for n in range(10)]
    books = [f"book-{n},{giver},{n * 100}" for n, giver in enumerate(givers)]
    pals = [
        f"{a},{b},{START_S}"
        for n, a in enumerate(READERS)
        for b in (READERS[n - 1], READERS[n - 2])
        if {a, b} <= {*readers}
    ]
    (folder / "pals.csv").write_text("who,with,since\n" + "\n".join(pals) + "\n")
    (folder / "books.csv").write_text("isbn,giver,pages\n" + "\n".join(books) + "\n")


class Server:
    """`sixfold serve` in a process of its own."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "sixfold.cli", "serve", folder / "design.py", "--workdir", folder / "work"]
        self.process = subprocess.Popen(
            [*map(str, command), "--port", "0", "--clock", "data"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()
        ready = lines.get(timeout=60)
        assert "://" in ready, ready + self.process.stderr.read()
        self.port = int(ready.split("://")[1].split()[0].rsplit(":", 1)[1])

    def post(self, path, body):
        status, said = self.ask("POST", path, body)
        assert status == 200, said
        return said

    def ask(self, method, path, body=None):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


def holding(folder, text):
    """Files below a folder that hold a text, in Parquet too."""
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content = repr(pq.read_table(path).to_pydict()).encode()
        if text.encode() in content:
            found.append(str(path.relative_to(folder)))
    return found


def served_features(folder, state):
    """All features of all readers but one, and of all books, as a state built from what is kept gives them."""
    system = load(folder / "design.py")
    ingested = Ingested.of(system, folder / "work" / "ingested")
    with closing(LmdbStore(state)) as store, closing(LmdbLog(folder / "work" / "log")) as log:
        build_state(system, store, ingested, folder / "spill")
        writer = StateWriter(system, store)
        writer.apply(log.read(writer.offset, 10_000))
        reader, found = Reader(system, store), {}
        asked = {"reader": READERS[:-1], "book": BOOKS}
        pairs = {"reader": READERS[:10], "book": BOOKS}
        for entity, group in (("reader", "habit"), ("book", "demand"), ("reader", "crowd"), ("both", "tips")):
            names = [f"{group}.{one.name}" for one in system.features[group].aggregates]
            keys = pairs if entity == "both" else {entity: asked[entity]}
            columns = {name: column(system.kinds[name], own) for name, own in keys.items()}
            read = reader.columns([*names, *(["books.pages"] if entity == "book" else [])], columns, END_S * 10**6)
            found |= {name: array.to_list() for name, array in read.items()}
    return found


def posted(readers, first):
    rows = [{**row, "at": row["at"] + DAY_S // 2} for row in loans(readers, first, 100)]
    return [row for row in rows if row["at"] < END_S]


@pytest.fixture(scope="module")
def erased(tmp_path_factory):
    """A run and served world with a reader erased from it, and the same world without that reader from the start."""
    folder = tmp_path_factory.mktemp("erase")
    ours, other = folder / "ours", folder / "other"
    for place, readers in ((ours, READERS), (other, READERS[:-1])):
        write(place, readers)
        ended = sixfold("run", place / "design.py", "--workdir", place / "work")
        assert ended.status == 0, ended.err
        with Server(place) as server:
            server.post("/v1/events/loans", posted(readers, 5_000))
            server.post(
                "/v1/events/pals",
                [{"who": readers[0], "with": pal, "since": START_S} for pal in readers[5:8] + readers[20:]],
            )
            for reader in readers[-4:]:
                server.post("/v1/recommend", {"reader": reader, "k": 3})
            if GONE in readers:
                before = holding(place / "work", GONE)
                with pytest.raises(StoreBusy, match="Stop it, erase, and start it again"):
                    erase(load(place / "design.py"), place / "work", "reader", GONE, now_us=0)
                assert holding(place / "work", GONE) == before
    before = holding(ours / "work", GONE)
    ended = sixfold("erase", ours / "design.py", "reader", GONE, "--workdir", ours / "work", "--json")
    assert ended.status == 0, ended.err
    return ours, other, before, ended.json


def test_no_file_holds_it_any_more_and_what_was_removed_is_told(erased):
    ours, _, before, done = erased
    kinds = {path.split("/")[0] for path in before}
    assert {"log", "ingested", "quarantine", "steps", "state"} <= kinds
    assert holding(ours / "work", GONE) == []
    own = len(loans([GONE]))
    assert done["places"]["ingested loans"] == {"removed": own, "changed": 0}
    assert done["places"]["ingested books"] == {"removed": 0, "changed": 1}
    assert done["places"]["ingested pals"] == {"removed": 4, "changed": 0}, "of both sides of a pair"
    assert done["places"]["log pals"] == {"removed": 1, "changed": 0}
    assert done["places"]["refused loans"] == {"removed": 1, "changed": 0}
    assert done["places"]["log loans"] == {"removed": len(posted([GONE], 5_000)), "changed": 0}
    answers = done["places"]["log answers"]
    assert answers["removed"] == 1
    assert answers["changed"] > 0, "others were shown books that it had borrowed"
    assert "steps" in done["discarded"]
    assert any(name.startswith("state r1-") for name in done["discarded"])
    assert done["naming"] == done["unknown"] == []


def test_releases_that_learned_from_it_are_marked(erased):
    ours, _, _, done = erased
    releases = Releases(ours / "work" / "releases")
    assert done["marked"] == releases.ids() != []
    assert GONE not in (ours / "work" / "erased.json").read_text()
    assert "learned from 1 erased" in sixfold("show", ours / "design.py", "--workdir", ours / "work").out
    assert releases.open(releases.ids()[0]).manifest.system == "library"


def test_a_state_is_then_that_of_a_world_without_it(erased, tmp_path):
    ours, other, _, _ = erased
    found = served_features(ours, tmp_path / "a")
    assert found == served_features(other, tmp_path / "b")
    assert sum(found["habit.loans_7d"]) > 100
    assert sum(found["crowd.loans"]) > sum(found["tips.loans"]) > 10


def test_sources_that_are_read_again_leave_it_out_and_what_is_posted_since_is_new(erased):
    ours, _, _, _ = erased
    write(ours, READERS, first=10_000)
    system, work = load(ours / "design.py"), ours / "work"
    with closing(LmdbLog(work / "log")) as log:
        ingest(system, ours, work / "ingested", log=log, now_us=END_S * 10**6)
    parts = Ingested.of(system, work / "ingested").files("loans")
    again = {name for part in parts for name in pq.read_table(part)["_identity"].to_pylist()}
    assert {str(row["loan"]) for row in loans(READERS[:-1], 10_000)} <= again, "the others were read"
    assert holding(work, GONE) == [], "the source has it still"
    with Server(ours) as server:
        assert server.post("/v1/recommend", {"reader": "reader-1", "k": 3})["items"]
        said = server.post("/v1/events/loans", posted([GONE], 5_000))
        assert said["accepted"] == 0, "a client that sends again what was erased is told of duplicates"
        assert said["duplicates"] == len(posted([GONE], 5_000))
        more = posted([GONE], 20_000)
        assert server.post("/v1/events/loans", more)["accepted"] == len(more)
    with closing(LmdbLog(work / "log")) as log:
        ingest(system, ours, work / "ingested", log=log, now_us=END_S * 10**6)
    parts = Ingested.of(system, work / "ingested").files("loans")
    kept = [name for part in parts for name in pq.read_table(part)["reader"].to_pylist()]
    assert kept.count(GONE) == len(more)


def test_over_http_others_wait_outside_and_every_acknowledged_event_counts(erased, tmp_path):
    folder = tmp_path / "served"
    shutil.copytree(erased[0], folder)
    name, sent, statuses, stopped = "book-4", [], set(), threading.Event()
    rows = [{**row, "loan": 50_000 + n} for n, row in enumerate(posted(READERS[:3], 30_000)) if row["isbn"] != name]

    def send():
        # Each until it is acknowledged, as a client does that was told to ask again.
        for row in rows:
            while True:
                status, _ = server.ask("POST", "/v1/events/loans", [row])
                statuses.add(status)
                if status == 200:
                    sent.append(row)
                    break
            if stopped.wait(0.002):
                return

    with Server(folder) as server:
        crowds = [server.ask("GET", "/v1/features/reader/new")[1]["features"]["crowd.loans"]]
        for pal in ("reader-1", "reader-2"):
            server.post("/v1/events/pals", [{"who": "new", "with": pal, "since": START_S}])
            crowds.append(server.ask("GET", "/v1/features/reader/new")[1]["features"]["crowd.loans"])
        assert crowds[0] == 0 < crowds[1] < crowds[2], "a pair counts in what is read next"
        sender = threading.Thread(target=send)
        sender.start()
        status, done = server.ask("DELETE", f"/v1/entities/book/{name}")
        assert status == 200, done
        assert done["places"]["ingested books"]["removed"] == 1
        stopped.set()
        sender.join()
        assert server.ask("DELETE", "/v1/entities/bok/x")[0] == 404
        items = server.post("/v1/recommend", {"reader": "reader-1", "k": 10})["items"]
        assert name not in [one["key"] for one in items]
        assert len(items) == len(BOOKS) - 1
        found = server.ask("GET", f"/v1/features/book/{name}")[1]["features"]
        assert (found["demand.loans_2d"], found["books.pages"]) == (0, None)
    assert statuses <= {200, 503}
    assert holding(folder / "work" / "log", name) == holding(folder / "work" / "ingested", name) == []
    with closing(LmdbLog(folder / "work" / "log")) as log:
        kept = [decode(one.payload)["_identity"] for one in log.read(-1, 10_000) if one.stream == "loans"]
    assert [one for one in kept if int(one) >= 50_000] == [str(row["loan"]) for row in sent]


def test_one_that_was_cut_off_is_finished_by_the_next(tmp_path):
    write(tmp_path, READERS)
    system, work = load(tmp_path / "design.py"), tmp_path / "work"
    ingest(system, tmp_path, work / "ingested", now_us=END_S * 10**6)
    (work / "erasing.json").write_text(json.dumps({"entity": "reader", "key": GONE}))
    done = erase(system, work, "book", "book-3", now_us=0)
    assert done.places["ingested books"].removed == 1
    assert holding(work, GONE) == holding(work, "book-3") == []
    (work / "releases" / "r1-a").mkdir(parents=True)
    (work / "releases" / "r1-a" / "release.json").write_text("{}")
    # Cut off before it marked releases: what it found is gone by now.
    (work / "erasing.json").write_text(json.dumps({"entity": "book", "key": "book-3"}))
    done = erase(system, work, "book", "book-3", now_us=5)
    assert done.marked == ["r1-a"]
    assert [(one["entity"], one["at"]) for one in Releases(work / "releases").erased()["r1-a"]] == [("book", 5)]
    assert not (work / "erasing.json").exists()
    (work / "erased.json").write_text("{")
    with pytest.raises(IngestedDamaged, match="Restore it from a backup"):
        ingest(system, tmp_path, work / "ingested", now_us=END_S * 10**6)


def test_an_entity_that_is_none_and_a_key_that_is_nowhere(tmp_path):
    write(tmp_path, READERS)
    system = load(tmp_path / "design.py")
    with pytest.raises(UnknownInRequest, match="reader"):
        erase(system, tmp_path / "work", "raeder", GONE, now_us=0)
    assert not (tmp_path / "work").exists()
    status, said, _ = sixfold("erase", tmp_path / "design.py", "reader", "nobody", "--workdir", tmp_path / "work")
    assert (status, said.strip()) == (0, "No row held reader nobody.")
