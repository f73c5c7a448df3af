import subprocess
import sys
from itertools import count

import pytest

from sixfold.errors import InvalidEvent, StoreBusy, StoreUnusable
from sixfold.stores import EventLog, LmdbLog, LmdbStore, NewEvent, Receipt
from sixfold.testing.logs import EventLogContract


class TestLmdbLog(EventLogContract):
    numbers = count()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _folder(cls, tmp_path_factory):
        cls.folder = tmp_path_factory.mktemp("logs")

    def make(self) -> EventLog:
        return LmdbLog(self.folder / str(next(self.numbers)), map_bytes=1 << 20)


def events(numbers, size=10):
    return [NewEvent("plays", b"%d" % n, n, b"p" * size) for n in numbers]


def test_a_log_opened_again_holds_everything_and_goes_on(tmp_path):
    log = LmdbLog(tmp_path)
    log.append(events(range(3)), arrival_us=50)
    log.close()
    log = LmdbLog(tmp_path)
    assert log.append(events([2, 3]), arrival_us=40) == [Receipt(2, True), Receipt(3, False)]
    assert [record.arrival_us for record in log.read(-1, 10)] == [50] * 4
    log.close()


def test_a_small_map_grows_until_the_events_fit(tmp_path):
    log = LmdbLog(tmp_path, map_bytes=64 << 10)
    for start in range(0, 4_000, 1_000):
        log.append(events(range(start, start + 1_000), size=500), arrival_us=start)
    assert [record.time_us for record in log.read(-1, 10_000)] == list(range(4_000))
    log.close()


APPENDER = """
import sys
from sixfold.stores import LmdbLog, NewEvent
log = LmdbLog(sys.argv[1], map_bytes=1 << 16)
print("ready", flush=True)
sys.stdin.readline()
for start in range(0, 2_000, 20):
    own = [NewEvent(sys.argv[2], b"%d" % n, n, b"p" * 100) for n in range(start, start + 20)]
    shared = [NewEvent("shared", b"%d" % start, start, b"")]
    for event, receipt in zip(own + shared, log.append(own + shared, arrival_us=start)):
        print(event.stream, event.time_us, receipt.offset)
"""


def test_two_processes_append_at_once_without_gaps_or_doubles(tmp_path):
    LmdbLog(tmp_path, map_bytes=1 << 16).close()
    start = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([sys.executable, "-c", APPENDER, str(tmp_path), name], **start) for name in ("a", "b")]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    receipts = [line.split() for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0]

    log = LmdbLog(tmp_path)
    records = log.read(-1, 10_000)
    log.close()
    assert [record.offset for record in records] == list(range(2 * 2_000 + 100))
    arrivals = [record.arrival_us for record in records]
    assert arrivals == sorted(arrivals)
    for name in ("a", "b"):
        assert [record.time_us for record in records if record.stream == name] == list(range(2_000))
    assert {(stream, int(time), int(offset)) for stream, time, offset in receipts} == {
        (record.stream, record.time_us, record.offset) for record in records
    }


def test_the_ids_of_a_large_log_are_dropped_in_several_transactions(tmp_path):
    log = LmdbLog(tmp_path)
    log.append(events(range(60_000), size=0), arrival_us=0)
    assert log.drop_ids(55_000) == 55_000
    assert log.append(events([54_999, 55_000]), arrival_us=0) == [Receipt(60_000, False), Receipt(55_000, True)]
    log.close()


def test_a_log_is_read_only_beside_its_writer(tmp_path):
    log = LmdbLog(tmp_path)
    log.append(events(range(3)), arrival_us=0)
    code = f"from sixfold.stores import LmdbLog; print(LmdbLog({str(tmp_path)!r}, readonly=True).last())"
    reader = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert reader.stdout == "2\n"
    log.close()


def test_a_second_opening_in_this_process_is_refused(tmp_path):
    log = LmdbLog(tmp_path)
    with pytest.raises(StoreBusy, match="is open already in this process"):
        LmdbLog(tmp_path)
    log.close()


def test_a_state_is_not_taken_for_a_log(tmp_path):
    LmdbStore(tmp_path).close()
    with pytest.raises(StoreUnusable) as caught:
        LmdbLog(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be opened: expected sixfold log 1, it holds sixfold state 1"


def test_a_refused_event_is_named_with_its_place(tmp_path):
    log = LmdbLog(tmp_path)
    with pytest.raises(InvalidEvent) as caught:
        log.append(events([1, 2**61 + 1]), arrival_us=0)
    log.close()
    assert str(caught.value) == (
        "event 1 of stream 'plays': time_us must be within 2**61 of 0, got 2305843009213693953"
    )
