"""What is wrong with a source as a whole is one error that says where, what and how to mend it."""

import json
import pickle
import re
from pathlib import Path

import pytest
from sources_world import World, play, plays

import sixfold as sf
from sixfold.data.ingested import Ingested
from sixfold.errors import (
    IngestedDamaged,
    MissingColumn,
    NoSuchFile,
    QueryFailed,
    SourceUnreadable,
    TimeWithoutUnit,
    WrongColumn,
)

HERE = r"(tests/data/)?test_data_errors\.py:\d+: "


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def fails(world, error, stream, words):
    with pytest.raises(error, match=f"^{HERE}{re.escape(words)}$") as raised:
        world.ingest(stream)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_no_file_matches(world):
    words = f"Events plays reads 'l*.parquet', but no such file is in {world.data}"
    fails(world, NoSuchFile, plays(sf.Parquet("l*.parquet")), words)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_file_lacks_a_column(world, kind):
    row = play(1, 1, 5)
    row["is_clik"] = row.pop("is_click")
    world.parquet("a.parquet", [row])
    world.json_lines("a.jsonl", [row])
    world.text("a.csv", ",".join(row) + "\n1,1,5,1,1\n")
    source = {"parquet": sf.Parquet, "csv": sf.Csv, "jsonl": sf.JsonLines}[kind](f"a.{kind}")
    words = f"Events plays reads column 'is_click', which a.{kind} does not have. Did you mean 'is_clik'?"
    fails(world, MissingColumn, plays(source), words)


def test_a_query_does_not_select_a_key(world):
    world.parquet("a.parquet", [play(1, 1, 5)])
    source = sf.Query("select user_id, time_ms from a", a=sf.Parquet("a.parquet"))
    words = "Events plays reads column 'video_id', which query over a.parquet does not have."
    fails(world, MissingColumn, plays(source), words)


def test_a_number_column_of_text_only(world):
    world.parquet("a.parquet", [play(1, 1, 5, play_ms=None), play(1, 2, 5, play_ms="long"), play(1, 3, 5, play_ms="x")])
    words = (
        "Events plays declares 'play_ms' as number, but no value of it in a.parquet is one: "
        "row 2 has 'long' is not a number"
    )
    fails(world, WrongColumn, plays(sf.Parquet("a.parquet")), words)


def test_a_column_whose_type_can_never_be_what_is_declared(world):
    world.parquet("a.parquet", [play(1, 1, 5, play_ms=[1])])
    words = "Events plays declares 'play_ms' as number, but no value of it in a.parquet is one: its type is BIGINT[]"
    fails(world, WrongColumn, plays(sf.Parquet("a.parquet")), words)


def test_a_time_in_numbers_without_a_unit(world):
    world.parquet("a.parquet", [play(1, 1, 5)])
    words = (
        "Events plays declares 'time_ms' as a time, and in a.parquet it holds numbers (BIGINT). "
        "Say their unit: Time('time_ms', unit='ms')."
    )
    fails(world, TimeWithoutUnit, plays(sf.Parquet("a.parquet"), time=sf.Time("time_ms")), words)


@pytest.mark.parametrize(
    ("source", "shown"), [(sf.Csv("a.csv"), "'1767247680'"), (sf.JsonLines("a.jsonl"), "1767247680")]
)
def test_a_time_in_numbers_without_a_unit_in_a_file_without_types(world, source, shown):
    world.text("a.csv", "user_id,video_id,time_ms,is_click,play_ms\n1,2,1767247680,1,5\n")
    world.text("a.jsonl", json.dumps(play(1, 2, 1767247680)) + "\n")
    words = (
        f"Events plays declares 'time_ms' as a time, and in {source} it holds numbers (row 1: {shown}). "
        "Say their unit: Time('time_ms', unit='ms')."
    )
    fails(world, TimeWithoutUnit, plays(source, time=sf.Time("time_ms")), words)


def test_a_file_that_is_not_what_it_seems(world):
    world.text("a.parquet", "this is not a Parquet file at all")
    words = "Events plays reads a.parquet, which cannot be read: "
    with pytest.raises(SourceUnreadable, match=f"^{HERE}{words}.*[Pp]arquet.*$"):
        world.ingest(plays(sf.Parquet("a.parquet")))


def test_a_parquet_file_that_is_cut_off_or_damaged_within(world):
    world.parquet("a.parquet", [play(i, 1, i) for i in range(5000)])
    whole = (world.data / "a.parquet").read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:100] + bytes(2000) + whole[2100:]):
        (world.data / "a.parquet").write_bytes(damaged)
        with pytest.raises(SourceUnreadable, match=r"Events plays reads a\.parquet, which cannot be read: "):
            world.ingest(plays(sf.Parquet("a.parquet")))


def test_a_query_that_cannot_be_run(world):
    world.parquet("a.parquet", [play(1, 1, 5)])
    source = sf.Query("select * from b", a=sf.Parquet("a.parquet"))
    with pytest.raises(QueryFailed, match=f"^{HERE}the query of Events plays cannot be run: Catalog Error: .*b.*$"):
        world.ingest(plays(source))
    source = sf.Query("select * replace (cast('x' || user_id as int) as user_id) from a", a=sf.Parquet("a.parquet"))
    with pytest.raises(QueryFailed, match=r"cannot be run: Conversion Error: Could not convert string 'x1' to INT32$"):
        world.ingest(plays(source))


def test_an_error_leaves_what_was_ingested_as_it_was(world):
    world.parquet("a.parquet", [play(1, 1, 5)])
    stream = plays(sf.Parquet("a.parquet"))
    world.ingest(stream)
    world.text("a.parquet", "broken")
    with pytest.raises(SourceUnreadable):
        world.ingest(stream)
    assert len(world.rows(stream)) == 1


def test_a_damaged_manifest_and_a_lost_file(world):
    world.parquet("a.parquet", [play(1, 1, 5)])
    stream = plays(sf.Parquet("a.parquet"))
    world.ingest(stream)
    folder = world.folder / "plays"
    (folder / "files-000001.parquet").unlink()
    words = "the ingested data cannot be read: files-000001.parquet is gone. Delete the folder and run again."
    with pytest.raises(IngestedDamaged, match=f"^{re.escape(f'{folder}: {words}')}$"):
        Ingested.of_schemas([stream], world.folder).sql("plays")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(IngestedDamaged, match=r"manifest\.json: .*Delete the folder and run again\.$"):
        Ingested.of_schemas([stream], world.folder).sql("plays")
