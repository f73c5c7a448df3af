"""A disk that is really full: a clear error, nothing lost, and it goes on when there is room, in a small tmpfs."""

import subprocess
import sys
from pathlib import Path

import pytest
from shop_release import release

HERE = Path(__file__).parent

STORES = """
import sys
from pathlib import Path
from sixfold.errors import DiskFull
from sixfold.stores import LmdbLog, LmdbStore, NewEvent

folder = Path(sys.argv[1])
log, store = LmdbLog(folder / "log", map_bytes=1 << 16), LmdbStore(folder / "state", map_bytes=1 << 16)

def event(n):
    return NewEvent("plays", b"%d" % n, n, b"x" * 100)

kept, applied = 0, -1
refused = []
for _ in range(10_000):
    try:
        log.append([event(n) for n in range(kept, kept + 50)], arrival_us=kept)
        kept += 50
        store.commit([("plays", b"%d" % kept, b"y" * 3000)], offset=kept)
        applied = kept
    except DiskFull as error:
        refused.append(str(error))
        if len(refused) == 3:
            break
print(len(refused), refused[0].startswith(str(folder)) and "the disk is full" in refused[0])
assert log.last() + 1 == kept, (log.last(), kept)
assert [record.time_us for record in log.read(-1, 10**7)] == list(range(kept))
assert store.offset() == applied, (store.offset(), applied)
assert len(store.scan("plays", None, 10**6)) == applied // 50
(folder / "ballast").unlink()
log.append([event(n) for n in range(kept, kept + 50)], arrival_us=kept)
store.commit([], offset=kept + 50)
assert log.last() + 1 == kept + 50
log.close()
store.close()
log, store = LmdbLog(folder / "log"), LmdbStore(folder / "state")
assert (log.last() + 1, store.offset()) == (kept + 50, kept + 50)
log.close()
store.close()
print("all there")
"""

SERVER = """
import os, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from shop_server import ITEMS, START_S, Server, visit

folder = Path(sys.argv[1]) / "work"
shutil.copytree(sys.argv[3], folder)
server = Server(folder)
assert server.post("/v1/events/items", ITEMS)[0] == 200
assert server.post("/v1/events/visits", [visit("p1", 1)])[1]["accepted"] == 1
room = os.statvfs(folder)
(folder / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - 40_000))
refused, accepted, n = None, 1, 0
while refused is None:
    n += 1
    rows = [visit("p1", i % 20, START_S + 100 * n + i, page="x" * 500) for i in range(20)]
    status, answer = server.post("/v1/events/visits", rows)
    if status == 200:
        accepted += answer["accepted"]
    else:
        refused = status, answer
print(refused[0], refused[1]["error"], "the disk is full" in refused[1]["detail"])
assert server.get("/healthz")[0] == 200
(folder / "ballast").unlink()
status, answer = server.post("/v1/events/visits", rows)
assert (status, answer["accepted"]) == (200, 20), answer
for _ in range(200):
    if server.get("/v1/features/person/p1")[1]["features"]["habit.visits_7d"] == accepted + 20:
        break
else:
    raise SystemExit(f"the state is not {accepted + 20}: {server.get('/v1/features/person/p1')}")
print(server.get("/readyz")[1]["status"], server.stop())
"""


def in_a_tmpfs(folder, size, script, *arguments) -> list[str]:
    """The lines that a script prints that is run with a small tmpfs at `folder`, in a mount namespace of its own."""
    folder.mkdir()
    code = folder.parent / "script.py"
    code.write_text(script)
    command = f"mount -t tmpfs -o size={size} tmpfs {folder} && head -c 300000 /dev/zero > {folder}/ballast"
    command += f" && exec {sys.executable} {code} {folder} {' '.join(map(str, arguments))}"
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", command]
    ran = subprocess.run(namespace, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def test_the_log_and_the_state_say_so_lose_nothing_and_go_on(tmp_path):
    assert in_a_tmpfs(tmp_path / "disk", "2m", STORES) == ["3 True", "all there"]


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    release(folder)
    return folder


def test_a_server_refuses_events_with_the_reason_and_takes_them_when_there_is_room(tmp_path, released):
    assert in_a_tmpfs(tmp_path / "disk", "64m", SERVER, HERE, released) == ["503 DiskFull True", "ready 0"]
