"""The truth of a world: all that a choice depends on, and the utility for any member, event and time."""
# M = members, E = events, G = groups, V = venues, T = topics, C = cities, J = places for a member's groups
# S = places for a member's answers, F = friendships, A = answers, L = looks, B = looks of one hour, K = events open
# Times named `_h` are hours since the log's first midnight; events are announced and start on a full hour.

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from events_world.scale import HOUR_MS, NEVER, REACH_KM, START_MS, Array, Floats, Ints

__all__ = ["Truth", "spread", "utility"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """All that a choice depends on; members and events by number, which is their key less the first key of the kind."""

    city_M: Ints
    home_M2: Floats
    """Kilometres east and north of the city's centre."""
    topic_MT: Floats
    """How a member likes a topic, 0 to 1.5."""
    weekday_M7: Floats
    """-1 to 1, from Monday on."""
    evening_M: Floats
    """1 for those who like evenings, -1 for those who like daytime."""
    city_E: Ints
    place_E2: Floats
    group_E: Ints
    topic_E: Ints
    weekday_E: Ints
    evening_E: Floats
    """1 for an event that starts at 17 or later, else -1."""
    announced_h_E: Ints
    start_h_E: Ints
    capacity_E: Floats
    """Infinite where there is none."""
    quality_G: Floats
    group_MJ: Ints
    """-1 for a free place."""
    joined_h_MJ: Array
    first_M: Ints
    """Where a member's friends begin among the friendships; one more at the end."""
    friend_F: Ints
    since_h_F: Array
    member_A: Ints
    """Answers by member, then event."""
    event_A: Ints
    from_h_A: Ints
    until_h_A: Ints
    """An answer counts from one full hour on, and is a yes until the other; a plain no never is."""

    def km(self, member: Array, event: Array) -> Floats:
        """From home to the event, for arrays that broadcast."""
        east = self.home_M2[member, 0] - self.place_E2[event, 0]
        north = self.home_M2[member, 1] - self.place_E2[event, 1]
        return np.asarray(np.sqrt(east * east + north * north), np.float32)

    def utilities(self, member: ArrayLike, event: ArrayLike, time_ms: ArrayLike) -> Floats:
        """The utilities for members (N,), events (N,) and times (N,); -inf where the event is in no list then."""
        member_N, event_N = np.asarray(member, np.int64), np.asarray(event, np.int64)
        hour_N = (np.asarray(time_ms, np.int64) - START_MS) // HOUR_MS
        here_NJ = self.group_MJ[member_N] == self.group_E[event_N, None]
        yes_N, km_N = self._yes(event_N, hour_N), self.km(member_N, event_N)
        worth_N = utility(
            km=km_N,
            days_left=self.days_left(event_N, hour_N),
            own=(here_NJ & (self.joined_h_MJ[member_N] < hour_N[:, None])).any(1),
            topic=self.topic_MT[member_N, self.topic_E[event_N]],
            weekday=self.weekday_M7[member_N, self.weekday_E[event_N]],
            evening=self.evening_M[member_N] * self.evening_E[event_N],
            friends=self._friends(member_N, event_N, hour_N),
            quality=self.quality_G[self.group_E[event_N]],
            yes=yes_N,
            capacity=self.capacity_E[event_N],
        )
        listed_N = (self.announced_h_E[event_N] <= hour_N) & (self.start_h_E[event_N] > hour_N)
        listed_N &= (self.city_E[event_N] == self.city_M[member_N]) & (yes_N < self.capacity_E[event_N])
        listed_N &= (km_N <= REACH_KM) & ~self._answered(member_N, event_N, hour_N)[0]
        return np.where(listed_N, worth_N, np.float32(-np.inf))

    def days_left(self, event: Array, hour: Array | int) -> Floats:
        return np.asarray((self.start_h_E[event] - hour) / 24, np.float32)

    def save(self, folder: Path) -> None:
        """Write `truth.npz`."""
        np.savez(folder / "truth.npz", **{field.name: getattr(self, field.name) for field in fields(self)})

    @staticmethod
    def load(folder: Path) -> "Truth":
        """What `save` wrote."""
        with np.load(folder / "truth.npz") as saved:
            return Truth(**saved)

    def _yes(self, event_N: Ints, hour_N: Ints) -> Floats:
        """How many say yes to an event in an hour."""
        span = int(max(NEVER, hour_N.max(initial=0))) + 1
        begun, ended = (np.sort(self.event_A * span + when_A) for when_A in (self.from_h_A, self.until_h_A))
        key_N = event_N * span + hour_N
        return (np.searchsorted(begun, key_N, "right") - np.searchsorted(ended, key_N, "right")).astype(np.float32)

    def _friends(self, member_N: Ints, event_N: Ints, hour_N: Ints) -> Floats:
        """How many of a member's friends say yes to an event in an hour."""
        row_F, at_F = spread(self.first_M[member_N], self.first_M[member_N + 1])
        _, goes_F = self._answered(self.friend_F[at_F], event_N[row_F], hour_N[row_F])
        goes_F &= self.since_h_F[at_F] < hour_N[row_F]
        return np.bincount(row_F[goes_F], minlength=len(member_N)).astype(np.float32)

    def _answered(self, member_N: Ints, event_N: Ints, hour_N: Ints) -> tuple[Array, Array]:
        """Whether a member has answered about an event by an hour, and whether the answer then is yes."""
        events = len(self.start_h_E)
        key_A, key_N = self.member_A * events + self.event_A, member_N * events + event_N
        at_N = np.minimum(np.searchsorted(key_A, key_N), len(key_A) - 1)
        answered_N = (key_A[at_N] == key_N) & (self.from_h_A[at_N] <= hour_N)
        return answered_N, answered_N & (self.until_h_A[at_N] > hour_N)


def utility(
    *,
    km: Floats,
    days_left: Floats,
    own: Array,
    topic: Floats,
    weekday: Floats,
    evening: Floats,
    friends: Floats,
    quality: Floats,
    yes: Floats,
    capacity: Floats,
) -> Floats:
    """The formula of `world.py`, for arrays that broadcast; `evening` is 1 where member and event agree, else -1."""
    filled = yes / capacity
    of_event = 0.7 * quality + 0.5 * np.log1p(yes) - 1.5 * filled * filled - 0.14 * days_left
    total: Floats = of_event - 0.15 * km + 4.5 * own.astype(np.float32) + 4.7 * topic
    total += 0.6 * weekday + 0.8 * evening + 4.0 * np.log(1 + friends)
    return total


def spread(first_N: Ints, end_N: Ints) -> tuple[Ints, Ints]:
    """Whose each is, and the numbers from each first to its end, one after the other."""
    size_N = end_N - first_N
    row = np.repeat(np.arange(len(first_N)), size_N)
    return row, np.arange(len(row)) + np.repeat(first_N - np.cumsum(size_N) + size_N, size_N)
