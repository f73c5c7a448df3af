"""What waits for reviewers, from the log alone: who goes in, who goes out, in which order, and who has what in hand."""

from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop_server import START_S
from talk_events import START_US, judged, records, voted
from talk_release import DESIGN

from sixfold.design import load
from sixfold.errors import DesignError, QueueBehind
from sixfold.serving import queues as followed
from sixfold.serving.queue import KEEP_US, LEASE_US, Decided, Ordered, Queue, Waiting, most_rows
from sixfold.serving.queue_form import form
from sixfold.serving.queue_order import interleaved
from sixfold.serving.queues import Queues, QueuesState, queue_specs
from sixfold.stores import LmdbLog
from sixfold.stores.redis_log import RedisLog

SYSTEM = load(DESIGN)
(SPEC,) = queue_specs(SYSTEM)
DAY_US = 86_400_000_000


def fed(*events):
    state = QueuesState(SYSTEM, -1)
    state.feed(records(events))
    return state.queues["review"]


def keys(queue):
    return sorted(row.key for row in queue)


def waiting(key, *, on=0.7, drawn=False, offset=0, arrival_us=START_US):
    return Waiting(key, offset, arrival_us, on, drawn, {}, {})


def test_a_row_that_is_judged_twice_waits_once_as_it_was_judged_last():
    queue = fed(judged("p1", score=0.6), judged("p2"), judged("p1", score=0.9, at_us=START_US + 1))
    assert keys(queue) == ["p1", "p2"]
    assert {row.key: (row.on, row.offset) for row in queue} == {"p1": (0.9, 2), "p2": (0.7, 1)}


def test_a_row_that_is_judged_otherwise_waits_no_more():
    assert keys(fed(judged("p1"), judged("p2"), judged("p1", "remove"), judged("p2", "allow"))) == []


def test_a_decision_takes_a_row_out_and_another_judgement_brings_it_back():
    assert keys(fed(judged("p1"), judged("p2"), voted(SYSTEM, "p1"))) == ["p2"]
    assert keys(fed(judged("p1"), voted(SYSTEM, "p1"), judged("p1", at_us=START_US + 1))) == ["p1"]


def test_what_labels_do_not_see_decides_nothing():
    assert keys(fed(judged("p1"), voted(SYSTEM, "p1", mood=None))) == ["p1"]


def test_only_events_that_the_labels_count_decide(tmp_path):
    text = DESIGN.read_text().replace('sf.last("mood", n=9)', 'sf.last("mood", n=9, where="sure")')
    (tmp_path / "design.py").write_text(text)
    state = QueuesState(load(tmp_path / "design.py"), -1)
    state.feed(records([judged("p1"), judged("p2"), voted(SYSTEM, "p1", sure=False), voted(SYSTEM, "p2", sure=True)]))
    assert keys(state.queues["review"]) == ["p1"]


def test_a_row_without_a_key_waits_nowhere():
    assert keys(fed(judged(None))) == []


MOVES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["review", "allow", "remove", "vote", "null"])))


@given(MOVES, st.integers(1, 7))
def test_what_came_last_about_a_row_counts_however_the_log_is_read(moves, size):
    events, expected = [], set()
    for n, (key, move) in enumerate(moves):
        at_us = START_US + n
        if move in ("vote", "null"):
            events.append(voted(SYSTEM, key, "rude" if move == "vote" else None, at_us=at_us))
            expected -= {key} if move == "vote" else set()
        else:
            events.append(judged(key, move, at_us=at_us))
            expected = expected - {key} | ({key} if move == "review" else set())
    state, logged = QueuesState(SYSTEM, -1), records(events)
    for at in range(0, len(logged), size):
        state.feed(logged[at : at + size])
    assert set(keys(state.queues["review"])) == expected
    assert state.offset == len(events) - 1


def test_of_too_many_rows_the_least_urgent_are_dropped_and_counted_and_those_drawn_keep_their_share():
    queue, most = Queue(SPEC, "UTC"), most_rows(SPEC)
    assert most == 1_000
    for n in range(2_000):
        queue.put(waiting(f"p{n}", on=0.5 + n / 5_000, offset=n))
    for n in range(300):
        queue.put(waiting(f"d{n}", on=0.1 + n / 5_000, drawn=True, offset=2_000 + n))
    assert len(queue) + queue.dropped == 2_300
    assert len(queue) <= most
    drawn = [row for row in queue if row.drawn]
    assert 0.9 * 200 <= len(drawn) <= 200
    others = [row.on for row in queue if not row.drawn]
    assert 0.9 * 800 <= len(others) <= 800
    assert min(others) > 0.5 + (2_000 - len(others) - 1) / 5_000


