"""From the framing's labels to the numbers that models learn: those with classes become one a class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sixfold.design import resolve
from sixfold.design.aggregates import AggregateSpec
from sixfold.design.expressions import Expression, Scope, parse
from sixfold.design.framing import Label
from sixfold.design.groups import Events
from sixfold.design.kinds import FLAG, TIME, Kind
from sixfold.design.schema import LabelGroup, LabelSpec, Over, Stream, TableSchema
from sixfold.design.units import duration_us
from sixfold.errors import InvalidField

__all__ = ["Labels", "resolved_labels"]

_AGGREGATES = ("count", "sum", "mean", "min", "max", "last")


@dataclass(frozen=True, slots=True)
class Labels:
    """What examples carry as labels."""

    labels: dict[str, LabelSpec]
    """By the name of the score that learns it: `click`, `verdict.normal`."""
    groups: dict[str, LabelGroup]
    """Those with classes, by the name that the design gives them."""

    def outputs(self, label: str) -> tuple[str, ...]:
        """Names of the scores of a label."""
        return self.groups[label].outputs if label in self.groups else (label,)


def resolved_labels(
    written: Sequence[Label],
    row: Scope,
    streams: Mapping[str, Stream],
    tables: Mapping[str, TableSchema],
    asked: Sequence[str],
) -> Labels:
    """Resolve the labels of a framing.

    Args:
        row: What an expression over the example's row may read.
        asked: The framing's query, and its item if it has one.

    Raises:
        InvalidField: a label is neither flag nor number nor made of declared classes, or looks forward where it cannot.
    """
    found = Labels({}, {})
    for label in written:
        part = f"Label {label.name}"
        within = label.within and duration_us(label.within, where=label.at, part=part, field="within")
        scope, text, over = row, label.value, None
        if label.over is not None or isinstance(text, AggregateSpec):
            scope, text, over = _forward(label, part, streams, asked)
        assert isinstance(text, str)
        value = parse(text, scope, where=label.at, part=part, now=over is None)
        came = None if label.time is None else parse(label.time, row, where=label.at, part=f"{part}.time")
        if came is not None and (over or came.kind != TIME or value.kind != FLAG or not within):
            rule = "a time, of a label that is a flag of the example's row and has `within`"
            raise InvalidField(where=label.at, part=part, field="time", rule=rule, value=label.time)
        if value.kind.base == "text":
            specs = _classes(label, text, value, scope, over, within or None, streams, tables)
            found.groups[label.name] = LabelGroup(label.name, tuple(specs), not value.kind.is_list)
        elif value.kind.is_list or value.kind.base not in ("flag", "number"):
            rule = "a flag, a number, or one or several of a column's declared values"
            raise InvalidField(where=label.at, part=part, field="value", rule=rule, value=text)
        else:
            specs = {label.name: LabelSpec(label.name, value, within or None, label.at, came, over)}
        found.labels.update(specs)
    return found


def _forward(label: Label, part: str, streams: Mapping[str, Stream], asked: Sequence[str]) -> tuple[Scope, str, Over]:
    """What an expression over the other stream may read, the expression, and how events are gathered."""
    spec = label.value

    def refuse(field: str, rule: str, value: object) -> InvalidField:
        return InvalidField(where=label.at, part=part, field=field, rule=rule, value=value)

    if not isinstance(label.over, Events) or label.over._name not in streams:
        raise refuse("over", "an event stream that Data names too", label.over)
    stream = streams[label.over._name]
    if not isinstance(spec, AggregateSpec) or spec.function not in _AGGREGATES:
        called = spec.function if isinstance(spec, AggregateSpec) else spec
        raise refuse("value", f"one of the aggregates {', '.join(_AGGREGATES)}", called)
    if spec.window is not None:
        raise refuse("window", "left out: `within` says how far a label looks forward", spec.window)
    own = [key.entity for key in stream.keys if not key.is_list]
    if not (keys := tuple(entity for entity in asked if entity in own)) or asked[0] not in keys:
        raise refuse("over", f"a stream with a key of {asked[0]}, which examples are asked for", stream.name)
    scope = resolve.scope(resolve.stream_kinds(stream), own=stream.name)
    where = None if spec.where is None else parse(spec.where, scope, where=spec.at, part=f"{part}.where", now=False)
    if where is not None and where.kind != FLAG:
        raise refuse("where", "a condition", spec.where)
    n = (spec.n or 1) if spec.function == "last" else None
    return scope, spec.expression or "1", Over(stream.name, spec.function, n, where, keys)


def _classes(
    label: Label,
    text: str,
    value: Expression,
    scope: Scope,
    over: Over | None,
    within_us: int | None,
    streams: Mapping[str, Stream],
    tables: Mapping[str, TableSchema],
) -> dict[str, LabelSpec]:
    """A label for each class that the column behind an expression declares."""
    part = f"Label {label.name}"
    classes = _values(value.kind, streams, tables)
    if len(classes) < 2:
        rule = "a flag, a number, or made of a column that declares its values, two or more"
        raise InvalidField(where=label.at, part=part, field="value", rule=rule, value=text)
    if over is not None and (over.function != "last" or value.kind.is_list):
        rule = "last(…) of one category: each class gets its share of the latest n"
        raise InvalidField(where=label.at, part=part, field="value", rule=rule, value=text)
    specs = {}
    for one in classes:
        literal = "'" + one.replace("'", "''") + "'"
        asked = f"contains({text}, {literal})" if value.kind.is_list else f"({text}) = {literal}"
        own = parse(asked, scope, where=label.at, part=part, now=over is None)
        specs[f"{label.name}.{one}"] = LabelSpec(f"{label.name}.{one}", own, within_us, label.at, None, over)
    return specs


def _values(kind: Kind, streams: Mapping[str, Stream], tables: Mapping[str, TableSchema]) -> tuple[str, ...]:
    group, _, column = (kind.domain or "").partition(".")
    schema = streams.get(group) or tables.get(group)
    fields = () if schema is None else schema.fields
    return next((field.values for field in fields if field.name == column and field.values), ())
