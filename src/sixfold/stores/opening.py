"""Opens what a design's `Deployment.stores` names: its event log, and the states of its releases."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sixfold.design.stores import Redis, Stores
from sixfold.errors import StoreUnusable
from sixfold.stores.lease import Lease
from sixfold.stores.lmdb_log import LmdbLog
from sixfold.stores.lmdb_states import LmdbStates
from sixfold.stores.log import EventLog, Record
from sixfold.stores.online import OnlineStore, Snapshots
from sixfold.stores.rewriting import rewrite_lmdb_log, rewrite_redis_log

__all__ = ["States", "open_log", "open_states", "rewrite_log", "where_log"]


class States(Protocol):
    """The states of a system by name: a release, and behind an @ the time of a replay."""

    def names(self) -> list[str]:
        """Of the whole states, the newest first."""

    def open(self, name: str) -> OnlineStore | None:
        """A whole state; None where there is none, or none to be trusted.

        Raises:
            StoreBusy: it is open already where only one may have it.
        """

    def building(self, name: str) -> AbstractContextManager[Callable[[], OnlineStore] | None]:
        """For as long as a state is built beside the others: it has its name, and is whole, after the block.

        Gives a function that opens an empty store for the build, another one each time; the last of them counts. Or
        None where another process has built the state meanwhile.

        Raises:
            StoreBusy: another process builds it, and cannot be waited for.
        """

    def beside(self, name: str) -> AbstractContextManager[Snapshots | None]:
        """A state that nobody in this process has open, to be read while it is written; None where it cannot be."""

    def discard(self, name: str) -> bool:
        """Remove a state, and what is left of its builds, unless somebody here writes it; whether it is gone."""

    def discard_all_but(self, releases: Collection[str]) -> None:
        """Discard the states of all other releases, and what is left of their builds."""

    def lease(self, name: str) -> Lease:
        """Says which process applies the log to a state."""

    def close(self) -> None:
        """Let go of what is not a store. Closing twice is allowed."""


def open_log(stores: Stores, system: str, workdir: Path) -> EventLog:
    """The event log of a system, by its name.

    Raises:
        StoreError: it cannot be opened.
    """
    if isinstance(stores, Redis):
        with _installed(stores):
            from sixfold.stores.redis_log import RedisLog

        return RedisLog(stores.url, _prefix(system))
    return LmdbLog(workdir / "log")


def where_log(stores: Stores, system: str, workdir: Path) -> str:
    """Where the event log of a system is, for messages."""
    return f"{stores.url} ({_prefix(system)})" if isinstance(stores, Redis) else str(workdir / "log")


def open_states(stores: Stores, system: str, workdir: Path) -> States:
    """The states of a system, by its name.

    Raises:
        StoreError: they cannot be opened.
    """
    if isinstance(stores, Redis):
        with _installed(stores):
            from sixfold.stores.redis_states import RedisStates

        return RedisStates(stores.url, _prefix(system))
    return LmdbStates(workdir / "state")


def rewrite_log(stores: Stores, system: str, workdir: Path, change: Callable[[Record], Record]) -> None:
    """Write the event log of a system again, while nobody else has it open; see `stores.rewriting`."""
    if isinstance(stores, Redis):
        with _installed(stores):
            rewrite_redis_log(stores.url, _prefix(system), change)
    elif (workdir / "log").is_dir():
        rewrite_lmdb_log(workdir / "log", change)


def _prefix(system: str) -> str:
    # A name with a colon in it must not be taken for two.
    return f"sixfold:{quote(system)}"


@contextmanager
def _installed(stores: Redis) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        reason = f"the package {error.name} is not installed: pip install 'sixfold[redis]'"
        raise StoreUnusable(path=stores.url, reason=reason) from None
