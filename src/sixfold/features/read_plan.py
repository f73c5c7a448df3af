"""What a read of named values takes: worked out once for names that are wanted beside names that are there."""

from collections.abc import Collection
from typing import NamedTuple

from sixfold.design.expressions import Expression
from sixfold.design.kinds import Kind
from sixfold.design.schema import FeatureGroup, RowPlan
from sixfold.design.system import System
from sixfold.errors import UnknownColumn

__all__ = ["Lookup", "ReadPlan", "lookups", "read_plan"]


class Lookup(NamedTuple):
    """Columns of one table, by the columns of its keys."""

    table: str
    on: tuple[str, ...]
    columns: tuple[str, ...]
    """Without the table's name."""


class ReadPlan(NamedTuple):
    """The steps of a read, in order."""

    lookups: tuple[Lookup, ...]
    groups: tuple[tuple[FeatureGroup, tuple[str, ...], tuple[str, ...]], ...]
    """Each with the canonical names of the features wanted and of the keys that it is asked by."""
    derived: tuple[tuple[str, Expression, Kind], ...]
    """By canonical name."""


def lookups(plan: RowPlan, names: Collection[str], known: Collection[str]) -> tuple[Lookup, ...]:
    """The lookups that these names need where others are known, with the links between them."""
    found = list[Lookup]()
    joins = plan.joins_for(frozenset(name for name in names if name not in known))
    for at, join in enumerate(joins):
        links = {on for later in joins[at:] for on in later.on}.union(names)
        wanted = sorted(name for name in links if name.split(".")[0] == join.table and name not in known)
        if wanted:
            found.append(Lookup(join.table, join.on, tuple(name.split(".")[1] for name in wanted)))
    return tuple(found)


def read_plan(system: System, names: frozenset[str], known: frozenset[str]) -> ReadPlan:
    """How to come from the columns that are known to those that are wanted.

    Raises:
        UnknownColumn: a name is no feature, table column or derived value of the system.
    """
    wanted = _needed(system, names, known)
    groups = list[tuple[FeatureGroup, tuple[str, ...], tuple[str, ...]]]()
    for group in system.features.values():
        if mine := tuple(sorted(name for name in wanted if name.split(".")[0] == group.name)):
            groups.append((group, mine, tuple(system.row.keys[entity] for entity in group.asked)))
    derived = [
        (full, expression, kind)
        for one in system.derived.values()
        for name, expression, kind in one.columns
        if (full := f"{one.name}.{name}") in wanted
    ]
    keys = {key for _, _, own in groups for key in own}
    return ReadPlan(lookups(system.row, wanted | keys, known), tuple(groups), tuple(derived))


def _needed(system: System, names: frozenset[str], known: frozenset[str]) -> frozenset[str]:
    """The names to find: those wanted, and what derived values among them read."""
    wanted = set(names - known)
    for derived in reversed(system.derived.values()):
        for name, expression, _ in reversed(derived.columns):
            if f"{derived.name}.{name}" in wanted:
                wanted |= expression.names - known
    for name in wanted:
        group, _, column = name.partition(".")
        if name not in system.kinds or not any(
            group in one for one in (system.features, system.tables, system.derived)
        ):
            there = [full.partition(".")[2] for full in system.kinds if full.startswith(f"{group}.")]
            raise UnknownColumn(where=system.name, group=group, column=column or group, known=there)
    return frozenset(wanted)
