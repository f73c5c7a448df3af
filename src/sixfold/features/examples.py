"""Examples to learn from and to measure by: labels looked up forward, features as of each example, parts by time."""
# B = examples

from collections.abc import Collection
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.evaluation import ByTime
from sixfold.design.expressions import Expression
from sixfold.design.schema import LabelSpec, Over
from sixfold.design.system import System
from sixfold.design.units import duration_us
from sixfold.errors import EmptyPart, NoExamples
from sixfold.features import sql
from sixfold.features.batch import as_text, attach_as_known
from sixfold.features.joins_sql import Relations, looked_up, stream_rows
from sixfold.features.local_time import floor_local
from sixfold.features.needs import through_tables
from sixfold.features.scratch import Scratch, quoted
from sixfold.features.split import boundaries

__all__ = ["build", "per_day", "positives", "queries"]

_PARTS = ("train", "validation", "test")
_DAY_US = 86_400_000_000


def build(
    con: duckdb.DuckDBPyConnection,
    system: System,
    ingested: Relations,
    names: Collection[str] = (),
    *,
    unlabelled: bool = False,
) -> pa.Table:
    """The ranking examples: rows of the examples' stream that `Framing.where` is true of, in the order of their times.

    A row carries its outcome and does not say when it came about, so a label has the row's value, and may be used from
    `time + within` on, or from the row's `known` where that is later. Until then it is null: at the end of the data
    (the stream's largest `known`) in the last part, at the first moment of the next part in the others, since whoever
    trained then could not have known it.

    Args:
        names: Canonical names of the columns to add, each as of the example's time.
        unlabelled: All rows of validation and test instead, whether their labels came in time, later or not at all.

    Returns:
        `time`, the keys, the context, outcomes that slices read, `label.NAME` (DOUBLE, null where it takes no part),
        `delay.NAME` (how many seconds after the example the outcome came, where the label says when; null where it did
        not), `known.NAME` (from when the label may be used, where the design learns on), `part` and the columns asked
        for. `part` is 'train', 'validation' or 'test'; null where every label came too late for the example's part,
        and where `ByColumn` names no part. Rows without any label at the end of the data are left out, and so are rows
        without the key of the query or of the item.

    Raises:
        NoExamples: no row is an example.
        EmptyPart: the split leaves a part without examples.
    """
    with Scratch(con) as scratch:
        source = _Source(scratch, system, ingested)
        rows = source.examples()
        ends = source.ends(rows, source.starts(rows))
        rows = source.looked_forward(rows, ends)
    labelled, kept = np.zeros(rows.num_rows, bool), np.zeros(rows.num_rows, bool)
    for name in system.labels:
        value, usable = rows[f"label.{name}"], np.asarray(rows[f"_from.{name}"])
        known = np.asarray(value.is_valid()) & (usable <= ends.data_us)
        usable_in_part = known & (usable <= ends.end_B)
        labelled, kept = labelled | known, kept | usable_in_part
        masked = pa.array(np.asarray(value.fill_null(0)), mask=~usable_in_part)
        rows = rows.set_column(rows.column_names.index(f"label.{name}"), f"label.{name}", masked)
    if unlabelled:
        labelled = kept = np.isin(ends.part_B, _PARTS[1:])
    rows = rows.append_column("part", pa.array(ends.part_B, pa.string(), mask=~kept | (ends.part_B == "")))
    delays = [f"delay.{name}" for name, label in system.labels.items() if label.time is not None]
    retrain, known_from = system.deployment.retrain, list[str]()
    if retrain is not None and retrain.warm:
        known_from = [f"known.{name}" for name in system.labels]
        for name in system.labels:
            rows = rows.append_column(f"known.{name}", rows[f"_from.{name}"])
    columns = ["time", *source.carried, *(f"label.{name}" for name in system.labels), *delays, *known_from, "part"]
    rows = rows.select(columns).filter(pa.array(labelled))
    if not unlabelled:
        source.check_parts(rows)
    return attach_as_known(con, system, ingested, rows, names)


