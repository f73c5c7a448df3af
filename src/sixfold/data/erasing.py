"""Takes a key out of what ingestion keeps: Parquet files and refused rows are written again without it."""

import os
import re
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from sixfold.data.convert import literal, quoted
from sixfold.data.erased import without
from sixfold.data.keys import text_of
from sixfold.data.layout import Layout
from sixfold.data.manifest import load, save

__all__ = ["Taken", "erase_data"]


@dataclass(slots=True)
class Taken:
    """What became of rows."""

    removed: int = 0
    """Rows about the key."""
    changed: int = 0
    """Rows that named it beside others, or as a link."""


def erase_data(workdir: Path, layouts: Iterable[Layout], entity: str, key: str) -> dict[str, Taken]:
    """Take a key out of all ingested and all refused rows of a work folder; by what they are.

    Raises:
        IngestedDamaged: as `manifest.load`.
    """
    places = {}
    with closing(duckdb.connect()) as con:
        for one in layouts:
            places[f"ingested {one.name}"] = _erase_ingested(con, one, workdir / "ingested" / one.name, entity, key)
            places[f"refused {one.name}"] = _erase_refused(workdir / "quarantine" / f"{one.name}.jsonl", key)
    return places


def _erase_ingested(con: duckdb.DuckDBPyConnection, layout: Layout, folder: Path, entity: str, key: str) -> Taken:
    """Write the files of a stream or table again, those that hold a key; the manifest swaps them at once."""
    taken, manifest = Taken(), load(folder)
    goes, left = without(layout, entity, lambda value: f"{value} = {literal(key)}")
    if manifest is None:
        return taken
    manifest.generation += 1
    manifest.files = _rewritten(con, folder, manifest.files, f"files-{manifest.generation:06}", goes, left, taken)
    manifest.more = _rewritten(con, folder, manifest.more, f"more-{manifest.generation:06}", goes, left, taken)
    if taken.removed or taken.changed:
        save(folder, manifest)
    return taken


def _rewritten(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    names: list[str],
    new: str,
    goes: str,
    left: dict[str, str],
    taken: Taken,
) -> list[str]:
    """The names of the files that hold what is left."""
    kept = []
    differs = " or ".join(["false", *(f"({value}) is distinct from {quoted(name)}" for name, value in left.items())])
    for number, name in enumerate(names):
        rows = f"read_parquet({literal(str(folder / name))})"
        query = f"select count(*), count(*) filter ({goes}), count(*) filter (not ({goes}) and ({differs})) from {rows}"
        whole, removed, changed = con.execute(query).fetchall()[0]
        taken.removed, taken.changed = taken.removed + removed, taken.changed + changed
        if not removed and not changed:
            kept.append(name)
        elif removed < whole:
            kept.append(f"{new}-{number}.parquet")
            replaced = ", ".join(f"{value} as {quoted(column)}" for column, value in left.items())
            columns = f"* replace ({replaced})" if left else "*"
            con.execute(
                f"copy (select {columns} from {rows} where not ({goes})) to {literal(str(folder / kept[-1]))} "
                "(format parquet, compression zstd)"
            )
    return kept


def _erase_refused(path: Path, key: str) -> Taken:
    """Drop refused rows that hold a key as any value, or, where they are no JSON, as a word."""
    taken = Taken()
    if not path.is_file():
        return taken
    word = re.compile(rf"(?<!\w){re.escape(key)}(?!\w)")
    beside = path.with_suffix(".new")
    with path.open("rb") as old, beside.open("wb") as out:
        for line in old:
            row = msgspec.json.decode(line)["row"]
            if word.search(row) if isinstance(row, str) else _holds(row, key):
                taken.removed += 1
            else:
                out.write(line)
        empty = out.tell() == 0
        out.flush()
        os.fsync(out.fileno())
    if empty:
        beside.unlink()
        path.unlink()
    else:
        beside.replace(path)
    return taken


def _holds(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return any(_holds(one, key) for one in value.values())
    if isinstance(value, list):
        return any(_holds(one, key) for one in value)
    return text_of(value) == key
