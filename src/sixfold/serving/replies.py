"""What the server replies, as JSON, and what it logs of an answer."""

from typing import Any

import msgspec

from sixfold.design.groups import ANSWERS, logged_as
from sixfold.design.system import System
from sixfold.errors import UnknownInRequest
from sixfold.serving.answer import Answer, Question
from sixfold.serving.live import Live
from sixfold.stores import NewEvent

__all__ = ["features", "logged", "recommended", "shown"]

_encode = msgspec.msgpack.Encoder().encode


def recommended(question: Question, answer: Answer, release: str) -> bytes:
    """The reply to `recommend`."""
    return msgspec.json.encode({"request_id": question.request_id, "release": release, "items": answer.items})


def logged(question: Question, answer: Answer, live: Live, applied: tuple[int, int]) -> NewEvent:
    """The record of an answer.

    Args:
        applied: The largest log offset that the state had applied before its features were read, and after.
    """
    row = {
        "request_id": question.request_id,
        live.system.query: question.key,
        "time": question.now_us,
        "known": question.now_us,
        "applied": applied[0],
        "applied_after": applied[1],
        "history_until": live.history_until_us,
        "release": live.release.id,
        "context": {name: array.to_list()[0] for name, array in question.context.items()},
        "features": answer.query_features,
        "items": [
            {
                "key": one.key,
                "position": one.position,
                "propensity": one.propensity,
                "source": one.source,
                "score": one.score,
                "heads": one.heads,
                "features": used,
            }
            for one, used in zip(answer.items, answer.item_features)
        ],
    }
    return NewEvent(ANSWERS, question.request_id.encode(), question.now_us, _encode(row))


def shown(question: Question, answer: Answer, live: Live) -> list[NewEvent]:
    """An event for each item of an answer, where features of the design count them."""
    if live.shown is None or question.key is None:
        return []
    own = {live.system.query: question.key, "time": question.now_us, "request": question.request_id}
    rows = [
        {
            **own,
            str(live.system.item): one.key,
            "position": one.position,
            "propensity": one.propensity,
            "score": one.score,
            "price": one.price,
            "release": live.release.id,
        }
        for one in answer.items
    ]
    return [event._replace(stream=logged_as(ANSWERS)) for event in live.shown.check(rows, question.now_us).accepted]


def features(entity: str, key: str, live: Live, now_us: int) -> bytes:
    """The reply to `features`: what is known of one key alone. A key never seen has the features of no events.

    Raises:
        UnknownInRequest: the design has no such entity.
    """
    system = live.system
    if entity not in (known := _entities(system)):
        raise UnknownInRequest(kind="entity", name=entity, known=sorted(known))
    found: dict[str, Any] = {}
    for group in system.features.values():
        if group.asked == (entity,):
            values = live.reader.group(group.name, [key], now_us)
            found |= {f"{group.name}.{name}": value for name, value in values.items()}
    for table in system.tables.values():
        if [own.entity for own in table.keys] == [entity]:
            found |= live.row(table.name, key, now_us)
    reply = {"entity": entity, "key": key, "now": now_us, "release": live.release.id, "features": found}
    return msgspec.json.encode(reply)


def _entities(system: System) -> set[str]:
    keys = [key.entity for stream in system.streams.values() for key in stream.keys]
    keys += [key.entity for table in system.tables.values() for key in table.keys]
    links = [key.entity for table in system.tables.values() for key in table.links]
    return {*keys, *links}
