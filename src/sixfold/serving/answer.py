"""An answer, stage by stage: candidates, filters, features, heads, value, re-ranking. No stage knows HTTP or stores."""
# M = candidates, K = items of the answer

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sixfold.design.deployment import Pace
from sixfold.design.system import System
from sixfold.features.arrays import Array, Values, column
from sixfold.features.expressions import evaluate, holds
from sixfold.features.keys import Codes, length
from sixfold.inference.models import Scorer
from sixfold.serving.catalogue import Items, Read, numbers
from sixfold.serving.pacing import takes_part
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
    key: str | None
    """Of the query; None: nobody that is known."""
    k: int
    now_us: int
    context: Mapping[str, Array]
    """Every context column of the design by canonical name, each of one row."""
    items: Sequence[str] | None = None
    """Keys to choose from, instead of candidates."""
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Columns of the item's side by canonical name, each with the texts that it may have."""


class Item(Struct, frozen=True, omit_defaults=True):
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
    price: float | None = None
    """What it would pay, where the design has prices."""


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


class _Found(NamedTuple):
    """M candidates."""

    keys: NDArray[Any]
    sources: NDArray[Any]
    """The name of the source that proposed each first."""
    places: NDArray[np.int64] | None
    """In the catalogue; None where the request named them."""
    more: bool
    """Whether there may be more."""

    def at(self, rows: NDArray[Any]) -> "_Found":
        """Those of these rows."""
        places = None if self.places is None else self.places[rows]
        return _Found(self.keys[rows], self.sources[rows], places, self.more)


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
        self._reads = [system.read_for(c.names) for c in self._conditions]
        self._read_early = frozenset().union(*self._reads)
        steps = {str(column) for step in system.deployment.rerank for column in step.columns}
        paced = [step for step in system.deployment.rerank if isinstance(step, Pace)]
        steps |= {name for step in paced for name in system.shares_budget(step)}
        # Another model's label of the same name would be a column; heads go first.
        self._ranked = scorer.names | steps | (system.value.names - set(scorer.heads))
        self._paired = frozenset().union(*(source.pair_names for source, _ in sources))
        # Tables are looked up again for candidates: the catalogue may be a second old.
        self._known = frozenset(name for name in self._paired if _is_of_pair(system, name))
        sides = self._filtered | self._ranked | self._paired
        sides |= frozenset().union(*(source.names for source, _ in sources))
        # Rows that the filters read anyway are read once, for values that are derived from them alone too.
        groups = {name.split(".")[0] for name in system.read_for(self._filtered)}
        self._first = self._filtered | {
            name for name in self._ranked if {read.split(".")[0] for read in system.read_for([name])} <= groups
        }
        # With what derived values of pairs come down to, so that it is read once for all stages.
        own, sides = {system.query, *system.context} - {system.item}, sides | system.read_for(sides)
        self._query_side = frozenset(name for name in sides if system.depends(name) <= own)

    def answer(self, question: Question, timer: Timer = untimed) -> Answer:
        """The best items for a question: at most k, fewer where no more are left."""
        system, now_us = self._system, question.now_us
        with timer("query"):
            items = self._items()
            base = {**question.context, system.query: column(system.kinds[system.query], [question.key])}
            codes = Codes(lasting=items.codes)
            asked = Asked(self._read(self._query_side, base, now_us, codes), now_us, codes)
        keys, sources, columns = self._kept(question, asked, items, timer)
        if not len(keys):
            return self._with_features([], asked, columns, np.empty(0, np.int64))
        with timer("features"):
            columns = self._read(self._ranked, columns, now_us, codes)
        with timer("predict"):
            heads = self._scorer.score(columns, len(keys))
        with timer("rerank"):
            own = {head: Values(values, np.isfinite(values)) for head, values in heads.items()}
            value = numbers(evaluate(system.value, {**columns, **own}, now_us, system.timezone), len(keys))
            within = takes_part(system, columns, len(keys), now_us, question.request_id)
            seed = seed_of(question.request_id)
            picks = rerank(value, system.deployment.rerank, columns, question.k, seed, within)
        chosen = _items(picks, keys, sources, value, heads)
        return self._with_features(chosen, asked, columns, picks.rows)

    def _kept(
        self, question: Question, asked: Asked, items: Items, timer: Timer
    ) -> tuple[NDArray[Any], NDArray[Any], dict[str, Array]]:
        """Candidates that the filters leave; more are asked for while too few are left and there may be more."""
        wider = 1
        if question.items is None and self._paired and len(items.keys):
            with timer("candidates"):
                base = {**items.columns, **asked.columns}
                pairs = self._read(self._paired, base, asked.now_us, asked.codes)
                asked = replace(asked, pairs=pairs)
        while True:
            with timer("candidates"):
                found = self._candidates(question, asked, items, wider)
            with timer("filters"):
                found = self._prefiltered(found, asked, items)
                keep, columns = self._filter(found, asked, question.only)
            if len(keep) >= question.k or not found.more:
                return found.keys[keep], found.sources[keep], columns
            wider *= _WIDER

    def _candidates(self, question: Question, asked: Asked, items: Items, wider: int) -> _Found:
        if question.items is not None:
            keys = np.empty(len(named := list(dict.fromkeys(question.items))), object)
            keys[:] = named
            return _Found(keys, np.full(len(keys), REQUESTED, object), None, False)
        if not self._sources:
            every = np.arange(len(items.keys))
            return _Found(items.keys, np.full(len(every), AVAILABLE, object), every, False)
        lists = [source.top(asked, items, n * wider) for source, n in self._sources]
        more = any(len(found) == n * wider for found, (_, n) in zip(lists, self._sources))
        places, first = np.unique(np.concatenate(lists), return_index=True)
        order = np.argsort(first)
        names = np.repeat(np.array([source.name for source, _ in self._sources], object), [len(x) for x in lists])
        return _Found(items.keys[places[order]], names[first[order]], places[order], more)

    def _prefiltered(self, found: _Found, asked: Asked, items: Items) -> _Found:
        """What those filters leave that read nothing but the query's side and what the catalogue holds anyway."""
        if found.places is None or not len(found.keys):
            return found
        rows, own = len(found.keys), items.at(found.places, self._read_early)
        known = {name: asked.pairs[name].take(found.places) for name in self._filtered & asked.pairs.keys()}
        columns = {**own, **asked.columns, **known, self._item: Values(found.keys, np.ones(rows, bool))}
        keep = np.ones(rows, bool)
        for one, read in zip(self._conditions, self._reads):
            if one.names <= columns.keys() or read <= columns.keys():
                # Everything is there: only derived values are computed.
                columns = self._read(one.names, columns, asked.now_us, asked.codes)
                keep &= holds(one, columns, asked.now_us, rows, self._system.timezone)
        return found if keep.all() else found.at(keep)

    def _filter(
        self, found: _Found, asked: Asked, only: Mapping[str, frozenset[str]]
    ) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """Which candidates stay, and the columns read so far of those."""
        rows, system = len(found.keys), self._system
        columns = {**asked.columns, self._item: Values(found.keys, np.ones(rows, bool))}
        if not rows:
            return np.empty(0, np.int64), columns
        if found.places is not None:
            columns |= {name: asked.pairs[name].take(found.places) for name in self._known & asked.pairs.keys()}
        columns = self._read(self._first | only.keys(), columns, asked.now_us, asked.codes)
        keep = np.ones(rows, bool)
        for one in self._conditions:
            keep &= holds(one, columns, asked.now_us, rows, system.timezone)
        for name, allowed in only.items():
            keep &= np.fromiter((text in allowed for text in columns[name].to_list()), bool)
        left = np.flatnonzero(keep)
        if len(left) == rows:
            return left, columns
        # A column of one row stands for all, but for the items' own key: that one has as many as there are left.
        columns = {name: array if length(array) == 1 else array.take(left) for name, array in columns.items()}
        columns[self._item] = Values(found.keys[left], np.ones(len(left), bool))
        return left, columns

    def _with_features(
        self, chosen: list[Item], asked: Asked, columns: Mapping[str, Array], rows: NDArray[np.int64]
    ) -> Answer:
        used = ((self._ranked | self._filtered) & columns.keys()) - {self._item}
        query = {name: asked.columns[name].to_list()[0] for name in sorted(used & self._query_side)}
        lists = {name: _at(columns[name], rows) for name in sorted(used - self._query_side)}
        features = [dict(zip(lists, values)) for values in zip(*lists.values())] if lists else [{} for _ in chosen]
        return Answer(chosen, query, features)


def _is_of_pair(system: System, name: str) -> bool:
    """Whether it is a feature for which only keys are looked up that the row brings."""
    group = system.features.get(name.partition(".")[0])
    return group is not None and all(system.row.keys[entity] in system.row.base for entity in group.asked)


def _items(
    picks: Picks,
    keys: NDArray[Any],
    sources: NDArray[Any],
    value: NDArray[np.float64],
    heads: Mapping[str, NDArray[np.float64]],
) -> list[Item]:
    rows = picks.rows.tolist()
    scores = [score if np.isfinite(score) else None for score in value[picks.rows].tolist()]
    prices = [None] * len(rows) if picks.prices is None else picks.prices.tolist()
    told = [{name: float(head[row]) for name, head in heads.items()} for row in rows]
    rest = zip(rows, scores, told, picks.propensities.tolist(), prices)
    return [
        Item(keys[row], score, own, sources[row], at, propensity, price)
        for at, (row, score, own, propensity, price) in enumerate(rest)
    ]


def _at(array: Array, rows: NDArray[np.int64]) -> list[Any]:
    return array.to_list() * len(rows) if length(array) == 1 else array.take(rows).to_list()
