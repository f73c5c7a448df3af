"""One Redis server as the log and the store use it: safe settings, our errors, a password out of the environment."""

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sixfold.errors import (
    SecretMissing,
    StoreClosed,
    StoreError,
    StoreFailed,
    StoreUnreachable,
    StoreUnusable,
    UnsafeSettings,
)

__all__ = ["Server"]

T = TypeVar("T")
_NEEDED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
"""With these a reply is given after what was done is on the disk, and nothing is thrown away for want of memory."""
_TIMEOUT_S = 10.0


class Server:
    """Connections to a Redis server; safe to share between threads.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, or `rediss://…`; `$NAME` stands for a variable of the
            environment.

    Raises:
        SecretMissing: the environment has no such variable.
        StoreUnusable: the url is none.
        StoreUnreachable: the server does not answer.
        UnsafeSettings: it could lose what was acknowledged.
    """

    def __init__(self, url: str) -> None:
        self.name = url
        self._open = True
        try:
            self._client = redis.Redis.from_url(
                _with_secrets(url),
                socket_timeout=_TIMEOUT_S,
                socket_connect_timeout=_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise StoreUnusable(path=url, reason=str(error)) from error
        found = self.read(lambda client: {name: client.config_get(name) for name in _NEEDED})
        for name, needed in _NEEDED.items():
            if (value := str(found[name].get(name))) != needed:
                raise UnsafeSettings(path=url, setting=name, needed=needed, found=value)

    def read(self, work: Callable[[Any], T]) -> T:
        """What `work` gets of the server; where a connection broke while nobody used it, of the next one."""
        try:
            return self._done("read", work)
        except StoreUnreachable:
            return self._done("read", work)

    def write(self, work: Callable[[Any], T]) -> T:
        """What `work` does at the server, once: a write without an answer is not repeated, since it may be done."""
        return self._done("write", work)

    def close(self) -> None:
        """Let go of the connections. Closing twice is allowed."""
        self._open = False
        self._client.close()

    def _done(self, doing: str, work: Callable[[Any], T]) -> T:
        if not self._open:
            raise StoreClosed(path=self.name)
        try:
            return work(self._client)
        except StoreError:
            raise
        except (redis.ConnectionError, redis.TimeoutError, redis.WatchError) as error:
            # A connection that breaks while keys are watched is told as a WatchError too.
            raise StoreUnreachable(path=self.name, doing=doing, reason=str(error).rstrip(".")) from error
        except redis.RedisError as error:
            raise StoreFailed(path=self.name, doing=doing, reason=str(error)) from error


def _with_secrets(url: str) -> str:
    def value(match: re.Match[str]) -> str:
        if (found := os.environ.get(match[1])) is None:
            raise SecretMissing(path=url, variable=match[1])
        return found

    return re.sub(r"\$(\w+)", value, url)
