"""Probabilities beside what came of them: overall, by decile, by slice."""

import numpy as np
import pytest

from sixfold.evaluation.bootstrap import measure
from sixfold.evaluation.reliability import reliability
from sixfold.evaluation.score_metrics import score_statistic


def world(rows=50_000, factor=1.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.01, 0.2, rows)
    label = (rng.random(rows) < truth).astype(float)
    return truth * factor, label, rng.integers(0, rows // 3, rows)


def test_true_probabilities_are_reliable_in_every_decile():
    score, label, users = world()
    found = reliability(score, label, users, {"low": score < 0.05, "none": score > 1})
    assert found.overall.low < 1 < found.overall.high
    assert len(found.deciles) == 10
    assert sum(one.examples for one in found.deciles) == len(score)
    assert [one.said for one in found.deciles] == sorted(one.said for one in found.deciles)
    assert sum(one.low < 1 < one.high for one in found.deciles) >= 8
    assert set(found.slices) == {"low"}
    assert found.slices["low"].said < 0.05


def test_a_fifth_too_much_is_said_everywhere():
    found = reliability(*world(factor=1.2), {})
    assert found.overall.ratio == pytest.approx(1.2, rel=0.03)
    assert found.overall.low > 1.1


def test_the_interval_is_that_of_many_worlds():
    ratios = [reliability(*world(4000, seed=seed), {}).overall.ratio for seed in range(200)]
    one = reliability(*world(4000), {}).overall
    assert (one.high - one.low) / (2 * 1.96) == pytest.approx(np.std(ratios), rel=0.15)


def test_equal_scores_share_a_decile_and_missing_labels_take_no_part():
    label = np.array([1.0, 0.0, np.nan, 1.0])
    found = reliability(np.full(4, 0.5), label, np.arange(4), {})
    assert len(found.deciles) == 1
    assert (found.overall.examples, found.overall.was) == (3, pytest.approx(2 / 3))
    assert reliability([0.5], [np.nan], [1], {}) is None


def test_where_nothing_is_true_there_is_no_ratio():
    assert np.isnan(reliability([0.5, 0.5], [0.0, 0.0], [1, 2], {}).overall.ratio)


def test_the_bias_is_how_far_sums_are_apart():
    found = measure(score_statistic("calibration_bias", [0.5, 0.5, 0.5], [0, 1, 1], [1, 2, 3]))
    assert found.value == pytest.approx(0.25)
    assert measure(score_statistic("calibration_bias", [0.5], [0], [1])).why == "no label is true"
