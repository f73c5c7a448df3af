"""How large a world is, and what is the same in all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.errors import InvalidField

__all__ = ["Array", "Floats", "Ints", "Rng", "World"]

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Rng = np.random.Generator

START_MS, HOUR_MS, OFFSET_MS = 1_775_023_200_000, 3_600_000, -21_600_000
"""2026-04-01, midnight six hours behind UTC: a Wednesday, and no clock is changed in the 90 days after."""
CITIES = (
    ("Aldermoor", 39.739, -104.985), ("Saltbrook", 40.761, -111.891), ("Pinyon Falls", 35.084, -106.651),
    ("Fort Larch", 43.615, -116.202), ("Garnet", 46.872, -113.994), ("Yellow Bluff", 45.783, -108.501),
    ("Mesa Verano", 39.064, -108.551), ("Casterton", 42.867, -106.313), ("Paso Real", 31.762, -106.485),
    ("Blackpine", 44.081, -103.231),
)  # fmt: skip
KM_A_DEGREE, REACH_KM = 111.195, 30.0
TOPICS, GROUP_PLACES, ANSWER_PLACES = 40, 12, 16
NEVER = 10**6
"""An hour after all others."""
ID = {"member": 10_000_000, "event": 200_000_000, "group": 1_000_000, "venue": 500_000, "topic": 100, "rsvp": 6 * 10**8}
"""The first key of each kind."""
GOES, NO, LEAVES, TURNS = range(4)
"""Kinds of answers: a yes, a no, a yes that becomes a no, a yes that was a no at first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How large a world to draw. The defaults are those of the demo without real data."""

    members: int = 12_000
    """At least 200."""
    events: int = 3_000
    """At least 100."""
    cities: int = 2
    """1 to 10; the first is the largest."""
    days: int = 90
    """Days of the log, from 2026-04-01 on, at least 5."""
    lists: int = 2_000
    """Looks of the last fifth that `truth.parquet` tells, at most; at least 1."""
    seed: int = 0
    """The same seed gives the same bytes. Not negative."""

    def __post_init__(self) -> None:
        for field, least in (("members", 200), ("events", 100), ("cities", 1), ("days", 5), ("lists", 1), ("seed", 0)):
            if (value := getattr(self, field)) < least:
                raise InvalidField(where="world.py", part="World", field=field, rule=f"at least {least}", value=value)
        if self.cities > len(CITIES):
            rule = f"at most {len(CITIES)}"
            raise InvalidField(where="world.py", part="World", field="cities", rule=rule, value=self.cities)
