"""From the sections as written to the schema: streams, tables, features, derived values."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from sixfold.design.aggregates import AggregateSpec
from sixfold.design.columns import Categories, Category, Number, Time, Type
from sixfold.design.entities import Key
from sixfold.design.expressions import Expression, Name, Scope, parse
from sixfold.design.groups import Derived, Events, Features, Group, Table
from sixfold.design.kinds import FLAG, NUMBER, TIME, Kind
from sixfold.design.paths import plan, reach
from sixfold.design.schema import (
    Aggregate,
    DerivedGroup,
    FeatureGroup,
    Field,
    Hop,
    KeyField,
    RowPlan,
    Stream,
    TableSchema,
)
from sixfold.design.units import LONGEST_DAY_US, TODAY, TODAY_HOP_US, duration_us, hop_us
from sixfold.errors import DerivedCycle, InvalidField, WindowTooLong

__all__ = ["derived_groups", "feature_group", "feature_kinds", "row_kinds", "scope", "stream", "table"]


def stream(events: Events) -> Stream:
    """The schema of an event stream."""
    part = f"Events {events._name}"
    keys = tuple(_key(key) for key in events._keys)
    fields = tuple(_field(name, column, events._name) for name, column in events._columns.items())
    time = _field("time", events._time, events._name)
    keep = events._keep and duration_us(events._keep, where=events._at, part=part, field="keep")
    bare = Stream(events._name, events._source, keys, time, None, events._id, keep or None, fields, events._at)
    if events._known is None:
        return bare
    names = scope({f"{bare.name}.{f.name}": f.kind for f in (time, *fields)}, own=bare.name)
    known = parse(events._known, names, where=events._at, part=f"{part}.known")
    if known.kind.base != "time":
        raise InvalidField(where=events._at, part=part, field="known", rule="a time", value=events._known)
    return Stream(bare.name, bare.sources, keys, time, known, bare.identity, bare.keep_us, fields, bare.at)


def table(written: Table) -> TableSchema:
    """The schema of a table."""
    fields = tuple(_field(n, c, written._name) for n, c in written._columns.items() if isinstance(c, Type))
    links = tuple(_key(c, n) for n, c in written._columns.items() if isinstance(c, Key))
    keys = tuple(_key(key) for key in written._keys)
    return TableSchema(written._name, written._source, keys, links, written._valid_from, fields, written._at)


def row_kinds(row: RowPlan, tables: Mapping[str, TableSchema], stream: Stream) -> dict[str, Kind]:
    """Kinds of what a row of this stream reaches: its own keys, and every column of the tables looked up."""
    lists = {key.entity for key in stream.keys if key.is_list}
    kinds = {entity: Kind("text", is_list=entity in lists, domain=entity) for entity in row.base}
    for join in row.joins:
        schema = tables[join.table]
        for key in schema.keys:
            kinds[f"{schema.name}.{key.name}"] = Kind("text", domain=key.entity)
        for link in schema.links:
            kinds[f"{schema.name}.{link.name}"] = Kind("text", is_list=link.is_list, domain=link.entity)
        for column in schema.fields:
            kinds[f"{schema.name}.{column.name}"] = column.kind
    return kinds


def stream_kinds(events: Stream) -> dict[str, Kind]:
    """Kinds of a stream's own columns and its time, by full name."""
    return {f"{events.name}.{f.name}": f.kind for f in (events.time, *events.fields)}


def scope(kinds: Mapping[str, Kind], *, own: str | None = None, keys: Mapping[str, str] | None = None) -> Scope:
    """Every spelling of these canonical names: full, and bare where that is unique; the columns of `own` always bare.

    `keys` adds full spellings of a stream's keys (`impressions.video`) that mean the entity.
    """
    spellings: dict[str, Name] = {name: Name(name, kind) for name, kind in kinds.items()}
    bare: dict[str, list[str]] = {}
    for name in kinds:
        if "." in name:
            bare.setdefault(name.split(".")[1], []).append(name)
    for short, full in bare.items():
        mine = [name for name in full if name.split(".")[0] == own]
        if short not in kinds and (len(full) == 1 or mine):
            chosen = (mine or full)[0]
            spellings[short] = Name(chosen, kinds[chosen])
    for spelling, entity in (keys or {}).items():
        spellings[spelling] = Name(entity, kinds[entity])
    return spellings


def feature_group(
    written: Features, streams: Mapping[str, Stream], tables: Mapping[str, TableSchema], timezone: str
) -> FeatureGroup:
    """A group of features with its expressions resolved over the event's row."""
    part, events = f"Features {written._name}", streams[written._stream._name]
    row = plan((key.entity for key in events.keys), tables)
    hop = None if written._relation is None else _hop(tables[written._relation._name])
    others = tuple(entity.name for entity in written._entities)
    entities = others if hop is None else (hop.far.entity, *others)
    if len(set(entities)) < len(entities):
        raise InvalidField(where=written._at, part=part, field="entity", rule="of different entities", value=entities)
    for entity in entities:
        reach(row, entity, where=written._at, part=part)
    kinds = {**row_kinds(row, tables, events), **stream_kinds(events)}
    names = scope(kinds, own=events.name, keys={f"{events.name}.{key.name}": key.entity for key in events.keys})
    aggregates = tuple(_aggregate(name, spec, names, events, part, timezone) for name, spec in written._columns.items())
    return FeatureGroup(written._name, entities, events.name, aggregates, row, written._at, written._combine, hop)


