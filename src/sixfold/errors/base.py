"""The base of every error, and how one names the nearest fix."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

__all__ = ["SixfoldError", "closest"]


class SixfoldError(Exception):
    """Base of every error that Sixfold raises on purpose."""

    # Workers send errors across processes; pickle's default would call __init__ with the message alone.
    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)


def closest(name: str, known: Iterable[str]) -> str:
    """The words ` Did you mean 'x'?` for the known name nearest to `name`, or nothing."""
    return "".join(f" Did you mean {k!r}?" for k in get_close_matches(name, list(known), n=1))


def _revive(cls: type[SixfoldError], args: tuple[Any, ...], fields: dict[str, Any]) -> SixfoldError:
    error = cls.__new__(cls, *args)
    vars(error).update(fields)
    return error
