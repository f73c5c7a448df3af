"""What the demonstrations share: rows as a client would post them, requests, and how values are told."""

import json
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from sixfold.data.layout import IDENTITY
from sixfold.design.schema import Stream
from sixfold.design.units import SECONDS
from sixfold.pipeline.send import post

__all__ = ["asked", "fetched", "posted_names", "posted_row", "told_features", "told_refusals"]


def posted_names(stream: Stream) -> list[str]:
    """The columns of an ingested row that a client would post."""
    own = ["time", *(key.entity for key in stream.keys), *(field.name for field in stream.fields)]
    return own + ([IDENTITY] if stream.identity else [])


def posted_row(stream: Stream, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row under the design's own names; times as ISO text, numbers in their design's unit turned back."""
    fields = {field.name: field for field in (stream.time, *stream.fields)}
    posted: dict[str, Any] = {}
    for name in posted_names(stream):
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


def asked(url: str, body: Any) -> tuple[Any, float]:
    """The answer to a posted body, and the milliseconds that it took."""
    started = time.perf_counter()
    answer = post(url, body)
    return answer, (time.perf_counter() - started) * 1000


def fetched(url: str) -> Any:
    """The JSON at an address."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


def told_refusals(sent: Mapping[str, Any], console: Console) -> None:
    """Say which posted rows were refused."""
    for one in sent["refused"]:
        console.print(f"  [red]refused[/red] row {one['index']}: {one['reason']}")


def told_features(
    before: Mapping[str, Any], after: Mapping[str, Any], tables: tuple[str, ...], console: Console
) -> None:
    """Say which features changed."""
    for name, value in after.items():
        if value != before.get(name) and not name.startswith(tables):
            console.print(f"  {name}: {_short(before.get(name))} -> {_short(value)}")


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} items, the last {', '.join(map(str, value[-3:]))}" if value else "nothing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
