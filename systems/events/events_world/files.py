"""A world's tables, as the real folder has them, and what was open at some looks."""
# M = members, E = events, G = groups, V = venues, T = topics, C = cities, J = places for a member's groups
# S = places for a member's answers, F = friendships, A = answers, L = looks, B = looks of one hour, K = events open
# Times named `_h` are hours since the log's first midnight; events are announced and start on a full hour.

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from events_world.course import Log
from events_world.scale import (
    CITIES,
    GOES,
    HOUR_MS,
    ID,
    KM_A_DEGREE,
    OFFSET_MS,
    START_MS,
    TOPICS,
    TURNS,
    Array,
    Ints,
    Rng,
    World,
)
from events_world.start import Groups
from events_world.truth import Truth

__all__ = ["answers_table", "friendships_table", "lists_table", "meetings_tables", "members_table"]

FORMS = ("evening", "workshop", "walk", "meetup", "for beginners", "social", "talk", "weekend", "open day", "club")


def answers_table(log: Log, rng: Rng) -> pa.Table:
    n = len(log.member_A)
    goes = (log.kind_A == GOES) | (log.kind_A == TURNS)
    return pa.table(
        {
            "rsvp_id": ID["rsvp"] + np.arange(n),
            "event_id": ID["event"] + log.event_A,
            "member_id": ID["member"] + log.member_A,
            "guests": (rng.random(n) < 0.035) * rng.integers(1, 3, n) * goes,
            "response": np.where(goes, "yes", "no"),
            "created": _ms(log.created_h_A),
            "mtime": _ms(log.modified_h_A),
        }
    )


def friendships_table(truth: Truth) -> pa.Table:
    one = np.repeat(np.arange(len(truth.city_M)), np.diff(truth.first_M))
    since = _ms(truth.since_h_F)
    return pa.table({"member_id": ID["member"] + one, "friend_id": ID["member"] + truth.friend_F, "since": since})


def members_table(truth: Truth, rng: Rng) -> pa.Table:
    """A row for each member and group; most of what a member likes is told, and little else; 6 % tell nothing."""
    shape = truth.topic_MT.shape
    told_MT = ((truth.topic_MT > 0) & (rng.random(shape) < 0.95)) | (rng.random(shape) < 0.005)
    told_MT &= rng.random((shape[0], 1)) >= 0.06
    keys = (np.nonzero(told_MT)[1] + ID["topic"]).astype(str).tolist()
    ends = np.append(0, np.cumsum(told_MT.sum(1))).tolist()
    topics = np.array([";".join(keys[first:end]) for first, end in pairwise(ends)])
    member, place = np.nonzero(truth.group_MJ >= 0)
    return pa.table(
        {
            "id": ID["member"] + member,
            "joined": _ms(truth.joined_h_MJ[member, place]),
            "topics": topics[member],
            "groupId": ID["group"] + truth.group_MJ[member, place],
        }
    )


def meetings_tables(world: World, truth: Truth, groups: Groups, organiser_G: Ints, rng: Rng) -> dict[str, pa.Table]:
    """Events, groups, their topics, venues."""
    words = _words(TOPICS * 7, rng)
    names, g = [word.capitalize() for word in words[:TOPICS]], len(groups.city_G)
    cities, topic = [CITIES[city][0] for city in groups.city_G], groups.topic_G3.ravel()
    called = [f"{city} {names[t]} {number}" for number, (city, t) in enumerate(zip(cities, topic[::3]))]
    rating = np.clip(np.round(4 + 0.45 * groups.quality_G + rng.normal(0, 0.08, g), 2), 1, 5)
    rows = {
        "id": ID["group"] + np.arange(g),
        "name": called,
        "urlname": [name.replace(" ", "-") for name in called],
        "rating": np.where(rng.random(g) < 0.1, 0, rating),
        "created": _ms(groups.created_h_G),
        "organiserMemberId": ID["member"] + organiser_G,
    }
    topics = {
        "groupId": ID["group"] + np.repeat(np.arange(g), 3),
        "name": [names[t] for t in topic],
        "id": ID["topic"] + topic,
        "urlkey": [names[t].lower() for t in topic],
    }
    events = _event_rows(24 * world.days, truth, groups, words[TOPICS:], rng)
    return {
        "events": events,
        "groups": pa.table(rows),
        "groups_topics": pa.table(topics),
        "venues": _venues(groups, rng),
    }


