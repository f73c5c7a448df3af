"""A lease in Redis: a key that goes by itself unless its holder renews it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex
from threading import Event, Thread

from sixfold.errors import StoreError
from sixfold.stores._redis import Server

__all__ = ["RedisLease"]

_LASTS_S = 3.0
_RENEWED_S = 0.5
"""How often it is renewed by its holder, and tried by the others."""
# Both answer with 1 where the lease is this holder's.
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisLease:
    """The `Lease` of a state in Redis. A holder that dies is followed within three and a half seconds.

    Args:
        server: Closed by its owner.
        key: The name of the lease.
    """

    poll_s = 0.02
    batch = 2_000

    def __init__(self, server: Server, key: str) -> None:
        self._server, self._key, self._token = server, key, token_hex(8)
        self._until_s = self._asked_s = float("-inf")

    def held(self) -> bool:
        """See `Lease.held`; asks the server every half second."""
        now_s = time.monotonic()
        if now_s - self._asked_s >= _RENEWED_S:
            held, self._asked_s = now_s < self._until_s, now_s
            self._until_s = float("-inf")
            if (held and self._renew()) or self._take():
                # From before it was asked: the server's clock cannot be ahead of this one.
                self._until_s = now_s + _LASTS_S
        return now_s < self._until_s

    def release(self) -> None:
        """See `Lease.release`."""
        self._until_s = self._asked_s = float("-inf")
        self._server.write(lambda client: client.eval(_RELEASE, 1, self._key, self._token))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Wait until it is this process's, and keep it until the end of the block."""
        done = Event()
        while not self.held():
            time.sleep(self.poll_s)
        thread = Thread(target=self._keep, args=(done,), name="keep-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.release()

    def _keep(self, done: Event) -> None:
        while not done.wait(_RENEWED_S):
            # What the lease is held for meets the same.
            with suppress(StoreError):
                self.held()

    def _renew(self) -> bool:
        lasts_ms = int(_LASTS_S * 1000)
        return bool(self._server.write(lambda client: client.eval(_RENEW, 1, self._key, self._token, lasts_ms)))

    def _take(self) -> bool:
        lasts_ms = int(_LASTS_S * 1000)
        return bool(self._server.write(lambda client: client.set(self._key, self._token, nx=True, px=lasts_ms)))
