"""Files and queries over them become typed rows, each event once, in order."""

from pathlib import Path

import pytest
from sources_world import NOW, World, play, plays, videos

import sixfold as sf
from sixfold.data.ingested import Ingested
from sixfold.data.rows import RowChecker
from sixfold.design import resolve
from sixfold.errors import InvalidField
from sixfold.stores.lmdb_log import LmdbLog
from sixfold.stores.log import NewEvent

ROWS = [play(712, 9, 2000, 1, 1500), play(713, 9, 1000, 0, 0), play(712, 9, 2000, 1, 1500), play(712, 8, 1000, 1, 5000)]
TYPED = [("713", "9", 1_000_000, False, 0.0), ("712", "9", 2_000_000, True, 1.5), ("712", "8", 1_000_000, True, 5.0)]
COLUMNS = "viewer, video, time, clicked, watched_s"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_every_format_gives_the_same_typed_rows_in_the_order_of_their_known_time(world):
    world.parquet("a.parquet", ROWS)
    world.json_lines("a.jsonl", ROWS)
    lines = [",".join(str(x) for x in row.values()) for row in ROWS]
    world.text("a.csv", "\n".join([",".join(ROWS[0]), *lines]) + "\n")
    for number, source in enumerate([sf.Parquet("a.parquet"), sf.JsonLines("a.jsonl"), sf.Csv("a.csv")]):
        world.folder = world.data.parent / f"work{number}" / "ingested"
        stream = plays(source)
        report = world.ingest(stream)
        assert world.rows(stream, COLUMNS) == TYPED
        known = [(1_000_000, None), (3_500_000, None), (6_000_000, None)]
        assert world.rows(stream, "known, arrival") == known
        (one,) = report.sources
        assert (one.read, one.new, one.duplicates, one.differing, one.refused) == (4, 3, 1, 0, 0)


def test_offsets_of_files_are_negative_and_ascend_in_order(world):
    world.parquet("a.parquet", ROWS)
    stream = plays(sf.Parquet("a.parquet"))
    world.ingest(stream)
    offsets = [row[0] for row in world.rows(stream, '"offset"')]
    assert offsets == [-(2**50), -(2**50) + 1, -(2**50) + 2]


def test_of_rows_of_one_event_the_first_stays_and_those_that_differ_are_counted(world):
    world.parquet("a.parquet", [play(1, 1, 5, 0, 100), play(1, 1, 5, 1, 100), play(1, 1, 5, 0, 100)])
    stream = plays(sf.Parquet("a.parquet"))
    (one,) = world.ingest(stream).sources
    assert (one.duplicates, one.differing) == (2, 1)
    assert world.rows(stream, "clicked") == [(False,)]


def test_of_versions_of_a_tables_row_the_last_stays(world):
    rows = [{"video_id": 1, "author_id": 7, "tag": "a, b"}, {"video_id": 1, "author_id": 8.0, "tag": None}]
    world.parquet("v.parquet", rows)
    table = videos(sf.Parquet("v.parquet"))
    (one,) = world.ingest(table).sources
    assert (one.read, one.duplicates, one.differing) == (2, 1, 1)
    assert world.rows(table, "video, author, tags, valid_from") == [("1", "8", None, -(2**62))]


def test_columns_of_an_identity_tell_events_apart(world):
    world.parquet("a.parquet", [{**play(1, 1, 5), "id": i} for i in (10, 11, 10)])
    stream = plays(sf.Parquet("a.parquet"), id="id")
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.duplicates) == (3, 2, 1)


def test_a_key_of_several_columns_is_their_texts_joined(world):
    ad = sf.Entity("ad").key("campaign", "product")
    rows = [{"campaign": 3.0, "product": "a|b\\", "ts": 1}, {"campaign": None, "product": "x", "ts": 1}]
    world.parquet("a.parquet", rows)
    stream = sf.design.resolve.stream(sf.Events("ads", sf.Parquet("a.parquet"), ad, time=sf.Time("ts", unit="s")))
    world.ingest(stream)
    assert world.rows(stream, "ad") == [("3|a\\|b\\\\",)]
    assert world.refused("ads")[0]["reason"] == "campaign, product: is null"


