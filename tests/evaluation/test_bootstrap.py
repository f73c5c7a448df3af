"""Intervals cover what they should, and pairing cancels what two models share."""

import numpy as np

from sixfold.evaluation.bootstrap import Measured, difference, measure
from sixfold.evaluation.score_metrics import score_statistic


def errors(values, users=None):
    """A statistic whose value is the mean of `values`."""
    users = np.arange(len(values)) if users is None else users
    return score_statistic("mae", values, np.zeros(len(values)), users)


def test_the_interval_of_a_mean_is_its_normal_interval():
    values = np.random.default_rng(0).uniform(0, 1, 2000)
    found = measure(errors(values), replicates=2000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose([found.low, found.high], [values.mean() - half, values.mean() + half], atol=0.1 * half)


def test_the_interval_covers_the_truth_about_95_times_of_100_where_users_differ():
    rng, covered = np.random.default_rng(1), 0
    for seed in range(200):
        users = np.repeat(np.arange(80), rng.integers(1, 12, 80))
        level = rng.uniform(0, 2, 80)
        found = measure(errors(level[users] + rng.uniform(0, 2, len(users)), users), seed=seed)
        covered += found.low <= 2 <= found.high
    assert 180 <= covered <= 198


def test_examples_of_one_user_count_as_one_draw():
    values = np.random.default_rng(2).uniform(0, 1, 100)
    copied = errors(np.repeat(values, 50), np.repeat(np.arange(100), 50))
    one, many = measure(errors(values), seed=4), measure(copied, seed=4)
    np.testing.assert_allclose([many.low, many.high], [one.low, one.high])


def test_the_same_seed_gives_the_same_interval():
    statistic = errors(np.random.default_rng(2).uniform(0, 1, 100))
    assert measure(statistic, seed=7) == measure(statistic, seed=7)
    assert measure(statistic, seed=7) != measure(statistic, seed=8)


def test_a_small_but_steady_lead_is_clear_of_zero_only_when_paired():
    values = np.random.default_rng(3).uniform(0, 1, 500)
    worse, better = errors(values + 0.01), errors(values)
    apart = difference(worse, better)
    np.testing.assert_allclose([apart.value, apart.low, apart.high], 0.01)
    assert measure(worse).low < measure(better).high


def test_the_difference_of_a_statistic_from_itself_is_nothing():
    rng = np.random.default_rng(4)
    statistic = score_statistic("auc", rng.random(300), rng.integers(0, 2, 300), rng.integers(0, 40, 300))
    assert difference(statistic, statistic) == Measured(0.0, 0.0, 0.0)


def test_statistics_of_different_users_are_compared_over_all_of_them():
    rng = np.random.default_rng(5)
    left, right = errors(rng.uniform(0, 1, 300)), errors(rng.uniform(0, 1, 300), np.arange(100, 400))
    apart = difference(left, right)
    assert apart.low < apart.value < apart.high
    assert np.isclose(apart.value, measure(left).value - measure(right).value)


def test_a_difference_from_what_has_no_value_has_none():
    nothing = score_statistic("mae", [], [], [])
    apart = difference(errors([1.0, 2.0]), nothing)
    assert apart.why == "no example has the label"
    assert np.isnan(apart.value)


def test_one_user_has_a_value_and_no_spread():
    assert measure(errors([0.25, 0.75], np.array([1, 1]))) == Measured(0.5, 0.5, 0.5)


def test_draws_of_one_class_only_are_left_out_of_the_interval():
    found = measure(score_statistic("auc", [0.1, 0.9], [0, 1], np.array(["a", "b"])))
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
