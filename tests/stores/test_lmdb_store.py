import pickle
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest

from sixfold.errors import SnapshotLost, StoreBusy, StoreFailed, StoreTorn, StoreUnusable
from sixfold.stores import LmdbLog, LmdbStore, OnlineStore, was_torn
from sixfold.testing.stores import OnlineStoreContract, SnapshotsContract

FIX_SHARE = "Share the object that has it open."


class TestLmdbStore(OnlineStoreContract, SnapshotsContract):
    numbers = count()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _folder(cls, tmp_path_factory):
        cls.folder = tmp_path_factory.mktemp("stores")

    def make(self) -> OnlineStore:
        return LmdbStore(self.folder / str(next(self.numbers)), map_bytes=1 << 20)


def test_a_store_opened_again_holds_everything(tmp_path):
    store = LmdbStore(tmp_path)
    store.commit([("a", b"x", b"1"), ("b", b"y", b"2")], offset=7)
    store.put_meta("fingerprint", b"f")
    store.close()
    store = LmdbStore(tmp_path)
    assert (store.get("a", [b"x"]), store.get("b", [b"y"])) == ([b"1"], [b"2"])
    assert (store.offset(), store.get_meta("fingerprint")) == (7, b"f")
    store.close()


def test_a_small_map_grows_until_the_rows_fit(tmp_path):
    rows = [("a", n.to_bytes(4, "big"), bytes([n % 251]) * 1000) for n in range(5_000)]
    store = LmdbStore(tmp_path, map_bytes=64 << 10)
    store.commit([("a", b"first", b"1")], offset=0)
    store.commit(rows, offset=1)
    assert store.get("a", [key for _, key, _ in rows]) == [row for _, _, row in rows]
    assert (store.get("a", [b"first"]), store.offset()) == ([b"1"], 1)
    store.close()


def test_threads_read_on_while_the_map_grows_under_them(tmp_path):
    store = LmdbStore(tmp_path, map_bytes=64 << 10)
    store.commit([("a", b"x", b"\0"), ("a", b"y", b"\0")], offset=0)
    torn, done = [], threading.Event()

    def read():
        while not done.is_set():
            x, y = store.get("a", [b"x", b"y"])
            if x != y:
                torn.append((x, y))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(1, 60):
        row = bytes([n]) * 20_000
        store.commit([("a", b"x", row), ("a", b"y", row), ("a", bytes([n]), row)], offset=n)
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []
    store.close()


READER = """
import sys
from sixfold.stores import LmdbStore
store = LmdbStore(sys.argv[1], map_bytes=1 << 16, readonly=True)
for line in sys.stdin:
    rows = store.get("a", [bytes([n]) for n in range(int(line) + 1)])
    print(store.offset(), sum(len(row) for row in rows), flush=True)
"""


