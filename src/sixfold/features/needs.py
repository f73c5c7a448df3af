"""What must be read so that some columns can be computed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sixfold.design.schema import Aggregate, FeatureGroup, RowPlan
from sixfold.design.system import System

__all__ = ["Needs", "event_names", "needs", "through_tables"]


@dataclass(frozen=True, slots=True)
class Needs:
    """Canonical names of what is read, apart from the times, by where it comes from."""

    given: list[str] = field(default_factory=list)
    """Columns that the rows bring."""
    tables: list[str] = field(default_factory=list)
    features: dict[str, list[str]] = field(default_factory=dict)
    """Group to its aggregates."""
    derived: list[str] = field(default_factory=list)


def needs(system: System, names: Collection[str], given: frozenset[str]) -> Needs:
    """What these names need of a row that brings the columns `given`.

    Raises:
        KeyError: a name is neither given nor computed.
    """
    found, seen, pending = Needs(), set[str](), list(names)[::-1]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        group, _, column = name.partition(".")
        if name in given:
            found.given.append(name)
        elif group in system.derived:
            found.derived.append(name)
            pending += sorted(next(e for c, e, _ in system.derived[group].columns if c == column).names)
        elif group in system.features:
            found.features.setdefault(group, []).append(column)
            pending += [system.row.keys[entity] for entity in system.features[group].asked]
        elif group in system.tables:
            found.tables.append(name)
            pending += next(join.on for join in system.row.joins if join.table == group)
        else:
            raise KeyError(f"the rows have no column {name!r}")
    return found


def event_names(group: FeatureGroup, aggregates: Iterable[Aggregate]) -> frozenset[str]:
    """Canonical names that an event's row must have for these aggregates, and for the lookups that give them."""
    read = [e.names for a in aggregates for e in (a.expression, a.where) if e is not None]
    return through_tables(group.event, frozenset().union(*read, {group.event.keys[e] for e in group.entities}))


def through_tables(row: RowPlan, names: frozenset[str]) -> frozenset[str]:
    """These names and those that the lookups of them go by."""
    for join in reversed(row.joins):
        if any(name.startswith(f"{join.table}.") for name in names):
            names |= frozenset(join.on)
    return names
