"""Served feature values held against recomputed ones: which are equal, which differ, and what they look like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["EXAMPLES", "Example", "FeatureSkew", "same"]

EXAMPLES = 3
"""So many differences of a feature are shown."""
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Example:
    """A served value that differs."""

    request_id: str
    key: str
    served: Any
    recomputed: Any
    kind: str


@dataclass(slots=True)
class FeatureSkew:
    """What became of one feature's served values."""

    name: str
    compared: int = 0
    equal: int = 0
    """Served as recomputed from what had been applied."""
    late: int = 0
    """Of the equal ones: those that what arrived later would have changed."""
    unsettled: int = 0
    """Events were applied while the answer was made, and the value fits neither before nor after them."""
    different: dict[str, int] = field(default_factory=dict)
    """How many differ, by what they look like (a key of the hypotheses, or `other`)."""
    examples: list[Example] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the compared values, how many differ."""
        return sum(self.different.values()) / self.compared if self.compared else 0.0

    def add(
        self,
        served: Any,
        expected: Sequence[Any],
        everything: Any,
        hypotheses: Sequence[tuple[str, Any]],
        *,
        request_id: str,
        key: str,
    ) -> None:
        """Take one value in.

        Args:
            expected: What it should be; two values where the state moved during the answer: before and after.
            everything: What it would be with all that is known today.
            hypotheses: What it would be if something certain had gone wrong, with its name; the first that fits counts.
        """
        self.compared += 1
        if any(same(served, one) for one in expected):
            self.equal += 1
            self.late += not same(served, everything)
            return
        if len(expected) > 1:
            self.unsettled += 1
            return
        kind = next((name for name, value in hypotheses if same(served, value)), "other")
        self.different[kind] = self.different.get(kind, 0) + 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(Example(request_id, key, served, expected[0], kind))


def same(one: Any, other: Any) -> bool:
    """Whether two values are one: sums may differ in the last digits (rule T10), by 1e-9 of their size or of 1.

    >>> same([1.0, None], [1.0 + 1e-12, None]), same(0.1, 0.2), same(None, 0.0), same("a", "a")
    (True, False, False, True)
    """
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(one == other)
