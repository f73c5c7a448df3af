"""The demonstration: a run, a server, one person's answers before and after what they really did next."""

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sixfold.design.stores import Lmdb
from sixfold.errors import InvalidField, ServerUnreachable
from sixfold.pipeline.demo_rows import choose_rows, converse_about_rows
from sixfold.pipeline.job import Job
from sixfold.pipeline.replaying import asked, fetched, posted_row, told_features, told_refusals
from sixfold.pipeline.run import run, wide_console
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
    ranks = job.system.item is not None
    rows = None if ranks else choose_rows(job, _end(job) - _REPLAY_US)
    cut_us = _end(job) - _REPLAY_US if rows is None else rows.cut_us
    clock = datetime.fromtimestamp(cut_us / 1e6, UTC).isoformat()
    console.print(f"\n[bold]Serving[/bold] as of {clock}: it knows only what was known then.")
    server = _start(_replay_folder(job), job.design, clock)
    try:
        if rows is None:
            _converse(job, server[1], _choose(job, cut_us), console)
        else:
            converse_about_rows(job, server[1], rows, console)
    finally:
        server[0].send_signal(signal.SIGTERM)
        server[0].wait(timeout=30)
        if server[0].stdout is not None:
            server[0].stdout.close()
    console.print(f"The server has stopped. All of it took {time.perf_counter() - started:.0f} s.\n")
    name = job.system.name
    console.print("Next, you could")
    asks = "recommend" if ranks else "predict"
    hints = {
        f"open {job.workdir / 'report.html'}": "the run on one page",
        f"make serve SYSTEM={name}": f"then POST to /v1/{asks}; /openapi.json has the API",
        f".venv/bin/sixfold show {name}": "releases and what they reached",
        f".venv/bin/mlflow ui --backend-store-uri {tracking_uri(job.workdir)}": "the same in MLflow",
        f"edit {job.original or job.design}": "and run `make demo` again: only what changed is computed",
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
    body = {system.query: chosen.key, "k": 10, "context": chosen.context}
    before, first_ms = asked(f"{url}/v1/recommend", body)
    features = fetched(f"{url}/v1/features/{system.query}/{chosen.key}")["features"]
    sent, sent_ms = asked(f"{url}/v1/events/{system.examples.name}", chosen.rows)
    after, second_ms = asked(f"{url}/v1/recommend", body)
    changed = fetched(f"{url}/v1/features/{system.query}/{chosen.key}")["features"]
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
    told_refusals(sent, console)
    told_features(features, changed, tuple(system.tables), console)


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
    told = [dict(zip(names, values)) for values in rows]
    context = {name: told[0][name.rpartition(".")[2]] for name in job.system.context}
    return _Chosen(found[0], [posted_row(stream, row) for row in told], context)


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