def test_what_is_too_old_is_forgotten_as_if_the_log_had_been_read_from_there_on():
    queue = Queue(SPEC, "UTC")
    for day in range(10):
        queue.put(waiting(f"p{day}", drawn=bool(day % 2), arrival_us=START_US + day * DAY_US))
    queue.forget(START_US + KEEP_US + DAY_US)
    assert keys(queue) == [f"p{day}" for day in range(2, 10)]


def test_decisions_are_counted_by_the_local_day_and_only_about_what_waited():
    queue = Queue(SPEC, "Asia/Tokyo")  # its day begins at 15:00 UTC
    for key, drawn in (("p1", False), ("p2", True), ("p3", False)):
        queue.put(waiting(key, drawn=drawn))
    evening_us = START_US + 14 * 3_600_000_000
    queue.decide("p1", evening_us)
    queue.decide("p1", evening_us)
    queue.decide("p2", evening_us)
    queue.decide("p3", evening_us + 3_600_000_000)
    assert queue.decided(evening_us) == Decided(2, 1)
    assert queue.decided(evening_us + 3_600_000_000) == Decided(1, 0)


def test_two_reviewers_are_not_handed_the_same_rows_until_a_lease_ends():
    queue, rows = Queue(SPEC, "UTC"), [Ordered(waiting(f"p{n}"), 1.0) for n in range(5)]
    for one in rows:
        queue.put(one.row)

    def handed(reviewer, n, now_us):
        return [one.row.key for one in queue.hand_out(rows, n, reviewer, now_us)]

    assert handed("anna", 2, 0) == ["p0", "p1"]
    assert handed("bob", 2, 1) == ["p2", "p3"]
    assert handed("anna", 2, 2) == ["p0", "p1"], "who asks again has them still"
    assert handed("anna", 1, 3) == ["p0"], "and gives back what is not handed out again"
    assert handed("bob", 9, 4) == ["p1", "p2", "p3", "p4"]
    assert queue.in_hand(5) == 5
    assert handed("carl", 9, 5) == []
    assert handed("carl", 9, 3 + LEASE_US) == ["p0"]
    queue.decide("p0", 0)
    assert queue.in_hand(5 + LEASE_US) == 0


@pytest.mark.parametrize(("share", "batch"), [(0.1, 1), (0.1, 7), (0.25, 1), (0.25, 40)])
def test_who_works_only_the_top_of_the_queue_meets_the_share_of_drawn_rows(share, batch):
    others = [Ordered(waiting(f"p{n}"), 1.0) for n in range(1_000)]
    drawn = [Ordered(waiting(f"d{n}", drawn=True), 0.1) for n in range(1_000)]
    done = Counter()
    while done.total() < 400:
        top = list(interleaved(others, drawn, share, Decided(done.total(), done[True])))[:batch]
        for one in top:
            (drawn if one.row.drawn else others).remove(one)
            done[one.row.drawn] += 1
    assert abs(done[True] / done.total() - share) <= 1 / 100


def test_where_no_row_of_a_kind_is_left_the_others_go_on():
    drawn = [Ordered(waiting("d1", drawn=True), 0.1)]
    assert list(interleaved([], drawn, 0.1, Decided(0, 0))) == drawn
    assert list(interleaved(drawn, [], 0.1, Decided(0, 0))) == drawn


@pytest.fixture(params=["lmdb", "redis"])
def log(request, tmp_path):
    if request.param == "lmdb":
        opened = LmdbLog(tmp_path / "log")
    else:
        server = request.getfixturevalue("redis_server")
        opened = RedisLog(server.url, f"queues {tmp_path.name}")
    with closing(opened):
        yield opened


class Now:
    """The server's clock."""

    us = START_US

    def __call__(self):
        return self.us


