"""A process that builds a state from history is killed: what it leaves is not taken for a state, and is built again."""

import os
import random
import signal
import time
from contextlib import closing

from sixfold.data.ingest import ingest
from sixfold.data.ingested import Ingested
from sixfold.features.state import check_definitions
from sixfold.serving.history import make_state
from sixfold.stores import LmdbLog
from sixfold.stores.lmdb_states import LmdbStates
from sixfold.testing import kills

EVENTS = 100_000


def build(folder):
    system = kills.system()
    with closing(LmdbLog(folder / "log")) as log:
        states = LmdbStates(folder / "state")
        make_state(system, folder, "r1", Ingested.of(system, folder / "ingested"), states=states, log=log)


def killed(folder, after_s):
    """Whether a process that builds was killed before it was done."""
    if (pid := os.fork()) == 0:
        build(folder)
        os._exit(0)
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def test_a_state_is_whole_or_not_there_whenever_its_build_is_killed(tmp_path):
    draw, truth, cut_off, system = random.Random(0), kills.Truth(), 0, kills.system()
    with closing(LmdbLog(tmp_path / "log")) as log:
        log.append([kills.event(number) for number in range(EVENTS)], arrival_us=EVENTS * kills.SECOND)
        ingest(system, tmp_path, tmp_path / "ingested", log=log, now_us=EVENTS * kills.SECOND)
        truth.take(log.read(-1, EVENTS))
    states = LmdbStates(tmp_path / "state")
    build(tmp_path)  # loads and compiles
    states.discard("r1")
    began = time.monotonic()
    build(tmp_path)
    whole_s = time.monotonic() - began
    for _ in range(12):
        states.discard("r1")
        cut_off += killed(tmp_path, draw.uniform(0, 1.2 * whole_s))
        if (store := states.open("r1")) is None:
            build(tmp_path)
            store = states.open("r1")
        with closing(store):
            check_definitions(system, store)
            assert store.offset() == EVENTS - 1
            assert truth.differences(store) == 0
        assert states.names() == ["r1"]
    assert cut_off >= 3
