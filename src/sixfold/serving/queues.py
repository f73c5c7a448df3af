"""The queues of a design as the event log grows: the policy puts rows in, decisions of reviewers take them out."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Any

import numpy as np

from sixfold.data.rows import decode, decode_columns
from sixfold.design.groups import ANSWERS
from sixfold.design.schema import ActionSpec
from sixfold.design.system import System
from sixfold.errors import QueueBehind, SixfoldError
from sixfold.features.events import event_kinds, from_records
from sixfold.serving.queue import KEEP_US, Queue, Waiting
from sixfold.serving.queue_order import OrderReads
from sixfold.stores import EventLog, Record

__all__ = ["Queues", "QueuesState", "queue_specs"]

_BATCH = 10_000
_FOLLOW_S = 1.0
_FEW, _REST = 30, 9.0
"""Records that the thread takes in while answers are given, and how many times as long as that took it then rests."""
_PATIENCE_S = 2.0
"""How long who asks waits for the log to be read; further back it is read meanwhile, and they ask again."""


def queue_specs(system: System) -> list[ActionSpec]:
    """The actions of a design whose rows wait for decisions."""
    return [spec for spec in system.actions if spec.decisions is not None]


class QueuesState:
    """All queues of a system after some of the log; it is told of every record behind that, in order.

    Whatever decides last about a row counts: the policy sends it to a queue or elsewhere, a reviewer's decision takes
    it out. A row without its key waits nowhere, since nobody could decide about it.
    """

    def __init__(self, system: System, offset: int) -> None:
        self._system, self.offset = system, offset
        specs = queue_specs(system)
        self.queues = {spec.action.name: Queue(spec, system.timezone) for spec in specs}
        self._reads = {spec.action.name: OrderReads.of(system, spec) for spec in specs}
        self._kinds = {spec.action.name: _judging(system, spec) for spec in specs}

    def feed(self, records: Sequence[Record]) -> None:
        """Take in what the log says next."""
        judged = self._judged([one for one in records if one.stream == ANSWERS])
        decided = {
            name: self._decided(name, [one for one in records if one.stream == queue.spec.decisions])
            for name, queue in self.queues.items()
        }
        for record in records if judged or any(decided.values()) else ():
            if (found := judged.get(record.offset)) is not None:
                self._judge(record, *found)
            for name, keys in decided.items():
                if (key := keys.get(record.offset)) is not None:
                    self.queues[name].decide(key, record.arrival_us)
        if records:
            self.offset = records[-1].offset

    def _judge(self, record: Record, key: str, action: str) -> None:
        for name, queue in self.queues.items():
            if name == action:
                queue.put(self._waiting(name, record, key))
            else:
                queue.leave(key)

    def _judged(self, records: Sequence[Record]) -> dict[int, tuple[str, str]]:
        """Key and action of the policy's decisions, by offset."""
        keys, actions = decode_columns([one.payload for one in records], [self._system.query, "action"])
        # Answers of a release whose design had items, or no policy, say nothing of an action.
        return {
            record.offset: (key, action)
            for record, key, action in zip(records, keys, actions)
            if key is not None and action is not None
        }

    def _decided(self, name: str, records: Sequence[Record]) -> dict[int, str]:
        """Keys by offset of events that the labels see; without a value, or outside their `where`, none decides."""
        if not records:
            return {}
        batch = from_records(records, self._kinds[name], self._system.timezone)
        labels = self.queues[name].spec.judged
        seen = [batch.seen(label.value, label.over.where) for label in labels if label.over is not None]
        (keys,) = decode_columns([one.payload for one in records], [self._system.query])
        deciding = np.logical_or.reduce(seen).tolist()
        return {record.offset: key for record, key, decides in zip(records, keys, deciding) if decides}

    def _waiting(self, name: str, record: Record, key: str) -> Waiting:
        row, reads = decode(record.payload), self._reads[name]
        (reason,) = row["reasons"]
        scores = {one: row["heads"].get(one) for one in reads.scores}
        given = {**row["context"], self._system.query: key}
        base = {one: given.get(one) for one in reads.base}
        drawn = reason.get("drawn", False)
        return Waiting(key, record.offset, record.arrival_us, reason["score"], drawn, scores, base)


class Queues:
    """Follows the log, in a thread of its own and whenever somebody asks.

    Nothing is kept but the log: what a queue holds is read again when the server starts, from `KEEP_US` before now
    on, and when a release defines its queues otherwise.

    Args:
        log: Open for as long as this is.
        system: Gives the design that serves.
        now_us: The server's clock.
    """

    def __init__(self, log: EventLog, system: Callable[[], System], now_us: Callable[[], int]) -> None:
        self._log, self._system, self._now_us = log, system, now_us
        self._lock, self._stopped = Lock(), Event()
        self._state: QueuesState | None = None
        self._defined: object = None
        self._thread = Thread(target=self._follow, name="follow-queues", daemon=True)
        self._thread.start()

    @contextmanager
    def current(self, system: System) -> Iterator[Mapping[str, Queue]]:
        """The queues after all that the log holds now; nobody else has them until the end of the block.

        Raises:
            QueueBehind: so much of the log is unread that it takes longer; reading goes on.
        """
        if not queue_specs(system):
            yield {}
            return
        last, until = self._log.last(), time.monotonic() + _PATIENCE_S
        while not self._reached(system, last):
            if time.monotonic() > until:
                break
        with self._lock:
            state = self._of(system)
            if state.offset < last:
                raise QueueBehind(read=state.offset + 1, of=last + 1)
            now_us = self._now_us()
            for queue in state.queues.values():
                queue.forget(now_us)
            yield state.queues

    def close(self) -> None:
        """Stop following. Closing twice is allowed."""
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(_FOLLOW_S):
            # Who asks reads the log themselves, and is told what is wrong with it.
            with suppress(SixfoldError):
                system = self._system()
                began = time.monotonic()
                while queue_specs(system) and self._step(system, _FEW):
                    if self._stopped.wait(_REST * (time.monotonic() - began)):
                        return
                    began = time.monotonic()

    def _reached(self, system: System, offset: int) -> bool:
        return not self._step(system, _BATCH) or self._of(system).offset >= offset

    def _step(self, system: System, most: int) -> bool:
        """Take in at most so many records; whether there were any. The lock is free between batches."""
        with self._lock:
            state = self._of(system)
            records = self._log.read(state.offset, most)
            state.feed(records)
        return bool(records)

    def _of(self, system: System) -> QueuesState:
        defined: Any = (
            system.query,
            system.timezone,
            queue_specs(system),
            [system.streams[s] for s in _streams(system)],
        )
        if self._state is None or self._defined != defined:
            start = self._log.offset_as_of(self._now_us() - KEEP_US)
            self._state, self._defined = QueuesState(system, start), defined
        return self._state


def _streams(system: System) -> list[str]:
    return sorted({spec.decisions for spec in queue_specs(system) if spec.decisions is not None})


def _judging(system: System, spec: ActionSpec) -> dict[str, Any]:
    """Kinds of the columns by which events of the decisions' stream decide, by canonical name."""
    assert spec.decisions is not None, "the action is a queue"
    read = [one for label in spec.judged for one in (label.value, label.over.where if label.over else None)]
    names = frozenset().union(*(one.names for one in read if one is not None))
    return {name: kind for name, kind in event_kinds(system.streams[spec.decisions]).items() if name in names}