def _event_rows(hours: int, truth: Truth, groups: Groups, words: list[str], rng: Rng) -> pa.Table:
    """Events; a title has two of the six words of its topic."""
    e = len(truth.start_h_E)
    one, more, form = rng.integers(0, 6, e), rng.integers(1, 6, e), rng.integers(0, len(FORMS), e)
    titles = [
        f"{words[6 * t + a].capitalize()} {words[6 * t + (a + b) % 6]} {FORMS[f]}"
        for t, a, b, f in zip(truth.topic_E, one, more, form)
    ]
    none_E = np.isinf(truth.capacity_E)
    second_E = (truth.place_E2 == groups.place_V2[2 * truth.group_E + 1]).all(1)
    return pa.table(
        {
            "id": ID["event"] + np.arange(e),
            "name": titles,
            "time": _ms(truth.start_h_E),
            "utc_offset": np.full(e, OFFSET_MS),
            "group_id": ID["group"] + truth.group_E,
            "venue_id": pa.array(ID["venue"] + 2 * truth.group_E + second_E, mask=rng.random(e) < 0.026),
            "status": np.where(truth.start_h_E < hours, "past", "upcoming"),
            "capacity": pa.array(np.where(none_E, 0, truth.capacity_E).astype(np.int64), mask=none_E),
        }
    )


def _venues(groups: Groups, rng: Rng) -> pa.Table:
    """Venues; one in 40 stands at 0, 0, and one in 100 nowhere."""
    v, city_V = len(groups.place_V2), np.repeat(groups.city_G, 2)
    centre_C2 = np.array([city[1:] for city in CITIES])
    lat = centre_C2[city_V, 0] + groups.place_V2[:, 1] / KM_A_DEGREE
    lon = centre_C2[city_V, 1] + groups.place_V2[:, 0] / KM_A_DEGREE / np.cos(np.radians(centre_C2[city_V, 0]))
    zero, nowhere = rng.random(v) < 0.025, rng.random(v) < 0.01
    kinds = ("Hall", "Library", "Cafe", "Park", "Studio", "School")
    return pa.table(
        {
            "id": ID["venue"] + np.arange(v),
            "name": [f"{CITIES[city][0]} {kinds[at % 6]} {at}" for at, city in enumerate(city_V)],
            "city": [CITIES[city][0] for city in city_V],
            "lat": pa.array(np.where(zero, 0, lat.round(6)), mask=nowhere),
            "lon": pa.array(np.where(zero, 0, lon.round(6)), mask=nowhere),
        }
    )


def _words(count: int, rng: Rng) -> list[str]:
    """Invented words, each another."""
    heads, tails = "b d f g k l m n p r s t v z br dr kl pl st tr", "l m n r s t x nd rk"
    starts, ends = [head + vowel for head in heads.split(" ") for vowel in "aeiou"], tails.split(" ")
    found: dict[str, None] = {}
    while len(found) < count:
        word = rng.choice(starts) + rng.choice(starts) + rng.choice(ends)
        found[word] = None
    return list(found)


def lists_table(lists: list[dict[str, Any]], log: Log) -> pa.Table:
    """What was open at some looks, a row each."""
    at_L = {look: at for at, look in enumerate(log.look_A.tolist())}
    at = np.array([at_L[int(one["look"])] for one in lists], np.int64)
    columns: dict[str, Any] = {
        "rsvp_id": ID["rsvp"] + at,
        "member_id": ID["member"] + log.member_A[at],
        "time": _ms(log.decided_h_A[at]),
        "chosen": np.array([one["chosen"] for one in lists], np.int64),
    }
    ends = np.cumsum([0, *(len(one["event_id"]) for one in lists)])
    for name in ("event_id", "utility", "km", "days_left", "own", "friends", "yes"):
        values = np.concatenate([one[name] for one in lists]) if lists else np.zeros(0)
        columns[name] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values))
    return pa.table(columns)


def _ms(hour: Array) -> Ints:
    return START_MS + np.floor(hour * HOUR_MS + 1e-3).astype(np.int64)
