"""For random definitions, events, windows and times: stream, bulk build, batch and the oracle give one value."""

import math
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sixfold as sf
from sixfold.design.kinds import NUMBER, Kind
from sixfold.design.schema import Aggregate, FeatureGroup
from sixfold.features.arrays import column
from sixfold.features.batch import attach
from sixfold.features.keys import spread
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore, Record
from sixfold.testing.oracle import Event, feature_value, is_measure

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
AGGREGATES = {
    "count": (),
    "sum": ("x", "flag"),
    "mean": ("x", "flag"),
    "min": ("x",),
    "max": ("x",),
    "std": ("x",),
    "rate": ("flag",),
    "since_last": (),
    "decayed": (None, "x", "flag"),
}
VALUES = ("x", "flag", "label", "moment", "video", "length")
WHERES = {
    None: lambda row: True,
    "flag": lambda row: row["flag"],
    "x > 0": lambda row: None if (x := number(row["x"])) is None else x > 0,
    "label = 'a' or flag": lambda row: row["flag"] or (None if row["label"] is None else row["label"] == "a"),
    "videos.length >= 2": lambda row: None if row["length"] is None else row["length"] >= 2,
}
GROUPS = {"own": ("viewer",), "pair": ("viewer", "video"), "maker": ("author",), "liking": ("viewer", "tag")}


class Row(NamedTuple):
    """A row of the stream `plays` or of the table `videos`."""

    table: bool
    values: dict[str, Any]


times = st.one_of(
    st.builds(
        lambda a, b, c: a * b + c, st.integers(-50, 50), st.sampled_from([SECOND, HOUR, DAY]), st.integers(-1, 1)
    ),
    st.integers(-40 * DAY, 40 * DAY),
)
numbers = st.none() | st.sampled_from([0.0, 1.0, -1.5, 0.1, 1e15, -1e15, 1.1e15, 3.0])
plays = st.fixed_dictionaries(
    {
        "viewer": st.sampled_from(["1", "2", None]),
        "video": st.sampled_from(["7", "8", "9|", None]),
        "known": times,
        "x": numbers,
        "flag": st.sampled_from([True, False, None]),
        "label": st.sampled_from(["a", "b", "", None]),
        "moment": st.none() | times,
    }
).map(lambda values: Row(False, {**values, "time": values["known"]}))
videos = st.fixed_dictionaries(
    {
        "video": st.sampled_from(["7", "8", "9|"]),
        "author": st.sampled_from(["p", "q\\", None]),
        "tags": st.sampled_from([["u"], ["u", "v", "u"], [], None]),
        "length": st.none() | st.sampled_from([1.0, 2.0, 3.0]),
        "valid_from": times,
    }
).map(lambda values: Row(True, {**values, "since": values["valid_from"]}))


@st.composite
def aggregates(draw: st.DrawFn) -> dict[str, Any]:
    """The keywords of one `sf.Features`."""
    features: dict[str, Any] = {}
    for i in range(draw(st.integers(1, 5))):
        function = draw(st.sampled_from([*AGGREGATES, "first", "last", "top", "distinct"]))
        options: dict[str, Any] = {"where": draw(st.sampled_from(list(WHERES)))}
        if function == "decayed":
            options["half_life"] = draw(st.sampled_from(["1s", "7m", "1d", "30d"]))
        elif function != "since_last":
            options["window"] = draw(st.sampled_from([None, "1s", "48s", "1m", "7m", "1h", "1d", "9d", "30d"]))
        if function == "rate":
            options["prior"] = (1, 3)
        if function in ("last", "top"):
            options["n"] = draw(st.sampled_from([None, 1, 2, 5]))
        if function == "top":
            options["of"] = draw(st.sampled_from([1, 2, 4, 100]))
        if function == "distinct":
            options["exact"] = 16
        over = draw(st.sampled_from(AGGREGATES.get(function, VALUES) or (None,)))
        arguments = [] if over is None else [over]
        features[f"f{i}"] = getattr(sf, function)(*arguments, **options)
    return features


definitions = st.fixed_dictionaries({name: aggregates() for name in GROUPS})
slow = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@slow
@given(definitions, st.lists(plays | videos, max_size=25), st.data())
def test_random_batches_and_a_build_from_history_give_the_value_of_the_oracle(
    features: dict[str, Any], rows: list[Row], data: st.DataObject
) -> None:
    system = make_system(features)
    cut = data.draw(st.integers(0, len(rows)), "rows of history")
    moments = data.draw(st.lists(times, min_size=1, max_size=2), "now")
    with tempfile.TemporaryDirectory() as folder:
        for history in (0, cut):
            offsets = [i - history for i in range(len(rows))]
            with closing(LmdbStore(Path(folder) / f"state{history}", map_bytes=1 << 20)) as store:
                writer = StateWriter(system, store)
                if history:
                    files = Files(Path(folder), rows[:history], offsets)
                    with closing(duckdb.connect()) as con:
                        writer.build(con, files)
                records = [record(row, offset) for row, offset in zip(rows, offsets) if offset >= 0]
                while records:
                    size = data.draw(st.integers(1, len(records)), "batch")
                    writer.apply(records[:size])
                    records = records[size:]
                for now in moments:
                    check_store(system, store, rows, offsets, now)
            if history == cut:
                break


