"""The log and the store on a real Redis: the contracts, unsafe settings, a server that is killed under load."""

import threading
from contextlib import closing
from itertools import count

import pytest

from sixfold.errors import SecretMissing, StateMoved, StoreUnreachable, StoreUnusable, UnsafeSettings
from sixfold.features.state import StateWriter
from sixfold.stores import EventLog, NewEvent, OnlineStore
from sixfold.stores.redis_log import RedisLog
from sixfold.stores.redis_store import RedisStore
from sixfold.testing import kills
from sixfold.testing.logs import EventLogContract
from sixfold.testing.redis_server import RedisServer
from sixfold.testing.stores import OnlineStoreContract


class TestRedisStore(OnlineStoreContract):
    numbers = count()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, redis_server):
        cls.url = redis_server.url

    def make(self) -> OnlineStore:
        return RedisStore(self.url, f"store:{next(self.numbers)}")


class TestRedisLog(EventLogContract):
    numbers = count()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, redis_server):
        cls.url = redis_server.url

    def make(self) -> EventLog:
        return RedisLog(self.url, f"log:{next(self.numbers)}")


@pytest.mark.parametrize(
    ("setting", "value", "needed"),
    [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ],
)
def test_settings_that_could_lose_what_was_acknowledged_are_refused(tmp_path, setting, value, needed):
    with RedisServer(tmp_path, **{setting: value}) as server, pytest.raises(UnsafeSettings) as caught:
        RedisLog(server.url, "x")
    assert (caught.value.setting, caught.value.needed, caught.value.found) == (setting, needed, value)


def test_a_server_that_is_not_there_and_a_url_that_is_none_are_told():
    with pytest.raises(StoreUnreachable, match=r"^redis://127\.0\.0\.1:1/0: could not read: .*refused"):
        RedisStore("redis://127.0.0.1:1/0", "x")
    with pytest.raises(StoreUnusable, match=r"^mysql://x: cannot be opened: "):
        RedisStore("mysql://x", "x")


def test_a_password_comes_out_of_the_environment(tmp_path, monkeypatch):
    with RedisServer(tmp_path, requirepass="s3cret") as server:
        url = server.url.replace("redis://", "redis://:$SIXFOLD_TEST_PASSWORD@")
        with pytest.raises(SecretMissing):
            RedisLog(url, "x")
        monkeypatch.setenv("SIXFOLD_TEST_PASSWORD", "s3cret")
        with closing(RedisLog(url, "x")) as log:
            assert log.last() == -1


def test_of_two_workers_that_fold_the_same_events_one_gets_through(redis_server):
    log, system = RedisLog(redis_server.url, "two"), kills.system()
    stores = [RedisStore(redis_server.url, "two:state") for _ in range(2)]
    workers = [StateWriter(system, store) for store in stores]
    log.append([kills.event(n) for n in range(50)], arrival_us=0)
    truth = kills.Truth()
    truth.take(log.read(-1, 100))
    workers[0].apply(log.read(-1, 20))
    with pytest.raises(StateMoved):
        workers[1].apply(log.read(-1, 40))
    assert workers[1].offset == 19
    workers[1].apply(log.read(19, 100))
    assert truth.differences(stores[0]) == 0
    for one in (log, *stores):
        one.close()


def test_a_server_killed_under_load_loses_nothing_that_was_acknowledged_and_all_go_on(tmp_path):
    with RedisServer(tmp_path) as server:
        log, store = RedisLog(server.url, "load"), RedisStore(server.url, "load:state")
        writer, truth = StateWriter(kills.system(), store), kills.Truth()
        acknowledged = failures = 0
        for _ in range(4):
            killer = threading.Timer(0.3, server.kill)
            killer.start()
            while server.process.poll() is None or failures == 0:
                try:
                    log.append([kills.event(n) for n in range(acknowledged, acknowledged + 20)], arrival_us=0)
                    acknowledged += 20
                    writer.apply(log.read(writer.offset, 500))
                except (StoreUnreachable, StateMoved) as error:
                    failures += isinstance(error, StoreUnreachable)
            killer.join()
            server.start()
            failures = 0
            # Whether the last commit was done is not known; the next one says so, and goes on from there.
            writer.offset = store.offset()
            new = log.read(truth.offset, 10_000_000)
            assert [record.offset for record in new] == list(range(truth.offset + 1, truth.offset + 1 + len(new)))
            truth.take(new)
            numbers = truth.numbers
            assert numbers == list(range(len(numbers)))
            assert acknowledged <= len(numbers) <= acknowledged + 20
            assert truth.differences(store) == 0
        assert acknowledged > 100
        log.close()
        store.close()


def test_an_append_with_one_bad_event_keeps_none(redis_server):
    with closing(RedisLog(redis_server.url, "bad")) as log:
        log.append([NewEvent("plays", b"1", 0, b"")], arrival_us=5)
        assert log.last() == 0
