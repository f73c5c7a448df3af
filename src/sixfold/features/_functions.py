"""The functions of expressions on arrays; a null number is NaN."""
# B = rows; every array has shape (B,) or (1,), which stands for every row

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sixfold.features._zones import DAY_US, HOUR_US, zone
from sixfold.features.arrays import Lists

__all__ = [
    "EARTH_KM",
    "LIMIT_US",
    "Floats",
    "Pair",
    "contains",
    "divide",
    "divide_whole",
    "finite",
    "haversine_km",
    "hour",
    "lower",
    "moved",
    "overlap",
    "power",
    "remainder",
    "round_half_away",
    "seconds_between",
    "sizes",
    "weekday",
]

Floats = NDArray[np.float64]
Pair = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""Values and which of them are known."""

EARTH_KM = 6371.0088
"""The mean radius of the Earth (IUGG)."""
LIMIT_US = 1 << 61
"""A time that is computed is null unless it is in [-LIMIT_US, LIMIT_US): sums and differences then fit 64 bits."""


def finite(x: Floats) -> Floats:
    """NaN for what is not finite."""
    return np.where(np.isfinite(x), x, np.nan)


def divide(x: Floats, y: Floats) -> Floats:
    """x / y, null where y is 0."""
    return np.divide(x, np.where(y == 0.0, np.nan, y))


def divide_whole(x: Floats, y: Floats) -> Floats:
    """x / y cut toward zero, null where y is 0."""
    return np.trunc(divide(x, y))


def remainder(x: Floats, y: Floats) -> Floats:
    """What `divide_whole` leaves, with the sign of x."""
    return np.fmod(x, np.where(y == 0.0, np.nan, y))


def power(x: Floats, y: Floats) -> Floats:
    """x to the y; NumPy alone would make 1 of NaN to the 0."""
    return np.where(np.isnan(x) | np.isnan(y), np.nan, np.power(x, y))


def round_half_away(x: Floats, digits: int = 0) -> Floats:
    """To so many decimals, halves away from zero."""
    scale = 10.0 ** abs(digits)
    scaled = x if digits == 0 else x * scale if digits > 0 else x / scale
    whole = np.trunc(scaled)
    # x - trunc(x) is exact, whereas x + 0.5 rounds 0.49999999999999994 up.
    rounded = whole + np.copysign((np.abs(scaled - whole) >= 0.5).astype(np.float64), scaled)
    rounded = np.where(np.isinf(scaled), scaled, rounded)
    return rounded if digits == 0 else rounded / scale if digits > 0 else rounded * scale


def haversine_km(lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> Floats:
    """Distance on a sphere between two places in degrees; null if one is not on it (|lat| > 90 or |lon| > 360)."""
    lat1, lat2 = (np.radians(np.where(np.abs(x) <= 90.0, x, np.nan)) for x in (lat1, lat2))
    lon1, lon2 = (np.radians(np.where(np.abs(x) <= 360.0, x, np.nan)) for x in (lon1, lon2))
    a = np.sin((lat2 - lat1) / 2.0) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2.0) ** 2
    return np.asarray(2.0 * EARTH_KM * np.arcsin(np.sqrt(np.where(a > 1.0, 1.0, a))), np.float64)


def hour(times: Pair, timezone: str) -> Floats:
    """0 to 23, in the zone."""
    local, valid = _local(times, timezone)
    return np.where(valid, local % DAY_US // HOUR_US, np.nan)


def weekday(times: Pair, timezone: str) -> Floats:
    """0 for Monday to 6 for Sunday, in the zone."""
    local, valid = _local(times, timezone)
    # Day 0 of 1970 was a Thursday.
    return np.where(valid, (local + 3 * DAY_US) % (7 * DAY_US) // DAY_US, np.nan)


def moved(times: Pair, seconds: Floats) -> Pair:
    """Times moved by seconds, to the nearest microsecond."""
    data, valid = times
    microseconds = round_half_away(seconds * 1e6)
    near = (microseconds >= -LIMIT_US) & (microseconds < LIMIT_US)
    result = data.astype(np.int64, copy=False) + np.where(near, microseconds, 0.0).astype(np.int64)
    return result, valid & near & (result >= -LIMIT_US) & (result < LIMIT_US)


def seconds_between(later: Pair, earlier: Pair) -> Floats:
    """later - earlier."""
    microseconds = later[0].astype(np.int64, copy=False) - earlier[0].astype(np.int64, copy=False)
    return np.where(later[1] & earlier[1], microseconds / 1e6, np.nan)


def lower(texts: Pair) -> Pair:
    """Small letters."""
    return np.asarray(_lower(texts[0]), np.object_), texts[1]


def sizes(lists: Lists) -> Floats:
    """How many elements each list has."""
    return np.where(lists.valid, np.diff(lists.offsets), np.nan)


def contains(lists: Lists, values: Pair) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each list has its value: (true, false), neither if the list or the value is null."""
    data, known = values
    if len(lists.valid) == 1:
        inside = set(lists.data[lists.offsets[0] : lists.offsets[1]].tolist())
        found = np.fromiter(map(inside.__contains__, data.tolist()), np.bool_, len(data))
    elif len(data) == 1:
        found = _any_in_row(np.asarray(lists.data == data[0], np.bool_), lists)
    else:
        found = _any_in_row(np.asarray(lists.data == np.repeat(data, np.diff(lists.offsets)), np.bool_), lists)
    known = known & lists.valid
    return found & known, ~found & known


def overlap(left: Lists, right: Lists) -> Floats:
    """How many different elements two lists share."""
    lefts, rights = _sets(left), _sets(right)
    rows = max(len(lefts), len(rights)) if lefts and rights else 0
    lefts, rights = (x * rows if len(x) == 1 else x for x in (lefts, rights))
    shared = np.fromiter((len(a & b) for a, b in zip(lefts, rights)), np.float64, rows)
    return np.where(left.valid & right.valid, shared, np.nan)


def _local(times: Pair, timezone: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    data, valid = times[0].astype(np.int64, copy=False), times[1]
    starts, offsets = zone(timezone)
    if not len(starts):
        return data + offsets[0], valid
    return data + offsets[np.searchsorted(starts, data, side="right")], valid


def _any_in_row(hits: NDArray[np.bool_], lists: Lists) -> NDArray[np.bool_]:
    total = np.concatenate([[0], np.cumsum(hits)])
    return np.asarray(total[lists.offsets[1:]] > total[lists.offsets[:-1]], np.bool_)


def _sets(lists: Lists) -> list[set[object]]:
    flat, bounds = lists.data.tolist(), lists.offsets.tolist()
    return [set(flat[a:b]) for a, b in pairwise(bounds)]


def _small(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Letter by letter, as databases do: Python would look at a sigma's neighbours and make two characters of one.
    return "".join("i" if letter == "İ" else letter.lower() for letter in text)


_lower = np.frompyfunc(_small, 1, 1)
