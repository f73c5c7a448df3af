"""Point-in-time values of many rows at once, by DuckDB: what serving would have answered at each row's time."""
# B = reads: pairs of a row and a key, E = events of all keys, K = keys

from collections.abc import Collection, Sequence
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.design.kinds import Kind
from sixfold.design.schema import FeatureGroup
from sixfold.design.system import System
from sixfold.errors import InvalidField
from sixfold.features import sql
from sixfold.features.joins_sql import Relations, looked_up
from sixfold.features.keyed_sql import asked_by_key, events_by_key, list_places
from sixfold.features.keys import Same, combined
from sixfold.features.needs import Needs, event_names, needs
from sixfold.features.posted import offsets_as_of, posted
from sixfold.features.reads import Events, Reads, attach_values
from sixfold.features.scratch import Scratch, quoted
from sixfold.features.through import Through
from sixfold.features.windows import Windows
from sixfold.features.windows_sql import measure

__all__ = ["as_text", "attach", "attach_as_known"]

_AT_ONCE = 1 << 21
"""Events and reads."""


def attach(
    con: duckdb.DuckDBPyConnection,
    system: System,
    ingested: Relations,
    rows: pa.Table,
    names: Collection[str],
    *,
    as_of_offset: int | NDArray[np.int64] | None = None,
    as_served: bool = False,
) -> pa.Table:
    """Add columns to rows, each as of the row's own `time`.

    A null key has no table row, and features as a key without events has: `count` and `sum` 0, `rate` its prior,
    `last(n)` an empty list, the others null. The values of a list of keys, each element once, are
    combined as `Features(combine=)` says, nulls left out.

    Args:
        rows: `time` (BIGINT, microseconds UTC) and, by canonical name, the keys and context columns that `names` need.
        names: Canonical names; those that `rows` has already are left as they are.
        as_of_offset: Events and table rows with a larger log offset count as not there: one offset for all rows, or
            shape (rows,) one for each (rule T2). None: every event is seen after its known time, whenever it arrived.
        as_served: As a store answers that has applied so much: a group's features as of the latest event of the key
            + 1 us, where that is later than the row (rule T5).

    Returns:
        The rows in their order with the columns in the order of `names`.

    Raises:
        InvalidField: a feature that is no number is read through a list of keys.
        KeyError: `rows` lacks a key or a context column.
        ComputationFailed: DuckDB ran out of memory or disk, or a file is damaged.
    """
    plan = needs(system, names, frozenset(rows.column_names))
    seen_B, last = None, as_of_offset
    if isinstance(last, np.ndarray):
        seen_B, last = last, int(last.max(initial=-1))
    with Scratch(con) as scratch:
        numbered = rows.select(["time", *plan.given]).append_column("_row", pa.array(np.arange(rows.num_rows)))
        if seen_B is not None:
            # What a row sees is what the log held before the offset after the last that it sees.
            numbered = numbered.append_column("_before", pa.array(seen_B + 1))
        joined = looked_up(
            f"select * from {scratch.rows(numbered)}",
            system.row.joins,
            plan.tables,
            system.tables,
            ingested,
            at="time",
            as_of_offset=last,
            in_order=() if seen_B is None else posted(scratch, ingested, (join.table for join in system.row.joins)),
            order=("_row", "_before"),
        )
        base = scratch.table(joined)
        found = dict(zip(rows.column_names, rows.columns))
        if plan.tables:
            read = scratch.read(f"select {', '.join(map(quoted, plan.tables))} from {base} order by _row")
            found |= dict(zip(read.column_names, read.columns))
        for name, columns in plan.features.items():
            group = _Group(scratch, system, ingested, system.features[name], columns, last, as_served=as_served)
            found |= group.read(base, seen_B)
        found |= _derived(scratch, system, plan, found)
    extra = [name for name in names if name not in rows.column_names]
    return pa.table({name: found[name] for name in [*rows.column_names, *extra]})


def attach_as_known(
    con: duckdb.DuckDBPyConnection, system: System, ingested: Relations, rows: pa.Table, names: Collection[str]
) -> pa.Table:
    """As `attach`, with what had arrived at each row's time (rule T7): what whoever answered then could know.

    Rows of files have no arrival and are always seen.
    """
    with Scratch(con) as scratch:
        seen_B = offsets_as_of(scratch, system, ingested, np.asarray(rows["time"], np.int64))
    return attach(con, system, ingested, rows, names, as_of_offset=seen_B)


def as_text(value: str, kind: Kind) -> str:
    """SQL of a value as text: integers without '.0', flags as true and false."""
    if kind.base != "number":
        return f"cast({value} as varchar)"
    whole = f"x = trunc(x) and abs(x) <= {2**53}"
    text = f"case when {whole} then cast(cast(x as bigint) as varchar) else cast(x as varchar) end"
    return f"list_transform([{value}], lambda x: {text})[1]"


