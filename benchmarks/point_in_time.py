"""Point-in-time features of many labels, beside the same windows in DuckDB SQL written by hand.

    python benchmarks/point_in_time.py [--quick] [--growth] [--json]

Each case runs in a process of its own, so that its peak memory can be told. `ratio` is the time of the SQL by that of
Sixfold (above 1: Sixfold is faster); of `growth` it is 12 by how much longer ten times the events took.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

import sixfold as sf
from sixfold.features.batch import attach

HOUR = 3_600_000_000
DAY = 24 * HOUR
WINDOWS = {"1d": (DAY, HOUR // 2), "7d": (7 * DAY, 3 * HOUR), "30d": (30 * DAY, 12 * HOUR)}
"""The windows with their lengths and hops in microseconds."""
GROUPS = {"2 aggregates": ("count", "sum"), "7 aggregates": ("count", "sum", "mean", "min", "max", "std", "rate")}
SQL = {
    "count": "count(spent) over {w}",
    "sum": "coalesce(sum(spent) over {w}, 0)",
    "mean": "avg(spent) over {w}",
    "min": "min(spent) over {w}",
    "max": "max(spent) over {w}",
    "std": "stddev_samp(spent) over {w}",
    "rate": "(count_if(liked) over {w} + 1) / (count(liked) over {w} + 3.0::double)",
}
LIMITS = {"sixfold": "1GB", "sql": "4GB"}
"""DuckDB's memory; `last 20` by hand does not end in less."""


def main() -> None:
    """Measure every case once and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of the labels and events")
    parser.add_argument("--growth", action="store_true", help="ten times the events too")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--measure", nargs=3, metavar=("FOLDER", "WHO", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(Path(options.measure[0]), *options.measure[1:])))
        return
    for line in measured(1_000_000 // (20 if options.quick else 1), growth=options.growth):
        print(json.dumps(line) if options.json else "  ".join(f"{k}={v}" for k, v in line.items()), flush=True)


def measured(labels: int, *, growth: bool) -> Iterator[dict[str, Any]]:
    """Every case of the benchmark."""
    for keys in ("uniform", "zipf"):
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder), labels, 10 * labels, keys)
            for case in (*GROUPS, "last 20"):
                ours, by_hand = (in_a_process(folder, who, case) for who in ("sixfold", "sql"))
                against = f"DuckDB SQL by hand: {by_hand['s']} s, {by_hand['gb']} GB"
                yield _line(f"{case}, 3 windows, {keys} keys", ours, against, by_hand["s"] / ours["s"], labels)
                if growth and keys == "uniform" and case == "2 aggregates":
                    yield _growth(labels, ours)


def _growth(labels: int, before: dict[str, float]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), labels, 100 * labels, "uniform")
        ours = in_a_process(folder, "sixfold", "2 aggregates")
    against = f"a tenth of the events: {before['s']} s; 12 times that is allowed"
    return _line("growth: 2 aggregates, ten times the events", ours, against, 12 * before["s"] / ours["s"], labels)


def _line(case: str, ours: dict[str, float], against: str, ratio: float, labels: int) -> dict[str, Any]:
    case = f"{case}, {labels:,} labels, peak {ours['gb']} GB"
    line = {"benchmark": "point_in_time", "case": case, "value": ours["s"], "unit": "s"}
    return {**line, "against": against, "ratio": round(ratio, 2)}


def in_a_process(folder: str, who: str, case: str) -> dict[str, float]:
    """What `measure` gives, in a new process."""
    command = [sys.executable, __file__, "--measure", folder, who, case]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def measure(folder: Path, who: str, case: str) -> dict[str, float]:
    """Seconds and peak memory (GB) of one case in this process."""
    with duckdb.connect(config={"memory_limit": LIMITS[who], "temp_directory": str(folder / "spill")}) as con:
        begun = time.perf_counter()
        if who == "sql":
            rows = con.sql(by_hand(case, folder)).to_arrow_table()
        else:
            labels = con.sql(f"from '{folder}/labels.parquet'").to_arrow_table()
            system = make_system(case)
            names = [name for name in system.kinds if name.startswith("user.")]
            rows = attach(con, system, Files(folder), labels, names)
        took_s = time.perf_counter() - begun
    if rows.num_rows != pq.read_metadata(folder / "labels.parquet").num_rows:
        raise ValueError(f"{who} lost labels of {case}")
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"s": round(took_s, 2), "gb": round(peak_gb, 2)}


class Files:
    """Generated events in Parquet, as ingestion lays them out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sql(self, name: str) -> str:
        """What to write after FROM."""
        return f"read_parquet('{self._folder / name}.parquet')"


