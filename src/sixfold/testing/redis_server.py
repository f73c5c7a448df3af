"""A real redis-server on a free port of this machine, for tests and benchmarks."""

import shutil
import socket
import subprocess
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from sixfold.errors import StoreUnusable

__all__ = ["RedisServer"]

SETTINGS = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}
"""What `sf.Redis` asks of a server; no snapshots beside the append-only file."""
_READY_S = 30


class RedisServer:
    """Started when made, on the data that its folder holds.

    Args:
        folder: Where it keeps its files.
        settings: Other settings of redis.conf, by name.

    Raises:
        StoreUnusable: there is no `redis-server`, or it does not start.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        if shutil.which("redis-server") is None:
            raise StoreUnusable(path=str(folder), reason="redis-server is not installed")
        self.folder, self.port = folder, _free_port()
        self._settings = SETTINGS | {name.replace("_", "-"): value for name, value in settings.items()}
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, again on the same port and data where it was killed; back when it answers."""
        settings = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder), **self._settings}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.PIPE, text=True)
        ready, said = Event(), list[str]()
        Thread(target=_watch, args=(self.process, ready, said), daemon=True).start()
        if not ready.wait(_READY_S) or self.process.poll() is not None:
            self.kill()
            raise StoreUnusable(path=str(self.folder), reason=f"redis-server did not start: {''.join(said[-3:])}")

    def kill(self) -> None:
        """SIGKILL. Killing twice is allowed."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _watch(process: "subprocess.Popen[str]", ready: Event, said: list[str]) -> None:
    """Read what it prints to the end, so that it never waits for a reader."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if not ready.is_set():
                said.append(line)
            if "Ready to accept connections" in line:
                ready.set()
    ready.set()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
