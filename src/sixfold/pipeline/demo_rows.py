"""The demonstration of a design that judges rows: what it decides, what waits, what a decision changes."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from sixfold.pipeline.job import Job
from sixfold.pipeline.replaying import asked, fetched, posted_row, told_features, told_refusals

__all__ = ["Rows", "choose_rows", "converse_about_rows"]

_MOST, _AT_ONCE, _SHOWN = 500, 50, 5


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the test part that are judged anew, and what is known before them."""

    rows: list[dict[str, Any]]
    """As a client would send them, in the order of their times."""
    cut_us: int
    """When the first of them happened."""


def choose_rows(job: Job, cut_us: int) -> Rows:
    """The latest rows of the test part, at most 500, none before the cut where there are any after it."""
    system = job.system
    names = list(dict.fromkeys((*system.row.base, *system.context)))
    table = pq.read_table(job.folder("examples") / "examples.parquet", columns=["time", "part", *names])
    table = table.filter(pc.equal(table["part"], "test"))
    later = table.filter(pc.greater_equal(table["time"], cut_us))
    table = later if len(later) else table
    table = table.slice(max(0, len(table) - _MOST))
    return Rows(table.select(names).to_pylist(), int(table["time"][0].as_py()))


def converse_about_rows(job: Job, url: str, chosen: Rows, console: Console) -> None:
    """Have the rows judged, look at the queue, tell what really came next of one of them, and judge it again."""
    judged: list[dict[str, Any]] = []
    took_ms = 0.0
    for at in range(0, len(chosen.rows), _AT_ONCE):
        answer, ms = asked(f"{url}/v1/predict", {"rows": chosen.rows[at : at + _AT_ONCE]})
        judged, took_ms = judged + answer["rows"], took_ms + ms
    console.print(
        f"{len(judged)} rows of the test part, {_AT_ONCE} a request: {took_ms / len(judged):.2f} ms each, "
        "decisions durable in the log."
    )
    queues = [one.action.name for one in job.system.actions if one.action.per_day is not None]
    if job.system.actions:
        console.print(_actions(judged))
    for name in queues:
        console.print(_queue(job, fetched(f"{url}/v1/queue/{name}?n={_SHOWN}")))
    query = job.system.query
    waiting = [row["key"] for name in queues for row in fetched(f"{url}/v1/queue/{name}?n=100")["rows"]]
    told = _next(job, chosen, waiting or [row[query] for row in chosen.rows])
    if told is not None:
        _tell(job, url, chosen, *told, console)


def _actions(judged: list[dict[str, Any]]) -> Table:
    counted = Counter(row["action"] for row in judged)
    drawn = Counter(row["action"] for row in judged for reason in row["reasons"] if reason.get("drawn"))
    table = Table("Action", "rows", "drawn to learn from", title="Decided", title_justify="left")
    for name, count in counted.most_common():
        table.add_row(name, str(count), str(drawn[name] or ""))
    return table


def _queue(job: Job, found: dict[str, Any]) -> Table:
    title = f"First of {found['waiting']} that wait for {found['action']}"
    table = Table(job.system.query, "order", "because", title=title, title_justify="left")
    for row in found["rows"]:
        reasons = [
            f"{one['on']} = {one['score']:.3f}{' (drawn)' if one.get('drawn') else ''}" for one in row["reasons"]
        ]
        order = "" if row["order"] is None else f"{row['order']:.3f}"
        table.add_row(row["key"], order, ", ".join(reasons))
    return table


def _next(job: Job, chosen: Rows, keys: list[str]) -> tuple[str, dict[str, list[dict[str, Any]]]] | None:
    """Of these keys the one of which most is told after the cut in other streams, and the rows of each."""
    system = job.system
    own = [one for one in system.streams.values() if one.name != system.examples.name]
    own = [one for one in own if any(key.entity == system.query and not key.is_list for key in one.keys)]
    found, wanted = Counter[str](), set(keys)
    with job.connect() as con:
        for stream in own:
            source = job.ingested.sql(stream.name)
            counted = f'select "{system.query}", count(*) from {source} where known >= {chosen.cut_us} group by all'
            # A kind of event counts more than many of one kind.
            found.update({key: 10 + count for key, count in con.execute(counted).fetchall() if key in wanted})
        if not found:
            return None
        key = max(keys, key=lambda one: found[one])
        told = {}
        for stream in own:
            own_rows = f'{job.ingested.sql(stream.name)} where "{system.query}" = ? and known >= {chosen.cut_us}'
            cursor = con.execute(f"select * from {own_rows} order by known", [key])
            names = [column[0] for column in cursor.description or []]
            if rows := [posted_row(stream, dict(zip(names, values))) for values in cursor.fetchall()]:
                told[stream.name] = rows
    return key, told


def _tell(job: Job, url: str, chosen: Rows, key: str, told: dict[str, list[dict[str, Any]]], console: Console) -> None:
    """Post what came next of a row, and say what that changed."""
    system = job.system
    (row,) = (one for one in chosen.rows if one[system.query] == key)
    entities = {name: row[name] for name in row if name in system.row.base or system.kinds[name].domain == name}
    places = [f"{url}/v1/features/{entity}/{value}" for entity, value in entities.items() if value is not None]
    before, _ = asked(f"{url}/v1/predict", {"rows": [row]})
    features = {name: value for place in places for name, value in fetched(place)["features"].items()}
    for stream, rows in told.items():
        sent, ms = asked(f"{url}/v1/events/{stream}", rows)
        console.print(
            f"{system.query} {key}: {len(rows)} {stream} that really came next: {sent['accepted']} accepted, durable "
            f"and applied in {ms:.1f} ms"
        )
        told_refusals(sent, console)
    changed = {name: value for place in places for name, value in fetched(place)["features"].items()}
    told_features(features, changed, tuple(system.tables), console)
    for name in [one.action.name for one in system.actions if one.action.per_day is not None]:
        console.print(f"waiting for {name} now: {fetched(f'{url}/v1/queue/{name}?n=1')['waiting']}")
    after, _ = asked(f"{url}/v1/predict", {"rows": [row]})
    (old,), (new,) = before["rows"], after["rows"]
    scores = [name for name in new if isinstance(new[name], float) and name != "propensity"]
    moved = sorted(scores, key=lambda name: -abs(new[name] - old[name]))[:3]
    words = ", ".join(f"{name} {old[name]:.4f} -> {new[name]:.4f}" for name in moved)
    console.print(f"judged again: {old.get('action', '')} -> {new.get('action', '')}; {words}")