def per_day(con: duckdb.DuckDBPyConnection, system: System, ingested: Relations) -> float:
    """How many rows a day asks about on average, whether or not anything came of them.

    Raises:
        NoExamples: no row is an example.
    """
    with Scratch(con) as scratch:
        time_us = _Source(scratch, system, ingested).times_us()
    return len(time_us) / max(1.0, float(np.ptp(time_us)) / _DAY_US)


def positives(
    con: duckdb.DuckDBPyConnection, system: System, ingested: Relations, label_name: str, names: Collection[str] = ()
) -> pa.Table:
    """All rows of the examples' stream of which a label is true (a number: above 0), in the order of their times.

    Not the ranking examples alone: rows without the other outcomes teach retrieval too. What has come about can no
    longer fail to, so a positive need not wait for its label's `within`, as a negative must: it counts from its row's
    `known` on. `part` is null where that is after the end of its part.

    Returns:
        `time`, `known`, the keys, the context, `part` and the columns asked for, each as of the row's time.

    Raises:
        NoExamples: no row is an example.
    """
    with Scratch(con) as scratch:
        source = _Source(scratch, system, ingested)
        rows = source.positives(system.labels[label_name])
        ends = source.ends(rows, source.starts(source.examples()))
    late = np.asarray(rows["known"]) > ends.end_B
    rows = rows.append_column("part", pa.array(ends.part_B, pa.string(), mask=late | (ends.part_B == "")))
    return attach_as_known(con, system, ingested, rows.select(["time", "known", *source.carried, "part"]), names)


def queries(
    con: duckdb.DuckDBPyConnection, system: System, ingested: Relations, label_name: str, names: Collection[str] = ()
) -> pa.Table:
    """What was wanted of each list that evaluation asks for.

    A positive is relevant to the list that its query asked at the last local multiple of `Evaluation.ask_every` at or
    before it; that list is in the positive's part.

    Args:
        names: Canonical names of the columns to add, as of the time of asking; they need the query's key alone.

    Returns:
        The query's key under its entity's name, `time` when it is asked, `part`, `relevant`: the keys of the items
        (VARCHAR[], distinct, in the order in which they came), and the columns asked for. In the order of times.

    Raises:
        NoExamples: no row is an example.
    """
    found = positives(con, system, ingested, label_name)
    asked = system.evaluation
    every_us = duration_us(asked.ask_every, where=asked.at, part="Evaluation", field="ask_every")
    times = floor_local(np.asarray(found["time"], np.int64), every_us, system.timezone)
    query, item = quoted(system.query), quoted(str(system.item))
    with Scratch(con) as scratch:
        view = scratch.rows(found.append_column("_asked", pa.array(times)))
        rows = scratch.read(
            f"select {query}, _asked as time, part, list({item} order by first, {item}) as relevant from ("
            f"select {query}, _asked, part, {item}, min(time) as first from {view} where part is not null group by all)"
            f" group by {query}, _asked, part order by _asked, part, {query}"
        )
    return attach_as_known(con, system, ingested, rows, names)


class _Ends(NamedTuple):
    """The part of each row, and until when what it says may be known."""

    part_B: NDArray[Any]
    """'' for none."""
    end_B: NDArray[np.int64]
    data_us: int


