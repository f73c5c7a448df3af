"""Lets requests in, and keeps them out while what they work with is closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.types import ASGIApp, Receive, Scope, Send

from sixfold.errors import StoreBusy

__all__ = ["Gate"]

_ALWAYS = "/healthz"


class Gate:
    """A middleware of the application; used by its event loop only."""

    def __init__(self) -> None:
        self._inside, self._closed = 0, False
        self._left = asyncio.Event()

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """The application behind the gate."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] != _ALWAYS and self._closed:
                raise _busy()
            self._inside += 1
            try:
                await app(scope, receive, send)
            finally:
                self._inside -= 1
                self._left.set()

        return guarded

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """For the one request that is in then: new ones are refused, those inside are waited for.

        Raises:
            StoreBusy: another one asked for it before.
        """
        if self._closed:
            raise _busy()
        self._closed = True
        try:
            while self._inside > 1:
                self._left.clear()
                await self._left.wait()
            yield
        finally:
            self._closed = False


def _busy() -> StoreBusy:
    return StoreBusy(path="what answers are made of", by="an erasure", fix="Ask again in some seconds.")
