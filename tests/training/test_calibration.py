"""Scores become probabilities, in the order that they had."""

import numpy as np
import pytest

from sixfold.training.calibration import fit_correction


def world(rows=200_000, seed=0):
    """True probabilities, labels, and scores that are too sure of themselves."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-2.5, 1.0, rows)
    truth = 1 / (1 + np.exp(-logit))
    return truth, (rng.random(rows) < truth).astype(float), 1 / (1 + np.exp(-(1.8 * logit + 1)))


@pytest.mark.parametrize("how", ["isotonic", "beta"])
def test_a_calibrated_score_is_the_true_probability_and_keeps_the_order(how):
    _truth, label, score = world()
    correction = fit_correction(score, label, how)
    new_truth, _, new_score = world(seed=1)
    found = correction.apply(new_score)
    assert abs(found.mean() / new_truth.mean() - 1) < 0.02
    deciles = np.array_split(np.argsort(new_score), 10)
    assert all(abs(found[d].mean() / new_truth[d].mean() - 1) < 0.06 for d in deciles)
    ordered = found[np.argsort(new_score)]
    assert (np.diff(ordered) >= 0).all()
    assert len(np.unique(ordered)) > 0.99 * len(ordered), "scores that differ go on differing"


@pytest.mark.parametrize("how", ["isotonic", "beta"])
def test_scores_beyond_those_it_was_fitted_on_stay_probabilities(how):
    _, label, score = world(2000)
    found = fit_correction(score, label, how).apply(np.array([0.0, 1e-12, 0.5, 1.0]))
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert (np.diff(found) >= 0).all()


def test_the_odds_of_sampled_negatives_are_put_right():
    correction = fit_correction(np.array([0.5]), np.array([1.0]), None, negatives=0.1)
    # As many positives as a tenth of the negatives: 1 in 11.
    assert correction.apply(np.array([0.5]))[0] == pytest.approx(1 / 11)
    assert correction.apply(np.array([0.0, 1.0])) == pytest.approx([0.0, 1.0])


def test_no_score_is_made_certain_by_few_rows():
    score = np.linspace(0.1, 0.9, 40)
    found = fit_correction(score, (score > 0.5).astype(float), "isotonic").apply(np.array([0.1, 0.5, 0.9]))
    assert (found > 0.005).all()
    assert (found < 0.995).all()


def test_a_constant_score_is_calibrated_to_the_mean_label():
    label = np.array([0.0, 0.0, 0.0, 1.0])
    assert fit_correction(np.full(4, 0.7), label, "isotonic").apply(np.array([0.7]))[0] == pytest.approx(0.25)
