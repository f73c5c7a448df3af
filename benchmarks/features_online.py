"""Online features: events a second through the log into the state, rows read and finished for an answer, freshness.

    python benchmarks/features_online.py [--quick] [--json]

Prints one object a line: benchmark, case, value, unit, against, ratio (above 1: Sixfold is better than `against`).
"""

import argparse
import gc
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import numpy as np

import sixfold as sf
from sixfold.design.kinds import Kind
from sixfold.features.arrays import column
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.serving.worker import Worker
from sixfold.stores import EventLog, GroupCommit, LmdbLog, LmdbStore, NewEvent
from sixfold.stores.redis_log import RedisLog
from sixfold.stores.redis_store import RedisStore
from sixfold.testing.redis_server import RedisServer

ROWS, BATCH, APPEND, SECOND, ENTITIES = 500, 20_000, 1_000, 1_000_000, 1_000_000


def main() -> None:
    """Measure every case and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the events")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    for case in measured(100_000 if arguments.quick else 1_000_000, 100 if arguments.quick else 1_000):
        line = {"benchmark": "features_online", **case}
        print(json.dumps(line) if arguments.json else "  ".join(f"{k}={v}" for k, v in line.items()), flush=True)


def measured(events: int, reads: int) -> Iterator[dict[str, Any]]:
    """Every case of the benchmark."""
    system, rng = shops(), np.random.default_rng(0)
    made = purchases(events + BATCH, rng)
    # What the benchmark holds itself is no load of a server.
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        log, store = LmdbLog(Path(folder) / "log"), LmdbStore(Path(folder) / "state")
        with closing(log), closing(store):
            writer = StateWriter(system, store)
            stream(log, writer, made[:BATCH])  # compiles
            begun, busy = time.perf_counter(), time.process_time()
            stream(log, writer, made[BATCH:])
            rate, busy_rate = (events / (now() - then) for now, then in _clocks(begun, busy))
            yield _case("logged durably and applied, 20 features, 1M Zipf keys", rate, "events/s", 100_000)
            yield _case("the same by processor time", busy_rate, "events/s", 100_000)
            store.checkpoint()
            yield from sizes(store, Path(folder) / "state")
            now_us = made[-1].time_us + SECOND
            for keys, weights in (("zipf", 1 / np.arange(1, ENTITIES + 1)), ("uniform", np.ones(ENTITIES))):
                yield from read(Reader(system, store), system, rng, weights, reads, now_us, f"{keys} keys")
            yield freshness(system, log, store, writer, made[-1].time_us)
        if shutil.which("redis-server"):
            yield from on_redis(system, made, Path(folder), rng, reads)


def on_redis(
    system: sf.System, made: list[NewEvent], folder: Path, rng: np.random.Generator, reads: int
) -> Iterator[dict[str, Any]]:
    """The same on a real server of this machine: a tenth of the stream, and what an answer reads."""
    with RedisServer(folder) as server:
        log, store = RedisLog(server.url, "shops"), RedisStore(server.url, "shops:state")
        with closing(log), closing(store):
            writer, events = StateWriter(system, store), max(BATCH, len(made) // 10 // BATCH * BATCH)
            begun = time.perf_counter()
            stream(log, writer, made[:events])
            rate = events / (time.perf_counter() - begun)
            yield _case("Redis: logged durably and applied, 20 features", rate, "events/s", 100_000)
            weights, now_us = 1 / np.arange(1, ENTITIES + 1), made[events - 1].time_us + SECOND
            reader = Reader(system, store)
            yield from read(reader, system, rng, weights, reads, now_us, "Redis, zipf keys", wanted=(2.5, 5.0))


def _clocks(begun: float, busy: float) -> list[tuple[Any, float]]:
    return [(time.perf_counter, begun), (time.process_time, busy)]


def stream(log: EventLog, writer: StateWriter, events: list[NewEvent]) -> None:
    """Append and apply, one after the other, as one core would."""
    for first in range(0, len(events), BATCH):
        for at in range(first, first + BATCH, APPEND):
            log.append(events[at : at + APPEND], arrival_us=events[at].time_us)
        writer.apply(log.read(writer.offset, BATCH))


def sizes(store: LmdbStore, folder: Path) -> Iterator[dict[str, Any]]:
    """Bytes of a row, and of the disk for an entity."""
    rows, size, after = 0, 0, None
    while page := store.scan("group:trade", after, 50_000):
        rows, size, after = rows + len(page), size + sum(len(row) for _, row in page), page[-1][0]
    disk = sum(path.stat().st_blocks * 512 for path in folder.iterdir())
    yield _case(f"a packed row, {rows:,} of them", size / rows, "B", 1_000, less=True)
    yield _case("disk for an entity", disk / rows, "B", 2_000, less=True)


def read(
    reader: Reader,
    system: sf.System,
    rng: np.random.Generator,
    weights: Any,
    reads: int,
    now_us: int,
    keys: str,
    wanted: tuple[float, float] = (1.5, 3.0),
) -> Iterator[dict[str, Any]]:
    """Milliseconds for what an answer reads."""
    names, times_ms = [name for name in system.kinds if name.startswith("trade.")], []
    likely = np.cumsum(weights / weights.sum())
    for _ in range(reads):
        chosen = np.searchsorted(likely, rng.random(ROWS)).astype(str)
        base = {"item": column(Kind("text", domain="item"), chosen.tolist())}
        begun = time.perf_counter()
        reader.columns(names, base, now_us)
        times_ms.append((time.perf_counter() - begun) * 1e3)
    for share, goal in zip((50, 99), wanted):
        value = float(np.percentile(times_ms, share))
        yield _case(f"read and finish {ROWS} rows x 20 features, {keys}, p{share}", value, "ms", goal, less=True)


def freshness(system: sf.System, log: LmdbLog, store: LmdbStore, writer: StateWriter, last_us: int) -> dict[str, Any]:
    """From the acknowledgement of an event to an answer's read that sees it, at 5,000 events a second."""
    seconds, a_tick = 5, 50
    made = purchases(5_000 * seconds, np.random.default_rng(1), first=1 << 40, at_us=last_us)
    commit = GroupCommit(log, clock=lambda: last_us)
    worker, delays_ms = Worker(log, writer, lambda names: None), list[float]()
    reader, key = Reader(system, store), column(Kind("text", domain="item"), ["watched"])
    worker.start()

    def since(at_us: int) -> Any:
        return reader.columns(["trade.since_s"], {"item": key}, at_us + SECOND)["trade.since_s"]

    def visible(acknowledged: float, at_us: int) -> None:
        while not (seen := since(at_us)).valid[0] or seen.data[0] > 1.0:
            time.sleep(0.001)
        delays_ms.append((time.perf_counter() - acknowledged) * 1e3)

    waiting: list[Thread] = []
    begun = time.perf_counter()
    with closing(worker), closing(commit):
        for tick, first in enumerate(range(0, len(made), a_tick)):
            batch = made[first : first + a_tick]
            at_us = batch[-1].time_us
            if tick % 10 == 0:
                batch = [*batch, sale("watched", tick, at_us, first)]
            commit.submit(batch).result()
            acknowledged = time.perf_counter()
            worker.notify()
            if tick % 10 == 0:
                waiting.append(Thread(target=visible, args=(acknowledged, at_us)))
                waiting[-1].start()
            time.sleep(max(0.0, begun + (tick + 1) * a_tick / 5_000 - time.perf_counter()))
        for thread in waiting:
            thread.join()
    rate = len(made) / (time.perf_counter() - begun)
    case = f"acknowledged to visible at {rate:,.0f} events/s, p99 of {len(delays_ms)}"
    return _case(case, float(np.percentile(delays_ms, 99)), "ms", 200, less=True)


