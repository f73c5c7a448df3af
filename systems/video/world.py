"""Sample data for the video system in the real log's schema, from a world whose preferences are known.

    python systems/video/world.py FOLDER [--users N] [--videos N] [--impressions N] [--days N] [--seed N]

A viewer's taste turns slowly from one point of a small space to another; a video lies where its tags and its author put
it. A feed shows what is fresh and popular and, within that, near the viewer's taste. Whether the viewer clicks, goes on
to a long view and reaches the end follows from the viewer, the video, the page, the place in the session and the
video's length, by `Truth.chances`, which answers for any viewer, video and time and not only for what was logged.
"""
# U = users, V = videos, N = rows, C = candidates a feed picks from, D = width of the space of tastes
# Times named `_d` are days since the log's first midnight, negative before it.

import argparse
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from sixfold.errors import InvalidField

__all__ = ["Chances", "Truth", "World", "generate"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

START_MS = 1_650_816_000_000  # 2022-04-25 00:00 in UTC+8
FIRST_DAY = np.datetime64("2022-04-25")
DAY_MS = 86_400_000
BEFORE_D = 15  # the history covers so many days before the log
D = 8

TAGS = 46
TAB_SHARE = np.array([0.090, 0.758, 0.028, 0.0, 0.060, 0.003, 0.053, 0.0, 0.008])
TAB_EFFECT = np.array([-2.8, 0.0, -0.1, 0.0, 0.5, -1.2, -2.1, 0.0, -3.4])
TAB_PLAYS = np.array([0.0, 0.99, 0.99, 0.0, 0.96, 0.99, 0.99, 0.0, 0.0])  # auto-play; pages 0 and 8 show covers
HOUR_SHARE = np.array(
    [75, 45, 30, 18, 15, 16, 30, 46, 59, 72, 82, 94, 105, 104, 94, 95, 101, 109, 106, 100, 105, 111, 120, 114]
)
WEEKDAY_SHARE = np.array([1.0, 0.95, 0.95, 0.95, 1.05, 1.3, 1.3])
DUPLICATES = 0.025
CLICK_S, LONG_S = 7.0, 18.0  # a click is a play of this length or nearly all; a long view, of this length or all
REPLAY = 0.25  # mean share of a finished video that is played again

LOG_COLUMNS = (
    "user_id video_id date hourmin time_ms is_click is_like is_follow is_comment is_forward is_hate long_view "
    "play_time_ms duration_ms profile_stay_time comment_stay_time is_profile_enter is_rand tab"
)
COUNTS = {"follow": (155, 1.5, 5_003), "fans": (48, 2.2, 999_999), "friend": (16, 2.4, 4_995)}  # median, spread, most
RANGES = {  # inclusive ends, and the names between and beyond them
    "follow": ("0 10 50 100 150 250 500", "0 (0,10] (10,50] (50,100] (100,150] (150,250] (250,500] 500+"),
    "fans": ("0 9 99 999 4999 9999 99999", "0 [1,10) [10,100) [100,1k) [1k,5k) [5k,1w) [1w,10w) [10w,100w)"),
    "friend": ("0 4 29 59 119 249", "0 [1,5) [5,30) [30,60) [60,120) [120,250) 250+"),
    "register": ("14 30 60 90 180 365 730", "8-14 15-30 31-60 61-90 91-180 181-365 366-730 730+"),
}
ACTIVITY = ["low_active", "middle_active", "high_active", "full_active"]
CODES = (2, 7, 50, 1471, 15, 34, 3, 118, 454, 7, 5, 5, 2, 2, 2, 2, 2, 2)  # how many values each onehot_feat has
CODES_WITH_GAPS = (4, 12, 13, 14, 15, 16, 17)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How large a world to draw. The defaults suit a demo without a real log."""

    users: int = 8_000
    """Viewers, at least 10."""
    videos: int = 3_000
    """Videos, at least 50, uploaded one after the other from 25 days before the log to its end."""
    impressions: int = 60_000
    """Rows of the log, its duplicates included, at least 1,000."""
    days: int = 11
    """Days of the log in UTC+8, from 2022-04-25 on, at least 1."""
    seed: int = 0
    """The same seed gives the same bytes. Not negative."""

    def __post_init__(self) -> None:
        for field, least in (("users", 10), ("videos", 50), ("impressions", 1_000), ("days", 1), ("seed", 0)):
            if (value := getattr(self, field)) < least:
                raise InvalidField(where="world.py", part="World", field=field, rule=f"at least {least}", value=value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chances:
    """What would happen at N impressions, as probabilities and seconds. All shapes (N,)."""

    click_N: Floats
    long_if_click_N: Floats
    finish_if_long_N: Floats
    autoplay_N: Floats
    """Probability that the video plays at all without a click."""
    click_s_N: Floats
    """A play of this many seconds is a click."""
    long_s_N: Floats
    """A play of this many seconds is a long view."""
    length_s_N: Floats
    measured_N: Flags
    """Whether the tables know the length; pictures have none."""

    @property
    def long_view_N(self) -> Floats:
        """Probability of a long view."""
        return self.click_N * self.long_if_click_N

    @property
    def watch_s_N(self) -> Floats:
        """Expected seconds of the lesser of play time and length, or of play time where the length is not known."""
        skipped_N = self.autoplay_N * self.click_s_N * (0.1 + 0.9 / 3)
        left_N = self.click_s_N + (self.long_s_N - self.click_s_N) / 3
        partly_N = self.long_s_N + (self.length_s_N - self.long_s_N) / 6
        whole_N = self.length_s_N * np.where(self.measured_N, 1, 1 + REPLAY)
        long_N = self.finish_if_long_N * whole_N + (1 - self.finish_if_long_N) * partly_N
        clicked_N = self.long_if_click_N * long_N + (1 - self.long_if_click_N) * left_N
        return self.click_N * clicked_N + (1 - self.click_N) * skipped_N

    def draw(self, rng: np.random.Generator) -> tuple[Flags, Flags, Ints]:
        """Let it happen: clicks, long views and play times in ms. Their means are the probabilities above."""
        click_N, long_N, finish_N, plays_N = rng.random((4, len(self.click_N)))
        click_N, plays_N = click_N < self.click_N, plays_N < self.autoplay_N
        long_N = click_N & (long_N < self.long_if_click_N)
        # Triangular on [0, 1], falling: early leavers are the most. Its mean is 1/3, its square's mean 1/6.
        share_N = 1 - np.sqrt(1 - rng.random(len(click_N)))
        skipped_N = plays_N * self.click_s_N * (0.1 + 0.9 * share_N)
        left_N = self.click_s_N + (self.long_s_N - self.click_s_N) * share_N
        partly_N = self.long_s_N + (self.length_s_N - self.long_s_N) * share_N**2
        whole_N = self.length_s_N * (1 + rng.exponential(REPLAY, len(click_N)))
        long_play_N = np.where(finish_N < self.finish_if_long_N, whole_N, partly_N)
        play_s_N = np.where(long_N, long_play_N, np.where(click_N, left_N, skipped_N))
        # Rounding to ms must not carry a play over the line that makes it a long view.
        long_ms_N = np.rint(self.long_s_N * 1000)
        play_ms_N = np.floor(play_s_N * 1000)
        play_ms_N = np.where(long_N, np.maximum(play_ms_N, long_ms_N), np.minimum(play_ms_N, long_ms_N - 1))
        return click_N, long_N, play_ms_N.astype(np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """Everything that decides what is shown and what is watched; kept in `truth.npz`."""

    activity_U: Floats
    ease_U: Floats
    """How readily a viewer clicks, log-odds."""
    tag_U2: Ints
    """The favourite tag at first, and the one the viewer turns to."""
    early_UD: Floats
    late_UD: Floats
    turn_U: Floats
    """Radians a day from the early to the late taste."""
    uploaded_d_V: Floats
    pull_V: Floats
    """Weight in the feeds when new."""
    quality_V: Floats
    """Log-odds of a click."""
    taste_VD: Floats
    length_s_V: Floats
    picture_V: Flags
    author_V: Ints
    tag_V2: Ints
    """One or two tags; -1 where there is no second."""

    @classmethod
    def load(cls, folder: Path) -> "Truth":
        """Read what `generate` wrote into `folder`."""
        with np.load(folder / "truth.npz") as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def save(self, folder: Path) -> None:
        np.savez(folder / "truth.npz", **{field.name: getattr(self, field.name) for field in fields(self)})

    def taste_ND(self, user_N: Ints, time_d_N: Floats) -> Floats:
        """What viewers like at a time, as a point of the space that videos lie in."""
        angle_N1 = (self.turn_U[user_N] * (time_d_N + BEFORE_D))[:, None]
        return np.cos(angle_N1) * self.early_UD[user_N] + np.sin(angle_N1) * self.late_UD[user_N]

    def chances(
        self, user: ArrayLike, video: ArrayLike, time_ms: ArrayLike, *, tab: ArrayLike = 1, place: ArrayLike = 1
    ) -> Chances:
        """What would happen if viewers were shown videos; the arguments broadcast to shape (N,).

        Args:
            user: User ids, 0 to U - 1.
            video: Video ids, 0 to V - 1.
            time_ms: Milliseconds UTC, at most 15 days before the log.
            tab: The page of the app; 0 and 8 show covers, the others play by themselves.
            place: Place in the session, from 1.
        """
        user_N, video_N, time_N, tab_N, place_N = np.broadcast_arrays(*np.atleast_1d(user, video, time_ms, tab, place))
        time_d_N = (time_N - START_MS) / DAY_MS
        near_N = np.einsum("nd,nd->n", self.taste_ND(user_N, time_d_N), self.taste_VD[video_N])
        length_N, quality_N, ease_N = self.length_s_V[video_N], self.quality_V[video_N], self.ease_U[user_N]
        long_s_N = np.minimum(length_N, LONG_S)
        shown_N = TAB_EFFECT[tab_N] - 0.18 * np.minimum(place_N - 1, 9)
        faded_N = 0.03 * np.maximum(time_d_N - self.uploaded_d_V[video_N], 0)
        longer_N = np.log(length_N / 60)
        click_N = -0.65 + ease_N + quality_N + 2.2 * near_N + 0.25 * np.minimum(longer_N, 0.3) + shown_N - faded_N
        long_N = 1.55 + 0.3 * ease_N + 0.4 * quality_N + 1.2 * near_N - 1.4 * (long_s_N - CLICK_S) / (LONG_S - CLICK_S)
        finish_N = -0.4 + 0.8 * near_N - 1.0 * longer_N
        return Chances(
            click_N=_sigmoid(click_N),
            long_if_click_N=_sigmoid(long_N),
            finish_if_long_N=np.where(length_N <= LONG_S, 1.0, _sigmoid(finish_N)),
            autoplay_N=TAB_PLAYS[tab_N],
            click_s_N=np.minimum(CLICK_S, 0.8 * length_N),
            long_s_N=long_s_N,
            length_s_N=length_N,
            measured_N=~self.picture_V[video_N],
        )


def generate(world: World, folder: Path) -> None:
    """Write a world into `folder`, made if it is not there: the four tables, and the truth beside them.

    `log.parquet`, `videos.parquet`, `users.parquet` and `history.parquet` have the real log's columns and types.
    `truth.parquet` has one row per distinct row of the log, with the true probabilities of a click and of a long view
    and the expected seconds of the lesser of play time and length; `truth.npz` is for `Truth.load`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(world.seed)
    truth = _draw_truth(world, rng)
    truth.save(folder)
    log, known = _log(world, truth, rng)
    tables = {"log": log, "truth": known, "history": _history(truth, rng)}
    for name, table in (tables | {"videos": _videos(truth, rng), "users": _users(truth, rng)}).items():
        pq.write_table(table, folder / f"{name}.parquet")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Write sample data for the video system into a folder.")
    parser.add_argument("folder", type=Path)
    for field in fields(World):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, metavar="N", help="default %(default)s")
    chosen = vars(parser.parse_args(arguments))
    generate(World(**{field.name: chosen[field.name] for field in fields(World)}), chosen["folder"])


