"""Two servers share one Redis: each event counts once, whoever takes it, whoever dies, and whatever Redis does."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from shop_release import DESIGN, release
from shop_server import ITEMS, START_S, Server, visit

from sixfold.errors import InvalidField, StateLost
from sixfold.features.state import StateWriter
from sixfold.pipeline.demo import demo
from sixfold.pipeline.job import Job
from sixfold.registry import Releases
from sixfold.serving.worker import Worker
from sixfold.stores import NewEvent
from sixfold.stores.opening import open_log, open_states
from sixfold.testing.redis_server import RedisServer

PATIENCE_S = 30


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    release(folder)
    return folder / "trained"


@pytest.fixture
def workdir(redis, trained, tmp_path):
    """A work folder with a release whose stores are in Redis, under the name of this test's system."""
    release(tmp_path, design=design(tmp_path, redis.url, tmp_path.name), models=trained)
    return tmp_path


@pytest.fixture
def both(workdir):
    """Two servers that begin at the same moment, and build the state that neither finds."""
    with ThreadPoolExecutor(2) as pool:
        servers = list(pool.map(Server, [workdir, workdir]))
    assert servers[0].post("/v1/events/items", ITEMS)[1]["accepted"] == len(ITEMS)
    yield servers
    for server in servers:
        if server.process.poll() is None:
            assert server.stop() == 0


def design(folder: Path, url: str, name: str) -> Path:
    path = folder / "redis_design.py"
    text = DESIGN.read_text().replace('    "shop",\n', f'    "{name}",\n')
    path.write_text(text.replace("rerank=[", f'stores=sf.Redis("{url}"),\n        rerank=['))
    return path


def until(true):
    """Ask until it is so."""
    until_s = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < until_s
    return found


def visits(server, person):
    return server.get(f"/v1/features/person/{person}")[1]["features"]["habit.visits_7d"]


def test_each_event_counts_once_and_both_servers_see_it(both):
    for n in range(20):
        assert both[n % 2].post("/v1/events/visits", [visit("p", n)])[1]["accepted"] == 1
    assert both[1].post("/v1/events/visits", [visit("p", n) for n in range(20)])[1]["duplicates"] == 20
    for server in both:
        until(lambda server=server: visits(server, "p") == 20)
        assert server.get("/readyz")[1]["status"] == "ready"
    row = {"item_id": "new", "shop_id": "new", "price": 5_000, "listed": True}
    both[0].post("/v1/events/items", [row])
    ask = {"person": "q", "k": 1}
    for server in both:
        until(lambda server=server: [one["key"] for one in server.post("/v1/recommend", ask)[1]["items"]] == ["new"])
        until(lambda server=server: server.get("/v1/features/item/new")[1]["features"]["items.price"] == 5_000)


def test_the_other_server_goes_on_when_the_one_that_applies_the_log_is_killed(both, workdir):
    for round_number in range(2):
        both[0].post("/v1/events/visits", [visit("p", n, START_S + round_number) for n in range(10)])
        both[round_number].stop(signal.SIGKILL)
        other = both[1 - round_number]
        began_s = time.monotonic()
        other.post("/v1/events/visits", [visit("p", n, START_S + round_number) for n in range(10, 20)])
        until(lambda other=other, count=20 * (round_number + 1): visits(other, "p") == count)
        assert time.monotonic() - began_s < 5
        both[round_number] = Server(workdir)
    assert [visits(server, "p") for server in both] == [40, 40]


def test_a_redis_killed_under_load_loses_no_acknowledged_event_and_all_go_on_by_themselves(both, redis):
    acknowledged, statuses, done = [0, 0], [set(), set()], threading.Event()

    def post(me):
        while not done.is_set():
            rows = [visit(f"p{me}", 5 * acknowledged[me] + n) for n in range(5)]
            status, said = both[me].post("/v1/events/visits", rows)
            if status == 200:
                assert said["accepted"] + said["duplicates"] == 5
                acknowledged[me] += 1
            else:
                statuses[me].add((status, said["error"]))

    posting = [threading.Thread(target=post, args=(me,)) for me in range(2)]
    for thread in posting:
        thread.start()
    for _ in range(2):
        before = list(acknowledged)
        until(lambda before=before: all(now > then + 10 for now, then in zip(acknowledged, before)))
        redis.kill()
        for found in statuses:
            found.clear()
        until(lambda: all(statuses))
        until(lambda: all(server.get("/readyz")[0] == 503 for server in both))
        assert both[0].get("/v1/features/person/p0")[1]["error"] == "StoreUnreachable"
        redis.start()
        assert statuses == [{(503, "StoreUnreachable")}] * 2
    before = list(acknowledged)
    until(lambda: all(now > then + 10 for now, then in zip(acknowledged, before)))
    done.set()
    for thread in posting:
        thread.join()
    for server in both:
        until(lambda server=server: server.get("/readyz")[0] == 200)
        for me in range(2):
            # A batch whose answer got lost was sent again, and counted once all the same.
            until(lambda server=server, me=me: visits(server, f"p{me}") == 5 * acknowledged[me])


def test_a_worker_whose_state_went_back_says_so_and_does_not_begin_anew(workdir):
    system = Releases(workdir / "releases").open(Releases(workdir / "releases").current()).system
    stores, name = system.deployment.stores, system.name
    with closing(open_log(stores, name, workdir)) as log, closing(open_states(stores, name, workdir)) as states:
        with states.building("r1") as empty:
            empty().close()
        worker = Worker(log, StateWriter(system, states.open("r1")), lambda names: None, states.lease("r1"))
        log.append([NewEvent("answers", b"1", 0, b"")], arrival_us=0)
        worker.catch_up()
        assert worker.offset == 0
        worker._lease.release()
        assert states.discard("r1")
        log.append([NewEvent("answers", b"2", 0, b"")], arrival_us=0)
        with pytest.raises(StateLost) as caught:
            worker.catch_up()
        assert (caught.value.stood, caught.value.stands) == (0, -1)


def test_a_demo_is_refused_since_its_replay_would_become_data_of_all(workdir):
    with pytest.raises(InvalidField) as caught:
        demo(Job(workdir / "redis_design.py", workdir, workdir))
    assert (caught.value.part, caught.value.field) == ("Deployment", "stores")
