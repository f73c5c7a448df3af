"""The course of a world, hour by hour: who looks, what is open then, who says yes to what."""
# M = members, E = events, G = groups, V = venues, T = topics, C = cities, J = places for a member's groups
# S = places for a member's answers, F = friendships, A = answers, L = looks, B = looks of one hour, K = events open
# Times named `_h` are hours since the log's first midnight; events are announced and start on a full hour.

from collections import defaultdict
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from events_world.scale import ANSWER_PLACES, GOES, ID, LEAVES, NEVER, NO, REACH_KM, TURNS, Array, Floats, Ints, World
from events_world.start import Looks
from events_world.truth import Truth, spread, utility

__all__ = ["Course", "Log", "counted_answers"]


class Course:
    """The world's course, hour by hour; writes who joins which group into the truth's own arrays."""

    def __init__(self, truth: Truth, looks: Looks, world: World) -> None:
        self.truth, self.looks, self.cities, self.hours = truth, looks, world.cities, 24 * world.days
        members, events = len(truth.city_M), len(truth.start_h_E)
        self.lists: list[dict[str, Any]] = []
        self._chosen: list[Array] = []
        self._begun: list[Array] = []
        self._leaving: defaultdict[int, list[Array]] = defaultdict(list)
        self._yes_E = np.zeros(events, np.float32)
        self._event_MS = np.full((members, ANSWER_PLACES), -1)
        self._goes_MS = np.zeros((members, ANSWER_PLACES), bool)
        self._end_MS = np.full((members, ANSWER_PLACES), -np.inf)
        self._at_E = np.full(events, -1)

    def run(self, first: Ints) -> None:
        """Play the log's hours; `first` are the answers with which events begin, by hour: member, event, hour."""
        truth, looks, hours = self.truth, self.looks, self.hours
        part_L = looks.time_h_L.astype(np.int64) * self.cities + truth.city_M[looks.member_L]
        edges = np.searchsorted(part_L, np.arange(hours * self.cities + 1))
        due = np.searchsorted(first[2], np.arange(hours + 1))
        self._begin(first[:, : due[0]])
        for hour in range(hours):
            for member, place, event in self._leaving.pop(hour, []):
                self._yes_E[event] -= 1
                self._goes_MS[member, place] = False
            open_K = np.flatnonzero(
                (truth.announced_h_E <= hour) & (truth.start_h_E > hour) & (self._yes_E < truth.capacity_E)
            )
            for city in range(self.cities):
                begin, end = edges[hour * self.cities + city : hour * self.cities + city + 2]
                here_K = open_K[truth.city_E[open_K] == city]
                if end > begin and len(here_K):
                    self._look(hour, np.arange(begin, end), here_K)
            self._begin(first[:, due[hour] : due[hour + 1]])

    def log(self) -> "Log":
        """All answers, in the order of their time."""
        looks, (look, event) = self.looks, np.concatenate(self._chosen, axis=1)
        begun = np.stack(self._begun, axis=1)
        kind, time, share = looks.kind_L[look], looks.time_h_L[look], looks.share_L[look]
        announced, start = self.truth.announced_h_E[event], self.truth.start_h_E[event]
        mind = time + share * (start - time)
        kind = np.where((kind == LEAVES) & (mind >= self.hours), GOES, kind)  # it would come after the log's end
        since = np.maximum(announced, self.truth.joined_h_MJ.min(1)[looks.member_L[look]])
        created = np.where(kind == TURNS, since + share * (time - since), time)
        log = Log(
            member_A=np.append(begun[0], looks.member_L[look]),
            event_A=np.append(begun[1], event),
            kind_A=np.append(np.full(begun.shape[1], GOES), kind),
            created_h_A=np.append(begun[2], created),
            decided_h_A=np.append(begun[2], time),
            modified_h_A=np.append(begun[2], np.where(kind == LEAVES, mind, time)),
            look_A=np.append(np.full(begun.shape[1], -1), look),
        )
        order = np.argsort(log.created_h_A, kind="stable")
        return Log(*(getattr(log, field.name)[order] for field in fields(log)))

    def _look(self, hour: int, look_B: Ints, open_K: Ints) -> None:
        looks, truth = self.looks, self.truth
        member_B, kind_B = looks.member_L[look_B], looks.kind_L[look_B]
        self._at_E[open_K] = np.arange(len(open_K))
        own_BK = self._own(member_B, open_K, hour)
        friends_BK, yes_K = self._friends(member_B, open_K, hour), self._yes_E[open_K]
        km_BK = truth.km(member_B[:, None], open_K)
        worth_BK = utility(
            km=km_BK,
            days_left=truth.days_left(open_K, hour),
            own=own_BK,
            topic=truth.topic_MT[member_B][:, truth.topic_E[open_K]],
            weekday=truth.weekday_M7[member_B][:, truth.weekday_E[open_K]],
            evening=truth.evening_M[member_B, None] * truth.evening_E[open_K],
            friends=friends_BK,
            quality=truth.quality_G[truth.group_E[open_K]],
            yes=yes_K,
            capacity=truth.capacity_E[open_K],
        )
        np.copyto(worth_BK, -np.inf, where=km_BK > REACH_KM)
        self._leave_out(worth_BK, member_B, hour)
        no_B = kind_B == NO
        worth_BK[no_B] = np.where(own_BK[no_B] & (worth_BK[no_B] > -np.inf), 0, -np.inf)
        at_B = _choose(worth_BK, looks.draw_L[look_B])
        place_B = np.argmax(self._end_MS[member_B] <= hour, axis=1)
        took_B = (at_B >= 0) & (self._end_MS[member_B, place_B] <= hour)
        took_B[took_B] = self._seated(open_K[at_B[took_B]], kind_B[took_B] != NO)
        self._tell(hour, look_B, took_B, at_B, open_K, worth_BK, own_BK, friends_BK)
        self._at_E[open_K] = -1
        self._keep(look_B[took_B], member_B[took_B], place_B[took_B], open_K[at_B[took_B]])

    def _own(self, member_B: Ints, open_K: Ints, hour: int) -> Array:
        own_BG = np.zeros((len(member_B), len(self.truth.quality_G)), bool)
        row, place = np.nonzero(self.truth.joined_h_MJ[member_B] < hour)
        own_BG[row, self.truth.group_MJ[member_B[row], place]] = True
        return own_BG[:, self.truth.group_E[open_K]]

    def _friends(self, member_B: Ints, open_K: Ints, hour: int) -> Floats:
        """How many friends say yes, shape (B, K)."""
        row_F, friendship_F = spread(self.truth.first_M[member_B], self.truth.first_M[member_B + 1])
        friend_F = self.truth.friend_F[friendship_F]
        goes_FS = self._goes_MS[friend_F] & (self.truth.since_h_F[friendship_F] < hour)[:, None]
        pair, place = np.nonzero(goes_FS)
        at = self._at_E[self._event_MS[friend_F[pair], place]]
        cell = row_F[pair[at >= 0]] * len(open_K) + at[at >= 0]
        count = np.bincount(cell, minlength=len(member_B) * len(open_K))
        return count.astype(np.float32).reshape(len(member_B), len(open_K))

    def _leave_out(self, worth_BK: Floats, member_B: Ints, hour: int) -> None:
        """What is answered already."""
        row, place = np.nonzero(self._end_MS[member_B] > hour)
        at = self._at_E[self._event_MS[member_B[row], place]]
        worth_BK[row[at >= 0], at[at >= 0]] = -np.inf

    def _seated(self, event_B: Ints, goes_B: Array) -> Array:
        """Who gets a seat, in the order of their looks; a no needs none."""
        order = np.lexsort((np.arange(len(event_B)), ~goes_B, event_B))
        _, first = np.unique(event_B[order], return_index=True)
        before = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
        rank_B = np.empty(len(order), np.int64)
        rank_B[order] = before
        return np.asarray(~goes_B | (self._yes_E[event_B] + rank_B < self.truth.capacity_E[event_B]))

    def _keep(self, look_B: Ints, member_B: Ints, place_B: Ints, event_B: Ints) -> None:
        looks, truth = self.looks, self.truth
        kind_B, time_B, start_B = looks.kind_L[look_B], looks.time_h_L[look_B], truth.start_h_E[event_B]
        goes_B = kind_B != NO
        self._chosen.append(np.stack([look_B, event_B]))
        self._event_MS[member_B, place_B], self._end_MS[member_B, place_B] = event_B, start_B
        self._goes_MS[member_B, place_B] = goes_B
        np.add.at(self._yes_E, event_B[goes_B], 1)
        until_B = np.ceil(time_B + looks.share_L[look_B] * (start_B - time_B)).astype(np.int64)
        for at in np.flatnonzero(kind_B == LEAVES):
            self._leaving[int(until_B[at])].append(np.array([member_B[at], place_B[at], event_B[at]]))
        free_BJ = truth.group_MJ[member_B] < 0
        mine_B = (truth.group_MJ[member_B] == truth.group_E[event_B, None]).any(1)
        joins_B = goes_B & looks.joins_L[look_B] & ~mine_B & free_BJ.any(1)
        member, place = member_B[joins_B], free_BJ.argmax(1)[joins_B]
        truth.group_MJ[member, place] = truth.group_E[event_B[joins_B]]
        truth.joined_h_MJ[member, place] = time_B[joins_B]

    def _begin(self, first: Ints) -> None:
        """Organisers say yes to what they announce, unless they have too much open."""
        for answer in first.T:
            member, event, hour = answer.tolist()
            place = int(np.argmin(self._end_MS[member]))
            if self._end_MS[member, place] <= hour:
                self._event_MS[member, place], self._end_MS[member, place] = event, self.truth.start_h_E[event]
                self._goes_MS[member, place] = True
                self._yes_E[event] += 1
                self._begun.append(answer)

    def _tell(self, hour: int, look_B: Ints, took_B: Array, at_B: Ints, open_K: Ints, *known_BK: Array) -> None:
        """Keep the lists of the looks that the truth tells."""
        worth_BK, own_BK, friends_BK = known_BK
        for row in np.flatnonzero(took_B & self.looks.told_L[look_B]):
            kept = np.flatnonzero(worth_BK[row] > -np.inf)
            event, member = open_K[kept], self.looks.member_L[look_B[row]]
            lists = {
                "event_id": event + ID["event"],
                "utility": worth_BK[row, kept],
                "km": self.truth.km(member, event),
                "days_left": ((self.truth.start_h_E[event] - hour) / 24).astype(np.float32),
                "own": own_BK[row, kept],
                "friends": friends_BK[row, kept].astype(np.int32),
                "yes": self._yes_E[event].astype(np.int32),
            }
            self.lists.append({"look": look_B[row], "chosen": open_K[at_B[row]] + ID["event"], **lists})


