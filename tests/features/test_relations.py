"""Features read through a relation: who is paired with whom as of a time, in stream, serving and batch."""

from contextlib import closing
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.design.draw import draw
from sixfold.design.kinds import Kind
from sixfold.errors import InvalidField, UnreachableEntity
from sixfold.features import relations
from sixfold.features.arrays import column
from sixfold.features.batch import attach
from sixfold.features.keyed_sql import rows_by_key
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore, Record

HOUR, DAY = 3_600_000_000, 86_400_000_000
member, event, group = (sf.Entity(name) for name in ("member", "event", "group"))
friend = member.alias("friend")


def design(**own: Any) -> sf.System:
    """Members who answer invitations to events of groups, and have friends."""
    rsvps = sf.Events("rsvps", [], member.key(), event.key(), time=sf.Time(unit="us"), going=sf.Flag())
    events = sf.Table("events", [], event.key(), group=group.key())
    memberships = sf.Table("memberships", [], member.key(), group.key(), valid_from="joined", joined=sf.Time(unit="us"))
    friendships = sf.Table("friendships", [], member.key(), friend.key(), valid_from="since", since=sf.Time(unit="us"))
    made = {
        "circle": sf.Features("circle", memberships, rsvps, yes_30d=sf.count(window="30d", where="going")),
        "friends": sf.Features("friends", (friendships, event), rsvps, going=sf.count(where="going"),
            share=sf.rate("going", prior=(1, 2)), idle_s=sf.since_last()),
        **{name: make(friendships, memberships, rsvps) for name, make in own.items()},
    }  # fmt: skip
    yes = sf.Label("yes", "going")
    trees = sf.Trees("trees", inputs=list(made.values()), heads=[sf.Binary(yes)])
    return sf.System(
        "small",
        sf.Requirements(goal="test", p99_ms=50),
        sf.Framing(query=member, item=event, examples=rsvps, labels=[yes]),
        sf.Data(rsvps, events, memberships, friendships, *made.values()),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(yes)"]),
        sf.Deployment(predict=trees, value="yes"),
    )


def row(offset: int, table: str, valid_from: int, **values: Any) -> Record:
    own = {"memberships": "joined", "friendships": "since"}.get(table)
    values |= {own: valid_from} if own else {}
    payload = {"valid_from": valid_from, **values}
    return Record(offset, valid_from, table, valid_from, msgspec.msgpack.encode(payload))


def rsvp(offset: int, at: int, who: str, what: str, *, going: bool = True) -> Record:
    values = {"member": who, "event": what, "time": at, "known": at, "going": going}
    return Record(offset, at, "rsvps", at, msgspec.msgpack.encode(values))


def texts(name: str, values: list[str | None]) -> Any:
    return column(Kind("text", domain=name), values)


def some_records() -> list[Record]:
    return [
        row(0, "events", 0, event="e", group="g"),
        row(1, "events", 0, event="f", group="h"),
        row(2, "memberships", 5, member="a", group="g"),
        row(3, "friendships", 10, member="a", friend="b"),
        row(4, "friendships", 20, member="a", friend="c"),
        rsvp(5, 30, "b", "e"),
        rsvp(6, 31, "c", "e"),
        rsvp(7, 32, "c", "f", going=False),
        rsvp(8, 33, "d", "e"),
    ]


@pytest.fixture
def store(tmp_path):
    with closing(LmdbStore(tmp_path / "state", map_bytes=64 << 20)) as opened:
        yield opened


def read(store: Any, system: sf.System, who: str | None, what: list[str | None], now: int) -> dict[str, list[Any]]:
    names = [f"{g.name}.{a.name}" for g in system.features.values() for a in g.aggregates]
    found = Reader(system, store).columns(names, {"member": texts("member", [who]), "event": texts("event", what)}, now)
    return {name: found[name].to_list() for name in names}


def test_what_friends_said_counts_from_when_they_are_friends(store):
    StateWriter(system := design(), store).apply(some_records())
    found = read(store, system, "a", ["e", "f", None], 50)
    assert found["friends.going"] == [2.0, 0.0, 0.0]
    assert found["friends.share"] == pytest.approx([2 / 3 * 2, 1 / 2 + 1 / 3, 1 / 2])
    assert found["circle.yes_30d"] == [3.0]
    assert read(store, system, "a", ["e"], 15)["circle.yes_30d"] == [3.0]  # as of the latest event, rule T5
    assert read(store, system, "a", ["e"], 15)["friends.going"] == [1.0]
    assert read(store, system, "nobody", ["e"], 50)["friends.going"] == [0.0]
    assert read(store, system, None, ["e"], 50)["circle.yes_30d"] == [0.0]


