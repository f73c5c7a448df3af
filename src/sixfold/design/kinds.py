"""What a value can be: the types that columns, features and expressions share."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["FLAG", "IMAGE", "NUMBER", "PROSE", "TEXT", "TIME", "Base", "Kind"]

Base = Literal["number", "flag", "time", "text"]


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of one column.

    `number` is a float64, `flag` a boolean, `time` an int64 of microseconds (UTC),
    `text` a string: a key, a category or prose.
    """

    base: Base
    is_list: bool = False
    domain: str | None = None
    """The vocabulary of a text value: an entity's name, or `group.column` for a category; None for other texts."""
    prose: bool = False
    """Whether it is a text to be read word by word."""
    image: bool = False
    """Whether it is the base64 text of an image file's bytes."""

    def __str__(self) -> str:
        return f"list of {self.base}" if self.is_list else self.base

    @property
    def element(self) -> "Kind":
        """The kind of one element of a list."""
        return Kind(self.base, False, self.domain)


NUMBER, FLAG, TIME, TEXT = Kind("number"), Kind("flag"), Kind("time"), Kind("text")
PROSE = Kind("text", prose=True)
IMAGE = Kind("text", image=True)
