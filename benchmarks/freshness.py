"""Freshness over HTTP: posts of 100 events, 5,000 events a second, and when an answered post's features are served.

    python benchmarks/freshness.py [--workdir .sixfold/video] [--seconds 12] [--json]

Serves a released video system (after `make demo`), on its data's clock, from the folder of the repository. It posts to
the log of that work folder: give it a copy.
"""

import argparse
import http.client
import json
import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import numpy as np

POSTS_A_SECOND, ROWS, PROBE_EVERY = 50, 100, 5


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", default=".sixfold/video")
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args()
    command = [sys.executable, "-m", "sixfold.cli", "serve", "video", "--workdir", given.workdir, "--port", "0"]
    with subprocess.Popen([*command, "--clock", "data"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "it is a pipe"
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        try:
            for line in measured(port, given.seconds):
                print(json.dumps(line) if given.json else "  ".join(f"{k}={v}" for k, v in line.items()))
        finally:
            process.terminate()


def measured(port: int, seconds: int) -> list[dict[str, Any]]:
    """Post for so long, and read a probe's feature after every fifth post until it has its event."""
    rng, delays_ms, answers_ms = np.random.default_rng(0), list[float](), list[float]()
    with (
        closing(http.client.HTTPConnection("127.0.0.1", port)) as posts,
        closing(http.client.HTTPConnection("127.0.0.1", port)) as reads,
    ):
        found = ask(reads, "GET", "/v1/features/viewer/probe")
        start_ms, seen = found["now"] // 1000, found["features"]["taste.views_1d"]
        begun = time.perf_counter()
        for tick in range(seconds * POSTS_A_SECOND):
            rows = impressions(rng, start_ms + tick * 1000 // POSTS_A_SECOND)
            asked = time.perf_counter()
            if ask(posts, "POST", "/v1/events/impressions", rows)["accepted"] != ROWS:
                raise ValueError("events were refused, or are there already: give it a fresh copy of the work folder")
            answered = time.perf_counter()
            answers_ms.append((answered - asked) * 1e3)
            seen += 1
            if tick % PROBE_EVERY == 0:
                while ask(reads, "GET", "/v1/features/viewer/probe")["features"]["taste.views_1d"] < seen:
                    pass
                delays_ms.append((time.perf_counter() - answered) * 1e3)
            time.sleep(max(0.0, begun + (tick + 1) / POSTS_A_SECOND - time.perf_counter()))
        rate = seconds * POSTS_A_SECOND * ROWS / (time.perf_counter() - begun)
    cases = [
        ("acknowledged to served", delays_ms, "goal of 200", 200),
        ("posted to acknowledged", answers_ms, "nothing", None),
    ]
    return [
        {
            "benchmark": "freshness",
            "case": f"{case} at {rate:,.0f} events/s over HTTP, p99 of {len(times)}",
            "value": round(float(np.percentile(times, 99)), 2),
            "unit": "ms",
            "against": against,
            "ratio": None if goal is None else round(goal / float(np.percentile(times, 99)), 2),
        }
        for case, times, against, goal in cases
    ]


def impressions(rng: np.random.Generator, at_ms: int) -> list[dict[str, Any]]:
    """Finished views of any viewers, one of them the probe's."""
    rows = [
        {"user_id": f"u{viewer}", "video_id": str(video), "time_ms": at_ms + i % 20, "tab": "1"}
        for i, (viewer, video) in enumerate(rng.integers(0, [5_000, 3_000], (ROWS, 2)).tolist())
    ]
    rows[0] |= {"user_id": "probe", "video_id": f"probe {at_ms}"}
    return [{**row, "is_click": 1, "long_view": 1, "play_time_ms": 0} for row in rows]


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> Any:
    """The reply's JSON; an error for anything but 200."""
    connection.request(method, path, None if body is None else json.dumps(body))
    reply = connection.getresponse()
    said = json.loads(reply.read())
    if reply.status != 200:
        raise ValueError(said)
    return said


if __name__ == "__main__":
    main()
