"""Features of a proposed design, and what models read."""

from dataclasses import dataclass, field

from sixfold.scaffold.draft import Draft, Part
from sixfold.scaffold.evidence import Evidence
from sixfold.scaffold.implicit import LABEL
from sixfold.scaffold.names import singular
from sixfold.scaffold.page import Page, call, text

__all__ = ["Signals", "features"]

_WINDOWS = [(1 / 24, "1h"), (0.25, "6h"), (1, "1d"), (7, "7d"), (30, "30d"), (90, "90d"), (365, "365d"), (1825, "5y")]
PRIOR = 4
"""How many rows of the overall rate a key starts with."""
MANY = 40
"""A table with more columns goes into a model as a whole, if a model can read all of it."""
FEW_LINKS = 2_000
"""A link with more different keys is no input: too few rows each to learn from."""


@dataclass(slots=True)
class Signals:
    """Variables of what was written, by what it is for."""

    groups: list[str] = field(default_factory=list)
    """All groups, for `Data`."""
    inputs: list[str] = field(default_factory=list)
    """Of the model that predicts."""
    query: list[str] = field(default_factory=list)
    """Of the query's tower."""
    item: list[str] = field(default_factory=list)
    popular: str | None = None
    newest: str | None = None
    soonest: str | None = None
    seen: str | None = None
    """The list of what the query met before."""
    history: str | None = None
    rate: float = 0.5


def windows(evidence: Evidence) -> tuple[str, str]:
    """A short and a long window for a log of this length: about a thirtieth of it and an eighth, or the next longer."""
    days = (evidence.span_s or 30 * 86400) / 86400
    short = max((w for w in _WINDOWS if w[0] <= days / 25), default=_WINDOWS[0])
    long = max((w for w in _WINDOWS if w[0] <= days / 8), default=_WINDOWS[1])
    return short[1], long[1] if long != short else _WINDOWS[_WINDOWS.index(short) + 1][1]


def features(page: Page, draft: Draft) -> Signals:
    """Write the groups of features and derived values."""
    made = Signals(rate=draft.labels[0][0].share if draft.labels and draft.labels[0][0].kind == "flag" else 0.25)
    page.gap()
    if draft.item is not None:
        _of_query(page, draft, made)
        _of_item(page, draft, made)
        _of_lists(page, draft, made)
    elif draft.question.query is not None:
        for entity, _ in draft.keys(draft.question.main):
            _of_key(page, draft, made, entity)
    _of_logs(page, draft, made)
    _derived(page, draft, made)
    _columns(draft, made)
    return made


def liked(draft: Draft) -> str:
    """The condition that a row is a positive, over the log's columns."""
    if not draft.labels:
        return LABEL
    first = next((one for one, _ in draft.labels if one.kind == "flag"), None)
    return draft.value(first) if first else f"{draft.value(draft.labels[0][0])} > 0"


def prior(rate: float) -> str:
    """What a rate starts with: the overall rate, worth a few rows."""
    return f"({max(0.01, round(rate * PRIOR, 2)):g}, {PRIOR})"


def _of_query(page: Page, draft: Draft, made: Signals) -> None:
    item, log, (short, _), good = draft.item, draft.log.variable, windows(draft.evidence), liked(draft)
    name = draft.names.take("taste", f"{draft.query}_taste")
    arguments = [text(name), draft.query, log, f"n_{short}=sf.count(window={text(short)})"]
    arguments.append("n=sf.count()")
    if good != LABEL:
        arguments.append(f"liked_rate=sf.rate({text(good)}, prior={prior(made.rate)})")
    arguments += _means(draft)
    arguments.append("quiet_s=sf.since_last()")
    where = "" if good == LABEL else f", where={text(good)}"
    arguments.append(f"liked=sf.last({text(str(item))}, n=50{where})")
    page.comment(
        f"Of each {draft.query}: how much, how well, and the latest that went well, which the towers learn from."
    )
    page.assign(name, call("sf.Features", *arguments))
    made.groups.append(name)
    made.inputs.append(name)
    made.history = f"{name}.liked"
    made.query += [made.history, f"{name}.n_{short}"]
    if draft.evidence.again < 0.1:
        memory = draft.names.take("memory", "met_before")
        page.comment(
            f"For the filter: no model reads it. {draft.evidence.again:.1%} of the rows meet a {item} that their "
            f"{draft.query} met before."
        )
        arguments = [text(memory), draft.query, log, f"seen=sf.last({text(str(item))}, n=1000)"]
        page.assign(memory, call("sf.Features", *arguments))
        made.groups.append(memory)
        made.seen = f"{memory}.seen"


