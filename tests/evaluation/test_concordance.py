"""Counting examples that agree on order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sixfold.evaluation.concordance import concordance


def test_the_same_order_agrees_everywhere_and_the_opposite_nowhere():
    labels = np.array([3.0, 1.0, 2.0])
    agree, pairs = concordance(labels * 10, labels)
    assert agree.tolist() == pairs.tolist() == [2, 2, 2]
    assert concordance(-labels, labels)[0].tolist() == [0, 0, 0]


def test_equal_scores_are_half_and_equal_labels_are_left_out():
    agree, pairs = concordance(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]))
    assert agree.tolist() == [1.5, 0.5, 1.0]
    assert pairs.tolist() == [2, 1, 1]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40))
def test_the_counts_are_those_of_comparing_every_pair(pairs):
    scores, labels = np.array(pairs, float).T
    sign = np.sign(scores[:, None] - scores) * np.sign(labels[:, None] - labels)
    differ = labels[:, None] != labels
    agree, comparable = concordance(scores, labels)
    np.testing.assert_array_equal(agree, np.where(differ, (sign + 1) / 2, 0).sum(1))
    np.testing.assert_array_equal(comparable, differ.sum(1))
