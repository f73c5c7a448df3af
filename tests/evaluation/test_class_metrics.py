"""Metrics of labels with classes agree with scikit-learn's, and votes become classes by majority."""

import numpy as np
import pytest
from sklearn import metrics

from sixfold.design.metrics import check, parse_metric
from sixfold.errors import InvalidMetric, UnknownInMetric
from sixfold.evaluation.bootstrap import measure
from sixfold.evaluation.class_metrics import class_statistic, majority
from sixfold.evaluation.score_metrics import score_statistic


@pytest.fixture
def world():
    rng = np.random.default_rng(5)
    scores = rng.dirichlet([1, 2, 3], 2000)
    labels = np.eye(3)[[rng.choice(3, p=0.5 * p + 0.5 / 3) for p in scores]]
    return scores, labels, rng.integers(0, 700, 2000)


def value(name, scores, labels, users, exclusive):
    return measure(class_statistic(name, scores, labels, users, exclusive=exclusive)).value


def test_of_exclusive_classes(world):
    scores, labels, _ = world
    is_, said = labels.argmax(1), scores.argmax(1)
    assert value("accuracy", *world, True) == pytest.approx(metrics.accuracy_score(is_, said))
    assert value("macro_f1", *world, True) == pytest.approx(metrics.f1_score(is_, said, average="macro"))
    assert value("auc", *world, True) == pytest.approx(metrics.roc_auc_score(is_, scores, multi_class="ovr"))


def test_of_classes_of_which_there_may_be_several(world):
    scores, labels, users = world
    labels = np.maximum(labels, labels[::-1])
    several = (scores, labels, users)
    wanted = metrics.f1_score(labels, scores >= 0.5, average="macro")
    assert value("macro_f1", *several, False) == pytest.approx(wanted)
    assert value("accuracy", *several, False) == pytest.approx((labels == (scores >= 0.5)).all(1).mean())
    wanted = metrics.average_precision_score(labels, scores, average="macro")
    assert value("average_precision", *several, False) == pytest.approx(wanted)


def test_average_precision_and_shares_of_what_is_cut_at_a_half(world):
    scores, label, users = world[0][:, 2].round(2), world[1][:, 2], world[2]
    said = scores >= 0.5

    def of(name):
        return measure(score_statistic(name, scores, label, users)).value

    assert of("average_precision") == pytest.approx(metrics.average_precision_score(label, scores))
    assert of("precision") == pytest.approx(metrics.precision_score(label, said))
    assert of("true_positive_rate") == pytest.approx(metrics.recall_score(label, said))
    assert of("false_positive_rate") == pytest.approx(said[label == 0].mean())


def test_an_interval_holds_the_value_and_weights_mean_copies(world):
    scores, labels, users = world
    found = measure(class_statistic("average_precision", *world, exclusive=True))
    assert found.low < found.value < found.high
    statistic = class_statistic("auc", *world, exclusive=True)
    twice = np.concatenate([np.arange(2000), np.flatnonzero(users == 3)])
    weights = np.where(statistic.users == 3, 2.0, 1.0)[None]
    wanted = value("auc", scores[twice], labels[twice], users[twice], True)
    assert statistic.values(weights)[0] == pytest.approx(wanted)


def test_a_class_is_that_of_most_votes_and_none_where_they_are_split():
    votes = [[2 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0], [np.nan] * 3]
    found = majority(votes, exclusive=True)
    assert found[0].tolist() == [1, 0, 0]
    assert np.isnan(found[1:]).all()
    assert majority([[0.5, 0.4]], exclusive=False).tolist() == [[1, 0]]
    why = class_statistic("accuracy", np.ones((4, 3)), np.full((4, 3), np.nan), np.arange(4), exclusive=True).why
    assert why == "no example has the label"


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("accuracy(click)", InvalidMetric, "of a label with classes (verdict): accuracy compares them"),
        ("log_loss(verdict)", InvalidMetric, "of one class, such as log_loss(verdict.…)"),
        ("auc(verdct)", UnknownInMetric, "'verdct'. Did you mean 'verdict'?"),
    ],
)
def test_the_language_knows_what_a_metric_is_of(text, error, said):
    with pytest.raises(error) as caught:
        check(
            parse_metric(text, where="f.py:1", part="Evaluation"),
            models=["m"], labels=["click", "verdict.a"], groups=["verdict"], slices=[],
            where="f.py:1", part="Evaluation",
        )  # fmt: skip
    assert said in str(caught.value)
