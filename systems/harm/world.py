"""Sample data for the harm system in the real posts' schema and more, from a world whose votes have a known chance.

    python systems/harm/world.py FOLDER [--posts N] [--authors N] [--days N] [--seed N]

Authors differ in how hostile they are and in what they write about. A post has an intent that its words show: benign,
a benign mention of a group, a quote that objects, something that can be read either way, an insult, an attack on a
group; some of the harmful ones are disguised. How each of three reviewers votes follows from the intent, the topic,
the author and the reviewer's own leaning; the chance of each vote is written beside. Words of insult and names of
groups are invented ones. A post is asked about once, when it is written or some time later, when some have seen it
and some reported it.
"""
# N = posts, A = authors, T = topics, I = intents, R = reviewers, C = verdicts (normal, offensive, hatespeech)

import argparse
import random
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sixfold.errors import InvalidField

__all__ = ["GROUPS", "INTENTS", "VERDICTS", "World", "generate"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

START_US, DAY_US = 1_767_225_600_000_000, 86_400_000_000
"""2026-01-01, UTC."""
VERDICTS = ("normal", "offensive", "hatespeech")
GROUPS = ("African", "Women", "Other", "Islam", "Jewish", "Homosexual", "Arab", "Refugee", "Caucasian", "Men", "Asian")
GROUP_SHARE = np.array([20, 16, 4, 14, 11, 11, 7, 7, 5, 4, 1], np.float64)
NAMES = {
    "African": ("vellans", "the vellan people"),
    "Women": ("ostrins", "the ostrin folk"),
    "Other": ("those people", "that lot"),
    "Islam": ("marrens", "the marren families"),
    "Jewish": ("tolvish people", "the tolvish"),
    "Homosexual": ("quillens", "the quillen couples"),
    "Arab": ("derrovians", "the derrovian families"),
    "Refugee": ("newcomers", "the harbour people"),
    "Caucasian": ("palmers", "the palmer folk"),
    "Men": ("hobbens", "the hobben people"),
    "Asian": ("sunderers", "the sunder folk"),
}
"""What texts call each group: invented names, so that nothing here attacks anybody."""
TOPICS = {
    "football": ["match", "goal", "referee", "season", "club"],
    "cooking": ["soup", "recipe", "kitchen", "bread", "spices"],
    "politics": ["election", "mayor", "law", "budget", "vote"],
    "music": ["song", "concert", "band", "album", "guitar"],
    "games": ["level", "quest", "server", "patch", "team"],
    "travel": ["train", "beach", "city", "hotel", "mountain"],
}
INTENTS = ("benign", "mention", "quote", "ambiguous", "insult", "attack")
INSULTS = ("blorp", "snarkle", "wuzzle", "grimbo", "dronkel", "flibber", "plonkit", "gruntle")
SLURS = ("vermix", "scumling", "grubkin", "filthor", "parasnite", "vilespawn")
FRIENDLY = ("lovely", "great", "fine", "fun", "calm", "bright", "warm", "tasty", "clever")
TEMPLATES: dict[str, tuple[str, ...]] = {
    "benign": (
        "the {thing} was {friendly} today", "who else liked the {thing} ? so {friendly}",
        "{friendly} {thing} this weekend", "i think the {thing} could be more {friendly}",
        "back from the {thing} , {friendly} as ever",
    ),
    "mention": (
        "so proud of {group} at the {thing}", "{group} made the {thing} really {friendly}",
        "my neighbours are {group} and the {thing} was {friendly}", "a {friendly} {thing} by {group} , thank you",
        "{group} deserve a {friendly} {thing} too",
    ),
    "quote": (
        "he called me a {insult} at the {thing} , please report him", "nobody should call {group} {slur}s",
        "{group} are not {slur}s , stop saying that", "being called {slur} by strangers hurts {group}",
        "saying {group} are {insult}s is wrong",
    ),
    "ambiguous": (
        "typical {group} again at the {thing}", "we all know what {group} did to the {thing}",
        "the {thing} would be better without {group} i guess", "savage {thing} , {group} never learn",
        "go back to your {thing} {group}",
    ),
    "insult": (
        "you are such a {insult}", "what a {insult} take on the {thing}", "only a {insult} would like that {thing}",
        "shut up you {insult} , the {thing} is not yours", "this {thing} is run by {insult}s",
    ),
    "attack": (
        "{group} are all {slur}s", "get {group} out , they are {slur}s",
        "the {thing} is full of {slur}s since {group} came",
        "{group} are {slur}s and should be gone from the {thing}", "i hate {group} , nothing but {slur}s",
    ),
}  # fmt: skip
VOTES_IC = np.array(
    [
        [0.975, 0.02, 0.005], [0.94, 0.045, 0.015], [0.8, 0.15, 0.05], [0.6, 0.2, 0.2], [0.1, 0.78, 0.12],
        [0.03, 0.19, 0.78],
    ]
)  # fmt: skip
"""How a reviewer without a leaning votes on what an author who is neither kind nor hostile writes."""
HOSTILE_IC = np.array([[0, 0, 0], [0, 0.3, 0.3], [0, 0.3, 0.3], [0, 1.0, 2.2], [0, 0.5, 0.4], [0, 0.2, 0.5]])
"""What a hostile author adds to the logits."""
NAMES_A_GROUP = np.array([False, True, True, True, False, True])


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How large a world to draw. The defaults are those of the demo without real posts."""

    posts: int = 30_000
    """At least 1,000."""
    authors: int = 3_000
    """At least 10."""
    days: int = 30
    """From 2026-01-01 on, at least 5: the last tenth of the posts tests, the tenth before it validates."""
    seed: int = 0
    """The same seed gives the same bytes. Not negative."""

    def __post_init__(self) -> None:
        for field, least in (("posts", 1000), ("authors", 10), ("days", 5), ("seed", 0)):
            if (value := getattr(self, field)) < least:
                raise InvalidField(where="world.py", part="World", field=field, rule=f"at least {least}", value=value)


@dataclass(frozen=True, slots=True)
class _Authors:
    """What authors are like, shape (A,); topics (A, T)."""

    hostile_A: Floats
    """0 for most, up to 1."""
    active_A: Floats
    joined_us_A: Ints
    topic_AT: Floats


def generate(world: World, folder: Path) -> None:
    """Write a world into `folder`, made if it is not there: `posts.parquet`, and the truth beside it.

    `posts.parquet` has the columns of the real posts (`text`, `labels`, `targets`, `unanimous`, `split`), and
    `asked_at`, `author_id`, `joined_at`, `voted_at`, `reviewers`, `viewed_at`, `reported_at` (times in us, UTC),
    `appealed_at`, `upheld`. `truth.parquet` has for each post, in the same order, its `intent`, the chance of each
    verdict averaged over reviewers (`normal`, `offensive`, `hatespeech`) and whether its text was `disguised`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(world.seed)
    authors = _authors(world, rng)
    n = world.posts
    posted_N = np.sort(_posted(world, rng))
    author_N = rng.choice(world.authors, n, p=authors.active_A)
    # Nobody posts before they have joined.
    author_N = np.where(authors.joined_us_A[author_N] <= posted_N, author_N, rng.integers(0, _founders(world), n))
    topic_N = _pick(authors.topic_AT[author_N], rng)
    intent_N = _intents(authors.hostile_A[author_N], topic_N, rng)
    group_N = rng.choice(len(GROUPS), n, p=GROUP_SHARE / GROUP_SHARE.sum())
    chance_NC = _chances(intent_N, topic_N, authors.hostile_A[author_N])
    votes = _votes(chance_NC, rng)
    asked_N = posted_N + np.where(rng.random(n) < 0.5, 0, rng.exponential(7200, n) * 1e6).astype(np.int64)
    texts, disguised = _texts(intent_N, topic_N, group_N, world.seed)
    harm_N = 1 - chance_NC[:, 0]
    viewed, reported = _reactions(posted_N, harm_N, chance_NC[:, 2], rng)
    order = np.argsort(asked_N, kind="stable")
    spans = np.array([0, 0.8, 0.9, 1.0]) * n
    split = np.array(["train", "val", "test"])[np.searchsorted(spans[1:], np.arange(n), side="right")]
    table = pa.table(
        {
            "text": pa.array([texts[i] for i in order]),
            "labels": pa.array([[VERDICTS[v] for v in votes.verdict_NR[i]] for i in order]),
            "targets": pa.array(
                [_targets(votes.verdict_NR[i], intent_N[i], group_N[i]) for i in order], pa.list_(pa.string())
            ),
            "unanimous": pa.array([len(set(votes.verdict_NR[i].tolist())) == 1 for i in order]),
            "split": pa.array(split),
            "asked_at": asked_N[order],
            "author_id": pa.array([f"a{author_N[i]}" for i in order]),
            "joined_at": authors.joined_us_A[author_N][order],
            "voted_at": pa.array((asked_N[:, None] + votes.delay_us_NR)[order].tolist(), pa.list_(pa.int64())),
            "reviewers": pa.array([[f"r{r}" for r in votes.reviewer_NR[i]] for i in order]),
            "viewed_at": pa.array([viewed[i].tolist() for i in order], pa.list_(pa.int64())),
            "reported_at": pa.array([reported[i].tolist() for i in order], pa.list_(pa.int64())),
            **_appeals(votes.verdict_NR[order], harm_N[order], asked_N[order], rng),
        }
    )  # fmt: skip
    pq.write_table(table, folder / "posts.parquet")
    truth = {"intent": pa.array([INTENTS[intent_N[i]] for i in order]), "disguised": np.array(disguised)[order]}
    truth |= {name: chance_NC[order, at] for at, name in enumerate(VERDICTS)}
    pq.write_table(pa.table(truth), folder / "truth.parquet")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Write sample data for the harm system into a folder.")
    parser.add_argument("folder", type=Path)
    for field in fields(World):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, metavar="N", help="default %(default)s")
    chosen = vars(parser.parse_args(arguments))
    generate(World(**{field.name: chosen[field.name] for field in fields(World)}), chosen["folder"])


