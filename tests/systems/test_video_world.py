"""The generated video world has the real log's shape, and models can be compared with its truth."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import ArrayLike, NDArray

from sixfold.errors import InvalidField

INT, TEXT, REAL = "int64", "string", "double"
LOG_COLUMNS = (
    "user_id video_id date hourmin time_ms is_click is_like is_follow is_comment is_forward is_hate long_view "
    "play_time_ms duration_ms profile_stay_time comment_stay_time is_profile_enter is_rand tab"
)
LOG = dict.fromkeys(LOG_COLUMNS.split(), "int64 not null") | {"hourmin": "int32 not null"}
VIDEOS = {
    "video_id": INT,
    "author_id": INT,
    "video_type": TEXT,
    "upload_dt": "date32[day]",
    "upload_type": TEXT,
    "visible_status": REAL,
    "video_duration": REAL,
    "server_width": REAL,
    "server_height": REAL,
    "music_id": INT,
    "music_type": REAL,
    "tag": TEXT,
}
USERS = {
    "user_id": INT,
    "user_active_degree": TEXT,
    "is_lowactive_period": INT,
    "is_live_streamer": INT,
    "is_video_author": INT,
    "follow_user_num": INT,
    "follow_user_num_range": TEXT,
    "fans_user_num": INT,
    "fans_user_num_range": TEXT,
    "friend_user_num": INT,
    "friend_user_num_range": TEXT,
    "register_days": INT,
    "register_days_range": TEXT,
} | {f"onehot_feat{i}": REAL if i in (4, 12, 13, 14, 15, 16, 17) else INT for i in range(18)}
HISTORY = {
    "user_id": "int64 not null",
    "watch_seq": "list<element: int64>",
    "long_watch_seq": "list<element: int64>",
    "like_seq": "list<element: int64>",
    "last_time_ms": "int64 not null",
}
FILES = ["history.parquet", "log.parquet", "truth.npz", "truth.parquet", "users.parquet", "videos.parquet"]


def load_world() -> ModuleType:
    path = Path(__file__).parents[2] / "systems" / "video" / "world.py"
    spec = importlib.util.spec_from_file_location("video_world", path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["video_world"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


world = load_world()
SMALL = {"users": 300, "videos": 100, "impressions": 2_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    world.generate(world.World(), folder)
    return folder


@pytest.fixture(scope="module")
def log(folder: Path) -> dict[str, NDArray[np.int64]]:
    return arrays(pq.read_table(folder / "log.parquet"))


@pytest.fixture(scope="module")
def rows(log: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """The distinct rows of the log, in its order."""
    table = np.stack(list(log.values()), axis=1)
    _, first = np.unique(table, axis=0, return_index=True)
    return {name: column[np.sort(first)] for name, column in log.items()}


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[str, NDArray[np.float64]]:
    return arrays(pq.read_table(folder / "truth.parquet"))


def arrays(table: pa.Table) -> dict[str, NDArray[Any]]:
    return {name: table[name].to_numpy() for name in table.column_names}


def auc(happened: ArrayLike, score: ArrayLike) -> float:
    happened, score = np.asarray(happened) > 0, np.asarray(score, dtype=float)
    _, group, size = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[group]
    hits, misses = happened.sum(), (~happened).sum()
    return float((rank[happened].sum() - hits * (hits + 1) / 2) / (hits * misses))


@pytest.mark.parametrize(
    ("name", "expected"), [("log", LOG), ("videos", VIDEOS), ("users", USERS), ("history", HISTORY)]
)
def test_the_tables_have_the_real_columns_and_types(folder: Path, name: str, expected: dict[str, str]) -> None:
    schema = pq.read_schema(folder / f"{name}.parquet")
    found = [(field.name, str(field.type) + ("" if field.nullable else " not null")) for field in schema]
    assert found == list(expected.items())


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        world.generate(world.World(**SMALL, seed=seed), tmp_path / name)
    for name in FILES:
        first, again, other = ((tmp_path / run / name).read_bytes() for run in ("one", "again", "other"))
        assert first == again
        assert first != other


@pytest.mark.parametrize(("users", "videos", "impressions", "days"), [(10, 50, 1_000, 1), (5_000, 60, 1_500, 30)])
def test_odd_sizes_work(tmp_path: Path, users: int, videos: int, impressions: int, days: int) -> None:
    world.generate(world.World(users=users, videos=videos, impressions=impressions, days=days), tmp_path)
    log = arrays(pq.read_table(tmp_path / "log.parquet"))
    assert len(log["user_id"]) == impressions
    assert log["user_id"].max() < users
    assert log["video_id"].max() < videos
    assert pq.read_metadata(tmp_path / "users.parquet").num_rows == users
    assert pq.read_metadata(tmp_path / "videos.parquet").num_rows == videos


def test_one_row_in_forty_is_an_exact_duplicate(log: dict[str, NDArray[np.int64]], rows: dict[str, ArrayLike]) -> None:
    assert len(log["user_id"]) == 60_000
    assert len(np.asarray(rows["user_id"])) == 58_500


def test_rates_and_play_times_are_near_the_real_logs(log: dict[str, NDArray[np.int64]]) -> None:
    clicked, play_ms = log["is_click"] == 1, log["play_time_ms"]
    assert clicked.mean() == pytest.approx(0.44, abs=0.03)
    assert log["long_view"].mean() == pytest.approx(0.31, abs=0.03)
    assert (play_ms[~clicked] > 0).mean() == pytest.approx(0.83, abs=0.02)
    assert play_ms.mean() == pytest.approx(21_500, rel=0.2)
    user_days = len(np.unique(log["user_id"] * 100_000_000 + log["date"]))
    assert len(play_ms) / user_days == pytest.approx(1.92, abs=0.2)


def test_rows_are_ordered_and_dated_in_utc8(log: dict[str, NDArray[np.int64]]) -> None:
    local = np.datetime64("1970-01-01T08:00") + log["time_ms"].astype("timedelta64[ms]")
    dates = np.char.replace(np.datetime_as_string(local, unit="D"), "-", "").astype(np.int64)
    assert (np.diff(log["time_ms"]) >= 0).all()
    assert (dates == log["date"]).all()
    assert (log["date"].min(), log["date"].max()) == (20220425, 20220505)
    assert ((local - local.astype("datetime64[D]")).astype("timedelta64[h]").astype(int) * 100 == log["hourmin"]).all()


def test_a_long_view_is_the_whole_video_or_18_seconds(log: dict[str, NDArray[np.int64]]) -> None:
    length_ms = np.where(log["duration_ms"] > 0, log["duration_ms"], 18_000)
    assert ((log["play_time_ms"] >= np.minimum(length_ms, 18_000)) == (log["long_view"] == 1)).all()


def test_nothing_is_shown_on_a_day_before_its_upload(folder: Path, log: dict[str, NDArray[np.int64]]) -> None:
    uploaded = pq.read_table(folder / "videos.parquet")["upload_dt"].to_numpy()
    shown = np.datetime64("1970-01-01T00:00") + log["time_ms"].astype("timedelta64[ms]")  # UTC, the later midnight
    assert (shown >= uploaded[log["video_id"]]).all()


def test_some_tags_lengths_and_codes_are_missing(folder: Path) -> None:
    videos, users = (pq.read_table(folder / f"{name}.parquet") for name in ("videos", "users"))
    for column in (videos["tag"], videos["video_duration"], videos["music_type"], users["onehot_feat4"]):
        assert 0.005 < column.null_count / len(column) < 0.05


def test_the_history_ends_before_the_log_and_its_parts_agree(folder: Path) -> None:
    history = pq.read_table(folder / "history.parquet")
    assert max(history["last_time_ms"].to_pylist()) < 1_650_816_000_000
    for watched, long in zip(history["watch_seq"].to_pylist()[:500], history["long_watch_seq"].to_pylist()[:500]):
        assert 1 <= len(watched) <= 50
        left = iter(watched)
        assert all(video in left for video in long)  # a subsequence: each is found after the one before


def test_the_truth_file_is_the_truth_function_at_the_logged_rows(
    folder: Path, rows: dict[str, NDArray[np.int64]], known: dict[str, NDArray[np.float64]]
) -> None:
    keys = [known[name] for name in ("user_id", "video_id", "time_ms")]
    assert all((key == rows[name]).all() for key, name in zip(keys, ("user_id", "video_id", "time_ms")))
    chances = world.Truth.load(folder).chances(*keys, tab=known["tab"], place=known["place"])
    np.testing.assert_array_equal(chances.click_N, known["click"])
    np.testing.assert_array_equal(chances.long_view_N, known["long_view"])
    np.testing.assert_array_equal(chances.watch_s_N, known["watch_s"])


def test_what_happened_agrees_with_the_truth_in_every_tenth_of_it(
    rows: dict[str, NDArray[np.int64]], known: dict[str, NDArray[np.float64]]
) -> None:
    length_s = np.where(rows["duration_ms"] > 0, rows["duration_ms"] / 1000, np.inf)
    happened = {
        "click": rows["is_click"],
        "long_view": rows["long_view"],
        "watch_s": np.minimum(rows["play_time_ms"] / 1000, length_s),
    }
    for name, seen in happened.items():
        for part in np.array_split(np.argsort(known[name]), 10):
            error = seen[part].std() / np.sqrt(len(part))
            assert abs(seen[part].mean() - known[name][part].mean()) < 4.5 * error + 0.002


def test_the_truth_orders_clicks_and_long_views_well(
    rows: dict[str, NDArray[np.int64]], known: dict[str, NDArray[np.float64]]
) -> None:
    assert auc(rows["is_click"], known["click"]) > 0.77
    assert auc(rows["long_view"], known["long_view"]) > 0.75


def test_on_the_last_day_the_truth_orders_better_than_popularity_and_that_better_than_chance(
    rows: dict[str, NDArray[np.int64]], known: dict[str, NDArray[np.float64]]
) -> None:
    before, last = rows["date"] < 20220505, rows["date"] == 20220505
    popular = np.bincount(rows["video_id"][before], rows["long_view"][before], minlength=3_000)
    by_popularity = auc(rows["long_view"][last], popular[rows["video_id"][last]])
    assert by_popularity > 0.52
    assert auc(rows["long_view"][last], known["long_view"][last]) > by_popularity + 0.15


def test_lists_by_the_truth_are_watched_longest_then_popular_ones_then_random_ones(
    folder: Path, rows: dict[str, NDArray[np.int64]]
) -> None:
    truth, rng, now_ms = world.Truth.load(folder), np.random.default_rng(0), 1_651_680_000_000
    before = rows["date"] < 20220505
    popular = np.bincount(rows["video_id"][before], rows["long_view"][before], minlength=3_000)
    open_videos = np.flatnonzero(truth.uploaded_d_V < 10)
    found = []
    for user in range(200):
        long_view = truth.chances(user, open_videos, now_ms).long_view_N
        orders = (long_view, popular[open_videos], rng.random(len(open_videos)))
        found.append([long_view[np.argsort(-order)[:20]].mean() for order in orders])
    by_truth, by_popularity, by_chance = np.mean(found, axis=0)
    assert by_truth > by_popularity + 0.1
    assert by_popularity > by_chance + 0.03


def test_later_places_and_older_videos_are_clicked_less_and_tastes_turn(folder: Path) -> None:
    truth, day_ms, start_ms = world.Truth.load(folder), 86_400_000, 1_650_816_000_000
    users = np.arange(2_000)
    first, third = (truth.chances(users, 0, start_ms, place=place).click_N for place in (1, 3))
    assert (third < first).all()
    still = np.flatnonzero(truth.turn_U < 0.002)
    assert (
        truth.chances(still, 0, start_ms + 30 * day_ms).click_N < truth.chances(still, 0, start_ms).click_N
    ).mean() > 0.8
    early, late = truth.taste_ND(users, np.full(2_000, -15.0)), truth.taste_ND(users, np.full(2_000, 11.0))
    alike = (early * late).sum(axis=1) / np.linalg.norm(early, axis=1) / np.linalg.norm(late, axis=1)
    assert np.median(alike) < 0.9


def test_the_script_writes_a_world_of_the_size_asked_for(tmp_path: Path) -> None:
    world.main(
        [str(tmp_path / "new" / "folder"), "--users", "50", "--videos", "60", "--impressions", "1200", "--seed", "3"]
    )
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == FILES
    assert pq.read_metadata(tmp_path / "new" / "folder" / "log.parquet").num_rows == 1_200


def test_a_size_too_small_is_refused() -> None:
    with pytest.raises(InvalidField) as caught:
        world.World(impressions=999)
    assert str(caught.value) == "world.py: World.impressions must be at least 1000, got 999"
