"""The lists that come with examples: where what was chosen stands by each model."""
# N = rows of the test part's lists, Q = lists, I = items, D = width of a vector

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sixfold.design.models import ItemNeighbours, Rule, TwoTower
from sixfold.design.system import System
from sixfold.evaluation.lists import Ranks, rank_rows
from sixfold.features.arrays import Values, from_arrow
from sixfold.features.expressions import evaluate
from sixfold.features.lists import KEPT, LIST, OWN
from sixfold.inference.models import Towers
from sixfold.inference.models import load as load_model
from sixfold.pipeline.job import Job

__all__ = ["ExampleLists"]

Floats = NDArray[np.float64]
_LISTS_AT_ONCE = 200


@dataclass(frozen=True)
class ExampleLists:
    """The rows of the lists of the test part, those of a list together, with everything that any model reads."""

    job: Job
    rows: pa.Table

    @cached_property
    def own(self) -> NDArray[np.bool_]:
        """Which rows were chosen, one of each list, shape (N,)."""
        return np.asarray(self.rows[OWN], bool)

    def ranks(self, score_N: Floats) -> Ranks:
        """Where what was chosen stands by these scores."""
        kept_N, list_N = np.asarray(self.rows[KEPT], bool), np.asarray(self.rows[LIST], np.int64)
        return rank_rows(score_N, list_N=list_N, own_N=self.own, kept_N=kept_N)

    def scores(self, model: Rule | TwoTower | ItemNeighbours) -> Floats:
        """What a model without heads says of each row, shape (N,)."""
        if isinstance(model, Rule):
            return self._value(self.job.system, self.job.system.rules[model.name], {})
        return self._tower_scores(model) if isinstance(model, TwoTower) else self._neighbour_scores(model)

    def ordered(self, scores: Mapping[str, Floats], system: System) -> Floats:
        """The number by which a model's scores order items: the design's value, if it has its heads, else its first."""
        heads = {name for name in system.value.names if name in system.labels}
        if heads <= scores.keys():
            return self._value(system, system.value, scores)
        return next(iter(scores.values()))

    def _value(self, system: System, expression: Any, scores: Mapping[str, Floats]) -> Floats:
        columns = {n: from_arrow(self.rows[n], system.kinds[n]) for n in expression.names if n not in scores}
        heads = {name: Values(own, np.isfinite(own)) for name, own in scores.items()}
        times = np.asarray(self.rows["time"], np.int64)
        found = evaluate(expression, {**columns, **heads}, times, system.timezone)
        assert isinstance(found, Values), "what orders items is checked by the design to be one value"
        return np.broadcast_to(np.where(found.valid, found.data.astype(np.float64), np.nan), len(self.rows))

    def _tower_scores(self, model: TwoTower) -> Floats:
        towers = load_model(self.job.folder(f"train-{model.name}") / model.name, threads=2)
        assert isinstance(towers, Towers)
        query_QD = towers.table("query", self.rows.filter(pa.array(self.own)))
        score_N = np.empty(len(self.rows))
        for some in self._some():
            item_ND = towers.table("item", self.rows.slice(some.start, some.stop - some.start))
            score_N[some] = (item_ND * query_QD[self._which[some]]).sum(1)
        return score_N

    def _neighbour_scores(self, model: ItemNeighbours) -> Floats:
        from sixfold.training.neighbours import ItemCosine

        system = self.job.system
        liked = pq.read_table(self.job.folder("retrieval") / model.positives.name / "positives.parquet")
        keys = pc.unique(pa.chunked_array([*liked[str(system.item)].chunks, *self.rows[str(system.item)].chunks]))
        people = pc.unique(liked[system.query])

        def numbers(column: pa.ChunkedArray, of: pa.Array) -> NDArray[np.int64]:
            return np.asarray(pc.fill_null(pc.index_in(column, value_set=of), -1), np.int64)

        item, person = numbers(liked[str(system.item)], keys), numbers(liked[system.query], people)
        train = np.asarray(pc.equal(liked["part"], "train").fill_null(False), bool)
        cosine = ItemCosine(person[train], item[train], len(keys))
        known, asked = np.asarray(liked["known"], np.int64), self.rows.filter(pa.array(self.own))
        order = np.argsort(person, kind="stable")
        bounds = np.searchsorted(person[order], np.arange(len(people) + 1))
        score_N, row_item = np.empty(len(self.rows)), numbers(self.rows[str(system.item)], keys)
        asker, time = numbers(asked[system.query], people), np.asarray(asked["time"], np.int64)
        for some in self._some():
            first, last = int(self._which[some.start]), int(self._which[some.stop - 1]) + 1
            likes = [order[bounds[p] : bounds[p + 1]] if p >= 0 else order[:0] for p in asker[first:last]]
            likes = [own[known[own] < at] for own, at in zip(likes, time[first:last])]
            which = np.repeat(np.arange(last - first), [len(own) for own in likes])
            found = cosine.scores(which, item[np.concatenate([order[:0], *likes])], last - first)
            score_N[some] = found[self._which[some] - first, row_item[some]]
        return score_N

    @cached_property
    def _which(self) -> NDArray[np.int64]:
        """The place of each row's list, shape (N,), ascending from 0."""
        numbers = np.asarray(self.rows[LIST], np.int64)
        return np.cumsum(np.concatenate([[False], numbers[1:] != numbers[:-1]]))

    def _some(self) -> list[slice]:
        """Whole lists, some at a time."""
        cuts = np.searchsorted(self._which, np.arange(0, self._which[-1] + 1, _LISTS_AT_ONCE))
        return [slice(int(a), int(b)) for a, b in zip(cuts, [*cuts[1:], len(self._which)])]
