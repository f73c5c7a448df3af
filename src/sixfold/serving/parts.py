"""What the routes of a server work with, and how it is closed and opened again for an erasure."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sixfold.design.stores import Redis
from sixfold.errors import SixfoldError, StoreBusy
from sixfold.serving.clock import Clock
from sixfold.serving.erase import Erasure, erase
from sixfold.serving.live import Current
from sixfold.serving.metrics import Metrics
from sixfold.serving.queues import Queues
from sixfold.stores import EventLog, GroupCommit

__all__ = ["Parts", "Stores"]

T = TypeVar("T")


@dataclass(frozen=True)
class Stores:
    """What is open while requests are answered."""

    log: EventLog
    current: Current
    commit: GroupCommit
    queues: Queues

    def close(self) -> None:
        """Finish what was acknowledged, and let go. Closing twice is allowed."""
        self.commit.close()
        self.queues.close()
        self.current.close()
        self.log.close()


@dataclass
class Parts:
    """What the routes work with.

    Args:
        reopen: Opens the stores again after they were closed for an erasure.
    """

    stores: Stores
    clock: Clock
    metrics: Metrics
    workdir: Path
    reopen: Callable[[], Stores]
    failure: SixfoldError | None = None
    """Why the stores could not be opened again, if they could not: every answer is 503 then."""
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "answer"))

    @property
    def current(self) -> Current:
        """The release that serves."""
        return self.stores.current

    @property
    def commit(self) -> GroupCommit:
        """Takes what is to be logged."""
        return self.stores.commit

    @property
    def queues(self) -> Queues:
        """What waits for decisions."""
        return self.stores.queues

    def erase(self, entity: str, key: str) -> Erasure:
        """Erase a key with everything closed meanwhile; nobody else may use the parts.

        Raises:
            UnknownInRequest: there is no such entity.
            StoreBusy: servers share the stores, or another process has them open.
        """
        with self.current.borrow() as live:
            system = live.system
        if isinstance(system.deployment.stores, Redis):
            fix = "Stop them all and use `sixfold erase`."
            raise StoreBusy(path=str(system.deployment.stores), by="all servers that share it", fix=fix)
        self.stores.close()
        try:
            return erase(system, self.workdir, entity, key, now_us=time.time_ns() // 1000)
        finally:
            try:
                self.stores = self.reopen()
            except SixfoldError as error:
                self.failure = error
                raise

    async def threaded(self, work: Callable[[], T]) -> T:
        """What `work` gives, computed in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)