@slow
@given(definitions, st.lists(plays | videos, max_size=25), st.lists(times, min_size=1, max_size=2))
def test_batch_gives_the_value_of_the_oracle_at_any_time(
    features: dict[str, Any], rows: list[Row], moments: list[int]
) -> None:
    system, offsets = make_system(features), [i - len(rows) for i in range(len(rows))]
    with tempfile.TemporaryDirectory() as folder:
        history = Files(Path(folder), rows, offsets)
        for now in moments:
            check_batch(system, history, rows, offsets, now)


def make_system(features: dict[str, dict[str, Any]]) -> sf.System:
    """A system over one stream and one table with these groups of features."""
    viewer, video, author, tag = (sf.Entity(name) for name in ("viewer", "video", "author", "tag"))
    entities = {"viewer": viewer, "video": video, "author": author, "tag": tag}
    catalogue = sf.Table(
        "videos", [], video.key(), valid_from="since", author=author.key(), tags=tag.keys(), length=sf.Number(),
        since=sf.Time(unit="us"),
    )  # fmt: skip
    stream = sf.Events(
        "plays", [], viewer.key(), video.key(), time=sf.Time(unit="us"), x=sf.Number(), flag=sf.Flag(),
        label=sf.Category(), moment=sf.Time(unit="us"),
    )  # fmt: skip
    groups = [
        sf.Features(name, tuple(entities[e] for e in GROUPS[name]), stream, **own) for name, own in features.items()
    ]
    label = sf.Label("liked", "flag")
    trees = sf.Trees("trees", inputs=[catalogue.length], heads=[sf.Binary(label)])
    return sf.System(
        "small",
        sf.Requirements(goal="test", users=1, items=1, peak_rps=1, p99_ms=50, freshness_s=1, availability=0.9),
        sf.Framing(query=viewer, item=video, examples=stream, labels=[label]),
        sf.Data(catalogue, stream, *groups),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"]),
        sf.Deployment(predict=trees, value="liked"),
    )


def record(row: Row, offset: int) -> Record:
    """The row as the log keeps it."""
    name = "videos" if row.table else "plays"
    return Record(offset, 0, name, row.values["since" if row.table else "time"], msgspec.msgpack.encode(row.values))


class Files:
    """Rows as ingestion leaves them."""

    offset = -1

    def __init__(self, folder: Path, rows: list[Row], offsets: list[int]) -> None:
        text, lists = pa.string(), pa.list_(pa.string())
        types = {
            "plays": {"viewer": text, "video": text, "time": pa.int64(), "known": pa.int64(), "x": pa.float64(),
                      "flag": pa.bool_(), "label": text, "moment": pa.int64(), "offset": pa.int64()},
            "videos": {"video": text, "author": text, "tags": lists, "length": pa.float64(), "since": pa.int64(),
                       "valid_from": pa.int64(), "offset": pa.int64()},
        }  # fmt: skip
        self._folder = folder
        for name, schema in types.items():
            own = [{**r.values, "offset": o} for r, o in zip(rows, offsets) if r.table == (name == "videos")]
            pq.write_table(pa.Table.from_pylist(own, pa.schema(list(schema.items()))), folder / f"{name}.parquet")

    def sql(self, name: str) -> str:
        return f"read_parquet('{self._folder / name}.parquet')"


VIEWERS, VIDEOS = [v for v in ("1", "2", None) for _ in range(4)], ["7", "8", "9|", None] * 3


def names_of(system: sf.System) -> list[str]:
    """Every feature, but for what is no number and reached through a list of keys."""
    return [
        f"{group.name}.{one.name}"
        for group in system.features.values()
        for one in group.aggregates
        if group.name != "liking" or one.kind == NUMBER
    ]


def check_store(system: sf.System, store: LmdbStore, rows: list[Row], offsets: list[int], now: int) -> None:
    """What serving reads of every viewer and video at `now`."""
    base = {
        "viewer": column(Kind("text", domain="viewer"), VIEWERS),
        "video": column(Kind("text", domain="video"), VIDEOS),
    }
    found = Reader(system, store).columns(names_of(system), base, now)
    values = {name: spread(found[name], len(VIEWERS)).to_list() for name in names_of(system)}
    check(system, values, rows, offsets, now, stored=True)


