"""Whole local periods: the starts of days, or of other multiples of local time."""
# B = times

import numpy as np
from numpy.typing import NDArray

from sixfold.features._zones import zone

__all__ = ["floor_local", "local_midnight"]

_DAY_US = 86_400_000_000


def floor_local(times_us: NDArray[np.int64], every_us: int, timezone: str) -> NDArray[np.int64]:
    """The start of the local period that each time falls in.

    Args:
        times_us: Shape (B,), microseconds UTC.
        every_us: Length of a period; periods are counted from local midnight of 1970-01-01.
        timezone: IANA name.

    Returns:
        Shape (B,), microseconds UTC. Where the clock changes within a period, its start is by the offset at the time.

    >>> int(floor_local(np.array([1651678777077000]), 86_400_000_000, "Asia/Shanghai")[0]) // 1_000_000
    1651593600
    """
    table = zone(timezone)
    offset = table.offsets[np.searchsorted(table.starts, times_us, side="right")]
    local = times_us + offset
    return np.asarray(local - np.mod(local, every_us) - offset, np.int64)


def local_midnight(times_us: NDArray[np.int64], timezone: str) -> NDArray[np.int64]:
    """The local midnight at or before each time, by the offset that held at midnight.

    Args:
        times_us: Shape (B,), microseconds UTC.
        timezone: IANA name.

    >>> noon = 1_772_985_600_000_000  # of 2026-03-08 in New York, where clocks went forward that night
    >>> (noon - int(local_midnight(np.array([noon]), "America/New_York")[0])) // 3_600_000_000
    11
    """
    table = zone(timezone)

    def offset(at_us: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(table.offsets[np.searchsorted(table.starts, at_us, side="right")], np.int64)

    local = times_us + (now := offset(times_us))
    midnight = local - np.mod(local, _DAY_US)
    return np.asarray(midnight - offset(midnight - now), np.int64)