def test_every_server_has_the_queue_that_the_log_tells_also_one_that_starts_later(log):
    now = Now()
    log.append([judged("old")], arrival_us=START_US)
    now.us = START_US + KEEP_US
    log.append([judged("p1"), judged("p2"), judged("p3")], arrival_us=now.us)
    with closing(Queues(log, lambda: SYSTEM, now)) as first, closing(Queues(log, lambda: SYSTEM, now)) as second:
        for one in (first, second):
            with one.current(SYSTEM) as found:
                assert keys(found["review"]) == ["p1", "p2", "p3"]
        log.append([voted(SYSTEM, "p2")], arrival_us=now.us)
        with second.current(SYSTEM) as found:
            assert keys(found["review"]) == ["p1", "p3"]
        with (
            closing(Queues(log, lambda: SYSTEM, now)) as late,
            first.current(SYSTEM) as old,
            late.current(SYSTEM) as new,
        ):
            assert list(old["review"]) == list(new["review"])
            assert old["review"].decided(now.us) == new["review"].decided(now.us) == Decided(1, 0)


def test_a_release_that_defines_its_queue_otherwise_reads_the_log_again(tmp_path):
    with closing(LmdbLog(tmp_path / "log")) as log, closing(Queues(log, lambda: SYSTEM, Now())) as found:
        log.append([judged("p1", "check"), judged("p2")], arrival_us=START_US)
        with found.current(SYSTEM) as queues:
            assert keys(queues["review"]) == ["p2"]
        (tmp_path / "design.py").write_text(DESIGN.read_text().replace('"review"', '"check"'))
        with found.current(load(tmp_path / "design.py")) as queues:
            assert {name: keys(queue) for name, queue in queues.items()} == {"check": ["p1"]}


def test_a_queue_whose_log_takes_long_to_read_says_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(followed, "_PATIENCE_S", -1.0)
    monkeypatch.setattr(followed, "_BATCH", 3)
    monkeypatch.setattr(followed, "_FOLLOW_S", 3600.0)  # the thread stays out of it
    with closing(LmdbLog(tmp_path / "log")) as log:
        log.append([judged(f"p{n}") for n in range(10)], arrival_us=START_US)
        with closing(Queues(log, lambda: SYSTEM, Now())) as found:
            said = []
            for _ in range(4):
                try:
                    with found.current(SYSTEM) as queues:
                        said.append(len(queues["review"]))
                except QueueBehind as behind:
                    said.append((behind.read, behind.of))
    assert said == [(3, 10), (6, 10), (9, 10), 10]


def test_a_capacity_that_nothing_can_decide_about_is_no_queue(tmp_path):
    text = DESIGN.read_text().replace('sf.last("mood", n=9), over=votes', '"mood"')
    text = text.replace("text=sf.Text()", 'text=sf.Text(), mood=sf.Category(values=("kind", "rude", "vile"))')
    (tmp_path / "ordered.py").write_text(text)
    with pytest.raises(DesignError, match=r"Action review\.order must be left out: a queue is worked by events"):
        load(tmp_path / "ordered.py")
    (tmp_path / "plain.py").write_text(text.replace('order="(1 - mood.kind) * (1 + traffic.views_1h)",', ""))
    assert queue_specs(load(tmp_path / "plain.py")) == []


def test_the_form_says_who_fills_in_what():
    found = form(SYSTEM, SPEC)
    assert (found["stream"], found["query"], found["counts_where"]) == ("votes", "post", [])
    assert {one["name"]: (one["post"], one["part"], one["required"]) for one in found["columns"]} == {
        "post": ("post_id", "row", True),
        "author": ("author_id", "row", False),
        "reader": ("reader_id", "reviewer", True),
        "time": ("at", "time", True),
        "mood": ("mood", "value", False),
        "sure": ("sure", "other", False),
        "note": ("note", "other", False),
    }
    (mood,) = [one for one in found["columns"] if one["part"] == "value"]
    assert mood["values"] == ("kind", "rude", "vile")
    assert [(one["name"], one["prose"]) for one in found["context"]] == [("author", False), ("posts.text", True)]


def test_an_id_of_the_streams_own_is_part_of_the_form(tmp_path):
    text = DESIGN.read_text().replace('    reader.key("reader_id"),', '    reader.key("reader_id"), id="vote_id",')
    (tmp_path / "design.py").write_text(text)
    system = load(tmp_path / "design.py")
    (own,) = [one for one in form(system, *queue_specs(system))["columns"] if one["part"] == "id"]
    assert own["post"] == "vote_id"


def test_a_queue_holds_a_weeks_capacity_within_bounds():
    for per_day, most in ((1, 1_000), (2_000, 14_000), (1_000_000, 20_000)):
        assert most_rows(replace(SPEC, action=replace(SPEC.action, per_day=per_day))) == most
    assert START_US == START_S * 1_000_000
