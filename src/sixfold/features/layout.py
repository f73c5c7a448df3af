"""What a packed row keeps for a group of features, derived from the group's definition alone.

A row is 8-byte little-endian slots:

    definition | clock (us) | tiles of each level | entries of each list      the head
    levels x tiles x { start (us), column x C }                                ascending by start
    lists x entries x { known (us), value }                                    ascending by known

A level holds the tiles of one hop: an event is in exactly one tile of each level whose features count it, and features
without a window share a level of one tile. With windows of 1 and 7 days a row is some 10 % longer than if tiles of the
short hop were merged into the long one as they age, and nothing ever has to move.

A measure is one or more columns of a tile with a merge of its own; an event, too, is a tile, of one event.
"""
# C = columns of a level, A = columns of all levels, F = features that are finished from tiles

import hashlib
import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.design.kinds import NUMBER, Kind
from sixfold.design.schema import Aggregate, FeatureGroup

__all__ = ["BASE_TILE", "FAR", "LISTS", "MAX_MEASURE", "NEVER", "Layout", "ListSpec", "Measure", "layout"]

VERSION = 2
NEVER = -(2**62) - 1
"""The latest time of no event, a clock before every event."""
FAR = 2**62
"""The earliest time of no event."""
BASE_TILE = -(2**62)
"""The start of the one tile of a level without a hop."""
MAX_MEASURE = 1e15
"""A number beyond it is null (rule T9)."""

OPS = {"count": 0, "sum": 0, "min": 1, "max": 2, "std": 3, "first": 4, "latest": 5, "decayed": 6}
"""How the kernels merge each measure."""
_WIDTHS = {"std": 3, "first": 2, "decayed": 2}
"""Columns of a measure, where it is more than one: (n, mean, M2), (known, value), (known, sum as of then)."""
CODES = {"count": 0, "sum": 0, "mean": 1, "rate": 2, "min": 3, "max": 3, "std": 4, "first": 5, "since_last": 6}
CODES |= {"decayed": 7}
"""How the kernels make a value of merged columns."""
_MEASURES = {"mean": ("count", "sum"), "rate": ("count", "sum"), "since_last": ("latest",)}
"""The measures of an aggregate, where it is not the one of its own name."""
LISTS = ("last", "top", "distinct")
"""Aggregates that are kept as lists."""


class Measure(NamedTuple):
    """What tiles keep of the events that an aggregate sees."""

    op: str
    """A key of `OPS`."""
    expression: Expression | None
    where: Expression | None
    half_life_us: int = 0

    @property
    def width(self) -> int:
        """How many columns it has."""
        return _WIDTHS.get(self.op, 1)


class ListSpec(NamedTuple):
    """The latest values that an aggregate sees; of `distinct` the values that a level keeps."""

    name: str
    function: str
    size: int
    """Entries kept; of `distinct` those of each level."""
    n: int
    """How many values `top` gives."""
    window_us: int
    """0: no window."""
    hop_us: int
    day_zone: str | None
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
    """Of all levels, level after level."""
    ops: NDArray[np.int64]
    """Shape (A,): the operation of the measure that begins at a column, -1 where none does."""
    half_lives: NDArray[np.float64]
    """Shape (A,), microseconds; of `decayed`."""
    levels: NDArray[np.int64]
    """Shape (levels, 4): hop (us, 0: one tile for ever), longest window (us), first column, columns."""
    lists: tuple[ListSpec, ...]
    list_limits: NDArray[np.int64]
    """Shape (lists, 4): size, window, hop, whether it is `distinct`."""
    list_windows: NDArray[np.int64]
    """Shape (lists,): the window that a list is read with, us, 0: none, -1: the day so far."""
    day_zone: str | None
    """The time zone in which days begin, where a feature counts the day so far."""
    finished: tuple[tuple[str, Kind], ...]
    """Names and kinds of the F features that are finished from tiles; by level, then by window."""
    finish_codes: NDArray[np.int64]
    """Shape (F, 6): code, level, first column in the level, second, window (us, 0: none, -1: the day so far), hop."""
    finish_numbers: NDArray[np.float64]
    """Shape (F, 2): successes and trials of a rate; the half-life (us) of `decayed`."""

    @cached_property
    def places(self) -> dict[str, tuple[int, Kind]]:
        """The place of each of the F features, and its kind."""
        return {name: (place, kind) for place, (name, kind) in enumerate(self.finished)}

    @property
    def head(self) -> int:
        """Slots before the first tile."""
        return 2 + len(self.levels) + len(self.lists)