def test_a_reader_in_another_process_sees_each_commit_and_a_grown_map(tmp_path):
    store = LmdbStore(tmp_path, map_bytes=64 << 10)
    command = [sys.executable, "-c", READER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        for n in range(20):
            store.commit([("a", bytes([n]), b"r" * 30_000)], offset=n)
            reader.stdin.write(f"{n}\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{n} {30_000 * (n + 1)}\n"
        reader.stdin.close()
    store.close()


SNAPSHOT = """
import sys
from sixfold.stores import LmdbStore
store = LmdbStore(sys.argv[1], map_bytes=1 << 16, readonly=True)
with store.snapshot() as snapshot:
    print("taken", flush=True)
    sys.stdin.readline()
    print(snapshot.offset(), [(key, len(row)) for key, row in snapshot.scan("a", None, 100)])
"""


def test_a_snapshot_in_another_process_stands_while_the_writer_goes_on_and_grows(tmp_path):
    store = LmdbStore(tmp_path, map_bytes=64 << 10)
    store.commit([("a", b"x", b"1")], offset=3)
    command = [sys.executable, "-c", SNAPSHOT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "taken\n"
        for n in range(4, 30):
            store.commit([("a", b"x", bytes(30_000)), ("a", bytes([n]), bytes(30_000))], offset=n)
        said, _ = reader.communicate("go on\n")
    assert said == "3 [(b'x', 1)]\n"
    store.close()


def test_a_snapshot_gives_way_to_a_map_that_must_grow(tmp_path):
    store = LmdbStore(tmp_path, map_bytes=64 << 10)
    store.commit([("a", b"x", b"1")], offset=0)
    grown = threading.Thread(target=lambda: store.commit([("a", b"y", bytes(200_000))], offset=1))

    def read_on():
        with store.snapshot() as snapshot:
            grown.start()
            for _ in range(1_000_000):
                assert snapshot.scan("a", None, 10) == [(b"x", b"1")]

    with pytest.raises(SnapshotLost) as caught:
        read_on()
    assert str(caught.value) == (
        f"{tmp_path}: the snapshot was let go, since the store had to grow or to close. Take another one."
    )
    grown.join()
    with store.snapshot() as snapshot:
        assert [key for key, _ in snapshot.scan("a", None, 10)] == [b"x", b"y"]
    store.close()


def test_a_second_opening_in_this_process_is_refused_even_through_a_link(tmp_path):
    store = LmdbStore(tmp_path / "state")
    (tmp_path / "link").symlink_to(tmp_path / "state")
    for path in (tmp_path / "state", tmp_path / "link"):
        for readonly in (False, True):
            with pytest.raises(StoreBusy) as caught:
                LmdbStore(path, readonly=readonly)
            assert str(caught.value) == f"{path}: is open already in this process. {FIX_SHARE}"
    assert store.offset() == -1
    store.close()
    LmdbStore(tmp_path / "link").close()


def test_a_second_writer_in_another_process_is_refused(tmp_path):
    store = LmdbStore(tmp_path)
    code = f"from sixfold.stores import LmdbStore; LmdbStore({str(tmp_path)!r})"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    fix = "One process writes; open it with readonly=True to read beside it."
    assert second.stderr.endswith(f"StoreBusy: {tmp_path}: is open already in another writer. {fix}\n")
    store.close()


def test_a_store_dropped_without_closing_lets_go_of_its_lock(tmp_path):
    store = LmdbStore(tmp_path)
    store.commit([("a", b"x", b"1")], offset=3)
    del store
    store = LmdbStore(tmp_path)
    assert store.offset() == 3
    store.close()


def test_a_state_open_when_the_machine_stopped_is_torn(tmp_path):
    store = LmdbStore(tmp_path)
    store.commit([("a", b"x", b"1")], offset=0)
    written_in_this_boot = (tmp_path / "state.mark").read_text()
    store.close()
    (tmp_path / "state.mark").write_text(written_in_this_boot)
    assert not was_torn(tmp_path)
    (tmp_path / "state.mark").write_text("another boot")
    assert was_torn(tmp_path)
    for readonly in (False, True):
        with pytest.raises(StoreTorn) as caught:
            LmdbStore(tmp_path, readonly=readonly)
    assert str(caught.value) == (
        f"{tmp_path}: the machine stopped while this state was not yet on the disk, so it cannot be trusted. "
        "Delete the folder and build it again from history and the log."
    )


def test_the_mark_is_clean_after_a_checkpoint_until_the_next_commit(tmp_path):
    store = LmdbStore(tmp_path)
    mark = tmp_path / "state.mark"
    dirty = mark.read_text()
    store.checkpoint()
    assert mark.read_text() == "clean"
    store.commit([], offset=0)
    assert mark.read_text() == dirty != "clean"
    store.close()
    assert mark.read_text() == "clean"
    LmdbStore(tmp_path).close()
    assert mark.read_text() == "clean"


def test_a_folder_that_is_not_there_was_not_torn(tmp_path):
    assert not was_torn(tmp_path / "nothing")


def test_a_read_only_store_refuses_to_write(tmp_path):
    LmdbStore(tmp_path).close()
    store = LmdbStore(tmp_path, readonly=True)
    with pytest.raises(StoreFailed) as caught:
        store.commit([], offset=0)
    assert str(caught.value) == f"{tmp_path}: could not write: it was opened to be read only"
    store.close()


def junk(path: Path) -> Path:
    path.mkdir()
    (path / "data.mdb").write_bytes(b"junk" * 5_000)
    return path


def cut_short(path: Path) -> Path:
    store = LmdbStore(path)
    store.commit([("a", bytes([n]), b"r" * 5_000) for n in range(50)], offset=0)
    store.close()
    with (path / "data.mdb").open("r+b") as file:
        file.truncate(20_000)
    return path


def of_a_log(path: Path) -> Path:
    LmdbLog(path).close()
    return path


def a_file(path: Path) -> Path:
    path.write_text("")
    return path


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (junk, "MDB_INVALID: File is not an LMDB file"),
        (cut_short, "data.mdb is damaged: it was cut short"),
        (of_a_log, "expected sixfold state 1, it holds sixfold log 1"),
        (a_file, "File exists"),
        (lambda path: a_file(path) / "state", "Not a directory"),
    ],
)
def test_what_is_no_store_is_one_clear_error(tmp_path, spoil, reason):
    path = spoil(tmp_path / "state")
    with pytest.raises(StoreUnusable) as caught:
        LmdbStore(path)
    assert str(caught.value) == f"{path}: cannot be opened: {reason}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_reading_where_nothing_is_makes_nothing(tmp_path):
    with pytest.raises(StoreUnusable) as caught:
        LmdbStore(tmp_path / "state", readonly=True)
    assert str(caught.value) == f"{tmp_path / 'state'}: cannot be opened: No such file or directory"
    assert not (tmp_path / "state").exists()


WITHOUT_RIGHTS = """
import os, sys
from sixfold.errors import StoreUnusable
from sixfold.stores import LmdbStore
if os.geteuid() == 0:
    os.setuid(65534)
try:
    LmdbStore(sys.argv[1])
except StoreUnusable as error:
    print(error.reason)
"""


def test_a_folder_without_permission_is_one_clear_error(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o555)
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, str(folder)], capture_output=True, text=True, check=True
    )
    assert said.stdout == "Permission denied\n"
