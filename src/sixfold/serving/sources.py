"""Where candidates come from: rules over the items, the neighbours of a query's vector."""
# I = items of the catalogue, O = those that may be proposed, D = embedding width

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.features.arrays import Array
from sixfold.features.expressions import evaluate
from sixfold.features.keys import Codes
from sixfold.serving.catalogue import Items, best, numbers

__all__ = ["Asked", "ItemRule", "Neighbours", "QueryRule", "Source"]


@dataclass(frozen=True)
class Asked:
    """The query's side of a request."""

    columns: Mapping[str, Array]
    """What depends on the query and the context alone, each of one row, by canonical name."""
    now_us: int
    codes: Codes
    """What reads for this request share."""
    open: NDArray[np.int64] | None = None
    """Shape (O,), ascending: the places of the items that may be proposed; None: all."""
    pairs: Mapping[str, Array] = field(default_factory=dict)
    """What rules over pairs read, of O items or of one row that stands for all."""


class Source(Protocol):
    """Orders items for a query."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def names(self) -> frozenset[str]:
        """Canonical names of what it reads of the query's side."""

    @property
    def pair_names(self) -> frozenset[str]:
        """Canonical names of what it reads of the query with each item."""

    def top(self, asked: Asked, items: Items, n: int) -> NDArray[np.int64]:
        """Places of at most n items, best first."""


@dataclass(frozen=True)
class ItemRule:
    """A rule that is the same for every query: its list is kept by the catalogue."""

    name: str
    names: frozenset[str] = frozenset()
    pair_names: frozenset[str] = frozenset()

    def top(self, asked: Asked, items: Items, n: int) -> NDArray[np.int64]:
        ranked = items.ranked[self.name]
        if asked.open is None:
            return ranked[:n]
        may = np.zeros(len(items.keys), bool)
        may[asked.open] = True
        return ranked[may[ranked]][:n]


@dataclass(frozen=True)
class QueryRule:
    """A rule that depends on the query: evaluated for each request, over all items that may be proposed."""

    name: str
    pair_names: frozenset[str]
    reads: frozenset[str]
    """What these come down to, of which the catalogue keeps the item's side."""
    expression: Expression
    timezone: str
    names: frozenset[str] = frozenset()

    def top(self, asked: Asked, items: Items, n: int) -> NDArray[np.int64]:
        assert asked.open is not None, "pairs are read where a source has names of them"
        rows = len(asked.open)
        if not rows:
            return asked.open
        values = numbers(evaluate(self.expression, asked.pairs, asked.now_us, self.timezone), rows)
        return asked.open[best(values, np.arange(rows), n)]


@dataclass(frozen=True)
class Neighbours:
    """The items whose vectors have the largest inner product with the query's (Yi et al., RecSys 2019)."""

    name: str
    names: frozenset[str]
    query: Callable[[Mapping[str, Array], int], NDArray[np.float32]]
    """The query tower: columns of one row to a vector of shape (1, D)."""
    pair_names: frozenset[str] = frozenset()

    def top(self, asked: Asked, items: Items, n: int) -> NDArray[np.int64]:
        embedded, vector = items.embedded[self.name], self.query(asked.columns, 1)
        if asked.open is None or not len(asked.open):
            return embedded.index.nearest(vector, n) if asked.open is None else asked.open
        products = embedded.vectors[asked.open] @ vector[0]
        return asked.open[best(products.astype(np.float64), np.arange(len(asked.open)), n)]
