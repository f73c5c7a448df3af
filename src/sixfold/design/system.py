"""A design as a whole: six sections, checked against each other when it is built."""

from collections.abc import Iterable

from sixfold.design import resolve
from sixfold.design.checks import parse_checks
from sixfold.design.columns import Column
from sixfold.design.data import Data
from sixfold.design.deployment import Deployment, Pace
from sixfold.design.entities import Entity
from sixfold.design.evaluation import Evaluation
from sixfold.design.expressions import Expression, Scope, parse
from sixfold.design.fingerprint import fingerprint
from sixfold.design.framing import Framing, Label
from sixfold.design.groups import Answers, Derived, Events, Features, Group, Table, answers
from sixfold.design.kinds import TIME, Kind
from sixfold.design.labels import resolved_labels
from sixfold.design.models import Hashed, Input, Leaves, Model, Models, Trees
from sixfold.design.paths import plan, reach
from sixfold.design.places import Place
from sixfold.design.requirements import Requirements
from sixfold.design.schema import FeatureGroup, LabelSpec, Reads
from sixfold.design.system_deployment import resolved_deployment
from sixfold.design.system_evaluation import resolved_evaluation
from sixfold.design.system_models import resolved_rules
from sixfold.design.where import caller
from sixfold.errors import InvalidField, OutcomeAsInput, UnknownColumn

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
        self.models: dict[str, Model] = {model.name: model for model in models}
        self.rules = resolved_rules(self)
        self.slices, self.metrics, self.gates, self.measured = resolved_evaluation(self, evaluation)
        self.filters, self.value, self.actions = resolved_deployment(self, deployment)

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
        return tuple(dict.fromkeys((*read.columns, *(name for place in read.places for name in place), *inner)))

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
        places: list[tuple[str, str]] = []
        for one in inputs:
            inner = one.input if isinstance(one, Hashed) else one
            if isinstance(inner, Leaves):
                self.known_model(inner.trees, where, "leaves", part)
                leaves.append(inner.trees.name)
            elif isinstance(inner, Place):
                lat, lon = (self._coordinate(column, inner.at, part) for column in (inner.lat, inner.lon))
                places.append((lat, lon))
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
            if self.kinds[name].base != "text" or self.kinds[name].image:
                raise InvalidField(where=where, part=part, field="Hashed", rule="around a text or a key", value=name)
        columns, models = tuple(dict.fromkeys(names)), tuple(dict.fromkeys(leaves))
        return Reads(columns, hashed, models, tuple(dict.fromkeys(places)))

    def outputs(self, label: str) -> tuple[str, ...]:
        """Names of the scores that a head of this label gives: one, or one for each of its classes."""
        return self._labels.outputs(label)

    def leaves_read(self, model: Model) -> tuple[str, ...]:
        """The models of trees whose leaves a model reads."""
        return tuple(one.trees.name for one in getattr(model, "inputs", ()) if isinstance(one, Leaves))

    @property
    def relations(self) -> frozenset[str]:
        """The tables that features are read through."""
        return frozenset(group.hop.table for group in self.features.values() if group.hop is not None)

    def depends(self, name: str) -> frozenset[str]:
        """What a value depends on: entities and context columns of the row (`{"viewer"}`, `{"viewer", "video"}`)."""
        if name in self.row.base or name in self.context:
            return frozenset([name])
        group, _, column = name.partition(".")
        if group in self.features:
            reads = [self.row.keys[entity] for entity in self.features[group].asked]
        elif group in self.derived:
            reads = [n for c, e, _ in self.derived[group].columns if c == column for n in e.names if n != "now"]
        else:
            reads = [on for join in self.row.joins if join.table == group for on in join.on]
        return frozenset().union(*(self.depends(read) for read in reads))

    def read_for(self, names: Iterable[str]) -> frozenset[str]:
        """What these names come down to: instead of a derived value, what it is computed from."""
        found: set[str] = set()
        for name in names:
            group, _, column = name.partition(".")
            if group in self.derived:
                found |= self.read_for(next(e for c, e, _ in self.derived[group].columns if c == column).names)
            else:
                found.add(name)
        return frozenset(found)

    def shares_budget(self, step: Pace) -> tuple[str, ...]:
        """Canonical names of the keys whose items spend one budget: those that `spent` is kept for, else the item."""
        group = self.features.get(step.spent.group)
        return (str(self.item),) if group is None else tuple(self.row.keys[entity] for entity in group.asked)

    def scope(self) -> Scope:
        """What an expression over a request's row may read."""
        return resolve.scope({**self.kinds, "now": TIME}, keys=self._spellings_known())

    def condition(self, text: str | None, names: Scope, at: str, part: str) -> Expression | None:
        """A condition over these names.

        Raises:
            DesignError: it cannot be read, or is none.
        """
        if text is None:
            return None
        condition = parse(text, names, where=at, part=part)
        if condition.kind.base != "flag" or condition.kind.is_list:
            owner, _, field = part.partition(".")
            raise InvalidField(where=at, part=owner, field=field, rule="a condition", value=text)
        return condition

    def known_label(self, label: Label, at: str, part: str) -> None:
        """See that the framing has this label.

        Raises:
            InvalidField: it has not.
        """
        known = {**self.labels, **self.label_groups}
        if not isinstance(label, Label) or label.name not in known:
            rule = f"one of the framing's labels ({', '.join(known)})"
            value = label.name if isinstance(label, Label) else label
            raise InvalidField(where=at, part=part, field="label", rule=rule, value=value)

    def known_model(self, model: object, at: str, field: str, part: str = "Deployment") -> None:
        """See that the design has this model.

        Raises:
            InvalidField: it has not.
        """
        if not isinstance(model, Model) or model.name not in self.models:
            rule = f"a model that Models names ({', '.join(self.models)})"
            value = model.name if isinstance(model, Model) else model
            raise InvalidField(where=at, part=part, field=field, rule=rule, value=value)

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
            if isinstance(g, Features) and g._relation is not None and g._relation._name not in self.tables:
                rule, value = "a relation that Data names too", g._relation._name
                raise InvalidField(where=g._at, part=f"Features {g._name}", field="entity", rule=rule, value=value)
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
        self.spellings = {f"{self.examples.name}.{entity}": entity for entity in own}
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
            self._check_near(group)
            if all(entity in self.row.keys for entity in group.asked):
                for entity in group.asked:
                    reach(self.row, entity, where=group.at, part=f"Features {group.name}")
                self.kinds |= resolve.feature_kinds([group])
        written = [g for g in data.groups if isinstance(g, Derived)]
        derived = resolve.derived_groups(written, self.kinds, self._spellings_known())
        self.derived = {group.name: group for group in derived}

    def _check_near(self, group: FeatureGroup) -> None:
        """Refuse a relation that no row can ask: nobody would ever read what is kept for it."""
        if group.hop is None:
            return
        near, part = group.hop.near.entity, f"Features {group.name}"
        if self.kinds[reach(self.row, near, where=group.at, part=part)].is_list:
            rule = f"of one {near} a row, who asks; here a row has a list of them"
            raise InvalidField(where=group.at, part=part, field=group.hop.table, rule=rule, value=self.row.keys[near])

    def _resolve_framing(self, framing: Framing) -> None:
        stream = resolve.stream_kinds(self.examples)
        keys = {key.entity: Kind("text", key.is_list, key.entity) for key in self.examples.keys}
        self.example_kinds: dict[str, Kind] = {**self.kinds, **keys, **stream}
        names = resolve.scope(self.example_kinds, own=self.examples.name, keys=self.spellings)
        self.where = self.condition(framing.where, names, framing.at, "Framing.where")
        self.available = self.condition(framing.available, self.scope(), framing.at, "Framing.available")
        self.negatives, self.lists = framing.negatives, framing.lists
        asked = [self.query, *([self.item] if self.item else [])]
        self._labels = resolved_labels(framing.labels, names, self.streams, self.tables, asked)
        self.labels: dict[str, LabelSpec] = self._labels.labels
        self.label_groups = self._labels.groups
        self.row_labels = {name: label for name, label in self.labels.items() if label.over is None}
        if not self.labels:
            raise InvalidField(where=framing.at, part="Framing", field="labels", rule="one label or more", value=[])
        if self.negatives is not None and (forward := [n for n in self.labels if n not in self.row_labels]):
            rule = "left out with labels over another stream: what was not chosen has none"
            raise InvalidField(where=framing.at, part="Framing", field="negatives", rule=rule, value=forward[0])

    def _spellings_known(self) -> dict[str, str]:
        return {full: entity for full, entity in self.spellings.items() if entity in self.kinds}

    def _canonical(self, name: str) -> str:
        return self.spellings.get(name, name)

    def _coordinate(self, column: Column, at: str, part: str) -> str:
        if (name := self._canonical(str(column))) not in self.kinds:
            self._refuse(name, where=at, part=part)
        if self.kinds[name].base != "number" or self.kinds[name].is_list:
            raise InvalidField(where=at, part=part, field="Place", rule="made of two numbers", value=name)
        return name

    def _refuse(self, name: str, *, where: str, part: str) -> None:
        group, _, column = name.partition(".")
        if group == self.examples.name and name in resolve.stream_kinds(self.examples):
            raise OutcomeAsInput(where=where, part=part, name=name, framing=self.at)
        known = [full.partition(".")[2] or full for full in self.kinds if full.startswith(f"{group}.") or full == group]
        raise UnknownColumn(where=where, group=group, column=column or name, known=known)
