"""Re-ranking chooses the best that is allowed, and knows how probable each choice was."""

import numpy as np
import pytest

import sixfold as sf
from sixfold.design.kinds import Kind
from sixfold.features.arrays import column
from sixfold.serving.rerank import rerank, seed_of

TEXT = Kind("text")


class Named:
    """Stands where a design has a column."""

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return self.name


SHOP = Named("items.shop")


def shops(*names):
    return {"items.shop": column(TEXT, names)}


def test_without_steps_the_largest_values_come_first_and_ties_keep_their_order():
    picks = rerank(np.array([1.0, 3.0, np.nan, 3.0]), [], {}, 10, seed=0)
    assert picks.rows.tolist() == [1, 3, 0, 2]
    assert picks.propensities.tolist() == [1.0] * 4


def test_at_most_n_of_a_value_and_null_is_not_limited():
    columns = shops("a", "a", "a", "b", None, None)
    picks = rerank(np.arange(6, 0, -1.0), [sf.AtMost(1, SHOP)], columns, 10, seed=0)
    assert picks.rows.tolist() == [0, 3, 4, 5]


def test_at_most_counts_each_element_of_a_list():
    columns = {"items.shop": column(Kind("text", is_list=True), [["a", "b"], ["b"], ["c"], []])}
    picks = rerank(np.arange(4, 0, -1.0), [sf.AtMost(1, SHOP)], columns, 10, seed=0)
    assert picks.rows.tolist() == [0, 2, 3]


def test_a_column_of_one_row_stands_for_all():
    picks = rerank(np.array([1.0, 2.0, 3.0]), [sf.AtMost(2, SHOP)], shops("a"), 10, seed=0)
    assert picks.rows.tolist() == [2, 1]


def test_at_most_also_takes_numbers():
    columns = {"items.shop": column(Kind("number"), [1.0, 1.0, 2.0])}
    assert rerank(np.array([3.0, 2.0, 1.0]), [sf.AtMost(1, SHOP)], columns, 3, seed=0).rows.tolist() == [0, 2]


def test_no_candidates_give_no_items():
    picks = rerank(np.empty(0), [sf.Explore(0.5)], {}, 5, seed=0)
    assert len(picks.rows) == len(picks.propensities) == 0


def test_exploring_shows_each_candidate_as_often_as_its_propensity_says():
    values, share, rounds = np.array([3.0, 2.0, 1.0]), 0.3, 4000
    first = [rerank(values, [sf.Explore(share)], {}, 1, seed) for seed in range(rounds)]
    shown = np.bincount([picks.rows[0] for picks in first], minlength=3) / rounds
    told = {int(picks.rows[0]): float(picks.propensities[0]) for picks in first}
    assert told == {0: pytest.approx(0.8), 1: pytest.approx(0.1), 2: pytest.approx(0.1)}
    assert shown == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_propensities_count_only_what_is_still_allowed():
    columns = shops("a", "a", "b")
    picks = rerank(np.array([3.0, 2.0, 1.0]), [sf.AtMost(1, SHOP), sf.Explore(0.5)], columns, 3, seed=0)
    # Once an a is chosen the b alone is left, and it is certain; after the b both a remain.
    assert picks.rows.tolist() == [0, 2]
    assert picks.propensities.tolist() == pytest.approx([0.5 + 0.5 / 3, 1.0])


def test_the_same_request_is_answered_the_same_way():
    values = np.random.default_rng(0).random(50)
    runs = [rerank(values, [sf.Explore(0.5)], {}, 20, seed_of("abc")).rows.tolist() for _ in range(2)]
    assert runs[0] == runs[1] != rerank(values, [sf.Explore(0.5)], {}, 20, seed_of("abd")).rows.tolist()
