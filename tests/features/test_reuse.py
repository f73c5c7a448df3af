"""A state that takes rows over from the one in use has the values of a state built from history alone."""

import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sixfold as sf
from sixfold.design.kinds import Kind
from sixfold.errors import StateNotEmpty
from sixfold.features.arrays import column
from sixfold.features.bulk import Built, Reuse, build_state
from sixfold.features.made_of import forget_made_of
from sixfold.features.packed import group_space
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbLog, LmdbStore, NewEvent

HOUR, DAY = 3_600_000_000, 86_400_000_000
ALWAYS = -(2**62)

Row = tuple[str, dict[str, Any]]
"""The name of a stream or a table, and the values."""

GROUPS: dict[str, tuple[tuple[str, ...], str, list[dict[str, Any]]]] = {
    "own": (("viewer",), "plays", [
        {"n": sf.count(window="1d"), "x": sf.sum("x", window="7d")},
        {"n": sf.count(window="2d"), "x": sf.sum("x", window="7d")},
        {"labels": sf.last("label", n=3), "idle": sf.since_last()},
        {"late": sf.count(where="hour(plays.time) < 12")},
    ]),
    "maker": (("author",), "plays", [
        {"n": sf.count(), "x": sf.mean("x", window="1d")},
        {"n": sf.count(), "long": sf.sum("videos.length", where="flag")},
        {"kinds": sf.last("videos.kind", n=2)},
    ]),
    "pair": (("viewer", "video"), "plays", [
        {"n": sf.count(where="viewers.city = 'a'")},
        {"labels": sf.last("label", n=2), "video": sf.last("video")},
        {"x": sf.sum("x"), "flagged": sf.rate("flag", prior=(1, 3))},
    ]),
    "site": (("viewer",), "visits", [{"n": sf.count(window="1d")}, {"page": sf.last("page", n=3)}]),
    "idols": (("follows",), "visits", [{"n": sf.count(window="1d")}, {"n": sf.count()}]),
    "seen": (("follows", "video"), "plays", [{"n": sf.count()}, {"n": sf.count(), "x": sf.rate("flag", prior=(1, 2))}]),
}  # fmt: skip
CHOSEN = {name: st.sampled_from([None, *range(len(pool))]) for name, (_, _, pool) in GROUPS.items()}