def _draw_truth(world: World, rng: np.random.Generator) -> Truth:
    tag_share = 1 / np.arange(1, TAGS + 1) ** 0.9
    tag_share /= tag_share.sum()
    tag_TD = _unit(rng.normal(size=(TAGS, D)))
    users, videos, authors = world.users, world.videos, 3 * world.videos
    tag_U2 = rng.choice(TAGS, (users, 2), p=tag_share)
    tag_V2 = rng.choice(TAGS, (videos, 2), p=tag_share)
    tag_V2[(rng.random(videos) < 0.76) | (tag_V2[:, 0] == tag_V2[:, 1]), 1] = -1
    author_V = (authors * rng.random(videos) ** 2).astype(np.int64)
    second_VD = np.where(tag_V2[:, 1:] < 0, 0, tag_TD[tag_V2[:, 1]])
    author_VD = _noise(rng, authors)[author_V]
    picture_V = rng.random(videos) < 0.03
    length_s_V = np.clip(rng.lognormal(np.log(70), 1.0, videos), 5, 1_180).round(3)
    quality_V = rng.normal(0, 0.5, videos) - 1.4 * picture_V
    # Each is uploaded by day, so that nobody can see it before the midnight that the tables name ends in every zone.
    day_V = np.floor(np.linspace(-25, world.days, videos, endpoint=False))
    return Truth(
        activity_U=rng.lognormal(0, 0.8, users),
        ease_U=rng.normal(0, 0.8, users),
        tag_U2=tag_U2,
        early_UD=_unit(tag_TD[tag_U2[:, 0]] + 0.6 * _noise(rng, users)),
        late_UD=_unit(tag_TD[tag_U2[:, 1]] + 0.6 * _noise(rng, users)),
        turn_U=rng.exponential(0.04, users),
        uploaded_d_V=day_V + rng.uniform(1 / 3, 1, videos),
        pull_V=rng.lognormal(0.6 * quality_V, 1.3),
        quality_V=quality_V,
        taste_VD=_unit(tag_TD[tag_V2[:, 0]] + 0.5 * second_VD + 0.5 * author_VD + 0.4 * _noise(rng, videos)),
        # A picture has no length in the tables, and counts as a long view after the seconds of a long one.
        length_s_V=np.where(picture_V, np.maximum(length_s_V, LONG_S + 1), length_s_V),
        picture_V=picture_V,
        author_V=author_V,
        tag_V2=tag_V2,
    )


