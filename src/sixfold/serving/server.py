"""A server on this machine: opens what it serves from, listens, and closes everything in order."""

import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from sixfold.design.system import System
from sixfold.errors import NothingReleased, OneProcess, PortTaken
from sixfold.registry import Releases
from sixfold.serving.app import make_app
from sixfold.serving.clock import Clock, start_us
from sixfold.serving.history import newest_or_logged_us
from sixfold.serving.live import Current
from sixfold.serving.metrics import Metrics
from sixfold.serving.parts import Parts, Stores
from sixfold.serving.queues import Queues
from sixfold.stores import GroupCommit
from sixfold.stores.opening import open_log

__all__ = ["open_parts", "serve"]

HOST = "127.0.0.1"


def serve(workdir: Path, *, port: int, workers: int, clock: str) -> None:
    """Serve the promoted release of a work folder until SIGTERM or SIGINT; says on a line when it is ready.

    Args:
        workdir: Holds `releases/`, `state/`, `log/` and `ingested/`.
        port: 0 takes a free one.
        workers: Processes; only 1 is possible.
        clock: `wall`, `data` or a time; see `serving.clock.start_us`.

    Raises:
        OneProcess, PortTaken, InvalidClock, NothingReleased, ReleaseError, StoreError: as they say.
    """
    if workers != 1:
        raise OneProcess(workers=workers)
    with _listening(port) as sock, open_parts(workdir, clock) as parts, _signals_kept():
        config = uvicorn.Config(
            make_app(parts),
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # nothing reads who asked
            timeout_graceful_shutdown=5,
        )
        with parts.current.borrow() as live:
            ready = f"Sixfold serves {live.system.name} {live.release.id} on http://{HOST}:{sock.getsockname()[1]}"
        _Server(config, ready).run([sock])


@contextmanager
def open_parts(workdir: Path, clock: str) -> Iterator[Parts]:
    """Everything that the application works with, closed in order at the end of the block."""
    releases = Releases(workdir / "releases")
    if (name := releases.current()) is None:
        raise NothingReleased(folder=str(releases.folder))
    system = releases.open(name).system
    log = open_log(system.deployment.stores, system.name, workdir)
    with closing(log):
        own = Clock(start_us(clock, lambda: newest_or_logged_us(system, workdir, log)))

    def opened() -> Stores:
        return _stores(system, workdir, own)

    def lag_s() -> float:
        with parts.current.borrow() as live:
            return live.worker.lag_s

    parts = Parts(opened(), own, Metrics(lag_s), workdir, opened)
    try:
        yield parts
    finally:
        parts.pool.shutdown()
        parts.stores.close()


def _stores(system: System, workdir: Path, clock: Clock) -> Stores:
    log = open_log(system.deployment.stores, system.name, workdir)
    try:
        current = Current(workdir, log, clock)

        def served() -> System:
            with current.borrow() as live:
                return live.system

        return Stores(log, current, GroupCommit(log, clock=clock.now_us), Queues(log, served, clock.now_us))
    except BaseException:
        log.close()
        raise


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._ready, flush=True)


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortTaken(port=port, reason=reason) from error
        yield sock


@contextmanager
def _signals_kept() -> Iterator[None]:
    """uvicorn raises a signal again once it has stopped for it; what is open must still be closed then."""

    def ignore(number: int, frame: FrameType | None) -> None:
        """The server has stopped already."""

    old = {number: signal.signal(number, ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
