"""Writes an event log again, record by record: nothing of the old one is left in pages that a store would use later."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sixfold.errors import StoreBusy
from sixfold.stores._mark import sync_folder
from sixfold.stores.lmdb_log import LmdbLog
from sixfold.stores.log import EventLog, Record
from sixfold.stores.moving import Movable, move_log

__all__ = ["ERASED", "rewrite_lmdb_log", "rewrite_redis_log"]

ERASED = "erased"
"""The stream of records whose content was erased: their offsets stay, so that none after them moves."""


def rewrite_lmdb_log(folder: Path, change: Callable[[Record], Record]) -> None:
    """Write the log in a folder again. Nobody else may have it open; one file is swapped for the other at the end.

    Args:
        change: What becomes of each record; its offset and arrival stay.

    Raises:
        StoreBusy: something was appended meanwhile.
    """
    beside = folder.with_name(f".{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    with closing(LmdbLog(folder)) as source, closing(LmdbLog(beside)) as target:
        move_log(source, target, change)
        _check(source, target, str(folder))
    (beside / "data.mdb").replace(folder / "data.mdb")
    sync_folder(folder)
    shutil.rmtree(beside)


def rewrite_redis_log(url: str, prefix: str, change: Callable[[Record], Record]) -> None:
    """As `rewrite_lmdb_log`, for the log under a prefix. The server then writes its file of appends again too."""
    from sixfold.stores.redis_log import RedisLog

    with closing(RedisLog(url, prefix)) as source, closing(RedisLog(url, f"{prefix}:rewritten")) as target:
        target.clear()
        move_log(source, target, change)
        _check(source, target, url)
        target.take_place_of(source)


def _check(source: Movable, target: EventLog, path: str) -> None:
    if source.last() != target.last():
        raise StoreBusy(path=path, by="whoever appends to it", fix="Stop it first.")
