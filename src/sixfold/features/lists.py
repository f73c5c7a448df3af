"""Lists: what was chosen beside other items that could have been chosen then, drawn with known rates."""
# A = examples that were chosen, I = items, P = pairs of an example and an item, G = times of the grid

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.design.system import System
from sixfold.errors import EmptyPart
from sixfold.features.arrays import from_arrow
from sixfold.features.batch import attach_as_known
from sixfold.features.examples import build
from sixfold.features.expressions import holds
from sixfold.features.hashing import hash_texts
from sixfold.features.joins_sql import Relations
from sixfold.features.needs import needs
from sixfold.features.pools import Pools, ints, pools

__all__ = ["KEPT", "LIST", "OWN", "RATE", "lists"]

LIST, OWN, RATE, KEPT = "list", "own", "rate", "kept"
"""Columns beside the examples': the number of a row's list, whether the row is what was chosen, the probability with
which each other item of the list was drawn, whether the row passes the filters."""
_PAIRS_AT_ONCE, _ROWS_AT_ONCE = 4_000_000, 1_000_000
"""How many pairs are tried, and how many rows get their columns in one go: each time all events are gone through."""
_TRIED, _TRIES = 2_000, 40
"""How many examples try so many items each, to see how many of a pool pass at an example's own time."""

Ints = NDArray[np.int64]


def lists(
    con: duckdb.DuckDBPyConnection, system: System, ingested: Relations, names: Collection[str], *, seed: int
) -> Iterator[pa.Table]:
    """The examples of which a label is true, each with other items that could have been chosen at its time.

    Those of training have some `Framing.negatives` others, those of validation and test all others. What could not
    have been chosen by anybody (an item that was not available) has no list.

    Args:
        names: Canonical names of the columns to add, each as of the example's time.
        seed: Of what is drawn.

    Yields:
        As `examples.build`, with `list`, `own`, `rate` and `kept`: the rows of a list stand together, in an order of
        their own; lists in the order of their times. Some hundred thousand rows at a time.

    Raises:
        NoExamples, EmptyPart: as `examples.build` does; EmptyPart too where a part is left without lists.
    """
    assert system.negatives is not None, "only a framing with negatives has lists"
    drawn = _Drawn(con, system, ingested, np.random.default_rng(seed))
    examples = drawn.examples()
    pool = pools(con, system, ingested, ints(examples["time"]))
    share_G = drawn.passing_share(examples, pool)
    seen: set[str] = set()
    for found in _together(drawn.lists(some, pool, share_G) for some in drawn.batches(examples, pool, share_G)):
        seen |= set(pc.unique(found["part"]).to_pylist())
        yield drawn.attached(found, names)
    if missing := [part for part in ("train", "validation", "test") if part not in seen]:
        split = system.evaluation.split
        raise EmptyPart(where=split.at, part=missing[0], examples=len(examples))


