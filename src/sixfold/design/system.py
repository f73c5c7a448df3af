"""A design as a whole: six sections, checked against each other when it is built."""

from collections.abc import Iterable, Sequence

from sixfold.design import resolve
from sixfold.design.bodies import DeepFm, Fm, Whole
from sixfold.design.checks import parse_checks
from sixfold.design.columns import Column
from sixfold.design.data import Data
from sixfold.design.deployment import AtMost, Deployment, Explore, Pace, SecondPrice
from sixfold.design.entities import Entity
from sixfold.design.evaluation import ByColumn, Evaluation
from sixfold.design.expressions import Expression, Name, Scope, parse
from sixfold.design.fingerprint import fingerprint
from sixfold.design.framing import Framing, Label
from sixfold.design.groups import Answers, Derived, Events, Features, Group, Table, answers
from sixfold.design.heads import AnyOf, OneOf
from sixfold.design.kinds import NUMBER, TIME, Kind
from sixfold.design.labels import resolved_labels
from sixfold.design.metrics import METRICS, Gate, Metric, check, parse_gate, parse_metric
from sixfold.design.models import Hashed, Input, Leaves, Model, Models, Network, Rule, Trees, TwoTower
from sixfold.design.paths import plan, reach
from sixfold.design.policy import Action
from sixfold.design.requirements import Requirements
from sixfold.design.schema import ActionSpec, LabelSpec, Reads
from sixfold.design.units import duration_us
from sixfold.design.where import caller
from sixfold.errors import InvalidField, InvalidMetric, OutcomeAsInput, UnknownColumn

__all__ = ["System"]


