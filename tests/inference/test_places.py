"""Places as numbers: products fall with the distance, wherever on the earth, in tables and in requests alike."""

import numpy as np
import pyarrow as pa
import pytest

from sixfold.design.kinds import NUMBER
from sixfold.features.arrays import column
from sixfold.inference.encoding import Encoder, fit
from sixfold.inference.places import SCALES_KM, place_coder

KM = 360 / (2 * np.pi * 6371)
"""Degrees of latitude in a kilometre."""


def numbers(*places):
    lat, lon = (np.array(part, float) for part in zip(*places))
    return place_coder("lat", "lon").encode((lat, np.isfinite(lat)), (lon, np.isfinite(lon)))


def nearness(one, other):
    """The product of two places by scale."""
    a, b = numbers(one, other).reshape(2, len(SCALES_KM), -1)
    return (a * b).sum(1)


@pytest.mark.parametrize(("scale", "km"), list(enumerate(SCALES_KM)))
@pytest.mark.parametrize("distance", [0.0, 0.25, 0.5, 1.0, 1.5])
def test_the_product_is_about_the_kernel(scale, km, distance):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        lat, lon = rng.uniform(-60, 60), rng.uniform(-180, 180)
        found.append(nearness((lat, lon), (lat + distance * km * KM, lon))[scale])
    error = np.sqrt(np.mean((np.array(found) - np.exp(-(distance**2) / 2)) ** 2))
    assert error < (0.08 if distance <= 1 else 0.12)


def test_far_away_is_nearly_nothing():
    rng = np.random.default_rng(0)
    far = [nearness((rng.uniform(40, 50), 10.0), (rng.uniform(-40, 30), -100.0)) for _ in range(500)]
    assert np.sqrt(np.mean(np.square(far))) < 0.2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((10.0, 179.9999), (10.0, -179.9999)),
        ((10.0, 180.0), (10.0, -180.0)),
        ((-5.0, 0.0), (-5.0, 360.0)),
        ((89.9999, 0.0), (89.9999, 180.0)),
        ((-90.0, 12.0), (-90.0, -150.0)),
    ],
)
def test_across_the_date_line_and_at_the_poles_neighbours_are_near(one, other):
    assert (nearness(one, other) > 0.98).all()


@pytest.mark.parametrize(
    "place", [(np.nan, 0.0), (0.0, np.nan), (90.01, 0.0), (-91.0, 0.0), (0.0, 360.5), (0.0, np.inf)]
)
def test_what_is_no_place_is_zeros(place):
    assert not numbers(place, (0.0, 0.0))[0].any()
    assert numbers(place, (0.0, 0.0))[1].any()


def test_tables_and_requests_have_the_same_numbers_and_the_card_keeps_the_waves():
    rows = {"lat": [46.2, None, 90.0], "lon": [6.1, 6.1, 0.0], "age": [1.0, 2.0, 3.0]}
    table = pa.table({name: pa.array(values, pa.float64()) for name, values in rows.items()})
    encoder = fit(table, dict.fromkeys(rows, NUMBER), ["age"], places=[("lat", "lon")])
    assert encoder.names == {"lat", "lon", "age"}
    assert encoder.width == 1
    told = Encoder.from_json(encoder.to_json())
    assert told == encoder
    array = encoder.places[0].array
    expected = encoder.encode_table(table)[array]
    columns = {name: column(NUMBER, values) for name, values in rows.items()}
    np.testing.assert_array_equal(told.encode(columns, 3)[array], expected)
    alone = {name: column(NUMBER, values[:1]) for name, values in rows.items()}
    np.testing.assert_array_equal(told.encode(alone, 2)[array], expected[[0, 0]])
    mixed = {**columns, "lon": column(NUMBER, [6.1])}
    np.testing.assert_array_equal(told.encode(mixed, 3)[array][:2], expected[:2])
