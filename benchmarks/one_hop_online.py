"""Features through a relation for one member and 5,000 events at once, from LMDB.

python benchmarks/one_hop_online.py [--quick] [--json]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from one_hop import make_system  # the same design

from sixfold.design.kinds import Kind
from sixfold.features.arrays import column
from sixfold.features.serving import Reader
from sixfold.features.state import StateWriter
from sixfold.stores import LmdbStore, Record

EVENTS, FRIENDS = 5_000, {"few": 20, "many": 5_000}
NOW_US = 10**9


def main() -> None:
    """Measure every case once and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the reads")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    for line in measured(20 if options.quick else 100):
        print(json.dumps(line) if options.json else "  ".join(f"{k}={v}" for k, v in line.items()), flush=True)


def measured(reads: int) -> Iterator[dict[str, Any]]:
    """Every case, where each friend has answered to 5 and to 40 of the events."""
    system = make_system()
    events = column(Kind("text", domain="event"), [str(number) for number in range(EVENTS)])
    for answers in (5, 40):
        with tempfile.TemporaryDirectory() as folder, closing(LmdbStore(Path(folder) / "state")) as store:
            writer, rows = StateWriter(system, store), [*records(answers)]
            for start in range(0, len(rows), 20_000):
                writer.apply(rows[start : start + 20_000])
            reader = Reader(system, store)
            for name in ("friends.going", "circle.yes_30d"):
                for who, friends in FRIENDS.items():
                    base = {"member": column(Kind("text", domain="member"), [who]), "event": events}
                    times = [read_ms(reader, name, base) for _ in range(reads + 5)][5:]
                    case = f"{name}, {friends:,} friends of {answers} answers each, {EVENTS:,} events"
                    wall, own = np.array(times).T
                    p50, p99, own_p50 = (round(float(x), 2) for x in (*np.quantile(wall, (0.5, 0.99)), np.median(own)))
                    line = {"benchmark": "one_hop_online", "case": case, "value": p50, "unit": "ms", "p99": p99}
                    yield {**line, "processor_ms": own_p50}


def read_ms(reader: Reader, name: str, base: dict[str, Any]) -> tuple[float, float]:
    """Milliseconds of one read, on the clock and of the processor."""
    begun, own = time.perf_counter(), time.process_time()
    reader.columns([name], base, NOW_US)
    return (time.perf_counter() - begun) * 1e3, (time.process_time() - own) * 1e3


def records(answers: int) -> Iterator[Record]:
    """Events of 500 groups, friends and groups of two members, and what 5,000 friends answered."""
    rng, rows = np.random.default_rng(1), list[tuple[str, dict[str, Any]]]()
    rows += [("events", {"event": str(n), "group": str(n % 500), "valid_from": 0}) for n in range(EVENTS)]
    for who, count in FRIENDS.items():
        for n in range(count):
            rows.append(("friendships", {"member": who, "friend": f"m{n}", "valid_from": n, "since": n}))
        for n in range(min(count, 200)):
            rows.append(("memberships", {"member": who, "group": str(n), "valid_from": n, "joined": n}))
    for n in range(answers * FRIENDS["many"]):
        of = {"member": f"m{rng.integers(FRIENDS['many'])}", "event": str(rng.integers(EVENTS))}
        rows.append(("rsvps", {**of, "time": 10**6 + n, "known": 10**6 + n, "going": bool(rng.random() < 0.7)}))
    for offset, (name, values) in enumerate(rows):
        yield Record(offset, 0, name, 0, msgspec.msgpack.encode(values))


if __name__ == "__main__":
    main()
