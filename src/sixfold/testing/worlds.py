"""Random definitions of features and random events to try them on: a stream, tables, keys of every form."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

import sixfold as sf
from sixfold.data.layout import ALWAYS_US
from sixfold.design.kinds import NUMBER
from sixfold.design.schema import FeatureGroup
from sixfold.stores import Record

__all__ = [
    "CONDITIONS",
    "GROUPS",
    "RELATIONS",
    "ZONES",
    "Files",
    "Row",
    "definitions",
    "features_of",
    "make_system",
    "many_rows",
    "reads_several",
    "record",
    "row_lists",
    "times",
]

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
SPRING = 1_772_953_200 * SECOND
"""2026-03-08T07:00:00Z, when the clocks of New York go forward."""
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Asia/Kolkata")
GROUPS = {
    "own": ("viewer",),
    "pair": ("viewer", "video"),
    "maker": ("author",),
    "liking": ("viewer", "tag"),
    "subject": ("topic",),
    "idols": ("follows",),
    "seen_by_idols": ("follows", "video"),
    "idols_tags": ("fans", "tag"),
}
"""Groups of features by their entities: own keys, several, through a table, a table's list, the events' own list; and
through relations: to others of the same entity, with a further key, to another entity with a list beside it."""
RELATIONS = {"follows": ("viewer", "idol"), "fans": ("viewer", "author")}
"""Relations with their keys; an idol is a viewer."""
FUNCTIONS = {
    "count": (None,),
    "sum": ("x", "flag"),
    "mean": ("x", "flag"),
    "min": ("x",),
    "max": ("x",),
    "std": ("x",),
    "rate": ("flag",),
    "since_last": (None,),
    "decayed": (None, "x", "flag"),
    **dict.fromkeys(("first", "last", "top", "distinct"), ("x", "flag", "label", "moment", "video", "length")),
}
WINDOWS = (None, "1s", "48s", "1m", "7m", "1h", "1d", "9d", "30d", "today")

Condition = Callable[[Mapping[str, Any]], bool | None]


class Row(NamedTuple):
    """A row of the stream `plays`, of the table `videos` or of a relation."""

    source: str
    values: dict[str, Any]


def _local(row: Mapping[str, Any], name: str, zone: str) -> datetime | None:
    if row[name] is None:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row[name])).astimezone(ZoneInfo(zone))


def _is_morning(row: Mapping[str, Any], zone: str) -> bool | None:
    local = _local(row, "moment", zone)
    return None if local is None else local.hour < 12


def _is_monday(row: Mapping[str, Any], zone: str) -> bool | None:
    local = _local(row, "time", zone)
    return None if local is None else local.weekday() == 0


CONDITIONS: dict[str | None, Callable[[str], Condition]] = {
    None: lambda zone: lambda row: True,
    "flag": lambda zone: lambda row: row["flag"],
    "x > 0": lambda zone: lambda row: None if row["x"] is None else row["x"] > 0,
    "label = 'a' or flag": lambda zone: (
        lambda row: row["flag"] or (None if row["label"] is None else row["label"] == "a")
    ),
    "videos.length >= 2": lambda zone: lambda row: None if row["length"] is None else row["length"] >= 2,
    "hour(moment) < 12": lambda zone: partial(_is_morning, zone=zone),
    "weekday(plays.time) = 0": lambda zone: partial(_is_monday, zone=zone),
}
"""Conditions of aggregates, and what each means in Python where clocks show the time of a zone."""

times = st.builds(
    lambda origin, a, b, c: origin + a * b + c,
    st.sampled_from([0, SPRING]),
    st.integers(-50, 50),
    st.sampled_from([SECOND, HOUR, DAY]),
    st.integers(-1, 1),
) | st.integers(-40 * DAY, 40 * DAY)
"""Microseconds, often on or beside the borders of hops, hours and days."""
_numbers = st.none() | st.sampled_from([0.0, -0.0, 1.0, -1.5, 0.1, 3.0, 1e15, -1e15, 1.1e15, 5e-324, 999_999_999_999.9])
_play_columns: dict[str, st.SearchStrategy[Any]] = {
    "viewer": st.sampled_from(["1", "2", "3|", None]),
    "video": st.sampled_from(["7", "8", "9|", None]),
    "topic": st.sampled_from([["s"], ["s", "t", "s"], [], None]),
    "time": times,
    "late": st.sampled_from([0, 0, 1, HOUR, 3 * DAY]),
    "x": _numbers,
    "flag": st.sampled_from([True, False, None]),
    "label": st.sampled_from(["a", "b", "", "é|\\", None]),
    "moment": st.none() | times,
}
_plays = st.fixed_dictionaries(_play_columns).map(
    lambda values: Row("plays", {**values, "known": values["time"] + values.pop("late")})
)
_videos = st.fixed_dictionaries(
    {
        "video": st.sampled_from(["7", "8", "9|"]),
        "author": st.sampled_from(["p", "q\\", None]),
        "tags": st.sampled_from([["u"], ["u", "v", "u"], [], None]),
        "length": st.none() | st.sampled_from([1.0, 2.0, 3.0]),
        "valid_from": times,
    }
).map(lambda values: Row("videos", {**values, "since": values["valid_from"]}))
_follows = st.fixed_dictionaries(
    {
        "viewer": st.sampled_from(["1", "2", None]),
        "idol": st.sampled_from(["1", "2", "3|", "never", None]),
        "valid_from": times,
    }
).map(lambda values: Row("follows", {**values, "since": values["valid_from"]}))
_fans = st.fixed_dictionaries(
    {
        "viewer": st.sampled_from(["1", "2"]),
        "author": st.sampled_from(["p", "q\\", "never"]),
        "valid_from": st.just(ALWAYS_US) | times,
    }
).map(lambda values: Row("fans", values))
row_lists = st.lists(_plays | _plays | _videos | _follows | _fans, max_size=30)
"""Rows in the order of their arrival, whatever their times."""


@st.composite
def _aggregates(draw: st.DrawFn) -> dict[str, Any]:
    """The keywords of one `sf.Features`."""
    features: dict[str, Any] = {}
    for i in range(draw(st.integers(1, 5))):
        function = draw(st.sampled_from(list(FUNCTIONS)))
        options: dict[str, Any] = {"where": draw(st.sampled_from(list(CONDITIONS)))}
        if function == "decayed":
            options["half_life"] = draw(st.sampled_from(["1s", "7m", "1d", "30d"]))
        elif function != "since_last":
            options["window"] = draw(st.sampled_from(WINDOWS))
        if function == "rate":
            options["prior"] = (1, 3)
        if function in ("last", "top"):
            options["n"] = draw(st.sampled_from([None, 1, 2, 5]))
        if function == "top":
            options["of"] = draw(st.sampled_from([1, 2, 4, 100]))
        if function == "distinct":
            options["exact"] = 16
        over = draw(st.sampled_from(FUNCTIONS[function]))
        features[f"f{i}"] = getattr(sf, function)(*([] if over is None else [over]), **options)
    return features


definitions = st.fixed_dictionaries({name: _aggregates() for name in GROUPS})
"""For each group the keywords of its `sf.Features`."""


def many_rows(seed: int, size: int) -> list[Row]:
    """Rows of few keys and many different values, a tenth of them late, so that lists fill and estimates begin."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 20 * DAY, size)) - np.where(
        rng.random(size) < 0.1, rng.integers(0, 9 * DAY, size), 0
    )
    rows = [Row("videos", _video(key, length)) for key, length in (("7", 1.0), ("8", 2.0), ("9|", None))]
    for at in time.tolist():
        if rng.random() < 0.1:
            rows += _paired(rng)
        draw = rng.integers(0, 1 << 30, 6).tolist()
        values = {
            "viewer": ("2", "3|", "1")[min(draw[0] % 8, 2)],
            "video": ("7", "8", "9|")[draw[1] % 3],
            "topic": [["s"], ["s", "t"]][draw[1] % 2],
            "time": at,
            "x": None if draw[2] % 20 == 0 else round(float(rng.normal() * 10.0 ** (draw[2] % 7)), 3),
            "flag": draw[3] % 3 == 0,
            "label": f"v{draw[4] % size}" if draw[3] % 2 else "ab"[draw[4] % 2],
            "moment": at + draw[5] % (2 * DAY),
            "known": at,
        }
        rows.append(Row("plays", values))
    return rows