def check_batch(system: sf.System, history: "Files", rows: list[Row], offsets: list[int], now: int) -> None:
    """What batch attaches to rows of every viewer and video at `now`."""
    asked = pa.table({"time": [now] * len(VIEWERS), "viewer": VIEWERS, "video": VIDEOS})
    with closing(duckdb.connect(config={"threads": 1})) as con:
        found = attach(con, system, history, asked, names_of(system))
    values = {name: found.column(name).to_pylist() for name in names_of(system)}
    check(system, values, rows, offsets, now, stored=False)


def check(
    system: sf.System, found: dict[str, list[Any]], rows: list[Row], offsets: list[int], now: int, *, stored: bool
) -> None:
    """Every feature of every viewer and video at `now`, or where a store was asked after its clock."""
    seen = resolved(rows, offsets)
    for i, (viewer, video) in enumerate(zip(VIEWERS, VIDEOS)):
        item = version(rows, offsets, video, now, None) or {}
        held = {"viewer": [viewer], "video": [video], "author": [item.get("author")], "tag": item.get("tags") or [None]}
        for group in system.features.values():
            for one in group.aggregates:
                if (name := f"{group.name}.{one.name}") not in found:
                    continue
                keys = [[key] for key in held[group.entities[0]]]
                if len(group.entities) > 1:
                    keys = [[*key, other] for key in keys for other in dict.fromkeys(held[group.entities[1]])]
                values = [expected(seen, group, key, one, now, stored=stored) for key in keys]
                if group.name == "liking":
                    values = [averaged(values)]
                compare(found[name][i], *values[0], where=f"{name} {one} viewer {viewer} video {video} now {now}")


def resolved(rows: list[Row], offsets: list[int]) -> list[tuple[int, dict[str, Any]]]:
    """Events with what their video's version adds."""
    events = []
    for row, offset in zip(rows, offsets):
        if not row.table:
            found = version(rows, offsets, row.values["video"], row.values["known"], offset) or {}
            events.append((offset, {**row.values, **{k: found.get(k) for k in ("author", "tags", "length")}}))
    return events


def version(
    rows: list[Row], offsets: list[int], video: str | None, at: int, before: int | None
) -> dict[str, Any] | None:
    """The version of a video that holds at a time, of those that had come before an event."""
    visible = [
        (row.values["valid_from"], offset, i)
        for i, (row, offset) in enumerate(zip(rows, offsets))
        if row.table and row.values["video"] == video and row.values["valid_from"] <= at
        and (before is None or offset < 0 or offset < before)
    ]  # fmt: skip
    return rows[max(visible)[2]].values if visible else None


def expected(
    events: list[tuple[int, dict[str, Any]]],
    group: FeatureGroup,
    key: list[str | None],
    one: Aggregate,
    now: int,
    *,
    stored: bool,
) -> tuple[Any, float]:
    """The oracle's value, and how much a sum may differ from it."""
    mine = []
    for offset, row in events:
        own = [[row[e]] if e != "tag" else row["tags"] or [] for e in group.entities]
        if None not in key and all(part in parts for part, parts in zip(key, own)):
            mine.append((offset, row))
    # The row's clock is the latest event that any aggregate of the group sees.
    clocks = [e.known_us for a in group.aggregates for e in seen_by(a, mine) if e.where is True and is_measure(e.value)]
    seen = seen_by(one, mine)
    sizes = [abs(e.value) for e in seen if isinstance(e.value, float) and abs(e.value) <= 1e15]
    size = max(sizes, default=0) if one.function == "std" else sum(sizes)
    t = max([now, *(clock + 1 for clock in clocks)]) if stored else now
    return feature_value(seen, one, t), 1e-9 * size


def seen_by(one: Aggregate, events: list[tuple[int, dict[str, Any]]]) -> list[Event]:
    name, where = one.expression and one.expression.text, WHERES[one.where and one.where.text]
    return [Event(row["known"], offset, value_of(row, name), where(row)) for offset, row in events]


def value_of(row: dict[str, Any], name: str | None) -> Any:
    return True if name is None else number(row[name]) if name == "x" else row[name]


def number(x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else x


def averaged(values: list[tuple[Any, float]]) -> tuple[Any, float]:
    """The mean over a list of keys."""
    known = [(value, slack) for value, slack in values if value is not None]
    if not known:
        return None, 0.0
    return float(np.mean([value for value, _ in known])), max(slack for _, slack in known)


def compare(got: Any, value: Any, slack: float, *, where: str) -> None:
    if isinstance(value, float) and isinstance(got, float):
        assert abs(got - value) <= slack + 1e-12 * abs(value), where
    else:
        assert got == value, where
        assert type(got) is type(value), where
