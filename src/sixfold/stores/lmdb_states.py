"""The states of a system on one machine: a folder each, and a hidden one while it is built."""

import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sixfold.errors import StoreBusy, StoreError, StoreTorn
from sixfold.stores.lease import Alone
from sixfold.stores.lmdb_store import LmdbStore
from sixfold.stores.online import Snapshots

__all__ = ["LmdbStates"]


class LmdbStates:
    """The `States` in a folder.

    Args:
        folder: Made when the first state is built.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """See `States.names`."""
        found = sorted(self._folder.glob("r*"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        return [one.name for one in found]

    def open(self, name: str) -> LmdbStore | None:
        """See `States.open`; one that is torn is removed."""
        folder = self._folder / name
        if not folder.is_dir():
            return None
        try:
            return LmdbStore(folder)
        except StoreTorn:
            shutil.rmtree(folder)
            return None

    @contextmanager
    def building(self, name: str) -> Iterator[Callable[[], LmdbStore]]:
        """See `States.building`; a build that was cut off is begun again."""
        beside, folder = self._folder / f".{name}", self._folder / name
        yield lambda: _empty(beside)
        try:
            beside.rename(folder)
        except OSError:
            # Where another process was first, its state is as good.
            if not folder.is_dir():
                raise
            shutil.rmtree(beside)

    @contextmanager
    def beside(self, name: str) -> Iterator[Snapshots | None]:
        """See `States.beside`."""
        try:
            store = LmdbStore(self._folder / name, readonly=True)
        except StoreError:
            yield None  # torn, damaged or open in this process
            return
        try:
            yield store
        finally:
            store.close()

    def discard(self, name: str) -> bool:
        """See `States.discard`."""
        gone = _discarded(self._folder / name)
        return _discarded(self._folder / f".{name}") and gone

    def discard_all_but(self, releases: Collection[str]) -> None:
        """See `States.discard_all_but`."""
        for folder in (*self._folder.glob("r*"), *self._folder.glob(".r*")):
            name = folder.name.removeprefix(".")
            if name.partition("@")[0] not in releases:
                self.discard(name)

    def lease(self, name: str) -> Alone:
        """See `States.lease`."""
        return Alone()

    def close(self) -> None:
        """See `States.close`."""


def _empty(folder: Path) -> LmdbStore:
    """A new store; what a build that was cut off left there goes."""
    if folder.is_dir() and not _discarded(folder):
        fix = "Wait until it is done."
        raise StoreBusy(path=str(folder), by="a process that builds this state", fix=fix)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return LmdbStore(folder)


def _discarded(folder: Path) -> bool:
    if not folder.is_dir():
        return True
    try:
        LmdbStore(folder).close()
    except StoreBusy:
        return False
    except StoreError:
        pass  # torn or damaged: all the more
    shutil.rmtree(folder)
    return True