class System:
    """What the sections say, resolved: every name full, every type known (see `design.schema`).

    Raises:
        DesignError: whatever can be found wrong without data, with the file and line of the part that is wrong.
    """

    def __init__(
        self,
        name: str,
        requirements: Requirements,
        framing: Framing,
        data: Data,
        models: Models,
        evaluation: Evaluation,
        deployment: Deployment,
    ) -> None:
        self.name, self.at = name, caller()
        self._check_sections(requirements, framing, data, models, evaluation, deployment)
        self.requirements, self.evaluation, self.deployment = requirements, evaluation, deployment
        self.timezone, self.data_at = data.timezone, data.at
        self._resolve_data(data, framing)
        self._resolve_row(framing, data)
        self._resolve_framing(framing)
        self._resolve_models(models)
        self._resolve_evaluation(evaluation)
        self._resolve_deployment(deployment)

    @property
    def fingerprint(self) -> str:
        """Identifies the definitions of streams, tables and features: equal exactly where their values are."""
        parts = (self.timezone, self.streams, self.tables, self.features, self.derived)
        return fingerprint(parts)

    def inputs(self, inputs: Iterable[Input], *, where: str, part: str) -> tuple[str, ...]:
        """Canonical names of all that a model's inputs read; a group means its columns, times excepted.

        Raises:
            As `reads` does.
        """
        read = self.reads(inputs, where=where, part=part)
        below = [self.models[name] for name in read.leaves]
        inner = [n for m in below if isinstance(m, Trees) for n in self.inputs(m.inputs, where=m.at, part=m.name)]
        return tuple(dict.fromkeys((*read.columns, *inner)))

    def reads(self, inputs: Iterable[Input], *, where: str, part: str) -> Reads:
        """What a model's inputs are.

        Raises:
            OutcomeAsInput: one of them is a column of the examples that no request brings.
            UnknownColumn: one of them is not reached from the query, the item and the context.
            InvalidField: one is no input, or of a kind that its wrapper does not take.
        """
        names: list[str] = []
        hashed: dict[str, int] = {}
        leaves: list[str] = []
        for one in inputs:
            inner = one.input if isinstance(one, Hashed) else one
            if isinstance(inner, Leaves):
                self._known_model(inner.trees, where, "leaves", part)
                leaves.append(inner.trees.name)
            elif isinstance(inner, Group):
                names += resolve.columns_of(inner)
            elif isinstance(inner, Entity):
                names.append(self._canonical(self.row.keys.get(inner.name, inner.name)))
            elif isinstance(inner, Column):
                names.append(self._canonical(str(inner)))
            else:
                raise InvalidField(where=where, part=part, field="inputs", rule="columns, groups, entities", value=one)
            if isinstance(one, Hashed):
                hashed[names[-1]] = one.buckets
        for name in names:
            if name not in self.kinds:
                self._refuse(name, where=where, part=part)
        for name in hashed:
            if self.kinds[name].base != "text":
                raise InvalidField(where=where, part=part, field="Hashed", rule="around a text or a key", value=name)
        return Reads(tuple(dict.fromkeys(names)), hashed, tuple(dict.fromkeys(leaves)))

    def outputs(self, label: str) -> tuple[str, ...]:
        """Names of the scores that a head of this label gives: one, or one for each of its classes."""
        return self._labels.outputs(label)

    def leaves_read(self, model: Model) -> tuple[str, ...]:
        """The models of trees whose leaves a model reads."""
        return tuple(one.trees.name for one in getattr(model, "inputs", ()) if isinstance(one, Leaves))

    def depends(self, name: str) -> frozenset[str]:
        """What a value depends on: entities and context columns of the row (`{"viewer"}`, `{"viewer", "video"}`)."""
        if name in self.row.base or name in self.context:
            return frozenset([name])
        group, _, column = name.partition(".")
        if group in self.features:
            reads = [self.row.keys[entity] for entity in self.features[group].entities]
        elif group in self.derived:
            reads = [n for c, e, _ in self.derived[group].columns if c == column for n in e.names if n != "now"]
        else:
            reads = [on for join in self.row.joins if join.table == group for on in join.on]
        return frozenset().union(*(self.depends(read) for read in reads))

    def _check_sections(self, *sections: object) -> None:
        kinds = (Requirements, Framing, Data, Models, Evaluation, Deployment)
        for section, kind in zip(sections, kinds):
            if not isinstance(section, kind):
                rule = f"a {kind.__name__}(…)"
                raise InvalidField(where=self.at, part="System", field=kind.__name__.lower(), rule=rule, value=section)

    def _resolve_data(self, data: Data, framing: Framing) -> None:
        groups = [*data.groups, *self._answers(data, framing)]
        self.streams = {g._name: resolve.stream(g) for g in groups if isinstance(g, Events)}
        self.tables = {g._name: resolve.table(g) for g in groups if isinstance(g, Table)}
        self.checks = parse_checks(data.checks, self.streams, self.tables, where=data.at)
        for g in groups:
            if isinstance(g, Features) and g._stream._name not in self.streams:
                rule = "an event stream that Data names too"
                raise InvalidField(
                    where=g._at, part=f"Features {g._name}", field="stream", rule=rule, value=g._stream._name
                )
        self.features = {
            g._name: resolve.feature_group(g, self.streams, self.tables, self.timezone)
            for g in groups
            if isinstance(g, Features)
        }

    def _answers(self, data: Data, framing: Framing) -> list[Events]:
        """The stream of what the server showed, where features read it."""
        reading = [g for g in data.groups if isinstance(g, Features) and isinstance(g._stream, Answers)]
        if not reading:
            return []
        if framing.item is None:
            rule = "a stream of the design's own: Framing names no item, so that answers show none"
            group = reading[0]
            raise InvalidField(
                where=group._at, part=f"Features {group._name}", field="stream", rule=rule, value=group._stream
            )
        return [answers.about(framing.query, framing.item)]

    def _resolve_row(self, framing: Framing, data: Data) -> None:
        """What an example and a request reach: the query, the item, the context; tables; features; derived values."""
        if framing.examples._name not in self.streams:
            rule = "an event stream that Data names too"
            value = framing.examples._name
            raise InvalidField(where=framing.at, part="Framing", field="examples", rule=rule, value=value)
        self.examples = self.streams[framing.examples._name]
        own = {key.entity for key in self.examples.keys}
        self.query, self.item = framing.query.name, framing.item.name if framing.item else None
        for field, entity in (("query", self.query), ("item", self.item)):
            if entity is not None and entity not in own:
                rule = f"an entity whose key the examples have ({', '.join(sorted(own))})"
                raise InvalidField(where=framing.at, part="Framing", field=field, rule=rule, value=entity)
        self._spellings = {f"{self.examples.name}.{entity}": entity for entity in own}
        for column in framing.context:
            if not isinstance(column, Column) or column.group != self.examples.name:
                rule = f"columns of {self.examples.name}"
                raise InvalidField(where=framing.at, part="Framing", field="context", rule=rule, value=str(column))
        self.context = tuple(self._canonical(str(column)) for column in framing.context)
        base = [self.query, *([self.item] if self.item else []), *(c for c in self.context if c in own)]
        self.row = plan(base, self.tables)
        stream = resolve.stream_kinds(self.examples)
        self.kinds: dict[str, Kind] = {
            **resolve.row_kinds(self.row, self.tables, self.examples),
            **{name: stream[name] for name in self.context if name in stream},
        }
        for group in self.features.values():
            if all(entity in self.row.keys for entity in group.entities):
                for entity in group.entities:
                    reach(self.row, entity, where=group.at, part=f"Features {group.name}")
                self.kinds |= resolve.feature_kinds([group])
        written = [g for g in data.groups if isinstance(g, Derived)]
        derived = resolve.derived_groups(written, self.kinds, self._spellings_known())
        self.derived = {group.name: group for group in derived}

    def _resolve_framing(self, framing: Framing) -> None:
        stream = resolve.stream_kinds(self.examples)
        keys = {key.entity: Kind("text", key.is_list, key.entity) for key in self.examples.keys}
        self.example_kinds: dict[str, Kind] = {**self.kinds, **keys, **stream}
        names = resolve.scope(self.example_kinds, own=self.examples.name, keys=self._spellings)
        self.where = self._condition(framing.where, names, framing.at, "Framing.where")
        self.available = self._condition(framing.available, self._scope(), framing.at, "Framing.available")
        asked = [self.query, *([self.item] if self.item else [])]
        self._labels = resolved_labels(framing.labels, names, self.streams, self.tables, asked)
        self.labels: dict[str, LabelSpec] = self._labels.labels
        self.label_groups = self._labels.groups
        self.row_labels = {name: label for name, label in self.labels.items() if label.over is None}
        if not self.labels:
            raise InvalidField(where=framing.at, part="Framing", field="labels", rule="one label or more", value=[])

    def _resolve_models(self, models: Models) -> None:
        self.models: dict[str, Model] = {model.name: model for model in models}
        self.rules: dict[str, Expression] = {}
        for model in self.models.values():
            part = f"{type(model).__name__} {model.name}"
            if self.item is None and not isinstance(model, Network | Trees):
                rule = "a Network or Trees, since Framing names no item and the others order items"
                raise InvalidField(
                    where=model.at, part="Models", field=model.name, rule=rule, value=type(model).__name__
                )
            if isinstance(model, Network | Trees):
                self._resolve_scoring(model, part)
            if isinstance(model, TwoTower):
                self._plain_inputs([*model.query, *model.item], (Hashed, Leaves), model.at, part)
                self._check_texts(model, part)
            if isinstance(model, Rule):
                ordered = parse(model.expression, self._scope(), where=model.at, part=part)
                if ordered.kind.is_list or ordered.kind.base not in ("number", "time", "flag"):
                    raise InvalidField(
                        where=model.at, part=part, field="expression", rule="a number", value=model.expression
                    )
                self.rules[model.name] = ordered
            elif (positives := getattr(model, "positives", None)) is not None:
                self._known_label(positives, model.at, part)
                if positives.name not in self.labels or self.labels[positives.name].over is not None:
                    rule = "a flag or a number of the example's own row"
                    raise InvalidField(where=model.at, part=part, field="positives", rule=rule, value=positives.name)

    def _resolve_scoring(self, model: Network | Trees, part: str) -> None:
        """A model with heads: what it reads and predicts is there, and its bodies can be stacked."""
        if isinstance(model, Trees):
            self._plain_inputs(model.inputs, (Leaves,), model.at, part)
        elif isinstance(model.body, Sequence) and any(isinstance(body, Whole) for body in model.body):
            rule = "alone: Linear, Fm and DeepFm are whole models, the others are stacked"
            raise InvalidField(where=model.at, part=part, field="body", rule=rule, value=model.body)
        self._check_texts(model, part)
        if not model.inputs or not model.heads:
            rule = "one or more of each"
            raise InvalidField(where=model.at, part=part, field="inputs, heads", rule=rule, value=model.inputs)
        self.inputs(model.inputs, where=model.at, part=part)
        for head in model.heads:
            self._known_label(head.label, model.at, part)
            group = self.label_groups.get(head.label.name)
            wanted = None if group is None else OneOf if group.exclusive else AnyOf
            if wanted is not (type(head) if isinstance(head, OneOf | AnyOf) else None):
                no_classes = "of labels with classes, made of a category or a list of them"
                rule = no_classes if wanted is None else f"{wanted.__name__}({head.label.name})"
                field = f"{type(head).__name__}({head.label.name})"
                raise InvalidField(where=model.at, part=part, field="heads", rule=rule, value=field)
            if wanted is not None and isinstance(model, Trees):
                rule = "of flags and numbers: trees are one ensemble a number"
                raise InvalidField(where=model.at, part=part, field="heads", rule=rule, value=head.label.name)

    def _check_texts(self, model: Network | Trees | TwoTower, part: str) -> None:
        """Texts are read by networks alone, each by itself."""
        if isinstance(model, TwoTower):
            inputs: Sequence[Input] = [*model.query, *model.item]
        else:
            inputs = model.inputs
        body = getattr(model, "body", None)
        read = [name for name in self.inputs(inputs, where=model.at, part=part) if self.kinds[name].prose]
        if read and (not isinstance(model, Network) or isinstance(body, Fm | DeepFm)):
            who = type(body).__name__ if isinstance(model, Network) else type(model).__name__
            rule = f"other than a Text, which {who} does not read (a Network of stacked bodies or of Linear does)"
            raise InvalidField(where=model.at, part=part, field="inputs", rule=rule, value=read[0])

    def _plain_inputs(self, inputs: Sequence[Input], refused: tuple[type, ...], at: str, part: str) -> None:
        if found := [one for one in inputs if isinstance(one, refused)]:
            rule = f"other than {type(found[0]).__name__}, which {part.split(maxsplit=1)[0]} does not take"
            raise InvalidField(where=at, part=part, field="inputs", rule=rule, value=found[0])

    def _resolve_evaluation(self, evaluation: Evaluation) -> None:
        at, known = evaluation.at, {**self.example_kinds, "now": TIME}
        names = resolve.scope(known, own=self.examples.name, keys=self._spellings)
        self.slices: dict[str, Expression] = {}
        for name, text in evaluation.slices.items():
            condition = self._condition(text, names, at, f"Evaluation.slices[{name!r}]")
            if condition is not None:
                self.slices[name] = condition
        if isinstance(evaluation.split, ByColumn) and str(evaluation.split.column) not in resolve.stream_kinds(
            self.examples
        ):
            rule = f"a column of {self.examples.name}"
            value = str(evaluation.split.column)
            raise InvalidField(where=evaluation.split.at, part="ByColumn", field="column", rule=rule, value=value)
        duration_us(evaluation.ask_every, where=at, part="Evaluation", field="ask_every")
        self.metrics: tuple[Metric, ...] = tuple(
            parse_metric(text, where=at, part="Evaluation.metrics") for text in evaluation.metrics
        )
        self.gates: tuple[Gate, ...] = tuple(
            parse_gate(text, where=at, part="Evaluation.gates") for text in evaluation.gates
        )
        sides = [side for gate in self.gates for side in (gate.left, gate.right) if side is not None]
        scores = {name: Name(name, NUMBER) for name in self.labels}
        self.measured: dict[str, Expression] = {}
        for metric in (*self.metrics, *sides):
            check(
                metric, models=self.models, labels=self.labels, groups=self.label_groups, slices=self.slices,
                where=at, part="Evaluation",
            )  # fmt: skip
            if metric.of is not None and metric.of not in self.label_groups:
                self.measured[metric.of] = parse(metric.of, scores, where=at, part=f"Evaluation {metric}", now=False)
            read = self.slices[metric.slice].names if metric.slice is not None else ()
            other = any(name not in self.kinds or self.depends(name) - {self.query} for name in read)
            if METRICS[metric.name].source == "lists" and other:
                rule = f"without [{metric.slice}], which reads more than the {self.query} that a list is asked for"
                raise InvalidMetric(where=at, part="Evaluation", text=str(metric), rule=rule)

    def _resolve_deployment(self, deployment: Deployment) -> None:
        at, part = deployment.at, "Deployment"
        for top in deployment.candidates:
            self._known_model(getattr(top, "model", None), at, "candidates")
            if not isinstance(top.model, TwoTower | Rule):
                rule = "made of a TwoTower or a Rule"
                raise InvalidField(where=top.at, part=part, field="candidates", rule=rule, value=top.model.name)
        self._known_model(deployment.predict, at, "predict")
        if not isinstance(deployment.predict, Network | Trees):
            raise InvalidField(
                where=at, part=part, field="predict", rule="a Network or Trees", value=deployment.predict.name
            )
        if deployment.retrain is not None:
            duration_us(deployment.retrain.every, where=deployment.retrain.at, part="Retrain", field="every")
            if deployment.retrain.warm and not isinstance(deployment.predict, Network):
                rule = "False: only a Network learns on from its last weights"
                raise InvalidField(where=deployment.retrain.at, part="Retrain", field="warm", rule=rule, value=True)
            if deployment.retrain.warm and any(isinstance(h, OneOf | AnyOf) for h in deployment.predict.heads):
                rule = "False: labels with classes are not learned on from the last weights yet"
                raise InvalidField(where=deployment.retrain.at, part="Retrain", field="warm", rule=rule, value=True)
        names = self._scope()
        filters = [self._condition(text, names, at, "Deployment.filters") for text in deployment.filters]
        self.filters = tuple(condition for condition in filters if condition is not None)
        scores = [name for head in deployment.predict.heads for name in self.outputs(head.label.name)]
        heads = {name: Name(name, NUMBER) for name in scores}
        if deployment.value is None and self.item is not None:
            rule = "an expression that orders the items of an answer"
            raise InvalidField(where=at, part=part, field="value", rule=rule, value=None)
        # Without items there is nothing to order, and nothing reads it.
        value = deployment.value or "0"
        self.value = parse(value, {**names, **heads}, where=at, part="Deployment.value")
        if self.value.kind != NUMBER:
            raise InvalidField(where=at, part=part, field="value", rule="a number", value=deployment.value)
        self.actions = tuple(self._action(action, heads, names) for action in deployment.policy)
        for step in deployment.rerank:
            if not isinstance(step, AtMost | Explore | Pace | SecondPrice):
                rule = "AtMost, Explore, Pace and SecondPrice"
                raise InvalidField(where=at, part=part, field="rerank", rule=rule, value=step)
            read = self.inputs(step.columns, where=step.at, part=type(step).__name__)
            wrong = [name for name in read if self.kinds[name] != NUMBER and not isinstance(step, AtMost)]
            if wrong:
                rule = "of columns that are numbers"
                raise InvalidField(where=step.at, part=part, field=type(step).__name__, rule=rule, value=wrong[0])
        if sum(isinstance(step, SecondPrice) for step in deployment.rerank) > 1:
            raise InvalidField(where=at, part=part, field="rerank", rule="with one SecondPrice at most", value="two")

    def _action(self, written: Action, scores: Scope, names: Scope) -> ActionSpec:
        deployment, part = self.deployment, "Deployment"
        if not isinstance(written, Action):
            raise InvalidField(where=deployment.at, part=part, field="policy", rule="made of Action(…)", value=written)
        if self.item is not None:
            rule = "left out: Framing names an item, and actions are taken on rows"
            raise InvalidField(where=deployment.at, part=part, field="policy", rule=rule, value=written.name)
        if [one.name for one in deployment.policy].count(written.name) > 1:
            rule = "of actions named differently"
            raise InvalidField(where=deployment.at, part=part, field="policy", rule=rule, value=written.name)
        part = f"Action {written.name}"
        on = parse(written.on, scores, where=written.at, part=f"{part}.on", now=False)
        order = (
            None if written.order is None else parse(written.order, {**names, **scores}, where=written.at, part=part)
        )
        for field, one in (("on", on), ("order", order)):
            if one is not None and one.kind != NUMBER:
                raise InvalidField(where=written.at, part=part, field=field, rule="a number", value=one.text)
        if not on.names:
            raise InvalidField(where=written.at, part=part, field="on", rule="of a score", value=written.on)
        return ActionSpec(written, on, order)

    def shares_budget(self, step: Pace) -> tuple[str, ...]:
        """Canonical names of the keys whose items spend one budget: those that `spent` is kept for, else the item."""
        group = self.features.get(step.spent.group)
        return (str(self.item),) if group is None else tuple(self.row.keys[entity] for entity in group.entities)

    def _scope(self) -> Scope:
        return resolve.scope({**self.kinds, "now": TIME}, keys=self._spellings_known())

    def _spellings_known(self) -> dict[str, str]:
        return {full: entity for full, entity in self._spellings.items() if entity in self.kinds}

    def _canonical(self, name: str) -> str:
        return self._spellings.get(name, name)

    def _condition(self, text: str | None, names: Scope, at: str, part: str) -> Expression | None:
        if text is None:
            return None
        condition = parse(text, names, where=at, part=part)
        if condition.kind.base != "flag" or condition.kind.is_list:
            owner, _, field = part.partition(".")
            raise InvalidField(where=at, part=owner, field=field, rule="a condition", value=text)
        return condition

    def _known_label(self, label: Label, at: str, part: str) -> None:
        known = {**self.labels, **self.label_groups}
        if not isinstance(label, Label) or label.name not in known:
            rule = f"one of the framing's labels ({', '.join(known)})"
            value = label.name if isinstance(label, Label) else label
            raise InvalidField(where=at, part=part, field="label", rule=rule, value=value)

    def _known_model(self, model: object, at: str, field: str, part: str = "Deployment") -> None:
        if not isinstance(model, Model) or model.name not in self.models:
            rule = f"a model that Models names ({', '.join(self.models)})"
            value = model.name if isinstance(model, Model) else model
            raise InvalidField(where=at, part=part, field=field, rule=rule, value=value)

    def _refuse(self, name: str, *, where: str, part: str) -> None:
        group, _, column = name.partition(".")
        if group == self.examples.name and name in resolve.stream_kinds(self.examples):
            raise OutcomeAsInput(where=where, part=part, name=name, framing=self.at)
        known = [full.partition(".")[2] or full for full in self.kinds if full.startswith(f"{group}.") or full == group]
        raise UnknownColumn(where=where, group=group, column=column or name, known=known)