def _log(world: World, truth: Truth, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """The log, ordered by time, and what was true at each of its distinct rows."""
    duplicates = round(DUPLICATES * world.impressions)
    user_N, time_N, place_N = _sessions(world, truth, world.impressions - duplicates, rng)
    video_N = _pick(truth, user_N, (time_N - START_MS) / DAY_MS, rng)
    tab_N = rng.choice(len(TAB_SHARE), len(user_N), p=TAB_SHARE)
    chances = truth.chances(user_N, video_N, time_N, tab=tab_N, place=place_N)
    shown = {"user_id": user_N, "video_id": video_N, "time_ms": time_N, "tab": tab_N}
    columns = shown | _moments(time_N, world.days) | _reactions(chances, rng)
    kinds = {name: pa.int32() if name == "hourmin" else pa.int64() for name in LOG_COLUMNS.split()}
    schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds.items()])
    log = pa.table({name: columns[name].astype(np.int64) for name in kinds}).cast(schema)
    again_N = rng.choice(len(user_N), duplicates, replace=False)
    expected = {"click": chances.click_N, "long_view": chances.long_view_N, "watch_s": chances.watch_s_N}
    known = pa.table(shown | {"place": place_N} | expected)
    return log.take(np.sort(np.concatenate([np.arange(len(user_N)), again_N]))), known


