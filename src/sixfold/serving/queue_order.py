"""In which order rows of a queue are looked at: by the action's expression as of now, those drawn among the others."""
# B = rows

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sixfold.design.schema import ActionSpec
from sixfold.design.system import System
from sixfold.features.arrays import Array, Values, column
from sixfold.features.expressions import evaluate
from sixfold.features.serving import Reader
from sixfold.serving.queue import Decided, Ordered, Queue, Waiting

__all__ = ["OrderReads", "interleaved", "ordered"]

T = TypeVar("T")


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


def ordered(queue: Queue, system: System, reader: Reader, now_us: int) -> Iterator[Ordered]:
    """The rows of a queue, what comes first first.

    Features and tables are those of now, scores those of the decision. Of equal rows the one that waits longest is
    first.
    """
    rows = list(queue)
    value_B = _values(queue.spec, system, reader, rows, now_us)
    offset_B = np.array([row.offset for row in rows], np.int64)
    first_B = np.lexsort((offset_B, np.where(np.isnan(value_B), np.inf, -value_B)))
    drawn_B = np.array([row.drawn for row in rows], bool)[first_B]
    places = interleaved(
        first_B[~drawn_B].tolist(), first_B[drawn_B].tolist(), queue.spec.action.explore, queue.decided(now_us)
    )
    # One by one: few of many rows are looked at.
    for at in places:
        yield Ordered(rows[at], None if np.isnan(value_B[at]) else float(value_B[at]))


def interleaved(others: Iterable[T], drawn: Iterable[T], share: float, done: Decided) -> Iterator[T]:
    """Both in their order; a drawn row comes as soon as it is no more than their share of the day's rows.

    What was decided today counts, so that who always takes the first row meets the share too.
    """
    rows, of_drawn = done.rows, done.drawn
    left, random = iter(others), iter(drawn)
    other, own = next(left, None), next(random, None)
    while other is not None or own is not None:
        rows += 1
        if own is not None and (other is None or of_drawn + 1 <= share * rows):
            of_drawn += 1
            yield own
            own = next(random, None)
        elif other is not None:
            yield other
            other = next(left, None)


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