def layout(group: FeatureGroup) -> Layout:
    """The layout of a group's packed rows."""
    tiled = sorted(
        (a for a in group.aggregates if a.function not in LISTS), key=lambda a: (a.hop_us or 0, a.window_us or 0)
    )
    hops = sorted({a.hop_us or 0 for a in tiled})
    by_hop = [list(dict.fromkeys(m for a in tiled if (a.hop_us or 0) == hop for m in _measures(a))) for hop in hops]
    longest = [max(a.window_us or 0 for a in tiled if (a.hop_us or 0) == hop) for hop in hops]
    widths = [sum(measure.width for measure in of) for of in by_hop]
    levels = [list(level) for level in zip(hops, longest, np.cumsum([0, *widths]).tolist(), widths)]
    lists = tuple(_list(a) for a in group.aggregates if a.function in LISTS)
    limits = [[one.size, one.window_us, one.hop_us, one.function == "distinct"] for one in lists]
    every = [measure for of in by_hop for measure in of]
    return Layout(
        group=group.name,
        definition=_definition(group),
        measures=tuple(every),
        ops=np.array([x for m in every for x in (OPS[m.op], *[-1] * (m.width - 1))], np.int64),
        half_lives=np.array([float(m.half_life_us) for m in every for _ in range(m.width)], np.float64),
        levels=np.array(levels, np.int64).reshape(-1, 4),
        lists=lists,
        list_limits=np.array(limits, np.int64).reshape(-1, 4),
        list_windows=np.array([-1 if one.day_zone else one.window_us for one in lists], np.int64),
        day_zone=next((a.day_zone for a in group.aggregates if a.day_zone), None),
        finished=tuple((a.name, a.kind if a.function == "first" else NUMBER) for a in tiled),
        finish_codes=np.array([_code(a, hops, by_hop) for a in tiled], np.int64).reshape(-1, 6),
        finish_numbers=np.array([_numbers(a) for a in tiled], np.float64).reshape(-1, 2),
    )


def _measures(aggregate: Aggregate) -> tuple[Measure, ...]:
    ops = _MEASURES.get(aggregate.function, (aggregate.function,))
    return tuple(Measure(op, aggregate.expression, aggregate.where, aggregate.half_life_us or 0) for op in ops)


def _code(aggregate: Aggregate, hops: list[int], by_hop: list[list[Measure]]) -> list[int]:
    level = hops.index(aggregate.hop_us or 0)
    places = [_column(by_hop[level], measure) for measure in _measures(aggregate)]
    window, hop = -1 if aggregate.day_zone else aggregate.window_us or 0, aggregate.hop_us or 0
    return [CODES[aggregate.function], level, places[0], places[-1], window, hop]


def _column(measures: Iterable[Measure], wanted: Measure) -> int:
    at = 0
    for measure in measures:
        if measure == wanted:
            return at
        at += measure.width
    raise KeyError(wanted)


def _numbers(aggregate: Aggregate) -> tuple[float, float]:
    return aggregate.prior or (float(aggregate.half_life_us or 0), 0.0)


def _list(aggregate: Aggregate) -> ListSpec:
    if aggregate.expression is None:
        raise ValueError(f"{aggregate.name}: {aggregate.function} needs an expression")
    return ListSpec(
        aggregate.name,
        aggregate.function,
        aggregate.limit or aggregate.n or 1,
        aggregate.n or 1,
        aggregate.window_us or 0,
        aggregate.hop_us or 0,
        aggregate.day_zone,
        aggregate.expression,
        aggregate.where,
        aggregate.kind,
    )


def _definition(group: FeatureGroup) -> int:
    """The same for two groups exactly where their rows mean the same."""
    parts: list[Hashable] = [VERSION, group.stream, list(group.entities)]  # type: ignore[list-item]
    for a in group.aggregates:
        texts = [e and [e.text, sorted(e.names)] for e in (a.expression, a.where)]
        sizes = [a.window_us, a.hop_us, a.n, a.limit, a.half_life_us]
        parts.append([a.name, a.function, texts, *sizes])  # type: ignore[arg-type]
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)
