"""How near the events system comes to the truth of its generated world, and how fast it answers.

    python benchmarks/events.py [--quick] [--json] [--workdir DIR --data DIR]

The lists of the test part are ranked by the released model and by the true utility with which the world drew each yes
(without its noise), and nDCG@10 is compared; lists that the truth does not explain (an organiser's own first yes) are
left out. Then members are answered at a moment when many events are open, in process, one at a time. Without a work
folder and its data, a world is generated and run first.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sixfold.evaluation.lists import Ranks
from sixfold.pipeline.example_lists import ExampleLists
from sixfold.pipeline.job import Job
from sixfold.pipeline.locate import locate
from sixfold.serving.answer import Question
from sixfold.serving.clock import Clock
from sixfold.serving.live import Live

DESIGN = locate("events")
K, ANSWERS, WARM_UP = 10, 200, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small world")
    parser.add_argument("--json", action="store_true", help="one object a line; without, a line of words each")
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        workdir, data = given.workdir, given.data
        if workdir is None:
            workdir, data = Path(made) / "work", Path(made) / "data"
            _run(workdir, data, ["--members", "3000", "--events", "800"] if given.quick else [])
        job = Job(DESIGN.design, data, workdir)
        for case, (value, against) in _quality(job).items():
            _tell(given.json, case, round(value, 4), "nDCG@10", round(against, 4), round(value / against, 4))
        p50_ms, p99_ms, open_ = _answers(job)
        _tell(given.json, f"an answer, {open_:,} events open, p50", round(p50_ms, 2), "ms", 10.0, round(10 / p50_ms, 2))
        _tell(given.json, f"an answer, {open_:,} events open, p99", round(p99_ms, 2), "ms", 40.0, round(40 / p99_ms, 2))


def _tell(as_json: bool, case: str, value: float, unit: str, against: float, ratio: float) -> None:
    said = {
        "benchmark": "events", "case": case, "value": value, "unit": unit, "against": against, "ratio": ratio,
    }  # fmt: skip
    print(json.dumps(said) if as_json else f"{case}: {value} {unit} beside {against}, ratio {ratio}", flush=True)


def _run(workdir: Path, data: Path, size: list[str]) -> None:
    world = DESIGN.design.parent / "world.py"
    subprocess.run([sys.executable, str(world), str(data), *size], check=True)
    command = [sys.executable, "-m", "sixfold.cli", "run", str(DESIGN.design), "--data", str(data)]
    subprocess.run([*command, "--workdir", str(workdir)], check=True, stdout=subprocess.DEVNULL)


def _quality(job: Job) -> dict[str, tuple[float, float]]:
    """nDCG@10 of each model that ranks, beside the truth's over the same lists."""
    table = pq.read_table(job.folder("examples") / "examples.parquet")
    lists = ExampleLists(job, table.filter(pc.equal(table["part"], "test")))
    truth_N = _utilities(job.data, lists.rows)
    own = lists.rows.filter(pa.array(lists.own))
    hosts_Q = np.asarray(own["reach.hosts"].fill_null(False), bool)
    told_Q = np.isfinite(truth_N[lists.own]) & ~hosts_Q
    best = _ndcg(lists.ranks(truth_N), told_Q)
    release = job.releases.open(str(job.releases.current()))
    predict = release.system.deployment.predict
    scores = release.model(predict.name, threads=2).score_table(lists.rows)  # type: ignore[union-attr]
    found = {predict.name: _ndcg(lists.ranks(lists.ordered(scores, job.system)), told_Q)}
    for name in job.system.rules:
        found[name] = _ndcg(lists.ranks(lists.scores(job.system.models[name])), told_Q)  # type: ignore[arg-type]
    return {name: (value, best) for name, value in found.items()}


def _ndcg(ranks: Ranks, among_Q: NDArray[np.bool_]) -> float:
    rank = ranks.rank_P[among_Q]
    return float(np.where(rank <= K, 1 / np.log2(1 + rank), 0.0).mean())


def _utilities(data: Path, rows: pa.Table) -> NDArray[np.float64]:
    sys.path.insert(0, str(DESIGN.design.parent))
    from events_world.truth import Truth

    members, events = (np.array(rows[name].to_pylist()).astype(np.int64) for name in ("member", "event"))
    time_ms = np.asarray(rows["time"], np.int64) // 1000
    truth: Any = Truth.load(data)
    return np.asarray(truth.utilities(members - 10_000_000, events - 200_000_000, time_ms), np.float64)


def _answers(job: Job) -> tuple[float, float, int]:
    """p50 and p99 of an answer in milliseconds, and how many events were open."""
    release = job.releases.open(str(job.releases.current()))
    times = pq.read_table(job.folder("examples") / "examples.parquet", columns=["time", "member", "part"])
    tested = times.filter(pc.equal(times["part"], "test"))
    now_us = int(np.quantile(np.unique(np.asarray(tested["time"], np.int64)), 0.5))
    members = pc.unique(tested["member"]).to_pylist()[:ANSWERS]
    log = job.open_log()
    try:
        live = Live(job.workdir, release, log, Clock(now_us))
        try:
            assert live.answerer is not None, "events are items"
            assert live.catalogue is not None, "events are items"
            took_ms = []
            for at in range(WARM_UP + ANSWERS):
                asked = Question(f"events-{at}", members[at % len(members)], 20, now_us, {})
                started = time.perf_counter()
                live.answerer.answer(asked)
                took_ms.append((time.perf_counter() - started) * 1000)
            p50, p99 = np.percentile(took_ms[WARM_UP:], [50, 99])
            return float(p50), float(p99), len(live.catalogue.items().keys)
        finally:
            live.close()
    finally:
        log.close()


if __name__ == "__main__":
    main()
