"""From raw JSON values to typed ones, in Python. `convert.py` says the same in SQL; a test compares them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import floor, isfinite
from typing import Any
from zoneinfo import ZoneInfo

from sixfold.data.images import image_problem
from sixfold.data.keys import joined, text_of
from sixfold.data.layout import MAX_TIME_US, OutColumn
from sixfold.data.words import FLAGS, ISO_TIME, NUMBER_TEXT, WHOLE_TEXT, WORDS, unit_us
from sixfold.design.units import SECONDS

__all__ = ["Convert", "Unreadable", "converter"]

Convert = Callable[[Any], Any]
"""From a raw value, never None, to the typed one (None where it is null); raises `Unreadable`."""

_NUMBER, _WHOLE, _ISO = (re.compile(p) for p in (NUMBER_TEXT, WHOLE_TEXT, ISO_TIME))
_EPOCH, _US = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Unreadable(Exception):
    """A raw value is not of its column's type; the argument says what is wrong, without the column's name."""


def converter(column: OutColumn, timezone: str) -> Convert:
    """What makes a value of `column` out of its raw value, or, if it has several, out of the list of them."""
    if len(column.raw) > 1:
        return _key_of_several
    if column.kind.image:
        return _image
    if column.kind.is_list:
        return _allowed(column, _lists(column.split))
    if column.kind.base == "text":
        return _allowed(column, _text)
    if column.kind.base == "number":
        return _numbers(column.unit)
    return _flag if column.kind.base == "flag" else _times(column.unit, ZoneInfo(timezone))


def _wrong(raw: object, word: str) -> Unreadable:
    return Unreadable(f"{str(raw)[:60]!r} {WORDS[word]}")


def _allowed(column: OutColumn, convert: Convert) -> Convert:
    if column.values is None:
        return convert
    among = frozenset(column.values)

    def check(raw: Any) -> Any:
        value = convert(raw)
        if not among.issuperset(value if isinstance(value, list) else (value,)):
            raise _wrong(raw, "values")
        return value

    return check


def _text(raw: Any) -> str:
    if type(raw) is str:
        return raw
    text = text_of(raw)
    if text is None:
        raise _wrong(raw, "text")
    return text


def _image(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Unreadable("is not base64")
    if problem := image_problem(raw):
        raise Unreadable(problem)
    return raw


def _key_of_several(raws: Any) -> str:
    return joined([_text(raw) for raw in raws]) if isinstance(raws, list) else _text(raws)


def _lists(split: str | None) -> Convert:
    def convert(raw: Any) -> list[str]:
        if isinstance(raw, list):
            texts = [text_of(x) for x in raw if x is not None]
            if None not in texts:
                return texts  # type: ignore[return-value]
        elif isinstance(raw, str) and split is not None:
            return [piece for x in raw.split(split) if (piece := x.strip(" "))]
        raise _wrong(raw, "list")

    return convert


def _numbers(unit: str | None) -> Convert:
    seconds = SECONDS[unit] if unit is not None else 1.0
    times, per = (seconds, 1.0) if seconds >= 1 else (1.0, float(round(1 / seconds)))

    def convert(raw: Any) -> float | None:
        if isinstance(raw, str):
            return _number_in(raw, times, per)
        if not isinstance(raw, int | float):
            raise _wrong(raw, "number")
        try:
            value = float(raw) * times / per
        except OverflowError:
            raise _wrong(raw, "number") from None
        return value if isfinite(value) else None

    return convert


def _number_in(raw: str, times: float, per: float) -> float | None:
    text = raw.strip(" ")
    if text.lower() == "nan":
        return None
    if _NUMBER.fullmatch(text) is None or not isfinite(value := float(text) * times / per):
        raise _wrong(raw, "number")
    return value


def _flag(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        if (flag := FLAGS.get(raw.strip(" ").lower())) is not None:
            return flag
    elif isinstance(raw, int | float) and raw in (0, 1):
        return raw == 1
    raise _wrong(raw, "flag")


def _times(unit: str | None, zone: ZoneInfo) -> Convert:
    factor = None if unit is None else unit_us(unit)

    def convert(raw: Any) -> int:
        value: int | None = None
        if isinstance(raw, str):
            value = _time_in(raw.strip(" "), factor, zone)
        elif factor is not None and isinstance(raw, int | float) and not isinstance(raw, bool):
            value = raw * factor if isinstance(raw, int) else _rounded(raw * factor)
        elif isinstance(raw, int | float) and not isinstance(raw, bool):
            raise Unreadable(f"{raw!r} {WORDS['time']}: the design gives no unit for numbers")
        if value is None or abs(value) > MAX_TIME_US:
            raise _wrong(raw, "time")
        return value

    return convert


def _time_in(text: str, factor: int | None, zone: ZoneInfo) -> int | None:
    if factor is not None and _WHOLE.fullmatch(text):
        # Beyond 25 digits it is out of range, and Python refuses to read some thousands of them.
        return int(text) * factor if len(text) < 25 else None
    if factor is not None and _NUMBER.fullmatch(text):
        return _rounded(float(text) * factor)
    if (match := _ISO.fullmatch(text)) is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group(2, 3, 4, 5, 6, 7))
    fraction, zoned = (match[8] or "")[:6].ljust(6, "0"), match[9]
    try:
        moment = datetime(year, month, day, hour, minute, second, int(fraction), UTC)
    except ValueError:
        return None
    if zoned is not None:
        return (moment - _EPOCH) // _US - _zone_us(zoned)
    # A local time that occurs twice means the later, as DuckDB's ICU has it; one that is skipped is read as before.
    return max((moment.replace(tzinfo=zone, fold=fold) - _EPOCH) // _US for fold in (0, 1))


def _zone_us(zone: str) -> int:
    """Microseconds by which clocks in `Z`, `+02`, `+0530` or `-08:00` are ahead."""
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return minutes * (-60_000_000 if zone[0] == "-" else 60_000_000)


def _rounded(value: float) -> int | None:
    return floor(value + 0.5) if isfinite(value) else None