class Rows:
    """Records as ingestion leaves them; those of files come first."""

    def __init__(self, con: Any, system: sf.System, records: list[Record], *, files: int = 0) -> None:
        self.offset = len(records) - files - 1
        for name in ("rsvps", "events", "memberships", "friendships"):
            keys = [key.name for key in (system.streams | system.tables)[name].keys]
            texts = ["group"] if name == "events" else []
            columns = {one: pa.string() for one in (*keys, *texts)}
            columns |= dict.fromkeys(("time", "known") if name == "rsvps" else ("valid_from",), pa.int64())
            columns |= {"going": pa.bool_()} if name == "rsvps" else {}
            columns |= {"friendships": {"since": pa.int64()}, "memberships": {"joined": pa.int64()}}.get(name, {})
            columns |= dict.fromkeys(("offset", "arrival"), pa.int64())
            own = [
                {**msgspec.msgpack.decode(r.payload), "offset": r.offset - files, "arrival": r.arrival_us}
                for r in records
                if r.stream == name
            ]
            con.register(f"in_{name}", pa.Table.from_pylist(own, pa.schema(list(columns.items()))))

    def sql(self, name: str) -> str:
        return f"in_{name}"


def in_batch(system: sf.System, records: list[Record], asked: list[tuple[Any, Any, int]], **options: Any) -> Any:
    files = options.pop("files", len(records))
    names = [f"{g.name}.{a.name}" for g in system.features.values() for a in g.aggregates]
    schema = pa.schema([("member", pa.string()), ("event", pa.string()), ("time", pa.int64())])
    table = pa.Table.from_pylist([dict(zip(schema.names, one)) for one in asked], schema)
    with closing(duckdb.connect()) as con:
        found = attach(con, system, Rows(con, system, records, files=files), table, names, **options)
    return {name: found[name].to_pylist() for name in names}


def test_batch_gives_what_serving_gives():
    system, records = design(), some_records()
    found = in_batch(
        system, records, [("a", "e", 50), ("a", "f", 50), ("a", None, 50), ("a", "e", 15), (None, "e", 50)]
    )
    assert found["friends.going"] == [2.0, 0.0, 0.0, 0.0, 0.0]
    assert found["friends.share"] == pytest.approx([4 / 3, 1 / 2 + 1 / 3, 1 / 2, 1 / 2, 1 / 2])
    assert found["circle.yes_30d"] == [3.0, 3.0, 3.0, 0.0, 0.0]
    assert found["friends.idle_s"] == [pytest.approx((50 - 30 + 50 - 31) / 1e6), pytest.approx(18e-6), None, None, None]


def test_of_five_thousand_friends_the_newest_count_and_the_index_is_bounded(store, monkeypatch):
    system = design()
    writer = StateWriter(system, store)
    pairs = [row(n, "friendships", n, member="a", friend=str(n)) for n in range(5000)]
    writer.apply(pairs[::-1][:2500][::-1])  # late ones come after
    assert writer.offset == 4999
    offsets = [record._replace(offset=5000 + n) for n, record in enumerate(pairs[:2500])]
    said = [rsvp(8000 + n, 6000, str(n), "e") for n in range(5000)]
    writer.apply([*offsets, *said])
    assert read(store, system, "a", ["e"], 7000)["friends.going"] == [relations.NEWEST]
    assert read(store, system, "a", ["e"], 4000)["friends.going"] == [relations.NEWEST]
    early = read(store, system, "a", ["e"], 5000 - relations.KEPT + 99)["friends.going"]
    assert early == [100.0], "of pairs earlier than those kept nothing is known"
    records = [*pairs[2500:], *offsets, *said]
    assert in_batch(system, records, [("a", "e", 7000), ("a", "e", 6000)])["friends.going"] == [500.0, 0.0]


def test_a_pair_that_was_let_go_and_is_said_again_is_no_new_one(store, monkeypatch):
    monkeypatch.setattr(relations, "KEPT", 3)
    monkeypatch.setattr(relations, "NEWEST", 2)
    system = design()
    writer = StateWriter(system, store)
    writer.apply([row(n, "friendships", 10 + n, member="a", friend=str(n)) for n in range(5)])
    writer.apply([row(5, "friendships", 50, member="a", friend="0"), rsvp(6, 60, "0", "e"), rsvp(7, 60, "4", "e")])
    assert read(store, system, "a", ["e"], 70)["friends.going"] == [1.0]


def test_who_saw_a_pair_too_late_has_pairs_of_its_own(monkeypatch):
    monkeypatch.setattr(relations, "NEWEST", 1)
    records = [
        row(0, "friendships", 10, member="a", friend="b"),
        rsvp(1, 20, "b", "e"),
        row(2, "friendships", 15, member="a", friend="c"),
        row(3, "friendships", 12, member="a", friend="b"),
    ]
    asked, seen = [("a", "e", 30)] * 4, np.array([-1, 1, 2, 3])
    found = in_batch(design(), records, asked, files=0, as_of_offset=seen)
    assert found["friends.going"] == [0.0, 1.0, 0.0, 0.0]


