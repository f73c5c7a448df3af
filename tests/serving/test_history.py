"""States are built beside those in use: what is lost, left behind or already there when one is made."""

from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from shop_release import DESIGN

from sixfold.data.ingest import ingest
from sixfold.data.ingested import Ingested
from sixfold.design import load
from sixfold.errors import SnapshotLost, StoreBusy
from sixfold.features.packed import group_space
from sixfold.features.serving import Reader
from sixfold.serving.history import make_state, newest_or_logged_us, open_state
from sixfold.stores import LmdbLog, LmdbStore, NewEvent
from sixfold.stores.lmdb_states import LmdbStates

NOW = 1_800_000_000_000_000
SPACE = group_space("demand")


class Growing:
    """A store whose snapshots are lost so many times, as when it has to grow."""

    def __init__(self, store, lost):
        self.store, self.lost = store, lost

    @contextmanager
    def snapshot(self):
        with self.store.snapshot() as snapshot:
            yield _Lost(self, snapshot)


class _Lost:
    def __init__(self, growing, snapshot):
        self.growing, self.snapshot = growing, snapshot
        self.offset, self.get_meta = snapshot.offset, snapshot.get_meta

    def scan(self, space, after, limit):
        if space == SPACE and self.growing.lost:
            self.growing.lost -= 1
            raise SnapshotLost(path="state")
        return self.snapshot.scan(space, after, limit)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "items.csv").write_text("item_id,shop_id,price,listed\ni1,s1,1,yes\ni2,s1,2,yes\n")
    (folder / "persons.csv").write_text("person_id,city\np1,Rome\n")
    visits = [f"p1,i{n % 2 + 1},{1_714_500_000 + n},home,{n % 3 == 0}" for n in range(50)]
    (folder / "visits.csv").write_text("\n".join(["person_id,item_id,at,page,bought", *visits]) + "\n")
    return folder


@pytest.fixture
def world(data, tmp_path):
    """A design, its work folder with ingested data, the history and the log."""
    system = load(DESIGN)
    ingest(system, data, tmp_path / "ingested", now_us=NOW)
    with closing(LmdbLog(tmp_path / "log", map_bytes=1 << 20)) as log:
        yield system, tmp_path, Ingested.of(system, tmp_path / "ingested"), log


def rows(folder: Path) -> list[tuple[bytes, bytes]]:
    with closing(LmdbStore(folder)) as store:
        return store.scan(SPACE, None, 100)


@pytest.mark.parametrize(("lost", "taken_over"), [(0, True), (2, True), (9, False)])
def test_a_snapshot_that_is_lost_is_taken_again_and_after_some_the_state_is_made_from_history(world, lost, taken_over):
    system, workdir, history, log = world
    first = make_state(system, workdir, "r1-a", history, states=LmdbStates(workdir / "state"), log=log)
    assert first.taken_over == set()
    with closing(LmdbStore(workdir / "state" / "r1-a")) as old:
        built = make_state(
            system, workdir, "r2-b", history, states=LmdbStates(workdir / "state"), log=log, beside=Growing(old, lost)
        )
    assert (built.anew == set()) == taken_over
    assert rows(workdir / "state" / "r2-b") == rows(workdir / "state" / "r1-a") != []
    assert [path.name for path in (workdir / "state").glob(".*")] == []


def test_what_a_build_that_was_cut_off_left_is_no_part_of_the_next(world):
    system, workdir, history, log = world
    with closing(LmdbStore(workdir / "state" / ".r1-a")) as left:
        left.put_meta("building", b"1")
        left.put_meta("definitions", b"of another design")
        left.commit([(SPACE, b"planted", b"")], offset=7)
    make_state(system, workdir, "r1-a", history, states=LmdbStates(workdir / "state"), log=log)
    assert [key for key, _ in rows(workdir / "state" / "r1-a")] == [b"i1", b"i2"]


def test_a_state_that_another_process_finished_first_stays(world):
    system, workdir, history, log = world
    make_state(system, workdir, "r1-a", history, states=LmdbStates(workdir / "state"), log=log)
    with closing(LmdbStore(workdir / "state" / "r1-a")) as theirs:
        theirs.put_meta("theirs", b"1")
        make_state(system, workdir, "r1-a", history, states=LmdbStates(workdir / "state"), log=log)
        assert theirs.get_meta("theirs") == b"1"
    with closing(LmdbStore(workdir / "state" / "r1-a")) as kept:
        assert kept.get_meta("theirs") == b"1"


def test_two_do_not_build_one_state_at_once(world):
    system, workdir, history, log = world
    with closing(LmdbStore(workdir / "state" / ".r1-a")), pytest.raises(StoreBusy):
        make_state(system, workdir, "r1-a", history, states=LmdbStates(workdir / "state"), log=log)


def test_a_state_is_discarded_unless_somebody_writes_it(world):
    system, workdir, history, log = world
    make_state(system, workdir, "r1-a", history, states=LmdbStates(workdir / "state"), log=log)
    states, folder = LmdbStates(workdir / "state"), workdir / "state" / "r1-a"
    with closing(LmdbStore(folder)):
        assert not states.discard("r1-a")
    assert states.names() == ["r1-a"]
    assert states.discard("r1-a")
    assert (states.names(), folder.exists()) == ([], False)


def test_the_datas_newest_time_is_that_of_its_own_events_and_never_that_of_an_answer(world, data):
    system, workdir, _, log = world
    newest_us = newest_or_logged_us(system, workdir, log)
    assert newest_us == 1_714_500_049_000_000
    log.append([NewEvent("answers", b"asked in 2027", NOW, msgspec.msgpack.encode({"known": NOW}))], arrival_us=NOW)
    assert newest_or_logged_us(system, workdir, log) == newest_us
    row = {"person": "p", "item": "i1", "time": newest_us, "known": newest_us + 5, "page": None, "bought": None}
    events = [NewEvent("visits", b"v", newest_us, msgspec.msgpack.encode(row)), NewEvent("items", b"i", NOW, b"\x80")]
    log.append(events, arrival_us=NOW)
    assert newest_or_logged_us(system, workdir, log) == newest_us + 5
    ingest(system, data, workdir / "ingested", log=log, now_us=NOW)
    assert newest_or_logged_us(system, workdir, log) == newest_us + 5


def test_a_replay_knows_what_was_before_it_and_what_it_was_told(world, data):
    system, workdir, _, log = world
    start_us = 1_714_500_010_000_000
    for person, at_us in (("somebody, earlier", start_us), ("told", start_us), ("told", start_us + 1)):
        row = {"person": person, "item": "i1", "time": at_us, "known": at_us, "page": "home", "bought": False}
        event = NewEvent("visits", person.encode(), at_us, msgspec.msgpack.encode(row))
        log.append([event], arrival_us=at_us)
    ingest(system, data, workdir / "ingested", log=log, now_us=NOW)
    with closing(
        open_state(system, workdir, "r1-a", start_us, states=LmdbStates(workdir / "state"), log=log, told_after=0)
    ) as state:
        counts = [Reader(system, state).group("demand", [item], start_us + 2)["visits_1d"] for item in ("i1", "i2")]
        assert (counts, state.offset()) == ([5.0 + 2.0, 5.0], 2)
    assert [path.name for path in (workdir / "state").iterdir()] == [f"r1-a@{start_us}"]
