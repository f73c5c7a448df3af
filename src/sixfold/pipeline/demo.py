"""The demonstration: a run, a server, one person's answers before and after what they really did next."""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sixfold.data.layout import IDENTITY
from sixfold.design.stores import Lmdb
from sixfold.errors import InvalidField, ServerUnreachable
from sixfold.pipeline.job import Job
from sixfold.pipeline.run import run, wide_console
from sixfold.pipeline.send import post
from sixfold.registry.mlflow_registry import tracking_uri

__all__ = ["demo"]

_REPLAY_US = 6 * 3600 * 1_000_000
"""The server's clock stands so long before the data's end; what happened after that is replayed."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Someone who did several things after the cut."""

    key: str
    rows: list[dict[str, Any]]
    """Raw rows as a client would post them."""
    context: dict[str, Any]
    """What a request of theirs brought, the first after the cut."""


def demo(job: Job, console: Console | None = None) -> int:
    """Run the design, serve it in the data's own time, ask, send what one person did next, ask again.

    Returns:
        0, or 1 where no release was made.

    Raises:
        InvalidField: the design's stores are shared, and what is replayed would become data for all.
    """
    deployment = job.system.deployment
    if not isinstance(deployment.stores, Lmdb):
        rule = "sf.Lmdb() for a demo, which replays events"
        raise InvalidField(
            where=deployment.at, part="Deployment", field="stores", rule=rule, value=str(deployment.stores)
        )
    console = console or wide_console(stderr=False)
    started = time.perf_counter()
    result = run(job, console)
    if result.release is None:
        return 1
    cut_us = _end(job) - _REPLAY_US
    chosen = _choose(job, cut_us)
    clock = datetime.fromtimestamp(cut_us / 1e6, UTC).isoformat()
    console.print(f"\n[bold]Serving[/bold] as of {clock}: it knows only what was known then.")
    server = _start(_replay_folder(job), job.design, clock)
    try:
        _converse(job, server[1], chosen, console)
    finally:
        server[0].send_signal(signal.SIGTERM)
        server[0].wait(timeout=30)
    console.print(f"The server has stopped. All of it took {time.perf_counter() - started:.0f} s.\n")
    name = job.system.name
    console.print("Next, you could")
    hints = {
        f"open {job.workdir / 'report.html'}": "the run on one page",
        "make serve": "then POST to /v1/recommend; /openapi.json has the API",
        f".venv/bin/sixfold show {name}": "releases and what they reached",
        f".venv/bin/mlflow ui --backend-store-uri {tracking_uri(job.workdir)}": "the same in MLflow",
        f"edit {job.design}": "and run `make demo` again: only what changed is computed",
    }
    for command, what in hints.items():
        console.print(f"  {command}\n      {what}", highlight=False, soft_wrap=True)
    return 0


def _replay_folder(job: Job) -> Path:
    """A work folder with the same releases and data, but a log of its own: a replay is no new data for the next run."""
    folder = job.workdir / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("ingested", "releases"):
        (folder / name).symlink_to((job.workdir / name).resolve())
    return folder


def _converse(job: Job, url: str, chosen: _Chosen, console: Console) -> None:
    system = job.system
    ask = {system.query: chosen.key, "k": 10, "context": chosen.context}
    before, first_ms = _timed(f"{url}/v1/recommend", ask)
    features = _get(f"{url}/v1/features/{system.query}/{chosen.key}")["features"]
    sent, sent_ms = _timed(f"{url}/v1/events/{system.examples.name}", chosen.rows)
    after, second_ms = _timed(f"{url}/v1/recommend", ask)
    changed = _get(f"{url}/v1/features/{system.query}/{chosen.key}")["features"]
    table = Table("", "before", "after", title=f"{system.query} {chosen.key}", title_justify="left")
    old = [item["key"] for item in before["items"]]
    for at, (one, other) in enumerate(zip_longest(before["items"], after["items"]), 1):
        mark = "" if other is None or other["key"] in old else "  new"
        table.add_row(str(at), _item(one), f"{_item(other)}{mark}")
    console.print(table)
    console.print(
        f"answered in {first_ms:.1f} ms; {len(chosen.rows)} events that they really caused next: "
        f"{sent['accepted']} accepted, durable and applied in {sent_ms:.1f} ms; answered again in {second_ms:.1f} ms"
    )
    for one in sent["refused"]:
        console.print(f"  [red]refused[/red] row {one['index']}: {one['reason']}")
    for name, value in changed.items():
        if value != features.get(name) and not name.startswith(tuple(system.tables)):
            console.print(f"  {name}: {_short(features.get(name))} -> {_short(value)}")


def _choose(job: Job, cut_us: int) -> _Chosen:
    """The person with most to tell after the cut (the most flags that are true), and their rows in the raw schema."""
    stream, query = job.system.examples, job.system.query
    source = job.ingested.sql(stream.name)
    flags = [f'coalesce("{field.name}", false)::int' for field in stream.fields if field.kind.base == "flag"]
    with job.connect() as con:
        found = con.execute(
            f'select "{query}", sum({" + ".join(["1", *flags])}) as told from {source} '
            f'where known >= {cut_us} and time >= {cut_us} and "{query}" is not null '
            f'group by all order by told desc, "{query}" limit 1'
        ).fetchone()
        assert found is not None
        rows = con.execute(
            f'select * from {source} where "{query}" = ? and time >= {cut_us} order by known', [found[0]]
        ).fetchall()
        names = [column[0] for column in con.description or []]
    own = ["time", *(key.entity for key in stream.keys), *(field.name for field in stream.fields)]
    own += [IDENTITY] if stream.identity else []
    told = [dict(zip(names, values)) for values in rows]
    context = {name: told[0][name.rpartition(".")[2]] for name in job.system.context}
    return _Chosen(found[0], [_posted(job, row, own) for row in told], context)


def _posted(job: Job, row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """A row under the design's own names; times as ISO text, numbers in their design's unit turned back."""
    from sixfold.design.units import SECONDS

    fields = {field.name: field for field in (job.system.examples.time, *job.system.examples.fields)}
    posted: dict[str, Any] = {}
    for name in names:
        value, field = row[name], fields.get(name)
        if value is None:
            continue
        if field is not None and field.kind.base == "time":
            iso = datetime.fromtimestamp(value / 1e6, UTC).isoformat()
            value = round(value / 1e6 / SECONDS[field.unit]) if field.unit else iso
        elif field is not None and field.unit:
            value = round(value / SECONDS[field.unit], 6)
        posted[field.raw if field else name] = value
    return posted


def _item(one: dict[str, Any] | None) -> str:
    """An item of an answer: what proposed it, or where it has a price, what it says and costs."""
    if one is None:
        return ""
    if "price" not in one:
        return f"{one['key']} ({one['source']})"
    heads = ", ".join(f"{name} {value:.4f}" for name, value in one["heads"].items())
    return f"{one['key']}   {heads}, worth {one['score']:.4f}, price {one['price']:.3f}"


def _end(job: Job) -> int:
    """When the newest example happened: what came of it may have come long after."""
    with job.connect() as con:
        found = con.execute(f'select max("time") from {job.ingested.sql(job.system.examples.name)}').fetchone()
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