def generate(folder: Path, labels: int, events: int, keys: str) -> None:
    """Write events and labels over 60 days, of a hundredth as many keys as events are common."""
    size = labels // 10
    # The inverse of the distribution of a Zipf law with exponent 1 over `size` keys, near enough for a benchmark.
    key = f"floor(random() * {size})" if keys == "uniform" else f"floor(exp(random() * ln({size})))"
    moment = f"cast(random() * {60 * DAY} as bigint)"
    own = f"cast(cast({key} as bigint) as varchar) as viewer, {moment} as time"
    with duckdb.connect() as con:
        con.execute("select setseed(0.5)")
        values = f'random() * 100 as spent, random() < 0.3 as liked, range - {events} as "offset"'
        con.execute(
            f"copy (select *, time as known from (select {own}, {values}, cast(range as varchar) as item from "
            f"range({events}))) to '{folder}/plays.parquet'"
        )
        con.execute(f"copy (select {own} from range({labels})) to '{folder}/labels.parquet'")


def make_system(case: str) -> sf.System:
    """A viewer's aggregates over three windows."""
    viewer, item = sf.Entity("viewer"), sf.Entity("item")
    plays = sf.Events(
        "plays", [], viewer.key(), item.key(), time=sf.Time(unit="us"), spent=sf.Number(), liked=sf.Flag()
    )
    user = sf.Features("user", viewer, plays, **aggregates(case))
    liked = sf.Label("liked", "liked")
    trees = sf.Trees("trees", inputs=[user], heads=[sf.Binary(liked)])
    return sf.System(
        "point_in_time",
        sf.Requirements(goal="measure", p99_ms=50),
        sf.Framing(query=viewer, item=item, examples=plays, labels=[liked]),
        sf.Data(plays, user),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"]),
        sf.Deployment(predict=trees, value="liked"),
    )


def aggregates(case: str) -> dict[str, Any]:
    """The aggregates of a case by name."""
    if case == "last 20":
        return {"latest": sf.last("item", n=20)}
    made: dict[str, Any] = {}
    for window in WINDOWS:
        for name in GROUPS[case]:
            if name == "count":
                made[f"count_{window}"] = sf.count(window=window)
            elif name == "rate":
                made[f"rate_{window}"] = sf.rate("liked", window=window, prior=(1, 3))
            else:
                made[f"{name}_{window}"] = getattr(sf, name)("spent", window=window)
    return made


def by_hand(case: str, folder: Path) -> str:
    """What an engineer would write for the case, windows cut to whole hops as ours are."""
    both = (
        f'select viewer, time, item, spent, liked, "offset" as id, null as label from '
        f"'{folder}/plays.parquet' union all select viewer, time, null, null, null, null, row_number() over () "
        f"from '{folder}/labels.parquet'"
    )
    if case == "last 20":
        columns = "arg_max(item, (time, id), 20) over w as latest"
        frames = "w as (partition by viewer order by time range between unbounded preceding and 1 preceding)"
    else:
        columns = ", ".join(SQL[name].format(w=f"w{window}") for window in WINDOWS for name in GROUPS[case])
        frames = ", ".join(
            f"w{name} as (partition by viewer order by time range between {us} + (time - {us}) % {hop} preceding "
            "and 1 preceding)"
            for name, (us, hop) in WINDOWS.items()
        )
    return (
        f"select viewer, time, label, {columns} from ({both}) window {frames} qualify label is not null order by label"
    )


if __name__ == "__main__":
    main()
