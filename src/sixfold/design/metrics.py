"""The one language of metrics and gates: `[model.]metric[@k][(label)][[slice]]`, with `>=`, `<=` and `beats`."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from sixfold.errors import InvalidMetric, UnknownInMetric

__all__ = [
    "CHAMPION",
    "METRICS",
    "PREVALENCE",
    "Gate",
    "Metric",
    "MetricSpec",
    "Operator",
    "check",
    "parse_gate",
    "parse_metric",
]

CHAMPION = "champion"
"""Stands for the release now serving where a model's name can stand; no model of a design may have this name."""

PREVALENCE = "prevalence"
"""The one metric that reads labels alone: no model has it."""

Operator = Literal[">=", "<=", "beats"]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What a metric is computed from, and which way is better."""

    source: Literal["scores", "lists"]
    """`scores`: a head's scores of examples, against a label; `lists`: the items put in order for each query."""
    cut: Literal["never", "always", "optional"]
    """Whether `@k` says how much of the list counts."""
    larger_is_better: bool
    of: Literal["one", "classes", "either"] = "one"
    """`one`: an expression over scores (`click`, `1 - verdict.normal`); `classes`: a label with classes."""


METRICS: Mapping[str, MetricSpec] = {
    **{name: MetricSpec("scores", "never", True) for name in ("grouped_auc", "xauc")},
    **{
        name: MetricSpec("scores", "never", False)
        for name in ("log_loss", "normalized_entropy", "calibration_error", "calibration_bias", "mae", "rmse")
    },
    **{name: MetricSpec("scores", "never", True, "either") for name in ("auc", "average_precision")},
    **{name: MetricSpec("scores", "never", True, "classes") for name in ("accuracy", "macro_f1")},
    **{name: MetricSpec("scores", "never", True) for name in ("precision", "true_positive_rate")},
    **{name: MetricSpec("scores", "never", False) for name in ("false_positive_rate", PREVALENCE)},
    **{name: MetricSpec("lists", "always", True) for name in ("recall", "ndcg", "hit")},
    "mrr": MetricSpec("lists", "optional", True),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One number to measure; `str` gives its canonical text.

    >>> str(Metric("popular", "recall", 100, None, None)), str(Metric(None, "auc", None, "click", "new_viewers"))
    ('popular.recall@100', 'auc(click)[new_viewers]')
    """

    model: str | None
    """None: the first deployed model that has the metric."""
    name: str
    k: int | None
    of: str | None
    """A label, or an expression over scores."""
    slice: str | None

    def __str__(self) -> str:
        model = "" if self.model is None else f"{self.model}."
        cut = "" if self.k is None else f"@{self.k}"
        of = "" if self.of is None else f"({self.of})"
        return f"{model}{self.name}{cut}{of}" + ("" if self.slice is None else f"[{self.slice}]")


@dataclass(frozen=True, slots=True)
class Gate:
    """What a release must reach: `left op right + offset`, or `left op offset` where `right` is None.

    `beats` asks that the 95 % interval of the paired difference is clear of zero, on the better side.
    """

    text: str
    left: Metric
    op: Operator
    right: Metric | None
    offset: float

    def __str__(self) -> str:
        return self.text


def parse_metric(text: str, *, where: str, part: str) -> Metric:
    """Read one metric.

    Args:
        text: Such as `recall@100`, `trees.auc(click)`, `auc(click)[new_viewers]`.
        where: `file:line` for messages.
        part: What names the metric, such as `Evaluation.metrics`.

    Raises:
        InvalidMetric: the text is not of the language's form.
    """
    found = _METRIC.fullmatch(text) if isinstance(text, str) else None
    if found is None or not _closes(found[4] or ""):
        raise InvalidMetric(where=where, part=part, text=text, rule="written [model.]metric[@k][(label)][[slice]]")
    model, name, k, of, slice_name = found.groups()
    if k is not None and int(k) < 1:
        raise InvalidMetric(where=where, part=part, text=text, rule="about 1 item or more (@k)")
    return Metric(model, name, None if k is None else int(k), of, slice_name)


def parse_gate(text: str, *, where: str, part: str) -> Gate:
    """Read one gate, such as `auc(click) >= trees.auc(click) - 0.003` or `recall@100 beats popular.recall@100`.

    Raises:
        InvalidMetric: the text is not of the language's form.
    """
    found = _GATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        rule = "written `metric >= number`, `metric <= metric + number` or `metric beats metric`"
        raise InvalidMetric(where=where, part=part, text=text, rule=rule)
    left_text, op, right_text = found.groups()
    left = parse_metric(left_text, where=where, part=part)
    if op != "beats" and _NUMBER.fullmatch(right_text):
        return _finite(Gate(text, left, _OPERATORS[op], None, float(right_text)), where, part)
    right_metric, sign, offset = _RIGHT.fullmatch(right_text).groups()  # type: ignore[union-attr]  # it matches any text
    if op == "beats" and (sign is not None or _NUMBER.fullmatch(right_text)):
        raise InvalidMetric(where=where, part=part, text=text, rule="a metric on both sides of `beats`, and no number")
    right = parse_metric(right_metric, where=where, part=part)
    number = 0.0 if sign is None else float(f"{sign}{offset}")
    return _finite(Gate(text, left, _OPERATORS[op], right, number), where, part)


def check(
    metric: Metric,
    *,
    models: Collection[str],
    labels: Collection[str],
    groups: Collection[str] = (),
    slices: Collection[str],
    where: str,
    part: str,
) -> None:
    """See that everything a metric names exists, and that it has what it needs.

    Args:
        metric: What `parse_metric` gave.
        models: Names of the design's models; `champion` may stand for any of them.
        labels: Names of the scores that models give, one for each label or class.
        groups: Names of the labels with classes.
        slices: Names of the evaluation's slices.
        where: `file:line` for messages.
        part: What names the metric.

    Raises:
        UnknownInMetric: its metric, model, label or slice does not exist.
        InvalidMetric: it lacks `@k` or its label, or has one that it cannot have.
    """

    def known(kind: str, name: str | None, names: Collection[str]) -> None:
        if name is not None and name not in names:
            raise UnknownInMetric(where=where, part=part, text=str(metric), kind=kind, name=name, known=names)

    known("metric", metric.name, METRICS)
    known("model", metric.model, [*models, CHAMPION])
    if (rule := _misuse(metric, groups)) is not None:
        raise InvalidMetric(where=where, part=part, text=str(metric), rule=rule)
    if metric.of is not None and metric.of.isidentifier():  # expressions are parsed by whoever knows their scope
        known("label", metric.of, [*labels, *groups])
    known("slice", metric.slice, slices)


_METRIC = re.compile(r"(?:([^\W\d]\w*)\.)?([^\W\d]\w*)(?:@(\d+))?(?:\(\s*(\S|\S.*\S)\s*\))?(?:\[(\w+)\])?")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_GATE = re.compile(r"\s*(\S.*?)\s*(>=|<=|\bbeats\b)\s*(\S.*?)\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_RIGHT = re.compile(r"(.*?)(?:\s+([+-])\s*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))?", re.DOTALL)
_OPERATORS: Mapping[str, Operator] = {">=": ">=", "<=": "<=", "beats": "beats"}


def _misuse(metric: Metric, groups: Collection[str]) -> str | None:
    """The rule that a known metric breaks, or None."""
    spec = METRICS[metric.name]
    example = Metric(None, metric.name, 20, None, None)
    if spec.cut == "always" and metric.k is None:
        return f"cut at k items, such as {example}"
    if spec.cut == "never" and metric.k is not None:
        return f"without @{metric.k}: {metric.name} measures scores, not lists"
    if spec.source == "lists" and metric.of is not None:
        return f"without ({metric.of}): {metric.name} measures lists, which have no label"
    if spec.source == "scores" and metric.of is None:
        return f"of a label: {metric.name}(label)"
    if metric.name == PREVALENCE and metric.model is not None:
        return f"without {metric.model}.: {metric.name} is of labels alone, whatever a model says"
    if spec.of == "classes" and metric.of not in groups:
        return f"of a label with classes ({', '.join(groups) or 'there is none'}): {metric.name} compares them"
    if spec.of == "one" and metric.of in groups:
        return f"of one class, such as {metric.name}({metric.of}.…), or of an expression over several"
    return None


def _closes(expression: str) -> bool:
    """Whether each parenthesis of an expression is closed within it; what is quoted does not count."""
    depth = 0
    for sign in _QUOTED.sub("", expression):
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    return depth == 0


def _finite(gate: Gate, where: str, part: str) -> Gate:
    if not math.isfinite(gate.offset):
        raise InvalidMetric(where=where, part=part, text=gate.text, rule="a finite number")
    return gate
