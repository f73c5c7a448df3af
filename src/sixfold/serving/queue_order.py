"""In which order rows of a queue are looked at: by the action's expression as of now, those drawn among the others."""
# B = rows

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sixfold.design.schema import ActionSpec
from sixfold.design.system import System
from sixfold.features.arrays import Array, Values, column
from sixfold.features.expressions import evaluate
from sixfold.features.serving import Reader
from sixfold.serving.queue import Decided, Queue, Waiting

__all__ = ["Ordered", "OrderReads", "interleaved", "ordered"]


class OrderReads(NamedTuple):
    """What the order of a queue reads, by canonical name."""

    scores: frozenset[str]
    """Of the decision."""
    found: frozenset[str]
    """Features, columns of tables and derived values, as of now; and what the request brought."""
    base: frozenset[str]
    """Keys and context of the row that those are found by."""

    @classmethod
    def of(cls, system: System, spec: ActionSpec) -> "OrderReads":
        """What an action's order reads in this system; nothing where it has none."""
        names = frozenset() if spec.order is None else spec.order.names
        heads = system.deployment.predict.heads
        scores = names & {name for head in heads for name in system.outputs(head.label.name)}
        found = names - scores
        return cls(scores, found, frozenset().union(*(system.depends(name) for name in found)))


class Ordered(NamedTuple):
    """A row and what the order says of it; null is last."""

    row: Waiting
    value: float | None


def ordered(queue: Queue, system: System, reader: Reader, now_us: int) -> list[Ordered]:
    """All rows of a queue, what comes first first.

    Features and tables are those of now, scores those of the decision. Of equal rows the one that waits longest is
    first.
    """
    rows = sorted(queue, key=lambda row: row.offset)
    value_B = _values(queue.spec, system, reader, rows, now_us)
    first_B = np.argsort(np.where(np.isnan(value_B), np.inf, -value_B), kind="stable")
    listed = Values(value_B, ~np.isnan(value_B)).to_list()
    found = [Ordered(rows[at], listed[at]) for at in first_B.tolist()]
    drawn, others = ([one for one in found if one.row.drawn is which] for which in (True, False))
    return list(interleaved(others, drawn, queue.spec.action.explore, queue.decided(now_us)))


def interleaved(others: Sequence[Ordered], drawn: Sequence[Ordered], share: float, done: Decided) -> Iterator[Ordered]:
    """Both in their order; a drawn row comes as soon as it is no more than their share of the day's rows.

    What was decided today counts, so that who always takes the first row meets the share too.
    """
    rows, of_drawn = done.rows, done.drawn
    left, random = list(reversed(others)), list(reversed(drawn))
    while left or random:
        rows += 1
        if random and (not left or of_drawn + 1 <= share * rows):
            of_drawn += 1
            yield random.pop()
        else:
            yield left.pop()


def _values(
    spec: ActionSpec, system: System, reader: Reader, rows: Sequence[Waiting], now_us: int
) -> NDArray[np.float64]:
    """What the order says of rows, shape (B,); NaN for null."""
    if spec.order is None or not rows:
        return np.array([row.on for row in rows], np.float64)
    reads = OrderReads.of(system, spec)
    base: dict[str, Array] = {
        name: column(system.kinds[name], [row.base.get(name) for row in rows]) for name in reads.base
    }
    columns = reader.columns(reads.found, base, now_us) if reads.found else base
    for name in reads.scores:
        score_B = np.array([np.nan if (x := row.scores.get(name)) is None else x for row in rows], np.float64)
        columns[name] = Values(score_B, np.isfinite(score_B))
    found = evaluate(spec.order, columns, now_us, system.timezone)
    assert isinstance(found, Values), "design checks that an order is one number"
    return np.broadcast_to(np.where(found.valid, found.data, np.nan), len(rows)).astype(np.float64)
