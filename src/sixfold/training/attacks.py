"""How people hide what they write: the disguises that texts are attacked with, in training and in the report."""

import random
from collections.abc import Callable, Mapping

__all__ = ["ATTACKS", "attacked"]

_LOOKALIKES = dict(zip("aceiopsxyhjdkmntw", "асеіорѕхуһјԁκмпτԝ"))
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
_NEAR = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol",
    "a": "qsz", "s": "adw", "d": "sfe", "f": "dgr", "g": "fht", "h": "gjy", "j": "hku", "k": "jli", "l": "kop",
    "z": "xas", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "njk",
}  # fmt: skip
"""Keys beside each other."""
_EMOJI = "😀😂🙂😍🎉👍🔥✨🌸🐶"
_BENIGN = (
    "thanks", "lovely", "morning", "coffee", "garden", "music", "weekend", "recipe", "holiday", "sunshine", "friends",
    "beautiful", "enjoy", "happy", "kitchen", "football", "school", "movie", "birthday", "walk",
)  # fmt: skip

Attack = Callable[[str, random.Random], str]


def attacked(text: str, name: str, rng: random.Random) -> str:
    """The text in the disguise of that name, one of `ATTACKS`; placeholders such as `<user>` stay.

    >>> attacked("good day", "spacing", random.Random(0))
    'g_o_o_d day'
    """
    return ATTACKS[name](text, rng)


def _each_word(text: str, rng: random.Random, change: Callable[[str], str], share: float = 0.6, least: int = 3) -> str:
    """Change so large a share of the words of `least` letters or more, and one at least where there is one."""
    words = text.split(" ")
    can = [at for at, word in enumerate(words) if sum(map(str.isalpha, word)) >= least and not word.startswith("<")]
    chosen = [at for at in can if rng.random() < share] or can[:1]
    for at in chosen:
        words[at] = change(words[at])
    return " ".join(words)


def _misspelled(text: str, rng: random.Random) -> str:
    def change(word: str) -> str:
        at = rng.randrange(1, len(word) - 1)
        near = _NEAR.get(word[at].lower(), word[at])
        return rng.choice(
            (
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
                word[:at] + rng.choice(near) + word[at + 1 :],
            )
        )

    return _each_word(text, rng, change)


def _spaced(text: str, rng: random.Random) -> str:
    return _each_word(text, rng, lambda word: rng.choice((" ", ".", "-", "_")).join(word))


def _lookalikes(text: str, rng: random.Random) -> str:
    return _each_word(text, rng, lambda word: "".join(_LOOKALIKES.get(c, c) if rng.random() < 0.6 else c for c in word))


def _leet(text: str, rng: random.Random) -> str:
    return _each_word(
        text, rng, lambda word: "".join(rng.choice(_LEET.get(c, c)) if rng.random() < 0.7 else c for c in word)
    )


def _emoji(text: str, rng: random.Random) -> str:
    def change(word: str) -> str:
        at = rng.randrange(1, len(word))
        return word[:at] + rng.choice(_EMOJI) + word[at:]

    return _each_word(text, rng, change)


def _diluted(text: str, rng: random.Random) -> str:
    """Benign words around and among its own, as many as it has."""
    words = text.split(" ")
    for _ in range(len(words)):
        words.insert(rng.randrange(len(words) + 1), rng.choice(_BENIGN))
    return " ".join(words)


ATTACKS: Mapping[str, Attack] = {
    "misspelling": _misspelled,
    "spacing": _spaced,
    "lookalikes": _lookalikes,
    "leetspeak": _leet,
    "emoji": _emoji,
    "dilution": _diluted,
}
"""Each takes a text and a source of chance."""