def _paired(rng: np.random.Generator) -> list[Row]:
    """A row of each relation; there are few different pairs, so that most are said several times, in any order."""
    since = int(rng.integers(0, 20)) * DAY
    idol = {"viewer": "12"[rng.integers(0, 2)], "idol": ("1", "2", "3|", "never")[rng.integers(0, 4)]}
    fan = {"viewer": "12"[rng.integers(0, 2)], "author": ("p", "q", "never")[rng.integers(0, 3)]}
    return [
        Row("follows", {**idol, "valid_from": since, "since": since}),
        Row("fans", {**fan, "valid_from": (ALWAYS_US, since)[rng.integers(0, 2)]}),
    ]


def _video(key: str, length: float | None) -> dict[str, Any]:
    return {"video": key, "author": "p", "tags": ["u", "v"], "length": length, "valid_from": -DAY, "since": -DAY}


def make_system(features: Mapping[str, Mapping[str, Any]], zone: str = "UTC") -> sf.System:
    """A system over the stream and the table with these groups of features."""
    entities = {name: sf.Entity(name) for name in ("viewer", "video", "author", "tag", "topic")}
    viewer, video = entities["viewer"], entities["video"]
    catalogue = sf.Table(
        "videos",
        [],
        video.key(),
        valid_from="since",
        author=entities["author"].key(),
        tags=entities["tag"].keys(),
        length=sf.Number(),
        since=sf.Time(unit="us"),
    )
    stream = sf.Events(
        "plays",
        [],
        viewer.key(),
        video.key(),
        entities["topic"].keys(),
        time=sf.Time(unit="us"),
        x=sf.Number(),
        flag=sf.Flag(),
        label=sf.Category(),
        moment=sf.Time(unit="us"),
    )
    related = {
        "follows": sf.Table(
            "follows", [], viewer.key(), viewer.alias("idol").key(), valid_from="since", since=sf.Time(unit="us")
        ),
        "fans": sf.Table("fans", [], viewer.key(), entities["author"].key()),
    }
    # By how many they are, so that all ways to combine the values of a list of keys come up.
    ways = ("mean", "sum", "min", "max")
    groups = [
        sf.Features(
            name,
            tuple(related.get(e) or entities[e] for e in GROUPS[name]),
            stream,
            combine=ways[(len(own) - 1) % len(ways)],
            **own,
        )
        for name, own in features.items()
    ]
    label = sf.Label("liked", "flag")
    trees = sf.Trees("trees", inputs=[catalogue.length], heads=[sf.Binary(label)])
    return sf.System(
        "small",
        sf.Requirements(goal="test", users=1, items=1, peak_rps=1, p99_ms=50, freshness_s=1, availability=0.9),
        sf.Framing(query=viewer, item=video, examples=stream, context=[stream.topic], labels=[label]),
        sf.Data(catalogue, stream, *related.values(), *groups, timezone=zone),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"]),
        sf.Deployment(predict=trees, value="liked"),
    )


