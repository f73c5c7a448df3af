"""A design drawn in text: its six sections, resolved."""

from collections.abc import Iterable

from sixfold.design.deployment import AtMost, Explore, Pace, Rerank
from sixfold.design.groups import ANSWERS
from sixfold.design.models import Network, Rule, Trees, TwoTower
from sixfold.design.policy import Action
from sixfold.design.requirements import Requirements
from sixfold.design.schema import Aggregate, FeatureGroup
from sixfold.design.system import System
from sixfold.design.units import shown

__all__ = ["draw"]


def draw(system: System) -> str:
    """What `sixfold check` prints: each section with what it resolved to."""
    parts = [
        ("1 Requirements", _requirements(system.requirements)),
        ("2 Framing", _framing(system)),
        ("3 Data", _data(system)),
        ("4 Models", _models(system)),
        ("5 Evaluation", _evaluation(system)),
        ("6 Deployment", _deployment(system)),
    ]
    lines = [f"{system.name}   (features {system.fingerprint})"]
    for title, content in parts:
        lines += ["", title, *(f"   {line}" for line in content)]
    return "\n".join(lines)


def _requirements(r: Requirements) -> list[str]:
    names = ("users", "items", "peak_rps", "p99_ms", "freshness_s", "availability")
    said = [f"{name} {value:,}" for name in names if (value := getattr(r, name)) is not None]
    return [r.goal, "   ".join(said)] if said else [r.goal]


def _framing(system: System) -> list[str]:
    asked = f"{system.query} -> {system.item}" if system.item else f"one answer per {system.query}"
    lines = [f"{asked}, learned from {system.examples.name}"]
    if system.where:
        lines.append(f"examples where {system.where.text}")
    if system.available:
        lines.append(f"available     {system.available.text}")
    if system.negatives:
        most = f" of {system.lists:,} drawn" if system.lists else ""
        lines.append(f"negatives     some {system.negatives} available items drawn beside each example{most}")
    if system.context:
        lines.append(f"a request brings {', '.join(system.context)}")
    for label in system.labels.values():
        within = f"   within {shown(label.within_us)}" if label.within_us else ""
        came = f", which came at {label.time.text}" if label.time else ""
        came += f", {label.over.function} over {label.over.stream}" if label.over else ""
        lines.append(f"label {label.name} = {label.value.text}{within}{came}")
    return lines


def _data(system: System) -> list[str]:
    lines = []
    for table in system.tables.values():
        keys = ", ".join(key.name for key in table.keys)
        lines.append(f"table    {table.name}({keys})   {_sources(table.sources)}")
    for stream in system.streams.values():
        keys = ", ".join(key.entity for key in stream.keys)
        known = f"   known at {stream.known.text}" if stream.known else ""
        source = "what the server shows" if stream.name == ANSWERS else _sources(stream.sources)
        lines.append(f"events   {stream.name}({keys})   {source}{known}")
    for group in system.features.values():
        lines.append(f"features {group.name}({_kept_for(group)}) of {group.stream}{_way(group)}")
        lines += [f"   {a.name} = {_aggregate(a)}" for a in group.aggregates]
    for derived in system.derived.values():
        lines.append(f"derived  {derived.name}")
        lines += [f"   {name} = {expression.text}" for name, expression, _ in derived.columns]
    return lines


def _sources(sources: Iterable[object]) -> str:
    return " + ".join(str(source) for source in sources) or "over HTTP only"


def _kept_for(group: FeatureGroup) -> str:
    if group.hop is None:
        return ", ".join(group.entities)
    paired = f"each {group.hop.far.name} of {group.hop.near.name} by {group.hop.table}"
    return f"{', '.join([paired, *group.entities[1:]])}; {group.combine}"


def _way(group: FeatureGroup) -> str:
    ways = [group.event.keys[entity] for entity in group.entities if group.event.keys[entity] != entity]
    return f"   via {', '.join(ways)}" if ways else ""


def _aggregate(a: Aggregate) -> str:
    inner = [a.expression.text] if a.expression else []
    inner += [f"n={a.n}"] if a.n else []
    inner += [f"prior={a.prior}"] if a.prior else []
    window = f" over {'today' if a.day_zone else shown(a.window_us)}" if a.window_us else ""
    where = f" where {a.where.text}" if a.where else ""
    return f"{a.function}({', '.join(inner)}){window}{where}"


def _models(system: System) -> list[str]:
    lines = []
    for model in system.models.values():
        kind = f"{type(model).__name__} {model.name}"
        if isinstance(model, TwoTower):
            query = system.inputs(model.query, where=model.at, part=model.name)
            item = system.inputs(model.item, where=model.at, part=model.name)
            lines.append(f"{kind}   {', '.join(query)}  x  {', '.join(item)}   positives {model.positives.name}")
        elif isinstance(model, Network | Trees):
            inputs = system.inputs(model.inputs, where=model.at, part=model.name)
            heads = ", ".join(f"{type(head).__name__}({head.label.name})" for head in model.heads)
            lines.append(f"{kind}   {len(inputs)} inputs -> {heads}")
        elif isinstance(model, Rule):
            lines.append(f"{kind}   {model.expression}")
        else:
            lines.append(kind)
    return lines


def _evaluation(system: System) -> list[str]:
    split = system.evaluation.split
    lines = [str(split), f"metrics {', '.join(str(metric) for metric in system.metrics)}"]
    lines += [f"slice {name}: {condition.text}" for name, condition in system.slices.items()]
    return lines + [f"gate  {gate.text}" for gate in system.gates]


def _deployment(system: System) -> list[str]:
    d = system.deployment
    if system.item is None:
        actions = [f"action     {one.action.name} on {one.on.text}: {_goal(one.action)}" for one in system.actions]
        return [f"predict    {d.predict.name}, one answer a {system.query}", *actions, f"stores     {d.stores}"]
    sources = [f"{top.model.name}.top({top.n})" for top in d.candidates] or ["every available item"]
    lines = [f"candidates {', '.join(sources)}"]
    lines += [f"filter     {condition.text}" for condition in system.filters]
    lines += [f"predict    {d.predict.name}", f"value      {d.value}"]
    for step in d.rerank:
        lines.append(f"rerank     {_step(step)}")
    return [*lines, f"stores     {d.stores}"]


def _goal(action: Action) -> str:
    if action.per_day is not None:
        return f"{action.per_day:,} a day"
    return f"precision {action.precision:g}" if action.precision is not None else f"recall {action.recall:g}"


def _step(step: Rerank) -> str:
    if isinstance(step, AtMost):
        return f"at most {step.n} of one {step.column}"
    if isinstance(step, Explore):
        return f"explore {step.share:g}"
    if isinstance(step, Pace):
        return f"pace {step.spent} within {step.budget}"
    of = "" if step.bid is None else f" of {step.bid}"
    return f"second price{of}, reserve {step.reserve:g}"
