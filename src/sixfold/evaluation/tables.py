"""Metrics and gates for people (tables) and for programs (plain dicts)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from rich.table import Table

from sixfold.design.metrics import METRICS, Metric
from sixfold.evaluation.bootstrap import Measured
from sixfold.evaluation.gates import GateResult
from sixfold.evaluation.reliability import Reliability

__all__ = ["gates_as_json", "gates_table", "metrics_as_json", "metrics_tables", "reliability_table"]


def metrics_as_json(measured: Mapping[Metric, Measured]) -> dict[str, dict[str, float | None]]:
    """`{"recall@100": {"value": 0.37, "low": 0.35, "high": 0.39}}`; what has no value is null."""
    return {str(metric): _as_json(one) for metric, one in measured.items()}


def gates_as_json(results: Iterable[GateResult]) -> list[dict[str, Any]]:
    """`[{"gate": …, "passed": …, "values": {name: {value, low, high}}, "note": …}]`."""
    return [
        {
            "gate": one.gate,
            "passed": one.passed,
            "values": {name: _as_json(value) for name, value in one.values.items()},
            "note": one.note,
        }
        for one in results
    ]


def metrics_tables(metrics: Mapping[Metric, Measured], baselines: Mapping[Metric, Measured]) -> list[Table]:
    """A table of list metrics and one of score metrics, each with what ships in the first row and a row a baseline.

    A metric without a model's name stands in the row `this release`, every other in its model's row. The best value of
    a column is bold; each value has its 95 % interval below.
    """
    tables = []
    for source, title in (("lists", "Lists"), ("scores", "Examples")):
        cells = {m: one for m, one in {**metrics, **baselines}.items() if METRICS[m.name].source == source}
        if cells:
            tables.append(_metrics_table(title, cells))
    return tables


def reliability_table(head: str, found: Reliability) -> Table:
    """What the probabilities say beside what came: all, by decile, by slice."""
    title = f"{head}: what it says beside what was"
    table = Table("Examples of", "examples", "says", "was", "says / was", "", title=title, title_justify="left")
    rows = [("all", found.overall), *((f"decile {at}", one) for at, one in enumerate(found.deciles, 1))]
    for name, one in [*rows, *found.slices.items()]:
        between = "" if np.isnan(one.ratio) else f"{one.low:.3f} to {one.high:.3f}"
        numbers = (f"{one.examples:,}", f"{one.said:.4f}", f"{one.was:.4f}", f"{one.ratio:.3f}", between)
        table.add_row(_literal(name), *numbers)
    return table


def gates_table(results: Iterable[GateResult]) -> Table:
    """One row a gate: whether it passed, what was measured, why it failed."""
    table = Table("Gate", "", "Measured", "Note", title="Gates", title_justify="left")
    for one in results:
        measured = "\n".join(f"{name} {_number(value.value)}" for name, value in one.values.items())
        passed = "[green]passed[/green]" if one.passed else "[bold red]failed[/bold red]"
        table.add_row(_literal(one.gate), passed, _literal(measured), _literal(one.note))
    return table


def _metrics_table(title: str, cells: Mapping[Metric, Measured]) -> Table:
    columns = list(dict.fromkeys(replace(metric, model=None) for metric in cells))
    rows = sorted(dict.fromkeys(metric.model for metric in cells), key=lambda model: model is not None)
    table = Table(title=title, title_justify="left")
    table.add_column("Model")
    for column in columns:
        table.add_column(_literal(str(column)), justify="right")
    best = {column: _best(column, cells) for column in columns}
    for model in rows:
        found = [cells.get(replace(column, model=model)) for column in columns]
        texts = [_cell(one, best[column]) for column, one in zip(columns, found)]
        table.add_row("this release" if model is None else model, *texts)
    if whys := [f"{metric} has no value: {one.why}" for metric, one in cells.items() if one.why]:
        table.caption, table.caption_justify = _literal("\n".join(whys)), "left"
    return table


def _best(column: Metric, cells: Mapping[Metric, Measured]) -> float:
    values = [one.value for metric, one in cells.items() if replace(metric, model=None) == column and not one.why]
    if not values:
        return np.nan
    return max(values) if METRICS[column.name].larger_is_better else min(values)


def _cell(one: Measured | None, best: float) -> str:
    if one is None:
        return ""
    value = f"[bold]{_number(one.value)}[/bold]" if one.value == best else _number(one.value)
    return value if np.isnan(one.low) else f"{value}\n[dim]{_number(one.low)} to {_number(one.high)}[/dim]"


def _number(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}"


def _literal(text: str) -> str:
    """The text as it is: `[new_viewers]` would otherwise be read as markup."""
    return text.replace("[", r"\[")


def _as_json(one: Measured) -> dict[str, float | None]:
    numbers = {"value": one.value, "low": one.low, "high": one.high}
    return {name: None if np.isnan(value) else value for name, value in numbers.items()}
