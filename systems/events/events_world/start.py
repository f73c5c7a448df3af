"""What a world begins with: groups, members, friends, events, and when members will look."""
# M = members, E = events, G = groups, V = venues, T = topics, C = cities, J = places for a member's groups
# S = places for a member's answers, F = friendships, A = answers, L = looks, B = looks of one hour, K = events open
# Times named `_h` are hours since the log's first midnight; events are announced and start on a full hour.

from dataclasses import dataclass
from typing import Any

import numpy as np

from events_world.scale import GOES, GROUP_PLACES, LEAVES, NO, TOPICS, TURNS, Array, Floats, Ints, Rng, World
from events_world.truth import Truth

__all__ = ["Groups", "Looks", "first_answers", "groups_of", "looks_of", "organisers_of", "unanswered"]

BY_ORGANISER, JOINS, SAYS_NO, CHANGES, SAID_NO = 0.9, 0.3, 0.07, 0.06, 0.03
"""Shares: events that begin with their organiser's yes, a yes to another group's event that makes a member join,
looks that give a no, yes that become a no, yes that were a no at first."""
LOOKS_A_DAY = 0.062
HOUR_SHARE = np.array([6, 3, 2, 1, 1, 3, 10, 22, 34, 40, 44, 46, 52, 48, 44, 44, 48, 56, 64, 72, 78, 70, 44, 18])


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups, by city, shape (G,), and their venues, two each."""

    city_G: Ints
    home_G2: Floats
    topic_G3: Ints
    """The first is the one that most of its events are about."""
    weekday_G: Ints
    evening_G: Array
    quality_G: Floats
    busy_G: Array
    created_h_G: Array
    place_V2: Floats


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks at what is open, in the order of hours, cities and times, shape (L,); a member looks once in an hour."""

    member_L: Ints
    time_h_L: Array
    kind_L: Ints
    """GOES, NO, LEAVES or TURNS."""
    draw_L: Array
    """Decides which event."""
    share_L: Array
    """How far towards the start of the event, or back towards its announcement, the other answer lies."""
    joins_L: Array
    told_L: Array
    """Whether `truth.parquet` tells the list."""


def unanswered(world: World, groups: Groups, rng: Rng) -> Truth:
    """A world before anybody has answered."""
    m = world.members
    city_M = np.append(np.arange(world.cities), rng.choice(world.cities, m - world.cities, p=_sizes(world)))
    likes_M = rng.integers(2, 6, m)
    liked_MT = rng.random((m, TOPICS)).argsort(1).argsort(1) < likes_M[:, None]
    day_M7 = np.full((m, 7), -0.6, np.float32)
    np.put_along_axis(day_M7, rng.random((m, 7)).argsort(1)[:, :2], 1.0, axis=1)
    people: dict[str, Any] = {
        "city_M": city_M,
        "home_M2": rng.normal(0, 5, (m, 2)).astype(np.float32),
        "topic_MT": (liked_MT * rng.uniform(0.85, 1.15, (m, TOPICS))).astype(np.float32),
        "weekday_M7": day_M7,
        "evening_M": np.where(rng.random(m) < 0.65, 1, -1).astype(np.float32),
    }
    people |= _memberships(world, groups, people, rng)
    people |= _friends(world, city_M, people["group_MJ"], people["joined_h_MJ"].min(1), rng)
    none = np.zeros(0, np.int64)
    answers: dict[str, Any] = {"member_A": none, "event_A": none, "from_h_A": none, "until_h_A": none}
    return Truth(**people, **_events(world, groups, rng), quality_G=groups.quality_G, **answers)


