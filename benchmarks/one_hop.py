"""Features read through a relation for many labels, beside the same join in DuckDB SQL written by hand.

    python benchmarks/one_hop.py [--quick] [--json]

Each case runs in a process of its own, so that its peak memory can be told, and both give the same values. `ratio` is
the time of the SQL by that of Sixfold (above 1: Sixfold is faster).
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
import numpy as np

import sixfold as sf
from sixfold.features.batch import attach

HOUR = 3_600_000_000
DAY = 24 * HOUR
HOP_30D = HOUR // 2 * 24
CASES = {
    "friends who said yes": "friends.going",
    "activity of my groups in 30 days": "circle.yes_30d",
}
"""What is measured, and the feature."""
BY_HAND = {
    "friends who said yes": """
        select l.id, count(r.time) as value from {labels} l left join {friendships} f on f.member = l.member
        and f.since <= l.time left join (from {rsvps} where going) r
        on r.member = f.friend and r.event = l.event and r.time < l.time group by l.id order by l.id""",
    # Running counts at both ends of the window, found by time: a join with every event of it takes far longer.
    "activity of my groups in 30 days": """
        with counted as (
            select "group", time, max(n) as n from (
                select e."group", r.time, row_number() over (partition by e."group" order by r.time) as n
                from {rsvps} r join {events} e using (event) where r.going
            ) group by all
        ), pairs as (
            select l.id, m."group", l.time, l.time - {w} - (l.time - {w}) % {hop} as begins
            from {labels} l join {memberships} m on m.member = l.member and m.joined <= l.time
        ), ends as (
            select p.id, p."group", p.begins, coalesce(c.n, 0) as n from pairs p asof left join counted c
            on p."group" = c."group" and p.time > c.time
        ), both_ends as (
            select e.id, e.n - coalesce(c.n, 0) as n from ends e asof left join counted c
            on e."group" = c."group" and e.begins > c.time
        )
        select l.id, coalesce(s.value, 0) as value from {labels} l
        left join (select id, sum(n) as value from both_ends group by id) s using (id) order by l.id""",
}
MEMORY = "2GB"


def main() -> None:
    """Measure every case once and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of the labels, pairs and events")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--measure", nargs=3, metavar=("FOLDER", "WHO", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(Path(options.measure[0]), *options.measure[1:])))
        return
    for line in measured(1_000_000 // (20 if options.quick else 1)):
        print(json.dumps(line) if options.json else "  ".join(f"{k}={v}" for k, v in line.items()), flush=True)


def measured(labels: int) -> Iterator[dict[str, Any]]:
    """Every case of the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), labels)
        for case in CASES:
            ours, by_hand = (in_a_process(folder, who, case) for who in ("sixfold", "sql"))
            check(Path(folder), case)
            yield {
                "benchmark": "one_hop",
                "case": f"{case}, {labels:,} labels, {labels:,} pairs, peak {ours['gb']} GB",
                "value": ours["s"],
                "unit": "s",
                "against": f"DuckDB SQL by hand: {by_hand['s']} s, {by_hand['gb']} GB",
                "ratio": round(by_hand["s"] / ours["s"], 2),
            }


def in_a_process(folder: str, who: str, case: str) -> dict[str, float]:
    """What `measure` gives, in a new process."""
    command = [sys.executable, __file__, "--measure", folder, who, case]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def measure(folder: Path, who: str, case: str) -> dict[str, float]:
    """Seconds and peak memory (GB) of one case in this process; keeps the values.

    A small world comes first: what a process loads once, such as compiled loops, is no part of the time.
    """
    with tempfile.TemporaryDirectory() as small:
        generate(Path(small), 1_000)
        values_of(Path(small), who, case)
    begun = time.perf_counter()
    values = values_of(folder, who, case)
    took_s = time.perf_counter() - begun
    np.save(folder / f"{who}.npy", values)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"s": round(took_s, 2), "gb": round(peak_gb, 2)}


def values_of(folder: Path, who: str, case: str) -> np.ndarray:
    """The feature's value for each label."""
    files = Files(folder)
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(folder / "spill")}) as con:
        if who == "sql":
            names = ("labels", "rsvps", "events", "friendships", "memberships")
            query = BY_HAND[case].format(**{name: files.sql(name) for name in names}, w=30 * DAY, hop=HOP_30D)
            values = con.sql(query).to_arrow_table()["value"]
        else:
            labels = con.sql(f"from {files.sql('labels')} order by id").to_arrow_table()
            values = attach(con, make_system(), files, labels, [CASES[case]])[CASES[case]]
    return np.asarray(values, np.float64)


