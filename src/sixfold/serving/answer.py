"""An answer, stage by stage: candidates, filters, features, heads, value, re-ranking. No stage knows HTTP or stores."""
# M = candidates, K = items of the answer

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sixfold.design.deployment import Pace
from sixfold.design.system import System
from sixfold.features.arrays import Array, Values, column
from sixfold.features.expressions import evaluate, holds
from sixfold.features.keys import Codes, length
from sixfold.inference.models import Scorer
from sixfold.serving.candidates import Candidates, Found
from sixfold.serving.catalogue import Items, Read, numbers
from sixfold.serving.pacing import takes_part
from sixfold.serving.rerank import Picks, rerank, seed_of
from sixfold.serving.sources import Asked, Source

__all__ = ["Answer", "Answerer", "Item", "Question", "Timer", "untimed"]

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
        self._scorer = scorer
        self._conditions = [c for c in (system.available, *system.filters) if c is not None]
        self._candidates = Candidates(system, read, sources, self._conditions)
        self._filtered = frozenset().union(*(c.names for c in self._conditions))
        steps = {str(column) for step in system.deployment.rerank for column in step.columns}
        paced = [step for step in system.deployment.rerank if isinstance(step, Pace)]
        steps |= {name for step in paced for name in system.shares_budget(step)}
        # Another model's label of the same name would be a column; heads go first.
        self._ranked = scorer.names | steps | (system.value.names - set(scorer.heads))
        # Rows that the filters read anyway are read once, for values that are derived from them alone too.
        groups = {name.split(".")[0] for name in system.read_for(self._filtered)}
        self._first = self._filtered | {
            name for name in self._ranked if {read.split(".")[0] for read in system.read_for([name])} <= groups
        }
        # With what derived values of pairs come down to, so that it is read once for all stages.
        sides = self._filtered | self._ranked | self._candidates.names
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
        candidates, named, wider = self._candidates, question.items, 1
        with timer("candidates"):
            asked = candidates.asked(asked, items) if named is None else asked
        while True:
            with timer("candidates"):
                found = candidates.proposed(asked, items, wider) if named is None else candidates.named(named)
            with timer("filters"):
                keep, columns = self._filter(found, asked, question.only)
            if len(keep) >= question.k or not found.more:
                return found.keys[keep], found.sources[keep], columns
            wider *= _WIDER

    def _filter(
        self, found: Found, asked: Asked, only: Mapping[str, frozenset[str]]
    ) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """Which candidates stay, and the columns read so far of those."""
        rows, system = len(found.keys), self._system
        columns = {**asked.columns, **found.known, self._item: Values(found.keys, np.ones(rows, bool))}
        if not rows:
            return np.empty(0, np.int64), columns
        asked.codes.distinct(columns[self._item])
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