@dataclass(frozen=True, slots=True)
class Log:
    """Answers, shape (A,)."""

    member_A: Ints
    event_A: Ints
    kind_A: Ints
    created_h_A: Array
    decided_h_A: Array
    """When the choice was made that the kind is about."""
    modified_h_A: Array
    look_A: Ints
    """-1: an organiser's, with which an event begins."""


def _choose(worth_BK: Floats, draw_B: Array) -> Ints:
    """Draws from each row with probabilities proportional to exp(worth); -1 where all are -inf."""
    top_B = worth_BK.max(axis=1)
    weight_BK = np.cumsum(np.exp(worth_BK - np.where(top_B > -np.inf, top_B, 0)[:, None]), axis=1)
    drawn_B = (draw_B * (1 - 1e-6)).astype(np.float32) * weight_BK[:, -1]
    at_B = (weight_BK > drawn_B[:, None]).argmax(axis=1)
    return np.where(top_B > -np.inf, at_B, -1)


def counted_answers(log: Log) -> dict[str, Any]:
    """What of the answers counts for later choices."""
    order = np.lexsort((log.event_A, log.member_A))
    from_A = np.floor(log.decided_h_A).astype(np.int64) + 1
    until_A = np.where(log.kind_A == LEAVES, np.ceil(log.modified_h_A).astype(np.int64), NEVER)
    until_A = np.where(log.kind_A == NO, from_A, until_A)
    return {
        "member_A": log.member_A[order],
        "event_A": log.event_A[order],
        "from_h_A": from_A[order],
        "until_h_A": until_A[order],
    }
