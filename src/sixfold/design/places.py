"""Section 4, a place on the earth as an input."""

from dataclasses import dataclass, field

from sixfold.design.columns import Column
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """An input that is a point on the earth: two numbers, its latitude and its longitude in degrees.

    Two towers that have one on both sides score an item by how near it is, whatever else is known of it: their inner
    product holds, for distances of 1, 5, 25 and 125 km, a learned weight times a Gaussian of the distance, by random
    Fourier features (Rahimi & Recht, NIPS 2007). Where a number is null, or beyond 90 or 360 degrees, there is no
    place, and every item is alike.
    """

    lat: Column
    lon: Column
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("lat", "lon"):
            if not isinstance(value := getattr(self, name), Column):
                raise InvalidField(where=self.at, part="Place", field=name, rule="a column", value=value)
