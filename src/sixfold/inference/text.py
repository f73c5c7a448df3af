"""From a text to the codes that a text encoder reads: normalised, cut into words, each word a set of hashed n-grams."""
# B = texts, L = words of the longest, W = distinct words, K = codes of a word

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["CODES", "GRAMS", "PAIRS", "WORDS", "WORD_VECTORS", "TextCoder", "normalised", "words_of"]

WORDS, PAIRS, GRAMS = ":words", ":pairs", ":grams"
"""What the names of a text's arrays end with; grams alone have a row a word and not a row a text."""
WORD_VECTORS = ":word_vectors"
"""What an exported network reads instead of grams: what they become (see `inference.words`), a row a word."""

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
_MARKED = re.compile(r"(?<!\S)[^\s0134578@$!|\x80-\U0010ffff]*+\S\S*")
"""Words with a letter of another script, or with a digit or sign that may stand for a letter."""
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
    text = text.lower()
    if not text.isascii():
        text = _WITHIN.sub("", text)
    latin = _LATIN.search(text) is not None
    text = _MARKED.sub(lambda found: _word(found.group(), latin), text)
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
        known: dict[str, int] = {"": 0}
        read = [self.words(text or "") for text in texts]
        rows = [[known.setdefault(word, len(known)) for word in words] for words in read]
        coded = list(map(self._coded, known))
        utf8, starts, buckets = [one.utf8 for one in coded], [one.start for one in coded], self.buckets
        pairs = [[2 + crc32(utf8[b], starts[a]) % buckets for a, b in pairwise(row)] for row in rows]
        grams = np.frombuffer(bytearray().join([bytes(CODES * 8), *(one.codes for one in coded[1:])]), np.int64)
        length = max(1, max(map(len, rows), default=1))
        return {
            self.name + WORDS: _padded(rows, length),
            self.name + PAIRS: _padded(pairs, length),
            self.name + GRAMS: grams.reshape(len(known), CODES),
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

    def _coded(self, word: str) -> "_Coded":
        remembered = _WORDS.setdefault(self.buckets, {})
        if (found := remembered.get(word)) is None:
            if len(remembered) >= _REMEMBERED:
                remembered.clear()
            found = remembered[word] = _code(word, self.buckets)
        return found


class _Coded(NamedTuple):
    """What is made of a word; hashing it costs as much as all else of a text."""

    codes: bytes
    """Its codes as K int64."""
    utf8: bytes
    start: int
    """CRC-32 of the word and a space, from which that of a pair goes on."""


_WORDS: dict[int, dict[str, _Coded]] = {}
"""Words seen before, by the number of buckets."""


def _code(word: str, buckets: int) -> _Coded:
    framed = f"<{word[:_LONGEST_WORD]}>"
    grams = [framed[at : at + n] for n in _GRAMS for at in range(len(framed) - n + 1) if len(framed) > n]
    codes = [2 + crc32(_bytes(part)) % buckets for part in [f" {word}", *grams]]
    padded = np.zeros(CODES, np.int64)
    padded[: len(codes[:CODES])] = codes[:CODES]
    utf8 = _bytes(word)
    return _Coded(padded.tobytes(), utf8, crc32(utf8 + b" "))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _padded(rows: Sequence[Sequence[int]], length: int) -> NDArray[np.int64]:
    out = np.zeros((len(rows), length), np.int64)
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    out[np.arange(length) < sizes[:, None]] = np.fromiter(chain.from_iterable(rows), np.int64, int(sizes.sum()))
    return out
