"""A writer killed at any moment loses no acknowledged event, doubles none, and rows and offset agree."""

import random
import subprocess
import sys
from collections import Counter

from sixfold.stores import LmdbLog, LmdbStore, Record

# Appends batches from the number given, saying the last number acknowledged; counts events by key into the store.
WRITER = """
import sys
from sixfold.stores import LmdbLog, LmdbStore, NewEvent
log = LmdbLog(sys.argv[1] + "/log", map_bytes=1 << 16)
store = LmdbStore(sys.argv[1] + "/state", map_bytes=1 << 16)
number = int(sys.argv[2])
while True:
    batch = [NewEvent("plays", b"%d" % n, n, b"%d" % (n % 7)) for n in range(number, number + 5)]
    log.append(batch, arrival_us=number)
    number += 5
    print(number, flush=True)
    records = log.read(store.offset(), 8)
    keys = sorted({record.payload for record in records})
    counts = {key: int(row or b"0") for key, row in zip(keys, store.get("plays", keys))}
    for record in records:
        counts[record.payload] += 1
    store.commit([("plays", key, b"%d" % count) for key, count in counts.items()], offset=records[-1].offset)
"""


def test_ten_kills_lose_nothing_double_nothing_and_leave_rows_and_offset_in_step(tmp_path):
    draw, acknowledged = random.Random(3), 0
    for _ in range(10):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(acknowledged)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(draw.randrange(1, 40)):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            for line in writer.stdout:
                acknowledged = int(line)
        records = read_all(tmp_path)
        # Each number once and in order: what a killed writer had appended unacknowledged, the next one sent again.
        assert [record.time_us for record in records] == list(range(len(records)))
        assert acknowledged <= len(records) <= acknowledged + 5
        check_state(tmp_path, records)


def read_all(folder) -> list[Record]:
    log = LmdbLog(folder / "log", readonly=True)
    records = log.read(-1, 100_000)
    log.close()
    return records


def check_state(folder, records) -> None:
    store = LmdbStore(folder / "state", readonly=True)
    applied = Counter(record.payload for record in records if record.offset <= store.offset())
    assert {key: int(row) for key, row in store.scan("plays", None, 100)} == applied
    store.close()
