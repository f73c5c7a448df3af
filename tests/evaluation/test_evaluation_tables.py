"""Tables for people, dicts for programs."""

import io
import json

import numpy as np
from rich.console import Console

from sixfold.design.metrics import Metric
from sixfold.evaluation.bootstrap import Measured
from sixfold.evaluation.gates import GateResult
from sixfold.evaluation.tables import gates_as_json, gates_table, metrics_as_json, metrics_tables

METRICS = {
    Metric(None, "recall", 100, None, None): Measured(0.37, 0.35, 0.39),
    Metric(None, "auc", None, "click", None): Measured(0.74, 0.73, 0.75),
    Metric(None, "auc", None, "click", "new_viewers"): Measured(np.nan, np.nan, np.nan, "every label is 1"),
}
BASELINES = {
    Metric("popular", "recall", 100, None, None): Measured(0.25, 0.24, 0.26),
    Metric("trees", "auc", None, "click", None): Measured(0.7381, 0.72, 0.75),
}
GATES = [
    GateResult("recall@100 beats popular.recall@100", True, {"difference": Measured(0.12, 0.1, 0.14)}, ""),
    GateResult("auc(click)[new_viewers] >= 0.6", False, {}, "auc(click)[new_viewers] has no value: every label is 1"),
]


def printed(*tables):
    console = Console(file=io.StringIO(), width=160, color_system=None)
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def test_metrics_stand_under_the_names_that_gates_use():
    found = json.loads(json.dumps(metrics_as_json(METRICS | BASELINES), allow_nan=False))
    assert found["recall@100"] == {"value": 0.37, "low": 0.35, "high": 0.39}
    assert found["auc(click)[new_viewers]"] == {"value": None, "low": None, "high": None}
    assert list(found) == [
        "recall@100", "auc(click)", "auc(click)[new_viewers]", "popular.recall@100", "trees.auc(click)",
    ]  # fmt: skip


def test_gates_are_plain_data():
    assert json.loads(json.dumps(gates_as_json(GATES)))[0] == {
        "gate": "recall@100 beats popular.recall@100",
        "passed": True,
        "values": {"difference": {"value": 0.12, "low": 0.1, "high": 0.14}},
        "note": "",
    }


def test_lists_and_examples_are_separate_tables_with_the_release_first():
    lists, examples = metrics_tables(METRICS, BASELINES)
    assert [column.header for column in lists.columns] == ["Model", "recall@100"]
    assert list(lists.columns[0].cells) == ["this release", "popular"]
    assert list(examples.columns[0].cells) == ["this release", "trees"]
    assert len(metrics_tables({}, BASELINES)) == 2
    assert metrics_tables({}, {}) == []


def test_tables_print_values_intervals_slices_and_reasons():
    text = printed(*metrics_tables(METRICS, BASELINES))
    for part in ("0.3700", "0.3500 to 0.3900", "auc(click)[new_viewers]", "0.7381", "none", "every label is 1"):
        assert part in text


def test_the_best_value_of_a_column_is_bold():
    lists, _ = metrics_tables(METRICS, BASELINES)
    release, popular = lists.columns[1].cells
    assert release.startswith("[bold]0.3700[/bold]")
    assert popular.startswith("0.2500")


def test_gates_print_what_passed_and_why_not():
    text = printed(gates_table(GATES))
    for part in ("passed", "failed", "difference 0.1200", "auc(click)[new_viewers] has no value: every label is 1"):
        assert part in text