def feature_kinds(groups: Iterable[FeatureGroup]) -> dict[str, Kind]:
    """Kinds of features by canonical name; what they combine to over a list of keys is a number too."""
    return {f"{group.name}.{a.name}": a.kind for group in groups for a in group.aggregates}


def derived_groups(written: Iterable[Derived], kinds: dict[str, Kind], keys: Mapping[str, str]) -> list[DerivedGroup]:
    """Derived groups in the order in which they can be computed; adds their kinds to `kinds`."""
    groups = {group._name: group for group in written}
    order = _order(groups)
    resolved = []
    for name in order:
        group, columns = groups[name], []
        names = scope({**kinds, "now": TIME}, keys=keys)
        for column, value in group._columns.items():
            part = f"Derived {name}.{column}"
            text = value if isinstance(value, str) else value.raw or column
            expression = parse(text, names, where=group._at, part=part)
            kind = expression.kind if isinstance(value, str) else _cast(value, expression, f"{name}.{column}", part)
            columns.append((column, expression, kind))
            kinds[f"{name}.{column}"] = kind
        resolved.append(DerivedGroup(name, tuple(columns), group._at))
    return resolved


def _order(groups: Mapping[str, Derived]) -> list[str]:
    """Groups before those that read them, found by the names in their texts."""
    reads = {
        name: {
            other
            for other in groups
            if other != name
            and any(f"{other}." in (v if isinstance(v, str) else v.raw or "") for v in group._columns.values())
        }
        for name, group in groups.items()
    }
    try:
        return list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        cycle: list[str] = error.args[1]
        raise DerivedCycle(where=groups[cycle[0]]._at, cycle=cycle) from error


def _cast(column: Type, expression: Expression, name: str, part: str) -> Kind:
    kind, own = column.kind(name), expression.kind
    if kind.image and not own.image:
        rule = "of a column that is an Image: only those are checked"
        raise InvalidField(where=column.at, part=part, field="Image", rule=rule, value=expression.text)
    if kind.base == own.base or (kind.base == "text" and own.base in ("number", "flag") and not own.is_list):
        return Kind(kind.base, own.is_list, kind.domain, kind.prose, kind.image)
    if kind.base == "number" and own.base == "flag" and not own.is_list:
        return kind
    rule = f"around an expression of its kind, not around a {own}"
    raise InvalidField(where=column.at, part=part, field=type(column).__name__, rule=rule, value=expression.text)


_TAKES = {
    **dict.fromkeys(("sum", "mean", "decayed"), ("number", "flag")),
    **dict.fromkeys(("min", "max", "std"), ("number",)),
    "rate": ("flag",),
}
"""What an aggregate's expression may be, where it is not any one value."""


def _aggregate(name: str, spec: AggregateSpec, names: Scope, events: Stream, part: str, timezone: str) -> Aggregate:
    part = f"{part}.{name}"
    expression = None if spec.expression is None else parse(spec.expression, names, where=spec.at, part=part)
    condition = None if spec.where is None else parse(spec.where, names, where=spec.at, part=f"{part}.where")
    if condition is not None and condition.kind != FLAG:
        raise InvalidField(where=spec.at, part=part, field="where", rule="a condition", value=spec.where)
    wanted = _TAKES.get(spec.function)
    if expression is not None and (expression.kind.is_list or (wanted and expression.kind.base not in wanted)):
        rule = f"{' or '.join(wanted) if wanted else 'one value'}, not a {expression.kind}"
        raise InvalidField(where=spec.at, part=part, field=spec.function, rule=rule, value=spec.expression)
    window, today = None, False
    if spec.window is not None:
        if not (today := spec.window == TODAY):
            window = duration_us(spec.window, where=spec.at, part=part, field="window")
        else:
            window = LONGEST_DAY_US
        if events.keep_us is not None and window > events.keep_us:
            raise WindowTooLong(where=spec.at, part=part, window_us=window, stream=events.name, keep_us=events.keep_us)
    half_life = None
    if spec.half_life is not None:
        half_life = duration_us(spec.half_life, where=spec.at, part=part, field="half_life")
    kind = NUMBER
    if spec.function in ("first", "last", "top") and expression is not None:
        kind = Kind(expression.kind.base, spec.n is not None, expression.kind.domain)
    hop = None if window is None else TODAY_HOP_US if today else hop_us(window)
    zone = timezone if today else None
    return Aggregate(
        name, spec.function, expression, condition, window, hop, spec.n, spec.prior, kind, zone, spec.limit, half_life
    )


def _hop(relation: TableSchema) -> Hop:
    near, far = relation.keys
    return Hop(relation.name, near, far)


def _key(key: Key, name: str | None = None) -> KeyField:
    return KeyField(
        key.entity.of or key.entity.name, key.raw, key.is_list, key.split, name or key.entity.name, key.optional
    )


def _field(name: str, column: Type, group: str) -> Field:
    unit = column.unit if isinstance(column, Number | Time) else None
    split = column.split if isinstance(column, Categories) else None
    values = tuple(column.values) if isinstance(column, Category | Categories) and column.values is not None else None
    return Field(name, column.raw or name, column.kind(f"{group}.{name}"), unit, split, values)


def columns_of(group: Group) -> tuple[str, ...]:
    """Canonical names of a group's columns as an input: all of them, times and the group's own keys excepted."""
    return tuple(f"{group._name}.{name}" for name, c in group._columns.items() if not isinstance(c, Time))
