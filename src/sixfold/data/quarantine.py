"""Rows that were refused, one JSON object a line: source, reason, the raw row."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import duckdb
import msgspec

__all__ = ["keep_refused"]


def keep_refused(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    names: Sequence[str],
    again: Collection[str],
    *,
    run: int,
    at_us: int,
) -> None:
    """Put the stage's refused rows into the file at `path`, in place of those of sources that were read again.

    Args:
        names: Of the sources, by number.
        again: Those of them that were read from their start.
        run: The number of this run; lines of a later one are left from a run that was cut off.
        at_us: Its time.
    """
    refused = con.execute("select _number, _file, _reasons, _raw from stage where _reasons is not null order by rowid")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    with beside.open("wb") as out:
        if path.exists():
            with path.open("rb") as old:
                for line in old:
                    entry = msgspec.json.decode(line)
                    if entry["source"] in names and entry["source"] not in again and entry["run"] < run:
                        out.write(line)
        while rows := refused.fetchmany(10_000):
            for number, file, reasons, raw in rows:
                entry = {"source": names[number], "file": file, "reason": "; ".join(reasons), "row": _row(raw)}
                out.write(msgspec.json.encode({**entry, "run": run, "at": at_us}) + b"\n")
        empty = out.tell() == 0
        out.flush()
        os.fsync(out.fileno())
    if empty:
        beside.unlink()
        path.unlink(missing_ok=True)
    else:
        beside.replace(path)


def _row(raw: str | None) -> object:
    """The row as JSON where it is, else its text."""
    try:
        return msgspec.json.decode(raw or "null")
    except msgspec.DecodeError:
        return raw
