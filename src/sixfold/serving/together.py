"""The bodies of several requests predicted as one batch, each with an outcome of its own."""

from collections.abc import Sequence
from typing import Any

from sixfold.errors import InvalidRequest, StoreError
from sixfold.serving.live import Live
from sixfold.serving.predicting import Predicted, predict_each
from sixfold.serving.requests import Asked, Rows, asked, columns_of

__all__ = ["Outcome", "predict_together"]

Outcome = Predicted | Exception
"""What a request gets."""


def predict_together(bodies: Sequence[bytes], live: Live, now_us: int) -> list[Outcome]:
    """The outcome of each body, in their order; what is wrong with one concerns no other.

    Args:
        now_us: The time of those that bring none. Rows of one time are computed together.
    """
    read = [_read(body) for body in bodies]
    outcomes: dict[int, Outcome] = {at: found for at, found in enumerate(read) if isinstance(found, Exception)}
    times: dict[int, list[int]] = {}
    for at, found in enumerate(read):
        if isinstance(found, Asked):
            times.setdefault(now_us if found.now_us is None else found.now_us, []).append(at)
    for own_us, places in times.items():
        rows = [found.rows for at in places if isinstance(found := read[at], Asked)]
        outcomes.update(zip(places, _of_one_time(rows, live, own_us)))
    return [outcomes[at] for at in range(len(bodies))]


def _read(body: bytes) -> Asked | InvalidRequest:
    try:
        return asked(body)
    except InvalidRequest as error:
        return error


def _of_one_time(requests: Sequence[list[Any]], live: Live, now_us: int) -> list[Outcome]:
    """The outcome of each request's rows."""
    every = [row for rows in requests for row in rows]
    try:
        columns = columns_of(every, live.system)
        return list(predict_each(Rows(columns, len(every), now_us), [len(rows) for rows in requests], live))
    except InvalidRequest as error:
        return [error] if len(requests) == 1 else _without_wrong(requests, live, now_us)
    except StoreError as error:  # none of these made it, and each would meet it again
        return [error] * len(requests)
    except Exception as error:  # noqa: BLE001  # it goes to whom it belongs to, which shows when each is alone
        if len(requests) == 1:
            return [error]
        return [outcome for rows in requests for outcome in _of_one_time([rows], live, now_us)]


def _without_wrong(requests: Sequence[list[Any]], live: Live, now_us: int) -> list[Outcome]:
    """Those whose rows are wrong get their reason, the others are computed together without them."""
    wrong: dict[int, Outcome] = {}
    for at, rows in enumerate(requests):
        try:
            columns_of(rows, live.system)
        except InvalidRequest as error:
            wrong[at] = error
    assert wrong, "rows that are wrong together are wrong apart"
    right = [at for at in range(len(requests)) if at not in wrong]
    found = dict(zip(right, _of_one_time([requests[at] for at in right], live, now_us)))
    return [(wrong | found)[at] for at in range(len(requests))]
