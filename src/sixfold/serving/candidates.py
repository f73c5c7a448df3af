"""Candidates: items that a request names, or that sources propose of those that could be shown."""
# I = items of the catalogue, O = those that early conditions leave, M = candidates

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.design.system import System
from sixfold.features.arrays import Array
from sixfold.features.expressions import holds
from sixfold.serving.catalogue import Items, Read
from sixfold.serving.sources import Asked, Source

__all__ = ["Candidates", "Found"]

REQUESTED = "request"
"""The source's name of items that the request names."""
AVAILABLE = "available"
"""The source's name where a design has no candidates: every available item."""

Ints = NDArray[np.int64]


class Found(NamedTuple):
    """M candidates."""

    keys: NDArray[Any]
    sources: NDArray[Any]
    """The name of the source that proposed each first."""
    known: Mapping[str, Array]
    """Features of pairs that were read of them already."""
    more: bool
    """Whether there may be more."""


class Candidates:
    """Proposes items.

    Args:
        read: Gives values by canonical name.
        sources: Each with how many candidates it is asked for, in the design's order.
        filters: What a query's item has to fulfil. Those that the query's side and the catalogue can tell are applied
            early: to what is proposed, or where rules look at all items anyway, to all of them.
    """

    def __init__(
        self, system: System, read: Read, sources: Sequence[tuple[Source, int]], filters: Sequence[Expression]
    ) -> None:
        assert system.item is not None, "there is nothing to propose"
        self._system, self._item, self._read, self._sources = system, system.item, read, sources
        # The catalogue has applied `available`, where the item's side alone tells it.
        applied = [one for one in filters if one is system.available and _is_of_item(system, one)]
        self._filters = [(one, system.read_for(one.names)) for one in filters if one not in applied]
        self.pair_names = frozenset().union(*(source.pair_names for source, _ in sources))
        """Canonical names of what is read of the query with every item."""
        self.names = self.pair_names.union(*(source.names for source, _ in sources))
        """Canonical names of all that is read."""
        self._looked_at = system.read_for(self.pair_names).union(*(read for _, read in self._filters))
        # Tables are looked up again for candidates: the catalogue may be a second old.
        self._lasting = frozenset(name for name in self.pair_names if _is_of_pair(system, name))

    def asked(self, asked: Asked, items: Items) -> Asked:
        """With what rules over pairs read, of every item that early conditions leave."""
        if not self.pair_names:
            return asked
        open_, columns = self._left(np.arange(len(items.keys)), asked, items)
        if len(open_):
            asked.codes.distinct(columns[self._item])
            columns = self._read(self.pair_names, columns, asked.now_us, asked.codes)
        return replace(asked, open=open_, pairs=columns)

    def named(self, keys: Sequence[str]) -> Found:
        """The items that a request names."""
        found = np.empty(len(different := list(dict.fromkeys(keys))), object)
        found[:] = different
        return Found(found, np.full(len(found), REQUESTED, object), {}, False)

    def proposed(self, asked: Asked, items: Items, wider: int) -> Found:
        """What the sources propose, each so many times as many as the design says."""
        if not self._sources:
            places, _ = self._left(np.arange(len(items.keys)), asked, items)
            return Found(items.keys[places], np.full(len(places), AVAILABLE, object), {}, False)
        lists = [source.top(asked, items, n * wider) for source, n in self._sources]
        more = any(len(found) == n * wider for found, (_, n) in zip(lists, self._sources))
        places, first = np.unique(np.concatenate(lists), return_index=True)
        if asked.open is None:
            left, _ = self._left(places, asked, items)
            first, places = first[np.isin(places, left)], left
        order = np.argsort(first)
        names = np.repeat(np.array([source.name for source, _ in self._sources], object), [len(x) for x in lists])
        places, names = places[order], names[first[order]]
        if asked.open is None:
            return Found(items.keys[places], names, {}, more)
        rows = np.searchsorted(asked.open, places)
        known = {name: asked.pairs[name].take(rows) for name in self._lasting & asked.pairs.keys()}
        return Found(items.keys[places], names, known, more)

    def _left(self, places: Ints, asked: Asked, items: Items) -> tuple[Ints, dict[str, Array]]:
        """Those of these places, which ascend, that early conditions leave, and columns of them."""
        every = len(places) == len(items.keys)
        own = items.columns if every else items.at(places, self._looked_at)
        columns = {name: column for name, column in own.items() if name in self._looked_at | {self._item}}
        columns |= asked.columns
        for one, read in self._filters:
            if not len(places) or not read <= columns.keys():
                continue
            # Everything is there: only derived values are computed.
            columns = self._read(one.names, columns, asked.now_us, asked.codes)
            keep = holds(one, columns, asked.now_us, len(places), self._system.timezone)
            if not keep.all():
                left = np.flatnonzero(keep)
                places, columns = places[left], {name: column.take(left) for name, column in columns.items()}
        return places, columns


def _is_of_item(system: System, condition: Expression) -> bool:
    """Whether it reads the item's side alone."""
    return all(system.depends(name) <= {system.item} for name in condition.names)


def _is_of_pair(system: System, name: str) -> bool:
    """Whether it is a feature for which only keys are looked up that the row brings."""
    group = system.features.get(name.partition(".")[0])
    return group is not None and all(system.row.keys[entity] in system.row.base for entity in group.asked)
