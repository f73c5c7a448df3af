"""Events that arrive late: training does not see them before they came, and rows stay bounded however late they are."""

from contextlib import closing
from itertools import count
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sixfold as sf
from sixfold.design.kinds import NUMBER
from sixfold.design.schema import Aggregate
from sixfold.features.batch import attach, attach_as_known
from sixfold.features.layout import layout
from sixfold.features.packed import group_space
from sixfold.features.reads import Events, Reads, attach_values
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore
from sixfold.testing import worlds

SECOND, DAY = 1_000_000, 86_400_000_000
COUNT = Aggregate("n", "count", None, None, None, None, None, None, NUMBER)
COUNTS = {"own": {"n": sf.count(), "lately": sf.count(window="1d"), "seen": sf.last("video", n=5)}}


class Arrived(worlds.Files):
    """Rows with the time at which each arrived."""

    def __init__(self, folder: Path, rows: list[worlds.Row], offsets: list[int], arrivals: list[int | None]) -> None:
        super().__init__(folder, rows, offsets)
        self._arrivals = pa.table({"offset": offsets, "arrival": pa.array(arrivals, pa.int64())})
        pq.write_table(self._arrivals, folder / "arrivals.parquet")
        self._path = folder / "arrivals.parquet"

    def sql(self, name: str) -> str:
        return f"(select * from {super().sql(name)} r join read_parquet('{self._path}') a using (\"offset\"))"


def play(time: int, video: str) -> worlds.Row:
    columns = {"viewer": "1", "topic": None, "x": 1.0, "flag": True, "label": "a", "moment": None}
    return worlds.Row("plays", {**columns, "video": video, "time": time, "known": time})


def test_training_sees_a_late_event_from_its_arrival_on_and_history_always(tmp_path):
    rows = [play(1, "7"), play(2, "8"), play(3, "9|")]
    files = Arrived(tmp_path, rows, [-1, 0, 1], [None, 50, 60])
    asked = pa.table({"time": [10, 49, 50, 59, 60], "viewer": ["1"] * 5, "video": ["7"] * 5})
    system, names = worlds.make_system(COUNTS), ["own.n", "own.lately", "own.seen"]
    with closing(duckdb.connect()) as con:
        found = attach_as_known(con, system, files, asked, names)
        everything = attach(con, system, files, asked, names)
    assert found["own.n"].to_pylist() == found["own.lately"].to_pylist() == [1, 1, 2, 2, 3]
    assert found["own.seen"].to_pylist() == [["7"], ["7"], ["7", "8"], ["7", "8"], ["7", "8", "9|"]]
    assert everything["own.n"].to_pylist() == [3] * 5


def test_a_table_version_is_seen_from_its_arrival_on(tmp_path):
    def video(author: str, valid_from: int) -> worlds.Row:
        columns = {"video": "7", "tags": [], "length": 1.0, "since": valid_from}
        return worlds.Row("videos", {**columns, "author": author, "valid_from": valid_from})

    rows = [video("p", 0), play(5, "7"), video("q\\", 10)]
    files = Arrived(tmp_path, rows, [-1, 0, 1], [None, 5, 50])
    asked = pa.table({"time": [20, 49, 50], "viewer": ["1"] * 3, "video": ["7"] * 3})
    with closing(duckdb.connect()) as con:
        found = attach_as_known(con, worlds.make_system(COUNTS), files, asked, ["videos.author"])
    assert found["videos.author"].to_pylist() == ["p", "p", "q\\"]


def test_only_what_came_late_and_what_it_overtook_is_looked_at_apart():
    """Events a second apart that arrive two seconds late, read as they happen: each read sees a prefix, and no more."""
    size, asked = 1000, []
    known, starts = np.arange(size) * SECOND, np.array([0, size])
    events = Events(known, np.arange(size), starts, [pa.array(np.ones(size))])
    reads = Reads(np.zeros(size, np.int64), known, np.arange(size) - 2)

    def values(windows, measures):
        asked.append(len(measures[0]))
        return [windows.value(COUNT, measures[0])]

    (found,) = attach_values(events, reads, values, as_served=False)
    assert found.to_pylist() == [max(i - 1.0, 0.0) for i in range(size)]
    assert asked == [size]
    # The event at 500 s comes at the end: whoever reads behind it sees the others apart.
    offsets = np.concatenate([np.arange(500), [size], np.arange(500, size - 1)])
    (found,) = attach_values(events._replace(offset_E=offsets), reads, values, as_served=False)
    assert found.to_pylist()[:501] == [max(i - 1.0, 0.0) for i in range(501)]
    assert found.to_pylist()[502:] == [i - 1.0 for i in range(502, size)]
    assert asked[1:] == [size, size + sum(range(1, 499))]


class TestRows:
    numbers = count()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _folder(cls, tmp_path_factory):
        cls.folder = tmp_path_factory.mktemp("states")

    @settings(max_examples=25)
    @given(worlds.definitions, st.integers(0, 1 << 30), st.sampled_from([0, 1, 40, 4000]))
    def test_they_stay_bounded_however_late_events_are(self, definitions, seed, days_late):
        """A tile a hop of the window and one more at each end, the entries of each list: no more, whatever comes."""
        system, many = worlds.make_system(definitions), worlds.many_rows(seed, 400)
        late = np.random.default_rng(seed).integers(0, days_late + 1, len(many)).tolist()
        rows = [
            row._replace(values={**row.values, "known": row.values["known"] - days * DAY})
            if row.source == "plays"
            else row
            for row, days in zip(many, late)
        ]
        with closing(LmdbStore(self.folder / str(next(self.numbers)), map_bytes=1 << 20)) as store:
            StateWriter(system, store).apply([worlds.record(row, i) for i, row in enumerate(rows)])
            for group in system.features.values():
                for _, row in store.scan(group_space(group.name), None, 1000):
                    assert len(row) <= most_bytes(group)


def most_bytes(group) -> int:
    own = layout(group)
    slots = own.head
    for hop, window, _, width in own.levels.tolist():
        slots += (1 if hop == 0 else window // hop + 2) * (1 + width)
    for size, _, _, distinct in own.list_limits.tolist():
        slots += 2 * (size * 41 if distinct else size)
    return 8 * slots
