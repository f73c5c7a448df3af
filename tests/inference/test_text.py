"""Texts become the same codes however they are disguised, cut or batched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixfold.inference.text import GRAMS, PAIRS, WORDS, TextCoder, normalised, words_of

CODER = TextCoder("posts.text", 2**12, 8)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("A G00D d4y", "a good day"),
        ("g.o.o.d d a y", "good day"),
        ("gööd\u0301 day", "good day"),
        ("g\u200bood\u00ad day", "good day"),
        ("gооd dаy", "good day"),  # the o and the a are Cyrillic
        ("ｇｏｏｄ 𝐝𝐚𝐲", "good day"),
        ("gоо\u0501 dаy", "good day"),  # the first word has no Latin letter but its g
        ("g😀ood 😀 day", "good 😀 day"),
        ("gooooood", "good"),
        ("$illy!", "silly!"),
        ("10k at 4th, 24/7 2nite $5", "10k at 4th, 24/7 2nite $5"),
        ("a I, b", "a i, b"),
        ("Привет, мир", "привет, мир"),
        ("#g00d @u5er", "#g00d @u5er"),
        ("\x00good\x00 day\x07", "good day"),
        ("", ""),
    ],
)
def test_disguises_are_undone_and_what_is_none_stays(written, said):
    assert normalised(written) == said


def test_words_signs_and_emoji_are_cut_apart_and_what_stands_for_a_name_is_one():
    assert words_of("<user> don't, well-known 😀😀") == ["<user>", "don't", ",", "well", "-", "known", "😀", "😀"]


@given(st.lists(st.none() | st.text(max_size=60), min_size=1, max_size=6))
def test_a_text_has_the_same_codes_alone_and_among_others(texts):
    together = CODER.encode(texts)
    for at, text in enumerate(texts):
        alone = CODER.encode([text])
        length = alone["posts.text" + WORDS].shape[1]
        here, there = together["posts.text" + WORDS][at], alone["posts.text" + WORDS][0]
        grams, own = together["posts.text" + GRAMS], alone["posts.text" + GRAMS]
        assert (grams[here[:length]] == own[there]).all()
        assert not here[length:].any()
        assert (together["posts.text" + PAIRS][at][:length] == alone["posts.text" + PAIRS][0]).all()


def test_an_empty_text_and_null_have_no_words():
    found = CODER.encode([None, "", " \u200b"])
    assert not found["posts.text" + WORDS].any()
    assert found["posts.text" + GRAMS].shape == (1, 32)
    assert CODER.encode([])["posts.text" + WORDS].shape == (0, 1)


def test_of_a_long_text_its_two_ends_are_read():
    assert CODER.words("one two three four five six seven eight nine ten") == [
        "one", "two", "three", "four", "seven", "eight", "nine", "ten",
    ]  # fmt: skip
    huge = "first " + "ab " * 50_000 + "last"
    assert CODER.words(huge)[0] == "first"
    assert CODER.words(huge)[-1] == "last"
    assert len(CODER.words(huge)) == 8


def test_words_that_look_alike_share_codes_and_others_hardly_any():
    codes = CODER.encode(["wonderful", "wonderfull", "elephant"])["posts.text" + GRAMS]
    sets = [set(row[row > 0].tolist()) for row in codes[1:]]
    assert len(sets[0] & sets[1]) > 0.6 * len(sets[0])
    assert len(sets[0] & sets[2]) < 0.2 * len(sets[0])
    assert all(2 <= code < 2**12 + 2 for one in sets for code in one)


def test_other_scripts_and_lone_surrogates_have_codes():
    found = CODER.encode(["これは文章です", "\ud800 a", "مرحبا بالعالم"])
    assert (np.asarray(found["posts.text" + WORDS]) > 0).any(1).all()