@st.composite
def designs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Which definition of each group, and how tables are, before and after; most stays."""
    kept = st.sampled_from([True, True, True, False])
    before = {name: draw(choice) for name, choice in CHOSEN.items()}
    after = {name: before[name] if draw(kept) else draw(choice) for name, choice in CHOSEN.items()}
    tables = [st.sampled_from([("UTC", False), ("Asia/Tokyo", False), ("UTC", True)]), kept]
    before["tables"], stays = (draw(one) for one in tables)
    after["tables"] = before["tables"] if stays else draw(tables[0])
    return before, after


times = st.builds(lambda hours, us: hours * HOUR + us, st.integers(0, 60), st.integers(-1, 1))
small = st.none() | st.integers(-3, 3).map(float)
flags, kinds = st.sampled_from([True, False, None]), st.sampled_from(["a", "b", None])
rows = st.one_of(
    st.fixed_dictionaries({
        "viewer": st.sampled_from(["1", "2"]), "video": st.sampled_from(["7", "8", None]), "time": times,
        "x": small, "flag": flags, "label": kinds,
    }).map(lambda values: ("plays", {**values, "known": values["time"]})),
    st.fixed_dictionaries({"viewer": st.sampled_from(["1", "2"]), "time": times, "page": kinds}).map(
        lambda values: ("visits", {**values, "known": values["time"] + HOUR})
    ),
    st.fixed_dictionaries({
        "video": st.sampled_from(["7", "8"]), "author": st.sampled_from(["p", "q", None]), "length": small,
        "kind": kinds, "since": times,
    }).map(lambda values: ("videos", {**values, "valid_from": values["since"]})),
    st.fixed_dictionaries({"viewer": st.sampled_from(["1", "2"]), "idol": st.sampled_from(["1", "2"])}).map(
        lambda values: ("follows", {**values, "valid_from": None})
    ),
    st.fixed_dictionaries({"viewer": st.sampled_from(["1", "2"]), "city": kinds}).map(
        lambda values: ("viewers", {**values, "valid_from": None})
    ),
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(designs(), st.lists(rows, min_size=1, max_size=25), st.data())
def test_reuse_and_stream_have_the_values_of_a_build_and_stream(
    chosen: tuple[dict[str, Any], dict[str, Any]], rows: list[Row], data: st.DataObject
) -> None:
    before, after = (make_system(one) for one in chosen)
    history = data.draw(st.integers(0, len(rows)), "rows of history")
    last = len(rows) - history - 1
    taken = data.draw(st.integers(-1, last), "ingested before")
    applied = data.draw(st.integers(taken, last), "applied by the old state")
    retaken = data.draw(st.integers(taken, last), "ingested after")
    lost = data.draw(st.none() | st.integers(0, len(rows) - 1), "row that ingestion does not find again")
    with World(rows, history) as world:
        old, _ = world.build(before, taken)
        world.stream(before, old, applied, data)
        found = world.ingested(retaken, without=lost)
        reused, _ = world.build(after, retaken, found, reuse=Reuse(old, world.log))
        scratch, _ = world.build(after, retaken, found)
        for state in (reused, scratch):
            world.stream(after, state, last, data)
            assert state.offset() == max(last, applied)
        for now in (30 * HOUR, 70 * HOUR, 10 * DAY):
            assert values(after, reused, now) == values(after, scratch, now)


class World:
    """Rows of history and of a log, and the states made of them; a folder until the end of the block."""

    def __init__(self, rows: list[Row], history: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path, self._names = Path(self._folder.name), count()
        self.log, self.states = LmdbLog(self.path / "log", map_bytes=1 << 20), list[LmdbStore]()
        self.rows: list[tuple[int, str, dict[str, Any]]] = []
        for offset, (name, row) in enumerate(rows, -history):
            # As `data` writes them: a row without a time of its own counts from its arrival, or always.
            arrival = max(offset, 0) * HOUR
            valid = {"valid_from": arrival if offset >= 0 else ALWAYS} if row.get("valid_from", 0) is None else {}
            self.rows.append((offset, name, {**row, **valid}))
            if offset >= 0:
                event = NewEvent(name, str(offset).encode(), arrival, msgspec.msgpack.encode(row))
                self.log.append([event], arrival_us=arrival)

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self.states, self.log):
            one.close()
        self._folder.cleanup()

    def ingested(self, upto: int, without: int | None = None) -> "Files":
        """What ingestion leaves that has taken the log up to an offset, and has not found one of the rows."""
        rows = [row for i, row in enumerate(self.rows) if row[0] <= upto and i != without]
        folder = self.path / f"ingested{next(self._names)}"
        folder.mkdir()
        return Files(folder, upto, rows)

    def build(
        self, system: sf.System, upto: int, found: "Files | None" = None, reuse: Reuse | None = None
    ) -> tuple[LmdbStore, Built]:
        store = self.store()
        built = build_state(system, store, found or self.ingested(upto), self.path / "spill", reuse=reuse)
        assert built.offset == store.offset()
        return store, built

    def stream(self, system: sf.System, store: LmdbStore, upto: int, data: st.DataObject | None = None) -> None:
        """Apply the log up to an offset, in batches of any size."""
        writer, records = StateWriter(system, store), self.log.read(store.offset(), 1000)
        records = [record for record in records if record.offset <= upto]
        while records:
            size = data.draw(st.integers(1, len(records)), "batch") if data else len(records)
            writer.apply(records[:size])
            records = records[size:]

    def store(self) -> LmdbStore:
        self.states.append(LmdbStore(self.path / f"state{next(self._names)}", map_bytes=1 << 20))
        return self.states[-1]


class Files:
    """Rows as ingestion leaves them: of an event the first stays, of a table's version the last."""

    def __init__(self, folder: Path, offset: int, rows: list[tuple[int, str, dict[str, Any]]]) -> None:
        self.offset, self._folder = offset, folder
        text, number, time = pa.string(), pa.float64(), pa.int64()
        types = {
            "plays": {"viewer": text, "video": text, "time": time, "known": time, "x": number, "flag": pa.bool_(),
                      "label": text},
            "visits": {"viewer": text, "time": time, "known": time, "page": text},
            "videos": {"video": text, "author": text, "length": number, "kind": text, "since": time,
                       "music": text, "valid_from": time},
            "viewers": {"viewer": text, "city": text, "valid_from": time},
            "follows": {"viewer": text, "idol": text, "valid_from": time},
        }  # fmt: skip
        for name, columns in types.items():
            schema = pa.schema([*columns.items(), ("offset", pa.int64())])
            kept: dict[Any, Any] = {}
            for place, of, row in rows:
                if of == name:
                    identity = tuple(row.get(key) for key in ("viewer", "idol", "video", "time", "valid_from"))
                    if "valid_from" in columns or identity not in kept:
                        kept[identity] = {**row, "offset": place}
            own = sorted(kept.values(), key=lambda row: row["offset"])
            pq.write_table(pa.Table.from_pylist(own, schema), folder / f"{name}.parquet")

    def sql(self, name: str) -> str:
        return f"read_parquet('{self._folder / name}.parquet')"