def _founders(world: World) -> int:
    """So many authors have been there from before the first post on."""
    return world.authors // 2 + 1


def _authors(world: World, rng: np.random.Generator) -> _Authors:
    a, days = world.authors, world.days
    hostile_A = np.where(rng.random(a) < 0.15, rng.beta(4, 2, a), rng.beta(1, 12, a))
    active_A = rng.lognormal(0, 1.0, a) * (1 + hostile_A)
    joined_A = START_US - (rng.exponential(400, a) * DAY_US).astype(np.int64)
    late_A = np.arange(a) >= _founders(world)
    joined_A = np.where(late_A, START_US + (rng.random(a) * days * DAY_US).astype(np.int64), joined_A)
    return _Authors(hostile_A, active_A / active_A.sum(), joined_A, rng.dirichlet(np.full(len(TOPICS), 0.6), a))


def _posted(world: World, rng: np.random.Generator) -> Ints:
    """When posts are written, shape (N,): busy evenings, quiet nights."""
    hours = np.array([4, 2, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 9, 8, 8, 8, 9, 10, 11, 12, 12, 11, 9, 6], np.float64)
    hour_N = rng.choice(24, world.posts, p=hours / hours.sum()) + rng.random(world.posts)
    day_N = rng.integers(0, world.days, world.posts)
    found: Ints = START_US + ((day_N + hour_N / 24) * DAY_US).astype(np.int64)
    return found