def shops() -> sf.System:
    """20 features of an item, over three windows."""
    buyer, item = sf.Entity("buyer"), sf.Entity("item")
    sales = sf.Events("sales", [], buyer.key(), item.key(), time=sf.Time(unit="us"), paid=sf.Number(), liked=sf.Flag())
    features: dict[str, Any] = {"since_s": sf.since_last(), "buyers": sf.last("buyer", n=20)}
    for window in ("1h", "1d", "7d"):
        features |= {
            f"n_{window}": sf.count(window=window),
            f"liked_{window}": sf.rate("liked", window=window, prior=(1, 3)),
            f"paid_{window}": sf.sum("paid", window=window),
            f"mean_{window}": sf.mean("paid", window=window),
            f"n_liked_{window}": sf.count(window=window, where="liked"),
            f"dear_{window}": sf.count(window=window, where="paid > 5"),
        }
    label = sf.Label("good", "liked")
    trade = sf.Features("trade", item, sales, **features)
    trees = sf.Trees("trees", inputs=[trade.n_1d], heads=[sf.Binary(label)])
    return sf.System(
        "shops",
        sf.Requirements(goal="benchmark"),
        sf.Framing(query=buyer, item=item, examples=sales, labels=[label]),
        sf.Data(sales, trade),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(good)"]),
        sf.Deployment(predict=trees, value="good"),
    )


def purchases(count: int, rng: np.random.Generator, *, first: int = 0, at_us: int = 0) -> list[NewEvent]:
    """Random sales, popular items more often, an event every quarter of a second or so."""
    likely = np.cumsum(1 / np.arange(1, ENTITIES + 1))
    chosen = np.searchsorted(likely / likely[-1], rng.random(count)).tolist()
    buyers, paid = rng.integers(0, 10_000, count).tolist(), rng.gamma(2.0, 3.0, count).tolist()
    liked = (rng.random(count) < 0.3).tolist()
    return [
        sale(str(chosen[i]), buyers[i], at_us + i * SECOND // 4, first + i, paid=paid[i], liked=liked[i])
        for i in range(count)
    ]


def sale(item: str, buyer: int, at_us: int, number: int, *, paid: float = 1.0, liked: bool = True) -> NewEvent:
    """One event as a server logs it."""
    row = {"buyer": str(buyer), "item": item, "time": at_us, "known": at_us, "paid": paid, "liked": liked}
    return NewEvent("sales", number.to_bytes(8, "big"), at_us, _encode(row))


_encode = msgspec.msgpack.Encoder().encode


def _case(case: str, value: float, unit: str, wanted: float, *, less: bool = False) -> dict[str, Any]:
    return {
        "case": case,
        "value": round(value, 3),
        "unit": unit,
        "against": f"goal of {wanted:g}",
        "ratio": round(wanted / value if less else value / wanted, 2),
    }


if __name__ == "__main__":
    main()
