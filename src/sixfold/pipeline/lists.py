"""The lists that each model would have answered, and where the relevant items stand in them."""
# Q = queries, I = items, P = (query, relevant item) pairs

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.design.models import ItemNeighbours, Model, Rule, TwoTower
from sixfold.design.system import System
from sixfold.evaluation.lists import Ranks, rank_items
from sixfold.features.arrays import Array, Values, from_arrow
from sixfold.features.expressions import evaluate, holds
from sixfold.inference.models import Towers
from sixfold.inference.models import load as load_model
from sixfold.pipeline.job import Job

__all__ = ["AskedLists"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AskedLists:
    """The queries that evaluation asks in the test part, and all items as they were then."""

    job: Job
    label: str

    @cached_property
    def queries(self) -> pa.Table:
        """The test part's queries by time: the query's key, `time`, `relevant` (item keys), the query's columns."""
        return self._read("queries").sort_by("time")

    @cached_property
    def users(self) -> NDArray[Any]:
        """The query's key of each query, shape (Q,)."""
        return np.asarray(self.queries[self.job.system.query].to_pylist(), str)

    @cached_property
    def items(self) -> dict[int, pa.Table]:
        """Time to all items as of then; the same items in the same order at each."""
        table = self._read("items")
        times = np.asarray(table["time"], np.int64)
        starts = np.unique(times)
        n = len(table) // len(starts)
        return {int(start): table.slice(at * n, n) for at, start in enumerate(starts)}

    @cached_property
    def keys(self) -> pa.Array:
        """Item keys, shape (I,)."""
        return next(iter(self.items.values()))[str(self.job.system.item)].combine_chunks()

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Relevant items: number of the query and of the item, each (P,)."""
        lists = self.queries["relevant"].combine_chunks()
        query = np.asarray(pc.list_parent_indices(lists), np.int64)
        item = np.asarray(pc.fill_null(pc.index_in(pc.list_flatten(lists), value_set=self.keys), -1), np.int64)
        return query[item >= 0], item[item >= 0]

    def among(self, condition: Expression) -> NDArray[np.bool_]:
        """The queries that a slice is about, shape (Q,)."""
        system = self.job.system
        columns = _columns(self.queries, system)
        times = np.asarray(self.queries["time"], np.int64)
        return holds(condition, columns, times, len(times), system.timezone)

    def ranks(self, model: Model) -> Ranks:
        """Where the relevant items stand in the model's lists of what is available and passes the filters."""
        times = np.asarray(self.queries["time"], np.int64)
        parts = []
        for time in np.unique(times):
            first, end = np.searchsorted(times, [time, time + 1])
            own = slice(int(first), int(end))
            query_P, item_P = self.pairs
            mine = (query_P >= first) & (query_P < end)
            kept_QI = self._kept(int(time))
            ranks = rank_items(
                self._scorer(model, int(time), own),
                kept_QI.__getitem__,
                query_P=query_P[mine] - first,
                item_P=item_P[mine],
                queries=int(end - first),
                items=len(self.keys),
            )
            parts.append(Ranks(ranks.query_P + first, ranks.rank_P))
        if not parts:
            return Ranks(np.empty(0, np.int64), np.empty(0))
        return Ranks(np.concatenate([p.query_P for p in parts]), np.concatenate([p.rank_P for p in parts]))

    def _first(self, time: int) -> int:
        return int(np.searchsorted(np.asarray(self.queries["time"], np.int64), time))

    @cached_property
    def _masks(self) -> dict[int, NDArray[np.bool_]]:
        return {}

    def _kept(self, time: int) -> NDArray[np.bool_]:
        """Items that each query asked at this time may get: available, and passing the filters; shape (q, I)."""
        if time not in self._masks:
            system, items = self.job.system, _columns(self.items[time], self.job.system)
            available = np.ones(len(self.keys), bool)
            if system.available is not None:
                available = holds(system.available, items, time, len(self.keys), system.timezone)
            first = self._first(time)
            times = np.asarray(self.queries["time"], np.int64)
            queries = _columns(self.queries.slice(first, int((times == time).sum())), system)
            count = int((times == time).sum())
            kept = np.repeat(available[None, :], count, axis=0)
            for condition in system.filters:
                for q in range(count):
                    own = _beside(queries, items, q, condition)
                    kept[q] &= holds(condition, own, time, len(self.keys), system.timezone)
            self._masks[time] = kept
        return self._masks[time]

    def _scorer(self, model: Model, time: int, own: slice) -> Callable[[slice], Floats]:
        if isinstance(model, TwoTower):
            return self._tower_scores(model, time, own)
        if isinstance(model, Rule):
            return self._rule_scores(model, time, own)
        assert isinstance(model, ItemNeighbours)
        return self._neighbour_scores(model, time, own)

    def _tower_scores(self, model: TwoTower, time: int, own: slice) -> Callable[[slice], Floats]:
        towers = load_model(self.job.folder(f"train-{model.name}") / model.name, threads=2)
        assert isinstance(towers, Towers)
        query_QD = towers.table("query", self.queries.slice(own.start, own.stop - own.start))
        item_ID = towers.table("item", self.items[time])
        return lambda block: query_QD[block] @ item_ID.T

    def _rule_scores(self, model: Rule, time: int, own: slice) -> Callable[[slice], Floats]:
        system = self.job.system
        expression, items = system.rules[model.name], _columns(self.items[time], system)
        if not any(system.query in system.depends(name) for name in expression.names):
            score_I = _numbers(evaluate(expression, items, time, system.timezone), len(self.keys))
            return lambda block: np.broadcast_to(score_I, (block.stop - block.start, len(score_I)))
        queries = _columns(self.queries.slice(own.start, own.stop - own.start), system)

        def scores(block: slice) -> Floats:
            rows = [
                _numbers(
                    evaluate(expression, _beside(queries, items, q, expression), time, system.timezone), len(self.keys)
                )
                for q in range(block.start, block.stop)
            ]
            return np.stack(rows)

        return scores

    def _neighbour_scores(self, model: ItemNeighbours, time: int, own: slice) -> Callable[[slice], Floats]:
        from sixfold.training.neighbours import ItemCosine

        system, liked = self.job.system, self._read("positives")
        item = np.asarray(pc.fill_null(pc.index_in(liked[str(system.item)], value_set=self.keys), -1), np.int64)
        names = pa.array(self.users[own])
        query = np.asarray(pc.fill_null(pc.index_in(liked[system.query], value_set=names), -1), np.int64)
        everyone = pc.dictionary_encode(liked[system.query].combine_chunks()).indices
        train = np.asarray(pc.equal(liked["part"], "train").fill_null(False), bool) & (item >= 0)
        cosine = ItemCosine(np.asarray(everyone, np.int64)[train], item[train], len(self.keys))
        before = (np.asarray(liked["known"], np.int64) < time) & (item >= 0) & (query >= 0)
        scores_QI = cosine.scores(query[before], item[before], len(names))
        return lambda block: scores_QI[block]

    def _read(self, name: str) -> pa.Table:
        return pq.read_table(self.job.folder("retrieval") / self.label / f"{name}.parquet")


def _columns(table: pa.Table, system: System) -> dict[str, Array]:
    return {name: from_arrow(table[name], system.kinds[name]) for name in table.column_names if name in system.kinds}


def _beside(
    queries: Mapping[str, Array], items: Mapping[str, Array], q: int, expression: Expression
) -> dict[str, Array]:
    """The columns that the expression reads: of one query, standing for every item, and of all items."""
    one = np.array([q])
    found: dict[str, Array] = {}
    for name in expression.names:
        own = queries[name] if name in queries and name not in items else None
        found[name] = items[name] if own is None else _single(own, one)
    return found


def _single(column: Array, row: NDArray[Any]) -> Array:
    return column.take(row)


def _numbers(found: Array, rows: int) -> Floats:
    assert isinstance(found, Values)
    data = np.where(found.valid, found.data.astype(np.float64), -np.inf)
    return np.broadcast_to(data, (rows,)).astype(np.float64)
