"""Point-in-time values by DuckDB: tables by version, keys that are null or lists, rows of the log, derived values."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sixfold as sf
from sixfold.errors import ComputationFailed, InvalidField
from sixfold.features.batch import attach
from sixfold.testing.oracle import Event, feature_value

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
ALWAYS = -(2**62)
TYPES = {
    "viewer": pa.string(), "video": pa.string(), "author": pa.string(), "tags": pa.list_(pa.string()),
    "length": pa.float64(), "x": pa.float64(), "liked": pa.bool_(), "time": pa.int64(), "known": pa.int64(),
    "valid_from": pa.int64(), "offset": pa.int64(), "plays.place": pa.string(), "place": pa.string(),
}  # fmt: skip
COLUMNS = {
    "plays": ["viewer", "video", "x", "liked", "place", "time", "known", "offset"],
    "videos": ["video", "author", "tags", "length", "valid_from", "offset"],
}


class Ingested:
    """Rows in memory, as ingestion leaves them in files."""

    def __init__(self, con: duckdb.DuckDBPyConnection, **rows: list[dict[str, Any]]) -> None:
        for name, columns in COLUMNS.items():
            con.register(name, table(rows.get(name, []), columns))

    def sql(self, name: str) -> str:
        return f'"{name}"'


def table(rows: list[dict[str, Any]], columns: list[str]) -> pa.Table:
    return pa.Table.from_pylist(rows, pa.schema([(name, TYPES[name]) for name in columns]))


def play(offset: int, known: int, **values: Any) -> dict[str, Any]:
    return {"viewer": "1", "video": "7", "x": 1.0, "time": known, "known": known, "offset": offset, **values}


def video(offset: int, valid_from: int = ALWAYS, **values: Any) -> dict[str, Any]:
    return {"video": "7", "author": "p", "valid_from": valid_from, "offset": offset, **values}


def make_system(combine: str = "mean", **own: Any) -> sf.System:
    viewer, item, author, tag = (sf.Entity(name) for name in ("viewer", "video", "author", "tag"))
    videos = sf.Table("videos", [], item.key(), author=author.key(), tags=tag.keys(), length=sf.Number())
    plays = sf.Events(
        "plays", [], viewer.key(), item.key(), time=sf.Time(unit="us"), x=sf.Number(), liked=sf.Flag(),
        place=sf.Category(),
    )  # fmt: skip
    taste = sf.Features("taste", viewer, plays, **(own or {"n": sf.count(), "latest": sf.last("video", n=2)}))
    craft = sf.Features("craft", author, plays, n=sf.count(window="1d"), liked=sf.rate("liked", prior=(1, 4)))
    topic = sf.Features(
        "topic", tag, plays, combine=combine, n=sf.count(), idle_s=sf.since_last(), latest=sf.last("video")
    )
    moment = sf.Derived(
        "moment", hour=sf.Category("hour(now)"), long=sf.Category("videos.length / 2"), per="taste_n.twice"
    )
    twice = sf.Derived("taste_n", twice="2 * taste.n") if not own else sf.Derived("taste_n", twice="1")
    liked = sf.Label("liked", "liked")
    trees = sf.Trees("trees", inputs=[videos.length], heads=[sf.Binary(liked)])
    return sf.System(
        "small",
        sf.Requirements(goal="test", p99_ms=50),
        sf.Framing(query=viewer, item=item, examples=plays, labels=[liked], context=[plays.place]),
        sf.Data(videos, plays, taste, craft, topic, moment, twice, timezone="Asia/Shanghai"),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"]),
        sf.Deployment(predict=trees, value="liked"),
    )


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as opened:
        yield opened


def rows(*times: int, viewer: str | None = "1", item: str | None = "7") -> pa.Table:
    made = [{"time": time, "viewer": viewer, "video": item} for time in times]
    return table(made, ["time", "viewer", "video"])


def test_a_version_of_a_table_counts_from_its_time_and_the_later_row_wins_a_tie(con: Any) -> None:
    videos = [video(-3, length=1.0), video(-2, 100, length=2.0), video(-1, 100, length=3.0)]
    found = attach(con, make_system(), Ingested(con, videos=videos), rows(99, 100, 101), ["videos.length"])
    assert found["videos.length"].to_pylist() == [1.0, 3.0, 3.0]


def test_rows_keep_their_order_and_their_columns_come_first(con: Any) -> None:
    ingested = Ingested(con, plays=[play(-2, 10), play(-1, 20)])
    found = attach(con, make_system(), ingested, rows(30, 5, 15), ["taste.n", "time"])
    assert found.column_names == ["time", "viewer", "video", "taste.n"]
    assert found["time"].to_pylist() == [30, 5, 15]
    assert found["taste.n"].to_pylist() == [2.0, 0.0, 1.0]


def test_a_null_key_has_what_a_key_without_events_has(con: Any) -> None:
    ingested = Ingested(con, plays=[play(-1, 10), play(-2, 10, viewer=None)], videos=[video(-1)])
    names = ["taste.n", "taste.latest", "craft.liked", "videos.author", "topic.n", "topic.idle_s"]
    found = attach(con, make_system(), ingested, rows(30, viewer=None, item=None), names)
    assert [found[name][0].as_py() for name in names] == [0.0, [], 0.25, None, 0.0, None]


def test_no_rows_give_no_rows(con: Any) -> None:
    found = attach(con, make_system(), Ingested(con), rows(), ["taste.n", "taste.latest", "topic.n", "moment.hour"])
    assert found.num_rows == 0


def test_keys_in_a_list_are_averaged_without_nulls_and_each_counts_once(con: Any) -> None:
    videos = [video(-3, tags=["a", "b", "a"]), video(-2, video="8", tags=["a"]), video(-1, video="9", tags=["c", "a"])]
    plays = [play(-3, 10), play(-2, 20, video="8")]
    found = attach(
        con,
        make_system(),
        Ingested(con, plays=plays, videos=videos),
        rows(30 * SECOND, item="9"),
        ["topic.n", "topic.idle_s"],
    )
    assert found["topic.n"].to_pylist() == [1.0]  # a: 2, c: 0
    assert found["topic.idle_s"].to_pylist() == [30 - 2e-5]  # c has none


@pytest.mark.parametrize(
    ("how", "values"), [("mean", [2.5, 3, 2.5]), ("sum", [5, 3, 5]), ("min", [2, 3, 2]), ("max", [3, 3, 3])]
)
def test_the_values_of_a_list_of_keys_are_combined_as_the_design_says(con: Any, how: str, values: list[float]) -> None:
    videos = [video(-3, tags=["a", "b"]), video(-2, video="8", tags=["b"]), video(-1, video="9", tags=["a", "b", "b"])]
    plays = [play(-3, 1), play(-2, 2), play(-1, 3, video="8")]
    asked = table([{"time": 10, "viewer": "1", "video": one} for one in "789"], ["time", "viewer", "video"])
    found = attach(con, make_system(how), Ingested(con, plays=plays, videos=videos), asked, ["topic.n"])
    assert found["topic.n"].to_pylist() == values


def test_what_cannot_be_combined_is_refused_through_a_list_of_keys(con: Any) -> None:
    with pytest.raises(InvalidField) as error:
        attach(con, make_system(), Ingested(con), rows(30), ["topic.latest"])
    rule = "a number, since videos.tags has a list of keys"
    assert str(error.value).endswith(f": Features topic.latest must be {rule}, got 'text'")


def test_what_came_after_an_offset_of_the_log_is_not_there(con: Any) -> None:
    ingested = Ingested(
        con, plays=[play(-1, 10), play(4, 11), play(5, 12)], videos=[video(-1, length=1.0), video(5, 1, length=2.0)]
    )
    names = ["taste.n", "videos.length"]
    found = attach(con, make_system(), ingested, rows(30), names, as_of_offset=4)
    assert [found[name][0].as_py() for name in names] == [2.0, 1.0]
    assert attach(con, make_system(), ingested, rows(30), names)["taste.n"].to_pylist() == [3.0]


def test_an_event_does_not_see_a_row_of_a_table_that_was_posted_after_it(con: Any) -> None:
    # The author changed at 5, which the log was told between the two events.
    videos = [video(-1, author="p"), video(1, 5, author="q")]
    ingested = Ingested(con, plays=[play(0, 10), play(2, 10)], videos=videos)
    found = attach(con, make_system(), ingested, rows(4, 30), ["craft.n", "videos.author"])
    assert found["videos.author"].to_pylist() == ["p", "q"]
    assert found["craft.n"].to_pylist() == [0.0, 1.0]


def test_derived_values_read_one_another_and_whole_numbers_become_plain_text(con: Any) -> None:
    ingested = Ingested(con, plays=[play(-1, 10)], videos=[video(-1, length=5.0), video(-2, video="8", length=6.0)])
    names = ["moment.hour", "moment.long", "moment.per"]
    seven, eight = (attach(con, make_system(), ingested, rows(HOUR, item=key), names) for key in ("7", "8"))
    assert [seven[name][0].as_py() for name in names] == ["9", "2.5", 2.0]
    assert eight["moment.long"].to_pylist() == ["3"]


def test_columns_that_the_rows_bring_are_left_as_they_are(con: Any) -> None:
    given_rows = rows(30).append_column("taste.n", pa.array([7.0]))
    found = attach(con, make_system(), Ingested(con, plays=[play(-1, 10)]), given_rows, ["taste.n", "moment.per"])
    assert [found["taste.n"][0].as_py(), found["moment.per"][0].as_py()] == [7.0, 14.0]


def test_a_name_that_the_rows_lack_is_an_error(con: Any) -> None:
    with pytest.raises(KeyError, match=r"the rows have no column 'viewer'"):
        attach(con, make_system(), Ingested(con), rows(30).drop_columns(["viewer"]), ["taste.n"])


def test_nothing_is_left_behind_in_the_connection(con: Any) -> None:
    ingested = Ingested(con, plays=[play(-1, 10)])
    attach(con, make_system(), ingested, rows(30), ["taste.n", "moment.hour"])
    left = con.execute("select count(*) from (show all tables) where name like '_scratch%'").fetchone()
    assert left == (0,)


def test_a_file_that_is_gone_is_one_clear_error(con: Any) -> None:
    class Gone:
        def sql(self, name: str) -> str:
            return "read_parquet('nowhere/gone.parquet')"

    with pytest.raises(ComputationFailed, match=r"features could not be computed: .*nowhere/gone\.parquet"):
        attach(con, make_system(), Gone(), rows(30), ["videos.length"])


def test_keys_worked_out_in_pieces_give_the_same_values(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plays = [play(i, 10 + i % 7, viewer=str(i % 5), video=str(i % 3)) for i in range(40)]
    reads = [
        {"time": 8 + i % 9, "viewer": [None, "0", "1", "2", "3", "4", "9"][i % 7], "video": "7"} for i in range(30)
    ]
    read, names = table(reads, ["time", "viewer", "video"]), ["taste.n", "taste.latest"]
    whole = attach(con, make_system(), Ingested(con, plays=plays), read, names)
    monkeypatch.setattr("sixfold.features.batch._AT_ONCE", 9)
    monkeypatch.setattr("sixfold.features.windows._ELEMENTS_A_CHUNK", 5)
    assert attach(con, make_system(), Ingested(con, plays=plays), read, names).to_pylist() == whole.to_pylist()


times = st.integers(-3 * DAY, 3 * DAY) | st.integers(-50, 50).map(lambda n: n * SECOND)
values = st.none() | st.sampled_from([0.0, -0.1, 3.5, 1e15, -1e15, 2e15])
OWN = {
    "n_1d": sf.count(window="1d", where="liked"),
    "x_1m": sf.sum("x", window="1m"),
    "mean_7m": sf.mean("x", window="7m"),
    "liked": sf.rate("liked", window="1d", prior=(1, 3)),
    "latest": sf.last("x", n=3, where="liked", window="1d"),
    "one": sf.last("x"),
    "idle_s": sf.since_last(where="x > 0"),
}
SYSTEM = make_system(**OWN)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("12"), times, values, st.none() | st.booleans()), max_size=30),
    st.lists(st.tuples(st.sampled_from(["1", "2", "3", None]), times), min_size=1, max_size=12),
    st.none() | st.integers(-30, 0),
)
def test_many_rows_at_many_times_have_the_values_of_the_oracle(
    events: list[tuple[str, int, float | None, bool | None]], reads: list[tuple[str | None, int]], cut: int | None
) -> None:
    plays = [play(i - 15, k, viewer=v, x=x, liked=liked) for i, (v, k, x, liked) in enumerate(events)]
    read = table([{"time": t, "viewer": v} for v, t in reads], ["time", "viewer"])
    with closing(duckdb.connect(config={"threads": 1})) as con:
        found = attach(con, SYSTEM, Ingested(con, plays=plays), read, [f"taste.{n}" for n in OWN], as_of_offset=cut)
    for a in SYSTEM.features["taste"].aggregates:
        for (viewer, t), value in zip(reads, found[f"taste.{a.name}"].to_pylist()):
            own = [p for p in plays if p["viewer"] == viewer and (cut is None or p["offset"] <= cut)]
            wanted = feature_value([seen(a, p) for p in own], a, t)
            if a.function in ("sum", "mean") and wanted is not None:
                bound = 1e-9 * sum(abs(p["x"]) for p in own if p["x"] is not None)
                assert value == pytest.approx(wanted, rel=0, abs=bound)
            else:
                assert value == wanted


def seen(a: Any, row: dict[str, Any]) -> Event:
    """The event as this aggregate sees it."""
    x = None if row["x"] is None or abs(row["x"]) > 1e15 else row["x"]
    value = {"sum": x, "mean": x, "last": x, "rate": row.get("liked")}.get(a.function, True)
    where = {
        "n_1d": row.get("liked"),
        "latest": row.get("liked"),
        "idle_s": (row["x"] or 0) > 0,
    }
    return Event(row["known"], row["offset"], value, where.get(a.name, True))
