"""Local time: how far each zone is from UTC, as one table that both engines read, so that both give the same hour."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAY_US", "HOUR_US", "Zone", "zone"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2100, 1, 1, tzinfo=UTC)


class Zone(NamedTuple):
    """A zone's distance from UTC: `offsets[i]` holds from `starts[i - 1]` until `starts[i]`, all in microseconds."""

    starts: NDArray[np.int64]
    """Shape (changes,), ascending."""
    offsets: NDArray[np.int64]
    """Shape (changes + 1,); the first also holds before 1970, the last also after 2100."""


@lru_cache(maxsize=64)
def zone(timezone: str) -> Zone:
    """The table of a zone with an IANA name that `zoneinfo` knows."""
    info = ZoneInfo(timezone)
    starts: list[int] = []
    offsets = [_offset_us(info, 0)]
    day_s = 86_400
    for low in range(0, int((_END - _EPOCH).total_seconds()), day_s):
        if _offset_us(info, low + day_s) != offsets[-1]:
            first = _first_change(info, low, low + day_s)
            starts.append(first * 1_000_000)
            offsets.append(_offset_us(info, first))
    return Zone(np.array(starts, np.int64), np.array(offsets, np.int64))


def _first_change(info: ZoneInfo, low: int, high: int) -> int:
    """The second after `low` at which the offset becomes that of `high`."""
    end = _offset_us(info, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset_us(info, middle) == end else (middle, high)
    return high


def _offset_us(info: ZoneInfo, second: int) -> int:
    offset = (_EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)
