"""The evaluation of a design: slices, metrics and gates, resolved."""

from typing import TYPE_CHECKING, NamedTuple

from sixfold.design import resolve
from sixfold.design.evaluation import ByColumn, Evaluation
from sixfold.design.expressions import Expression, Name, parse
from sixfold.design.kinds import NUMBER, TIME
from sixfold.design.metrics import METRICS, Gate, Metric, check, parse_gate, parse_metric
from sixfold.design.units import duration_us
from sixfold.errors import InvalidField, InvalidMetric

if TYPE_CHECKING:
    from sixfold.design.system import System

__all__ = ["Asked", "resolved_evaluation"]


class Asked(NamedTuple):
    """What the evaluation section asks."""

    slices: dict[str, Expression]
    metrics: tuple[Metric, ...]
    gates: tuple[Gate, ...]
    measured: dict[str, Expression]
    """What metrics are of, where that is an expression over scores."""


def resolved_evaluation(system: "System", evaluation: Evaluation) -> Asked:
    """The evaluation section, each name in it known.

    Raises:
        DesignError: it asks for what there is not.
    """
    at, known = evaluation.at, {**system.example_kinds, "now": TIME}
    names = resolve.scope(known, own=system.examples.name, keys=system.spellings)
    slices: dict[str, Expression] = {}
    for name, text in evaluation.slices.items():
        condition = system.condition(text, names, at, f"Evaluation.slices[{name!r}]")
        if condition is not None:
            slices[name] = condition
    if isinstance(evaluation.split, ByColumn) and str(evaluation.split.column) not in resolve.stream_kinds(
        system.examples
    ):
        rule = f"a column of {system.examples.name}"
        value = str(evaluation.split.column)
        raise InvalidField(where=evaluation.split.at, part="ByColumn", field="column", rule=rule, value=value)
    if evaluation.lists is not None and system.negatives is None:
        rule = "left out without Framing(negatives=), which makes a list of each example"
        raise InvalidField(where=at, part="Evaluation", field="lists", rule=rule, value=evaluation.lists)
    duration_us(evaluation.ask_every, where=at, part="Evaluation", field="ask_every")
    metrics = tuple(parse_metric(text, where=at, part="Evaluation.metrics") for text in evaluation.metrics)
    gates = tuple(parse_gate(text, where=at, part="Evaluation.gates") for text in evaluation.gates)
    sides = [side for gate in gates for side in (gate.left, gate.right) if side is not None]
    scores = {name: Name(name, NUMBER) for name in system.labels}
    measured: dict[str, Expression] = {}
    for metric in (*metrics, *sides):
        check(
            metric, models=system.models, labels=system.labels, groups=system.label_groups, slices=slices,
            where=at, part="Evaluation",
        )  # fmt: skip
        if metric.of is not None and metric.of not in system.label_groups:
            measured[metric.of] = parse(metric.of, scores, where=at, part=f"Evaluation {metric}", now=False)
        read = slices[metric.slice].names if metric.slice is not None else ()
        other = any(name not in system.kinds or system.depends(name) - {system.query} for name in read)
        if METRICS[metric.name].source == "lists" and other and system.negatives is None:
            rule = f"without [{metric.slice}], which reads more than the {system.query} that a list is asked for"
            raise InvalidMetric(where=at, part="Evaluation", text=str(metric), rule=rule)
    return Asked(slices, metrics, gates, measured)
