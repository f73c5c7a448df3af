"""Section 1: what the system is for, and how much of it."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Requirements"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """Kept with every release and printed beside what was measured."""

    goal: str
    """What gets better for people, in one sentence."""
    users: int | None = None
    items: int | None = None
    peak_rps: float | None = None
    """Requests a second at the peak."""
    p99_ms: float | None = None
    """99 of 100 answers take at most so long."""
    freshness_s: float | None = None
    """An event changes answers within so many seconds."""
    availability: float | None = None
    """Share of requests that are answered, such as 0.999."""
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("users", "items", "peak_rps", "p99_ms", "freshness_s"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise InvalidField(where=self.at, part="Requirements", field=name, rule="above 0", value=value)
        if self.availability is not None and not 0 < self.availability <= 1:
            rule = "above 0 and at most 1"
            raise InvalidField(
                where=self.at, part="Requirements", field="availability", rule=rule, value=self.availability
            )
