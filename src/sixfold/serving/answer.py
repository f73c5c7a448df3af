"""An answer, stage by stage: candidates, filters, features, heads, value, re-ranking. No stage knows HTTP or stores."""
# M = candidates, K = items of the answer

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.design.deployment import AtMost
from sixfold.design.system import System
from sixfold.features.arrays import Array, Values, column
from sixfold.features.expressions import evaluate
from sixfold.features.keys import length
from sixfold.inference.models import Scorer
from sixfold.serving.catalogue import Items, Read, condition, numbers
from sixfold.serving.rerank import Picks, rerank, seed_of
from sixfold.serving.sources import Asked, Source

__all__ = ["Answer", "Answerer", "Item", "Question", "Timer", "untimed"]

REQUESTED = "request"
"""The source's name of items that the request names."""
AVAILABLE = "available"
"""The source's name where a design has no candidates: every available item."""
_WIDER = 4

Timer = Callable[[str], AbstractContextManager[None]]
"""Measures the stage of that name."""


@dataclass(frozen=True)
class Question:
    """One request, its time fixed."""

    request_id: str
    key: str
    """Of the query."""
    k: int
    now_us: int
    context: Mapping[str, Array]
    """Every context column of the design by canonical name, each of one row."""
    items: Sequence[str] | None = None
    """Keys to choose from, instead of candidates."""


@dataclass(frozen=True)
class Item:
    """One item of an answer."""

    key: str
    score: float | None
    """The design's value; None where it is null."""
    heads: Mapping[str, float]
    source: str
    """What proposed it first."""
    position: int
    """From 0."""
    propensity: float


@dataclass(frozen=True)
class Answer:
    """The items chosen, and the values that were read for them."""

    items: list[Item]
    query_features: Mapping[str, Any]
    """Values of the query's side by canonical name."""
    item_features: list[dict[str, Any]]
    """For each item, the other values that the model and the design's expressions read."""


@contextmanager
def untimed(stage: str) -> Iterator[None]:
    """Measures nothing."""
    yield