def make_system(chosen: dict[str, Any]) -> sf.System:
    """A system over two streams and two tables with these definitions of its groups."""
    timezone, wide = chosen["tables"]
    viewer, video, author = (sf.Entity(name) for name in ("viewer", "video", "author"))
    follows = sf.Table("follows", [], viewer.key(), viewer.alias("idol").key())
    entities = {"viewer": viewer, "video": video, "author": author, "follows": follows}
    more = {"music": sf.Category()} if wide else {}
    videos = sf.Table(
        "videos", [], video.key(), valid_from="since", author=author.key(), length=sf.Number(), kind=sf.Category(),
        since=sf.Time(unit="us"), **more,
    )  # fmt: skip
    viewers = sf.Table("viewers", [], viewer.key(), city=sf.Category())
    plays = sf.Events(
        "plays", [], viewer.key(), video.key(), time=sf.Time(unit="us"), x=sf.Number(), flag=sf.Flag(),
        label=sf.Category(),
    )  # fmt: skip
    visits = sf.Events("visits", [], viewer.key(), time=sf.Time(unit="us"), known="time + 3600", page=sf.Category())
    streams = {"plays": plays, "visits": visits}
    groups = [
        sf.Features(name, tuple(entities[e] for e in keys), streams[of], **pool[chosen[name]])
        for name, (keys, of, pool) in GROUPS.items()
        if chosen.get(name) is not None
    ]
    liked = sf.Label("liked", "flag")
    trees = sf.Trees("trees", inputs=[videos.length], heads=[sf.Binary(liked)])
    return sf.System(
        "small",
        sf.Requirements(goal="test"),
        sf.Framing(query=viewer, item=video, examples=plays, labels=[liked]),
        sf.Data(videos, viewers, follows, plays, visits, *groups, timezone=timezone),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"]),
        sf.Deployment(predict=trees, value="liked"),
    )


def values(system: sf.System, store: LmdbStore, now: int) -> dict[str, list[Any]]:
    """Every feature and every column of a table for every viewer and video."""
    names = [f"{group.name}.{one.name}" for group in system.features.values() for one in group.aggregates]
    names += ["videos.author", "videos.length", "videos.kind", "viewers.city"]
    base = {
        "viewer": column(Kind("text", domain="viewer"), ["1", "1", "2", "2"]),
        "video": column(Kind("text", domain="video"), ["7", "8", "7", "8"]),
    }
    found = Reader(system, store).columns(names, base, now)
    return {name: found[name].to_list() for name in names}


