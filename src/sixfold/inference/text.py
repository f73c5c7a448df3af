"""From a text to the codes that a text encoder reads: normalised, cut into words, each word a set of hashed n-grams."""
# B = texts, L = words of the longest, W = distinct words, K = codes of a word

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["CODES", "GRAMS", "PAIRS", "WORDS", "TextCoder", "normalised", "words_of"]

WORDS, PAIRS, GRAMS = ":words", ":pairs", ":grams"
"""What the names of a text's arrays end with; grams alone have a row a word and not a row a text."""

CODES = 32
"""K: a word itself and its first n-grams, short ones first."""
_GRAMS = (3, 4, 5)
_LONGEST_WORD = 40
_REMEMBERED = 200_000

# Letters that look like Latin ones and that Unicode does not call compatible with them.
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁԛԝһӏѵмнткпвβαεικνορτυχγηωɡɑɩⅼƅ",
    "aeopcyxijsdqwhlvmhtknbbaeiknoptuxynwgailb",
)
_LEET = str.maketrans("0134578@$!|€", "oieastbasiie")
_HIDDEN = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
_WITHIN = re.compile(r"(?<=[^\W_])[\u2600-\u27bf\U0001f000-\U0001faff]+(?=[^\W_])")
"""Pictures between letters."""
_REPEATED = re.compile(r"(\w)\1{2,}")
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_]([\W_])[^\W\d_](?:\1[^\W\d_])+(?![^\W_])")
_MIXED = re.compile(r"[^\s]+")
_TOKEN = re.compile(r"<\w+>|[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_+")
# `10k` is a number: digits stand between letters, or after one at the end; a sign also before two letters.
_STANDS_FOR = re.compile(
    r"(?<=[a-z])[0134578@$!|€]+(?=[a-z0-9@$!|€])|(?<=[a-z])[013457@$|€](?=$|\b)|(?<!\w)[@$!|](?=[a-z]{2})"
)
_LATIN = re.compile(r"[a-z]")


def normalised(text: str) -> str:
    """What a text says, freed from how it is written: most disguises of a word become the word.

    Compatible characters are made one (NFKC), accents, invisible and control characters are removed, letters are
    lowered; in words with Latin letters those of other scripts that look alike and digits and signs that stand for a
    letter (`h4te`) become that letter; pictures between letters go; a letter three times or more becomes two; letters
    that stand alone in a row (`h a t e`, `h.a.t.e`) become a word.
    """
    text = _HIDDEN.sub("", unicodedata.normalize("NFKC", text))
    if not text.isascii():
        parts = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in parts if unicodedata.category(c) != "Mn"))
    text = _WITHIN.sub("", text.lower())
    latin = _LATIN.search(text) is not None
    text = _MIXED.sub(lambda found: _word(found.group(), latin), text)
    return _SPACED.sub(lambda found: re.sub(r"[\W_]", "", found.group()), _REPEATED.sub(r"\1\1", text))


def words_of(text: str) -> list[str]:
    """Words, signs and emoji of a text as it is; `<user>` is one."""
    return _TOKEN.findall(text)


def _word(word: str, latin: bool) -> str:
    """A word without letters of other scripts in a Latin one, and without signs that stand for letters.

    Args:
        latin: Whether the text has Latin letters: then a word of nothing but look-alikes is taken for one of those.
    """
    if not word.isascii() and latin:
        made = word.translate(_LOOKALIKES)
        if _LATIN.search(word) or made.isascii():
            word = made
    inside = word.strip(".,!?;:\"'()[]")
    if any(c.isalpha() for c in inside) and not inside.isalpha() and not inside.startswith(("#", "@", "http", "<")):
        made = _STANDS_FOR.sub(lambda one: one.group().translate(_LEET), inside)
        word = word.replace(inside, made)
    return word


@dataclass(frozen=True)
class TextCoder:
    """The codes of texts; it learns nothing, so that two releases read a text alike."""

    name: str
    """Canonical name of the column."""
    buckets: int
    """Words and n-grams share so many codes, 2 to `buckets` + 1; pairs of words have as many of their own."""
    longest: int
    """Of a text with more words the first and the last half of these are read."""
    normalise: bool = True

    def encode(self, texts: Iterable[str | None]) -> dict[str, NDArray[Any]]:
        """Arrays of a batch; a null text is an empty one.

        Returns:
            `NAME:words` int64 (B, L), rows of `NAME:grams`, 0 behind a text's end; `NAME:pairs` int64 (B, L), the code
            of a word with the one that follows; `NAME:grams` int64 (W, K), the codes of each distinct word, 0 behind.
        """
        texts = list(texts)
        known: dict[str, int] = {"": 0}
        rows: list[list[int]] = []
        pairs: list[list[int]] = []
        for text in texts:
            words = self.words(text or "")
            rows.append([known.setdefault(word, len(known)) for word in words])
            pairs.append([2 + crc32(_bytes(f"{a} {b}")) % self.buckets for a, b in pairwise(words)])
        grams = np.zeros((len(known), CODES), np.int64)
        for word, at in known.items():
            if at:
                grams[at] = self._codes(word)
        length = max(1, max(map(len, rows), default=1))
        return {
            self.name + WORDS: _padded(rows, length),
            self.name + PAIRS: _padded(pairs, length),
            self.name + GRAMS: grams,
        }

    def words(self, text: str) -> list[str]:
        """The words that are read of a text."""
        # A word is a few characters; of a text far too long nothing in its middle is even normalised.
        most = self.longest * 20
        if len(text) > 2 * most:
            text = f"{text[:most]} {text[-most:]}"
        found = words_of(normalised(text) if self.normalise else text.lower())
        if len(found) <= self.longest:
            return found
        half = self.longest // 2
        return found[:half] + found[-half:]

    def _codes(self, word: str) -> NDArray[np.int64]:
        key = (self.buckets, word)
        if (codes := _WORDS.get(key)) is None:
            if len(_WORDS) >= _REMEMBERED:
                _WORDS.clear()
            codes = _WORDS[key] = _hashed(word, self.buckets)
        return codes


_WORDS: dict[tuple[int, str], NDArray[np.int64]] = {}
"""Codes of words seen before: hashing a word costs as much as all else of a text."""


def _hashed(word: str, buckets: int) -> NDArray[np.int64]:
    framed = f"<{word[:_LONGEST_WORD]}>"
    grams = [framed[at : at + n] for n in _GRAMS for at in range(len(framed) - n + 1) if len(framed) > n]
    codes = [2 + crc32(_bytes(part)) % buckets for part in [f" {word}", *grams]]
    padded = np.zeros(CODES, np.int64)
    padded[: len(codes[:CODES])] = codes[:CODES]
    return padded


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _padded(rows: Sequence[Sequence[int]], length: int) -> NDArray[np.int64]:
    out = np.zeros((len(rows), length), np.int64)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out
