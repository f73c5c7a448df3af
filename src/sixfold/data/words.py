"""What raw text means, and the words for what does not: shared by files (SQL) and posted rows (Python)."""

from sixfold.design.units import SECONDS

__all__ = ["FLAGS", "FUTURE", "FUTURE_US", "ISO_TIME", "NUMBER_TEXT", "WHOLE_TEXT", "WORDS", "unit_us"]

FLAGS = {
    "1": True, "true": True, "yes": True, "t": True, "y": True, "1.0": True,
    "0": False, "false": False, "no": False, "f": False, "n": False, "0.0": False,
}  # fmt: skip

NUMBER_TEXT = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
WHOLE_TEXT = r"[+-]?[0-9]+"
ISO_TIME = (
    r"(([1-9][0-9]{3})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[ T]([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?)?)"
    r"(Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?"
)
"""A date or a time as ISO 8601 has it, or with hours, days and months of one digit.

Groups: 1 all but the zone, 2 to 8 year, month, day, hour, minute, second, fraction, 9 the zone.
"""

WORDS = {
    "number": "is not a number",
    "flag": "is not a flag (1/0, true/false, yes/no, t/f, y/n)",
    "time": "is not a time",
    "text": "is not a single value",
    "list": "is not a list of values",
    "values": "is not among the values declared",
    "null": "is null",
    "missing": "is missing",
}


FUTURE = "from the future: known {:.1f} s after now"
"""For Python's and DuckDB's `format`, with the seconds."""
FUTURE_US = 5_000_000
"""How far beyond now a row's known time may be (rule T6); beyond it the row is refused."""


def unit_us(unit: str) -> int:
    """Microseconds in one of a unit of time.

    >>> unit_us("ms")
    1000
    """
    return round(SECONDS[unit] * 1_000_000)
