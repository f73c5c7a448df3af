"""Events as the log has them: decisions of the policy and of readers, of the design that judges posts."""

import msgspec
from shop_server import START_S

from sixfold.data.rows import RowChecker
from sixfold.stores import NewEvent, Record

START_US = START_S * 1_000_000


def judged(post, action="review", *, score=0.7, drawn=False, author="a1", text="the rain", at_us=START_US):
    """A decision of the policy."""
    reason = {"on": "1 - mood.kind", "score": score, "threshold": 0.5, **({"drawn": True} if drawn else {})}
    row = {
        "request_id": f"{post} {at_us}",
        "post": post,
        "time": at_us,
        "known": at_us,
        "release": "r1",
        "context": {"author": author, "posts.text": text},
        "features": {},
        "items": [],
        "heads": {"mood.kind": 1 - score, "mood.rude": score, "mood.vile": 0.0},
        "action": action,
        "reasons": [] if action == "allow" else [reason],
        "propensity": 1.0,
    }
    return NewEvent("answers", f"{post} {action} {at_us}".encode(), at_us, msgspec.msgpack.encode(row))


def voted(system, post, mood="vile", *, reader="r1", at_us=START_US, **more):
    """A reader's decision."""
    row = {"post_id": post, "author_id": "a1", "reader_id": reader, "at": at_us / 1e6, "mood": mood, **more}
    (event,) = RowChecker(system.streams["votes"], system.timezone).check([row], at_us).accepted
    return event


def records(events, after=-1):
    """These events as a log would give them, a second apart."""
    return [
        Record(after + 1 + n, START_US + n * 1_000_000, one.stream, one.time_us, one.payload)
        for n, one in enumerate(events)
    ]
