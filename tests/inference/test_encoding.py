"""What training encodes from whole Arrow columns, serving encodes from a few values: the same arrays."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixfold.design.kinds import NUMBER, Kind
from sixfold.features.arrays import column
from sixfold.inference.encoding import Encoder, fit
from sixfold.inference.vocabularies import NULL, UNKNOWN

KINDS = {
    "age": NUMBER,
    "paid": NUMBER,
    "city": Kind("text", domain="city"),
    "likes": Kind("text", is_list=True, domain="item"),
    "item": Kind("text", domain="item"),
}
TYPES = {
    "age": pa.float64(),
    "paid": pa.float64(),
    "city": pa.string(),
    "likes": pa.list_(pa.string()),
    "item": pa.string(),
}
TRAIN = {
    "age": [20.0, 30.0, None, 40.0],
    "paid": [0.0, 10.0, 1000.0, 5.0],
    "city": ["Rome", "Oslo", "Rome", None],
    "likes": [["a", "b"], [], ["c"], ["a", "b", "c"]],
    "item": ["a", "b", "c", "a"],
}


def table(rows):
    return pa.table({name: pa.array(values, TYPES[name]) for name, values in rows.items()})


@pytest.fixture
def encoder():
    return fit(table(TRAIN), KINDS, list(KINDS), raw=["paid"], longest=2)


def test_vocabularies_are_shared_by_domain_and_scales_fitted(encoder):
    assert encoder.vocabularies["item"].texts == ("a", "b", "c")
    assert encoder.vocabularies["city"].texts == ("Oslo", "Rome")
    assert [(s.name, s.log, s.nullable) for s in encoder.numbers] == [("age", True, True), ("paid", True, False)]


def test_null_unknown_and_padding_have_their_codes(encoder):
    row = {"age": [None], "paid": [5.0], "city": [None], "likes": [["b", "z", "a"]], "item": ["new"]}
    arrays = encoder.encode_table(table(row))
    assert arrays["categories"].tolist() == [[NULL, UNKNOWN]]
    assert arrays["likes"].tolist() == [[UNKNOWN, 2]]  # the last two of three; 2 is the first known text
    assert arrays["numbers"][0, :2].tolist() == [0.0, 1.0]  # a null number is 0, and said to be null
    assert arrays["raw:paid"].tolist() == [5.0]


def test_a_rare_text_is_unknown():
    encoder = fit(table(TRAIN), KINDS, ["city"], min_count=2)
    assert encoder.vocabularies["city"].texts == ("Rome",)


def test_one_value_stands_for_all_rows(encoder):
    columns = {name: column(KINDS[name], TRAIN[name][:1]) for name in KINDS}
    columns["item"] = column(KINDS["item"], ["a", "b", "c"])
    arrays = encoder.encode(columns, 3)
    assert arrays["categories"].tolist() == [[3, 2], [3, 3], [3, 4]]
    assert arrays["likes"].tolist() == [[2, 3]] * 3


def test_json_gives_the_same_encoder(encoder):
    assert Encoder.from_json(encoder.to_json()) == encoder


NUMBERS = st.none() | st.floats(-1e6, 1e6)
TEXTS = st.none() | st.sampled_from(["Rome", "Oslo", "a", "b", "nowhere"])
ROWS = st.lists(
    st.tuples(NUMBERS, NUMBERS, TEXTS, st.none() | st.lists(st.sampled_from("abcx"), max_size=4), TEXTS), min_size=1
)


@given(ROWS)
def test_serving_encodes_as_training_does(rows):
    encoder = fit(table(TRAIN), KINDS, list(KINDS), raw=["paid"], longest=2)
    by_name = dict(zip(KINDS, map(list, zip(*rows))))
    ours = encoder.encode({name: column(KINDS[name], by_name[name]) for name in KINDS}, len(rows))
    theirs = encoder.encode_table(table(by_name))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_number_that_never_varied_in_training_says_nothing_later():
    never = pa.table({"same": [0.1, 0.1, 0.1], "null": pa.nulls(3, pa.float64()), "both": [2.0, None, 2.0]})
    kinds = dict.fromkeys(never.column_names, NUMBER)
    made = fit(never, kinds, never.column_names)
    later = pa.table({"same": [0.1, 7.0, None], "null": [5.0, None, -3.0], "both": [2.0, 9.0, None]})
    assert made.encode_table(later)["numbers"].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
