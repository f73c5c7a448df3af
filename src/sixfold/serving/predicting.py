"""Rows predicted: their scores, what is done about them, and the record of each decision."""
# B = rows

from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from sixfold.design.groups import ANSWERS
from sixfold.features.arrays import Array
from sixfold.serving.acting import acted_on
from sixfold.serving.live import Live
from sixfold.serving.requests import Rows
from sixfold.stores import NewEvent

__all__ = ["Predicted", "predict"]

_encode = msgspec.msgpack.Encoder().encode


class Predicted(NamedTuple):
    """What became of rows."""

    reply: bytes
    records: list[NewEvent]
    """A decision each, of a design with a policy; to be durable before the reply is given."""


def predict(rows: Rows, live: Live) -> Predicted:
    """Score rows, and decide about each where the design has a policy."""
    system, request_id = live.system, uuid4().hex
    if not rows.rows:
        return Predicted(_reply(request_id, live, []), [])
    # What the worker says it has applied is seen by every read, and what the store says after no read went beyond.
    before = live.worker.offset
    columns = live.reader.columns(live.scorer.names, rows.columns, rows.now_us)
    applied = (before, live.applied())
    heads = {head: values.tolist() for head, values in live.scorer.score(columns, rows.rows).items()}
    found: list[dict[str, Any]] = [dict(zip(heads, values)) for values in zip(*heads.values())]
    if not system.actions:
        return Predicted(_reply(request_id, live, found), [])
    keys = [key or uuid4().hex for key in rows.columns[system.query].to_list()]
    acted = acted_on(system, live.release.policy, heads, keys)
    records = _records(request_id, rows, live, columns, (found, acted), applied)
    return Predicted(_reply(request_id, live, [{**one, **own} for one, own in zip(found, acted)]), records)


def _reply(request_id: str, live: Live, rows: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"request_id": request_id, "release": live.release.id, "rows": rows})


def _records(
    request_id: str,
    rows: Rows,
    live: Live,
    columns: dict[str, Array],
    decided: tuple[list[dict[str, Any]], list[dict[str, Any]]],
    applied: tuple[int, int],
) -> list[NewEvent]:
    """The record of each row's decision; it has the fields of an answer's, and shows no items."""
    pictures = {name for name in rows.columns if live.system.kinds[name].image}
    context = _by_row(rows.columns, rows.rows)
    for own in context:
        # A picture is as long as all other records of an hour: its hash says which it was.
        own |= {name: own[name] and f"sha256:{sha256(own[name].encode()).hexdigest()}" for name in pictures}
    features = _by_row({name: columns[name] for name in live.scorer.names if name not in rows.columns}, rows.rows)
    found = []
    for at, (heads, acted) in enumerate(zip(*decided)):
        own = context[at]
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
            "features": features[at],
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
