"""What a design names is opened; states of a system that several processes share."""

import sys
from contextlib import closing

import pytest

import sixfold as sf
from sixfold.errors import StoreUnusable
from sixfold.stores import LmdbLog
from sixfold.stores.opening import open_log, open_states
from sixfold.stores.redis_lease import RedisLease


@pytest.fixture(params=["lmdb", "redis"])
def states(request, tmp_path):
    stores = sf.Lmdb()
    if request.param == "redis":
        stores = sf.Redis(request.getfixturevalue("redis_server").url)
    with closing(open_states(stores, tmp_path.name, tmp_path)) as states:
        yield states


def build(states, name, row):
    with states.building(name) as empty, closing(empty()) as store:
        store.commit([("a", b"x", row)], offset=0)


def row(states, name):
    with closing(states.open(name)) as store:
        return store.get("a", [b"x"])[0]


def test_a_state_has_its_name_once_it_is_whole(states):
    with states.building("r1") as empty:
        with closing(empty()) as store:
            store.commit([("a", b"x", b"1"), ("a", b"y", b"1")], offset=0)
        assert (states.names(), states.open("r1")) == ([], None)
        with closing(empty()) as store:
            assert (store.offset(), store.get("a", [b"x", b"y"])) == (-1, [None, None])
            store.commit([("a", b"x", b"2")], offset=0)
    assert states.names() == ["r1"]
    with closing(states.open("r1")) as store:
        assert store.get("a", [b"x", b"y"]) == [b"2", None]


def test_a_build_that_fails_leaves_no_state_and_the_next_begins_anew(states):
    def fail():
        with states.building("r1") as empty, closing(empty()) as store:
            store.commit([("a", b"x", b"1")], offset=0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert states.names() == []
    build(states, "r1", b"2")
    assert row(states, "r1") == b"2"


def test_states_of_other_releases_are_discarded_and_those_kept_stay(states):
    for name in ("r1-a", "r1-a@5", "r2-b", "r3-c", "r3-c@7"):
        build(states, name, name.encode())
    assert set(states.names()) == {"r1-a", "r1-a@5", "r2-b", "r3-c", "r3-c@7"}
    states.discard_all_but(["r2-b", "r3-c"])
    assert set(states.names()) == {"r2-b", "r3-c", "r3-c@7"}
    assert row(states, "r3-c@7") == b"r3-c@7"
    assert states.discard("r2-b")
    assert states.open("r2-b") is None
    assert states.discard("never there")


def test_a_redis_state_is_found_as_another_process_finished_it_and_stays_while_it_is_used(redis_server, tmp_path):
    stores = sf.Redis(redis_server.url)
    one, other = (open_states(stores, "shared", tmp_path) for _ in range(2))
    build(one, "r1", b"1")
    with other.building("r1") as empty:
        assert empty is None
    lease = one.lease("r1")
    assert lease.held()
    assert not other.lease("r1").held()
    assert not other.discard("r1")
    lease.release()
    assert other.discard("r1")
    one.close()
    other.close()


def test_a_lease_that_is_not_renewed_goes_to_another_and_is_not_taken_back(redis_server, monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr("sixfold.stores.redis_lease.time.monotonic", lambda: now_s[0])
    with closing(open_states(sf.Redis(redis_server.url), "leases", None)) as states:
        one, other = (RedisLease(states._server, "leases:lease") for _ in range(2))
        assert (one.held(), other.held()) == (True, False)
        now_s[0] += 2.9
        assert one.held()
        # As when the holder's renewals do not get through: the server has let the key go.
        states._server.write(lambda client: client.delete("leases:lease"))
        assert one.held()  # for as long as it may believe so
        now_s[0] += 0.6
        assert (other.held(), one.held()) == (True, False)
        other.release()
        now_s[0] += 0.6
        assert (one.held(), other.held()) == (True, False)


def test_the_log_of_a_design_is_the_one_in_its_work_folder_or_of_its_name(redis_server, tmp_path):
    with closing(open_log(sf.Lmdb(), "x", tmp_path)) as log:
        assert isinstance(log, LmdbLog)
    assert (tmp_path / "log").is_dir()
    with closing(open_log(sf.Redis(redis_server.url), "x", tmp_path)) as log:
        assert log.last() == -1


def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.startswith("sixfold.stores") and "redis" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreUnusable) as caught:
        open_log(sf.Redis("redis://cache/0"), "x", tmp_path)
    assert str(caught.value) == (
        "redis://cache/0: cannot be opened: the package redis is not installed: pip install 'sixfold[redis]'"
    )
