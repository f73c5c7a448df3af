"""Where the event log and the online state are kept."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Lmdb", "Redis", "Stores"]


@dataclass(frozen=True, slots=True)
class Lmdb:
    """In the work folder: one server on one machine, nothing to install."""

    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __str__(self) -> str:
        return "LMDB in the work folder"


@dataclass(frozen=True, slots=True)
class Redis:
    """In a Redis server: several servers share one log and one state."""

    url: str
    """`redis://` or `rediss://`; a password is written as the environment variable that holds it: `:$NAME@`."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url) if isinstance(self.url, str) else None
        if parts is None or parts.scheme not in ("redis", "rediss") or not parts.hostname:
            self._refuse("redis://HOST:PORT/DATABASE", self.url)
        elif parts.password and not re.fullmatch(r"\$\w+", parts.password):
            shown = self.url.replace(f":{parts.password}@", ":…@")
            self._refuse("without a password: name the environment variable that holds it, as in :$NAME@", shown)

    def __str__(self) -> str:
        return f"Redis at {self.url}"

    def _refuse(self, rule: str, value: object) -> None:
        raise InvalidField(where=self.at, part="Redis", field="url", rule=rule, value=value)


Stores = Lmdb | Redis
