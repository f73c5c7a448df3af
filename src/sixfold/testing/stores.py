"""What every online store must do: subclass `OnlineStoreContract`, define `make()`, and run pytest."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from typing import ClassVar, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sixfold.errors import InvalidKey, OffsetBehind, StateMoved, StoreClosed
from sixfold.stores import MAX_KEY_BYTES, OnlineStore, Row, Snapshots

__all__ = ["OnlineStoreContract", "SnapshotsContract"]

_SPACES = ("a", "ab", "b")
_KEYS = st.binary(max_size=3)
_COMMITS = st.lists(
    st.lists(st.tuples(st.sampled_from(_SPACES), _KEYS, st.none() | st.binary(max_size=4)), max_size=8), max_size=6
)
# One test runs for several backends: that is what a contract is for.
_CHECKS = [HealthCheck.differing_executors]


class OnlineStoreContract(ABC):
    """The tests of `sixfold.stores.OnlineStore`. Override none of them: one that cannot pass goes into `waived`."""

    waived: ClassVar[Mapping[str, str]] = {}
    """Test name to the reason why it fails, which it then must."""

    @abstractmethod
    def make(self) -> OnlineStore:
        """A new, empty store, open for writing; called many times in one test, and closed by the test."""

    def test_a_new_store_is_empty_at_offset_minus_one(self) -> None:
        with closing(self.make()) as store:
            assert store.offset() == -1
            assert store.get("a", [b"x"]) == [None]
            assert store.scan("a", None, 10) == []
            assert store.get_meta("fingerprint") is None

    def test_answers_follow_the_order_of_the_keys(self) -> None:
        with closing(self.make()) as store:
            store.commit([("a", b"x", b"1"), ("a", b"y", b"2")], offset=0)
            assert store.get("a", [b"y", b"z", b"x", b"y"]) == [b"2", None, b"1", b"2"]
            assert store.get("a", [b"y", b"x", b"y"]) == [b"2", b"1", b"2"]
            assert store.get("a", []) == []

    def test_of_equal_keys_in_one_commit_the_last_row_wins(self) -> None:
        with closing(self.make()) as store:
            store.commit([("a", b"x", b"1"), ("a", b"x", b"2"), ("a", b"y", b"1"), ("a", b"y", None)], offset=0)
            assert store.get("a", [b"x", b"y"]) == [b"2", None]

    def test_an_empty_row_is_not_a_missing_row(self) -> None:
        with closing(self.make()) as store:
            store.commit([("a", b"", b"")], offset=0)
            assert store.get("a", [b"", b"x"]) == [b"", None]

    def test_a_lower_offset_is_refused_and_changes_nothing(self) -> None:
        with closing(self.make()) as store:
            store.commit([("a", b"x", b"1")], offset=5)
            store.commit([("a", b"y", b"1")], offset=5)
            with pytest.raises(OffsetBehind) as caught:
                store.commit([("a", b"x", b"2")], offset=4)
            assert (caught.value.offset, caught.value.applied) == (4, 5)
            assert (store.get("a", [b"x", b"y"]), store.offset()) == ([b"1", b"1"], 5)

    def test_rows_made_after_another_offset_are_refused_and_change_nothing(self) -> None:
        with closing(self.make()) as store:
            store.commit([("a", b"x", b"1")], offset=5, after=-1)
            with pytest.raises(StateMoved) as caught:
                store.commit([("a", b"x", b"2")], offset=7, after=3)
            assert (caught.value.after, caught.value.applied) == (3, 5)
            assert (store.get("a", [b"x"]), store.offset()) == ([b"1"], 5)
            store.commit([("a", b"x", b"3")], offset=7, after=5)
            assert (store.get("a", [b"x"]), store.offset()) == ([b"3"], 7)

    def test_a_commit_that_fails_while_its_rows_are_made_changes_nothing(self) -> None:
        with closing(self.make()) as store:
            with pytest.raises(InvalidKey):
                store.commit([("a", b"x", b"1"), ("a", b"k" * (MAX_KEY_BYTES + 1), b"1")], offset=1)
            assert (store.get("a", [b"x"]), store.offset()) == ([None], -1)

    def test_the_longest_key_and_space_are_kept_and_longer_ones_refused(self) -> None:
        space, key = "s" * 100, b"k" * MAX_KEY_BYTES
        with closing(self.make()) as store:
            store.commit([(space, key, b"1")], offset=0)
            assert store.get(space, [key]) == [b"1"]
            for bad_space, bad_key in [(space, key + b"k"), (space + "s", key), ("", key), ("a\0b", key)]:
                with pytest.raises(InvalidKey):
                    store.get(bad_space, [bad_key])

    def test_meta_is_apart_from_rows_and_replaced(self) -> None:
        with closing(self.make()) as store:
            store.put_meta("fingerprint", b"1")
            store.put_meta("fingerprint", b"2")
            store.commit([("fingerprint", b"", b"3")], offset=0)
            assert store.get_meta("fingerprint") == b"2"
            assert store.offset() == 0

    def test_a_closed_store_says_so_and_may_be_closed_again(self) -> None:
        store = self.make()
        store.close()
        store.close()
        with pytest.raises(StoreClosed):
            store.get("a", [b"x"])
        with pytest.raises(StoreClosed):
            store.commit([], offset=0)

    @settings(deadline=None, max_examples=60, suppress_health_check=_CHECKS)
    @given(_COMMITS, st.lists(_KEYS, max_size=8))
    def test_it_holds_what_a_dict_would(self, commits: list[list[Row]], keys: list[bytes]) -> None:
        expected: dict[str, dict[bytes, bytes]] = {space: {} for space in _SPACES}
        with closing(self.make()) as store:
            for offset, rows in enumerate(commits):
                store.commit(iter(rows), offset=offset)
                for space, key, row in rows:
                    if row is None:
                        expected[space].pop(key, None)
                    else:
                        expected[space][key] = row
                assert store.offset() == offset
            for space, held in expected.items():
                assert store.get(space, keys) == [held.get(key) for key in keys]
                assert store.scan(space, None, 1000) == sorted(held.items())

    @settings(deadline=None, max_examples=30, suppress_health_check=_CHECKS)
    @given(st.dictionaries(_KEYS, st.binary(max_size=2)), st.integers(1, 3))
    def test_scanning_page_by_page_meets_each_row_of_its_space_once(self, held: dict[bytes, bytes], limit: int) -> None:
        with closing(self.make()) as store:
            store.commit([(space, key, row) for space in _SPACES for key, row in held.items()], offset=0)
            met: list[tuple[bytes, bytes]] = []
            while page := store.scan("ab", met[-1][0] if met else None, limit):
                assert len(page) <= limit
                met += page
            assert met == sorted(held.items())


class SnapshotsContract(ABC):
    """The tests of `sixfold.stores.Snapshots`, for a store that has this power."""

    @abstractmethod
    def make(self) -> OnlineStore:
        """A new, empty store that has it; called many times in one test, and closed by the test."""

    def test_a_snapshot_of_a_new_store_is_empty(self) -> None:
        with closing(self.make()) as store, _snapshots(store).snapshot() as snapshot:
            assert snapshot.offset() == -1
            assert snapshot.scan("a", None, 10) == []
            assert snapshot.get_meta("fingerprint") is None

    def test_a_snapshot_does_not_see_what_is_committed_after_it(self) -> None:
        with closing(self.make()) as store:
            store.commit([("a", b"x", b"1"), ("a", b"y", b"1")], offset=3)
            store.put_meta("fact", b"1")
            with _snapshots(store).snapshot() as snapshot:
                assert snapshot.scan("a", None, 1) == [(b"x", b"1")]
                store.commit([("a", b"x", b"2"), ("a", b"y", None), ("a", b"z", b"2")], offset=4)
                store.put_meta("fact", b"2")
                assert snapshot.scan("a", b"x", 10) == [(b"y", b"1")]
                assert (snapshot.offset(), snapshot.get_meta("fact")) == (3, b"1")
            with _snapshots(store).snapshot() as snapshot:
                assert snapshot.scan("a", None, 10) == [(b"x", b"2"), (b"z", b"2")]
                assert (snapshot.offset(), snapshot.get_meta("fact")) == (4, b"2")

    def test_a_space_is_met_whole_and_alone_page_by_page(self) -> None:
        rows = [(space, bytes([n]), bytes([n, 1])) for space in _SPACES for n in range(7)]
        with closing(self.make()) as store:
            store.commit(rows, offset=0)
            with _snapshots(store).snapshot() as snapshot:
                met: list[tuple[bytes, bytes]] = []
                while page := snapshot.scan("ab", met[-1][0] if met else None, 3):
                    met += page
            assert met == [(key, row) for space, key, row in rows if space == "ab"]


def _snapshots(store: OnlineStore) -> Snapshots:
    return cast(Snapshots, store)
