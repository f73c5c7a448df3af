"""Columns between Arrow and NumPy."""

import pyarrow as pa
import pytest

from sixfold.design.kinds import FLAG, NUMBER, TEXT, TIME, Kind
from sixfold.features.arrays import column, from_arrow, to_arrow

CASES = [
    (NUMBER, pa.float64(), [1.5, None, 0.0]),
    (FLAG, pa.bool_(), [True, None, False]),
    (TIME, pa.int64(), [2**61, None, -(2**61)]),
    (TEXT, pa.string(), ["a", None, ""]),
    (Kind("text", is_list=True), pa.list_(pa.string()), [["a", "b"], None, [], ["c"]]),
    (Kind("number", is_list=True), pa.list_(pa.float64()), [[], [0.5], None]),
]


@pytest.mark.parametrize(("kind", "type_", "items"), CASES)
def test_a_column_comes_back_from_arrow_as_it_went(kind: Kind, type_: pa.DataType, items: list[object]) -> None:
    arrow = pa.chunked_array([pa.array(items[:1], type_), pa.array(items[1:], type_)])
    arrays = from_arrow(arrow, kind)
    assert arrays.to_list() == items
    back = to_arrow(arrays, kind, len(items))
    assert back.type == type_
    assert back.to_pylist() == items


def test_a_list_loses_its_nulls_and_a_slice_its_neighbours() -> None:
    lists = pa.array([["x"], ["a", None, "b"], None, [None]], pa.list_(pa.string())).slice(1)
    assert from_arrow(lists, Kind("text", is_list=True)).to_list() == [["a", "b"], None, []]


@pytest.mark.parametrize(("kind", "item"), [(NUMBER, 2.0), (TEXT, None), (Kind("text", is_list=True), ["a", "b"])])
def test_one_value_stands_for_every_row(kind: Kind, item: object) -> None:
    assert to_arrow(column(kind, [item]), kind, 3).to_pylist() == [item] * 3