def groups_of(world: World, rng: Rng) -> Groups:
    count = max(4 * world.cities, world.events // 12)
    more = rng.choice(world.cities, count - world.cities, p=_sizes(world))
    city_G = np.sort(np.append(np.arange(world.cities), more))
    home_G2 = rng.normal(0, 4, (count, 2)).astype(np.float32)
    topic_share = rng.dirichlet(np.full(TOPICS, 3.0))
    return Groups(
        city_G=city_G,
        home_G2=home_G2,
        topic_G3=_distinct(np.log(topic_share) + rng.gumbel(size=(count, TOPICS)), 3),
        weekday_G=rng.choice(7, count, p=np.array([12, 14, 15, 15, 12, 18, 14]) / 100),
        evening_G=rng.random(count) < 0.65,
        quality_G=rng.normal(0, 1, count).astype(np.float32),
        busy_G=rng.lognormal(0, 0.8, count),
        created_h_G=-24 * (30 + rng.exponential(500, count)),
        place_V2=(np.repeat(home_G2, 2, 0) + rng.normal(0, 2, (2 * count, 2))).astype(np.float32),
    )


def organisers_of(truth: Truth, groups: Groups, rng: Rng) -> Ints:
    """Who of the group joined first, when it was created; somebody of the city where nobody had joined."""
    member, place = np.nonzero(truth.group_MJ >= 0)
    order = np.argsort(truth.joined_h_MJ[member, place], kind="stable")
    group = truth.group_MJ[member, place][order]
    found, at = np.unique(group, return_index=True)
    organiser_G, place_G = np.full(len(groups.city_G), -1), np.full(len(groups.city_G), GROUP_PLACES - 1)
    organiser_G[found], place_G[found] = member[order][at], place[order][at]
    for lone in np.flatnonzero(organiser_G < 0):
        here = np.flatnonzero((truth.city_M == groups.city_G[lone]) & (truth.group_MJ[:, -1] < 0))
        organiser_G[lone] = rng.choice(here)
        truth.group_MJ[organiser_G[lone], -1] = lone
    truth.joined_h_MJ[organiser_G, place_G] = groups.created_h_G
    return organiser_G


def first_answers(truth: Truth, organiser_G: Ints, rng: Rng) -> Ints:
    """The organisers' answers with which most events begin, shape (3, A): member, event, hour."""
    event = np.flatnonzero(rng.random(len(truth.start_h_E)) < BY_ORGANISER)
    return np.stack([organiser_G[truth.group_E[event]], event, truth.announced_h_E[event]])


def looks_of(world: World, truth: Truth, rng: Rng) -> Looks:
    rate_M = np.minimum(LOOKS_A_DAY * rng.lognormal(-0.5, 1.0, world.members), 0.7)
    member = np.repeat(np.arange(world.members), rng.poisson(rate_M * world.days))
    n = len(member)
    hour = 24 * rng.integers(0, world.days, n) + rng.choice(24, n, p=HOUR_SHARE / HOUR_SHARE.sum())
    time = hour + rng.integers(1, 3600_000, n) / 3600_000
    order = np.lexsort((time, truth.city_M[member], hour))
    _, first = np.unique((hour * world.members + member)[order], return_index=True)
    order = order[np.sort(first)]
    order = order[truth.joined_h_MJ.min(1)[member[order]] < hour[order]]
    member, time, n = member[order], time[order], len(order)
    kind = rng.choice([GOES, NO, LEAVES, TURNS], n, p=[1 - SAYS_NO - CHANGES - SAID_NO, SAYS_NO, CHANGES, SAID_NO])
    late = np.flatnonzero((np.arange(n) > 0.82 * n) & (kind == GOES))
    told = np.zeros(n, bool)
    told[rng.permutation(late)[: world.lists]] = True
    draws = (rng.random(n), rng.uniform(0.02, 0.98, n))
    return Looks(member, time, kind, *draws, rng.random(n) < JOINS, told)


def _sizes(world: World) -> Array:
    """The cities' shares of all that is."""
    share_C: Array = 1 / (np.arange(world.cities) + 3.0)
    return np.asarray(share_C / share_C.sum())


def _distinct(score: Array, count: int) -> Ints:
    """The best few of each row, the best first."""
    best = np.argpartition(-score, count - 1, axis=1)[:, :count]
    return np.take_along_axis(best, np.argsort(-np.take_along_axis(score, best, 1), axis=1), 1)


def _events(world: World, groups: Groups, rng: Rng) -> dict[str, Any]:
    """Events by the hour of their announcement: most on their group's weekday, in its hours, at its first venue."""
    e, g = world.events, len(groups.city_G)
    lead_E = rng.uniform(1, 21, e)
    announced_E = np.floor(24 * (-lead_E + rng.random(e) * (lead_E + world.days - 1 / 24))).astype(np.int64)
    group_E = rng.choice(g, e, p=groups.busy_G / groups.busy_G.sum())
    weekday_E = np.where(rng.random(e) < 0.6, groups.weekday_G[group_E], rng.integers(0, 7, e))
    evening_E = np.where(rng.random(e) < 0.75, groups.evening_G[group_E], rng.random(e) < 0.5)
    day_E = np.floor(announced_E / 24 + lead_E).astype(np.int64)
    day_E += (weekday_E - (day_E + 2) + 3) % 7 - 3  # the log's first day is a Wednesday
    start_E = 24 * day_E + np.where(evening_E, rng.integers(17, 22, e), rng.integers(9, 17, e))
    start_E += 168 * (start_E < np.maximum(announced_E + 24, 1)) - 168 * (start_E > announced_E + 21 * 24)
    announced_E = np.maximum(announced_E, start_E - 21 * 24)
    columns: dict[str, Any] = {
        "city_E": groups.city_G[group_E],
        "place_E2": groups.place_V2[2 * group_E + (rng.random(e) < 0.3)],
        "group_E": group_E,
        "topic_E": groups.topic_G3[group_E, rng.choice(3, e, p=[0.6, 0.25, 0.15])],
        "weekday_E": weekday_E,
        "evening_E": np.where(evening_E, 1, -1).astype(np.float32),
        "announced_h_E": announced_E,
        "start_h_E": start_E,
        "capacity_E": np.where(rng.random(e) < 0.6, np.ceil(rng.lognormal(3.2, 0.6, e)) + 3, np.inf).astype(np.float32),
    }
    order = np.argsort(announced_E, kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _memberships(world: World, groups: Groups, people: dict[str, Any], rng: Rng) -> dict[str, Any]:
    """One to six groups a member, near home and about what they like; some join, or join more, during the log."""
    m, end = world.members, 24.0 * world.days
    group_MJ, joined_MJ = np.full((m, GROUP_PLACES), -1), np.full((m, GROUP_PLACES), np.inf)
    for city in range(world.cities):
        here_G = np.flatnonzero(groups.city_G == city)
        for mine in np.array_split(np.flatnonzero(people["city_M"] == city), 1 + world.members // 20_000):
            liked_MT, topic_G3 = people["topic_MT"][mine], groups.topic_G3[here_G]
            pull = 2 * liked_MT[:, topic_G3[:, 0]] + liked_MT[:, topic_G3[:, 1]] + liked_MT[:, topic_G3[:, 2]]
            away = people["home_M2"][mine][:, None] - groups.home_G2[here_G]
            pull += np.log(groups.busy_G[here_G]).astype(np.float32) - 0.2 * np.sqrt((away * away).sum(-1))
            pull -= np.log(rng.standard_exponential(pull.shape, np.float32) + 1e-9)  # Gumbel noise
            best = _distinct(pull, min(6, len(here_G)))
            group_MJ[mine, : best.shape[1]] = here_G[best]
    places = np.arange(GROUP_PLACES)
    group_MJ[places >= np.minimum(1 + rng.poisson(1.8, m), 6)[:, None]] = -1
    began_M = np.where(rng.random(m) < 0.85, -24 * rng.exponential(400, m), rng.random(m) * end)
    joined_MJ = began_M[:, None] + (end - began_M)[:, None] * rng.random((m, GROUP_PLACES)) ** 2 * (places > 0)
    joined_MJ = np.maximum(joined_MJ, groups.created_h_G[group_MJ])
    return {"group_MJ": group_MJ, "joined_h_MJ": np.where(group_MJ >= 0, joined_MJ, np.inf)}


def _friends(world: World, city_M: Ints, group_MJ: Ints, began_M: Array, rng: Rng) -> dict[str, Any]:
    """Friendships: most with members of an own group, some in the city, few elsewhere; one member has very many."""
    m = world.members
    one = np.repeat(np.arange(m), np.minimum(rng.pareto(1.8, m) * 4 + 2, 200).astype(np.int64))
    kind = rng.random(len(one))
    group = group_MJ[one, (rng.random(len(one)) * (group_MJ >= 0).sum(1)[one]).astype(np.int64)]
    other = rng.integers(0, m, len(one))
    in_group, in_city = np.nonzero(group_MJ >= 0), np.arange(m)
    for share, mine, whose, members in (
        (kind < 0.65, group, group_MJ[in_group], in_group[0]),
        ((kind >= 0.65) & (kind < 0.93), city_M[one], city_M, in_city),
    ):
        order, bound = np.argsort(whose, kind="stable"), np.append(0, np.cumsum(np.bincount(whose)))
        first, end = bound[mine[share]], bound[mine[share] + 1]
        other[share] = members[order[first + (rng.random(len(first)) * (end - first)).astype(np.int64)]]
    known = rng.choice(m, min(4_000, m // 5), replace=False)
    one, other = np.append(one, np.full(len(known), m // 2)), np.append(other, known)
    pair = np.unique(np.minimum(one, other) * m + np.maximum(one, other))
    pair = pair[pair // m != pair % m]
    one, other = pair // m, pair % m
    met = np.maximum(began_M[one], began_M[other])
    since = met + rng.random(len(met)) * (24 * world.days - met)
    one, other, since = np.append(one, other), np.append(other, one), np.append(since, since)
    order = np.lexsort((other, one))
    first_M = np.append(0, np.cumsum(np.bincount(one, minlength=m)))
    return {"first_M": first_M, "friend_F": other[order], "since_h_F": since[order]}
