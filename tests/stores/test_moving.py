"""A log that is moved is the same log: offsets, arrivals, and the ids of what it holds."""

from contextlib import closing

import pytest

from sixfold.errors import StoreUnusable
from sixfold.stores import LmdbLog, NewEvent
from sixfold.stores.moving import move_log
from sixfold.stores.redis_log import RedisLog

NUMBER = 7_000


def events(numbers):
    return [NewEvent("plays", b"%d" % n, n - 5, b"p%d" % n) for n in numbers]


@pytest.fixture(params=["to redis", "to lmdb"])
def logs(request, redis_server, tmp_path):
    lmdb, redis = LmdbLog(tmp_path, map_bytes=1 << 20), RedisLog(redis_server.url, f"moving:{tmp_path.name}")
    yield (lmdb, redis) if request.param == "to redis" else (redis, lmdb)
    lmdb.close()
    redis.close()


def test_all_of_it_is_there_and_goes_on(logs):
    source, target = logs
    for start in range(0, NUMBER, 1_000):
        source.append(events(range(start, start + 1_000)), arrival_us=start)
    source.drop_ids(10)
    assert move_log(source, target) == NUMBER - 1
    assert target.read(-1, NUMBER + 1) == source.read(-1, NUMBER + 1)
    again = target.append(events([0, 20, NUMBER - 1, NUMBER]), arrival_us=0)
    assert [receipt.duplicate for receipt in again] == [False, True, True, False]
    assert [receipt.offset for receipt in again] == [NUMBER, 20, NUMBER - 1, NUMBER + 1]


def test_a_move_that_was_cut_off_goes_on_and_another_log_is_refused(logs, redis_server):
    source, target = logs
    source.append(events(range(10)), arrival_us=3)
    target.restore(source.read(-1, 4), source.ids(None, 7))
    assert move_log(source, target) == 9
    assert move_log(source, target) == 9
    assert target.read(-1, 20) == source.read(-1, 20)
    assert target.append(events([9]), arrival_us=0)[0].duplicate
    with closing(RedisLog(redis_server.url, "moving:another")) as another:
        another.append(events([3]), arrival_us=0)
        with pytest.raises(StoreUnusable) as caught:
            move_log(source, another)
    assert str(caught.value) == (
        "the event log: cannot be opened: the log to move to holds other events: at offset 0 the two differ"
    )
