"""Texts a second that `POST /v1/predict` judges and decides about, and how long one takes at half of that.

    python benchmarks/texts.py [--quick] [--json] [--workdir DIR]

The release is that of a design that judges short posts: hashed texts of the default size, features of the author, a
policy whose decisions are durable before they are told. It is made from generated posts of 25 words, in a work folder
that is kept where one is given. The server runs on one core and the client on another. The highest throughput is that
of 128 connections of which each asks again once it is answered (the best of five rounds); latency is that of requests
that are sent at half of that rate whatever the server does, counted from when each was due. Beside it stands the bare
ONNX forward pass of the same texts, encoded, 64 at a time, on one thread of one core.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import uvloop
from numpy.typing import NDArray

from sixfold.inference.encoding import Encoder
from sixfold.inference.models import read_card
from sixfold.inference.text import GRAMS, WORD_VECTORS
from sixfold.inference.words import WordVectors, word_file
from sixfold.registry import Release, Releases

CONNECTIONS, PER_REQUEST, AT_ONCE = 128, (1, 8), 64
DIFFERENT, WORDS = 20_000, 20_000
START_S = 1_767_225_600
DESIGN = """
import sixfold as sf

post, author, reader = sf.Entity("post"), sf.Entity("author"), sf.Entity("reader")
on_post, when = (post.key(), author.key(optional=True)), sf.Time("at", unit="s")
posts = sf.Events("posts", sf.Parquet("posts.parquet"), *on_post, time=when, text=sf.Text())
votes = sf.Events("votes", sf.Parquet("votes.parquet"), *on_post, reader.key(), time=when,
    mood=sf.Category(values=("kind", "rude", "vile")))
record = sf.Features("record", author, votes, votes_7d=sf.count(window="7d"),
    vile_7d=sf.count(window="7d", where="mood = 'vile'"), vile_30d=sf.count(window="30d", where="mood = 'vile'"))
mood = sf.Label("mood", sf.last("mood", n=9), over=votes)
judge = sf.Network("judge", inputs=[posts.text, record], text=sf.HashedText(), body=[sf.Mlp(128), sf.Mlp(64)],
    heads=[sf.OneOf(mood, calibrate="isotonic")], training=sf.Training(epochs=2))
