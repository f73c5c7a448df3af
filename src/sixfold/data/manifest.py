"""What of a stream or a table is ingested: its files, and how far each source was taken. Replaced as a whole."""

import os
from pathlib import Path
from typing import Any

import msgspec

from sixfold.errors import IngestedDamaged

__all__ = ["Counts", "Manifest", "load", "save"]

NAME = "manifest.json"


class Counts(msgspec.Struct):
    """Of one source, since it was first read or last read anew."""

    read: int = 0
    duplicates: int = 0
    """Rows dropped because their event, or their version of a table's row, is there already."""
    differing: int = 0
    """Those of them that were not the same in every column."""
    refused: int = 0


class Manifest(msgspec.Struct):
    """Files are names in the folder; the newest data is what it names and nothing else there."""

    fingerprint: str
    files: list[str] = []
    """Rows of files, of queries and of databases that are read whole."""
    more: list[str] = []
    """Rows that came to these: past a database's cursor, or from the event log."""
    generation: int = 0
    inputs: dict[str, Any] = {}
    """The state of each source that was read whole, by its number."""
    cursors: dict[str, str] = {}
    """The largest cursor taken of a database, as an SQL literal, by the source's number."""
    ordinal: int = 0
    """How many rows databases have added past their cursors."""
    offset: int = -1
    """Of the newest record of the event log that was taken."""
    counts: dict[str, Counts] = {}
    """By source; `log` for the event log."""
    future_us: int | None = None
    """The earliest known time of a row that was refused as from the future: from then on its source is read again."""
    columns: dict[str, dict[str, str]] = {}
    """The raw columns of each source as it was last read, by the source's name: name to type, '' where it has none."""
    drift: dict[str, list[str]] = {}
    """What had changed in them since the reading before, in words; by the source's name."""


def load(folder: Path) -> Manifest | None:
    """The manifest in `folder`, None if nothing was ingested there.

    Raises:
        IngestedDamaged: it is not readable, or a file that it names is gone.
    """
    try:
        manifest = msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise IngestedDamaged(path=str(folder), reason=f"{NAME}: {error}") from None
    for name in (*manifest.files, *manifest.more):
        if not (folder / name).is_file():
            raise IngestedDamaged(path=str(folder), reason=f"{name} is gone")
    return manifest


def save(folder: Path, manifest: Manifest) -> None:
    """Make `manifest` the folder's, and delete the Parquet files that it does not name."""
    named = {*manifest.files, *manifest.more}
    for name in named:
        _to_disk(folder / name)
    beside = folder / f"{NAME}.new"
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    _to_disk(beside)
    beside.replace(folder / NAME)
    _to_disk(folder)
    for path in folder.glob("*.parquet"):
        if path.name not in named:
            path.unlink()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
