"""Rows of a stream, and what they reach through tables, as SQL. Columns stand under their canonical names."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from sixfold.design.schema import Join, Stream, TableSchema
from sixfold.features.scratch import quoted

__all__ = ["Relations", "looked_up", "stream_rows"]


class Relations(Protocol):
    """Where ingested rows are read."""

    def sql(self, name: str) -> str:
        """What to write after FROM to read a stream or a table."""
        ...


def stream_rows(stream: Stream, ingested: Relations, *, as_of_offset: int | None = None, where: str = "true") -> str:
    """A query of a stream's rows: keys by entity, `stream.column`, `_known` and `_offset`.

    Args:
        where: A condition over the ingested columns.
    """
    columns = [f"{quoted(key.entity)}" for key in stream.keys]
    columns += [f"{quoted(f.name)} as {quoted(f'{stream.name}.{f.name}')}" for f in (stream.time, *stream.fields)]
    columns += ["known as _known", '"offset" as _offset']
    return f"select {', '.join(columns)} from {ingested.sql(stream.name)} where {_up_to(as_of_offset)} and ({where})"


def looked_up(
    relation: str,
    joins: Iterable[Join],
    names: Collection[str],
    tables: Mapping[str, TableSchema],
    ingested: Relations,
    *,
    at: str,
    as_of_offset: int | None = None,
    in_order: Collection[str] = (),
    order: tuple[str, str] = ("_offset", "_offset"),
) -> str:
    """A query that adds these table columns to the rows of `relation`, as of the time in its column `at`.

    Args:
        joins: Lookups in order; those that give none of `names` are left out.
        names: Canonical names of the table columns wanted, with those that later lookups go by.
        in_order: Tables of which a row sees what the log held before it, and no more.
        order: The columns of `relation` that tell its rows apart and say before which offset of the log each stands;
            an event's is its own.
    """
    for join in joins:
        table = tables[join.table]
        own = [*(key.name for key in (*table.keys, *table.links)), *(field.name for field in table.fields)]
        wanted = [name for name in own if f"{table.name}.{name}" in names]
        if not wanted:
            continue
        seen = _up_to(as_of_offset)
        if table.name in in_order:
            relation = _in_order(relation, join, table, wanted, ingested, quoted(at), seen, order)
        else:
            relation = _as_of(relation, join, table, wanted, ingested, quoted(at), seen)
    return relation


def _as_of(
    relation: str, join: Join, table: TableSchema, wanted: list[str], ingested: Relations, at: str, seen: str
) -> str:
    keys = ", ".join(quoted(key.name) for key in table.keys)
    versions = (
        f"select * from {ingested.sql(table.name)} where {seen} "
        f'qualify row_number() over (partition by {keys}, valid_from order by "offset" desc) = 1'
    )
    columns = ", ".join(f"v.{quoted(name)} as {quoted(f'{table.name}.{name}')}" for name in wanted)
    return (
        f"select r.*, {columns} from ({relation}) r asof left join ({versions}) v "
        f"on {_on(join, table)} and r.{at} >= v.valid_from"
    )


def _in_order(
    relation: str,
    join: Join,
    table: TableSchema,
    wanted: list[str],
    ingested: Relations,
    at: str,
    seen: str,
    order: tuple[str, str],
) -> str:
    packed = ", ".join(f"{quoted(f'{table.name}.{name}')} := v.{quoted(name)}" for name in wanted)
    columns = ", ".join(f"f.version.{quoted(f'{table.name}.{name}')}" for name in wanted)
    row, before = order
    return (
        f"with r as materialized ({relation}), f as ("
        f'select r.{row}, arg_max(struct_pack({packed}), (v.valid_from, v."offset")) as version '
        f"from r join (select * from {ingested.sql(table.name)} where {seen}) v on {_on(join, table)} "
        f'and r.{at} >= v.valid_from and (v."offset" < 0 or v."offset" < r.{before}) group by r.{row}) '
        f"select r.*, {columns} from r left join f on r.{row} = f.{row}"
    )


def _on(join: Join, table: TableSchema) -> str:
    return " and ".join(f"r.{quoted(on)} = v.{quoted(key.name)}" for on, key in zip(join.on, table.keys))


def _up_to(offset: int | None) -> str:
    return "true" if offset is None else f'"offset" <= {offset}'
