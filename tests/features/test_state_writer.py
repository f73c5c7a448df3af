"""What the state writer does at its edges: batches run twice, strange keys, other definitions, table versions."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pytest

import sixfold as sf
from sixfold.design.kinds import Kind
from sixfold.errors import StateMismatch, StateNotEmpty, StateUnfinished
from sixfold.features.arrays import column
from sixfold.features.layout import layout
from sixfold.features.packed import group_space, row_keys, unpack
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore, Record

HOUR, DAY = 3_600_000_000, 86_400_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    with closing(LmdbStore(tmp_path / "state", map_bytes=1 << 20)) as opened:
        yield opened


def system(**features: Any) -> sf.System:
    reader, book, topic = sf.Entity("reader"), sf.Entity("book"), sf.Entity("topic")
    books = sf.Table("books", [], book.key(), pages=sf.Number(), kind=sf.Category())
    reads = sf.Events(
        "reads",
        [],
        reader.key(),
        book.key(),
        topic.keys(),
        time=sf.Time(unit="us"),
        minutes=sf.Number(),
        done=sf.Flag(),
    )
    own = features or {"n_1d": sf.count(window="1d"), "books": sf.last("book", n=3), "idle_s": sf.since_last()}
    liking = sf.Features("liking", (reader, topic), reads, n=sf.count())
    pages = sf.Features("pages", reader, reads, total=sf.sum("books.pages"), kind=sf.last("books.kind"))
    done = sf.Label("done", "done")
    trees = sf.Trees("trees", inputs=[books.pages], heads=[sf.Binary(done)])
    return sf.System(
        "reading",
        sf.Requirements(goal="test", p99_ms=50),
        sf.Framing(query=reader, item=book, examples=reads, labels=[done]),
        sf.Data(books, reads, sf.Features("own", reader, reads, **own), liking, pages),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(done)"]),
        sf.Deployment(predict=trees, value="done"),
    )


def read(offset: int, time: int, **values: Any) -> Record:
    row = {"reader": "r", "book": "b", "topic": None, "minutes": None, "done": None, "time": time, "known": time}
    return Record(offset, time, "reads", time, msgspec.msgpack.encode({**row, **values}))


def book(offset: int, arrival: int, **values: Any) -> Record:
    row = {"book": "b", "pages": None, "kind": None, "valid_from": None}
    return Record(offset, arrival, "books", arrival, msgspec.msgpack.encode({**row, **values}))


# In a process of its own: what this one has loaded is there already.
WARM = """
import sys
from pathlib import Path
from sixfold.features import _kernels
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore
from test_state_writer import HOUR, read, system
store = LmdbStore(Path(sys.argv[1]), map_bytes=1 << 20)
writer = StateWriter(system(), store)
print(len(_kernels.fold.signatures))
writer.warm_up()
print(len(_kernels.fold.signatures), writer.offset, store.offset(), store.scan("own", None, 9))
writer.apply([read(0, HOUR, topic=["t"]), read(1, HOUR)])
print(len(_kernels.fold.signatures), writer.offset)
store.close()
"""


def test_a_writer_that_was_warmed_up_has_all_that_its_first_event_needs_and_changed_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WARM, str(tmp_path / "state")]
    ran = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines() == ["0", "1 -1 -1 []", "1 1"], ran.stderr


def test_a_writer_is_warmed_up_where_keys_are_found_through_two_empty_tables(store: LmdbStore) -> None:
    reader, book, author, house = (sf.Entity(name) for name in ("reader", "book", "author", "house"))
    books = sf.Table("books", [], book.key(), author=author.key())
    authors = sf.Table("authors", [], author.key(), house=house.key(), born=sf.Number())
    reads = sf.Events("reads", [], reader.key(), book.key(), time=sf.Time(unit="us"), done=sf.Flag())
    sold, done = sf.Features("sold", house, reads, n=sf.count()), sf.Label("done", "done")
    trees = sf.Trees("trees", inputs=[sold], heads=[sf.Binary(done)])
    made = sf.System(
        "houses",
        sf.Requirements(goal="test"),
        sf.Framing(query=reader, item=book, examples=reads, labels=[done]),
        sf.Data(books, authors, reads, sold),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(done)"]),
        sf.Deployment(predict=trees, value="done"),
    )
    StateWriter(made, store).warm_up()
    assert Reader(made, store).group("sold", ["h"], DAY) == {"n": 0.0}


def test_a_new_key_has_the_values_of_no_event(store: LmdbStore) -> None:
    found = Reader(system(), store).group("own", ["nobody"], DAY)
    assert found == {"n_1d": 0.0, "books": [], "idle_s": None}


def test_an_event_counts_after_its_own_time_and_not_at_it(store: LmdbStore) -> None:
    StateWriter(system(), store).apply([read(0, HOUR)])
    reader = Reader(system(), store)
    assert reader.group("own", ["r"], 2 * HOUR) == {"n_1d": 1.0, "books": ["b"], "idle_s": 3600.0}
    # Asked for the past, the store answers just after what it has applied.
    assert reader.group("own", ["r"], 0) == {"n_1d": 1.0, "books": ["b"], "idle_s": 1e-6}


def test_records_sent_again_change_nothing(store: LmdbStore) -> None:
    records = [read(0, HOUR), read(1, 2 * HOUR, book="c")]
    writer = StateWriter(system(), store)
    writer.apply(records)
    writer.apply(records)
    StateWriter(system(), store).apply([*records, read(2, 3 * HOUR, book="d")])
    assert Reader(system(), store).group("own", ["r"], 4 * HOUR)["books"] == ["b", "c", "d"]
    assert store.offset() == 2


def test_records_of_unknown_streams_only_move_the_offset(store: LmdbStore) -> None:
    writer = StateWriter(system(), store)
    writer.apply([Record(0, 0, "answers", 0, b"not even msgpack")])
    assert (writer.offset, store.offset()) == (0, 0)


def test_of_equal_times_the_later_offset_is_last(store: LmdbStore) -> None:
    writer = StateWriter(system(), store)
    writer.apply([read(0, HOUR, book="x"), read(1, HOUR, book="y")])
    writer.apply([read(2, HOUR, book="z"), read(3, HOUR - 1, book="early")])
    assert Reader(system(), store).group("own", ["r"], DAY)["books"] == ["x", "y", "z"]


def test_a_list_key_counts_once_for_each_different_element(store: LmdbStore) -> None:
    StateWriter(system(), store).apply([read(0, 1, topic=["art", "sea", "art"]), read(1, 2, topic=[])])
    reader = Reader(system(), store)
    assert [reader.group("liking", ["r", topic], DAY)["n"] for topic in ("art", "sea", "")] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("key", ["", "a|b", "a\\", "é" * 300, "x" * 5000])
def test_any_text_can_be_a_key(store: LmdbStore, key: str) -> None:
    StateWriter(system(), store).apply([read(0, 1, reader=key, topic=[key], book=key)])
    reader = Reader(system(), store)
    assert reader.group("own", [key], DAY)["books"] == [key]
    assert reader.group("liking", [key, key], DAY)["n"] == 1.0


def test_joined_keys_are_unambiguous(store: LmdbStore) -> None:
    StateWriter(system(), store).apply([read(0, 1, reader="a|b", topic=["c"]), read(1, 1, reader="a", topic=["c"])])
    reader = Reader(system(), store)
    pairs = [("a|b", "c"), ("a", "b|c"), ("a", "c")]
    assert [reader.group("liking", list(pair), DAY)["n"] for pair in pairs] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("sizes", [[4], [1, 1, 1, 1], [2, 2], [1, 3]])
def test_an_event_reads_the_table_as_the_log_had_it_before(store: LmdbStore, sizes: list[int]) -> None:
    records = [read(0, 5), book(1, 3, pages=10.0, kind="old"), read(2, 6), book(3, 4, pages=100.0, kind="new")]
    writer = StateWriter(system(), store)
    for size in sizes:
        writer.apply(records[:size])
        records = records[size:]
    assert Reader(system(), store).group("pages", ["r"], DAY) == {"total": 10.0, "kind": "old"}
    writer.apply([read(4, 7)])
    assert Reader(system(), store).group("pages", ["r"], DAY) == {"total": 110.0, "kind": "new"}


def test_old_tiles_and_entries_leave_the_row(store: LmdbStore) -> None:
    design = system(n=sf.count(window="1h"), books=sf.last("book", n=100, window="1h"))
    writer, own = StateWriter(design, store), layout(design.features["own"])
    sizes = []
    for offset in range(100):
        writer.apply([read(offset, offset * HOUR // 10)])
        sizes.append(len(unpack(store.get(group_space("own"), row_keys(["r"])), own)[0]))
    assert max(sizes[50:]) == sizes[20] < own.head + 12 * 4
    found = Reader(design, store).group("own", ["r"], 100 * HOUR // 10)
    assert (found["n"], len(found["books"])) == (10.0, 10)


def test_a_store_of_other_definitions_is_refused(store: LmdbStore) -> None:
    StateWriter(system(), store).apply([read(0, 1)])
    with pytest.raises(StateMismatch) as caught:
        StateWriter(system(n=sf.count(window="2d")), store)
    assert str(caught.value) == (
        "the online store was made for other definitions than the design's. "
        "Build the state again from history and the log."
    )
    with pytest.raises(StateMismatch):
        Reader(system(n=sf.count(window="2d")), store)


class Broken:
    """History whose stream cannot be read."""

    offset = -1

    def sql(self, name: str) -> str:
        if name == "reads":
            raise OSError("gone")
        return "(select '' as book, 1.0 as pages, '' as kind, 0 as valid_from, 0 as \"offset\" where false)"


def test_a_build_needs_an_empty_store_and_half_a_build_is_refused(store: LmdbStore, tmp_path: Path) -> None:
    StateWriter(system(), store).apply([read(0, 1)])
    with closing(duckdb.connect()) as con, pytest.raises(StateNotEmpty) as caught:
        StateWriter(system(), store).build(con, Broken())
    assert str(caught.value) == (
        "the online store holds state already (log offset 0); a build from history needs an empty one"
    )
    with closing(LmdbStore(tmp_path / "half", map_bytes=1 << 20)) as half:
        with closing(duckdb.connect()) as con, pytest.raises(OSError, match="gone"):
            StateWriter(system(), half).build(con, Broken())
        with pytest.raises(StateUnfinished, match="half of a build"):
            StateWriter(system(), half)


def test_a_commit_that_fails_leaves_the_writer_usable(store: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = StateWriter(system(), store)
    with monkeypatch.context() as broken:
        broken.setattr(LmdbStore, "commit", _fails)
        with pytest.raises(OSError, match="disk"):
            writer.apply([read(0, 1, book="lost"), book(1, 1, pages=5.0)])
    writer.apply([read(0, 1, book="kept"), read(1, 2, book="too")])
    assert Reader(system(), store).group("own", ["r"], DAY)["books"] == ["kept", "too"]
    assert Reader(system(), store).group("pages", ["r"], DAY)["total"] == 0.0


def test_what_depends_on_the_query_alone_has_one_row(store: LmdbStore) -> None:
    StateWriter(system(), store).apply([book(0, 1, pages=10.0), read(1, 2), book(2, 1, book="c", pages=20.0)])
    base = {
        "reader": column(Kind("text", domain="reader"), ["r"]),
        "book": column(Kind("text", domain="book"), ["b", "c", None, "unknown"]),
    }
    found = Reader(system(), store).columns(["own.n_1d", "own.books", "books.pages"], base, DAY)
    assert found["own.n_1d"].to_list() == [1.0]
    assert found["own.books"].to_list() == [["b"]]
    assert found["books.pages"].to_list() == [10.0, 20.0, None, None]
    assert "own.idle_s" not in found


def test_columns_that_the_caller_brings_are_taken(store: LmdbStore) -> None:
    StateWriter(system(), store).apply([book(0, 1, pages=10.0)])
    brought = column(Kind("number"), [7.0])
    base = {"reader": column(Kind("text"), ["r"]), "book": column(Kind("text"), ["b"]), "books.pages": brought}
    assert Reader(system(), store).columns(["books.pages"], base, DAY)["books.pages"] is brought


def _fails(*_: Any, **__: Any) -> None:
    raise OSError("disk")


def test_numbers_flags_and_times_come_back_as_they_went_in(store: LmdbStore) -> None:
    design = system(minutes=sf.last("minutes"), done=sf.last("done"), when=sf.last("reads.time", n=2))
    StateWriter(design, store).apply([read(0, -5, minutes=0.1, done=True), read(1, 2**40, minutes=None, done=False)])
    found = Reader(design, store).group("own", ["r"], 2**41)
    assert found == {"minutes": 0.1, "done": False, "when": [-5, 2**40]}
    assert isinstance(found["done"], bool | np.bool_)
