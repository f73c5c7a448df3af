"""SQL of rows by the keys of a feature group: `k0, k1, …`, a row for each combination of their elements."""

from collections.abc import Collection, Sequence

from sixfold.design.schema import FeatureGroup
from sixfold.design.system import System
from sixfold.features import relations
from sixfold.features.joins_sql import Relations, looked_up, stream_rows
from sixfold.features.scratch import quoted

__all__ = ["asked_by_key", "events_by_key", "list_places", "rows_by_key"]


def rows_by_key(
    system: System, ingested: Relations, group: FeatureGroup, rows: str, columns: str, where: str = "true"
) -> str:
    """The query of rows that are read for: these columns, and the group's keys; none for a null key.

    Args:
        columns: With `_offset`, which tells the rows apart, and `time`, as of which a relation is read.
    """
    asked = asked_by_key(system, group, rows, columns, where)
    if group.hop is None:
        return asked
    near, far, rest = quoted(group.hop.near.name), quoted(group.hop.far.name), range(1, len(group.entities))
    pairs = (
        f'select {near} as near, {far} as far, min(valid_from) as since, min("offset") as place '
        f"from {ingested.sql(group.hop.table)} where {far} is not null group by all"
    )
    apart = ", ".join(["a._offset", *(f"a.k{i}" for i in rest)])
    return (
        f"select a.* replace (p.far as k0) from ({asked}) a join ({pairs}) p on a.k0 = p.near and p.since <= a.time "
        f"qualify row_number() over (partition by {apart} order by p.since desc, p.place desc) <= {relations.NEWEST}"
    )


def asked_by_key(system: System, group: FeatureGroup, rows: str, columns: str, where: str = "true") -> str:
    """The query of rows that are read for: these columns, and the keys that they ask by; none for a null key."""
    names = [system.row.keys[entity] for entity in group.asked]
    return _by_key(
        f"select {columns}, {_as_keys(names)} from {rows} where {where}", len(names), list_places(system, group)
    )


def list_places(system: System, group: FeatureGroup) -> list[int]:
    """Which of the keys that a group is read by are lists; one that a relation leads on from is none."""
    return [i for i, entity in enumerate(group.asked) if system.kinds[system.row.keys[entity]].is_list]


def events_by_key(
    system: System,
    ingested: Relations,
    group: FeatureGroup,
    names: Collection[str],
    columns: str,
    *,
    where: str = "true",
    only: str = "true",
    as_of_offset: int | None = None,
    in_order: Collection[str] = (),
) -> str:
    """The query of a group's events: these columns, `_known`, `_offset` and the group's keys; none for a null key.

    Args:
        names: What the columns read of an event and of the tables that it leads to.
        where: Which rows of the stream, in its own columns.
        only: Which events, in the columns of the result.
        as_of_offset, in_order: See `joins_sql`.
    """
    stream, row = system.streams[group.stream], group.event
    joined = looked_up(
        stream_rows(stream, ingested, as_of_offset=as_of_offset, where=where),
        row.joins,
        names,
        system.tables,
        ingested,
        at="_known",
        as_of_offset=as_of_offset,
        in_order=in_order,
    )
    keys = [row.keys[entity] for entity in group.entities]
    lists = [i for i, name in enumerate(keys) if _is_list(system, group, name)]
    query = f"select _known, _offset, {_as_keys(keys)}, {columns} from ({joined})"
    return _by_key(f"select * from ({query}) where {only}", len(keys), lists)


def _as_keys(names: Sequence[str]) -> str:
    return ", ".join(f"{quoted(name)} as k{i}" for i, name in enumerate(names))


def _by_key(query: str, keys: int, lists: Collection[int]) -> str:
    for i in lists:
        query = f"select * replace (unnest(list_distinct(k{i})) as k{i}) from ({query})"
    return f"select * from ({query}) where {' and '.join(f'k{i} is not null' for i in range(keys))}"


def _is_list(system: System, group: FeatureGroup, name: str) -> bool:
    """Whether the events' rows hold a list of keys under this name."""
    owner, _, column = name.rpartition(".")
    keys = system.tables[owner].links if owner else system.streams[group.stream].keys
    return any(key.is_list for key in keys if key.name == column)