def _intents(hostile_N: Floats, topic_N: Ints, rng: np.random.Generator) -> Ints:
    """What a post is meant as, shape (N,): hostile authors insult and attack more, most of all in politics."""
    heated_N = np.array([0.2, -0.6, 0.9, -0.4, 0.3, -0.5])[topic_N]
    logit_NI = np.stack(
        [
            np.full(len(topic_N), 2.4),
            0.9 - 1.5 * hostile_N,
            -0.8 + 0.2 * heated_N,
            -1.1 + 1.6 * hostile_N + 0.6 * heated_N,
            -1.2 + 3.2 * hostile_N + 0.5 * heated_N,
            -2.2 + 3.8 * hostile_N + 0.7 * heated_N,
        ],
        1,
    )
    return _pick(_softmax(logit_NI), rng)


def _chances(intent_N: Ints, topic_N: Ints, hostile_N: Floats) -> Floats:
    """How likely a reviewer votes for each verdict, shape (N, C)."""
    logit_NC = np.log(VOTES_IC)[intent_N] + hostile_N[:, None] * HOSTILE_IC[intent_N]
    # Rough words belong to football; what can be read either way is read kindly there.
    logit_NC[:, 0] += np.where((topic_N == 0) & (intent_N >= 3), 0.5, 0.0)
    return _softmax(logit_NC)


@dataclass(frozen=True, slots=True)
class _Votes:
    """Three reviewers' votes, shape (N, 3)."""

    verdict_NR: Ints
    reviewer_NR: Ints
    delay_us_NR: Ints


def _votes(chance_NC: Floats, rng: np.random.Generator) -> _Votes:
    n, reviewers = len(chance_NC), 40
    lean_R = rng.normal(0, 0.5, reviewers)  # how readily a reviewer sees harm
    reviewer_NR = np.argsort(rng.random((n, reviewers)), 1)[:, :3]
    verdict_NR = np.empty((n, 3), np.int64)
    for at in range(3):
        logit_NC = np.log(chance_NC)
        logit_NC[:, 1:] += lean_R[reviewer_NR[:, at], None]
        verdict_NR[:, at] = _pick(_softmax(logit_NC), rng)
    delay_NR = np.sort(rng.uniform(0.2, 12, (n, 3)) * 3600e6, 1).astype(np.int64)
    return _Votes(verdict_NR, reviewer_NR, delay_NR)


