"""Killing whoever writes, again and again: what was acknowledged is there once, and rows and offset agree.

    python -m sixfold.testing.kills [--kills 300] [--seed 0]

A writer in a process of its own appends numbered events, folds them into features and syncs now and then, in maps that
must grow all the time. It is killed (SIGKILL) at a random moment; then the log and every feature are checked, and the
next writer sends again what was not acknowledged. Prints what was found as JSON; the status is 1 for any loss.
"""

import argparse
import json
import os
import random
import select
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

import sixfold as sf
from sixfold.design.kinds import Kind
from sixfold.features.arrays import column
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbLog, LmdbStore, NewEvent, Record
from sixfold.stores.online import OnlineStore

__all__ = ["Survived", "Truth", "event", "survive", "system"]

KEYS, LATEST, SECOND = 7, 5, 1_000_000
_SMALL = 1 << 16
_number = struct.Struct("<q")
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


class Survived(msgspec.Struct):
    """What was found after all kills."""

    kills: int = 0
    events: int = 0
    """In the log at the end."""
    lost: int = 0
    """Acknowledged, and not in the log after the next start."""
    doubled: int = 0
    """In the log more than once, or out of order."""
    wrong: int = 0
    """Features that are not what the events applied give."""


def survive(folder: Path, *, kills: int, seed: int) -> Survived:
    """Kill a writer so many times and look each time at what it left in this folder."""
    draw, found, sent = random.Random(seed), Survived(), 0
    truth = Truth()
    for _ in range(kills):
        acknowledged = _killed(folder, sent, draw)
        found.kills += 1
        with _opened(folder) as (log, store):
            new = log.read(truth.offset, 10_000_000)
            numbers = [_decode(record.payload)["number"] for record in new]
            expected = list(range(truth.offset + 1, truth.offset + 1 + len(numbers)))
            found.doubled += sum(a != b for a, b in zip(numbers, expected))
            found.lost += max(0, acknowledged - (truth.offset + 1 + len(numbers)))
            truth.take(new)
            found.events = log.last() + 1
            found.wrong += truth.differences(store)
        # The next one sends again what may or may not have been kept, as a client without an answer does.
        sent = acknowledged
    return found


def _killed(folder: Path, first: int, draw: random.Random) -> int:
    """Let a writer work from event `first` on, kill it, and say how many events it had acknowledged by then."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _write(folder, first, write, draw.getrandbits(32))
    os.close(write)
    acknowledged, data = first, b""
    end = time.monotonic() + draw.uniform(0.0, 0.15)
    while (left := end - time.monotonic()) > 0:
        if select.select([read], [], [], left)[0]:
            data += os.read(read, 1 << 16)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(read, 1 << 16):
        data += more
    os.close(read)
    whole = len(data) // _number.size * _number.size
    numbers: list[int] = [number for (number,) in _number.iter_unpack(data[:whole])]
    return max([acknowledged, *numbers])


def _write(folder: Path, number: int, acknowledge: int, seed: int) -> None:
    """Append and apply until killed."""
    draw = random.Random(seed)
    with _opened(folder) as (log, store):
        writer = StateWriter(system(), store)
        while True:
            size = draw.choice([1, 3, 50, 400])
            events = [event(n) for n in range(number, number + size)]
            log.append(events, arrival_us=events[-1].time_us)
            number += size
            os.write(acknowledge, _number.pack(number))
            if draw.random() < 0.7:
                writer.apply(log.read(writer.offset, 500))
            if draw.random() < 0.1:
                store.checkpoint()


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[LmdbLog, LmdbStore]]:
    with (
        closing(LmdbLog(folder / "log", map_bytes=_SMALL)) as log,
        closing(LmdbStore(folder / "state", map_bytes=_SMALL)) as store,
    ):
        yield log, store


def event(number: int) -> NewEvent:
    """The event of a number; its viewer, page, time and value follow from it."""
    at = number * SECOND
    row = {"viewer": str(number % KEYS), "page": str(number), "time": at, "known": at, "number": number}
    return NewEvent("plays", b"%d" % number, at, _encode({**row, "x": float(number % 5)}))


class Truth:
    """What the features of each key are, by counting."""

    def __init__(self) -> None:
        self.offset = -1
        self.numbers: list[int] = []
        """Of the events taken, in the order of the log."""

    def take(self, records: list[Record]) -> None:
        """Go on with what the log holds beyond what was taken."""
        self.numbers += [_decode(record.payload)["number"] for record in records]
        self.offset += len(records)

    def differences(self, store: OnlineStore) -> int:
        """How many features of the store are not those of the events that it says it has applied."""
        applied = np.array(self.numbers[: store.offset() + 1], np.int64)
        if not len(applied):
            return 0
        now = (int(applied.max()) + 1) * SECOND
        keys = {"viewer": column(Kind("text", domain="viewer"), [str(key) for key in range(KEYS)])}
        names = [f"own.{name}" for name in ("n", "total", "lately", "latest", "pages")]
        read = Reader(system(), store).columns(names, keys, now)
        found, wrong = {name: array.to_list() for name, array in read.items()}, 0
        for key in range(KEYS):
            mine = applied[applied % KEYS == key]
            lately = mine[mine * SECOND >= (now - 3_600 * SECOND) // (60 * SECOND) * (60 * SECOND)]
            values = [float(len(mine)), float((mine % 5).sum()), float(len(lately)), float((mine % 5).max(initial=0))]
            wrong += sum(a != b for a, b in zip([found[name][key] or 0.0 for name in names[:4]], values))
            wrong += found["own.pages"][key] != [str(n) for n in mine[-LATEST:].tolist()]
        return wrong


def system() -> sf.System:
    """A design whose features `Truth` can count."""
    viewer, page = sf.Entity("viewer"), sf.Entity("page")
    plays = sf.Events("plays", [], viewer.key(), page.key(), time=sf.Time(unit="us"), x=sf.Number())
    own = sf.Features(
        "own",
        viewer,
        plays,
        n=sf.count(),
        total=sf.sum("x"),
        lately=sf.count(window="1h"),
        latest=sf.max("x"),
        pages=sf.last("page", n=LATEST),
    )
    seen = sf.Label("seen", "x > 0")
    trees = sf.Trees("trees", inputs=[own.n], heads=[sf.Binary(seen)])
    return sf.System(
        "kills",
        sf.Requirements(goal="survive"),
        sf.Framing(query=viewer, item=page, examples=plays, labels=[seen]),
        sf.Data(plays, own),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(seen)"]),
        sf.Deployment(predict=trees, value="seen"),
    )


def main() -> None:
    """Kill, check, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Compile before the first fork: the writers begin at once then.
        with _opened(Path(folder) / "warm") as (_, store):
            StateWriter(system(), store).apply([Record(0, 0, "plays", 0, event(0).payload)])
            Truth().differences(store)
        found = survive(Path(folder) / "work", kills=given.kills, seed=given.seed)
    print(json.dumps(msgspec.to_builtins(found)))
    sys.exit(found.lost + found.doubled + found.wrong > 0)


if __name__ == "__main__":
    main()