def check(folder: Path, case: str) -> None:
    """Refuse to compare what is not the same."""
    ours, by_hand = (np.load(folder / f"{who}.npy") for who in ("sixfold", "sql"))
    if not np.array_equal(ours, by_hand) or not ours.any():
        raise ValueError(f"other values of {case}: {int((ours != by_hand).sum()):,} of {len(ours):,} rows")


class Files:
    """Generated rows in Parquet, as ingestion lays them out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sql(self, name: str) -> str:
        """What to write after FROM."""
        return f"read_parquet('{self._folder / name}.parquet')"


def generate(folder: Path, labels: int) -> None:
    """Write as many labels, pairs of each relation and answers, of a tenth as many members, over 60 days.

    Some members have many friends, none more than 500, so that all of them count.
    """
    members, events, groups = labels // 10, labels // 100, labels // 100
    skewed = f"cast(floor({members} * power(random(), 1.5)) as bigint)::varchar"
    anyone = f"cast(floor(random() * {members}) as bigint)::varchar"
    event = f"cast(floor({events} * power(random(), 2)) as bigint)::varchar"
    moment = f"cast(random() * {60 * DAY} as bigint)"
    place = f'range - {labels} as "offset"'
    made = {
        "friendships": f"select *, valid_from as since from (select distinct on (member, friend) * from (select "
        f"{skewed} as member, {anyone} as friend, {moment} as valid_from, {place} from range({labels})))",
        "memberships": f"select *, valid_from as joined from (select distinct on (member, \"group\") * from (select "
        f"{anyone} as member, cast(floor(random() * {groups}) as bigint)::varchar as \"group\", "
        f"{moment} as valid_from, {place} from range({labels})))",
        "rsvps": f"select *, time as known from (select {anyone} as member, {event} as event, {moment} as time, "
        f"random() < 0.7 as going, {place} from range({labels}))",
        "events": f"select range::varchar as event, cast(floor(random() * {groups}) as bigint)::varchar as \"group\", "
        f"{-(2**62)} as valid_from, {place} from range({events})",
        "labels": f"select range as id, {anyone} as member, {event} as event, {moment} as time from range({labels})",
    }  # fmt: skip
    with duckdb.connect() as con:
        con.execute("select setseed(0.5)")
        for name, query in made.items():
            order = "id" if name == "labels" else '"offset"'
            con.execute(f"copy (from ({query}) order by {order}) to '{folder}/{name}.parquet'")


def make_system() -> sf.System:
    """Members, their friends, the groups that they are in, and what all of them answer."""
    member, event, group = sf.Entity("member"), sf.Entity("event"), sf.Entity("group")
    rsvps = sf.Events("rsvps", [], member.key(), event.key(), time=sf.Time(unit="us"), going=sf.Flag())
    events = sf.Table("events", [], event.key(), group=group.key())
    friendships = sf.Table(
        "friendships",
        [],
        member.key(),
        member.alias("friend").key(),
        valid_from="since",
        since=sf.Time(unit="us"),
    )
    memberships = sf.Table("memberships", [], member.key(), group.key(), valid_from="joined", joined=sf.Time(unit="us"))
    friends = sf.Features("friends", (friendships, event), rsvps, going=sf.count(where="going"))
    circle = sf.Features("circle", memberships, rsvps, yes_30d=sf.count(window="30d", where="going"))
    yes = sf.Label("yes", "going")
    trees = sf.Trees("trees", inputs=[friends, circle], heads=[sf.Binary(yes)])
    return sf.System(
        "one_hop",
        sf.Requirements(goal="measure", p99_ms=50),
        sf.Framing(query=member, item=event, examples=rsvps, labels=[yes]),
        sf.Data(rsvps, events, friendships, memberships, friends, circle),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(yes)"]),
        sf.Deployment(predict=trees, value="yes"),
    )


if __name__ == "__main__":
    main()
