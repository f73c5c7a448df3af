"""Columns of sources that come, go or change their type are told until the source is read again."""

from pathlib import Path

import pytest
from sources_world import World, play, plays

import sixfold as sf


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def changes(world, stream):
    return world.ingest(stream).drift


def test_the_first_reading_and_the_same_columns_are_no_drift(world):
    stream = plays(sf.Parquet("a.parquet"))
    world.parquet("a.parquet", [play(1, 1, 5)])
    assert changes(world, stream) == []
    world.parquet("a.parquet", [play(1, 1, 5), play(2, 1, 5)])
    assert changes(world, stream) == []


def test_columns_that_came_went_or_have_another_type_are_told_until_the_source_is_read_again(world):
    stream = plays(sf.Parquet("a.parquet"))
    world.parquet("a.parquet", [{**play(1, 1, 5), "page": 1}])
    world.ingest(stream)
    world.parquet("a.parquet", [{**play("1", 1, 5), "place": "x"}])
    told = [
        "plays, a.parquet: page is gone",
        "plays, a.parquet: user_id was BIGINT and is VARCHAR",
        "plays, a.parquet: place is new (VARCHAR)",
    ]
    assert changes(world, stream) == told
    assert changes(world, stream) == told
    world.parquet("a.parquet", [{**play("1", 1, 5), "place": "x"}, {**play("2", 1, 5), "place": "x"}])
    assert changes(world, stream) == []


def test_a_design_that_reads_otherwise_does_not_hide_drift(world):
    world.parquet("a.parquet", [play(1, 1, 5)])
    world.ingest(plays(sf.Parquet("a.parquet")))
    world.parquet("a.parquet", [{**play(1, 1, 5), "page": 1}])
    stream = plays(sf.Parquet("a.parquet"), watched_s=sf.Number("play_ms", unit="s"))
    assert changes(world, stream) == ["plays, a.parquet: page is new (BIGINT)"]


def test_text_formats_have_names_and_no_types(world):
    for name, source in (("a.csv", sf.Csv("a.csv")), ("a.jsonl", sf.JsonLines("a.jsonl"))):
        world.folder = world.data.parent / name / "ingested"
        stream = plays(source)
        for rows in ([play(1, 1, 5)], [{**play("one", 1, 5), "page": 1}]):
            if name == "a.csv":
                world.text(name, "\n".join(",".join(map(str, x)) for x in (rows[0], rows[0].values())) + "\n")
            else:
                world.json_lines(name, rows)
            told = changes(world, stream)
        assert told == [f"plays, {name}: page is new"]


def test_files_of_one_source_are_seen_together(world):
    stream = plays(sf.Parquet("log-*.parquet"))
    world.parquet("log-1.parquet", [play(1, 1, 5)])
    world.ingest(stream)
    world.parquet("log-2.parquet", [play("2", 1, 5)])
    assert changes(world, stream) == ["plays, log-*.parquet: user_id was BIGINT and is BIGINT | VARCHAR"]
