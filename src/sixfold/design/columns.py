"""Columns as a design declares them, and references to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sixfold.design.kinds import FLAG, IMAGE, NUMBER, PROSE, TIME, Kind
from sixfold.design.units import SECONDS
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Categories", "Category", "Column", "Flag", "Image", "Number", "Text", "Time", "Type"]


@dataclass(frozen=True, slots=True)
class Type:
    """A column's type; the first argument is its name in the raw data (in `Derived`, an expression)."""

    raw: str | None = None
    """Name in the raw data; None means the column's own name."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def kind(self, domain: str) -> Kind:
        """The kind of its values; `domain` is the column's full name, `group.column`."""
        return {Number: NUMBER, Flag: FLAG, Time: TIME, Text: PROSE, Image: IMAGE}[type(self)]


@dataclass(frozen=True, slots=True)
class Category(Type):
    """One of a set of values, compared as text: `712` and `"712"` are one."""

    values: Sequence[str] | None = None
    """All that it can be, where that is known; others are refused at ingestion."""

    def kind(self, domain: str) -> Kind:
        return Kind("text", domain=domain)


@dataclass(frozen=True, slots=True)
class Categories(Type):
    """A list of values, compared as text; with `split`, a text cut at that separator."""

    split: str | None = None
    values: Sequence[str] | None = None

    def kind(self, domain: str) -> Kind:
        return Kind("text", is_list=True, domain=domain)


@dataclass(frozen=True, slots=True)
class Number(Type):
    """A number; with a unit of time it is kept as seconds."""

    unit: str | None = None

    def __post_init__(self) -> None:
        _check_unit(self, self.unit)


@dataclass(frozen=True, slots=True)
class Flag(Type):
    """True or false; raw 1/0, true/false, yes/no, t/f and y/n are understood."""


@dataclass(frozen=True, slots=True)
class Time(Type):
    """A time: a number since 1970 with its unit, or a date or timestamp (without a zone: in `Data.timezone`)."""

    unit: str | None = None

    def __post_init__(self) -> None:
        _check_unit(self, self.unit)


@dataclass(frozen=True, slots=True)
class Text(Type):
    """Prose, which a network reads word by word (`Network(text=)`)."""


@dataclass(frozen=True, slots=True)
class Image(Type):
    """A JPEG or PNG file of at most 2 MB: its bytes in Parquet or a database, their base64 text anywhere else."""


@dataclass(frozen=True, slots=True)
class Column:
    """A reference to a column of a stream, a table or a group of features, as `videos.author` makes it."""

    group: str
    name: str
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.group}.{self.name}"


def _check_unit(column: Any, unit: str | None) -> None:
    if unit is not None and unit not in SECONDS:
        rule = "one of " + ", ".join(SECONDS)
        raise InvalidField(where=column.at, part=type(column).__name__, field="unit", rule=rule, value=unit)
