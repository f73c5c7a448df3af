"""How a row that holds some entities' keys reaches tables and further entities."""

from collections.abc import Iterable, Mapping

from sixfold.design.schema import Join, RowPlan, TableSchema
from sixfold.errors import AmbiguousEntity, UnreachableEntity

__all__ = ["plan", "reach"]


def plan(base: Iterable[str], tables: Mapping[str, TableSchema]) -> RowPlan:
    """Follow tables outward from the row's own keys: nearest first, in the order of declaration.

    A table is looked up where each of its keys is known; the keys in its columns (a video's author) then lead on.
    An entity that two lookups of the same distance give is reported once something asks for it.
    """
    own = tuple(dict.fromkeys(base))
    keys: dict[str, str] = {entity: entity for entity in own}
    unusable = {f"{t.name}.{link.name}" for t in tables.values() for link in t.links if link.is_list}
    joins: list[Join] = []
    while True:
        known = dict(keys)
        found: dict[str, list[str]] = {}
        for table in tables.values():
            if any(join.table == table.name for join in joins) or not all(k.entity in known for k in table.keys):
                continue
            if any(k.name != k.entity for k in table.keys):
                continue  # of a row that has one member's key, nobody can say which friend's row is meant
            on = tuple(known[k.entity] for k in table.keys)
            if any(column in unusable or "|" in column for column in on):
                continue  # no table is looked up by a list of keys, nor by one found in two ways
            joins.append(Join(table.name, on))
            for link in table.links:
                found.setdefault(link.entity, []).append(f"{table.name}.{link.name}")
        for entity, columns in found.items():
            if entity not in keys:
                keys[entity] = "|".join(columns)
        if not found:
            return RowPlan(own, tuple(joins), keys)


def reach(row: RowPlan, entity: str, *, where: str, part: str) -> str:
    """The canonical name that holds the entity's key in such a row.

    Raises:
        UnreachableEntity: neither the row nor a table that it reaches has the key.
        AmbiguousEntity: two tables at the same distance have it.
    """
    if (column := row.keys.get(entity)) is None:
        raise UnreachableEntity(where=where, part=part, entity=entity, known=sorted(row.keys))
    if "|" in column:
        raise AmbiguousEntity(where=where, part=part, entity=entity, ways=column.split("|"))
    return column
