"""Replaying a file of events into a server."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from sixfold.design.system import System
from sixfold.design.units import SECONDS
from sixfold.errors import FileUnreadable, ServerUnreachable

__all__ = ["Sent", "post", "send"]

_BATCH = 1000


@dataclass
class Sent:
    """What became of the rows of a file."""

    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def send(system: System, file: Path, *, url: str, stream: str, speed: float) -> Sent:
    """Post the rows of a file in the order of their times, in batches.

    Args:
        file: JSON lines, CSV or Parquet with the raw column names.
        url: Where the server is.
        stream: The stream or table that the rows are of.
        speed: Times as fast as it happened; 0: as fast as the server takes them.

    Raises:
        FileUnreadable, ServerUnreachable: as they say.
    """
    total, started, first = Sent(), time.monotonic(), None
    time_field = system.streams[stream].time if stream in system.streams else None
    time_raw = time_field.raw if time_field else None
    unit_s = SECONDS[time_field.unit] if time_field and time_field.unit else None
    if speed and unit_s is None:
        raise FileUnreadable(path=str(file), reason="its rows cannot be paced: their time has no unit (use --speed 0)")
    for batch in _batches(file, time_raw):
        if speed and time_raw and unit_s:
            at_s = float(batch[0][time_raw]) * unit_s
            first = at_s if first is None else first
            time.sleep(max(0.0, (at_s - first) / speed - (time.monotonic() - started)))
        answer = post(f"{url}/v1/events/{stream}", batch)
        total.sent += len(batch)
        total.accepted += answer["accepted"]
        total.duplicates += answer["duplicates"]
        total.refused += len(answer["refused"])
        total.reasons.update(one["reason"] for one in answer["refused"])
    return total


def post(url: str, body: Any) -> Any:
    """Post JSON and give the answer's.

    Raises:
        ServerUnreachable: no server answers there, or it answers with an error.
    """
    content = json.dumps(body, default=str).encode()
    try:
        request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise ServerUnreachable(url=url, reason=f"{error.code} {error.read().decode(errors='replace')}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServerUnreachable(url=url, reason=str(error)) from error


def _batches(file: Path, time_raw: str | None) -> Iterator[list[dict[str, Any]]]:
    readers = {".parquet": "read_parquet", ".csv": "read_csv", ".jsonl": "read_json", ".ndjson": "read_json"}
    if file.suffix not in readers:
        raise FileUnreadable(path=str(file), reason=f"its name must end in one of {', '.join(readers)}")
    order = f' order by "{time_raw}"' if time_raw else ""
    with duckdb.connect() as con:
        try:
            found = con.execute(f"select * from {readers[file.suffix]}(?){order}", [str(file)])
            names = [column[0] for column in found.description or []]
            while rows := found.fetchmany(_BATCH):
                yield [dict(zip(names, row)) for row in rows]
        except duckdb.Error as error:
            raise FileUnreadable(path=str(file), reason=str(error).splitlines()[0]) from error