def _moments(time_N: Ints, days: int) -> dict[str, Ints]:
    """The date and the hour in UTC+8, as the log writes them."""
    hours_N = (time_N - START_MS) // 3_600_000
    date_D = np.array([int(str(FIRST_DAY + day).replace("-", "")) for day in range(days)])
    return {"date": date_D[hours_N // 24], "hourmin": hours_N % 24 * 100}


def _reactions(chances: Chances, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """What the viewers did; the rare reactions have rates of their own and no truth."""
    click_N, long_N, play_ms_N = chances.draw(rng)
    rows = len(click_N)
    chat_N = click_N & (rng.random(rows) < 0.096)
    return {
        "is_click": click_N,
        "is_like": _likes(long_N, rng),
        "is_follow": rng.random(rows) < 0.0030 * click_N,
        "is_comment": rng.random(rows) < 0.0056 * click_N,
        "is_forward": rng.random(rows) < 0.0018 * click_N,
        "is_hate": rng.random(rows) < 0.0008,
        "long_view": long_N,
        "play_time_ms": play_ms_N,
        "duration_ms": np.where(chances.measured_N, chances.length_s_N * 1000, 0).round(),
        "profile_stay_time": np.zeros(rows),
        "comment_stay_time": np.where(chat_N, rng.lognormal(8.7, 0.95, rows).clip(1, 300_000), 0),
        "is_profile_enter": rng.random(rows) < 0.042 * click_N,
        "is_rand": np.zeros(rows),
    }


def _sessions(world: World, truth: Truth, rows: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Who is shown something when: viewer, ms and place in the session, shapes (N,), ordered by time."""
    length_S = rng.geometric(0.8, rows)
    length_S = length_S[: np.searchsorted(np.cumsum(length_S), rows) + 1]
    first_S = np.cumsum(length_S) - length_S
    session_N = np.repeat(np.arange(len(length_S)), length_S)[:rows]
    place_N = np.arange(rows) - first_S[session_N] + 1
    user_S = rng.choice(world.users, len(length_S), p=truth.activity_U / truth.activity_U.sum())
    day_share = WEEKDAY_SHARE[np.arange(world.days) % 7]  # the log starts on a Monday
    day_S = rng.choice(world.days, len(length_S), p=day_share / day_share.sum())
    hour_S = rng.choice(24, len(length_S), p=HOUR_SHARE / HOUR_SHARE.sum()) + rng.random(len(length_S))
    waited_N = np.cumsum(np.where(place_N > 1, 20_000 + rng.exponential(300_000, rows), 0))
    waited_N -= waited_N[first_S][session_N]
    time_N = START_MS + (day_S * DAY_MS + hour_S * 3_600_000)[session_N].astype(np.int64) + waited_N.astype(np.int64)
    # A session that would outlast the log begins earlier.
    late_S = np.maximum.reduceat(time_N, first_S) - (START_MS + world.days * DAY_MS - 1)
    time_N -= np.maximum(late_S, 0)[session_N]
    order_N = np.argsort(time_N, kind="stable")
    return user_S[session_N][order_N], time_N[order_N], place_N[order_N]


def _pick(truth: Truth, user_N: Ints, time_d_N: Floats, rng: np.random.Generator, candidates: int = 6) -> Ints:
    """The feed: from a few videos drawn by pull and freshness, one near the viewer's taste."""
    taste_ND = truth.taste_ND(user_N, time_d_N)
    slot_N = np.floor(time_d_N * 4).astype(np.int64)
    order_N = np.argsort(slot_N, kind="stable")
    slots, starts = np.unique(slot_N[order_N], return_index=True)
    video_N = np.empty(len(user_N), np.int64)
    for slot, rows_N in zip(slots, np.split(order_N, starts[1:])):
        age_d_V = slot / 4 - truth.uploaded_d_V
        weight_V = np.cumsum(np.where(age_d_V >= 0, truth.pull_V * 2 ** (-np.maximum(age_d_V, 0) / 6), 0))
        drawn_NC = np.searchsorted(weight_V, rng.random((len(rows_N), candidates)) * weight_V[-1], side="right")
        near_NC = np.einsum("nd,ncd->nc", taste_ND[rows_N], truth.taste_VD[drawn_NC])
        best_N = np.argmax(3 * near_NC + rng.gumbel(size=near_NC.shape), axis=1)
        video_N[rows_N] = drawn_NC[np.arange(len(rows_N)), best_N]
    return video_N


def _history(truth: Truth, rng: np.random.Generator) -> pa.Table:
    """The last 50 exposures of nearly every viewer before the log, in order."""
    users = len(truth.ease_U)
    length_U = np.exp(np.log(32) + 0.6 * np.log(truth.activity_U) + 1.1 * rng.normal(size=users)).clip(1, 50)
    length_U = np.where(rng.random(users) < 0.97, length_U.astype(np.int64), 0)
    user_N = np.repeat(np.arange(users), length_U)
    time_N = START_MS - 1 - (rng.random(len(user_N)) * BEFORE_D * DAY_MS).astype(np.int64)
    time_N = time_N[np.lexsort((time_N, user_N))]
    video_N = _pick(truth, user_N, (time_N - START_MS) / DAY_MS, rng, candidates=4)
    _, long_N, _ = truth.chances(user_N, video_N, time_N).draw(rng)
    like_N = _likes(long_N, rng)
    known_U = np.flatnonzero(length_U)
    kinds = {"watch_seq": np.ones_like(long_N), "long_watch_seq": long_N, "like_seq": like_N}
    lists = {name: _lists(user_N[kept_N], video_N[kept_N], known_U) for name, kept_N in kinds.items()}
    first, last = (pa.field(name, pa.int64(), nullable=False) for name in ("user_id", "last_time_ms"))
    schema = pa.schema([first, *(pa.field(name, pa.list_(pa.int64())) for name in lists), last])
    last_ms_U = time_N[np.cumsum(length_U)[known_U] - 1]
    return pa.table({"user_id": known_U, **lists, "last_time_ms": last_ms_U}, schema=schema)


def _videos(truth: Truth, rng: np.random.Generator) -> pa.Table:
    """What the tables say of a video: nothing of its quality, and its taste only by tags and author."""
    videos = len(truth.quality_V)
    upright_V = rng.random(videos) < 0.75
    no_music_V = rng.random(videos) < 0.027
    music_V = rng.choice([9.0, 4.0, 8.0, 7.0], videos, p=[0.9, 0.09, 0.007, 0.003])
    tag_V = [f"{a + 1},{b + 1}" if b >= 0 else f"{a + 1}" for a, b in truth.tag_V2.tolist()]
    kinds = np.array(["LongImport", "Web", "ShortImport", "Kmovie", "LongCamera", "UNKNOWN"])
    kind_V = np.where(truth.picture_V, "LongPicture", rng.choice(kinds, videos, p=[0.40, 0.33, 0.13, 0.12, 0.01, 0.01]))
    uploaded_V = FIRST_DAY + np.floor(truth.uploaded_d_V).astype("timedelta64[D]")
    return pa.table(
        {
            "video_id": np.arange(videos),
            "author_id": truth.author_V,
            "video_type": np.where(rng.random(videos) < 0.01, "AD", "NORMAL"),
            "upload_dt": uploaded_V,
            "upload_type": kind_V,
            "visible_status": np.zeros(videos),
            "video_duration": pa.array((truth.length_s_V * 1000).round(), mask=truth.picture_V),
            "server_width": np.where(upright_V, 720.0, 1280.0),
            "server_height": np.where(upright_V, 1280.0, 720.0),
            "music_id": np.where(no_music_V, 0, rng.integers(10**9, 9 * 10**9, videos)),
            "music_type": pa.array(music_V, mask=no_music_V),
            "tag": pa.array(tag_V, mask=rng.random(videos) < 0.013),
        }
    )


def _users(truth: Truth, rng: np.random.Generator) -> pa.Table:
    """What the tables say of a viewer: activity, ease and favourite tag show through, with noise."""
    users = len(truth.ease_U)
    noisy_U = np.log(truth.activity_U) + rng.normal(0, 1, users)
    columns: dict[str, pa.Array | NDArray[Any]] = {
        "user_id": np.arange(users),
        "user_active_degree": np.array(ACTIVITY)[np.digitize(noisy_U, [-2.9, -1.8, -0.7])],
        "is_lowactive_period": np.zeros(users, np.int64),
        "is_live_streamer": np.where(rng.random(users) < 0.22, 1, -124),
        "is_video_author": (rng.random(users) < 0.82).astype(np.int64),
    }
    for name, (median, spread, most) in COUNTS.items():
        count_U = rng.lognormal(np.log(median), spread, users).clip(0, most).astype(np.int64)
        columns[f"{name}_user_num"] = count_U
        columns[f"{name}_user_num_range"] = _range(count_U, name)
    days_U = rng.normal(1_200, 680, users).clip(14, 3_624).astype(np.int64)
    columns["register_days"] = days_U
    columns["register_days_range"] = _range(days_U, "register")
    unknown_U = rng.random(users) < 0.026
    for code, values in enumerate(CODES):
        code_U = (values * rng.random(users) ** 2).astype(np.int64)
        if code == 1:
            code_U = np.digitize(truth.ease_U + rng.normal(0, 0.5, users), np.linspace(-1.5, 1.5, values - 1))
        if code == 7:
            code_U = np.where(rng.random(users) < 0.5, truth.tag_U2[:, 0], code_U)
        if code in CODES_WITH_GAPS:
            missing_U = rng.random(users) < 0.032 if code == 4 else unknown_U
            columns[f"onehot_feat{code}"] = pa.array(code_U.astype(float), mask=missing_U)
        else:
            columns[f"onehot_feat{code}"] = code_U
    return pa.table(columns)


def _range(count_U: Ints, name: str) -> NDArray[np.str_]:
    ends, names = RANGES[name]
    return np.array(names.split())[np.digitize(count_U, [int(end) for end in ends.split()], right=True)]


def _lists(user_N: Ints, video_N: Ints, known_U: Ints) -> pa.ListArray:
    """One list of videos for each known viewer, from rows ordered by viewer."""
    ends_U = np.searchsorted(user_N, known_U, side="right")
    return pa.ListArray.from_arrays(np.concatenate([[0], ends_U]).astype(np.int32), video_N)


def _likes(long_N: Flags, rng: np.random.Generator) -> Flags:
    return rng.random(len(long_N)) < np.where(long_N, 0.035, 0.009)


def _unit(point_ND: Floats) -> Floats:
    unit_ND: Floats = point_ND / np.linalg.norm(point_ND, axis=1, keepdims=True)
    return unit_ND


def _noise(rng: np.random.Generator, rows: int) -> Floats:
    """Points at a distance of about 1 from the origin."""
    return rng.normal(0, D**-0.5, (rows, D))


def _sigmoid(x_N: Floats) -> Floats:
    chance_N: Floats = 1 / (1 + np.exp(-x_N))
    return chance_N


if __name__ == "__main__":
    main(sys.argv[1:])
