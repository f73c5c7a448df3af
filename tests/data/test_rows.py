"""Posted rows are checked as rows of files are, and come out as the same values."""

import csv
import datetime
import io
import re
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sources_world import NOW, World, play, plays, videos

import sixfold as sf
from sixfold.data.rows import RowChecker, decode
from sixfold.design import resolve
from sixfold.errors import WrongColumn
from sixfold.stores.log import check_events

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # shrinking forty rows takes minutes
SLOW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)


def everything(source):
    """A stream with a column of every type."""
    ad, tag = sf.Entity("ad"), sf.Entity("tag")
    return resolve.stream(
        sf.Events(
            "all", source, ad.key("a", "b"), tag.keys("tags", split=","), time=sf.Time("t", unit="s"),
            known="least(time + n, later)", id="i", n=sf.Number("n", unit="ms"), big=sf.Number("big", unit="h"),
            f=sf.Flag(), c=sf.Category("c"), words=sf.Categories(split=" "),
            few=sf.Category(values=["x", "1"]), later=sf.Time(),
        )
    )  # fmt: skip


NAMES = ("a", "b", "tags", "t", "i", "n", "big", "f", "c", "few", "later", "words")
ISO = st.builds(
    lambda day, clock, zone: day + clock + (zone if clock else ""),
    st.dates(min_value=datetime.date(1901, 1, 1)).map(str),
    st.sampled_from(
        ["", " 00:30", "T02:30:15", " 01:30:00.5", "T23:59:59.999999", "T12:00:00.123456789", " 7:05", "T0:00:00.1"]
    ),
    st.sampled_from(["", "Z", "+05:30", "-0800", "+02"]),
)
TEXTS = st.one_of(
    st.sampled_from(
        ["1", "0", "1.0", "x", "yes", "No", " T ", "", "nan", "1e3", "-.5", "1e400", "5 ", "maybe", "a,b", "a, ,c"]
    ),
    st.sampled_from(
        [
            "2022-02-30",
            "2022-03-13 02:30",
            "2022-11-06 01:30",
            "2022-01-01T24:00:00",
            "2022-1-2 3:04",
            "2022-13-1",
            "0000-01-01",
        ]
    ),
    st.text("a|\\,1. é", max_size=5),
    ISO,
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 1.0, 0.0, -0.0, 2**53, 2.0**53, 1e16, 1e300, 0.1, 1650812741.436, 2**62]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
ANY = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.lists(st.one_of(st.none(), NUMBERS, TEXTS), max_size=3))
GOOD = {
    "a": st.integers(0, 9), "b": st.sampled_from(["x", "|", "\\"]), "t": st.integers(0, 10**10),
    "i": st.integers(0, 99), "n": NUMBERS, "big": NUMBERS, "f": st.booleans(), "c": TEXTS,
    "few": st.sampled_from(["x", 1]), "later": ISO,
    "tags": st.lists(TEXTS, max_size=3), "words": TEXTS,
}  # fmt: skip
ROW = st.builds(
    lambda good, odd, names: {**good, **{name: odd[name] for name in names}},
    st.fixed_dictionaries(GOOD),
    st.fixed_dictionaries(dict.fromkeys(NAMES, ANY)),
    st.sets(st.sampled_from(NAMES), max_size=2),
)
PLAIN = {
    "a": 1, "b": "x", "t": 5, "i": -1, "n": 1.5, "big": 2, "f": True, "c": "c", "few": "x", "later": "2022-01-01",
    "tags": ["x"], "words": "a b",
}  # fmt: skip
ROWS = st.lists(ROW, min_size=10, max_size=40).map(lambda rows: [PLAIN, *rows])
"""No column of these is wrong throughout."""
ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"])
LATE = 2**62
"""A time for now after which no row is from the future."""
NOWS = st.sampled_from([NOW, LATE])


