"""What passes a gate, what fails it, and what it says."""

import numpy as np
import pytest

from sixfold.design.metrics import parse_gate
from sixfold.evaluation.bootstrap import measure
from sixfold.evaluation.gates import decide
from sixfold.evaluation.score_metrics import score_statistic

RNG = np.random.default_rng(0)
LABELS, USERS = RNG.integers(0, 2, 4000), RNG.integers(0, 400, 4000)
NOISE = RNG.normal(0, 1, 4000)
SCORES = {None: 0.5 + 0.08 * NOISE + 0.2 * (LABELS - 0.5), "weak": 0.5 + 0.1 * NOISE, "champion": 0.5 + 0.1 * NOISE}
SCORES = {name: np.clip(scores, 0.01, 0.99) for name, scores in SCORES.items()}


def statistic(metric):
    if metric.slice is not None:
        return score_statistic(metric.name, [], [], [])
    return score_statistic(metric.name, SCORES[metric.model], LABELS, USERS)


def of(text, champion=True):
    [result] = decide([parse_gate(text, where="feed.py:8", part="Evaluation")], statistic, champion=champion)
    assert result.gate == text
    return result


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("auc(click) >= 0.8", True),
        ("auc(click) <= 0.8", False),
        ("auc(click) >= weak.auc(click) + 0.2", True),
        ("weak.auc(click) >= auc(click) - 0.9", True),
        ("weak.auc(click) >= auc(click) - 0.1", False),
        ("auc(click) beats weak.auc(click)", True),
        ("weak.auc(click) beats auc(click)", False),
        ("log_loss(click) beats weak.log_loss(click)", True),
        ("weak.log_loss(click) beats log_loss(click)", False),
        ("champion.auc(click) beats weak.auc(click)", False),
    ],
)
def test_a_gate_passes_when_it_is_true(text, passed):
    result = of(text)
    assert result.passed is passed
    assert bool(result.note) is not passed


def test_a_failed_gate_says_both_numbers():
    result = of("auc(click) >= 0.99")
    assert (
        result.note
        == f"{measure(statistic(parse_gate('auc(c) >= 0', where='', part='').left)).value:.4f} is below 0.9900"
    )
    assert list(result.values) == ["auc(click)"]


def test_equal_models_do_not_beat_each_other():
    result = of("champion.auc(click) beats weak.auc(click)")
    assert result.note == "the difference is +0.0000, its 95 % interval +0.0000 to +0.0000 is not above zero"
    assert list(result.values) == ["champion.auc(click)", "weak.auc(click)", "difference"]


def test_the_first_release_passes_gates_against_the_champion():
    result = of("auc(click) >= champion.auc(click) - 0.002", champion=False)
    assert result.passed
    assert result.note == "no release is serving yet, so there is none to compare with"
    assert list(result.values) == ["auc(click)"]


def test_a_metric_without_a_value_fails_its_gate_with_the_reason():
    for champion in (True, False):
        result = of("auc(click)[nobody] >= champion.auc(click) - 0.5", champion=champion)
        assert not result.passed
        assert result.note == "auc(click)[nobody] has no value: no example has the label"