PLAY = {"viewer": "1", "video": "7", "x": 1.0, "flag": True, "label": "a"}


def play(hour: int, **more: Any) -> Row:
    return "plays", {**PLAY, "time": hour * HOUR, "known": hour * HOUR, **more}


def video(**more: Any) -> Row:
    row = {"video": "7", "author": "p", "length": 2.0, "kind": "a", "since": HOUR, **more}
    return "videos", {**row, "valid_from": row["since"]}


def visit(hour: int, **more: Any) -> Row:
    return "visits", {"viewer": "1", "time": hour * HOUR, "page": "a", "known": (hour + 1) * HOUR, **more}


ALL = {"own": 0, "maker": 0, "pair": 1, "site": 1, "tables": ("UTC", False)}
EVERY = {"own", "maker", "pair", "site", "videos", "viewers", "follows"}


def rebuilt(
    world: World, before: dict[str, Any], after: dict[str, Any], taken: int = -1, retaken: int = -1, **more: Any
) -> tuple[set[str], LmdbStore, LmdbStore]:
    """Build, apply the log, and build again: what was made anew, the old state and the new one."""
    old, _ = world.build(make_system(before), taken)
    world.stream(make_system(before), old, more.pop("applied", world.log.last()))
    found = world.ingested(retaken, **more)
    new, built = world.build(make_system(after), retaken, found, reuse=Reuse(old, world.log))
    assert built.taken_over | built.anew == set(make_system(after).features) | {"videos", "viewers", "follows"}
    return set(built.anew), old, new


def test_only_what_changed_is_made_anew_and_the_other_rows_are_the_same_bytes() -> None:
    with World([video(), play(2), visit(2), play(3), visit(3), play(4, label="b")], 3) as world:
        anew, old, new = rebuilt(world, ALL, {**ALL, "own": 1})
        assert anew == {"own"}
        assert new.offset() == old.offset() == 2
        for group in ("maker", "pair", "site"):
            assert new.scan(group_space(group), None, 10) == old.scan(group_space(group), None, 10) != []
        assert values(make_system({**ALL, "own": 1}), new, DAY)["own.n"][0] == 3.0


def test_what_is_new_is_added_and_what_the_design_dropped_has_no_rows() -> None:
    with World([video(), play(2), visit(2), play(3)], 3) as world:
        assert rebuilt(world, {**ALL, "own": None}, ALL)[0] == {"own"}
        anew, _, new = rebuilt(world, ALL, {**ALL, "own": None, "site": None})
        assert anew == set()
        assert new.scan(group_space("own"), None, 10) == new.scan(group_space("site"), None, 10) == []
        assert new.scan("texts:visits.page", None, 10) == []


@pytest.mark.parametrize("applied", [0, 3])
@pytest.mark.parametrize("retaken", [-1, 1, 3])
def test_it_counts_each_event_once_wherever_the_old_state_and_ingestion_stand(applied: int, retaken: int) -> None:
    with World([video(), play(1), *(play(hour) for hour in (2, 3, 4, 5))], 2) as world:
        anew, _, new = rebuilt(world, ALL, {**ALL, "own": 1}, retaken=retaken, applied=applied)
        assert (anew, new.offset()) == ({"own"}, max(applied, retaken))
        world.stream(make_system({**ALL, "own": 1}), new, 3)
        found = values(make_system({**ALL, "own": 1}), new, 10 * HOUR)
        assert (found["own.n"][0], found["maker.n"][0], found["pair.labels"][0]) == (5.0, 5.0, ["a", "a"])


def test_another_time_zone_changes_every_group_and_no_table() -> None:
    with World([video(), play(2), visit(2)], 3) as world:
        anew, _, _ = rebuilt(world, ALL, {**ALL, "tables": ("Asia/Tokyo", False)})
        assert anew == {"own", "maker", "pair", "site"}


