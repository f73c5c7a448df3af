"""Keys and categories are text: `712`, `712.0` and `"712"` are one."""

from collections.abc import Sequence

__all__ = ["joined", "text_of"]


def text_of(value: object) -> str | None:
    """The text of a raw value; None for what is not a single value.

    >>> text_of(712.0), text_of("a b"), text_of(True), text_of([1])
    ('712', 'a b', 'true', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= 2**53 else repr(value)
    return None


def joined(parts: Sequence[str]) -> str:
    r"""One key of several columns.

    >>> print(joined(["82320", "a|b"]))
    82320|a\|b
    """
    if len(parts) == 1:
        return parts[0]
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)
