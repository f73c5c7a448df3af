"""Metrics of examples against obvious answers and against other implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score, root_mean_squared_error

from sixfold.design.metrics import METRICS
from sixfold.evaluation.bootstrap import measure
from sixfold.evaluation.score_metrics import score_statistic

SCORE_METRICS = sorted(name for name, spec in METRICS.items() if spec.source == "scores" and spec.of != "classes")


def value(name, scores, labels, users=None):
    users = np.arange(len(labels)) if users is None else users
    statistic = score_statistic(name, scores, labels, users)
    return float(statistic.values(np.ones((1, len(statistic.users))))[0])


@pytest.fixture
def world():
    rng = np.random.default_rng(3)
    chances = rng.beta(2, 5, 3000).round(2)
    return chances, (rng.random(3000) < chances).astype(float), rng.integers(0, 200, 3000)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_order_whatever_the_ties_and_weights(rows):
    scores, labels, users = np.array(rows, float).T
    statistic = score_statistic("auc", scores, labels, users)
    if labels.min() == labels.max():
        assert statistic.why == f"every label is {labels[0]:g}"
        return
    weight = np.array([0.0, 1.0, 2.0, 5.0])
    of_row = weight[: len(statistic.users)][np.searchsorted(statistic.users, users)]
    wins = (np.sign(scores[labels == 1][:, None] - scores[labels == 0]) + 1) / 2
    pairs = of_row[labels == 1][:, None] * of_row[labels == 0]
    expected = (wins * pairs).sum() / pairs.sum() if pairs.sum() else np.nan
    np.testing.assert_allclose(statistic.values(weight[None, : len(statistic.users)]), [expected], rtol=1e-12)
    assert value("auc", scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_grouped_auc_weighs_users_of_both_classes_by_their_examples(world):
    scores, labels, users = world
    both = [u for u in np.unique(users) if 0 < labels[users == u].mean() < 1]
    assert len(both) < len(np.unique(users))
    own = [roc_auc_score(labels[users == u], scores[users == u]) for u in both]
    expected = np.average(own, weights=[(users == u).sum() for u in both])
    assert value("grouped_auc", scores, labels, users) == pytest.approx(expected)


def test_grouped_auc_ignores_what_differs_between_users():
    users, labels = np.array(["a", "a", "b", "b"]), [0, 1, 0, 1]
    assert value("grouped_auc", [0.1, 0.2, 0.8, 0.9], labels, users) == 1
    assert value("auc", [0.1, 0.2, 0.8, 0.9], labels, users) == 0.75


def test_log_loss_and_distances_are_those_of_scikit_learn(world):
    scores, labels, _ = world
    chances = np.clip(scores, 1e-15, 1 - 1e-15)
    assert value("log_loss", scores, labels) == pytest.approx(log_loss(labels, chances))
    assert value("mae", scores, labels) == pytest.approx(mean_absolute_error(labels, scores))
    assert value("rmse", scores, labels) == pytest.approx(root_mean_squared_error(labels, scores))


def test_a_certain_mistake_costs_much_but_not_everything():
    assert value("log_loss", [0.0, 1.0], [1, 1]) == pytest.approx(-np.log(1e-15) / 2)


def test_the_mean_label_as_prediction_has_a_normalized_entropy_of_one(world):
    _, labels, _ = world
    assert value("normalized_entropy", np.full(len(labels), labels.mean()), labels) == pytest.approx(1)
    assert value("normalized_entropy", world[0], labels) < 1


def test_calibration_error_is_the_mean_distance_of_the_bins():
    scores, labels = np.repeat([0.2, 0.6], 50), np.concatenate([np.arange(50) < 10, np.arange(50) < 40])
    assert value("calibration_error", scores, labels) == pytest.approx(0.1)
    assert value("calibration_error", np.repeat([0.2, 0.8], 50), labels) == pytest.approx(0)


def test_calibration_error_does_not_depend_on_the_order_of_the_rows(world):
    scores, labels, _ = world
    shuffled = np.random.default_rng(0).permutation(len(scores))
    assert value("calibration_error", scores[shuffled], labels[shuffled]) == pytest.approx(
        value("calibration_error", scores, labels)
    )


def test_xauc_is_kendalls_tau_where_no_label_is_twice():
    rng = np.random.default_rng(1)
    labels = rng.permutation(500).astype(float)
    scores = labels + rng.normal(0, 200, 500)
    assert value("xauc", scores, labels) == pytest.approx((kendalltau(scores, labels).statistic + 1) / 2)


def test_xauc_of_two_classes_is_auc(world):
    scores, labels, _ = world
    assert value("xauc", scores, labels) == pytest.approx(value("auc", scores, labels), abs=1e-12)


def test_xaucs_interval_is_that_of_weighing_every_pair():
    rng = np.random.default_rng(5)
    users = rng.integers(0, 60, 600)
    labels = rng.exponential(10, 600) + users % 7
    scores = labels + rng.normal(0, 12, 600)
    sign = np.sign(scores[:, None] - scores) * np.sign(labels[:, None] - labels)
    exact = []
    for _ in range(300):
        weight = np.bincount(rng.integers(0, 60, 60), minlength=60)[users]
        pairs = weight[:, None] * weight
        np.fill_diagonal(pairs, 0)
        exact.append((pairs * (sign + 1) / 2).sum() / pairs.sum())
    found = measure(score_statistic("xauc", scores, labels, users))
    np.testing.assert_allclose([found.low, found.high], np.quantile(exact, [0.025, 0.975]), atol=0.006)


@pytest.mark.parametrize("name", SCORE_METRICS)
def test_examples_without_a_label_take_no_part(name, world):
    scores, labels, users = world
    more = np.append(scores, [0.5, np.nan]), np.append(labels, [np.nan, np.nan]), np.append(users, [1, 5000])
    assert value(name, *more) == pytest.approx(value(name, *world))


@pytest.mark.parametrize("name", SCORE_METRICS)
def test_text_keys_serve_as_well_as_numbers(name, world):
    scores, labels, users = world
    texts = np.array([f"user {user}" for user in users], object)
    assert value(name, scores, labels, texts) == pytest.approx(value(name, *world))


@pytest.mark.parametrize(
    ("name", "scores", "labels", "why"),
    [
        ("auc", [], [], "no example has the label"),
        ("mae", [0.5], [np.nan], "no example has the label"),
        ("auc", [0.5, 0.6], [1, 1], "every label is 1"),
        ("normalized_entropy", [0.5, 0.6], [0, 0], "every label is 0"),
        ("xauc", [0.5, 0.6], [2.5, 2.5], "every label is 2.5"),
        ("grouped_auc", [0.5, 0.6], [0, 1], "no user has examples of both classes"),
        ("auc", [np.nan, 0.6], [0, 1], "1 of 2 scores are not numbers"),
        ("auc", [0.5, 0.6], [0, 2], "it needs labels of 0 and 1"),
        ("log_loss", [0.5, 1.6], [0, 1], "it needs scores from 0 to 1"),
    ],
)
def test_a_metric_without_a_value_says_why(name, scores, labels, why):
    measured = measure(score_statistic(name, scores, labels, np.arange(len(labels))))
    assert measured.why == why
    assert np.isnan([measured.value, measured.low, measured.high]).all()