class Answerer:
    """Answers the questions of one release.

    Args:
        system: The release's design; it has an item.
        read: Gives values by canonical name.
        items: Gives the catalogue of this moment.
        sources: Each with how many candidates it is asked for, in the design's order.
        scorer: The model that the design predicts with.
    """

    def __init__(
        self,
        system: System,
        read: Read,
        items: Callable[[], Items],
        sources: Sequence[tuple[Source, int]],
        scorer: Scorer,
    ) -> None:
        assert system.item is not None, "without items there is nothing to choose from"
        self._system, self._item, self._read, self._items = system, system.item, read, items
        self._sources, self._scorer = sources, scorer
        self._conditions = [c for c in (system.available, *system.filters) if c is not None]
        self._filtered = frozenset().union(*(c.names for c in self._conditions))
        steps = {str(s.column) for s in system.deployment.rerank if isinstance(s, AtMost)}
        # Another model's label of the same name would be a column; heads go first.
        self._ranked = scorer.names | steps | (system.value.names - set(scorer.heads))
        sides = self._filtered | self._ranked | frozenset().union(*(source.names for source, _ in sources))
        # Rows of a table that the filters read anyway are looked up once, those of derived values too.
        tables = {name.split(".")[0] for name in self._filtered} & system.tables.keys()
        reads = {f"{d.name}.{name}": one.names - {"now"} for d in system.derived.values() for name, one, _ in d.columns}
        self._first = self._filtered | {
            name for name in self._ranked if {read.split(".")[0] for read in reads.get(name, {name})} <= tables
        }
        own = {system.query, *system.context} - {system.item}
        self._query_side = frozenset(name for name in sides if system.depends(name) <= own)

    def answer(self, question: Question, timer: Timer = untimed) -> Answer:
        """The best items for a question: at most k, fewer where no more are left."""
        system, now_us = self._system, question.now_us
        with timer("query"):
            base = {**question.context, system.query: column(system.kinds[system.query], [question.key])}
            asked = Asked(self._read(self._query_side, base, now_us), now_us)
        keys, sources, columns = self._kept(question, asked, timer)
        if not len(keys):
            return self._with_features([], asked, columns, np.empty(0, np.int64))
        with timer("features"):
            columns = self._read(self._ranked, columns, now_us)
        with timer("predict"):
            heads = self._scorer.score(columns, len(keys))
        with timer("rerank"):
            own = {head: Values(values, np.isfinite(values)) for head, values in heads.items()}
            value = numbers(evaluate(system.value, {**columns, **own}, now_us, system.timezone), len(keys))
            picks = rerank(value, system.deployment.rerank, columns, question.k, seed_of(question.request_id))
        chosen = _items(picks, keys, sources, value, heads)
        return self._with_features(chosen, asked, columns, picks.rows)

    def _kept(
        self, question: Question, asked: Asked, timer: Timer
    ) -> tuple[NDArray[Any], NDArray[Any], dict[str, Array]]:
        """Candidates that the filters leave; more are asked for while too few are left and there may be more."""
        items, wider = self._items(), 1
        while True:
            with timer("candidates"):
                keys, sources, more = self._candidates(question, asked, items, wider)
            with timer("filters"):
                keep, columns = self._filter(keys, asked)
            if len(keep) >= question.k or not more:
                return keys[keep], sources[keep], columns
            wider *= _WIDER

    def _candidates(
        self, question: Question, asked: Asked, items: Items, wider: int
    ) -> tuple[NDArray[Any], NDArray[Any], bool]:
        """Keys of M candidates, the name of the source that proposed each first, and whether there may be more."""
        if question.items is not None:
            keys = np.empty(len(found := list(dict.fromkeys(question.items))), object)
            keys[:] = found
            return keys, np.full(len(keys), REQUESTED, object), False
        if not self._sources:
            keys = items.keys[items.available]
            return keys, np.full(len(keys), AVAILABLE, object), False
        lists = [source.top(asked, items, n * wider) for source, n in self._sources]
        more = any(len(found) == n * wider for found, (_, n) in zip(lists, self._sources))
        places, first = np.unique(np.concatenate(lists), return_index=True)
        order = np.argsort(first)
        names = np.repeat(np.array([source.name for source, _ in self._sources], object), [len(x) for x in lists])
        return items.keys[places[order]], names[first[order]], more

    def _filter(self, keys: NDArray[Any], asked: Asked) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """Which candidates stay, and the columns read so far of those."""
        rows, system = len(keys), self._system
        columns = {**asked.columns, self._item: Values(keys, np.ones(rows, bool))}
        if not rows:
            return np.empty(0, np.int64), columns
        columns = self._read(self._first, columns, asked.now_us)
        keep = np.ones(rows, bool)
        for one in self._conditions:
            keep &= condition(one, columns, asked.now_us, system.timezone, rows)
        left = np.flatnonzero(keep)
        # A column of one row stands for all, but for the items' own key: that one has as many as there are left.
        columns = {name: array if length(array) == 1 else array.take(left) for name, array in columns.items()}
        columns[self._item] = Values(keys[left], np.ones(len(left), bool))
        return left, columns

    def _with_features(
        self, chosen: list[Item], asked: Asked, columns: Mapping[str, Array], rows: NDArray[np.int64]
    ) -> Answer:
        used = ((self._ranked | self._filtered) & columns.keys()) - {self._item}
        query = {name: asked.columns[name].to_list()[0] for name in sorted(used & self._query_side)}
        lists = {name: _at(columns[name], rows) for name in sorted(used - self._query_side)}
        features = [dict(zip(lists, values)) for values in zip(*lists.values())] if lists else [{} for _ in chosen]
        return Answer(chosen, query, features)


def _items(
    picks: Picks,
    keys: NDArray[Any],
    sources: NDArray[Any],
    value: NDArray[np.float64],
    heads: Mapping[str, NDArray[np.float64]],
) -> list[Item]:
    rows = picks.rows.tolist()
    scores = [score if np.isfinite(score) else None for score in value[picks.rows].tolist()]
    return [
        Item(keys[row], score, {name: float(head[row]) for name, head in heads.items()}, sources[row], at, propensity)
        for at, (row, score, propensity) in enumerate(zip(rows, scores, picks.propensities.tolist()))
    ]


def _at(array: Array, rows: NDArray[np.int64]) -> list[Any]:
    return array.to_list() * len(rows) if length(array) == 1 else array.take(rows).to_list()