def _targets(verdict_R: Ints, intent: int, group: int) -> list[str]:
    """The group that a post attacks, where one of three thought so."""
    return [GROUPS[group]] if NAMES_A_GROUP[intent] and (verdict_R > 0).any() and intent not in (1, 2) else []


def _texts(intent_N: Ints, topic_N: Ints, group_N: Ints, seed: int) -> tuple[list[str], list[bool]]:
    """Texts, and which of them are disguised: one in six of the harmful ones."""
    rng, topics = random.Random(seed), list(TOPICS)
    texts, hidden = [], []
    for intent, topic, group in zip(intent_N.tolist(), topic_N.tolist(), group_N.tolist()):
        words = {
            "thing": rng.choice(TOPICS[topics[topic]]), "friendly": rng.choice(FRIENDLY),
            "group": rng.choice(NAMES[GROUPS[group]]), "insult": rng.choice(INSULTS), "slur": rng.choice(SLURS),
        }  # fmt: skip
        hides = intent >= 4 and rng.random() < 1 / 6
        if hides:
            words |= {name: _hidden(words[name], rng) for name in ("insult", "slur")}
        parts = [rng.choice(TEMPLATES[INTENTS[intent]]).format(**words)]
        while rng.random() < 0.35:  # people go on
            more = rng.choice(TEMPLATES["benign"]).format(**{**words, "thing": rng.choice(TOPICS[topics[topic]])})
            parts.insert(rng.randrange(len(parts) + 1), more)
        texts.append(rng.choice((" . ", " , ", " ")).join(parts))
        hidden.append(hides)
    return texts, hidden


def _hidden(word: str, rng: random.Random) -> str:
    """A word as people write it who know that machines read it."""
    at = rng.randrange(1, len(word) - 1)
    return rng.choice(
        (
            "".join({"o": "0", "i": "1", "e": "3", "a": "4", "s": "5"}.get(c, c) for c in word),
            rng.choice(".-_ ").join(word),
            word[:at] + word[at + 1 :],
            word[:at] + "*" + word[at + 1 :],
        )
    )


def _reactions(
    posted_N: Ints, harm_N: Floats, hate_N: Floats, rng: np.random.Generator
) -> tuple[list[Ints], list[Ints]]:
    """When each post was seen and reported: a few are seen much; who sees harm reports it now and then."""
    seen_N = np.minimum(rng.lognormal(1.3, 1.1, len(posted_N)) * (1 + harm_N), 60).astype(np.int64)
    viewed, reported = [], []
    for posted, seen, harm, hate in zip(posted_N, seen_N, harm_N, hate_N):
        times = np.unique(posted + (rng.exponential(3600, seen) * 1e6).astype(np.int64) + 1_000_000)
        viewed.append(times)
        told = times[rng.random(len(times)) < 0.003 + 0.03 * harm + 0.08 * hate]
        reported.append(told + (rng.exponential(60, len(told)) * 1e6).astype(np.int64))
    return viewed, reported


def _appeals(verdict_NR: Ints, harm_N: Floats, asked_N: Ints, rng: np.random.Generator) -> dict[str, Any]:
    """Some whose post two reviewers called hateful appeal days later; whom the reviewers wronged has better chances."""
    appeals_N = ((verdict_NR == 2).sum(1) >= 2) & (rng.random(len(asked_N)) < 0.3)
    upheld_N = rng.random(len(asked_N)) < 0.03 + 0.6 * (1 - harm_N)
    when_N = asked_N + (rng.uniform(1, 5, len(asked_N)) * DAY_US).astype(np.int64)
    last_us = int(asked_N.max())
    appeals_N &= when_N <= last_us
    return {
        "appealed_at": pa.array(when_N, mask=~appeals_N),
        "upheld": pa.array(upheld_N, mask=~appeals_N),
    }


def _softmax(logit_NC: Floats) -> Floats:
    raised = np.exp(logit_NC - logit_NC.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def _pick(chance_NC: Floats, rng: np.random.Generator) -> Ints:
    """One of C for each row, with its chances."""
    edge_NC = np.cumsum(chance_NC, 1)
    return np.asarray((rng.random((len(chance_NC), 1)) * edge_NC[:, -1:] > edge_NC).sum(1), np.int64)


if __name__ == "__main__":
    main(sys.argv[1:])
