"""Requests that are predicted together: each has its own outcome, after its decisions are durable."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

import pytest
from posts_release import post, release

from sixfold.data.rows import decode
from sixfold.errors import InvalidRequest, StoreClosed
from sixfold.serving.batches import MOST_BYTES, Batches
from sixfold.serving.server import open_parts
from sixfold.stores import GroupCommit

START = "2024-05-01T00:00:00Z"
START_US = 1_714_521_600_000_000


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posts")
    release(folder)
    return folder


@pytest.fixture
def parts(workdir):
    with open_parts(workdir, START) as found:
        # One thread, so that a test can keep it busy while requests arrive.
        found.pool.shutdown()
        found.pool = ThreadPoolExecutor(1, "answer")
        yield found


@contextmanager
def busy(parts):
    """Nothing is computed within the block."""
    done = Event()
    parts.pool.submit(done.wait)
    try:
        yield
    finally:
        done.set()


def body(*rows, **more):
    return json.dumps({"rows": rows, **more}).encode()


def ask(parts, *bodies):
    """The outcome of each body; the first is a batch, and what came meanwhile the next one."""

    async def asked():
        batches = Batches(parts, at_once=1)
        with busy(parts):
            waiting = [asyncio.ensure_future(batches.ask(one)) for one in bodies]
            await turns()
        return await asyncio.gather(*waiting, return_exceptions=True)

    return [json.loads(one) if isinstance(one, bytes) else one for one in asyncio.run(asked())]


async def turns(count=10):
    """Let the loop do what can be done."""
    for _ in range(count):
        await asyncio.sleep(0)


def computed(parts):
    """How many batches were, and of how many requests."""
    text = parts.metrics.text().decode().splitlines()
    start = "sixfold_predict_batch_requests_"
    return [float(line.split()[1]) for name in ("count", "sum") for line in text if line.startswith(start + name)]


def logged(parts, request_id):
    records = [decode(one.payload) for one in parts.stores.log.read(-1, 10**6) if one.stream == "answers"]
    return [one for one in records if one["request_id"] == request_id]


def test_requests_that_come_together_get_what_each_would_get_alone(parts):
    bodies = [body(*(post(10 * n + i, "storm " * n**2) for i in range(1 + n % 4))) for n in range(20)]
    together = ask(parts, *bodies)
    assert computed(parts) == [1, 20]
    alone = [ask(parts, one)[0] for one in bodies]
    assert len({one["request_id"] for one in together}) == 20
    for found, expected in zip(together, alone):
        assert [row["rude"] for row in found["rows"]] == pytest.approx([r["rude"] for r in expected["rows"]], abs=1e-5)
        assert [row["action"] for row in found["rows"]] == [row["action"] for row in expected["rows"]]


def test_what_arrives_while_a_batch_is_computed_is_the_next_one(parts):
    async def asked():
        batches = Batches(parts, at_once=1)
        with busy(parts):
            first = asyncio.ensure_future(batches.ask(body(post(1))))
            await turns()
            others = [asyncio.ensure_future(batches.ask(body(post(n)))) for n in range(2, 7)]
            await turns()
        return await asyncio.gather(first, *others)

    assert len(asyncio.run(asked())) == 6
    assert computed(parts) == [2, 6]


def test_a_wrong_request_fails_alone_with_its_own_reason(parts):
    bodies = [
        body(post(1)),
        b"{",
        body(post(2), {"post": "p3", "texte": "x"}),
        body(post(4, now=3)),
        body(post(5), now="noon"),
        body(post(6), 7),
        body(post(8), post(9)),
    ]
    first, *wrong, last = ask(parts, *bodies)
    assert [len(one["rows"]) for one in (first, last)] == [1, 2]
    assert all(isinstance(one, InvalidRequest) for one in wrong)
    assert [one.field for one in wrong] == ["body", "rows[1]", "rows[0]", "now", "rows[1]"]
    assert [str(one) for one in wrong] == [str(ask(parts, one)[0]) for one in bodies[1:-1]]


def test_an_explicit_time_is_that_of_its_request_alone(parts):
    early = START_US - 3_600_000_000
    bodies = [body(post(1)), body(post(2), now=early), body(post(3)), body(post(4), post(5), now=early)]
    times = [{one["time"] for one in logged(parts, reply["request_id"])} for reply in ask(parts, *bodies)]
    assert times[1] == times[3] == {early}
    assert times[0] == times[2]
    assert min(times[0]) >= START_US


def test_requests_without_rows_and_with_ten_thousand_have_their_place(parts):
    many = [post(n, ("sun", "storm storm")[n % 2]) for n in range(10_000)]
    empty, full, one, none = ask(parts, body(), body(*many), body(post(1)), body())
    assert (empty["rows"], none["rows"], len(one["rows"]), len(full["rows"])) == ([], [], 1, 10_000)
    few = ask(parts, body(*many[4_000:4_010]))[0]["rows"]
    assert [r["rude"] for r in full["rows"][4_000:4_010]] == pytest.approx([r["rude"] for r in few], abs=1e-5)
    assert [record["row"] for record in logged(parts, full["request_id"])] == list(range(10_000))


def test_a_batch_is_no_longer_than_it_may_be(parts):
    bodies = [body(post(n, "x" * (MOST_BYTES // 4))) for n in range(12)]
    assert len([one["rows"] for one in ask(parts, *bodies)]) == 12
    assert computed(parts) == [3, 12]


def test_a_second_batch_begins_only_when_it_would_be_a_whole_one(parts):
    async def asked(size):
        batches = Batches(parts, at_once=2)
        parts.pool = ThreadPoolExecutor(2, "answer")
        with busy(parts), busy(parts):
            waiting = [asyncio.ensure_future(batches.ask(body(post(n, "x" * size)))) for n in range(2)]
            await turns()
            running = len(batches._tasks)
        await asyncio.gather(*waiting)
        return running

    assert asyncio.run(asked(10)) == 1
    assert asyncio.run(asked(MOST_BYTES)) == 2


class HeldLog:
    """The log, which appends when it is let."""

    def __init__(self, log):
        self.log, self.let = log, Event()

    def append(self, events, *, arrival_us):
        self.let.wait()
        return self.log.append(events, arrival_us=arrival_us)


def test_no_decision_is_told_before_it_is_durable(parts):
    held = HeldLog(parts.stores.log)
    parts.stores.commit.close()
    parts.stores = replace(parts.stores, commit=GroupCommit(held, clock=parts.clock.now_us))

    async def asked():
        batches = Batches(parts, at_once=1)
        one = asyncio.ensure_future(batches.ask(body(post(1))))
        await asyncio.to_thread(lambda: parts.pool.submit(int).result())  # behind it: the batch is computed
        await turns(100)
        told = one.done()
        held.let.set()
        return told, json.loads(await one)

    told, reply = asyncio.run(asked())
    assert not told
    assert [one["post"] for one in logged(parts, reply["request_id"])] == ["p1"]


def test_where_decisions_cannot_be_kept_each_is_told_so_and_none_is_told_a_decision(parts):
    parts.stores.commit.close()
    found = ask(parts, body(post(1)), b"[]", body(post(2)))
    assert [type(one) for one in found] == [StoreClosed, InvalidRequest, StoreClosed]


def test_who_does_not_wait_any_more_has_no_place_in_a_batch(parts):
    async def asked():
        batches = Batches(parts, at_once=1)
        with busy(parts):
            waiting = [asyncio.ensure_future(batches.ask(body(post(n)))) for n in range(4)]
            await turns()
            late = [asyncio.ensure_future(batches.ask(body(post(n)))) for n in range(4, 8)]
            await turns()
            for one in (waiting[1], late[2]):  # one is being computed, the other is not yet
                one.cancel()
            await turns()
        return await asyncio.gather(*waiting, *late, return_exceptions=True)

    found = asyncio.run(asked())
    gone = [isinstance(one, asyncio.CancelledError) for one in found]
    assert gone == [at in (1, 6) for at in range(8)]
    assert computed(parts) == [2, 7]