system = sf.System("posts",
    sf.Requirements(goal="Nobody is hurt"),
    sf.Framing(query=post, examples=posts, context=[posts.text, posts.author], labels=[mood]),
    sf.Data(posts, votes, record), sf.Models(judge),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(1 - mood.kind)"], gates=[]),
    sf.Deployment(predict=judge, policy=[
        sf.Action("remove", on="mood.vile", precision=0.9),
        sf.Action("review", on="1 - mood.kind", per_day=200, explore=0.1),
        sf.Action("demote", on="1 - mood.kind", recall=0.9)]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer posts to learn from, shorter rounds")
    parser.add_argument("--json", action="store_true", help="one object a line; without, a line of words each")
    parser.add_argument("--workdir", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as made:
        folder = given.workdir or Path(made)
        if not (folder / "work" / "releases").is_dir():
            _release(folder, 1_200 if given.quick else 6_000, rng)
        rows = [_row(at, rng) for at in range(DIFFERENT)]
        releases = Releases(folder / "work" / "releases")
        bare = _bare(releases.open(str(releases.current())), rows)
        with _server(folder) as (port, server):
            rounds, seconds = (2, 1.0) if given.quick else (5, 4.0)
            ceiling = _highest(port, [_request("GET", "/healthz")], rounds, seconds)
            print(f"# the client and /healthz: {ceiling[0]:,.0f} requests/s", file=sys.stderr)
            for texts in PER_REQUEST:
                requests = [_ask(rows[at : at + texts]) for at in range(0, len(rows) - texts + 1, texts)]
                spent = _spent_s(server)
                found = _highest(port, requests, rounds, seconds)
                each = (rounds + 1) * seconds * float(np.mean(found)) / (_spent_s(server) - spent)
                words = f"median of {rounds} rounds {np.median(found) * texts:,.0f}"
                case = f"{texts} a request"
                _tell(given.json, f"{case}, one core", found[0] * texts, "texts/s", bare, words)
                words = "all rounds together, by what the server had of the core"
                _tell(given.json, f"{case}, by processor time", each * texts, "texts/s", bare, words)
                took = uvloop.run(_open(port, requests, found[0] / 2, seconds * rounds))
                for name, q in (("p50", 50), ("p99", 99)):
                    value = float(np.percentile(took, q)) * 1000
                    words = f"{len(took):,} requests, {found[0] / 2:,.0f} a second"
                    _tell(given.json, f"{case}, {name} at half of that", value, "ms", 1000 * AT_ONCE / bare, words)


def _tell(as_json: bool, case: str, value: float, unit: str, against: float, words: str) -> None:
    ratio = value / against if unit == "texts/s" else against / value
    said = {
        "benchmark": "texts",
        "case": case,
        "value": round(value, 2),
        "unit": unit,
        "against": round(against, 2),
        "ratio": round(ratio, 4),
    }
    of = "the bare forward pass" if unit == "texts/s" else f"the bare forward pass of {AT_ONCE}"
    print(json.dumps(said) if as_json else f"{case}: {value:,.2f} {unit} ({words}); {of}: {against:,.2f}", flush=True)


# The posts, and the release that learned from them.


def _row(at: int, rng: np.random.Generator) -> dict[str, Any]:
    """A post to judge, of 25 words on average; few words are common, many rare, some never seen."""
    words = [_word(int(rank)) for rank in WORDS ** rng.random(int(rng.integers(15, 36)))]
    if rng.random() < 0.2:
        words[int(rng.integers(0, len(words)))] = f"new{rng.integers(0, 10**6)}"
    return {"post": f"q{at}", "author": f"a{int(500 * rng.random() ** 2)}", "text": " ".join(words)}


def _word(rank: int) -> str:
    """A word that can be spoken; the common ones are short."""
    parts = ["".join((c, v)) for c in "bdfgklmnprstvz" for v in "aeiou"]
    word = parts[rank % len(parts)]
    while rank := rank // len(parts):
        word += parts[rank % len(parts)]
    return word


def _release(folder: Path, count: int, rng: np.random.Generator) -> None:
    posts, votes = [], []
    for at in range(count):
        row, mood = _row(at, rng), str(rng.choice(["kind", "rude", "vile"], p=[0.7, 0.2, 0.1]))
        posts.append({**row, "at": START_S + at * 60, "text": f"{row['text']} {mood}ly"})
        own = {"post": row["post"], "author": row["author"], "at": START_S + at * 60 + 30}
        votes += [{**own, "reader": f"r{n}", "mood": mood} for n in range(3)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("posts", posts), ("votes", votes)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    (folder / "design.py").write_text(DESIGN)
    command = [sys.executable, "-m", "sixfold.cli", "run", str(folder / "design.py")]
    subprocess.run([*command, "--workdir", str(folder / "work")], check=True, stdout=subprocess.DEVNULL)


def _bare(release: Release, rows: Sequence[dict[str, Any]]) -> float:
    """Texts a second of the forward pass alone, on the core that serves later."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        return max(_forward(release, rows) for _ in range(3))
    finally:
        os.sched_setaffinity(0, cores)


def _forward(release: Release, rows: Sequence[dict[str, Any]]) -> float:
    folder = release.folder / "models" / release.system.deployment.predict.name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    encoder = read_card(folder).encoders["inputs"]
    names = [one.name for one in session.get_inputs()]
    # Of this pass every word is computed in every batch; the server keeps those that it knows.
    text = encoder.texts[0].name
    words = WordVectors(folder / word_file("model", 0), threads=1, remembered=0)
    batches = [_encoded(encoder, rows[at : at + AT_ONCE]) for at in range(0, 40 * AT_ONCE, AT_ONCE)]

    def run(arrays: dict[str, NDArray[Any]]) -> None:
        made = {text + WORD_VECTORS: words.of(arrays[text + GRAMS])}
        session.run(None, {name: made[name] if name in made else arrays[name] for name in names})

    for arrays in batches:
        run(arrays)
    started = time.perf_counter()
    for arrays in batches:
        run(arrays)
    return len(batches) * AT_ONCE / (time.perf_counter() - started)


def _encoded(encoder: Encoder, rows: Sequence[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    columns: dict[str, Any] = {scale.name: pa.array([1.0] * len(rows)) for scale in encoder.numbers}
    columns |= {coder.name: pa.array([row["text"] for row in rows]) for coder in encoder.texts}
    arrays = encoder.encode_table(pa.table(columns))
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


# The server and the client.


@contextmanager
def _server(folder: Path) -> Iterator[tuple[int, int]]:
    """The port and process of a server on the first core; the client goes to the last."""
    command = [sys.executable, "-m", "sixfold.cli", "serve", str(folder / "design.py"), "--port", "0"]
    cores, one = sorted(os.sched_getaffinity(0)), {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["--workdir", str(folder / "work"), "--clock", "data"]
    server = subprocess.Popen(["taskset", "-c", str(cores[0]), *command], stdout=subprocess.PIPE, text=True, env=one)
    assert server.stdout is not None
    os.sched_setaffinity(0, {cores[-1]})
    try:
        yield int(server.stdout.readline().rsplit(":", 1)[1]), server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
        server.stdout.close()
        os.sched_setaffinity(0, cores)


def _spent_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ask(rows: Sequence[dict[str, Any]]) -> bytes:
    return _request("POST", "/v1/predict", msgspec.json.encode({"rows": rows}))


def _request(method: str, path: str, body: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One request at a time over one connection."""

    def __init__(self, done: Callable[["_Connection"], None]) -> None:
        self._done, self._got = done, b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(self._got.decode())
        self._got = b""
        self._done(self)

    def close(self) -> None:
        self._transport.close()


async def _connected(port: int, done: Callable[[_Connection], None]) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Connection(done), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    return [connection for _, connection in made]


def _highest(port: int, requests: Sequence[bytes], rounds: int, seconds: float) -> list[float]:
    """Requests a second of each round, the best first; one round more goes before to warm up."""
    found = [uvloop.run(_closed(port, requests, seconds)) for _ in range(rounds + 1)]
    return sorted(found[1:], reverse=True)


async def _closed(port: int, requests: Sequence[bytes], seconds: float) -> float:
    """Requests a second where each connection asks again once it is answered."""
    following, answered = cycle(requests), 0
    ends, all_done, open_ones = time.perf_counter() + seconds, asyncio.Event(), CONNECTIONS

    def again(connection: _Connection) -> None:
        nonlocal answered, open_ones
        answered += 1
        if time.perf_counter() < ends:
            connection.ask(next(following))
            return
        open_ones -= 1
        if not open_ones:
            all_done.set()

    connections, started = await _connected(port, again), time.perf_counter()
    for connection in connections:
        connection.ask(next(following))
    await all_done.wait()
    took = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return answered / took


async def _open(port: int, requests: Sequence[bytes], rate: float, seconds: float) -> list[float]:
    """Seconds of each request from when it was due, of requests that are due at a fixed rate."""
    took: list[float] = []
    free: deque[_Connection] = deque()  # in turn: the server closes what is idle for seconds

    def answered(connection: _Connection) -> None:
        took.append(time.perf_counter() - connection.due)
        free.append(connection)

    free += await _connected(port, answered)
    connections, following, sent = list(free), cycle(requests), 0
    started, count = time.perf_counter(), int(rate * seconds)
    while len(took) < count:
        # A request that finds no connection free goes later, and has been waiting since it was due.
        while sent < count and free and (due := started + sent / rate) <= time.perf_counter():
            connection = free.popleft()
            connection.due, sent = due, sent + 1
            connection.ask(next(following))
        # Until the next is due: a client that spins loses its turns to whatever else runs on its core.
        await asyncio.sleep(max(0.0, started + sent / rate - time.perf_counter()) if free and sent < count else 0.001)
    for connection in connections:
        connection.close()
    return took


if __name__ == "__main__":
    main()