def test_what_cannot_be_read_is_kept_aside_with_its_reason_and_the_rest_goes_on(world):
    rows = [
        play(1, 1, 5), play(None, 1, 5), play(1, 1, "soon"), play(1, 2, 5, "maybe"), play(1, 3, 5, 1, "long"),
        play(1, 4, 2**60), {"video_id": 1}, [1], b"{not json",
    ]  # fmt: skip
    world.json_lines("a.jsonl", rows)
    stream = plays(sf.JsonLines("*.jsonl"))
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.refused) == (9, 1, 8)
    refused = world.refused("plays")
    assert {row["reason"] for row in refused} == {
        "user_id: is null",
        "time_ms: 'soon' is not a time",
        "is_click: 'maybe' is not a flag (1/0, true/false, yes/no, t/f, y/n)",
        "play_ms: 'long' is not a number",
        f"time_ms: '{2**60}' is not a time",
        "user_id: is missing; time_ms: is missing",
        "a row must be an object",
        "not a line of JSON",
    }
    assert refused[0] == {
        "source": "*.jsonl", "file": "a.jsonl", "reason": "user_id: is null", "row": play(None, 1, 5), "run": 1,
        "at": NOW,
    }  # fmt: skip


def test_a_csv_gives_the_same_reasons_and_its_broken_lines_are_kept(world):
    world.text("a.csv", "user_id,video_id,time_ms,is_click,play_ms\n1,1,5,yes,\n1,2,x,1,1\n1,2\n1,3,5,2,1\n")
    stream = plays(sf.Csv("a.csv"))
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.refused) == (4, 1, 3)
    assert [row["reason"] for row in world.refused("plays")] == [
        "time_ms: 'x' is not a time",
        "is_click: '2' is not a flag (1/0, true/false, yes/no, t/f, y/n)",
        "not a row of this file: missing columns",
    ]
    assert world.refused("plays")[2]["row"] == "1,2"
    assert world.rows(stream, "clicked, watched_s, known") == [(True, None, 5000)]


NOW_MS = NOW // 1000
AHEAD = [play(1, 1, NOW_MS), play(1, 2, NOW_MS + 5000, play_ms=0), play(1, 3, NOW_MS + 4000, play_ms=1001)]
"""Known 1 s, 5 s and 5.001 s after now."""


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "query"])
def test_an_event_from_the_future_is_refused_by_its_known_time_and_taken_once_that_has_come(world, kind):
    world.parquet("a.parquet", AHEAD)
    world.json_lines("a.jsonl", AHEAD)
    world.text("a.csv", "\n".join(",".join(map(str, row)) for row in [AHEAD[0], *(row.values() for row in AHEAD)]))
    source = {
        "parquet": sf.Parquet("a.parquet"),
        "csv": sf.Csv("a.csv"),
        "jsonl": sf.JsonLines("a.jsonl"),
        "query": sf.Query("select * from a", a=sf.Parquet("a.parquet")),
    }[kind]
    stream = plays(source)
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.refused) == (3, 2, 1)
    assert world.rows(stream, "video") == [("1",), ("2",)]
    (refused,) = world.refused("plays")
    assert refused["reason"] == "from the future: known 5.0 s after now"
    assert {name: float(value) for name, value in refused["row"].items()} == AHEAD[2]
    assert world.ingest(stream).sources[0].new == 0
    (one,) = world.ingest(stream, now_us=NOW + 1000).sources
    assert (one.read, one.new, one.refused) == (3, 1, 0)
    assert world.refused("plays") == []


def test_a_typo_in_a_year_does_not_move_the_split_and_a_version_may_hold_from_later(world):
    world.text("a.csv", "user_id,video_id,time_ms,is_click,play_ms\n1,1,5,1,0\n1,2,2062-05-01T00:00:00Z,1,0\n")
    stream = plays(sf.Csv("a.csv"))
    world.ingest(stream)
    assert world.rows(stream, "time") == [(5000,)]
    assert [row["reason"] for row in world.refused("plays")] == ["from the future: known 1213667200.0 s after now"]
    world.parquet("v.parquet", [{"video_id": 1, "author_id": 1, "tag": "a", "up": 2_900_000_000}])
    table = videos(sf.Parquet("v.parquet"), valid_from="uploaded", uploaded=sf.Time("up", unit="s"))
    world.ingest(table)
    assert len(world.rows(table)) == 1


def test_a_query_may_leave_columns_out_and_reads_its_inputs_by_name(world):
    world.parquet("a.parquet", [play(1, 1, 5)])
    world.text("h.csv", "user,seen\n2,7\n")
    old = sf.Query('select "user" as user_id, seen as video_id, 1 as time_ms from h -- once', h=sf.Csv("h.csv"))
    stream = plays([sf.Parquet("a.parquet"), old])
    report = world.ingest(stream)
    assert world.rows(stream, COLUMNS) == [("2", "7", 1000, None, None), ("1", "1", 5000, True, 1.0)]
    zeros = {"duplicates": 0, "refused": 0}
    assert report.rows == {"a.parquet": {"read": 1, **zeros}, "query over h.csv": {"read": 1, **zeros}}


