"""Columns that know the chance in the outcomes are told from those that know what keys are like."""
# U = keys, B = rows

import numpy as np
import pyarrow as pa
import pytest

from sixfold.design.kinds import NUMBER, TEXT, Kind
from sixfold.monitoring.foresight import foresight, lean, repeats
from sixfold.monitoring.strength import codes

KEYS, ROWS = 2000, 12


@pytest.fixture(params=range(5))
def world(request):
    """Keys with a rate of their own, and outcomes drawn by it."""
    rng = np.random.default_rng(request.param)
    rate_U = rng.beta(2, 5, KEYS)
    key_B = np.repeat(np.arange(KEYS), ROWS)
    later_B = np.tile(np.arange(ROWS) >= ROWS // 2, KEYS)
    return rng, rate_U, key_B, later_B, (rng.random(len(key_B)) < rate_U[key_B]).astype(float)


def binned(column_U, key_B):
    edges = np.unique(np.quantile(column_U, np.linspace(0, 1, 51)[1:-1]))
    return np.searchsorted(edges, column_U, "right")[key_B]


def test_what_was_known_before_explains_at_most_what_rows_have_in_common(world):
    rng, rate_U, key_B, later_B, value_B = world
    before_U = rng.binomial(20, rate_U)  # what the same keys did earlier
    for column_U in (rate_U, before_U, rng.random(KEYS), np.ones(KEYS)):
        code_B = binned(column_U, key_B)
        assert not foresight(key_B, code_B, value_B).knows
        assert not lean(key_B, code_B, value_B, later_B).knows


def test_what_was_made_of_the_outcomes_explains_more(world):
    _, _, key_B, _, value_B = world
    total_U = np.bincount(key_B, value_B)
    assert foresight(key_B, binned(total_U, key_B), value_B).knows


def test_what_was_made_of_later_outcomes_leans_to_them():
    rng = np.random.default_rng(9)
    key_B = np.repeat(np.arange(KEYS), ROWS)
    later_B = np.tile(np.arange(ROWS) >= ROWS // 2, KEYS)
    read_off_U = rng.normal(0, 1, KEYS)
    value_B = (rng.random(len(key_B)) < np.clip(0.3 + 0.15 * later_B * read_off_U[key_B], 0, 1)).astype(float)
    seen = lean(key_B, binned(read_off_U, key_B), value_B, later_B)
    assert seen.knows
    assert seen.later > 4 * seen.earlier


def test_outcomes_of_which_each_list_has_just_one_are_no_leak(world):
    rng, _, key_B, _, _ = world
    value_B = np.zeros(len(key_B))
    value_B[np.arange(KEYS) * ROWS + rng.integers(0, ROWS, KEYS)] = 1.0
    seen = foresight(key_B, binned(rng.random(KEYS), key_B), value_B)
    assert seen.common < 0
    assert not seen.knows


def test_nothing_is_said_of_keys_with_one_row_each():
    rows = np.arange(500)
    assert foresight(rows, rows % 3, (rows % 2).astype(float)) is None
    assert lean(rows, rows % 3, (rows % 2).astype(float), rows > 250) is None


def test_a_total_is_recognised_whatever_its_scale_and_a_likeness_is_not():
    rng = np.random.default_rng(0)
    total = rng.poisson(20, 400).astype(float)
    assert repeats(total / 7 + 3, total)
    assert repeats(np.log1p(total), total)
    assert not repeats(total + rng.normal(0, 2, 400), total)
    assert not repeats(total % 5, total % 5), "too few values to tell"


def test_equal_values_have_equal_codes():
    assert codes(pa.array([3.0, None, 1.0, 3.0]), NUMBER).tolist() == [2, 0, 1, 2]
    assert codes(pa.array(["a", None, "b", "a"]), TEXT).tolist() == [1, 0, 3, 1]
    assert codes(pa.array([["a"], None, [], ["b"]], pa.list_(pa.string())), Kind("text", True)).tolist() == [2, 0, 1, 2]
    assert len(set(codes(pa.array(np.arange(1000.0)), NUMBER).tolist())) == 50
