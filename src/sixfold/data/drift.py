"""What changed in a source's columns since it was last read."""

from collections.abc import Mapping

__all__ = ["drift", "merged"]


def merged(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """The columns of two files of one source, by name; where their types differ, both.

    >>> merged({"a": "BIGINT", "b": ""}, {"a": "VARCHAR", "c": "DOUBLE"})
    {'a': 'BIGINT | VARCHAR', 'b': '', 'c': 'DOUBLE'}
    """
    found = dict(one)
    for name, sql_type in other.items():
        types = {*filter(None, found.get(name, "").split(" | ")), *filter(None, sql_type.split(" | "))}
        found[name] = " | ".join(sorted(types))
    return found


def drift(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The columns that are gone, are new, or have another type, in words; types are '' where a format has none.

    >>> drift({"a": "BIGINT", "b": "BIGINT", "c": ""}, {"b": "VARCHAR", "c": "", "d": "DOUBLE"})
    ['a is gone', 'b was BIGINT and is VARCHAR', 'd is new (DOUBLE)']
    """
    gone = [f"{name} is gone" for name in before if name not in now]
    other = [f"{n} was {t} and is {now[n]}" for n, t in before.items() if n in now and now[n] != t]
    new = [f"{n} is new ({t})" if t else f"{n} is new" for n, t in now.items() if n not in before]
    return gone + other + new
