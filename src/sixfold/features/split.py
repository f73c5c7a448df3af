"""Where training ends and validation and test begin."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from sixfold.design.evaluation import ByTime
from sixfold.design.units import duration_us

__all__ = ["boundaries"]

_EPOCH = datetime(1970, 1, 1)
_US = timedelta(microseconds=1)
_DAY_US = 86_400_000_000


def boundaries(split: ByTime, times_us: NDArray[np.int64], timezone: str) -> tuple[int, int]:
    """When validation begins and when test begins, in microseconds UTC.

    Days are whole local days, counted back from the day of the last time; shares are of the times in order, and what
    happened at the same microsecond stays together.

    Args:
        times_us: The times of the examples, at least one, in any order.
    """
    if isinstance(split.validation, float) and isinstance(split.test, float):
        ordered, last = np.sort(times_us), len(times_us) - 1
        shares = (1 - split.test - split.validation, 1 - split.test)
        validation, test = (int(ordered[min(max(round(len(ordered) * x), 0), last)]) for x in shares)
        return validation, test
    zone = ZoneInfo(timezone)
    after = (_local_us(int(times_us.max()), zone) // _DAY_US + 1) * _DAY_US
    test = after - duration_us(str(split.test), where=split.at, part="ByTime", field="test")
    validation = test - duration_us(str(split.validation), where=split.at, part="ByTime", field="validation")
    return _utc_us(validation, zone), _utc_us(test, zone)


def _local_us(time_us: int, zone: ZoneInfo) -> int:
    local = (_EPOCH.replace(tzinfo=UTC) + time_us * _US).astimezone(zone)
    return (local.replace(tzinfo=None) - _EPOCH) // _US


def _utc_us(local_us: int, zone: ZoneInfo) -> int:
    return ((_EPOCH + local_us * _US).replace(tzinfo=zone) - _EPOCH.replace(tzinfo=UTC)) // _US
