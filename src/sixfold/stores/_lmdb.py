"""An LMDB environment that grows by itself, and whose errors are ours. Used by the store and the log.

Two rules of LMDB shape this file. An environment must not be opened twice in one process; and its map may be
resized only while no transaction of the process is running, though its threads may read at any time.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mmap import PAGESIZE
from pathlib import Path
from threading import Condition, Lock
from typing import Protocol, TypeAlias, TypeVar
from weakref import WeakValueDictionary, finalize

import lmdb

from sixfold.errors import DiskFull, SnapshotLost, StoreBusy, StoreClosed, StoreFailed, StoreTorn, StoreUnusable
from sixfold.stores._mark import is_torn, mark_clean, mark_dirty, sync_folder

__all__ = ["Environment", "Read", "Transaction"]

T = TypeVar("T")
Transaction: TypeAlias = "lmdb.Transaction[bytes]"


class Read(Protocol):
    """Runs a function on a snapshot and gives what it returns."""

    def __call__(self, body: Callable[[Transaction], T], /) -> T: ...


_FORMAT = b"\0format"
_DATA = "data.mdb"
_MAX_READERS = 1024
_FULL_BYTES = 1 << 20
"""Where a write failed and less is free, the disk is full."""


class Environment:
    """One open LMDB environment; safe to share between threads, not over a fork.

    Args:
        path: Folder of the environment, made when missing unless `readonly`.
        kind: What is kept there (`log`, `state`); kept inside, so that another kind is refused.
        map_bytes: Largest size to begin with; doubled whenever it is full.
        readonly: Read what another process writes.
        synced: True: every write is durable on return, and several processes may write. False: only what
            `checkpoint` or `close` saw is, and the one writer leaves a mark by which a power cut is recognised.
        tables: Most named tables inside.

    Raises:
        StoreUnusable: the path, its permissions, the format or the size of the file are wrong.
        StoreBusy: it is open already, in this process or, if not synced, by another writer.
        StoreTorn: it was not synced when the machine stopped.
    """

    def __init__(self, path: Path, *, kind: str, map_bytes: int, readonly: bool, synced: bool, tables: int = 0) -> None:
        self.path = path
        self.readonly = readonly
        self._synced = synced
        self._gate = _Gate()
        self._writing = Lock()
        self._env: lmdb.Environment | None = None
        self._clean = True
        self._unlock: Callable[[], object] | None = None
        with _usable(path):
            if not readonly:
                path.mkdir(parents=True, exist_ok=True)
            self._open(map_bytes, tables)
        try:
            self._check(kind)
        except BaseException:
            self._release()
            raise

    def read(self, body: Callable[[Transaction], T]) -> T:
        """What `body` makes of one snapshot."""
        while True:
            try:
                with self._gate.passing(), self._opened().begin() as txn:
                    return body(txn)
            except lmdb.MapResizedError:
                with self._writing:
                    self._resize(0)
            except lmdb.Error as error:
                raise StoreFailed(path=str(self.path), doing="read", reason=str(error)) from error

    @contextmanager
    def snapshot(self) -> Iterator[Read]:
        """One snapshot for many reads by this thread, which does no others of this environment meanwhile.

        Raises:
            SnapshotLost: at a read, once somebody waits to change the size of the map, or to close.
        """
        lost = SnapshotLost(path=str(self.path))
        # Takes over the size that another process gave the map.
        self.read(lambda txn: None)
        with self._gate.passing():
            try:
                txn = self._opened().begin()
            except lmdb.MapResizedError:
                raise lost from None
            except lmdb.Error as error:
                raise StoreFailed(path=str(self.path), doing="read", reason=str(error)) from error

            def read(body: Callable[[Transaction], T]) -> T:
                if self._gate.shut:
                    raise lost
                return body(txn)

            with txn:
                yield read

    def write(self, body: Callable[[Transaction], T]) -> T:
        """Run `body` in a write transaction, again from the start if the map was full, so it must bear repeating."""
        if self.readonly:
            raise StoreFailed(path=str(self.path), doing="write", reason="it was opened to be read only")
        with self._writing:
            env = self._opened()
            if not self._synced and self._clean:
                try:
                    mark_dirty(self.path)
                except OSError as error:
                    raise self._failed("write", error) from error
                self._clean = False
            while True:
                try:
                    return self._transact(env, body)
                except lmdb.MapFullError:
                    self._resize(2 * env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._resize(0)
                except lmdb.Error as error:
                    raise self._failed("write", error) from error

    def table(self, name: bytes) -> "lmdb._Database":
        """A named table, made when missing unless read-only; read-only, call it once at the start."""
        if self.readonly:
            with _usable(self.path):
                return self._opened().open_db(name, create=False)
        return self.write(lambda txn: self._opened().open_db(name, txn=txn))

    def checkpoint(self) -> None:
        """Bring all writes to the disk, and say so in the mark."""
        with self._writing:
            self._checkpoint()

    def close(self) -> None:
        """Checkpoint and close; later calls do nothing, and later uses raise `StoreClosed`."""
        with self._writing:
            if self._env is None:
                return
            self._checkpoint()
            with self._gate.closed():
                self._release()

    def _open(self, map_bytes: int, tables: int) -> None:
        place = self.path.stat()
        with _opening:
            key = (os.getpid(), place.st_dev, place.st_ino)
            if key in _open:
                raise StoreBusy(path=str(self.path), by="this process", fix="Share the object that has it open.")
            if not self._synced and not self.readonly:
                # Tied to this object's life, so that one dropped without `close` does not keep the lock.
                self._unlock = finalize(self, os.close, _lock_writer(self.path))
            try:
                if not self._synced and is_torn(self.path):
                    raise StoreTorn(path=str(self.path))
                self._clean = (self.path / _DATA).exists()
                if not self._synced and not self.readonly and not self._clean:
                    mark_dirty(self.path)
                self._env = lmdb.open(
                    str(self.path),
                    map_size=-(-map_bytes // PAGESIZE) * PAGESIZE,
                    readonly=self.readonly,
                    create=not self.readonly,
                    sync=self._synced,
                    metasync=self._synced,
                    max_dbs=tables,
                    max_readers=_MAX_READERS,
                    max_spare_txns=1,
                )
            except BaseException:
                self._release()
                raise
            _open[key] = self

    def _check(self, kind: str) -> None:
        env = self._opened()
        with _usable(self.path):
            pages, data = env.info()["last_pgno"] + 1, self.path / _DATA
            # LMDB maps the file: reading past its end would kill the process.
            if pages * env.stat()["psize"] > data.stat().st_size > 0:
                raise StoreUnusable(path=str(self.path), reason=f"{data.name} is damaged: it was cut short")
        if self.read(lambda txn: txn.stat()["entries"]) == 0 and not self.readonly:
            self.write(lambda txn: txn.put(_FORMAT, kind.encode(), overwrite=False))
            sync_folder(self.path)
            sync_folder(self.path.parent)
        if (found := self.read(lambda txn: txn.get(_FORMAT))) != kind.encode():
            holds = "nothing of ours" if found is None else found.decode(errors="replace")
            raise StoreUnusable(path=str(self.path), reason=f"expected {kind}, it holds {holds}")

    def _opened(self) -> lmdb.Environment:
        if self._env is None:
            raise StoreClosed(path=str(self.path))
        return self._env

    def _transact(self, env: lmdb.Environment, body: Callable[[Transaction], T]) -> T:
        txn = env.begin(write=True)
        try:
            answer = body(txn)
            txn.commit()
        except BaseException:
            # An abort waits for a moment without any read of this process; outside the gate, two threads that
            # read all the time kept it waiting for minutes.
            with self._gate.closed():
                txn.abort()
            raise
        return answer

    def _resize(self, size: int) -> None:
        """Set the size of the map (0: as another process left it); the caller holds `_writing`."""
        with self._gate.closed():
            # Pages that a killed reader still holds are free again after the check, which waits as an abort does.
            self._opened().reader_check()
            self._opened().set_mapsize(size)

    def _checkpoint(self) -> None:
        env = self._opened()
        if self.readonly or self._synced or self._clean:
            return
        try:
            env.sync(True)
            mark_clean(self.path)
        except (lmdb.Error, OSError) as error:
            raise self._failed("sync", error) from error
        self._clean = True

    def _failed(self, doing: str, error: Exception) -> StoreFailed:
        """What to raise for an error of LMDB or the file system; LMDB tells of a full disk as of any failed write."""
        disk = os.statvfs(self.path)
        free = disk.f_bavail * disk.f_frsize
        if free < _FULL_BYTES or getattr(error, "errno", None) == errno.ENOSPC:
            return DiskFull(path=str(self.path), free_bytes=free)
        return StoreFailed(path=str(self.path), doing=doing, reason=str(error))

    def _release(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None
        for key in [key for key, env in _open.items() if env is self]:
            del _open[key]
        if self._unlock is not None:
            self._unlock()


class _Gate:
    """Many may pass at once; closing waits until the last has passed and keeps the next ones out."""

    def __init__(self) -> None:
        self._passing = 0
        self.shut = False
        """Somebody waits, or is inside alone."""
        self._change = Condition()

    @contextmanager
    def passing(self) -> Iterator[None]:
        with self._change:
            while self.shut:
                self._change.wait()
            self._passing += 1
        try:
            yield
        finally:
            with self._change:
                self._passing -= 1
                self._change.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        with self._change:
            self.shut = True
            while self._passing:
                self._change.wait()
        try:
            yield
        finally:
            with self._change:
                self.shut = False
                self._change.notify_all()


# By process, device and inode of the folder: a child of a fork must open its own, and a link is the same folder.
_open: "WeakValueDictionary[tuple[int, int, int], Environment]" = WeakValueDictionary()
_opening = Lock()


def _lock_writer(path: Path) -> int:
    """Hold the folder's writer lock until the handle is closed or the process ends."""
    handle = os.open(path / "writer.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        fix = "One process writes; open it with readonly=True to read beside it."
        raise StoreBusy(path=str(path), by="another writer", fix=fix) from None
    return handle


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """The system's and the engine's refusals, as one error of ours."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(path=str(path), reason=error.strerror or str(error)) from error
    except lmdb.Error as error:
        raise StoreUnusable(path=str(path), reason=str(error).removeprefix(f"{path}: ")) from error
