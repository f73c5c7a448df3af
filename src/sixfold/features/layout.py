"""What a packed row keeps for a group of features, derived from the group's definition alone.

A row is 8-byte little-endian slots:

    definition | clock (us) | tiles of each level | entries of each list | scalars      the head
    levels x tiles x { start (us), measure (f64) x M }                                  ascending by start
    lists x entries x { known (us), value }                                             ascending by known

A level holds the tiles of one hop: an event is in exactly one tile of each level whose features count it, and features
without a window share a level of one tile. With windows of 1 and 7 days a row is some 10 % longer than if tiles of the
short hop were merged into the long one as they age, and nothing ever has to move.
"""
# M = measures of a level, A = measures of all levels, F = numeric features

import hashlib
import json
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.design.kinds import Kind
from sixfold.design.schema import Aggregate, FeatureGroup

__all__ = ["CODES", "MAX_MEASURE", "Layout", "ListSpec", "Measure", "layout"]

VERSION = 1
MAX_MEASURE = 1e15
"""A number beyond it is null (rule T9)."""

CODES = {"count": 0, "sum": 1, "mean": 2, "rate": 3, "since_last": 4}
"""How the kernel that finishes a row knows each numeric aggregate."""


class Measure(NamedTuple):
    """A column of tiles, added up over the events: how many an aggregate sees, or their sum."""

    is_sum: bool
    expression: Expression | None
    where: Expression | None


class ListSpec(NamedTuple):
    """The latest values that an aggregate sees."""

    name: str
    n: int
    window_us: int
    """0: no window."""
    hop_us: int
    expression: Expression
    where: Expression | None
    kind: Kind
    """Of the feature: a list, or the one value of `last` without n."""


@dataclass(frozen=True)
class Layout:
    """The packed row of one group; arrays are what the kernels read."""

    group: str
    definition: int
    """In front of each row: identifies this layout."""
    measures: tuple[Measure, ...]
    """Of all levels, level after level; length A."""
    levels: NDArray[np.int64]
    """Shape (levels, 4): hop (us, 0: one tile for ever), longest window (us), first measure, measures."""
    lists: tuple[ListSpec, ...]
    list_limits: NDArray[np.int64]
    """Shape (lists, 3): n, window, hop."""
    scalars: tuple[Measure, ...]
    """Those whose latest known time is kept."""
    numeric: tuple[str, ...]
    """Names of the F features that are finished to one number."""
    numeric_codes: NDArray[np.int64]
    """Shape (F, 6): code, level, measure with the count, measure with the sum, window (us, 0: none), hop."""
    numeric_priors: NDArray[np.float64]
    """Shape (F, 2): successes and trials of a rate."""

    @property
    def head(self) -> int:
        """Slots before the first tile."""
        return 2 + len(self.levels) + len(self.lists) + len(self.scalars)


def layout(group: FeatureGroup) -> Layout:
    """The layout of a group's packed rows."""
    tiled = [a for a in group.aggregates if a.function in ("count", "sum", "mean", "rate")]
    hops = sorted({a.hop_us or 0 for a in tiled})
    by_hop = [list(dict.fromkeys(m for a in tiled if (a.hop_us or 0) == hop for m in _measures(a))) for hop in hops]
    longest = [max(a.window_us or 0 for a in tiled if (a.hop_us or 0) == hop) for hop in hops]
    firsts = np.cumsum([0, *map(len, by_hop)])
    levels = [[hop, window, first, len(of)] for hop, window, first, of in zip(hops, longest, firsts.tolist(), by_hop)]
    lists = tuple(_list(a) for a in group.aggregates if a.function == "last")
    since = [a for a in group.aggregates if a.function == "since_last"]
    scalars = tuple(dict.fromkeys(Measure(False, a.expression, a.where) for a in since))
    codes: list[list[int]] = []
    for a in (*tiled, *since):
        if a.function == "since_last":
            codes.append([CODES[a.function], scalars.index(Measure(False, a.expression, a.where)), 0, 0, 0, 0])
            continue
        level = hops.index(a.hop_us or 0)
        count, total = (by_hop[level].index(m) if m in by_hop[level] else 0 for m in _count_and_sum(a))
        codes.append([CODES[a.function], level, count, total, a.window_us or 0, a.hop_us or 0])
    return Layout(
        group=group.name,
        definition=_definition(group),
        measures=tuple(m for of in by_hop for m in of),
        levels=np.array(levels, np.int64).reshape(-1, 4),
        lists=lists,
        list_limits=np.array([[one.n, one.window_us, one.hop_us] for one in lists], np.int64).reshape(-1, 3),
        scalars=scalars,
        numeric=tuple(a.name for a in (*tiled, *since)),
        numeric_codes=np.array(codes, np.int64).reshape(-1, 6),
        numeric_priors=np.array([a.prior or (0.0, 0.0) for a in (*tiled, *since)], np.float64).reshape(-1, 2),
    )


def _count_and_sum(aggregate: Aggregate) -> tuple[Measure, Measure]:
    return tuple(Measure(is_sum, aggregate.expression, aggregate.where) for is_sum in (False, True))  # type: ignore[return-value]


def _measures(aggregate: Aggregate) -> tuple[Measure, ...]:
    count, total = _count_and_sum(aggregate)
    return {"count": (count,), "sum": (total,)}.get(aggregate.function, (count, total))


def _list(aggregate: Aggregate) -> ListSpec:
    if aggregate.expression is None:
        raise ValueError(f"{aggregate.name}: last needs an expression")
    window, hop = aggregate.window_us or 0, aggregate.hop_us or 0
    n, expression = aggregate.n or 1, aggregate.expression
    return ListSpec(aggregate.name, n, window, hop, expression, aggregate.where, aggregate.kind)


def _definition(group: FeatureGroup) -> int:
    """The same for two groups exactly where their rows mean the same."""
    parts: list[Hashable] = [VERSION, group.stream, list(group.entities)]  # type: ignore[list-item]
    for a in group.aggregates:
        texts = [e and [e.text, sorted(e.names)] for e in (a.expression, a.where)]
        parts.append([a.name, a.function, texts, a.window_us, a.hop_us, a.n])  # type: ignore[arg-type]
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)
