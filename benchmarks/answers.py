"""How long an answer takes over HTTP, one at a time, beside the bare forward pass of the model for as many rows.

    python benchmarks/answers.py [--quick] [--json] [--design video] [--workdir DIR] [--clock data]

The work folder must hold a release (`sixfold run`); without one given, the sample data's release is made first.
"""

import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sixfold.features.arrays import nulls
from sixfold.inference.models import Scorer
from sixfold.pipeline.locate import Located, locate
from sixfold.registry import Release, Releases

ROWS = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--json", action="store_true", help="one object a line; without, a line of words each")
    parser.add_argument("--design", default="video")
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--clock", default="data")
    given = parser.parse_args()
    count, located = (200 if given.quick else 2000), locate(given.design)
    with tempfile.TemporaryDirectory() as made:
        workdir = given.workdir or _run(located, Path(made))
        releases = Releases(workdir / "releases")
        release = releases.open(str(releases.current()))
        forward_ms = _forward(release, count)
        for case, took_ms in _answers(given.design, workdir, given.clock, release, count).items():
            for name, value in _quantiles(took_ms).items():
                against = float(np.percentile(forward_ms, 50))
                _tell(given.json, f"{case} {name}", value, against)


def _run(located: Located, workdir: Path) -> Path:
    command = [sys.executable, "-m", "sixfold.cli", "run", str(located.design), "--workdir", str(workdir)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return workdir


def _forward(release: Release, count: int) -> NDArray[np.float64]:
    """Milliseconds of each scoring of 400 rows of nulls: encoding and the forward pass."""
    system = release.system
    scorer = cast(Scorer, release.model(system.deployment.predict.name))
    columns = {name: nulls(system.kinds[name], ROWS) for name in scorer.names}
    took = []
    for _ in range(count):
        started = time.perf_counter()
        scorer.score(columns, ROWS)
        took.append(time.perf_counter() - started)
    return np.array(took) * 1000


def _answers(design: str, workdir: Path, clock: str, release: Release, count: int) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of each request, over one connection, by case."""
    command = [sys.executable, "-m", "sixfold.cli", "serve", design, "--workdir", str(workdir), "--port", "0"]
    server = subprocess.Popen([*command, "--clock", clock], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    started = time.perf_counter()
    ready = re.search(r"http://127\.0\.0\.1:(\d+)", server.stdout.readline())
    if ready is None:
        raise SystemExit("the server did not start")
    print(f"# ready after {time.perf_counter() - started:.2f} s", file=sys.stderr)
    connection = http.client.HTTPConnection("127.0.0.1", int(ready[1]))
    query = release.system.query
    try:
        keys = {"query known": _keys(workdir, release), "query never seen": ["never seen"]}
        return {
            case: np.array([_timed(connection, {query: own[i % len(own)], "k": 20}) for i in range(count + 50)])[50:]
            for case, own in keys.items()
            if own
        }
    finally:
        connection.close()
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def _keys(workdir: Path, release: Release) -> list[str]:
    """Keys of queries that the ingested examples name."""
    import duckdb

    from sixfold.data.ingested import Ingested

    system = release.system
    source = Ingested.of(system, workdir / "ingested").sql(system.examples.name)
    with duckdb.connect() as con:
        found = con.execute(f'select distinct "{system.query}" as key from {source} order by hash(key) limit 500')
        return [key for (key,) in found.fetchall() if key is not None]


def _timed(connection: http.client.HTTPConnection, body: dict[str, Any]) -> float:
    raw = json.dumps(body)
    started = time.perf_counter()
    connection.request("POST", "/v1/recommend", raw)
    answer = connection.getresponse()
    text = answer.read()
    took_ms = (time.perf_counter() - started) * 1000
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {text.decode(errors='replace')}")
    return took_ms


def _quantiles(took_ms: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(np.percentile(took_ms, share)) for name, share in (("p50", 50), ("p95", 95), ("p99", 99))}


def _tell(as_json: bool, case: str, value: float, against: float) -> None:
    said = {
        "benchmark": "answers",
        "case": case,
        "value": round(value, 3),
        "unit": "ms",
        "against": round(against, 3),
        "ratio": round(against / value, 3),
    }
    words = f"{case}: {value:.2f} ms over HTTP; scoring {ROWS} rows alone: {against:.2f} ms"
    print(json.dumps(said) if as_json else words, flush=True)


if __name__ == "__main__":
    main()
