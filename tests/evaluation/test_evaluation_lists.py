"""Ranks of relevant items and the metrics of lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from sixfold.evaluation import lists
from sixfold.evaluation.bootstrap import measure
from sixfold.evaluation.lists import Ranks, list_statistic, rank_in_lists, rank_items


def rank(scores, relevant, keep=None):
    """Ranks for a matrix of scores, a list of (query, item) pairs and a matrix of what is kept."""
    scores = np.asarray(scores, float)
    keep = np.ones(scores.shape, bool) if keep is None else np.asarray(keep, bool)
    query, item = np.array(relevant, np.int64).reshape(-1, 2).T
    size = {"queries": len(scores), "items": scores.shape[1]}
    return rank_items(lambda q: scores[q], lambda q: keep[q], query_P=query, item_P=item, **size)


def value(name, k, ranks, users=None, among=None):
    users = np.arange(ranks.query_P.max(initial=0) + 1) if users is None else np.asarray(users)
    return measure(list_statistic(name, k, ranks, users, among_Q=among)).value


def test_items_stand_by_score_and_equal_ones_in_their_order():
    found = rank([[5, 9, 5, 5]], [(0, 3), (0, 1), (0, 2), (0, 0)])
    assert found.rank_P.tolist() == [2, 1, 3, 4]


def test_an_item_that_is_not_kept_stands_before_nothing_and_is_not_relevant():
    found = rank([[9, 8, 7], [9, 8, 7]], [(0, 0), (0, 2), (1, 0)], keep=[[0, 1, 1], [0, 1, 1]])
    assert found.query_P.tolist() == [0]
    assert found.rank_P.tolist() == [2]


def test_an_item_without_a_score_goes_last_but_is_in_the_list():
    found = rank([[np.nan, -np.inf, 1, np.nan]], [(0, 0), (0, 1), (0, 2), (0, 3)], keep=[[1, 0, 1, 1]])
    assert found.rank_P.tolist() == [2, 1, 3]


def test_one_mask_may_stand_for_all_queries():
    scores = np.array([[3.0, 2.0, 1.0]] * 4)
    pairs = {"query_P": np.arange(4), "item_P": np.full(4, 2)}
    found = rank_items(lambda q: scores[q], lambda q: np.array([[True, False, True]]), **pairs, queries=4, items=3)
    assert found.rank_P.tolist() == [2, 2, 2, 2]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 12), st.integers(1, 40))
def test_ranks_are_those_of_a_stable_sort_whatever_the_size_of_a_block(seed, queries, items, block):
    rng = np.random.default_rng(seed)
    scores, keep = rng.integers(0, 4, (queries, items)).astype(float), rng.random((queries, items)) < 0.7
    relevant = np.argwhere(rng.random((queries, items)) < 0.4)
    expected = {}
    for query in range(queries):
        kept = np.flatnonzero(keep[query])
        order = kept[np.argsort(-scores[query, kept], kind="stable")]
        expected |= {(query, item): place + 1 for place, item in enumerate(order.tolist())}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "_BLOCK", block)
        found = rank(scores, rng.permutation(relevant), keep)
    wanted = [(q, expected[q, i]) for q, i in relevant.tolist() if (q, i) in expected]
    assert list(zip(found.query_P.tolist(), found.rank_P.tolist())) == wanted


def test_ranks_of_answered_lists():
    answered = np.array([[4, 7, 1], [2, -1, -1]])
    found = rank_in_lists(answered, query_P=np.array([1, 0, 0]), item_P=np.array([3, 1, 4]))
    assert found.query_P.tolist() == [0, 0, 1]
    assert found.rank_P.tolist() == [3, 1, np.inf]


TWO = Ranks(np.array([0, 0, 0, 1]), np.array([1.0, 4.0, np.inf, 3.0]))


def test_recall_is_the_mean_over_queries_of_hits_by_relevant():
    assert value("recall", 3, TWO) == pytest.approx((1 / 3 + 1) / 2)
    assert value("recall", 2, TWO) == pytest.approx((1 / 3 + 0) / 2)


def test_hit_and_mrr_look_at_the_first_relevant_item():
    assert value("hit", 2, TWO) == 0.5
    assert value("mrr", None, TWO) == pytest.approx((1 + 1 / 3) / 2)
    assert value("mrr", 2, TWO) == 0.5


def test_ndcg_is_one_for_a_perfect_list_even_with_more_relevant_items_than_places():
    assert value("ndcg", 2, Ranks(np.zeros(3, int), np.array([1.0, 2.0, 3.0]))) == 1
    assert value("ndcg", 10, Ranks(np.zeros(3, int), np.array([1.0, 2.0, 3.0]))) == 1


def test_ndcg_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, relevant = rng.random((30, 50)), rng.random((30, 50)) < 0.1
    relevant[:, 0] = True
    assert value("ndcg", 10, rank(scores, np.argwhere(relevant))) == pytest.approx(ndcg_score(relevant, scores, k=10))


def test_a_query_without_relevant_items_takes_no_part():
    alone = Ranks(np.array([2]), np.array([1.0]))
    assert value("recall", 5, alone, users=["a", "b", "c", "d"]) == 1


def test_a_slice_is_a_mask_of_the_queries():
    assert value("recall", 3, TWO, among=np.array([False, True])) == 1


def test_no_relevant_item_at_all_is_no_value():
    nobody = list_statistic("recall", 5, Ranks(np.empty(0, int), np.empty(0)), np.arange(3))
    assert nobody.why == "no query has a relevant item"
    assert np.isnan(measure(nobody).value)


def test_users_who_ask_often_are_drawn_as_one():
    ranks = Ranks(np.arange(6), np.array([1.0, 1, 1, 9, 9, 9]))
    statistic = list_statistic("recall", 5, ranks, np.array(list("aaabbb")))
    assert statistic.users.tolist() == ["a", "b"]
    assert statistic.values(np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])).tolist() == [0.5, 1.0, 0.0]


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_rows_of_lists_rank_as_a_matrix_does(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, rng.integers(1, 6))
    number = np.repeat(np.sort(rng.choice(100, len(sizes), replace=False)), sizes)
    scores = rng.choice([0.0, 1.0, 2.0, np.nan], len(number))
    kept, own = rng.random(len(number)) < 0.8, np.zeros(len(number), bool)
    starts = np.cumsum(sizes) - sizes
    own[starts + rng.integers(0, sizes)] = True
    found = lists.rank_rows(scores, list_N=number, own_N=own, kept_N=kept)
    assert found.query_P.tolist() == list(range(len(sizes)))
    for at, (start, size) in enumerate(zip(starts, sizes)):
        part = slice(start, start + size)
        mine = int(np.flatnonzero(own[part])[0])
        if not kept[part][mine]:
            assert np.isinf(found.rank_P[at]), "what a filter rules out is missed"
            continue
        keep = kept[part].copy()
        matrix = rank([scores[part]], [(0, mine)], keep=[keep])
        assert found.rank_P[at] == matrix.rank_P[0]