def test_a_new_column_changes_its_table_and_not_the_groups_that_read_others() -> None:
    with World([video(), play(2), visit(2)], 3) as world:
        assert rebuilt(world, ALL, {**ALL, "tables": ("UTC", True)})[0] == {"videos"}


def test_a_value_that_ingestion_reads_otherwise_now_changes_what_reads_it() -> None:
    with World([video(), play(2), visit(2)], 3) as world:
        old, _ = world.build(make_system(ALL), -1)
        world.rows[1][2]["label"] = "b"
        found = world.ingested(-1)
        new, built = world.build(make_system(ALL), -1, found, reuse=Reuse(old, world.log))
        assert built.anew == {"pair"}
        assert values(make_system(ALL), new, DAY)["pair.labels"][0] == ["b"]


def test_a_row_that_ingestion_does_not_find_again_changes_all_that_counted_it() -> None:
    with World([video(), play(1), play(2), visit(2)], 4) as world:
        anew, _, new = rebuilt(world, ALL, ALL, without=1)
        assert anew == {"own", "maker", "pair"}
        assert values(make_system(ALL), new, DAY)["own.n"][0] == 1.0


def test_an_event_of_the_log_that_ingestion_knew_from_a_file_is_counted_once() -> None:
    with World([video(), play(2), visit(2), play(2)], 3) as world:
        anew, old, new = rebuilt(world, ALL, ALL, retaken=0)
        assert anew == {"own", "maker", "pair"}
        assert [values(make_system(ALL), one, DAY)["own.n"][0] for one in (old, new)] == [2.0, 1.0]


def test_an_old_event_reads_a_table_as_it_stood_then_also_where_the_log_corrected_it_since() -> None:
    longer = video(length=9.0)
    with World([video(), play(2, viewer="2"), play(2), longer, play(3)], 2) as world:
        anew, _, new = rebuilt(world, {**ALL, "maker": 0}, {**ALL, "maker": 1}, retaken=0)
        assert anew == {"maker", "videos"}
        assert values(make_system({**ALL, "maker": 1}), new, DAY)["maker.long"][0] == 2.0 + 2.0 + 9.0


def test_a_state_that_was_never_built_gives_nothing() -> None:
    with World([video(), play(2), play(3)], 2) as world:
        streamed = world.store()
        world.stream(make_system(ALL), streamed, 0)
        assert world.build(make_system(ALL), -1, reuse=Reuse(streamed, world.log))[1].anew == EVERY


def test_a_state_whose_rows_somebody_changed_gives_nothing() -> None:
    with World([video(), play(2), play(3)], 2) as world:
        old, _ = world.build(make_system(ALL), -1)
        forget_made_of(old)
        assert world.build(make_system(ALL), -1, reuse=Reuse(old, world.log))[1].anew == EVERY


def test_a_state_that_knows_more_of_the_log_than_ingestion_gives_nothing() -> None:
    with World([video(), play(2), play(3)], 2) as world:
        ahead, _ = world.build(make_system(ALL), 0)
        assert world.build(make_system(ALL), -1, reuse=Reuse(ahead, world.log))[1].anew == EVERY


def test_a_state_ahead_of_the_log_gives_nothing() -> None:
    with World([video(), play(2), play(3)], 2) as world, closing(LmdbLog(world.path / "another log")) as other:
        old, _ = world.build(make_system(ALL), -1)
        world.stream(make_system(ALL), old, 0)
        assert world.build(make_system(ALL), -1, reuse=Reuse(old, other))[1].anew == EVERY


def test_a_store_that_holds_something_is_refused() -> None:
    with World([video(), play(2)], 2) as world:
        old, _ = world.build(make_system(ALL), -1)
        with pytest.raises(StateNotEmpty):
            build_state(make_system(ALL), old, world.ingested(-1), world.path / "spill")
