"""Durations and units as a design writes them."""

import re

from sixfold.errors import InvalidField

__all__ = ["LONGEST_DAY_US", "SECONDS", "TODAY", "TODAY_HOP_US", "duration_us", "hop_us", "shown"]

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds in one of each unit that `Number(unit=)` and `Time(unit=)` know."""

TODAY = "today"
"""The window that begins at local midnight."""
LONGEST_DAY_US = 26 * 3_600_000_000
"""A day on which the clocks go back, and more."""
TODAY_HOP_US = 450_000_000
"""Offsets of time zones are quarters of an hour; half of that is no other window's hop."""

_DURATION = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_HOPS_S = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400)


def duration_us(text: str, *, where: str, part: str, field: str) -> int:
    """Microseconds in a duration such as `30m`, `7d`, `1y` (365 days).

    Raises:
        InvalidField: it is not a whole number above 0 followed by one of s, m, h, d, w, y.
    """
    match = re.fullmatch(r"([1-9]\d*)([smhdwy])", text) if isinstance(text, str) else None
    if match is None:
        raise InvalidField(where=where, part=part, field=field, rule="a duration such as '30m', '1d', '7d'", value=text)
    return int(match[1]) * _DURATION[match[2]] * 1_000_000


def hop_us(window_us: int) -> int:
    """The grid to which the far end of a window is cut (rule T3): the largest of the hops that is at most window / 48.

    >>> hop_us(86_400_000_000) // 1_000_000
    1800
    """
    return max([hop for hop in _HOPS_S if hop * 1_000_000 * 48 <= window_us], default=1) * 1_000_000


def shown(us: int) -> str:
    """A duration in its largest whole unit.

    >>> shown(7 * 86_400_000_000)
    '7d'
    """
    for unit in "dhms":
        if us % (_DURATION[unit] * 1_000_000) == 0:
            return f"{us // (_DURATION[unit] * 1_000_000)}{unit}"
    return f"{us / 1e6:g}s"
