"""Rows to predict: read a column at a time where they are plain, row by row where they are not, to the same columns."""

import json

import pytest
from shop_release import DESIGN

from sixfold.design import load
from sixfold.errors import InvalidRequest
from sixfold.serving.requests import prediction, question

NOW = 1_714_521_600_000_000


@pytest.fixture(scope="module")
def system():
    return load(DESIGN)


def columns(system, rows):
    read = prediction(json.dumps({"rows": rows}).encode(), system, NOW)
    return {name: array.to_list() for name, array in read.columns.items()}


def test_plain_rows_and_others_are_read_alike(system):
    plain = [{"person": "1", "item": "i1", "page": "home"}, {"person": "2", "item": None}, {"visits.page": "end"}]
    assert columns(system, plain[:2]) == {
        "person": ["1", "2"],
        "item": ["i1", None],
        "visits.page": ["home", None],
    }
    # A key as a number, and two spellings of one column, are no plain rows.
    assert columns(system, [{**plain[0], "person": 1}, plain[1]]) == columns(system, plain[:2])
    assert columns(system, plain)["visits.page"] == ["home", None, "end"]
    assert columns(system, []) == {"person": [], "item": [], "visits.page": []}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"person": "1"}, 7], r"rows\[1\] must be an object, got 7"),
        ([{"person": "1"}, {"perso": "1"}], r"rows\[1\] must be an object with person, item, .*got 'perso'"),
        ([{"person": ["1"]}], r"person must be a text or a number"),
        ([{"person": "1" * 1001}], r"person must be at most 1000 characters long"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(system, rows, reason):
    with pytest.raises(InvalidRequest, match=reason):
        columns(system, rows)


def test_a_request_says_what_columns_of_the_items_may_be(system):
    body = {"person": None, "only": {"shop": ["s1", 2], "item": ["i1"]}}
    asked = question(json.dumps(body).encode(), system, NOW)
    assert asked.key is None
    assert asked.only == {"items.shop": frozenset({"s1", "2"}), "item": frozenset({"i1"})}


@pytest.mark.parametrize(
    ("only", "reason"),
    [
        ([], "only must be an object of columns with lists of values"),
        ({"shop": "s1"}, r"only.shop must be a list of texts or numbers, got 's1'"),
        ({"price": [1]}, "only must be an object with .*got 'price'"),
        ({"city": ["Rome"]}, "only must be an object with .*got 'city'"),
        ({"shop": [[1]]}, "only.shop must be a text or a number"),
    ],
)
def test_what_is_wrong_with_it_is_named(system, only, reason):
    with pytest.raises(InvalidRequest, match=reason):
        question(json.dumps({"person": "1", "only": only}).encode(), system, NOW)
