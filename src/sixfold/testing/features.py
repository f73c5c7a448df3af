"""What features must be in every store and every engine: subclass a contract, define its method, and run pytest.

Random definitions, events (ties, late ones, nulls, extreme numbers, keys of every form, table versions, time zones) and
times of reading go through the store or the engine and through a brute-force oracle; all values agree as rule T10 says.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import sixfold as sf
from sixfold.design.kinds import Kind
from sixfold.features import relations
from sixfold.features.arrays import column
from sixfold.features.keys import spread
from sixfold.features.serving import Reader
from sixfold.features.state import History, StateWriter
from sixfold.stores import OnlineStore
from sixfold.testing import worlds
from sixfold.testing.brute_force import ASKED, BruteForce
from sixfold.testing.worlds import Files, Row, features_of, make_system, record

__all__ = ["FeatureEngineContract", "FeatureStoreContract"]

_DAY = 86_400_000_000
_MANY = 600
_checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.differing_executors]
_few = settings(max_examples=40, deadline=None, suppress_health_check=_checks)
_fewer = settings(max_examples=6, deadline=None, suppress_health_check=_checks)
_Definitions = Mapping[str, Mapping[str, Any]]


class FeatureStoreContract(ABC):
    """Stream state and serving over an online store. Override no test: one that cannot pass goes into `waived`."""

    waived: ClassVar[Mapping[str, str]] = {}
    """Test name to the reason why it fails, which it then must."""

    @abstractmethod
    def make(self) -> OnlineStore:
        """A new, empty store, open for writing; called many times in one test, and closed by the test."""

    @_few
    @given(worlds.definitions, st.sampled_from(worlds.ZONES), worlds.row_lists, st.data())
    def test_a_stream_in_random_batches_gives_the_values_of_the_oracle(
        self, definitions: _Definitions, zone: str, rows: list[Row], data: st.DataObject
    ) -> None:
        system, offsets = make_system(definitions, zone), list(range(len(rows)))
        with closing(self.make()) as store:
            _apply(StateWriter(system, store), rows, offsets, data)
            for now in data.draw(st.lists(worlds.times, min_size=1, max_size=2), "now"):
                check_store(system, store, rows, offsets, now)

    @_few
    @given(worlds.definitions, st.sampled_from(worlds.ZONES), worlds.row_lists, st.data())
    def test_a_build_from_history_followed_by_the_stream_gives_the_values_of_the_oracle(
        self, definitions: _Definitions, zone: str, rows: list[Row], data: st.DataObject
    ) -> None:
        system = make_system(definitions, zone)
        cut = data.draw(st.integers(0, len(rows)), "rows of history")
        offsets = [i - cut for i in range(len(rows))]
        with closing(self.make()) as store:
            writer = StateWriter(system, store)
            _build(writer, rows[:cut], offsets)
            _apply(writer, rows[cut:], offsets[cut:], data)
            for now in data.draw(st.lists(worlds.times, min_size=1, max_size=2), "now"):
                check_store(system, store, rows, offsets, now)

    @_fewer
    @given(worlds.definitions, st.integers(0, 1 << 30), st.data())
    def test_many_values_of_few_keys_give_the_values_of_the_oracle(
        self, definitions: _Definitions, seed: int, data: st.DataObject
    ) -> None:
        system, rows = make_system(definitions), worlds.many_rows(seed, _MANY)
        cut = data.draw(st.sampled_from([0, _MANY // 2]), "rows of history")
        offsets = [i - cut for i in range(len(rows))]
        with closing(self.make()) as store:
            writer = StateWriter(system, store)
            if cut:
                _build(writer, rows[:cut], offsets)
            _apply(writer, rows[cut:], offsets[cut:], data)
            for now in (12 * _DAY, 20 * _DAY, 22 * _DAY):
                check_store(system, store, rows, offsets, now)


class FeatureEngineContract(ABC):
    """Point-in-time values of many rows at once. Override no test: one that cannot pass goes into `waived`."""

    waived: ClassVar[Mapping[str, str]] = {}
    """Test name to the reason why it fails, which it then must."""

    @abstractmethod
    def attach(
        self,
        system: sf.System,
        history: History,
        rows: pa.Table,
        names: Collection[str],
        *,
        as_of_offset: NDArray[np.int64] | None = None,
        as_served: bool = False,
    ) -> pa.Table:
        """The rows with these features, as `sixfold.features.batch.attach` gives them."""

    @_few
    @given(
        worlds.definitions,
        st.sampled_from(worlds.ZONES),
        worlds.row_lists,
        st.lists(worlds.times, min_size=1, max_size=2),
    )
    def test_it_gives_the_values_of_the_oracle_at_any_time(
        self, definitions: _Definitions, zone: str, rows: list[Row], moments: list[int]
    ) -> None:
        self._check(make_system(definitions, zone), rows, moments)

    @_fewer
    @given(worlds.definitions, st.integers(0, 1 << 30))
    def test_many_values_of_few_keys_give_the_values_of_the_oracle(self, definitions: _Definitions, seed: int) -> None:
        self._check(make_system(definitions), worlds.many_rows(seed, _MANY), [3 * _DAY, 12 * _DAY, 22 * _DAY])

    @_few
    @given(worlds.definitions, worlds.row_lists, st.data(), st.booleans())
    def test_it_gives_what_was_known_and_what_was_served_at_each_rows_offset(
        self, definitions: _Definitions, rows: list[Row], data: st.DataObject, as_served: bool
    ) -> None:
        cut = data.draw(st.integers(0, len(rows)), "rows of history")
        moments = data.draw(st.lists(worlds.times, min_size=1, max_size=3), "now")
        seen = [data.draw(st.integers(-1, len(rows) - cut - 1), "seen") for _ in moments]
        self._check(make_system(definitions), rows, moments, cut=cut, seen=seen, as_served=as_served)

    @_fewer
    @given(worlds.definitions, st.integers(0, 1 << 30), st.booleans())
    def test_many_late_events_are_seen_from_their_offset_on(
        self, definitions: _Definitions, seed: int, as_served: bool
    ) -> None:
        rows, moments = worlds.many_rows(seed, _MANY), [9 * _DAY, 12 * _DAY, 15 * _DAY]
        seen = [_MANY // 2, _MANY // 2, _MANY - 50]
        self._check(make_system(definitions), rows, moments, cut=20, seen=seen, as_served=as_served)

    def _check(
        self,
        system: sf.System,
        rows: list[Row],
        moments: list[int],
        *,
        cut: int | None = None,
        seen: list[int] | None = None,
        as_served: bool = False,
    ) -> None:
        """Hold the values at these times against the oracle; from row `cut` on they are of the log, up to `seen`."""
        cut, names, count = len(rows) if cut is None else cut, features_of(system), len(ASKED["viewer"])
        offsets = [i - cut for i in range(len(rows))]
        asked = pa.table({"time": np.repeat(moments, count), **{k: v * len(moments) for k, v in ASKED.items()}})
        bound = None if seen is None else np.repeat(seen, count)
        with tempfile.TemporaryDirectory() as folder, few_pairs():
            history = Files(Path(folder), rows, offsets)
            found = self.attach(system, history, asked, names, as_of_offset=bound, as_served=as_served)
        for i, now in enumerate(moments):
            part = found.slice(i * count, count)
            there = len(rows) if seen is None else cut + seen[i] + 1
            truth = BruteForce(system, rows[:there], offsets[:there])
            with few_pairs():
                truth.check({name: part[name].to_pylist() for name in names}, now, stored=as_served)


@contextmanager
def few_pairs() -> Iterator[None]:
    """Let the two newest pairs of a key count, so that small worlds have more."""
    with mock.patch.object(relations, "NEWEST", 2):
        yield


def check_store(system: sf.System, store: OnlineStore, rows: list[Row], offsets: list[int], now: int) -> None:
    """Hold what serving reads of `ASKED` at `now` against the oracle.

    Raises:
        AssertionError: a value differs.
    """
    base = {
        entity: column(Kind("text", is_list=entity == "topic", domain=entity), keys) for entity, keys in ASKED.items()
    }
    names = features_of(system)
    with few_pairs():
        found = Reader(system, store).columns(names, base, now)
        values = {name: spread(found[name], len(ASKED["viewer"])).to_list() for name in names}
        BruteForce(system, rows, offsets).check(values, now, stored=True)


def _build(writer: StateWriter, rows: list[Row], offsets: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(duckdb.connect(config={"threads": 1})) as con:
        writer.build(con, Files(Path(folder), rows, offsets))


def _apply(writer: StateWriter, rows: list[Row], offsets: list[int], data: st.DataObject) -> None:
    """The rows in batches of random sizes, now and then one that was applied already."""
    records = [record(row, offset) for row, offset in zip(rows, offsets)]
    done = 0
    while done < len(records):
        size = data.draw(st.integers(1, len(records) - done), "batch")
        again = data.draw(st.integers(0, min(done, 2)), "applied already")
        writer.apply(records[done - again : done + size])
        done += size