def features_of(system: sf.System) -> list[str]:
    """Every feature, but for what is no number and read for several keys."""
    return [
        f"{group.name}.{one.name}"
        for group in system.features.values()
        for one in group.aggregates
        if not reads_several(group) or one.kind == NUMBER
    ]


def reads_several(group: FeatureGroup) -> bool:
    """Whether the values of several keys are combined where a group is read."""
    return group.name in ("liking", "subject") or group.hop is not None


def record(row: Row, offset: int) -> Record:
    """The row as the log keeps it."""
    time = row.values["time" if row.source == "plays" else "valid_from"]
    return Record(offset, 0, row.source, time, msgspec.msgpack.encode(row.values))


class Files:
    """Rows as ingestion leaves them, in Parquet files of a folder."""

    offset = -1

    def __init__(self, folder: Path, rows: list[Row], offsets: list[int]) -> None:
        text, lists = pa.string(), pa.list_(pa.string())
        types: dict[str, dict[str, pa.DataType]] = {
            "plays": {
                **dict.fromkeys(("viewer", "video", "label"), text),
                **dict.fromkeys(("time", "known", "moment", "offset"), pa.int64()),
                "topic": lists,
                "x": pa.float64(),
                "flag": pa.bool_(),
            },
            "videos": {
                **dict.fromkeys(("video", "author"), text),
                **dict.fromkeys(("since", "valid_from", "offset"), pa.int64()),
                "tags": lists,
                "length": pa.float64(),
            },
            "follows": {
                **dict.fromkeys(RELATIONS["follows"], text),
                **dict.fromkeys(("since", "valid_from", "offset"), pa.int64()),
            },
            "fans": {
                **dict.fromkeys(RELATIONS["fans"], text),
                **dict.fromkeys(("valid_from", "offset"), pa.int64()),
            },
        }
        self._folder = folder
        for name, columns in types.items():
            own = [{**r.values, "offset": o} for r, o in zip(rows, offsets) if r.source == name]
            pq.write_table(pa.Table.from_pylist(own, pa.schema(list(columns.items()))), folder / f"{name}.parquet")

    def sql(self, name: str) -> str:
        """What stands after `from` in SQL for the rows of the stream or the table."""
        return f"read_parquet('{self._folder / name}.parquet')"