@dataclass
class _Drawn:
    con: duckdb.DuckDBPyConnection
    system: System
    ingested: Relations
    rng: np.random.Generator

    def examples(self) -> pa.Table:
        """What was chosen, with the number of its list; of each part no more than the design asks for."""
        rows = build(self.con, self.system, self.ingested)
        chosen = np.zeros(len(rows), bool)
        for name in self.system.labels:
            chosen |= np.asarray(pc.greater(rows[f"label.{name}"], 0).fill_null(False))
        part, measured = np.asarray(rows["part"].to_pylist(), object), self.system.evaluation.lists
        kept = chosen & np.asarray(rows["part"].is_valid())
        for one, most in (("train", self.system.lists), ("validation", measured), ("test", measured)):
            own = np.flatnonzero(kept & (part == one))
            if most is not None and len(own) > most:
                kept[self.rng.permutation(own)[most:]] = False
        rows = rows.filter(pa.array(kept))
        return rows.append_column(LIST, pa.array(np.arange(len(rows))))

    def passing_share(self, examples: pa.Table, pool: Pools) -> NDArray[np.float64]:
        """Of the items of each pool, about which share passes at an example's own time, shape (G,)."""
        some = examples.take(np.sort(self.rng.permutation(len(examples))[:_TRIED]))
        block_A = pool.block(ints(some["time"]))
        size_A = pool.sizes[block_A]
        at = np.repeat(np.arange(len(some)), np.where(size_A > 0, _TRIES, 0))
        item = pool.items(block_A[at], self.rng.integers(0, size_A[at]))
        _, passed = self._passing(self._pairs(some.take(at), pool, item))
        count_G = np.bincount(block_A[at], minlength=len(pool.sizes))
        passed_G = np.bincount(block_A[at], passed, minlength=len(pool.sizes))
        mean = passed.mean() if len(passed) else 1.0
        share_G: NDArray[np.float64] = (passed_G + _TRIES * max(float(mean), 1e-3)) / (count_G + _TRIES)
        return share_G

    def batches(self, examples: pa.Table, pool: Pools, share_G: NDArray[np.float64]) -> Iterator[pa.Table]:
        """Examples in order, so many at a time that their pairs fit into memory."""
        tries = self._tries(examples, pool, share_G)
        batch = np.cumsum(tries) // _PAIRS_AT_ONCE
        for own in np.split(np.arange(len(examples)), np.flatnonzero(np.diff(batch)) + 1):
            yield examples.take(own)

    def lists(self, examples: pa.Table, pool: Pools, share_G: NDArray[np.float64]) -> pa.Table:
        """The rows of the lists of these examples."""
        block_A = pool.block(ints(examples["time"]))
        size_A, tries_A = pool.sizes[block_A], self._tries(examples, pool, share_G)
        whole_A = tries_A >= size_A
        at = np.repeat(np.arange(len(examples)), tries_A)
        starts = np.cumsum(tries_A) - tries_A
        place = np.arange(len(at)) - starts[at]
        place = np.where(whole_A[at], place, self.rng.integers(0, np.maximum(size_A[at], 1)))
        code = at * (int(size_A.max(initial=0)) + 1) + place
        _, first = np.unique(code, return_index=True)  # drawn twice is drawn
        at, place = at[first], place[first]
        item = pool.items(block_A[at], place)
        own_A = pool.number(examples[str(self.system.item)])
        others = (item != own_A[at]) & (pool.since_us[item] <= ints(examples["time"])[at])
        at, item = at[others], item[others]
        rate_A = np.where(whole_A, 1.0, 1.0 - (1.0 - 1.0 / np.maximum(size_A, 1)) ** tries_A)
        others = self._unlabelled(self._pairs(examples.take(at), pool, item))
        both = pa.concat_tables([examples, others.cast(examples.schema)])
        which = np.concatenate([np.arange(len(examples)), at])
        available, passed = self._passing(both)
        own = np.arange(len(both)) < len(examples)
        kept = np.flatnonzero(available[which] & (own | passed))
        rows = both.take(pa.array(kept)).append_column(OWN, pa.array(own[kept]))
        rows = rows.append_column(KEPT, pa.array(passed[kept])).append_column(RATE, pa.array(rate_A[which[kept]]))
        # Equal scores stand in the order of the rows, which must say nothing about what was chosen.
        order = hash_texts(pool.keys.to_pylist())[np.concatenate([own_A, item])[kept]]
        return rows.take(np.lexsort((order, which[kept])))

    def attached(self, rows: pa.Table, names: Collection[str]) -> pa.Table:
        """The rows with these columns; those of the query's side are looked up once a list."""
        own = [name for name in self._query_side(rows, names) if name not in rows.column_names]
        if own:
            numbers = ints(rows[LIST])
            first = np.concatenate([[True], numbers[1:] != numbers[:-1]])
            once = attach_as_known(self.con, self.system, self.ingested, rows.filter(pa.array(first)), own)
            which = pa.array(np.cumsum(first) - 1)
            for name in own:
                rows = rows.append_column(name, once[name].take(which))
        found = attach_as_known(self.con, self.system, self.ingested, rows, names)
        return found.select([name for name in found.column_names if name not in own or name in names])

    def _query_side(self, rows: pa.Table, names: Collection[str]) -> list[str]:
        """What is read for these names that depends on the query and the context alone."""
        plan = needs(self.system, names, frozenset(rows.column_names))
        read = [*plan.tables, *(f"{group}.{column}" for group, own in plan.features.items() for column in own)]
        asked = {self.system.query, *self.system.context} - {self.system.item}
        return [name for name in read if self.system.depends(name) <= asked]

    def _tries(self, examples: pa.Table, pool: Pools, share_G: NDArray[np.float64]) -> Ints:
        """How many items each example draws from its pool, so that it keeps as many as are wanted; at most all."""
        block_A = pool.block(ints(examples["time"]))
        wanted_A = np.ceil((self.system.negatives or 0) / share_G[block_A])
        size_A = pool.sizes[block_A]
        drawn = np.asarray(pc.equal(examples["part"], "train"))
        # Of more than half of a pool many would be drawn twice.
        return np.where(drawn & (wanted_A < size_A / 2), wanted_A, size_A).astype(np.int64)

    def _pairs(self, examples: pa.Table, pool: Pools, item: Ints) -> pa.Table:
        """The rows of examples with other items; what they do not know of those is null."""
        name = str(self.system.item)
        return examples.set_column(examples.column_names.index(name), name, pool.keys.take(pa.array(item)))

    def _unlabelled(self, rows: pa.Table) -> pa.Table:
        """Rows of what was not chosen: labels 0, outcomes null."""
        known = {*self.system.row.base, *self.system.context, "time", "part", LIST}
        for at, (name, column) in enumerate(zip(rows.column_names, rows.columns)):
            if name in known:
                continue
            value = pa.array(np.zeros(len(rows))) if name.startswith("label.") else pa.nulls(len(rows), column.type)
            rows = rows.set_column(at, name, value)
        return rows

    def _passing(self, rows: pa.Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows are available, and which of these pass the filters too."""
        system = self.system
        conditions = [one for one in (system.available, *system.filters) if one is not None]
        left, at = self._with_tables(rows, conditions), np.arange(len(rows))
        available = np.ones(len(rows), bool)
        for condition in conditions:
            true = self._true(condition, left)
            left, at = left.filter(pa.array(true)), at[true]
            if condition is system.available:
                available = np.isin(np.arange(len(rows)), at)
        return available, np.isin(np.arange(len(rows)), at)

    def _with_tables(self, rows: pa.Table, conditions: Sequence[Expression]) -> pa.Table:
        """The rows with what these conditions come down to in tables: looked up once for all of them."""
        read = frozenset().union(*(self.system.read_for(one.names) for one in conditions))
        tables = [name for name in sorted(read) if name.split(".")[0] in self.system.tables]
        return self.attached(rows, tables) if tables else rows

    def _true(self, condition: Expression, rows: pa.Table) -> NDArray[np.bool_]:
        if not len(rows):
            return np.zeros(0, bool)
        found = self.attached(rows, sorted(condition.names))
        columns = {name: from_arrow(found[name], self.system.kinds[name]) for name in condition.names}
        return holds(condition, columns, ints(rows["time"]), len(rows), self.system.timezone)


def _together(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables put together until they have as many rows as get their columns in one go."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= _ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
