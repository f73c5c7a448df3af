"""Writers of features killed under load, and that the harness would notice what is wrong."""

import json
import subprocess
import sys

import pytest

from sixfold.features.state import StateWriter
from sixfold.stores import LmdbLog, LmdbStore
from sixfold.testing import kills


def test_forty_kills_lose_nothing_double_nothing_and_leave_every_feature_right():
    command = [sys.executable, "-m", "sixfold.testing.kills", "--kills", "40"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert found.pop("events") > 1_000
    assert found == {"kills": 40, "lost": 0, "doubled": 0, "wrong": 0}


@pytest.mark.parametrize("fault", ["an event applied twice", "an event left out"])
def test_a_state_that_is_wrong_by_one_event_is_noticed(tmp_path, fault):
    log, store = LmdbLog(tmp_path / "log"), LmdbStore(tmp_path / "state")
    log.append([kills.event(n) for n in range(20)], arrival_us=0)
    records = log.read(-1, 100)
    writer, truth = StateWriter(kills.system(), store), kills.Truth()
    writer.apply(records)
    truth.take(records)
    assert truth.differences(store) == 0
    if fault == "an event applied twice":
        writer.apply([records[5]._replace(offset=20)])
    else:
        store.commit([], offset=20)
    log.append([kills.event(20)], arrival_us=0)
    truth.take(log.read(19, 100))
    assert truth.differences(store) > 0
    log.close()
    store.close()
