"""A buffer in front of a store shows what the store itself would, and leaves the same rows there."""

from contextlib import closing
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sixfold.features.buffered import Buffered
from sixfold.stores import LmdbStore

SPACES, KEYS = ("a", "ab", "b"), st.binary(max_size=2)
ROWS = st.lists(st.tuples(st.sampled_from(SPACES), KEYS, st.none() | st.binary(max_size=40)), max_size=8)
numbers = count()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.lists(st.tuples(ROWS, st.sampled_from(["get", "scan", "flush", "nothing"])), max_size=8), st.data())
def test_it_shows_and_leaves_what_the_store_itself_would(tmp_path, before, commits, data):
    plain, below = (LmdbStore(tmp_path / f"{next(numbers)}", map_bytes=1 << 20) for _ in range(2))
    with closing(plain), closing(below):
        for store in (plain, below):
            store.commit(before, offset=0)
        buffered = Buffered(below, max_bytes=data.draw(st.sampled_from([0, 100, 1 << 20])))
        for offset, (rows, act) in enumerate(commits, 1):
            plain.commit(rows, offset=offset)
            buffered.commit(iter(rows), offset=offset)
            assert buffered.offset() == offset
            for space in SPACES:
                if act == "get":
                    keys = data.draw(st.lists(KEYS, max_size=4))
                    assert buffered.get(space, keys) == plain.get(space, keys)
                if act == "scan":
                    assert buffered.scan(space, b"\0", 5) == plain.scan(space, b"\0", 5)
            if act == "flush":
                buffered.flush()
        buffered.close()
        assert below.offset() == plain.offset()
        for space in SPACES:
            assert below.scan(space, None, 1000) == plain.scan(space, None, 1000)


@pytest.mark.parametrize(("max_bytes", "below"), [(1_000_000, 0), (3_000, 8)])
def test_it_keeps_no_more_than_it_may(tmp_path, max_bytes, below):
    with closing(LmdbStore(tmp_path / "state", map_bytes=1 << 20)) as store:
        buffered = Buffered(store, max_bytes=max_bytes)
        for n in range(10):
            buffered.commit([("a", bytes([n]), bytes(400))], offset=n)
        assert len(store.scan("a", None, 100)) == below
