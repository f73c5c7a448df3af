"""Predictions of many requests at once: what comes while a batch is computed is the next batch."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sixfold.errors import StoreError
from sixfold.serving.parts import Parts
from sixfold.serving.predicting import Predicted
from sixfold.serving.together import Outcome, predict_together
from sixfold.stores import Receipt

__all__ = ["MOST_BYTES", "Batches"]

MOST_BYTES = 65_536
"""A batch takes no further body once its bodies have so many bytes: some 250 short texts. Work goes by length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Waiting:
    """A request that waits for its reply."""

    body: bytes
    reply: "asyncio.Future[bytes]"


class Batches:
    """Used by one event loop. Nobody waits for company: a request that finds nothing running is computed at once.

    Args:
        parts: Each batch borrows the release that serves, so that one reply never mixes two.
        at_once: How many batches may be computed at a time. A second one begins when a whole batch waits.
    """

    def __init__(self, parts: Parts, *, at_once: int) -> None:
        self._parts, self._at_once = parts, at_once
        self._waiting: deque[_Waiting] = deque()
        self._bytes, self._running = 0, 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, body: bytes) -> bytes:
        """The reply to a body, once the records of its decisions are durable.

        Raises:
            InvalidRequest: as `requests.prediction` does.
            StoreError: features cannot be read, or decisions not be logged.
        """
        one = _Waiting(body=body, reply=asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._bytes += len(body)
        if not self._running or (self._bytes >= MOST_BYTES and self._running < self._at_once):
            self._running += 1
            self._keep(asyncio.create_task(self._work()))
        return await one.reply

    async def _work(self) -> None:
        """Compute batches until nobody waits."""
        telling: asyncio.Task[None] | None = None
        try:
            while batch := self._taken():
                outcomes, logged = await self._computed(batch)
                # A batch is computed while the one before is made durable, and no third: what waits for the disk
                # anyway is better a larger batch than more small ones.
                if telling is not None:
                    await telling
                telling = asyncio.create_task(_tell(batch, outcomes, logged))
                self._keep(telling)
        finally:
            self._running -= 1

    def _taken(self) -> list[_Waiting]:
        """The next batch; who does not wait any more has no place in it."""
        batch, size = list[_Waiting](), 0
        while self._waiting and size < MOST_BYTES:
            one = self._waiting.popleft()
            self._bytes -= len(one.body)
            if not one.reply.done():
                batch.append(one)
                size += len(one.body)
        return batch

    async def _computed(self, batch: Sequence[_Waiting]) -> "tuple[list[Outcome], Future[list[Receipt]] | None]":
        parts, bodies = self._parts, [one.body for one in batch]

        def work() -> "tuple[list[Outcome], Future[list[Receipt]] | None]":
            with parts.current.borrow() as live, parts.metrics.stage("predict rows"):
                outcomes = predict_together(bodies, live, parts.clock.now_us())
                records = [one for found in outcomes if isinstance(found, Predicted) for one in found.records]
                try:
                    return outcomes, parts.commit.submit(records) if records else None
                except StoreError as error:
                    return _untold(outcomes, error), None

        parts.metrics.batches.observe(len(batch))
        try:
            return await parts.threaded(work)
        except Exception as error:  # noqa: BLE001  # nobody of the batch could be served, and each is told why
            return [error] * len(batch), None

    def _keep(self, task: "asyncio.Task[None]") -> None:
        """The loop itself holds no task that runs."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _tell(batch: Sequence[_Waiting], outcomes: Sequence[Outcome], logged: "Future[list[Receipt]] | None") -> None:
    """Give each its outcome; decisions that could not be kept are not told."""
    if logged is not None:
        try:
            await asyncio.wrap_future(logged)
        except Exception as error:  # noqa: BLE001  # whose decisions it held is told
            outcomes = _untold(outcomes, error)
    for one, outcome in zip(batch, outcomes):
        if one.reply.done():
            continue
        if isinstance(outcome, Predicted):
            one.reply.set_result(outcome.reply)
        else:
            one.reply.set_exception(outcome)


def _untold(outcomes: Sequence[Outcome], error: Exception) -> list[Outcome]:
    """The outcomes where decisions could not be kept."""
    return [error if isinstance(one, Predicted) and one.records else one for one in outcomes]