def ingested(rows, write, source, timezone, now_us=LATE):
    """The rows as ingestion has them, by identity."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), timezone)
        write(world, rows)
        stream = everything(source)
        world.ingest(stream, now_us=now_us)
        names = [key.name for key in stream.keys] + ["time", *(f.name for f in stream.fields), "_identity", "known"]
        found = world.rows(stream, ", ".join(f'"{name}"' for name in names))
        return [dict(zip(names, row)) for row in found], len(world.refused("all"))


def checked(rows, timezone, now_us=LATE):
    """The rows as the checker has them, the first of each identity, in the same order."""
    result = RowChecker(everything([]), timezone).check(rows, now_us)
    check_events(result.accepted)
    kept: dict[bytes, dict[str, object]] = {}
    for event in result.accepted:
        kept.setdefault(event.event_id, decode(event.payload))
    return sorted(kept.values(), key=lambda row: row["known"]), len(result.refused)


@SLOW
@given(ROWS, ZONES, NOWS)
def test_a_json_lines_file_and_the_same_rows_posted_are_one(rows, timezone, now_us):
    found = ingested(rows, lambda world, r: world.json_lines("a.jsonl", r), sf.JsonLines("a.jsonl"), timezone, now_us)
    assert found == checked(rows, timezone, now_us)


def texts(rows):
    """As a CSV file has them."""
    return [{name: "" if v is None else _text(v) for name, v in row.items()} for row in rows]


def _text(value):
    return ",".join(map(_text, value)) if isinstance(value, list) else "" if value is None else str(value)


def write_csv(world, rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, NAMES, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    world.text("a.csv", out.getvalue())


@SLOW
@given(ROWS, ZONES, NOWS)
def test_sql_and_python_read_text_alike(rows, timezone, now_us):
    rows = [{n: None if v == "" else v for n, v in row.items()} for row in texts(rows)]
    posted = checked(rows, timezone, now_us)

    def write(world, rows):
        table = {name: pa.array([row[name] for row in rows], pa.string()) for name in NAMES}
        pq.write_table(pa.table(table), world.data / "a.parquet")

    assert ingested(rows, write, sf.Parquet("a.parquet"), timezone, now_us) == posted


@SLOW
@given(st.lists(st.one_of(st.none(), NUMBERS), min_size=1, max_size=20))
def test_sql_and_python_read_numbers_alike(numbers):
    whole = [x for x in numbers if x is None or isinstance(x, int)]
    real = [None if x is None else float(x) for x in numbers]
    for values, kind in ((whole, pa.int64()), (real, pa.float64())):
        rows = [
            {**dict.fromkeys(NAMES), "a": v, "b": i, "i": i, "tags": [v], "t": v, "n": v, "big": v, "c": v}
            for i, v in enumerate(values)
        ]
        kinds = {"a": kind, "t": kind, "n": kind, "big": kind, "c": kind, "tags": pa.list_(kind), "b": pa.int32()}

        def write(world, rows, kinds=kinds):
            table = {n: pa.array([r[n] for r in rows], kinds.get(n, pa.int32())) for n in NAMES if n not in _TEXTUAL}
            table |= {n: pa.array([r[n] for r in rows], pa.string()) for n in _TEXTUAL}
            pq.write_table(pa.table(table), world.data / "a.parquet")

        if not rows:
            continue
        posted = checked(rows, "UTC")
        try:
            assert ingested(rows, write, sf.Parquet("a.parquet"), "UTC") == posted
        except WrongColumn:
            assert posted[1] > 0


_TEXTUAL = ("later", "words", "few")


@SLOW
@given(ROWS)
def test_a_csv_file_and_its_texts_posted_are_one(rows):
    rows = [{n: v.replace("\n", "").replace("\r", "") for n, v in row.items()} for row in texts(rows)]
    posted = [{n: None if v == "" else v for n, v in row.items()} for row in rows]
    # A CSV has no types: the text 1.0 is a whole number there.
    for name in ("a", "b", "c", "few", "i"):
        posted = [{**row, name: row[name] and re.sub(r"^(-?[0-9]+)\.0+$", r"\1", row[name])} for row in posted]
    assert ingested(rows, write_csv, sf.Csv("a.csv"), "UTC") == checked(posted, "UTC")


def reason(row, **options):
    result = RowChecker(plays([], **options), "UTC").check([row], NOW)
    assert (result.accepted, result.indices) == ([], [])
    return result.refused[0].reason


def test_each_refusal_has_its_reason():
    assert reason("x") == "a row must be an object"
    assert reason({}) == "user_id: is missing; video_id: is missing; time_ms: is missing"
    assert reason(play(None, [1], 5)) == "user_id: is null; video_id: '[1]' is not a single value"
    assert reason(play(1, 1, 5, "perhaps")) == "is_click: 'perhaps' is not a flag (1/0, true/false, yes/no, t/f, y/n)"
    assert (
        reason(play(1, 1, 5), time=sf.Time("time_ms"))
        == "time_ms: 5 is not a time: the design gives no unit for numbers"
    )
    late = play(1, 1, NOW // 1000 + 4000, play_ms=2500)
    assert reason(late) == "from the future: known 6.5 s after now"


def test_a_row_may_be_known_a_little_after_now_and_outcomes_may_be_missing():
    result = RowChecker(plays([]), "UTC").check([play(1, 1, NOW // 1000, None, 5000), {"x": 1}], NOW)
    assert result.indices == [0]
    assert decode(result.accepted[0].payload)["known"] == NOW + 5_000_000
    bare = RowChecker(plays([]), "UTC").check([{"user_id": 1, "video_id": 2, "time_ms": 3}], NOW)
    assert decode(bare.accepted[0].payload) == {
        "viewer": "1", "video": "2", "time": 3000, "clicked": None, "watched_s": None, "known": 3000,
    }  # fmt: skip


def test_the_designs_own_names_stand_in_for_raw_ones_that_are_absent():
    checker = RowChecker(plays([]), "UTC")
    raw = checker.check([{**play(712, 9, 5), "more": "ignored"}], NOW).accepted
    own = {"viewer": "712", "video": 9.0, "time": 5, "clicked": "yes", "watched_s": 1000}
    assert checker.check([own], NOW).accepted == raw


def test_an_event_has_one_id_however_its_outcome_or_its_spelling_changes():
    rows = [play(1, 2, 5, 0), play("1", 2.0, 5, 1), play(1, 3, 5, 0), play(1, 2, 6, 0)]
    a, b, c, d = (event.event_id for event in RowChecker(plays([]), "UTC").check(rows, NOW).accepted)
    assert a == b
    assert len({a, c, d}) == 3


def test_a_version_of_a_tables_row_counts_from_its_time_or_from_now():
    table = videos([], valid_from="uploaded", uploaded=sf.Time("up", unit="s"))
    rows = [{"video_id": 1, "up": 5}, {"video_id": 1}, {"video_id": 1, "up": 5, "author_id": 2}]
    events = RowChecker(table, "UTC").check(rows, NOW).accepted
    assert [event.time_us for event in events] == [5_000_000, NOW, 5_000_000]
    assert len({event.event_id for event in events}) == 3
    assert [decode(event.payload)["valid_from"] for event in events] == [5_000_000, None, 5_000_000]


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_are_fine(rows):
    assert len(RowChecker(plays([]), "UTC").check([play(1, 1, 1)] * rows, NOW).accepted) == rows