def _of_item(page: Page, draft: Draft, made: Signals) -> None:
    item, log, (short, long), good = str(draft.item), draft.log.variable, windows(draft.evidence), liked(draft)
    name = draft.names.take("demand", f"{item}_demand")
    where = "" if good == LABEL else f", where={text(good)}"
    arguments = [text(name), item, log]
    arguments += [f"liked_{w}=sf.count(window={text(w)}{where})" for w in (short, long)]
    arguments.append(f"liked=sf.count({where[2:]})")
    if good != LABEL:
        arguments.append(f"liked_rate=sf.rate({text(good)}, prior={prior(made.rate)})")
    arguments += _means(draft)
    page.comment(f"Of each {item}: how often and how well it was met.")
    page.assign(name, call("sf.Features", *arguments))
    made.groups.append(name)
    made.inputs.append(name)
    made.item += [item, name]
    made.popular = f"{name}.liked_{long}"


def _of_lists(page: Page, draft: Draft, made: Signals) -> None:
    """How each query likes each value of the item's lists, and each key that its table leads to."""
    table, good = draft.table_of(draft.item), liked(draft)
    if table is None:
        return
    few = [raw for raw in table.links if table.looked.columns[raw].each >= 2]
    others = [draft.entities[table.looked.references[raw].entity] for raw in few]
    known = {draft.query, draft.item, *(entity for entity, _ in draft.keys(draft.question.main))}
    for entity in [*draft.lists.values(), *(one for one in others if one not in known)][:3]:
        name = draft.names.take(f"{entity}_taste", f"{entity}_liking")
        where = "" if good == LABEL else f", where={text(good)}"
        arguments = [text(name), f"({draft.query}, {entity})", draft.log.variable, f"liked=sf.count({where[2:]})"]
        if good != LABEL:
            arguments.append(f"liked_rate=sf.rate({text(good)}, prior={prior(made.rate)})")
        page.assign(name, call("sf.Features", *arguments))
        made.groups.append(name)
        made.inputs.append(name)


def _of_key(page: Page, draft: Draft, made: Signals, entity: str) -> None:
    """Of rows that are judged: what was before with the same key."""
    name, (short, long) = draft.names.take(f"{entity}_past", f"{entity}_before"), windows(draft.evidence)
    arguments = [text(name), entity, draft.log.variable, *(f"n_{w}=sf.count(window={text(w)})" for w in (short, long))]
    first = draft.labels[0][0] if draft.labels else None
    if first is not None and first.kind == "flag":
        arguments.append(f"{first.name}_rate=sf.rate({text(draft.value(first))}, prior={prior(made.rate)})")
    arguments += _means(draft, labels=False)
    arguments.append("quiet_s=sf.since_last()")
    page.comment(f"What happened before with the same {entity}.")
    page.assign(name, call("sf.Features", *arguments))
    made.groups.append(name)
    made.inputs.append(name)


def _means(draft: Draft, *, labels: bool = True) -> list[str]:
    """Means of the numbers that came of rows."""
    names = [draft.log.columns[one.column] for one, _ in draft.labels if one.kind == "number"] if labels else []
    names = names or ([] if labels else draft.log.of_kind("number")[:3])
    return [f"mean_{name}=sf.mean({text(name)})" for name in names]


def _of_logs(page: Page, draft: Draft, made: Signals) -> None:
    """How many events of further logs there were of whom or what is asked about."""
    for part in draft.logs:
        for entity, _ in draft.keys(part.looked):
            if entity not in (draft.query, draft.item):
                continue
            name = draft.names.take(f"{entity}_{part.variable}", f"{entity}_{part.variable}_count")
            _, long = windows(draft.evidence)
            counts = ["n=sf.count()", f"n_{long}=sf.count(window={text(long)})"]
            page.assign(name, call("sf.Features", text(name), entity, part.variable, *counts))
            made.groups.append(name)
            made.inputs.append(name)