def test_queries_nest_and_may_name_files_themselves(world):
    world.parquet("a.parquet", [play(1, 1, 5), play(1, 1, 6)])
    inner = sf.Query("select * from f where time_ms > 5", f=sf.Parquet("a.parquet"))
    stream = plays(sf.Query("with f as (select * from late) select * from f;", late=inner))
    world.ingest(stream)
    assert world.rows(stream, "time") == [(6000,)]
    bare = plays(sf.Query("select * from 'a.parquet'"))
    assert world.ingest(bare).sources[0].read == 2


def test_times_without_a_zone_are_in_the_designs_timezone(world):
    world.timezone = "America/New_York"
    texts = ["2022-11-06 00:30", "2022-11-06T05:30:00Z", "2022-11-06T01:30:00.5-0400", "2022-11-06"]
    rows = [{**play(i, 1, text), "at": text} for i, text in enumerate(texts)]
    world.text(
        "a.csv", "user_id,video_id,time,is_click,play_ms\n" + "".join(f"{i},1,{t},,\n" for i, t in enumerate(texts))
    )
    world.json_lines("a.jsonl", [{**row, "time": row["at"]} for row in rows])
    stream = plays([sf.Csv("a.csv"), sf.JsonLines("a.jsonl")], time=sf.Time("time"), known=None)
    (csv, lines) = world.ingest(stream).sources
    assert lines.duplicates == csv.read == 4
    second = [1667709000, 1667712600, 1667712600.5, 1667707200]
    assert {row[0] for row in world.rows(stream, "time")} == {int(s * 1e6) for s in second}


def test_a_second_run_reads_nothing_and_reports_the_same(world):
    world.parquet("a.parquet", ROWS)
    stream = plays(sf.Parquet("a.parquet"))
    first = world.ingest(stream)
    files = Ingested.of_schemas([stream], world.folder).files("plays")
    again = world.ingest(stream)
    assert again.rows == first.rows
    assert [one.new for one in again.sources] == [0]
    assert Ingested.of_schemas([stream], world.folder).files("plays") == files


def test_a_changed_file_is_read_anew_and_nothing_is_there_twice(world):
    world.parquet("log-1.parquet", [play(1, 1, 5, "x"), play(1, 2, 5, "1")])
    stream = plays(sf.Parquet("log-*.parquet"))
    world.ingest(stream)
    world.parquet("log-2.parquet", ROWS)
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.duplicates, one.refused) == (6, 3, 1, 1)
    assert len(world.rows(stream)) == 4
    assert len(world.refused("plays")) == 1
    assert len(list((world.folder / "plays").glob("*.parquet"))) == 1


def test_an_optional_file_may_come_later_and_go_again(world):
    stream = plays(sf.Csv("a.csv", optional=True))
    (one,) = world.ingest(stream).sources
    assert (one.source, one.read) == ("a.csv (optional)", 0)
    world.text(
        "a.csv", "\n".join([",".join(ROWS[0]), *(",".join(str(x) for x in row.values()) for row in ROWS)]) + "\n"
    )
    assert world.ingest(stream).sources[0].new == 3
    assert world.rows(stream, COLUMNS) == TYPED
    (world.data / "a.csv").unlink()
    world.ingest(stream)
    assert world.rows(stream, COLUMNS) == []
    with pytest.raises(InvalidField, match="there: a query needs its columns"):
        sf.Query("select * from a", a=sf.Csv("a.csv", optional=True))


def test_a_run_that_was_cut_off_leaves_nothing_behind(world):
    world.parquet("a.parquet", ROWS)
    stream = plays(sf.Parquet("a.parquet"))
    world.ingest(stream)
    (world.folder / "plays" / "files-000002.parquet").write_text("half")
    assert len(world.rows(stream)) == 3
    world.parquet("a.parquet", [*ROWS, play(5, 5, 5)])
    world.ingest(stream)
    assert len(world.rows(stream)) == 4


def test_a_design_that_reads_otherwise_reads_everything_again(world):
    world.parquet("a.parquet", ROWS)
    world.ingest(plays(sf.Parquet("a.parquet")))
    stream = plays(sf.Parquet("a.parquet"), watched_s=sf.Number("play_ms", unit="s"))
    world.ingest(stream)
    assert world.rows(stream, "watched_s") == [(0.0,), (1500.0,), (5000.0,)]


def test_nothing_ingested_is_an_empty_relation_of_the_right_types(world):
    stream = plays([])
    assert world.rows(stream) == []
    assert world.ingest(stream).rows == {}
    ingested = Ingested.of_schemas([stream], world.folder)
    assert (ingested.files("plays"), ingested.offset) == ([], -1)