def test_many_rests_of_a_first_key_are_kept_in_several_rows(store):
    system, events = design(), [f"e{n}" for n in range(1300)]
    writer = StateWriter(system, store)
    writer.apply([row(0, "friendships", 0, member="a", friend="b|c")])
    for part in range(0, 1300, 100):
        writer.apply([rsvp(1 + part + n, 10, "b|c", name) for n, name in enumerate(events[part : part + 100])])
    assert read(store, system, "a", [*events, "other"], 20)["friends.going"] == [1.0] * 1300 + [0.0]


TABLE, TWO = (
    "Features x.t must be of two keys, each one value a row: who asks, and whose events",
    [member.key(), event.key()],
)
ALIAS = "must be member itself: an alias can only be the second of the two keys of a Table, got 'friend'"
REFUSED = {
    "two": (lambda f, m, r: sf.Features("x", (f, m), r, n=sf.count()), "Features x.entity must be with one relation"),
    "alias": (lambda f, m, r: sf.Features("x", friend, r, n=sf.count()), f"Features x.friend {ALIAS}"),
    "same": (lambda f, m, r: sf.Features("x", (f, member), r, n=sf.count()), "x.entity must be of different entities"),
    "one key": (lambda f, m, r: sf.Features("x", sf.Table("t", [], *TWO[:1]), r, n=sf.count()), TABLE),
    "three": (lambda f, m, r: sf.Features("x", sf.Table("t", [], *TWO, group.key()), r, n=sf.count()), TABLE),
    "a list": (lambda f, m, r: sf.Features("x", sf.Table("t", [], TWO[0], event.keys("e")), r, n=sf.count()), TABLE),
    "no data": (
        lambda f, m, r: sf.Features("x", sf.Table("t", [], *TWO), r, n=sf.count()),
        "a relation that Data",
    ),
    "first": (lambda f, m, r: sf.Table("t", [], friend.key(), member.key()), f"Table t.friend {ALIAS}"),
    "link": (lambda f, m, r: sf.Table("t", [], event.key(), pal=friend.key()), f"Table t.friend {ALIAS}"),
    "events": (lambda f, m, r: sf.Events("t", [], friend.key(), time=sf.Time(unit="us")), f"Events t.friend {ALIAS}"),
}


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_relation_is_refused_where_it_stands(make, said):
    with pytest.raises(InvalidField) as told:
        design(x=make)
    assert said in str(told.value)
    assert "test_relations.py:" in str(told.value).split(" ")[0]


def test_a_far_entity_that_the_events_do_not_lead_to_and_a_near_one_that_rows_do_not(monkeypatch):
    shop, place = sf.Entity("shop"), sf.Entity("place")
    liked = sf.Table("liked", [], member.key(), shop.key())
    near = sf.Table("near", [], place.key(), member.key())
    for table, missing in ((liked, "shop"), (near, "place")):
        with pytest.raises(UnreachableEntity, match=f"Features x needs the key of {missing}"):
            design(x=lambda f, m, r, t=table: sf.Features("x", t, r, n=sf.count()), t=lambda f, m, r, t=table: t)


def test_leak_checks_find_the_rows_that_are_read_through_a_relation(monkeypatch):
    monkeypatch.setattr(relations, "NEWEST", 2)
    system, pairs = design(), [row(n, "friendships", at, member="a", friend=f) for n, (f, at) in enumerate(PAIRS)]
    with closing(duckdb.connect()) as con:
        rows = Rows(con, system, pairs, files=len(pairs))
        con.execute("create table asked as select 1 as _offset, 25 as time, 'a' as member, 'e' as event")
        found = rows_by_key(system, rows, system.features["friends"], "asked", "_offset, time")
        assert sorted(con.sql(f"select k0, k1 from ({found})").fetchall()) == [("c", "e"), ("d", "e")]


PAIRS = [("b", 10), ("c", 15), ("d", 20), ("c", 11), ("b", 22), ("later", 30)]


def test_a_relation_changes_the_fingerprint_and_is_drawn():
    plain, other = design(), design(x=lambda f, m, r: sf.Features("x", f, r, combine="max", n=sf.count()))
    assert plain.fingerprint != other.fingerprint
    assert "features circle(each group of member by memberships; sum) of rsvps   via events.group" in draw(plain)
    assert "features friends(each friend of member by friendships, event; sum)" in draw(plain)
    assert plain.depends("circle.yes_30d") == {"member"}
    assert plain.depends("friends.going") == {"member", "event"}
    assert [group.combine for group in other.features.values()] == ["sum", "sum", "max"]
