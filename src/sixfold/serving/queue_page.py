"""The rows of a queue as a reply gives them: what the log has of each decision, beside the features of now."""

from itertools import islice
from typing import Any, NamedTuple

from sixfold.data.rows import decode
from sixfold.features.arrays import Array, column
from sixfold.serving.live import Live
from sixfold.serving.queue import LEASE_US, Ordered, Queue
from sixfold.serving.queue_order import OrderReads, ordered
from sixfold.stores import EventLog

__all__ = ["Wanted", "counts", "page"]


def counts(queue: Queue, now_us: int) -> dict[str, Any]:
    """How many rows wait, and what became of others."""
    done = queue.decided(now_us)
    return {
        "waiting": len(queue),
        "drawn": sum(row.drawn for row in queue),
        "in_hand": queue.in_hand(now_us),
        "decided_today": done.rows,
        "drawn_decided_today": done.drawn,
        "dropped": queue.dropped,
        "per_day": queue.spec.action.per_day,
    }


class Wanted(NamedTuple):
    """What is asked of a queue."""

    n: int
    """How many rows."""
    reviewer: str | None
    """Who takes them in hand; None only looks."""
    skip: frozenset[str] = frozenset()
    """Keys of rows that are left out, and not in this reviewer's hand any more."""


def page(queue: Queue, live: Live, log: EventLog, wanted: Wanted, now_us: int) -> dict[str, Any]:
    """The first n rows; those that other reviewers have in hand are left out for a reviewer.

    Args:
        log: Has the record of each decision.
    """
    n, reviewer, skip = wanted
    listed = (one for one in ordered(queue, live.system, live.reader, now_us) if one.row.key not in skip)
    if reviewer is None:
        chosen = list(islice(listed, n))
    else:
        chosen = queue.hand_out(listed, n, reviewer, now_us)
    head = {"action": queue.spec.action.name, "now": now_us, "release": live.release.id, **counts(queue, now_us)}
    lease = {} if reviewer is None else {"reviewer": reviewer, "until": now_us + LEASE_US}
    return {**head, **lease, "rows": _rows(chosen, queue, live, log, now_us)}


def _rows(chosen: list[Ordered], queue: Queue, live: Live, log: EventLog, now_us: int) -> list[dict[str, Any]]:
    records = [decode(log.read(one.row.offset - 1, 1)[0].payload) for one in chosen]
    now = _features(records, queue, live, now_us)
    return [
        {
            "key": one.row.key,
            "order": one.value,
            "drawn": one.row.drawn,
            "time": record["time"],
            "release": record["release"],
            "context": record["context"],
            "scores": record["heads"],
            "reasons": record["reasons"],
            "propensity": record["propensity"],
            "features": record["features"],
            "features_now": features,
        }
        for one, record, features in zip(chosen, records, now)
    ]


def _features(records: list[dict[str, Any]], queue: Queue, live: Live, now_us: int) -> list[dict[str, Any]]:
    """What the decisions and the order read, as of now: a decision that was just posted shows in its author's."""
    system = live.system
    given = dict.fromkeys((*system.row.base, *system.context))
    names = (live.scorer.names | OrderReads.of(system, queue.spec).found) - given.keys()
    if not records or not names:
        return [{} for _ in records]
    brought = [{**record["context"], system.query: record[system.query]} for record in records]
    base: dict[str, Array] = {name: column(system.kinds[name], [one.get(name) for one in brought]) for name in given}
    found = live.reader.columns(names, base, now_us)
    lists = {name: found[name].to_list() for name in sorted(names)}
    each = {name: values if len(values) == len(records) else values * len(records) for name, values in lists.items()}
    return [dict(zip(each, values)) for values in zip(*each.values())]
