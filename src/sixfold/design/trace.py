"""Which columns stand behind what models read: definitions followed from an input back to streams and tables."""

from collections.abc import Iterable
from dataclasses import dataclass

from sixfold.design.models import Network, Trees, TwoTower
from sixfold.design.schema import Aggregate, FeatureGroup, Stream
from sixfold.design.system import System

__all__ = ["Reached", "Trace", "model_inputs", "outcomes", "reads_of", "trace"]


@dataclass(frozen=True, slots=True)
class Reached:
    """One feature, table column or context column that models read, directly or through derived values."""

    name: str
    """Canonical."""
    inputs: tuple[str, ...]
    """The inputs that it stands behind; itself where models read it as it is."""
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """What all models read, by where it comes from, in the order of the design."""

    features: tuple[Reached, ...]
    columns: tuple[Reached, ...]
    """Of tables; features that read a table's column at their events count for it too."""
    context: tuple[Reached, ...]


def model_inputs(system: System) -> dict[str, tuple[str, ...]]:
    """Canonical names that models read, each with the models' names: inputs, both sides of towers, rules."""
    found: dict[str, list[str]] = {}
    for model in system.models.values():
        names: Iterable[str] = ()
        if isinstance(model, Network | Trees):
            names = system.inputs(model.inputs, where=model.at, part=model.name)
        elif isinstance(model, TwoTower):
            names = system.inputs([*model.query, *model.item], where=model.at, part=model.name)
        elif model.name in system.rules:
            names = sorted(system.rules[model.name].names)
        for name in names:
            found.setdefault(name, []).append(model.name)
    return {name: tuple(models) for name, models in found.items()}


def trace(system: System) -> Trace:
    """Follow every input through derived values and features."""
    ways: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for name, models in model_inputs(system).items():
        for base in _bases(system, name):
            inputs, readers = ways.setdefault(base, ({}, {}))
            inputs[name] = None
            readers.update(dict.fromkeys(models))
    found: dict[str, list[Reached]] = {"features": [], "columns": [], "context": []}
    for base, (inputs, readers) in ways.items():
        group = base.split(".")[0]
        kind = "features" if group in system.features else "columns" if group in system.tables else "context"
        if kind != "context" or base in system.context:
            found[kind].append(Reached(base, tuple(inputs), tuple(readers)))
    return Trace(tuple(found["features"]), tuple(found["columns"]), tuple(found["context"]))


def outcomes(system: System) -> frozenset[str]:
    """Columns of the examples that no request brings: what came of the example."""
    stream = system.examples
    return frozenset(f"{stream.name}.{field.name}" for field in stream.fields) - frozenset(system.context)


def reads_of(system: System, feature: str) -> tuple[FeatureGroup, Aggregate, Stream]:
    """A feature's group, its aggregate and its stream."""
    group_name, _, name = feature.partition(".")
    group = system.features[group_name]
    return group, next(a for a in group.aggregates if a.name == name), system.streams[group.stream]


def _bases(system: System, name: str) -> list[str]:
    """The features, table columns and context columns behind a name."""
    group, _, column = name.partition(".")
    if group in system.derived:
        expression = next(e for c, e, _ in system.derived[group].columns if c == column)
        return [base for read in sorted(expression.names) for base in _bases(system, read)]
    if group in system.features:
        _, aggregate, _ = reads_of(system, name)
        read = [e.names for e in (aggregate.expression, aggregate.where) if e is not None]
        tables = [one for one in sorted(frozenset().union(*read)) if one.split(".")[0] in system.tables]
        return [name, *(one for one in tables if one in system.kinds)]
    return [name]