class _Source:
    """The examples' stream, its tables as of each row's time."""

    def __init__(self, scratch: Scratch, system: System, ingested: Relations) -> None:
        self.scratch, self.system, self.ingested = scratch, system, ingested
        stream, split = system.examples, system.evaluation.split
        sliced = sorted(name for one in system.slices.values() for name in one.names if name not in system.kinds)
        self.carried = list(dict.fromkeys([*system.row.base, *system.context, *sliced]))
        read = [label.names for label in system.labels.values()] + ([system.where.names] if system.where else [])
        read += [label.time.names for label in system.labels.values() if label.time is not None]
        self.columns = frozenset().union(*read)
        relation = looked_up(
            stream_rows(stream, ingested),
            system.row.joins,
            through_tables(system.row, self.columns),
            system.tables,
            ingested,
            at=f"{stream.name}.time",
        )
        self.time = quoted(f"{stream.name}.time")
        needed = [self.time] + [quoted(key) for key in (system.query, system.item) if key]
        self.relation = f"({relation}) where {' and '.join(f'{name} is not null' for name in needed)}"
        self.split_column: str | None = None
        if not isinstance(split, ByTime):
            kind = next(f.kind for f in stream.fields if f.name == split.column.name)
            self.split_column = as_text(quoted(str(split.column)), kind)

    def examples(self) -> pa.Table:
        """Ranking examples with `label.NAME` and `_from.NAME`, when it may be used."""
        return self._asked([self._label(label) for label in self.system.row_labels.values()])

    def _asked(self, columns: list[str]) -> pa.Table:
        """Ranking examples with these columns too."""
        system = self.system
        rows = self._read(columns, "true" if system.where is None else self._sql(system.where))
        if not rows.num_rows:
            total = self.scratch.read(f"select count(*) from {self.ingested.sql(system.examples.name)}")
            raise NoExamples(where=system.at, stream=system.examples.name, rows=total[0][0].as_py())
        return rows

    def times_us(self) -> NDArray[np.int64]:
        """When ranking examples happened, in order.

        Raises:
            NoExamples: no row is an example.
        """
        return np.asarray(self._asked([])["time"], np.int64)

    def _label(self, label: LabelSpec) -> str:
        """SQL of `label.NAME`, `_from.NAME` and, where outcomes have times, `delay.NAME`."""
        value, within_us = self._sql(label.value), label.within_us or 0
        said, usable = quoted(f"label.{label.name}"), quoted(f"_from.{label.name}")
        if label.time is None:
            return f"cast({value} as double) as {said}, greatest({self.time} + {within_us}, _known) as {usable}"
        late = f"({self._sql(label.time)} - {self.time})"
        return (
            f"cast({value} and not coalesce({late} > {within_us}, false) as double) as {said}, "
            f"greatest({self.time} + {within_us}, case when {late} is null then _known else 0 end) as {usable}, "
            f"case when {value} then {late} / 1e6 end as {quoted(f'delay.{label.name}')}"
        )

    def looked_forward(self, rows: pa.Table, ends: _Ends) -> pa.Table:
        """The rows with labels of other streams; those with classes are gathered in one go."""
        gathered: dict[tuple[Over, int | None], list[LabelSpec]] = {}
        for label in self.system.labels.values():
            if label.over is not None:
                gathered.setdefault((label.over, label.within_us), []).append(label)
        keys = [self.system.query, *([self.system.item] if self.system.item else [])]
        asked = rows.select(["time", *keys]).append_column("_row", pa.array(np.arange(rows.num_rows)))
        view = self.scratch.rows(asked.append_column("_end", pa.array(ends.end_B)))
        for (over, within_us), labels in gathered.items():
            found = self.scratch.read(self._gathered(view, over, within_us, [label.value for label in labels]))
            known_us = np.asarray(found["_known"], np.int64)
            usable_us = known_us if within_us is None else np.maximum(known_us, np.asarray(rows["time"]) + within_us)
            for at, label in enumerate(labels):
                rows = rows.append_column(f"label.{label.name}", found[f"_{at}"])
                rows = rows.append_column(f"_from.{label.name}", pa.array(usable_us))
        return rows

    def _gathered(self, view: str, over: Over, within_us: int | None, values: list[Expression]) -> str:
        """SQL of what came of each row, in their order: `_0`, `_1`… and `_known`, when the last of it was."""
        stream = self.system.streams[over.stream]
        time = quoted(f"{stream.name}.time")

        def as_sql(expression: Expression) -> str:
            return sql.duckdb(expression, {n: quoted(n) for n in expression.names}, time, self.system.timezone)

        where = "true" if over.where is None else as_sql(over.where)
        own = [f"cast({as_sql(value)} as double) as _{at}" for at, value in enumerate(values)]
        told = f"select *, {', '.join(own)} from ({stream_rows(stream, self.ingested)}) where {where}"
        same = " and ".join(f"v.{quoted(key)} = r.{quoted(key)}" for key in over.keys)
        late = "true" if within_us is None else f"v.{time} <= r.time + {within_us}"
        latest = (
            ""
            if over.n is None
            else f"qualify row_number() over (partition by r._row order by v.{time} desc, v._offset desc) <= {over.n}"
        )
        matched = (
            f"select r._row, v.* from ({told}) v asof join {view} r on {same} and v.{time} > r.time "
            f"where v._known <= r._end and {late} and v._0 is not null {latest}"
        )
        function = {"last": "avg", "mean": "avg"}.get(over.function, over.function)
        nothing = "0" if over.function in ("count", "sum") else "null"
        made = [f"coalesce(cast({function}(g._{at}) as double), {nothing}) as _{at}" for at in range(len(values))]
        return (
            f"select coalesce(max(g._known), 0) as _known, {', '.join(made)} from {view} r "
            f"left join ({matched}) g on r._row = g._row group by r._row order by r._row"
        )

    def positives(self, label: LabelSpec) -> pa.Table:
        """Rows of which the label is true."""
        value = self._sql(label.value)
        if label.time is not None:
            value = f"({value} and not coalesce({self._sql(label.time)} - {self.time} > {label.within_us}, false))"
        return self._read([], value if label.value.kind.base == "flag" else f"{value} > 0")

    def starts(self, examples: pa.Table) -> tuple[int, int]:
        """When validation and test begin; of no meaning where a column splits."""
        split = self.system.evaluation.split
        if not isinstance(split, ByTime):
            return 0, 0
        return boundaries(split, np.asarray(examples["time"], np.int64), self.system.timezone)

    def ends(self, rows: pa.Table, starts: tuple[int, int]) -> _Ends:
        """The part of each row and its end."""
        over = {label.over.stream for label in self.system.labels.values() if label.over is not None}
        latest = [
            f"select coalesce(max(known), 0) as known from {self.ingested.sql(name)}"
            for name in sorted({self.system.examples.name, *over})
        ]
        data_us = int(self.scratch.read(f"select max(known) from ({' union all '.join(latest)})")[0][0].as_py())
        split = self.system.evaluation.split
        if isinstance(split, ByTime):
            which = np.searchsorted(np.asarray(starts), np.asarray(rows["time"]), "right")
            return _Ends(np.array(_PARTS, object)[which], np.array([*starts, data_us])[which], data_us)
        names = {getattr(split, part): part for part in _PARTS}
        part = np.array([names.get(x, "") for x in rows["_split"].to_pylist()], object)
        return _Ends(part, np.full(rows.num_rows, data_us), data_us)

    def check_parts(self, rows: pa.Table) -> None:
        """Refuse a split that leaves a part empty."""
        split, stream = self.system.evaluation.split, self.system.examples.name
        if not rows.num_rows:
            raise NoExamples(where=self.system.at, stream=stream, rows=0)
        for part in _PARTS:
            if not pc.any(pc.equal(rows["part"], part)).as_py():
                raise EmptyPart(where=split.at, part=part, examples=rows.num_rows)

    def _read(self, columns: list[str], where: str) -> pa.Table:
        own = [f"{self.time} as time", "_known as known", *map(quoted, self.carried), *columns]
        if self.split_column is not None:
            own.append(f"{self.split_column} as _split")
        return self.scratch.read(f"select {', '.join(own)} from {self.relation} and ({where}) order by time, _offset")

    def _sql(self, expression: Any) -> str:
        return sql.duckdb(expression, {n: quoted(n) for n in expression.names}, self.time, self.system.timezone)
