"""Rows predicted: their scores, what is done about them, and the record of each decision."""
# B = rows

from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from sixfold.design.groups import ANSWERS
from sixfold.features.arrays import Array
from sixfold.serving.acting import acted_on
from sixfold.serving.live import Live
from sixfold.serving.requests import Rows
from sixfold.stores import NewEvent

__all__ = ["Predicted", "predict", "predict_each"]

_encode = msgspec.msgpack.Encoder().encode


class Predicted(NamedTuple):
    """What became of rows."""

    reply: bytes
    records: list[NewEvent]
    """A decision each, of a design with a policy; to be durable before the reply is given."""


def predict(rows: Rows, live: Live) -> Predicted:
    """Score the rows of one request, and decide about each where the design has a policy."""
    return predict_each(rows, [rows.rows], live)[0]


def predict_each(rows: Rows, sizes: Sequence[int], live: Live) -> list[Predicted]:
    """The same for the rows of several requests, which are computed together.

    Args:
        sizes: How many of the rows each request has, one behind the other.
    """
    system, requests = live.system, [(uuid4().hex, size) for size in sizes]
    if not rows.rows:
        return [Predicted(_reply(request_id, live, []), []) for request_id, _ in requests]
    # What the worker says it has applied is seen by every read, and what the store says after no read went beyond.
    before = live.worker.offset
    columns = live.reader.columns(live.scorer.names, rows.columns, rows.now_us)
    applied = (before, live.applied())
    heads = {head: values.tolist() for head, values in live.scorer.score(columns, rows.rows).items()}
    found: list[dict[str, Any]] = [dict(zip(heads, values)) for values in zip(*heads.values())]
    told, records = found, list[NewEvent]()
    if system.actions:
        keys = [key or uuid4().hex for key in rows.columns[system.query].to_list()]
        acted = acted_on(system, live.release.policy, heads, keys)
        told = [{**one, **own} for one, own in zip(found, acted)]
        places = [(request_id, at) for request_id, size in requests for at in range(size)]
        records = _records(places, rows, live, columns, (found, acted), applied)
    ends = accumulate(sizes)
    return [
        Predicted(_reply(request_id, live, told[end - size : end]), records[end - size : end])
        for (request_id, size), end in zip(requests, ends)
    ]


def _reply(request_id: str, live: Live, rows: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"request_id": request_id, "release": live.release.id, "rows": rows})


def _records(
    places: Sequence[tuple[str, int]],
    rows: Rows,
    live: Live,
    columns: dict[str, Array],
    decided: tuple[list[dict[str, Any]], list[dict[str, Any]]],
    applied: tuple[int, int],
) -> list[NewEvent]:
    """The record of each row's decision; it has the fields of an answer's, and shows no items.

    Args:
        places: Of each row its request and where in it.
    """
    pictures = {name for name in rows.columns if live.system.kinds[name].image}
    context = _by_row(rows.columns, rows.rows)
    for own in context:
        # A picture is as long as all other records of an hour: its hash says which it was.
        own |= {name: own[name] and f"sha256:{sha256(own[name].encode()).hexdigest()}" for name in pictures}
    features = _by_row({name: columns[name] for name in live.scorer.names if name not in rows.columns}, rows.rows)
    found = []
    for (request_id, at), own, used, heads, acted in zip(places, context, features, *decided):
        record = {
            "request_id": request_id,
            "row": at,
            live.system.query: own.pop(live.system.query),
            "time": rows.now_us,
            "known": rows.now_us,
            "applied": applied[0],
            "applied_after": applied[1],
            "history_until": live.history_until_us,
            "release": live.release.id,
            "context": own,
            "features": used,
            "items": [],
            "heads": heads,
            **acted,
        }
        found.append(NewEvent(ANSWERS, f"{request_id}/{at}".encode(), rows.now_us, _encode(record)))
    return found


def _by_row(columns: dict[str, Array], rows: int) -> list[dict[str, Any]]:
    lists = {name: array.to_list() for name, array in columns.items()}
    each = {name: values if len(values) == rows else values * rows for name, values in lists.items()}
    return [dict(zip(each, values)) for values in zip(*each.values())] if each else [{} for _ in range(rows)]
