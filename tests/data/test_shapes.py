"""Distributions of columns: their bins, their index of stability, and one ingestion beside the next."""

from contextlib import closing

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from test_data_checks import SONGS, make_system

from sixfold.data.checks import profile
from sixfold.data.ingest import ingest
from sixfold.data.ingested import Ingested
from sixfold.data.shapes import NAME, psi, shape
from sixfold.design.kinds import Kind
from sixfold.errors import IngestedDamaged

NUMBER, TEXT, FLAG = Kind("number"), Kind("text"), Kind("flag")


def column(values, type_=None):
    return pa.chunked_array([pa.array(values, type_)])


def test_few_numbers_have_a_bin_each_and_many_share_bins_of_equal_width():
    found = shape(column([1.0, 2.0, 2.0, None, 5.0]), NUMBER)
    assert (found.edges, found.counts, found.nulls) == ([1, 2, 5], [0, 1, 2, 1], 1)
    many = shape(column(np.arange(1001.0)), NUMBER)
    assert len(many.edges) == 21
    assert np.allclose(np.diff(many.edges), 49)
    assert (many.edges[0], many.edges[-1], sum(many.counts)) == (10, 990, 1001)
    other = shape(column([-7.0, 3000.0, np.nan]), NUMBER, like=many)
    assert (other.counts[0], other.counts[-1], other.nulls) == (1, 1, 1)


def test_texts_keep_their_most_frequent_values_and_ids_have_none():
    found = shape(column(["a", "b", "b", None] + [f"c{i}" for i in range(30)]), TEXT)
    assert found.values[:2] == ["b", "a"]
    assert (len(found.values), found.counts[:2], found.counts[-1], found.nulls) == (20, [2, 1], 12, 1)
    assert shape(column([f"id{i}" for i in range(1_001)]), TEXT) is None
    assert shape(column([True, False, True, None]), FLAG).values == ["true", "false"]
    assert shape(column([["x"], [], None, ["x", "y"]], pa.list_(pa.string())), Kind("text", is_list=True)).edges == [
        0, 1, 2,
    ]  # fmt: skip


@pytest.mark.parametrize("values", [[], [None, None]])
def test_columns_without_a_value(values):
    assert shape(column(values, pa.float64()), NUMBER).counts == [0]
    assert shape(column(values, pa.string()), TEXT).counts == [0]


def test_the_index_is_0_for_the_same_and_what_the_formula_says_for_another():
    one = shape(column([0.0] * 50 + [1.0] * 50), NUMBER)
    assert psi(one, one) == 0
    other = shape(column([0.0] * 80 + [1.0] * 20), NUMBER, like=one)
    p, q = np.array([0.5, 50.5, 50.5, 0.5]) / 102, np.array([0.5, 80.5, 20.5, 0.5]) / 102
    assert psi(one, other) == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert psi(one, other) > 0.25


def plays(seconds):
    return "member,song,at,liked,seconds\n" + "".join(f"a,x,{i * 60},0,{s}\n" for i, s in enumerate(seconds))


def look(folder, *checks):
    system = make_system(*checks)
    report = ingest(system, folder, folder / "work" / "ingested", now_us=10**15)
    with closing(duckdb.connect()) as con:
        return profile(con, system, Ingested.of(system, folder / "work" / "ingested"), report)


def test_an_ingestion_is_compared_with_the_one_before_until_the_data_changes_again(tmp_path):
    (tmp_path / "songs.csv").write_text(SONGS)
    check = "psi(plays.seconds) <= 0.25"
    (tmp_path / "plays.csv").write_text(plays(range(100)))
    first = look(tmp_path, check)
    assert (first.measures["psi", "plays", "seconds"], first.failed) == (0, ())
    (tmp_path / "plays.csv").write_text(plays(range(100, 300)))
    for _ in range(2):
        found = look(tmp_path, check)
        assert found.measures["psi", "plays", "seconds"] > 5
        assert [one.text for one, _ in found.failed] == [check]
        assert found.measures["psi", "songs", "label"] == 0
    (tmp_path / "plays.csv").write_text(plays(range(101, 301)))
    assert look(tmp_path, check).failed == ()
    assert "plays.member" not in (tmp_path / "work" / NAME).read_text(), "keys are not copied"

    (tmp_path / "work" / NAME).write_text("{")
    with pytest.raises(IngestedDamaged, match=r"shapes\.json.*Delete the file"):
        look(tmp_path, check)
