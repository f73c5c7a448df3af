"""The demonstration: a run, a server, one person's answers before and after what they really did next."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sixfold.errors import ServerUnreachable
from sixfold.pipeline.job import Job
from sixfold.pipeline.run import run
from sixfold.pipeline.send import post

__all__ = ["demo"]

_REPLAY_US = 6 * 3600 * 1_000_000
"""The server's clock stands so long before the data's end; what happened after that is replayed."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Someone who did several things after the cut."""

    key: str
    rows: list[dict[str, Any]]
    """Raw rows as a client would post them."""


def demo(job: Job, console: Console | None = None) -> int:
    """Run the design, serve it in the data's own time, ask, send what one person did next, ask again.

    Returns:
        0, or 1 where no release was made.
    """
    console = console or Console()
    started = time.perf_counter()
    result = run(job, console)
    if result.release is None:
        return 1
    cut_us = _end(job) - _REPLAY_US
    chosen = _choose(job, cut_us)
    clock = datetime.fromtimestamp(cut_us / 1e6, UTC).isoformat()
    console.print(f"\n[bold]Serving[/bold] as of {clock}: it knows only what was known then.")
    server = _start(job.workdir, job.design, clock)
    try:
        _converse(job, server[1], chosen, console)
    finally:
        server[0].send_signal(signal.SIGTERM)
        server[0].wait(timeout=30)
    console.print(f"The server has stopped. All of it took {time.perf_counter() - started:.0f} s.\n")
    name = job.system.name
    console.print("Next, you could")
    console.print(f"  open {job.workdir / 'report.html'}            the run on one page")
    console.print("  make serve                                      then POST to /v1/recommend; /schema has the API")
    console.print(f"  .venv/bin/sixfold show {name}                    releases and what they reached")
    console.print(f"  edit {job.design} and run `make demo` again: only what changed is computed")
    return 0


def _converse(job: Job, url: str, chosen: _Chosen, console: Console) -> None:
    system = job.system
    ask = {system.query: chosen.key, "k": 10}
    before, first_ms = _timed(f"{url}/v1/recommend", ask)
    features = _get(f"{url}/v1/features/{system.query}/{chosen.key}")["features"]
    sent, sent_ms = _timed(f"{url}/v1/events/{system.examples.name}", chosen.rows)
    after, second_ms = _timed(f"{url}/v1/recommend", ask)
    changed = _get(f"{url}/v1/features/{system.query}/{chosen.key}")["features"]
    table = Table("", "before", "after", title=f"{system.query} {chosen.key}", title_justify="left")
    old = [item["key"] for item in before["items"]]
    for at, (one, other) in enumerate(zip(before["items"], after["items"]), 1):
        mark = "" if other["key"] in old else "  new"
        table.add_row(str(at), f"{one['key']} ({one['source']})", f"{other['key']} ({other['source']}){mark}")
    console.print(table)
    console.print(
        f"answered in {first_ms:.1f} ms; {len(chosen.rows)} events that they really caused next: "
        f"{sent['accepted']} accepted, durable and applied in {sent_ms:.1f} ms; answered again in {second_ms:.1f} ms"
    )
    for name, value in changed.items():
        if value != features.get(name) and not name.startswith(tuple(system.tables)):
            console.print(f"  {name}: {_short(features.get(name))} -> {_short(value)}")


def _choose(job: Job, cut_us: int) -> _Chosen:
    """The person with most events in the time after the cut, and those events in the raw schema."""
    stream, query = job.system.examples, job.system.query
    source = job.ingested.sql(stream.name)
    with job.connect() as con:
        found = con.execute(
            f'select "{query}", count(*) as n from {source} where known >= {cut_us} and time >= {cut_us} '
            f'group by all order by n desc, "{query}" limit 1'
        ).fetchone()
        assert found is not None
        rows = con.execute(
            f'select * from {source} where "{query}" = ? and time >= {cut_us} order by known', [found[0]]
        ).to_arrow_table()
    own = ["time", *(key.entity for key in stream.keys), *(field.name for field in stream.fields)]
    return _Chosen(found[0], [_posted(job, row, own) for row in rows.to_pylist()])


def _posted(job: Job, row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """A row under the design's own names; times as ISO text, numbers in their design's unit turned back."""
    from sixfold.design.units import SECONDS

    fields = {field.name: field for field in (job.system.examples.time, *job.system.examples.fields)}
    posted: dict[str, Any] = {}
    for name in names:
        value, field = row[name], fields.get(name)
        if value is None:
            continue
        if field is not None and field.kind.base == "time" and field.unit:
            value = round(value / 1e6 / SECONDS[field.unit])
        elif field is not None and field.unit:
            value = round(value / SECONDS[field.unit], 6)
        posted[field.raw if field else name] = value
    return posted


def _end(job: Job) -> int:
    """The newest known time of the examples' stream."""
    with job.connect() as con:
        found = con.execute(f"select max(known) from {job.ingested.sql(job.system.examples.name)}").fetchone()
    assert found is not None
    return int(found[0])


def _start(workdir: Path, design: Path, clock: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server on a free port and wait for the line that names its address."""
    command = [sys.executable, "-m", "sixfold.cli", "serve", str(design), "--workdir", str(workdir), "--port", "0"]
    server = subprocess.Popen([*command, "--clock", clock], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if " on http://" in line:
            return server, line.split(" on ")[1].strip()
    raise ServerUnreachable(url="the demo's server", reason=f"it ended with status {server.wait()}")


def _timed(url: str, body: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    answer = post(url, body)
    return answer, (time.perf_counter() - started) * 1000


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} items, the last {', '.join(map(str, value[-3:]))}" if value else "nothing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
