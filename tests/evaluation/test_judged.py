"""How rows were judged: by class, by slice, and where it went wrong."""

import numpy as np
import pytest

from sixfold.evaluation.judged import class_row, mistakes, slice_rows
from sixfold.inference.policy import Solved, decide

SCORE = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.2, 0.1, 0.6])
TRUE = np.array([1, 1, 0, 1, 0, 0, 0, np.nan])
USERS = np.arange(8)


def test_a_class_is_measured_where_it_is_known():
    found = class_row("bad", SCORE, TRUE, USERS, seed=0)
    assert (found.of, found.examples) == ("bad", 7)
    assert found.prevalence.value == pytest.approx(3 / 7)
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.recall.value == pytest.approx(2 / 3)
    assert found.auc.value == pytest.approx(11 / 12)
    assert found.average_precision.value == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found.prevalence.low < found.prevalence.value < found.prevalence.high


def test_a_slice_tells_what_met_an_action_wrongly_and_rightly():
    decided = decide((Solved("remove", 0.75), Solved("review", 0.35)), [SCORE, SCORE], np.ones(8))
    early = np.array([True, False, True, False, True, True, False, False])
    rows = {
        (row.action, row.slice): row
        for row in slice_rows(["remove", "review"], decided, [TRUE, TRUE], {"early": early}, USERS, seed=0)
    }
    assert [row.examples for row in rows.values()] == [8, 4, 8, 4]
    everything = rows["remove", ""]
    assert (everything.wrongly.value, everything.recall.value, everything.part.value) == (0, pytest.approx(2 / 3), 1)
    # Of the benign rows of the slice (three), one was reviewed; of the true ones (one), that one was removed.
    own = rows["review", "early"]
    assert own.wrongly.value == pytest.approx(1 / 3)
    assert own.recall.value == 1
    assert own.part.value == pytest.approx(1 / 3), "of three that met it rightly, one is of the slice"


def test_a_slice_without_rows_has_no_shares_and_says_why():
    decided = decide((Solved("remove", 0.75),), [SCORE], np.ones(8))
    *_, row = slice_rows(["remove"], decided, [TRUE], {"none": np.zeros(8, bool)}, USERS, seed=0)
    assert row.examples == 0
    assert (row.wrongly.why, row.recall.why) == ("there is none", "there is none")
    assert row.part.value == 0


def test_the_worst_mistakes_come_first():
    keys, texts = [f"k{at}" for at in range(8)], {"said": [f"text {at}" if at else None for at in range(8)]}
    found = mistakes("bad", SCORE, TRUE, keys, texts)
    assert [(one.missed, one.key, one.score, one.texts) for one in found] == [
        (False, "k2", 0.7, {"said": "text 2"}),
        (True, "k3", 0.4, {"said": "text 3"}),
    ]
    assert mistakes("bad", SCORE, 1 - TRUE, keys, texts, most=1)[0].texts == {"said": ""}
