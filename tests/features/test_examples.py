"""Examples: labels that wait, parts by local days, shares or a column, positives and the lists asked for."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.errors import EmptyPart, InvalidField, NoExamples
from sixfold.features.examples import build, positives, queries
from sixfold.features.split import boundaries

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
PLAYS = pa.schema(
    [
        ("viewer", pa.string()), ("video", pa.string()), ("place", pa.string()), ("liked", pa.bool_()),
        ("watched_s", pa.float64()), ("fold", pa.string()), ("time", pa.int64()), ("known", pa.int64()),
        ("offset", pa.int64()),
    ]
)  # fmt: skip
VIDEOS = pa.schema(
    [
        (n, t)
        for n, t in zip(
            ["video", "length_s", "valid_from", "offset"], [pa.string(), pa.float64(), pa.int64(), pa.int64()]
        )
    ]
)


class Ingested:
    """Rows in memory, as ingestion leaves them in files."""

    def __init__(self, con: duckdb.DuckDBPyConnection, plays: list[dict[str, Any]]) -> None:
        numbered = [{**row, "offset": i - len(plays)} for i, row in enumerate(plays)]
        con.register("plays", pa.Table.from_pylist(numbered, PLAYS))
        videos = [{"video": "7", "length_s": 10.0, "valid_from": -(2**62), "offset": -1}]
        con.register("videos", pa.Table.from_pylist(videos, VIDEOS))

    def sql(self, name: str) -> str:
        return f'"{name}"'


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as opened:
        yield opened


def play(time: int, *, known: int | None = None, **values: Any) -> dict[str, Any]:
    row = {"viewer": "1", "video": "7", "place": "top", "liked": True, "watched_s": 4.0, "time": time}
    return {**row, "known": time if known is None else known, **values}


def make_system(
    split: Any = None,
    *,
    within: str | None = "1h",
    ask_every: str = "1d",
    fold: bool = False,
    came: str | None = None,
) -> sf.System:
    viewer, video = sf.Entity("viewer"), sf.Entity("video")
    videos = sf.Table("videos", [], video.key(), length_s=sf.Number())
    plays = sf.Events(
        "plays", [], viewer.key(), video.key(), time=sf.Time(unit="us"), place=sf.Category(), liked=sf.Flag(),
        watched_s=sf.Number(), fold=sf.Category(),
    )  # fmt: skip
    if fold:
        split = sf.ByColumn(plays.fold, train="a", validation="b", test="c")
    taste = sf.Features("taste", viewer, plays, n=sf.count())
    liked, share = (
        sf.Label("liked", "liked", within=within, time=came),
        sf.Label("share", "watched_s / videos.length_s"),
    )
    trees = sf.Trees("trees", inputs=[taste, plays.place], heads=[sf.Binary(liked)])
    return sf.System(
        "small",
        sf.Requirements(goal="test", p99_ms=50),
        sf.Framing(
            query=viewer,
            item=video,
            examples=plays,
            where="place is not null",
            labels=[liked, share],
            context=[plays.place],
        ),
        sf.Data(videos, plays, taste, timezone="Asia/Shanghai"),
        sf.Models(trees),
        sf.Evaluation(
            split=split or sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"], ask_every=ask_every
        ),
        sf.Deployment(predict=trees, value="liked"),
    )


def at(day: int, hour: float) -> int:
    """Microseconds of an hour of a day of May 2022 in Shanghai."""
    return int(datetime(2022, 5, day, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()) * 1_000_000 + int(hour * HOUR)


DAYS = [play(at(3, 12)), play(at(4, 12)), play(at(5, 12)), play(at(5, 20), place=None)]


def test_an_example_has_its_context_labels_part_and_features_as_of_its_time(con: Any) -> None:
    found = build(con, make_system(), Ingested(con, DAYS), ["taste.n"])
    assert found.column_names == [
        "time",
        "viewer",
        "video",
        "plays.place",
        "label.liked",
        "label.share",
        "part",
        "taste.n",
    ]
    assert found["time"].to_pylist() == [at(3, 12), at(4, 12), at(5, 12)]
    assert found["part"].to_pylist() == ["train", "validation", "test"]
    assert found["label.liked"].to_pylist() == [1.0] * 3
    assert found["label.share"].to_pylist() == [0.4] * 3
    assert found["taste.n"].to_pylist() == [0.0, 1.0, 2.0]


def test_a_label_is_null_until_its_time_to_wait_has_passed_at_the_end_of_its_part(con: Any) -> None:
    late = [play(at(3, 23.5)), play(at(4, 23), known=at(5, 1)), play(at(5, 19.5))]
    found = build(con, make_system(), Ingested(con, [*DAYS, *late])).sort_by("time")
    liked = dict(zip(found["time"].to_pylist(), found["label.liked"].to_pylist()))
    assert [liked[row["time"]] for row in late] == [None, None, None]
    assert [liked[row["time"]] for row in DAYS[:3]] == [1.0, 1.0, 1.0]
    # The other label is known with its row: only the one whose row came after its part has no part.
    assert dict(zip(found["time"].to_pylist(), found["part"].to_pylist())) == {
        at(3, 12): "train", at(3, 23.5): "train", at(4, 12): "validation", at(4, 23): None,
        at(5, 12): "test", at(5, 19.5): "test",
    }  # fmt: skip


def test_an_outcome_later_than_the_label_waits_is_none_and_its_delay_is_told(con: Any) -> None:
    rows = [
        *DAYS,
        play(at(5, 13), watched_s=3600.0, known=at(5, 14)),
        play(at(5, 14), watched_s=3601.0, known=at(5, 15.5)),
        play(at(5, 15), watched_s=60.0, liked=False),
        play(at(5, 16), watched_s=None),
    ]
    found = build(con, make_system(came="plays.time + watched_s"), Ingested(con, rows)).sort_by("time")
    last = found.slice(3)
    # The second liked it after an hour and a second; of the last nobody knows when, and so it counts.
    assert last["label.liked"].to_pylist() == [1.0, 0.0, 0.0, 1.0]
    assert last["delay.liked"].to_pylist() == [3600.0, 3601.0, None, None]
    # That it did not come within the hour is known after the hour, though its row was complete later.
    early = build(con, make_system(came="plays.time + watched_s"), Ingested(con, [*rows[:6], play(at(5, 15.2))]))
    assert early.sort_by("time")["label.liked"].to_pylist()[4] == 0.0
    liked = positives(con, make_system(came="plays.time + watched_s"), Ingested(con, rows), "liked")
    assert at(5, 14) not in liked["time"].to_pylist()


@pytest.mark.parametrize(
    "wrong", [{"within": None, "came": "plays.time"}, {"came": "watched_s"}], ids=["no within", "no time"]
)
def test_when_an_outcome_came_is_a_time_of_a_label_that_waits(wrong: Any) -> None:
    with pytest.raises(InvalidField, match=r"Label liked.time must be a time, of a label that is a flag"):
        make_system(**wrong)


def test_a_label_counts_at_the_very_moment_that_its_time_to_wait_ends(con: Any) -> None:
    found = build(con, make_system(), Ingested(con, [*DAYS, play(at(3, 23)), play(at(5, 19))]))
    assert found["label.liked"].null_count == 0


def test_examples_without_any_label_or_without_a_key_are_left_out(con: Any) -> None:
    none = [play(at(3, 13), liked=None, watched_s=None), play(at(3, 14), viewer=None), play(at(3, 15), video=None)]
    assert build(con, make_system(), Ingested(con, [*DAYS, *none])).num_rows == 3


def test_a_label_without_a_time_to_wait_is_known_with_its_row(con: Any) -> None:
    rows = [*DAYS[:3], play(at(3, 23.9)), play(at(3, 23.9), video="8", known=at(4, 0.1))]
    found = build(con, make_system(within=None), Ingested(con, rows))
    parts = {(t, v): p for t, v, p in zip(*(found[n].to_pylist() for n in ("time", "video", "part")))}
    assert (parts[at(3, 23.9), "7"], parts[at(3, 23.9), "8"]) == ("train", None)


def test_a_column_can_fix_the_parts(con: Any) -> None:
    rows = [play(at(3, hour), fold=fold) for hour, fold in enumerate(["c", "a", "b", "x", None])]
    found = build(con, make_system(fold=True, within=None), Ingested(con, rows))
    assert found["part"].to_pylist() == ["test", "train", "validation", None, None]


def test_positives_are_all_rows_of_which_the_label_is_true(con: Any) -> None:
    rows = [
        *DAYS,
        play(at(3, 13), liked=False),
        play(at(3, 23.9)),
        play(at(3, 23.8), known=at(4, 1)),
        play(at(2, 1), liked=None),
    ]
    found = positives(con, make_system(), Ingested(con, rows), "liked", ["taste.n"])
    assert found.column_names == ["time", "known", "viewer", "video", "plays.place", "part", "taste.n"]
    assert found["time"].to_pylist() == [at(3, 12), at(3, 23.8), at(3, 23.9), at(4, 12), at(5, 12), at(5, 20)]
    assert found["part"].to_pylist() == ["train", None, "train", "validation", "test", "test"]
    assert positives(con, make_system(), Ingested(con, rows), "share").num_rows == len(rows)


def test_lists_are_asked_for_at_local_midnights_and_want_what_came_until_the_next(con: Any) -> None:
    rows = [*DAYS, play(at(5, 13), video="8"), play(at(5, 14)), play(at(5, 1), viewer="2", video="9")]
    found = queries(con, make_system(), Ingested(con, rows), "liked", ["taste.n"])
    assert found.filter(pa.compute.equal(found["part"], "test")).to_pylist() == [
        {"viewer": "1", "time": at(5, 0), "part": "test", "relevant": ["7", "8"], "taste.n": 2.0},
        {"viewer": "2", "time": at(5, 0), "part": "test", "relevant": ["9"], "taste.n": 0.0},
    ]
    found = queries(con, make_system(ask_every="6h"), Ingested(con, rows), "liked")
    assert found.filter(pa.compute.equal(found["part"], "test"))["time"].to_pylist() == [at(5, 0), at(5, 12), at(5, 18)]


def test_no_example_is_one_clear_error(con: Any) -> None:
    system = make_system()
    with pytest.raises(NoExamples) as error:
        build(con, system, Ingested(con, [play(1, place=None)]))
    assert str(error.value) == (
        f"{system.at}: none of the 1 rows of plays is an example whose labels are known. "
        "Look at Framing.where, and at the labels' within."
    )


def test_a_part_without_examples_is_one_clear_error(con: Any) -> None:
    split = sf.ByTime(validation="1d", test="1d")
    with pytest.raises(EmptyPart) as error:
        build(con, make_system(split), Ingested(con, DAYS[1:]))
    assert str(error.value) == (
        f"{split.at}: the split leaves none of the 2 examples for train. Choose shorter parts, or bring more data."
    )


def test_days_are_local_even_where_the_clock_changes() -> None:
    times = np.array([int(datetime(2022, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * 1_000_000])
    validation, test = boundaries(sf.ByTime(validation="1d", test="1d"), times, "Europe/Berlin")
    assert test == int(datetime(2022, 3, 28, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * 1_000_000
    assert test - validation == 23 * HOUR


def test_shares_keep_what_happened_together_in_one_part() -> None:
    split = sf.ByTime(validation=0.2, test=0.2)
    assert boundaries(split, np.arange(10)[::-1], "UTC") == (6, 8)
    assert boundaries(split, np.array([0, 1, 2, 3, 4, 5, 5, 5, 5, 9]), "UTC") == (5, 5)
