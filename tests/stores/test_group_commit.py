import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sixfold.errors import InvalidEvent, StoreClosed
from sixfold.stores import GroupCommit, LmdbLog, NewEvent, Receipt


def event(event_id, time_us=0):
    return NewEvent("plays", event_id, time_us, b"")


@pytest.fixture
def log(tmp_path):
    log = LmdbLog(tmp_path)
    yield log
    log.close()


class HeldClock:
    """Counts transactions, and holds the first up until `go`, so that what comes meanwhile queues."""

    def __init__(self):
        self.asked, self.go, self.turn = threading.Event(), threading.Event(), -1

    def __call__(self):
        self.asked.set()
        assert self.go.wait(10)
        self.turn += 1
        return self.turn


def test_every_caller_gets_the_receipts_of_its_own_events(log):
    group = GroupCommit(log, clock=lambda: 7)

    def call(caller):
        mine = [event(b"%d-%d" % (caller, n)) for n in range(3)]
        return [(e, r) for _ in range(5) for e, r in zip(mine, group.submit(mine).result(), strict=True)]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for answers in pool.map(call, range(8)) for answer in answers]
    group.close()
    assert log.last() == 8 * 3 - 1
    assert sum(not receipt.duplicate for _, receipt in answers) == 8 * 3
    assert len({(e.event_id, receipt.offset) for e, receipt in answers}) == 8 * 3
    assert {record.arrival_us for record in log.read(-1, 100)} == {7}


def test_what_comes_during_a_transaction_shares_the_next_one_and_close_finishes_it(log):
    clock = HeldClock()
    group = GroupCommit(log, clock=clock)
    first = group.submit([event(b"first")])
    assert clock.asked.wait(10)
    waiting = [group.submit([event(b"%d" % n), event(b"first")]) for n in range(20)]
    nothing, cancelled = group.submit([]), group.submit([event(b"never")])
    assert cancelled.cancel()
    clock.go.set()
    group.close()
    assert first.result() == [Receipt(0, False)]
    assert [future.result() for future in waiting] == [[Receipt(n, False), Receipt(0, True)] for n in range(1, 21)]
    assert nothing.result() == []
    assert [record.arrival_us for record in log.read(-1, 100)] == [0] + [1] * 20


def test_a_transaction_takes_no_more_callers_once_it_is_large(log):
    clock = HeldClock()
    group = GroupCommit(log, clock=clock, max_events=2)
    group.submit([event(b"first")])
    assert clock.asked.wait(10)
    for n in range(5):
        group.submit([event(b"%d" % n)])
    clock.go.set()
    group.close()
    assert [record.arrival_us for record in log.read(-1, 100)] == [0, 1, 1, 2, 2, 3]


def test_an_error_of_the_log_reaches_every_waiting_caller(tmp_path):
    log, clock = LmdbLog(tmp_path), HeldClock()
    group = GroupCommit(log, clock=clock)
    futures = [group.submit([event(b"first")])]
    assert clock.asked.wait(10)
    futures += [group.submit([event(b"%d" % n)]) for n in range(3)]
    log.close()
    clock.go.set()
    group.close()
    assert [str(future.exception()) for future in futures] == [f"{tmp_path}: was closed; open it again to use it"] * 4


def test_an_invalid_event_is_refused_at_once_to_its_caller_alone(log):
    group = GroupCommit(log, clock=lambda: 0)
    with pytest.raises(InvalidEvent):
        group.submit([event(b"a", time_us=2**62)])
    assert group.submit([event(b"b")]).result() == [Receipt(0, False)]
    group.close()


def test_nothing_is_taken_after_close(log):
    group = GroupCommit(log, clock=lambda: 0)
    group.close()
    group.close()
    with pytest.raises(StoreClosed):
        group.submit([event(b"a")])
