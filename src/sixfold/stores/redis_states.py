"""The states of a system in Redis: built under keys of their own, and found by name once they are whole."""

import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from secrets import token_hex

from sixfold.stores._redis import Server
from sixfold.stores.online import Snapshots
from sixfold.stores.redis_lease import RedisLease
from sixfold.stores.redis_store import RedisStore

__all__ = ["RedisStates"]

_KEYS_AT_ONCE = 1_000


class RedisStates:
    """The `States` that several machines share. A process that is cut off while it builds leaves nothing in use.

    Args:
        url: See `stores._redis.Server`.
        prefix: Before the names of all keys.

    Raises:
        StoreUnreachable, StoreUnusable, UnsafeSettings, SecretMissing: as their docstrings say.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._url, self._prefix, self._server = url, prefix, Server(url)
        self._whole, self._builds = f"{prefix}:states", f"{prefix}:builds"

    def names(self) -> list[str]:
        """See `States.names`."""
        found = self._server.read(lambda client: client.hgetall(self._whole))
        newest = sorted(found.items(), key=lambda item: int(item[1].split()[1]), reverse=True)
        return [name.decode() for name, _ in newest]

    def open(self, name: str) -> RedisStore | None:
        """See `States.open`."""
        found = self._server.read(lambda client: client.hget(self._whole, name))
        return None if found is None else RedisStore(self._url, self._place(name, found.split()[0].decode()))

    @contextmanager
    def building(self, name: str) -> Iterator[Callable[[], RedisStore] | None]:
        """See `States.building`; waits while another process builds this state."""
        with RedisLease(self._server, f"{self._prefix}:building:{name}").kept():
            if self._server.read(lambda client: client.hexists(self._whole, name)):
                yield None
                return
            token = token_hex(8)
            place = self._place(name, token)

            def empty() -> RedisStore:
                self._remove(place)
                self._server.write(lambda client: client.hset(self._builds, place, name))
                return RedisStore(self._url, place)

            yield empty
            made = f"{token} {time.time_ns()}"
            # One that lost its lease and went on finds that another was first.
            if not self._server.write(lambda client: client.hsetnx(self._whole, name, made)):
                self._remove(place)
            self._server.write(lambda client: client.hdel(self._builds, place))

    @contextmanager
    def beside(self, name: str) -> Iterator[Snapshots | None]:
        """See `States.beside`: Redis has no snapshot that lasts."""
        yield None

    def discard(self, name: str) -> bool:
        """See `States.discard`; a state whose log somebody applies stays."""
        in_use = [self._lease(name), f"{self._prefix}:building:{name}"]
        if self._server.read(lambda client: client.exists(*in_use)):
            return False
        found = self._server.read(lambda client: client.hget(self._whole, name))
        builds = self._server.read(lambda client: client.hgetall(self._builds))
        places = [place.decode() for place, of in builds.items() if of.decode() == name]
        if found is not None:
            self._server.write(lambda client: client.hdel(self._whole, name))
            places.append(self._place(name, found.split()[0].decode()))
        for place in places:
            self._remove(place)
        if places:
            self._server.write(lambda client: client.hdel(self._builds, *places))
        return True

    def discard_all_but(self, releases: Collection[str]) -> None:
        """See `States.discard_all_but`."""
        builds = self._server.read(lambda client: client.hvals(self._builds))
        for name in {*self.names(), *(one.decode() for one in builds)}:
            if name.partition("@")[0] not in releases:
                self.discard(name)

    def lease(self, name: str) -> RedisLease:
        """See `States.lease`."""
        return RedisLease(self._server, self._lease(name))

    def close(self) -> None:
        """See `States.close`."""
        self._server.close()

    def _lease(self, name: str) -> str:
        return f"{self._prefix}:lease:{name}"

    def _place(self, name: str, token: str) -> str:
        return f"{self._prefix}:state:{name}:{token}"

    def _remove(self, place: str) -> None:
        """Remove all keys of a state; the server frees them beside its work."""
        pattern = re.sub(r"([*?\[\]\\^-])", r"\\\1", place) + ":*"
        found = self._server.read(lambda client: list(client.scan_iter(match=pattern, count=_KEYS_AT_ONCE)))
        if found:
            self._server.write(lambda client: client.unlink(*found))
