"""The rows of one action that wait for a decision, as the event log has them so far; and who has which in hand."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from heapq import nsmallest
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sixfold.design.schema import ActionSpec

__all__ = ["KEEP_US", "LEASE_US", "Decided", "Ordered", "Queue", "Waiting", "most_rows"]

KEEP_US = 7 * 86_400_000_000
"""How long a row waits: after so long nobody will look at it, and the log need not be read from further back."""
LEASE_US = 600_000_000
"""How long a reviewer has a row in hand."""
_FEWEST, _MOST = 1_000, 20_000


class Waiting(NamedTuple):
    """A row that waits. What it said is in the log: texts are not kept in memory."""

    key: str
    offset: int
    """Of the record of its decision."""
    arrival_us: int
    """When the log took that record."""
    on: float
    """What the action's `on` gave."""
    drawn: bool
    """Whether it was drawn to learn from it."""
    scores: dict[str, float | None]
    """Those that the order reads."""
    base: dict[str, Any]
    """Of its keys and its context what the order's features are found by."""


class Ordered(NamedTuple):
    """A row and what the order says of it; null is last."""

    row: Waiting
    value: float | None


class Decided(NamedTuple):
    """What became of rows in a local day."""

    rows: int
    """That waited and were decided about."""
    drawn: int
    """Of these, that had been drawn."""


class Queue:
    """Rows by key; each method is told what the log says next, in its order. For one thread at a time.

    It holds at most `most_rows` rows. Of those drawn and of the others each has its share of that; where one is full,
    a tenth of it, those of which `on` was lowest, is dropped.
    """

    def __init__(self, spec: ActionSpec, timezone: str) -> None:
        self.spec, self._zone = spec, ZoneInfo(timezone)
        most, share = most_rows(spec), spec.action.explore
        drawn = int(most * share)
        self._most = {True: drawn, False: most - drawn}
        # In the order of the log, so that the oldest is the first.
        self._rows: dict[bool, dict[str, Waiting]] = {True: {}, False: {}}
        self._days: dict[date, Decided] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self.dropped = 0
        """Rows that were dropped since there were too many."""

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __iter__(self) -> Iterator[Waiting]:
        for rows in self._rows.values():
            yield from rows.values()

    def put(self, row: Waiting) -> None:
        """The policy sent the row here; an older entry of it is replaced."""
        self.leave(row.key)
        rows = self._rows[row.drawn]
        rows[row.key] = row
        if len(rows) > self._most[row.drawn]:
            for least in nsmallest(max(len(rows) // 10, 1), rows.values(), key=lambda one: (one.on, one.offset)):
                del rows[least.key]
                self.dropped += 1

    def leave(self, key: str) -> Waiting | None:
        """The policy decided otherwise about the row, or a reviewer did: it does not wait any more."""
        return next((row for rows in self._rows.values() if (row := rows.pop(key, None)) is not None), None)

    def decide(self, key: str, arrival_us: int) -> None:
        """A reviewer decided about the row."""
        if (row := self.leave(key)) is None:
            return
        self._leases.pop(key, None)
        day = self._day(arrival_us)
        before = self._days.get(day, Decided(0, 0))
        self._days[day] = Decided(before.rows + 1, before.drawn + row.drawn)

    def forget(self, now_us: int) -> None:
        """Let go of what is too old, as if the log had been read from `KEEP_US` before now on."""
        for rows in self._rows.values():
            while rows and (first := next(iter(rows.values()))).arrival_us <= now_us - KEEP_US:
                del rows[first.key]
        oldest = self._day(now_us - KEEP_US)
        self._days = {day: found for day, found in self._days.items() if day >= oldest}
        self._leases = {key: own for key, own in self._leases.items() if own[1] > now_us}

    def decided(self, now_us: int) -> Decided:
        """What reviewers did in the local day of this time."""
        return self._days.get(self._day(now_us), Decided(0, 0))

    def hand_out(self, ordered: Iterable[Ordered], n: int, reviewer: str, now_us: int) -> list[Ordered]:
        """The first n rows that no other reviewer has in hand; they are this one's for `LEASE_US`.

        What they had before and is not among these is free again.
        """
        self._leases = {key: own for key, own in self._leases.items() if own[1] > now_us and own[0] != reviewer}
        found = list(islice((one for one in ordered if one.row.key not in self._leases), n))
        self._leases |= {one.row.key: (reviewer, now_us + LEASE_US) for one in found}
        return found

    def in_hand(self, now_us: int) -> int:
        """How many rows reviewers have in hand."""
        waiting = {row.key for row in self}
        return sum(until > now_us and key in waiting for key, (_, until) in self._leases.items())

    def _day(self, time_us: int) -> date:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).astimezone(self._zone).date()


def most_rows(spec: ActionSpec) -> int:
    """How many rows a queue holds: what its reviewers manage in a week, from 1,000 to 20,000."""
    assert spec.action.per_day is not None, "a queue has a capacity"
    return min(max(7 * spec.action.per_day, _FEWEST), _MOST)
