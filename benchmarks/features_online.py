"""Online features: events a second into LMDB, and reading and finishing rows for an answer.

    python benchmarks/features_online.py [--quick] [--json]

Prints one object a line: benchmark, case, value, unit, against, ratio (above 1: Sixfold is better than `against`).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import sixfold as sf
from sixfold.design.kinds import Kind
from sixfold.features.arrays import column
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore, Record

ROWS, BATCH, SECOND = 500, 20_000, 1_000_000
WANTED_EVENTS_S, WANTED_MS = 100_000, 1.5
"""What the design of Sixfold asks for: events a second on one core, milliseconds for 500 rows of 20 features."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the events")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    for case in measured(40_000 if arguments.quick else 400_000, 100 if arguments.quick else 1_000):
        line = {"benchmark": "features_online", **case}
        print(json.dumps(line) if arguments.json else "  ".join(f"{k}={v}" for k, v in line.items()), flush=True)


def measured(events: int, reads: int) -> Iterator[dict[str, Any]]:
    """Every case of the benchmark."""
    system, rng = shops(), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, closing(LmdbStore(Path(folder) / "state")) as store:
        writer, items = StateWriter(system, store), 100_000
        writer.apply(purchases(0, 1_000, items, rng))  # compiles
        log = purchases(writer.offset + 1, events, items, rng)
        begun = time.perf_counter()
        for first in range(0, events, BATCH):
            writer.apply(log[first : first + BATCH])
        rate = events / (time.perf_counter() - begun)
        yield _case("updates, 20 features, 100k keys", rate, "events/s", WANTED_EVENTS_S, rate / WANTED_EVENTS_S)
        now, reader = log[-1].time_us + SECOND, Reader(system, store)
        names = [name for name in system.kinds if name.startswith("trade.")]
        for keys, weights in (("zipf", 1 / np.arange(1, items + 1)), ("uniform", np.ones(items))):
            times_ms = []
            for _ in range(reads):
                chosen = rng.choice(items, ROWS, p=weights / weights.sum()).astype(str)
                base = {"item": column(Kind("text", domain="item"), chosen.tolist())}
                begun = time.perf_counter()
                reader.columns(names, base, now)
                times_ms.append((time.perf_counter() - begun) * 1e3)
            for share in (50, 99):
                value = float(np.percentile(times_ms, share))
                case = f"read and finish 500 rows x 20 features, {keys} keys, p{share}"
                yield _case(case, value, "ms", WANTED_MS, WANTED_MS / value)


def shops() -> sf.System:
    """20 features of an item, over three windows."""
    buyer, item = sf.Entity("buyer"), sf.Entity("item")
    sales = sf.Events("sales", [], buyer.key(), item.key(), time=sf.Time(unit="us"), paid=sf.Number(), liked=sf.Flag())
    features = {"since_s": sf.since_last(), "buyers": sf.last("buyer", n=20)}
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


def purchases(first: int, count: int, items: int, rng: np.random.Generator) -> list[Record]:
    """Log records of random sales, popular items more often, an event every quarter of a second or so."""
    weights = 1 / np.arange(1, items + 1)
    chosen = rng.choice(items, count, p=weights / weights.sum()).tolist()
    buyers, paid = rng.integers(0, 10_000, count).tolist(), rng.gamma(2.0, 3.0, count).tolist()
    liked, encode = (rng.random(count) < 0.3).tolist(), msgspec.msgpack.Encoder().encode
    records = []
    for i in range(count):
        at = (first + i) * SECOND // 4
        row = {"buyer": str(buyers[i]), "item": str(chosen[i]), "time": at, "known": at}
        records.append(Record(first + i, at, "sales", at, encode({**row, "paid": paid[i], "liked": liked[i]})))
    return records


def _case(case: str, value: float, unit: str, wanted: float, ratio: float) -> dict[str, Any]:
    return {
        "case": case,
        "value": round(value, 3),
        "unit": unit,
        "against": f"goal of {wanted:g}",
        "ratio": round(ratio, 2),
    }


if __name__ == "__main__":
    main()
