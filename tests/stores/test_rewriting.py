"""A log that is written again keeps offsets, arrivals and ids, and nothing of what it held."""

from contextlib import closing

import pytest

from sixfold.stores import LmdbLog, NewEvent, Record
from sixfold.stores.redis_log import RedisLog
from sixfold.stores.rewriting import ERASED, rewrite_lmdb_log, rewrite_redis_log

SECRET = b"nobody is to know this"


def events(count):
    return [NewEvent("plays", b"%d" % n, n, (SECRET if n % 3 == 0 else b"p") + b"%d" % n) for n in range(count)]


def change(record):
    if record.payload.startswith(SECRET):
        return Record(record.offset, record.arrival_us, ERASED, 0, b"")
    return record


def check(opened):
    with closing(opened()) as log:
        found = log.read(-1, 100_000)
        assert [record.offset for record in found] == list(range(9_000))
        assert [record.arrival_us for record in found] == [7] * 9_000
        assert [n for n, record in enumerate(found) if record.stream == ERASED] == list(range(0, 9_000, 3))
        assert found[1].payload == b"p1"
        (again, new) = log.append([events(1)[0], NewEvent("plays", b"new", 3, b"x")], arrival_us=9)
        assert (again.duplicate, new.offset) == (True, 9_000)


def test_in_lmdb(tmp_path):
    with closing(LmdbLog(tmp_path / "log")) as log:
        log.append(events(9_000), arrival_us=7)
    assert SECRET in (tmp_path / "log" / "data.mdb").read_bytes()
    rewrite_lmdb_log(tmp_path / "log", change)
    assert SECRET not in (tmp_path / "log" / "data.mdb").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    check(lambda: LmdbLog(tmp_path / "log"))


@pytest.mark.parametrize("without_ids", [False, True])
def test_in_redis(redis_server, without_ids):
    prefix = f"rewriting {without_ids}"
    with closing(RedisLog(redis_server.url, prefix)) as log:
        log.append(events(9_000), arrival_us=7)
        if without_ids:
            log.drop_ids(10_000)
    rewrite_redis_log(redis_server.url, prefix, change)
    if not without_ids:
        check(lambda: RedisLog(redis_server.url, prefix))
    with closing(RedisLog(redis_server.url, prefix)) as log:
        assert not any(SECRET in record.payload for record in log.read(-1, 100_000))
    with closing(RedisLog(redis_server.url, f"{prefix}:rewritten")) as beside:
        assert beside.last() == -1
