"""Ratings of films as public data sets have them: ratings.csv, movies.csv, tags.csv, links.csv, with tastes in them."""

import csv
import sys
from pathlib import Path

import numpy as np

GENRES = [
    "Action",
    "Adventure",
    "Animation",
    "Comedy",
    "Crime",
    "Drama",
    "Fantasy",
    "Horror",
    "Romance",
    "Sci-Fi",
    "War",
]


def write_films(folder: Path, ratings: int) -> None:
    rng = np.random.default_rng(0)
    users, movies, width = max(60, ratings // 160), max(300, ratings // 10), 8
    genres = [rng.choice(len(GENRES), size=rng.integers(1, 4), replace=False) for _ in range(movies)]
    of_genre = rng.normal(0, 1, (len(GENRES), width))
    of_movie = np.stack([of_genre[g].mean(0) for g in genres]) + rng.normal(0, 0.5, (movies, width))
    of_user, popular, good = (
        rng.normal(0, 1, (users, width)),
        rng.gamma(0.4, 1, movies) + 1e-9,
        rng.normal(0, 0.5, movies),
    )
    busy = rng.gamma(1.0, 1, users) + 0.12
    rows, tags = [], []
    for user in range(users):
        time = int(rng.integers(820_000_000, 1_530_000_000))
        fits = of_user[user] @ of_movie.T / np.sqrt(width)
        many = min(movies - 1, max(20, int(busy[user] / busy.sum() * ratings)))
        seen = np.argsort(-(np.log(popular) + 1.2 * fits + rng.gumbel(0, 1, movies)))[:many]
        for movie in rng.permutation(seen):
            time += int(rng.integers(4, 120)) if rng.random() < 0.97 else int(rng.integers(86_400, 40 * 86_400))
            said = 3.4 + 0.9 * fits[movie] + good[movie] + rng.normal(0, 0.7)
            rows.append((user + 1, movie * 7 + 1, np.clip(np.round(said * 2) / 2, 0.5, 5), time))
            if rng.random() < 0.03:
                tag = rng.choice(["funny", "dark, slow", "classic", "twist ending", "boring"])
                tags.append((user + 1, movie * 7 + 1, tag, time + 30))
    titles = [f"The {('Big', 'Lost', 'Last')[m % 3]} Night, Part {m} ({1930 + m % 80})" for m in range(movies)]
    listed = ["|".join(GENRES[g] for g in one) for one in genres]
    write(folder / "ratings.csv", ["userId", "movieId", "rating", "timestamp"], rows)
    write(
        folder / "movies.csv",
        ["movieId", "title", "genres"],
        zip(range(1, movies * 7, 7), titles, listed, strict=False),
    )
    write(folder / "tags.csv", ["userId", "movieId", "tag", "timestamp"], tags)
    ids = [(m * 7 + 1, f"{m * 31 + 1000:07d}", "" if m % 50 == 0 else m + 5) for m in range(movies)]
    write(folder / "links.csv", ["movieId", "imdbId", "tmdbId"], ids)


def write(path, header, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])


if __name__ == "__main__":
    write_films(Path(sys.argv[1]), int(sys.argv[2]))
