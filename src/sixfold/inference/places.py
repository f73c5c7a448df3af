"""Places on the earth as numbers whose inner product falls with the distance."""
# B = rows, S = scales, F = numbers of a scale, W = waves of all scales

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PLACE", "SCALES_KM", "PlaceCoder", "place_coder"]

PLACE = ":place"
"""What the name of a place's array ends with."""
SCALES_KM = (1.0, 5.0, 25.0, 125.0)
"""Standard deviations of the kernels: a quarter of an hour on foot, a town, those around it, a day's trip."""

_RADIUS_KM, _WAVES, _SEED = 6371.0, 16, 20071203
_MOST = (90.0, 360.0)
"""Degrees of latitude and longitude beyond which there is no such place."""


@dataclass(frozen=True)
class PlaceCoder:
    """Random Fourier features of a Gaussian kernel at several scales (Rahimi & Recht, NIPS 2007).

    A place is a point in space, on a sphere of the earth's radius: at the poles and across the date line it is as near
    to others as anywhere. Its numbers are cosines and sines of waves through that point; the product of two places'
    numbers of one scale is about `exp(-distance² / 2 scale²)`, 1 where they are the same. Far away it is not 0 but
    +-.18: what is near is much larger, and a learned weight says how much it matters.
    """

    lat: str
    """Canonical name of the column with the latitude, in degrees."""
    lon: str
    scales: int
    """S: the waves are those of one scale after the other, as many of each."""
    waves: tuple[tuple[float, float, float], ...]
    """Their directions, in radians a kilometre."""

    @property
    def array(self) -> str:
        """Name of the array that a model reads."""
        return f"{self.lat},{self.lon}{PLACE}"

    @property
    def width(self) -> int:
        """S F: how many numbers it gives."""
        return 2 * len(self.waves)

    def encode(self, lat: tuple[NDArray[Any], NDArray[Any]], lon: tuple[NDArray[Any], NDArray[Any]]) -> NDArray[Any]:
        """Numbers of each place, float32 (B, S F), one scale after the other; zeros where there is none.

        Args:
            lat, lon: Values in degrees, and where there is one.
        """
        lat_B, lon_B, there_B = np.broadcast_arrays(lat[0], lon[0], lat[1] & lon[1])
        there_B = there_B & (np.abs(lat_B) <= _MOST[0]) & (np.abs(lon_B) <= _MOST[1])
        north_B, east_B = (np.radians(np.where(there_B, own_B, 0.0).astype(np.float64)) for own_B in (lat_B, lon_B))
        across_B = np.cos(north_B)
        point_B3 = np.stack([across_B * np.cos(east_B), across_B * np.sin(east_B), np.sin(north_B)], 1)
        phase_BW = (_RADIUS_KM * point_B3) @ self._waves_3W
        both = np.stack([np.cos(phase_BW), np.sin(phase_BW)], 2).reshape(len(phase_BW), self.width)
        scaled = both * there_B[:, None] / np.sqrt(len(self.waves) / self.scales)
        return np.asarray(scaled, np.float32)

    @cached_property
    def _waves_3W(self) -> NDArray[np.float64]:
        return np.array(self.waves, np.float64).T


def place_coder(lat: str, lon: str) -> PlaceCoder:
    """The coder of two columns: the same waves for all, so that any two places can be compared."""
    return PlaceCoder(lat, lon, len(SCALES_KM), _all_waves())


@cache
def _all_waves() -> tuple[tuple[float, float, float], ...]:
    rng = np.random.default_rng(_SEED)
    waves_W3 = np.concatenate([_waves(rng) / scale for scale in SCALES_KM])
    return tuple((float(a), float(b), float(c)) for a, b, c in waves_W3)


def _waves(rng: np.random.Generator) -> NDArray[np.float64]:
    """Waves as a normal distribution has them, spread evenly: half the error near by of those drawn one by one."""
    # Directions over half a sphere along a golden spiral; lengths at even quantiles, in any order.
    at = np.arange(_WAVES) + 0.5
    height, angle = 1 - at / _WAVES, np.pi * (1 + 5**0.5) * at
    across = np.sqrt(1 - height**2)
    spiral_W3 = np.stack([across * np.cos(angle), across * np.sin(angle), height], 1)
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    drawn = np.sort(np.linalg.norm(rng.normal(size=(100_000, 3)), axis=1))
    length_W = np.quantile(drawn, rng.permutation(at / _WAVES))
    return np.asarray(spiral_W3 @ turned * length_W[:, None], np.float64)