class _Group:
    """One group's features at the rows of a table."""

    def __init__(
        self,
        scratch: Scratch,
        system: System,
        ingested: Relations,
        group: FeatureGroup,
        columns: Collection[str],
        as_of_offset: int | None,
        *,
        as_served: bool,
    ) -> None:
        self.scratch, self.system, self.ingested, self.group = scratch, system, ingested, group
        self.as_of_offset, self.as_served = as_of_offset, as_served
        self.aggregates = [a for a in group.aggregates if a.name in columns]
        # A row's clock is that of the events which any aggregate of its group sees.
        read = group.aggregates if as_served else self.aggregates
        self.names = event_names(group, read)
        spelled = {name: quoted(name) for name in self.names}
        seen = {a.name: measure(a, lambda e: sql.duckdb(e, spelled, "_known", system.timezone)) for a in read}
        self.measures = list(dict.fromkeys(seen.values()))
        self.measure_of = [self.measures.index(seen[a.name]) for a in self.aggregates]
        self.lists = [system.row.keys[group.asked[i]] for i in list_places(system, group)]
        self.lists += [group.hop.table] if group.hop else []
        for a in self.aggregates:
            if self.lists and (a.kind.is_list or a.kind.base != "number"):
                rule = f"a number, since {' and '.join(self.lists)} has a list of keys"
                raise InvalidField(
                    where=group.at, part=f"Features {group.name}", field=a.name, rule=rule, value=str(a.kind)
                )

    def read(self, base: str, seen_B: NDArray[np.int64] | None) -> dict[str, pa.ChunkedArray]:
        """Columns by canonical name, a value for each `_row` of the table `base`, in order.

        Args:
            seen_B: The largest log offset that each of these rows sees; None: `as_of_offset` holds for all.
        """
        read = self._read_directly if self.group.hop is None else self._read_through
        found = read(base, seen_B)
        return {f"{self.group.name}.{a.name}": column for a, column in zip(self.aggregates, found)}

    def _read_directly(self, base: str, seen_B: NDArray[np.int64] | None) -> Sequence[pa.ChunkedArray | pa.Array]:
        parts = [f"k{i}" for i in range(len(self.group.entities))]
        on = " and ".join(f"p.{part} = k.{part}" for part in parts)
        points = self.scratch.table(asked_by_key(self.system, self.group, base, "_row, time as t"))
        keys = self.scratch.table(
            f"select *, row_number() over () - 1 as key from (select distinct {', '.join(parts)} from {points})"
        )
        reads = self.scratch.read(
            f"select p._row, p.t, k.key from {points} p join {keys} k on {on} union all "
            f"select _row, time, -1 from {base} where _row not in (select _row from {points}) order by _row"
        )
        row_B, time_B, key_B = (np.asarray(column, np.int64) for column in reads.columns)
        own = ", ".join(["p._known as known", "p._offset", *(f"p.{one}" for one in self._columns)])
        events = self._in_order(f"select k.key, {own} from ({self._events(time_B)}) p join {keys} k on {on}")
        codes_K = np.arange(int(key_B.max(initial=-1)) + 1)
        found = self._values(events, codes_K, Reads(key_B, time_B, None if seen_B is None else seen_B[row_B]))
        if not self.lists:
            return found
        return [self._combined(column, row_B, int(row_B[-1]) + 1 if len(row_B) else 0) for column in found]

    def _read_through(self, base: str, seen_B: NDArray[np.int64] | None) -> Sequence[pa.ChunkedArray | pa.Array]:
        """The keys that have no events are counted, not read."""
        through = Through(self.scratch, self.system, self.ingested, self.group, base, self.as_of_offset)
        events = self._in_order(through.events(self._events(through.time_B), self._columns))
        code_K = np.asarray(self.scratch.read(f"select distinct key from {events} order by key")[0], np.int64)
        who = through.who(code_K, seen_B)
        # The first read is that of a key without events.
        reads = Reads(
            np.append(-1, who.key_R),
            np.append(0, who.time_R),
            None if seen_B is None else np.append(-1, seen_B[who.row_R]),
        )
        found = self._values(events, code_K, reads)
        return [self._combined(column, who.row_R, len(who.missing), who.missing) for column in found]

    @property
    def _columns(self) -> list[str]:
        """The columns of the measures."""
        return [f"m{i}" for i in range(len(self.measures))]

    def _in_order(self, query: str) -> str:
        """Keep events in the order in which a range of keys is read from its own pages, however many there are."""
        return self.scratch.table(f"select * from ({query}) order by key, known, _offset")

    def _combined(
        self, column: pa.ChunkedArray, row_B: NDArray[np.int64], rows: int, missing: NDArray[np.int64] | None = None
    ) -> pa.Array:
        """One value for each row out of those of its keys.

        Args:
            missing: How many further keys each row has, whose value is the one before those of the keys.
        """
        values, valid = np.asarray(column.fill_null(0.0)), np.asarray(column.is_valid())
        same = None if missing is None else Same(float(values[0]), bool(valid[0]), missing)
        own_B = slice(len(values) - len(row_B), None)
        found = combined(self.group.combine, values[own_B], valid[own_B], row_B, rows, same)
        return pa.array(found.data, mask=~found.valid)

    def _events(self, time_B: NDArray[np.int64]) -> str:
        """The query of the events that reads at these times may see: the keys, `_known`, `_offset` and the measures."""
        first, last = int(time_B.min(initial=2**61)), int(time_B.max(initial=-(2**61)))
        span = "true" if self.as_served else f"known < {last}"
        bounds = [(a.window_us, a.hop_us) for a in self.aggregates]
        if all(window is not None for window, _ in bounds):
            span += f" and known >= {min((first - (w or 0)) // (h or 1) * (h or 1) for w, h in bounds)}"
        measures = ", ".join(f"{sql} as m{i}" for i, sql in enumerate(self.measures))
        return events_by_key(
            self.system,
            self.ingested,
            self.group,
            self.names,
            measures,
            where=span,
            only=" or ".join(f"m{i} is not null" for i in range(len(self.measures))),
            as_of_offset=self.as_of_offset,
            in_order=posted(self.scratch, self.ingested, self._tables()),
        )

    def _tables(self) -> list[str]:
        """Tables that the events' measures or keys are read from."""
        read = {name.split(".")[0] for name in self.names}
        return [join.table for join in self.group.event.joins if join.table in read]

    def _values(self, events: str, codes_K: NDArray[np.int64], reads: Reads) -> list[pa.ChunkedArray]:
        """Each aggregate at each read, worked out for a range of keys after the other, to bound memory.

        Args:
            codes_K: What the events have as `key` where reads have its place here.
        """
        counts, keys = self.scratch.read(f"select key, count(*) as n from {events} group by key"), len(codes_K)
        starts_K = np.zeros(keys + 1, np.int64)
        starts_K[np.searchsorted(codes_K, np.asarray(counts["key"], np.int64)) + 1] = np.asarray(counts["n"])
        reads_K = np.bincount(reads.key_B[reads.key_B >= 0], minlength=keys)
        work_K = np.cumsum(starts_K[1:] + reads_K)
        starts_K = np.cumsum(starts_K)
        cuts = (np.flatnonzero(np.diff(work_K // _AT_ONCE)) + 1).tolist()
        pieces, order = [], []
        for low, high in pairwise([-1, *cuts, keys]):
            own = np.flatnonzero((reads.key_B >= low) & (reads.key_B < high))
            bounds = ["true", *([f"key >= {codes_K[low]}"] if low > 0 else [])]
            bounds += [f"key < {codes_K[high]}"] if high < keys else []
            query = f"select * from {events} where {' and '.join(bounds)} order by key, known, _offset"
            rows, first = self.scratch.read(query), max(low, 0)
            some = Events(
                np.asarray(rows["known"], np.int64),
                np.asarray(rows["_offset"], np.int64),
                starts_K[first : high + 1] - starts_K[first],
                [rows[f"m{i}"].combine_chunks() for i in range(len(self.measures))],
            )
            seen_B = None if reads.seen_B is None else reads.seen_B[own]
            mine = Reads(np.where(reads.key_B[own] < 0, -1, reads.key_B[own] - first), reads.time_B[own], seen_B)
            pieces.append(attach_values(some, mine, self._aggregated, as_served=self.as_served))
            order.append(own)
        if len(pieces) == 1:
            return pieces[0]
        places = np.concatenate(order)
        if (places[1:] > places[:-1]).all():
            return [pa.chunked_array([c for x in one for c in x.chunks]) for one in zip(*pieces)]
        place = pa.array(np.argsort(places))
        return [pa.chunked_array([c for x in one for c in x.chunks]).take(place) for one in zip(*pieces)]

    def _aggregated(self, windows: Windows, measures: list[pa.Array]) -> list[pa.ChunkedArray]:
        return [windows.value(a, measures[i]) for a, i in zip(self.aggregates, self.measure_of)]


def _derived(
    scratch: Scratch, system: System, plan: Needs, found: dict[str, pa.ChunkedArray]
) -> dict[str, pa.ChunkedArray]:
    """Derived values, each group after those that it reads."""
    made: dict[str, pa.ChunkedArray] = {}
    for group in system.derived.values():
        columns = [one for one in group.columns if f"{group.name}.{one[0]}" in plan.derived]
        if not columns:
            continue
        have = {**found, **made}
        reads = sorted(frozenset().union(*(expression.names for _, expression, _ in columns)) | {"time"})
        source = pa.table({name: have[name] for name in reads})
        source = source.append_column("_row", pa.array(np.arange(source.num_rows)))
        spelled = {name: quoted(name) for name in reads}
        values = []
        for _, expression, kind in columns:
            value = sql.duckdb(expression, spelled, "time", system.timezone)
            if kind.base == "text" and expression.kind.base != "text":
                value = as_text(value, expression.kind)
            values.append(f"cast({value} as double)" if kind.base == "number" and not kind.is_list else value)
        read = scratch.read(f"select {', '.join(values)} from {scratch.rows(source)} order by _row")
        made |= {f"{group.name}.{name}": read.column(i) for i, (name, _, _) in enumerate(columns)}
    return made
