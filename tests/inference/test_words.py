"""Vectors of words are those that the ONNX file makes of their codes, whatever is remembered."""

import numpy as np
import pytest
import torch

import sixfold as sf
from sixfold.errors import ReleaseDamaged
from sixfold.inference.text import GRAMS, TextCoder
from sixfold.inference.words import WordVectors
from sixfold.models.layers import mean_pool
from sixfold.models.text import DirectText, TextEncoder, WordTable
from sixfold.training.export import export_means

CODER = TextCoder("t", buckets=256, longest=16)


def grams(*texts):
    return CODER.encode(texts)[f"t{GRAMS}"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An exported table of words of 8 numbers and 3 scores, and what torch makes of codes."""
    torch.manual_seed(0)
    encoder = TextEncoder(CODER, sf.HashedText(size=8, filters=4, buckets=256))
    direct = DirectText(CODER, 3)
    torch.nn.init.normal_(direct.words.weight)
    with torch.no_grad():
        direct.words.weight[0] = 0.0
    path = tmp_path_factory.mktemp("words") / "words-0.onnx"
    export_means(WordTable.of(encoder, direct).weight.numpy(), path)

    def expected(codes):
        tables = (encoder.table, direct.words)
        return torch.cat([mean_pool(torch.from_numpy(codes), table) for table in tables], 1).detach().numpy()

    return path, expected


def test_words_have_the_vectors_that_training_gave_them(made):
    path, expected = made
    words = WordVectors(path, threads=1)
    for texts in (["the sun is out", "the rain"], ["the sun", ""], ["out of the blue sky " * 3]):
        codes = grams(*texts)
        assert codes.shape[1] == 32
        np.testing.assert_allclose(words.of(codes), expected(codes), atol=1e-6)
    assert (words.of(grams("x"))[0] == 0).all(), "what stands behind a text's end says nothing"


def test_words_beyond_what_is_remembered_are_computed_again(made):
    path, expected = made
    words = WordVectors(path, threads=1, remembered=5)
    for at in range(6):
        codes = grams(f"word{at} other{at} third", "third word0")
        np.testing.assert_allclose(words.of(codes), expected(codes), atol=1e-6)


def test_words_with_the_same_codes_share_a_vector_and_spoil_no_other(made):
    path, expected = made
    words, codes = WordVectors(path, threads=1), grams("one")[1:]
    twice = np.concatenate([codes, codes, grams("two")[1:]])
    np.testing.assert_allclose(words.of(twice), expected(twice), atol=1e-6)
    later = np.concatenate([grams("three four")[1:], grams("two")[1:]])
    np.testing.assert_allclose(words.of(later), expected(later), atol=1e-6)


def test_a_missing_file_of_words_is_a_damaged_release(tmp_path):
    with pytest.raises(ReleaseDamaged, match=r"words-0\.onnx"):
        WordVectors(tmp_path / "words-0.onnx", threads=1)
