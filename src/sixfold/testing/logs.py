"""What every event log must do: subclass `EventLogContract`, define `make()`, and run pytest."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sixfold.errors import InvalidEvent, StoreClosed
from sixfold.stores import EventLog, NewEvent, Receipt, Record

__all__ = ["EventLogContract"]

_EVENTS = st.builds(
    NewEvent,
    stream=st.sampled_from(["plays", "play", "answers"]),
    event_id=st.binary(max_size=1),
    time_us=st.sampled_from([-(2**61), -1, 0, 1, 1_700_000_000_000_000, 2**61]),
    payload=st.binary(max_size=3),
)
_APPENDS = st.lists(st.tuples(st.lists(_EVENTS, max_size=8), st.integers(-5, 50)), max_size=6)
# One test runs for several backends: that is what a contract is for.
_CHECKS = [HealthCheck.differing_executors]


class EventLogContract(ABC):
    """The tests of `sixfold.stores.EventLog`. Override none of them: one that cannot pass goes into `waived`."""

    waived: ClassVar[Mapping[str, str]] = {}
    """Test name to the reason why it fails, which it then must."""

    @abstractmethod
    def make(self) -> EventLog:
        """A new, empty log; called many times in one test, and closed by the test."""

    def test_a_new_log_is_empty(self) -> None:
        with closing(self.make()) as log:
            assert log.last() == -1
            assert log.read(-1, 10) == []
            assert log.offset_as_of(2**61) == -1
            assert log.append([], arrival_us=0) == []

    def test_what_was_appended_is_read_as_it_was(self) -> None:
        with closing(self.make()) as log:
            receipts = log.append(
                [_event(b"a", payload=b"\0x"), _event(b"b", stream="clicks", time_us=-3)], arrival_us=9
            )
            assert receipts == [Receipt(0, False), Receipt(1, False)]
            assert log.read(-1, 10) == [Record(0, 9, "plays", 5, b"\0x"), Record(1, 9, "clicks", -3, b"")]

    def test_a_retry_gets_the_offset_of_the_first_and_is_not_kept(self) -> None:
        with closing(self.make()) as log:
            log.append([_event(b"a"), _event(b"b", payload=b"first")], arrival_us=0)
            receipts = log.append([_event(b"c"), _event(b"b", payload=b"again"), _event(b"c")], arrival_us=1)
            assert receipts == [Receipt(2, False), Receipt(1, True), Receipt(2, True)]
            assert [record.payload for record in log.read(0, 10)] == [b"first", b""]

    def test_the_same_id_in_another_stream_or_at_another_time_is_another_event(self) -> None:
        with closing(self.make()) as log:
            events = [_event(b"a"), _event(b"a", stream="clicks"), _event(b"a", time_us=6)]
            assert log.append(events, arrival_us=0) == [Receipt(n, False) for n in range(3)]

    def test_reading_goes_on_after_the_offset_up_to_the_limit(self) -> None:
        with closing(self.make()) as log:
            log.append([_event(bytes([n])) for n in range(5)], arrival_us=0)
            assert [record.offset for record in log.read(1, 2)] == [2, 3]
            assert log.read(4, 10) == log.read(99, 10) == log.read(-1, 0) == []

    def test_arrival_never_goes_back_with_the_clock(self) -> None:
        with closing(self.make()) as log:
            for n, arrival_us in enumerate([10, 7, 12]):
                log.append([_event(bytes([n]))], arrival_us=arrival_us)
            assert [record.arrival_us for record in log.read(-1, 10)] == [10, 10, 12]
            assert [log.offset_as_of(t) for t in (9, 10, 11, 12)] == [-1, 1, 1, 2]

    def test_one_bad_event_refuses_them_all(self) -> None:
        bad = [_event(b"b", time_us=2**61 + 1), _event(b"b", stream=""), _event(b"b", stream="s" * 101)]
        with closing(self.make()) as log:
            for event in bad:
                with pytest.raises(InvalidEvent):
                    log.append([_event(b"a"), event], arrival_us=0)
            assert log.last() == -1

    def test_forgotten_ids_may_come_again_and_kept_ones_may_not(self) -> None:
        old, new = _event(b"a", time_us=0), _event(b"b", time_us=10**15)
        with closing(self.make()) as log:
            log.append([old, new], arrival_us=0)
            assert log.drop_ids(10**14) == 1
            assert log.drop_ids(10**14) == 0
            assert log.append([new, old], arrival_us=0) == [Receipt(1, True), Receipt(2, False)]
            assert [record.time_us for record in log.read(-1, 10)] == [0, 10**15, 0]

    def test_a_closed_log_says_so_and_may_be_closed_again(self) -> None:
        log = self.make()
        log.close()
        log.close()
        with pytest.raises(StoreClosed):
            log.append([_event(b"a")], arrival_us=0)
        with pytest.raises(StoreClosed):
            log.read(-1, 1)

    @settings(deadline=None, max_examples=60, suppress_health_check=_CHECKS)
    @given(_APPENDS)
    def test_it_holds_what_a_list_would(self, appends: list[tuple[list[NewEvent], int]]) -> None:
        expected: list[Record] = []
        firsts: dict[tuple[str, bytes, int], int] = {}
        with closing(self.make()) as log:
            for events, arrival_us in appends:
                receipts = []
                kept_us = max(arrival_us, expected[-1].arrival_us) if expected else arrival_us
                for event in events:
                    identity = event.stream, event.event_id, event.time_us
                    duplicate = identity in firsts
                    receipts.append(Receipt(firsts.setdefault(identity, len(expected)), duplicate))
                    if not duplicate:
                        expected.append(Record(len(expected), kept_us, event.stream, event.time_us, event.payload))
                assert log.append(events, arrival_us=arrival_us) == receipts
            assert log.read(-1, 1000) == expected
            assert log.last() == len(expected) - 1
            for time_us in range(-6, 51):
                assert log.offset_as_of(time_us) == sum(record.arrival_us <= time_us for record in expected) - 1


def _event(event_id: bytes, *, stream: str = "plays", time_us: int = 5, payload: bytes = b"") -> NewEvent:
    return NewEvent(stream, event_id, time_us, payload)