def _derived(page: Page, draft: Draft, made: Signals) -> None:
    name = draft.names.take("moment", "derived")
    arguments = [text(name)]
    ages = [(part, column) for part in draft.tables for column in part.of_kind("time") if _reached_plainly(draft, part)]
    item = draft.table_of(draft.item)
    after = {item.columns[raw] for raw, share in draft.evidence.after.items() if share >= 0.9} if item else set[str]()
    for part, column in ages[:4]:
        full = f"{part.variable}.{column}"
        if part is item and column in after:
            arguments.append(f'{column}_in_days="({full} - now) / 86400"')
            made.soonest = made.soonest or f"now - {full}"
        else:
            arguments.append(f'{singular(part.variable)}_{column}_days="(now - {full}) / 86400"')
            if part is item and made.newest is None:
                made.newest = full
    if draft.question.time is not None and (draft.evidence.span_s or 0) > 2 * 86400 and _has_clock(draft):
        arguments += ['hour=sf.Category("hour(now)")', 'weekday=sf.Category("weekday(now)")']
    if (distance := _distance(page, draft, made)) is not None:
        arguments.append(f"km={text(distance)}")
    if len(arguments) > 1:
        page.comment("Computed when it is read: ages, the time of day.")
        page.assign(name, call("sf.Derived", *arguments))
        made.groups.append(name)
        made.inputs.append(name)


def _reached_plainly(draft: Draft, part: Part) -> bool:
    return part.looked.entity is not None and draft.entities[part.looked.entity] in (draft.query, draft.item)


def _has_clock(draft: Draft) -> bool:
    column = draft.question.main.columns[str(draft.question.time)]
    return column.family != "date" and not (
        column.is_text and column.shares["iso"] > 0.9 and column.shares["clock"] == 0
    )


def coordinates(part: Part | None) -> tuple[str, str] | None:
    """A table's pair of coordinates."""
    if part is None:
        return None
    known = {name: set(name.split("_")) for name in part.of_kind("number")}
    lat = next((n for n, w in known.items() if w & {"lat", "latitude", "breitengrad"}), None)
    lon = next((n for n, w in known.items() if w & {"lon", "lng", "long", "longitude", "laengengrad"}), None)
    return (f"{part.variable}.{lat}", f"{part.variable}.{lon}") if lat and lon else None


def _distance(page: Page, draft: Draft, made: Signals) -> str | None:
    """From where the query is, or last was, to where the item is."""
    there = coordinates(draft.table_of(draft.item))
    if there is None or draft.item is None:
        return None
    here = coordinates(draft.table_of(draft.query))
    if here is None:
        name, good = draft.names.take("home", "whereabouts"), liked(draft)
        where = "" if good == LABEL else f", where={text(good)}"
        last = [f"{axis}=sf.last({text(at)}{where})" for axis, at in zip(("lat", "lon"), there)]
        page.comment(f"Where each {draft.query} was last, which stands in for where it is.")
        page.assign(name, call("sf.Features", text(name), draft.query, draft.log.variable, *last))
        made.groups.append(name)
        here = (f"{name}.lat", f"{name}.lon")
    return f"haversine_km({here[0]}, {here[1]}, {there[0]}, {there[1]})"


def _columns(draft: Draft, made: Signals) -> None:
    """Columns of the tables that rows reach, as inputs."""
    for part in draft.tables:
        names = part.of_kind("number", "flag", "category", "list")
        few = [n for raw, n in part.links.items() if part.looked.columns[raw].distinct <= FEW_LINKS]
        plain = len(names) > MANY and not part.of_kind("text") and not part.links
        inputs = [part.variable] if plain else [f"{part.variable}.{name}" for name in [*few, *names]]
        made.inputs += inputs
        entity = draft.entities.get(part.looked.entity or "")
        if entity == draft.item:
            made.item += inputs
        elif entity == draft.query:
            made.query += inputs
