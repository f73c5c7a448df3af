"""Pacing and second prices: whose budget lasts, and what each item would pay."""

import numpy as np
import pytest

import sixfold as sf
from sixfold.design.columns import Column
from sixfold.design.kinds import NUMBER, Kind
from sixfold.errors import InvalidField
from sixfold.features.arrays import column
from sixfold.serving.pacing import chances
from sixfold.serving.rerank import rerank

BID = Column("ads", "bid")


def auction(values, bids=None, *, reserve=0.0, k=10, takes_part=None, extra=()):
    steps = [*extra, sf.SecondPrice(BID if bids is not None else None, reserve=reserve)]
    columns = {"ads.bid": column(NUMBER, bids)} if bids is not None else {}
    part = None if takes_part is None else np.array(takes_part)
    return rerank(np.array(values), steps, columns, k, seed=1, takes_part=part)


def test_each_pays_what_the_next_would_have_been_worth():
    # A click is worth 2, 1 and 4, and comes with .5, .8 and .1: the values of an impression are 1, .8 and .4.
    picks = auction([1.0, 0.8, 0.4], [2.0, 1.0, 4.0], k=2)
    assert picks.rows.tolist() == [0, 1]
    assert picks.prices == pytest.approx([0.8 / 0.5, 0.4 / 0.8])


def test_without_a_bid_the_price_is_that_of_being_shown():
    assert auction([1.0, 0.8, 0.4], k=2).prices == pytest.approx([0.8, 0.4])


def test_the_last_pays_the_reserve_and_what_is_worth_less_is_not_shown():
    picks = auction([0.3, 0.05, 0.02], [3.0, 1.0, 1.0], reserve=0.04)
    assert picks.rows.tolist() == [0, 1]
    assert picks.prices == pytest.approx([3 * 0.05 / 0.3, 1 * 0.04 / 0.05])


def test_bids_of_zero_pay_nothing_and_are_shown_only_without_a_reserve():
    assert auction([0.0, 0.0], [0.0, 0.0]).prices.tolist() == [0.0, 0.0]
    assert not len(auction([0.0, np.nan], [0.0, None], reserve=0.01).rows)


def test_who_does_not_take_part_sets_no_price():
    picks = auction([1.0, 0.8, 0.4], [2.0, 1.0, 4.0], takes_part=[True, False, True])
    assert picks.rows.tolist() == [0, 2]
    assert picks.prices == pytest.approx([2 * 0.4, 0.0])


def test_what_a_limit_rules_out_still_sets_the_price():
    kind = Kind("text")
    columns = {"ads.bid": column(NUMBER, [1.0, 1.0, 1.0]), "ads.owner": column(kind, ["a", "a", "b"])}
    steps = [sf.AtMost(1, Column("ads", "owner")), sf.SecondPrice(BID)]
    picks = rerank(np.array([1.0, 0.8, 0.4]), steps, columns, 5, seed=1)
    assert picks.rows.tolist() == [0, 2]
    assert picks.prices == pytest.approx([0.8, 0.0])


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_nobody_ever_pays_more_than_the_bid(share):
    rng = np.random.default_rng(0)
    for seed in range(50):
        bids = rng.uniform(0, 5, 20)
        chance = rng.uniform(0, 0.2, 20)
        steps = [sf.Explore(share), sf.SecondPrice(BID, reserve=0.01)]
        picks = rerank(bids * chance, steps, {"ads.bid": column(NUMBER, bids.tolist())}, 5, seed)
        assert (picks.prices <= bids[picks.rows] * (1 + 1e-12)).all()
        assert (picks.prices >= 0).all()


def test_budgets_take_part_as_long_as_they_are_within_their_plan():
    spent = np.array([0.0, 40.0, 50.0, 80.0, 100.0, 120.0, np.nan, 7.0, 1.0])
    budget = np.array([100.0] * 7 + [np.nan, 0.0])
    found = chances(spent, budget, passed=0.5)
    assert found == pytest.approx([1, 1, 1, 50 / 80, 0, 0, 1, 1, 0])


def test_at_midnight_nothing_was_planned_and_who_has_spent_nothing_takes_part():
    assert chances(np.array([0.0, 0.1]), np.array([10.0, 10.0]), passed=0.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("reserve", [-0.1, float("inf"), float("nan"), True])
def test_a_reserve_is_a_number_from_zero_on(reserve):
    with pytest.raises(InvalidField, match=r"SecondPrice.reserve must be 0 or more"):
        sf.SecondPrice(reserve=reserve)
