"""A small data set for trying the docs: who was where in a city of invented places, and who knows whom.

    python tests/systems/checkins_world.py FOLDER [--seed N]

`checkins.parquet` (`user, place, time`; us, UTC), `places.jsonl` (`place, category, lat, lon`) and
`friends.parquet` (`user, friend`; each pair once, the smaller key first, without a time).

Where somebody goes next follows from how far it is from where they were last, what kinds of place they like at that
hour, where they have been before and where their friends were lately. The city lies on the 180th meridian, so that
longitudes on one street differ by nearly 360; a few places have no coordinates and five stand exactly on a pole.
"""
# U = users, P = places, K = categories, D = parts of the day, H = hours

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["CHECKINS", "PLACES", "USERS", "generate"]

Array = NDArray[Any]

USERS, PLACES, CHECKINS, DAYS = 2_000, 1_000, 30_000, 60
POPULAR_FRIENDS = 5_000
"""Friends of user u0: those with a key beyond the last user's never check in."""
START_US, HOUR_US = 1_767_225_600_000_000, 3_600_000_000
"""2026-01-01, UTC."""
CENTRE_LAT, CENTRE_LON, KM_A_DEGREE = -16.8, 180.0, 111.195
CATEGORIES = ("cafe", "office", "gym", "park", "bar", "cinema", "school", "shop")
OPEN_KD = np.array([[2, 1, 0, -2], [1, 2, -1, -3], [1, 0, 1, -1], [0, 1, 1, -2], [-3, -1, 1, 2], [-3, 0, 2, 1],
                    [1, 2, -2, -3], [0, 1, 1, -3]], float)  # fmt: skip
"""What morning, day, evening and night add to a category."""
NOWHERE, POLES = 30, 5


def generate(folder: Path, seed: int = 0) -> None:
    """Write the three files into `folder`, made if it is not there. The same seed gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    place_P2, kind_P = rng.normal(0, 4, (PLACES, 2)), rng.integers(0, len(CATEGORIES), PLACES)
    pairs = _pairs(rng)
    user, place, time_us = _visits(place_P2, kind_P, pairs[pairs[:, 1] < USERS], rng)
    table = {"user": [f"u{u}" for u in user], "place": [f"p{p}" for p in place], "time": time_us}
    pq.write_table(pa.table(table), folder / "checkins.parquet")
    known = [[f"u{at}" for at in column] for column in pairs.T.tolist()]
    pq.write_table(pa.table({"user": known[0], "friend": known[1]}), folder / "friends.parquet")
    (folder / "places.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _places(place_P2, kind_P)))


def _places(place_P2: Array, kind_P: Array) -> list[dict[str, Any]]:
    lat = CENTRE_LAT + place_P2[:, 1] / KM_A_DEGREE
    lon = CENTRE_LON + place_P2[:, 0] / KM_A_DEGREE / np.cos(np.radians(CENTRE_LAT))
    lat[:POLES], lon[:POLES] = [90, -90, 90, -90, 90], [0, 0, 180, -180, 12.5]
    lon = np.where(lon > 180, lon - 360, lon)
    rows = [
        {
            "place": f"p{at}",
            "category": CATEGORIES[kind],
            "lat": round(float(lat[at]), 6),
            "lon": round(float(lon[at]), 6),
        }
        for at, kind in enumerate(kind_P)
    ]
    for row in rows[-NOWHERE:]:
        row |= {"lat": None, "lon": None}
    return rows


def _pairs(rng: np.random.Generator) -> Array:
    """Pairs of friends, the smaller number first: neighbours in number, anybody, and u0 with very many."""
    one = np.repeat(np.arange(USERS), 4)
    near = (one + rng.integers(1, 25, len(one))) % USERS
    other = np.where(rng.random(len(one)) < 0.8, near, rng.integers(0, USERS, len(one)))
    pairs = np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1)
    pairs = pairs[(pairs[:, 0] > 0) & (pairs[:, 0] < pairs[:, 1])]
    popular = np.stack([np.zeros(POPULAR_FRIENDS, np.int64), np.arange(1, POPULAR_FRIENDS + 1)], axis=1)
    return np.unique(np.concatenate([popular, pairs]), axis=0)


def _visits(place_P2: Array, kind_P: Array, pairs: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Visits by time: user, place, time in us. Groups of neighbours in number live near each other."""
    quarter = rng.normal(0, 4, (USERS // 25, 2))
    here_U2 = quarter[np.arange(USERS) // 25] + rng.normal(0, 1, (USERS, 2))
    liking_UK = rng.normal(0, 1.2, (USERS, len(CATEGORIES)))
    been_UP, lately_UP = np.zeros((USERS, PLACES), np.float32), np.zeros((USERS, PLACES), np.float32)
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    ends = ends[(ends[:, 0] > 0) & (ends[:, 1] > 0)]  # u0 knows too many to follow or to be followed
    friends = [ends[ends[:, 0] == user, 1] for user in range(USERS)]
    active = rng.lognormal(0, 0.8, USERS)
    user = rng.choice(USERS, CHECKINS, p=active / active.sum())
    time_us = START_US + np.sort((rng.random(CHECKINS) * 24 * DAYS * HOUR_US).astype(np.int64))
    pull_P, place = rng.normal(0, 0.7, PLACES), np.empty(CHECKINS, np.int64)
    for at, (who, now) in enumerate(zip(user.tolist(), time_us.tolist())):
        part = ((now // HOUR_US) % 24 - 6) // 6 % 4  # from 6, 12, 18 and 0 o'clock on
        away_P = np.sqrt(((place_P2 - here_U2[who]) ** 2).sum(1))
        worth_P = pull_P - 1.0 * away_P + (liking_UK[who] + OPEN_KD[:, part])[kind_P]
        worth_P += 1.5 * np.log1p(been_UP[who]) + 1.5 * np.log1p(lately_UP[who])
        place[at] = went = int(np.argmax(worth_P + rng.gumbel(size=PLACES)))
        here_U2[who] = place_P2[went]
        been_UP[who, went] += 1
        lately_UP[friends[who], went] += 1
    return user, place, time_us


def main() -> None:
    parser = argparse.ArgumentParser(description="Write check-ins of a city into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    generate(chosen.folder, chosen.seed)


if __name__ == "__main__":
    main()
