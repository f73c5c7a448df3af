"""Rows a second that `POST /v1/predict` answers in batches of 100, beside the bare ONNX forward pass of the same rows.

    python benchmarks/predict.py [--quick] [--json] [--design ads] --workdir DIR

The work folder must hold a release of a design that predicts with a network, and the examples of its run. The server
runs on one core and the client on another; the forward pass on one thread.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pyarrow.parquet as pq

from sixfold.inference.models import read_card
from sixfold.pipeline.locate import locate
from sixfold.registry import Release, Releases

BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--json", action="store_true", help="one object a line; without, a line of words each")
    parser.add_argument("--design", default="ads")
    parser.add_argument("--workdir", type=Path)
    given = parser.parse_args()
    workdir = given.workdir or locate(given.design).workdir(None)
    if not (workdir / "releases").is_dir():
        print(f"# nothing is released in {workdir}: `sixfold run {given.design}` first", file=sys.stderr)
        return
    releases = Releases(workdir / "releases")
    release = releases.open(str(releases.current()))
    count = 100 if given.quick else 1000
    served, bare = _served(given.design, workdir, release, count), _bare(workdir, release, count)
    said = {
        "benchmark": "predict",
        "case": f"batches of {BATCH} rows over HTTP, one core",
        "value": round(served),
        "unit": "rows/s",
        "against": round(bare),
        "ratio": round(served / bare, 4),
    }
    words = f"{said['case']}: {served:,.0f} rows/s; the bare forward pass: {bare:,.0f}; {served / bare:.1%} of it"
    print(json.dumps(said) if given.json else words, flush=True)


def _served(design: str, workdir: Path, release: Release, count: int) -> float:
    system = release.system
    names = list(dict.fromkeys((*system.row.base, *system.context)))
    table = pq.read_table(workdir / "steps" / "examples" / "examples.parquet", columns=names)
    rows = table.slice(max(0, len(table) - 20_000)).to_pylist()
    bodies = [msgspec.json.encode({"rows": rows[at : at + BATCH]}) for at in range(0, len(rows) - BATCH + 1, BATCH)]
    command = [sys.executable, "-m", "sixfold.cli", "serve", design, "--workdir", str(workdir), "--port", "0"]
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([*command, "--clock", "data"], stdout=subprocess.PIPE, text=True, env=one)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(server.pid, {cores[0]})
    assert server.stdout is not None
    port = int(server.stdout.readline().rsplit(":", 1)[1])
    os.sched_setaffinity(0, {cores[-1]})
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        for body in islice(cycle(bodies), 50):
            _ask(connection, body)
        started = time.perf_counter()
        for body in islice(cycle(bodies), count):
            _ask(connection, body)
        return count * BATCH / (time.perf_counter() - started)
    finally:
        connection.close()
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def _ask(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/v1/predict", body)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {text.decode(errors='replace')}")


def _bare(workdir: Path, release: Release, count: int) -> float:
    name = release.system.deployment.predict.name
    folder = release.folder / "models" / name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    encoder = read_card(folder).encoders["inputs"]
    examples = pq.read_table(workdir / "steps" / "examples" / "examples.parquet")
    arrays = encoder.encode_table(examples.slice(0, BATCH))
    inputs = {one.name: np.ascontiguousarray(arrays[one.name]) for one in session.get_inputs()}
    for _ in range(50):
        session.run(None, inputs)
    started = time.perf_counter()
    for _ in range(count):
        session.run(None, inputs)
    return count * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
