"""Thresholds are solved for their goals on one part, and decide alike wherever they are applied."""

import numpy as np
import pytest

import sixfold as sf
from sixfold.errors import InvalidField
from sixfold.evaluation.bootstrap import Measured
from sixfold.evaluation.policy import Taken, measured, solve
from sixfold.inference.policy import Solved, decide, draws, read_policy, write_policy


@pytest.fixture
def world():
    rng = np.random.default_rng(2)
    score = rng.beta(1, 4, 20_000)
    return score, (rng.random(20_000) < score).astype(float)


def test_precision_recall_and_capacity_are_reached_and_not_passed(world):
    score, true = world
    actions = [
        sf.Action("remove", on="x", precision=0.7), sf.Action("review", on="x", per_day=500),
        sf.Action("demote", on="x", recall=0.8),
    ]  # fmt: skip
    policy = solve(actions, [score] * 3, [true] * 3, per_day=10_000)
    remove, review, demote = (one.threshold for one in policy)
    assert remove > review > demote
    assert true[score >= remove].mean() >= 0.7
    lower = np.sort(score[score < remove])[-50]
    assert true[score >= lower].mean() < 0.7, "the lowest threshold that reaches it"
    assert ((score < remove) & (score >= review)).mean() == pytest.approx(0.05, abs=1e-4)
    assert true[score >= demote].sum() / true.sum() == pytest.approx(0.8, abs=1e-3)


def test_the_first_action_whose_threshold_is_passed_is_taken(world):
    policy = (Solved("remove", 0.9), Solved("never", None), Solved("review", 0.5))
    scores = [np.array([0.95, 0.6, 0.2, np.nan]), np.ones(4), np.array([0.99, 0.6, 0.2, 0.7])]
    found = decide(policy, scores, np.zeros(4))
    assert found.action_B.tolist() == [0, 2, 3, 2]
    assert found.propensity_B.tolist() == [1, 1, 1, 1]


def test_a_share_of_the_queue_is_drawn_from_what_is_unsure_and_its_chance_is_told(world):
    score, true = world
    action = sf.Action("review", on="x", per_day=1_000, explore=0.2)
    (solved,) = policy = solve([action], [score], [true], per_day=10_000)
    chances, taken = [], []
    for seed in range(20):
        found = decide(policy, [score], np.random.default_rng(seed).random(len(score)))
        assert (found.action_B[score >= solved.threshold] == 0).all()
        taken.append((found.action_B == 0).mean())
        chances.append(found.drawn_B)
    assert np.mean(taken) == pytest.approx(0.1, rel=0.02)
    below = score < solved.threshold
    wanted = np.where(below, solved.explore * 4 * score * (1 - score), 0)
    assert np.mean(chances, 0)[below].mean() == pytest.approx(wanted[below].mean(), rel=0.05)
    np.testing.assert_allclose(found.propensity_B[found.drawn_B], wanted[found.drawn_B])
    np.testing.assert_allclose(found.propensity_B[below & ~found.drawn_B], 1 - wanted[below & ~found.drawn_B])


def test_what_an_action_did_is_told_with_intervals(world):
    score, true = world
    actions = [sf.Action("remove", on="x", precision=0.5), sf.Action("demote", on="x", recall=0.8)]
    policy = solve(actions, [score[::2]] * 2, [true[::2]] * 2, per_day=1)
    test, is_ = score[1::2], true[1::2]
    decided = decide(policy, [test] * 2, np.ones(len(test)))
    remove, demote = measured(actions, policy, decided, [is_] * 2, np.arange(len(test)), seed=1)
    assert remove.goal == "precision 0.5"
    assert remove.precision.low < 0.5 < remove.precision.high
    assert demote.recall.value == pytest.approx(is_[test >= demote.threshold].sum() / is_.sum())
    assert demote.recall.low < 0.8 < demote.recall.high
    assert remove.share.value == pytest.approx((test >= remove.threshold).mean())


def test_a_goal_that_nothing_reaches_is_an_action_never_taken():
    score, true = np.linspace(0, 1, 100), np.zeros(100)
    actions = [sf.Action("a", on="x", precision=0.9), sf.Action("b", on="x", recall=0.5)]
    assert [one.threshold for one in solve(actions, [score] * 2, [true] * 2, per_day=1)] == [None, None]
    few = sf.Action("a", on="x", precision=0.9)
    assert solve([few], [np.ones(10)], [np.ones(10)], per_day=1)[0].threshold is None, "of ten rows nobody can tell"


def test_rows_of_one_score_stand_or_fall_together():
    score = np.repeat([0.9, 0.5, 0.1], 100)
    (one,) = solve([sf.Action("q", on="x", per_day=150)], [score], [score * 0], per_day=300)
    assert one.threshold == 0.9
    (all_,) = solve([sf.Action("q", on="x", per_day=999)], [score], [score * 0], per_day=300)
    assert all_.threshold == 0.1


def test_where_reviewers_manage_all_rows_all_pass_and_none_is_drawn():
    score = np.linspace(0.1, 0.9, 50)
    (one,) = solve([sf.Action("q", on="x", per_day=999, explore=0.5)], [score], [score * 0], per_day=300)
    assert (one.threshold, one.explore) == (0.1, 0.0)


def test_a_key_has_the_same_draw_always_and_keys_are_spread(tmp_path):
    found = draws([str(key) for key in range(10_000)])
    assert found.tolist() == draws([str(key) for key in range(10_000)]).tolist()
    assert np.histogram(found, 10, (0, 1))[0] == pytest.approx(1000, abs=120)
    policy = (Solved("a", 0.25), Solved("b", None, 0.5))
    write_policy(tmp_path / "policy.json", policy)
    assert read_policy(tmp_path / "policy.json") == policy


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"name": "allow", "on": "x", "recall": 0.5}, "other than allow"),
        ({"name": "a", "on": "x"}, "goal must be one of precision, recall, per_day"),
        ({"name": "a", "on": "x", "recall": 0.5, "precision": 0.5}, "got 'precision, recall'"),
        ({"name": "a", "on": "x", "precision": 1.5}, "above 0 and at most 1"),
        ({"name": "a", "on": "x", "per_day": 0}, "a whole number above 0"),
        ({"name": "a", "on": "x", "recall": 0.5, "explore": 0.1}, "left out without per_day"),
    ],
)
def test_what_is_no_action_is_refused(written, said):
    with pytest.raises(InvalidField) as caught:
        sf.Action(**{k: v for k, v in written.items() if k != "name"}, name=written["name"])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("threshold", "told"),
    [(None, "none reaches it"), (float("nan"), "none reaches it"), (0.0, "0.0000"), (0.5, "0.5000")],
)
def test_a_threshold_of_zero_is_one_and_none_is_told_as_none(threshold, told):
    none = Measured(np.nan, np.nan, np.nan, "")
    assert Taken("a", "recall 0.5", threshold, none, none, none).told == told
