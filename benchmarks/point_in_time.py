"""Point-in-time features of many labels, beside the same windows in DuckDB SQL written by hand.

python benchmarks/point_in_time.py [--quick] [--json]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

import sixfold as sf
from sixfold.features.batch import attach

DAY = 86_400_000_000
_FAR = {1: 30 * 60_000_000, 7: 3 * 3_600_000_000, 30: 12 * 3_600_000_000}
"""Days of a window to its hop, in microseconds."""
_COLUMNS = {
    "windows": ["user.views_1d", "user.views_7d", "user.spent_7d", "user.liked_7d", "user.views_30d", "user.spent_30d"],
    "last 20": ["user.latest"],
    "table versions": ["items.price"],
}


def main() -> None:
    """Measure each case once and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="50,000 labels and 500,000 events, not 1 and 10 million")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    labels, events = (50_000, 500_000) if options.quick else (1_000_000, 10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder), labels, events)
        rows = duckdb.connect().sql(f"from {files.sql('labels')}").to_arrow_table()
        for case, names in _COLUMNS.items():
            ours_s = _seconds(partial(attach, system=make_system(), ingested=files, rows=rows, names=names))
            by_hand_s = _seconds(partial(_run, query=_by_hand(case, files)))
            line = {
                "benchmark": "point_in_time",
                "case": f"{case}, {labels:,} labels x {events:,} events",
                "value": round(ours_s, 3),
                "unit": "s",
                "against": f"DuckDB SQL by hand: {by_hand_s:.3f} s",
                "ratio": round(by_hand_s / ours_s, 2),
            }
            print(json.dumps(line) if options.json else "  ".join(f"{k}={v}" for k, v in line.items()), flush=True)


class Files:
    """Generated events, labels and table versions in Parquet, as ingestion lays them out."""

    def __init__(self, folder: Path, labels: int, events: int) -> None:
        self._folder = folder
        users, items, span = events // 50, events // 500, 60 * DAY
        con = duckdb.connect()
        con.execute("select setseed(0.5)")
        keys = ", ".join(
            f"cast(cast(random() * {size} as bigint) as varchar) as {name}"
            for name, size in (("viewer", users), ("item", items))
        )
        moment = f"cast(random() * {span} as bigint)"
        values = f'random() * 100 as spent, random() < 0.3 as liked, range - {events} as "offset"'
        versions = f'cast(range // 4 as varchar) as item, random() * 10 as price, range - {4 * items} as "offset"'
        made = {
            "plays": f"select *, time as known from (select {keys}, {values}, {moment} as time from range({events}))",
            "labels": f"select {keys}, {moment} as time from range({labels})",
            "items": f"select {versions}, {moment} as valid_from from range({4 * items})",
        }
        for name, query in made.items():
            con.execute(f"copy ({query}) to '{folder / name}.parquet'")
        con.close()

    def sql(self, name: str) -> str:
        """What to write after FROM."""
        return f"read_parquet('{self._folder / name}.parquet')"


def make_system() -> sf.System:
    """Six aggregates over three windows, a list, and a table of versions."""
    viewer, item = sf.Entity("viewer"), sf.Entity("item")
    items = sf.Table("items", [], item.key(), price=sf.Number(), since=sf.Time(unit="us"), valid_from="since")
    plays = sf.Events(
        "plays", [], viewer.key(), item.key(), time=sf.Time(unit="us"), spent=sf.Number(), liked=sf.Flag()
    )
    user = sf.Features(
        "user",
        viewer,
        plays,
        views_1d=sf.count(window="1d"),
        views_7d=sf.count(window="7d"),
        spent_7d=sf.sum("spent", window="7d"),
        liked_7d=sf.rate("liked", window="7d", prior=(1, 3)),
        views_30d=sf.count(window="30d"),
        spent_30d=sf.mean("spent", window="30d"),
        latest=sf.last("item", n=20),
    )
    liked = sf.Label("liked", "liked")
    trees = sf.Trees("trees", inputs=[user], heads=[sf.Binary(liked)])
    return sf.System(
        "point_in_time",
        sf.Requirements(goal="measure", p99_ms=50),
        sf.Framing(query=viewer, item=item, examples=plays, labels=[liked]),
        sf.Data(items, plays, user),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"]),
        sf.Deployment(predict=trees, value="liked"),
    )


def _by_hand(case: str, files: Files) -> str:
    """What an engineer would write for the case."""
    if case == "table versions":
        return (
            f"select l.*, i.price from {files.sql('labels')} l "
            f"asof left join {files.sql('items')} i on l.item = i.item and l.time >= i.valid_from"
        )
    both = (
        f'select viewer, time, item, spent, liked, "offset" as id, null as label from '
        f"{files.sql('plays')} union all "
        f"select viewer, time, null, null, null, null, row_number() over () from {files.sql('labels')}"
    )
    if case == "last 20":
        columns = "arg_max(item, (time, id), 20) over w as latest"
        frames = "w as (partition by viewer order by time range between unbounded preceding and 1 preceding)"
    else:
        columns = (
            "count(id) over w1, count(id) over w7, sum(spent) over w7, (count_if(liked) over w7 + 1) / "
            "(count(liked) over w7 + 3.0::double), count(id) over w30, avg(spent) over w30"
        )
        frames = ", ".join(
            f"w{days} as (partition by viewer order by time range between {days * DAY} + (time - {days * DAY}) % {hop} "
            "preceding and 1 preceding)"
            for days, hop in _FAR.items()
        )
    return (
        f"select viewer, time, label, {columns} from ({both}) window {frames} qualify label is not null order by label"
    )


def _run(con: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return con.sql(query).to_arrow_table()


def _seconds(work: Callable[[duckdb.DuckDBPyConnection], pa.Table]) -> float:
    with duckdb.connect() as con:
        begun = time.perf_counter()
        work(con)
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