def test_rows_of_the_event_log_come_after_files_once_each_with_their_offset_and_arrival(world, tmp_path):
    world.parquet("a.parquet", [play(1, 1, 5)])
    stream, table = plays(sf.Parquet("a.parquet")), videos([])
    checker, log = RowChecker(stream, "UTC"), LmdbLog(tmp_path / "log")
    log.append(checker.check([play(2, 2, 1, 0, 0), play(1, 1, 5)], NOW).accepted, arrival_us=NOW)
    log.append(RowChecker(table, "UTC").check([{"video_id": 3, "author_id": 4}], NOW).accepted, arrival_us=NOW)
    report = world.ingest(stream, table, log=log)
    assert report.sources[1].source == "event log"
    assert (report.sources[1].read, report.sources[1].new, report.sources[1].duplicates) == (2, 1, 1)
    both = [("1", -(2**50), None), ("2", 0, NOW)]
    assert world.rows(stream, 'viewer, "offset", arrival') == both
    assert world.rows(table, 'video, author, tags, valid_from, "offset"') == [("3", "4", None, NOW, 2)]
    assert Ingested.of_schemas([stream, table], world.folder).offset == 2
    log.append(checker.check([play(3, 3, 9)], NOW).accepted, arrival_us=NOW + 1)
    log.append([NewEvent("plays", b"x", 0, b"\xc1"), NewEvent("other", b"x", 0, b"")], arrival_us=NOW + 1)
    world.ingest(stream, table, log=log)
    assert world.rows(stream, 'viewer, "offset", arrival') == [*both, ("3", 3, NOW + 1)]
    assert [row["reason"] for row in world.refused("plays")] == ["not a row"]
    world.ingest(stream, table, log=log)
    assert len(world.rows(stream)) == 3
    world.parquet("a.parquet", [play(1, 1, 5), play(3, 3, 9)])
    world.ingest(stream, table, log=log)
    assert world.rows(stream, 'viewer, "offset"') == [("1", -(2**50)), ("3", -(2**50) + 1), ("2", 0)]
    log.close()


def test_a_posted_version_of_a_tables_row_corrects_the_one_from_the_file(world, tmp_path):
    world.parquet("v.parquet", [{"video_id": 1, "author_id": 7, "tag": "a", "up": 5}])
    table = videos(sf.Parquet("v.parquet"), valid_from="uploaded", uploaded=sf.Time("up", unit="s"))
    world.ingest(table)
    log = LmdbLog(tmp_path / "log")
    posted = [{"video_id": 1, "author_id": 8, "tag": ["b"], "up": 5}, {"video_id": 1, "author_id": 9, "up": 6}]
    log.append(RowChecker(table, "UTC").check(posted, NOW).accepted, arrival_us=NOW)
    world.ingest(table, log=log)
    assert world.rows(table, "author, tags, valid_from") == [("8", ["b"], 5_000_000), ("9", None, 6_000_000)]
    log.close()


def test_many_runs_with_new_events_keep_the_number_of_files_small(world, tmp_path):
    stream, log = plays([]), LmdbLog(tmp_path / "log")
    checker = RowChecker(stream, "UTC")
    for i in range(40):
        log.append(checker.check([play(i, 1, i)], NOW).accepted, arrival_us=NOW)
        world.ingest(stream, log=log)
    assert len(world.rows(stream)) == 40
    assert len(Ingested.of_schemas([stream], world.folder).files("plays")) < 33
    log.close()


def test_an_optional_key_may_be_null_and_a_row_is_one_event_with_it_and_without(world, tmp_path):
    time, viewer, video = sf.Time("time_ms", unit="ms"), sf.Entity("viewer"), sf.Entity("video")
    rows = [play(None, 1, 5), play(None, 1, 5), play(2, 1, 5), play(None, 1, 6), play(None, None, 7)]
    world.parquet("a.parquet", rows)
    stream = resolve.stream(
        sf.Events(
            "plays", sf.Parquet("a.parquet"), viewer.key("user_id", optional=True), video.key("video_id"), time=time
        )
    )
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.duplicates, one.refused) == (5, 3, 1, 1)
    assert world.rows(stream, "viewer, video, time") == [(None, "1", 5000), ("2", "1", 5000), (None, "1", 6000)]
    posted = RowChecker(stream, "UTC").check([*rows, {"video_id": 1, "time_ms": 5}], 10**15)
    assert [refused.index for refused in posted.refused] == [4]
    ids = [event.event_id for event in posted.accepted]
    assert ids[0] == ids[1] == ids[4]
    assert len(set(ids)) == 3
    log = LmdbLog(tmp_path / "log")
    log.append(posted.accepted, arrival_us=10**15)
    again = world.ingest(stream, log=log)
    log.close()
    assert [one.new for one in again.sources] == [0, 0]
