"""The rows that leak probes look at: every row of the examples' stream, with its labels, its list and its keys."""

from collections.abc import Collection

from sixfold.design.expressions import Expression
from sixfold.design.schema import Aggregate, FeatureGroup
from sixfold.design.system import System
from sixfold.features import sql
from sixfold.features.joins_sql import Relations, looked_up, stream_rows
from sixfold.features.keyed_sql import events_by_key
from sixfold.features.needs import event_names, through_tables
from sixfold.features.scratch import Scratch, quoted
from sixfold.features.windows_sql import measure

__all__ = ["LIST_GAP_US", "REQUEST_SPAN_US", "event_rows", "probe_rows", "request_column"]

LIST_GAP_US = 1_000_000
"""Rows of one query nearer than this were shown together: nobody looks at one thing and turns to the next so fast."""
REQUEST_SPAN_US = 600_000_000
"""A column whose rows of one value are further apart in time names a session or a campaign, not a request."""


def probe_rows(scratch: Scratch, system: System, ingested: Relations) -> str:
    """Keep the examples' stream in a table; returns its name.

    Its columns: `_offset`, `time`, `_known`, `_example` (whether `Framing.where` holds), `_list` (equal for rows that
    were shown together), `label.NAME` (DOUBLE), the keys, the context, and the table columns that lead to keys.
    """
    stream = system.examples
    own = [f"{stream.name}.{field.name}" for field in stream.fields]
    keys = [key.entity for key in stream.keys]
    reach = {on for on in system.row.keys.values() if "|" not in on}
    read = [label.names for label in system.labels.values()] + ([system.where.names] if system.where else [])
    names = through_tables(system.row, frozenset().union(*read, reach))
    joined = looked_up(
        stream_rows(stream, ingested), system.row.joins, names, system.tables, ingested, at=f"{stream.name}.time"
    )
    time = quoted(f"{stream.name}.time")
    query = quoted(system.query)
    columns = [f"{time} as time", "_known", "_offset", "_list"]
    columns += [f"coalesce({_sql(system, system.where)}, false) as _example" if system.where else "true as _example"]
    columns += [
        f"cast({_sql(system, label.value)} as double) as {quoted(f'label.{name}')}"
        for name, label in system.row_labels.items()
    ]
    carried = dict.fromkeys([*keys, *own, *sorted(name for name in reach if "." in name)])
    columns += [quoted(name) for name in carried if name not in ("time",)]
    together = _together(scratch, system, ingested, joined)
    return scratch.table(f"select {', '.join(columns)} from ({together}) where {query} is not null")


def request_column(scratch: Scratch, system: System, ingested: Relations) -> str | None:
    """The column of the examples' stream that names the request, as the data shows it; None: no column does.

    Rows of one value have one query and stand within `REQUEST_SPAN_US`, nearly always; most values have several rows.
    """
    stream = system.examples
    keys = [key.name for key in stream.keys if not key.is_list and key.entity not in (system.query, system.item)]
    texts = [f.name for f in stream.fields if f.kind.base == "text" and not f.kind.is_list]
    relation, query = ingested.sql(stream.name), quoted(system.query)
    for name in (*keys, *texts):
        column = quoted(name)
        found = scratch.read(
            f"with g as (select count(*) as n, min({query}) = max({query}) as one, max(time) - min(time) as span "
            f"from {relation} where {column} is not null group by {column}) "
            f"select sum(n) / count(*), sum(case when one and span <= {REQUEST_SPAN_US} then n else 0 end) / sum(n), "
            f"sum(case when n > 1 then n else 0 end) / sum(n) from g"
        )
        rows, fits, several = (found[i][0].as_py() for i in range(3))
        if rows is not None and rows >= 1.5 and fits >= 0.99 and several >= 0.5:
            return name
    return None


def event_rows(
    scratch: Scratch,
    system: System,
    ingested: Relations,
    group: FeatureGroup,
    aggregates: Collection[Aggregate],
    where: str = "true",
) -> str:
    """Keep a group's events: keys `k0, …`, `_time`, `_known`, `_offset`, and whether an aggregate sees it: `s0, …`."""
    names = event_names(group, aggregates)
    spelled = {name: quoted(name) for name in names}
    seen = [
        f"({measure(a, lambda e: sql.duckdb(e, spelled, '_known', system.timezone))}) is not null as s{i}"
        for i, a in enumerate(aggregates)
    ]
    columns = ", ".join([f"{quoted(f'{group.stream}.time')} as _time", *seen])
    return scratch.table(events_by_key(system, ingested, group, names, columns, where=where))


def _together(scratch: Scratch, system: System, ingested: Relations, joined: str) -> str:
    """The query `joined` with `_list`, one number for rows shown together."""
    request = request_column(scratch, system, ingested)
    if request is not None:
        keys = {key.name: key.entity for key in system.examples.keys}
        column = quoted(keys.get(request, f"{system.examples.name}.{request}"))
        return f"select *, coalesce(hash({column}), hash(_offset, 0)) as _list from ({joined})"
    query = quoted(system.query)
    before = f'over (partition by {query} order by time, "offset")'
    begins = (
        f'select "offset" as place, {query} as query, time, '
        f"case when time - lag(time) {before} <= {LIST_GAP_US} then 0 else 1 end as begins "
        f"from {ingested.sql(system.examples.name)}"
    )
    lists = scratch.table(
        f"select place, hash(query, sum(begins) over (partition by query order by time, place)) as _list "
        f"from ({begins})"
    )
    return f"select r.*, l._list from ({joined}) r join {lists} l on l.place = r._offset"


def _sql(system: System, expression: Expression) -> str:
    time = quoted(f"{system.examples.name}.time")
    return sql.duckdb(expression, {n: quoted(n) for n in expression.names}, time, system.timezone)
