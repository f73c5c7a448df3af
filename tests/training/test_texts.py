"""Networks read texts: what words say, in which order, misspelled too; the export says the same of any length."""

import numpy as np
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.design.kinds import NUMBER, PROSE
from sixfold.features.arrays import column
from sixfold.inference.models import load
from sixfold.training.network import train_network

KINDS = {"text": PROSE, "x": NUMBER}
SHORT = sf.HashedText(buckets=2**10)
GOOD, BAD = sf.Label("good", "good"), sf.Label("bad", "bad")


def examples(rows=3000, seed=0):
    """Good where a kind word is, but for `not` before it; the second label is the number's."""
    rng = np.random.default_rng(seed)
    filler, kind = ["the", "cat", "sat", "on", "a", "mat", "today"], ["wonderful", "lovely", "delightful"]
    texts, good = [], []
    for _ in range(rows):
        words = rng.choice(filler, rng.integers(2, 9)).tolist()
        has, negated = rng.random() < 0.6, rng.random() < 0.4
        if has:
            at = rng.integers(0, len(words))
            words[at:at] = (["not"] if negated else []) + [str(rng.choice(kind))]
        elif negated:
            words.append("not")
        texts.append(" ".join(words))
        good.append(float(has and not negated))
    x = rng.normal(size=rows)
    return pa.table(
        {
            "text": pa.array(texts),
            "x": x,
            "label.good": good,
            "label.bad": (x > 0.5).astype(float),
            "part": pa.array(np.resize(["train", "train", "validation"], rows)),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts") / "m"
    model = sf.Network(
        "m", inputs=[], heads=[sf.Binary(GOOD), sf.Binary(BAD)], body=[sf.Mlp(32), sf.Experts(2, 16)],
        text=sf.HashedText(size=16, filters=16, buckets=2**12, longest=64, dropout=0.1),
        training=sf.Training(epochs=8, batch_size=64, learning_rate=0.005),
    )  # fmt: skip
    train_network(model, examples(), ["text", "x"], KINDS, folder, seed=1, progress=lambda progress: None)
    return load(folder)


def good(scorer, *texts):
    columns = {"text": column(PROSE, list(texts)), "x": column(NUMBER, [0.0])}
    return scorer.score(columns, len(texts))["good"]


def test_words_and_their_order_are_learned(trained):
    found = good(trained, "a lovely cat", "a not lovely cat", "the cat sat", "today delightful", "not wonderful mat")
    assert (found > 0.5).tolist() == [True, False, False, True, False]


def test_a_word_never_seen_is_near_those_it_resembles(trained):
    found = good(trained, "the wonderfull mat", "the w0nderful mat", "the elephant mat")
    assert (found > 0.5).tolist() == [True, True, False]


def test_a_score_does_not_depend_on_who_is_in_the_batch_and_any_text_has_one(trained):
    texts = ["a lovely cat", None, "", "😀", "это не латиница", "x" * 100_000, "on a mat " * 10_000, "\x00", "y"]
    together = good(trained, *texts)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, [good(trained, text)[0] for text in texts], atol=1e-5)


def test_one_text_stands_for_many_rows(trained):
    columns = {"text": column(PROSE, ["a lovely cat"]), "x": column(NUMBER, [-2.0, 2.0])}
    found = trained.score(columns, 2)
    assert found["good"][0] > 0.5
    assert (found["bad"] > 0.5).tolist() == [False, True]


def test_below_linear_texts_are_logistic_regression_on_n_grams(tmp_path):
    model = sf.Network(
        "m", inputs=[], heads=[sf.Binary(GOOD)], body=sf.Linear(), text=sf.HashedText(buckets=2**12),
        training=sf.Training(epochs=10, batch_size=64, learning_rate=0.01),
    )  # fmt: skip
    train_network(model, examples(), ["text"], KINDS, tmp_path / "m", seed=1, progress=lambda progress: None)
    found = good(load(tmp_path / "m"), "a lovely cat", "a not lovely cat", "the cat sat")
    assert (found > 0.5).tolist() == [True, False, False]


@pytest.mark.parametrize("texts", [["lovely", "cat"], [None, ""]])
def test_who_saw_texts_of_one_word_or_none_in_training_reads_longer_ones(tmp_path, texts):
    table = examples(64).set_column(0, "text", pa.array(np.resize(np.array(texts, object), 64), pa.string()))
    training = sf.Training(epochs=1, batch_size=64)
    model = sf.Network("m", inputs=[], heads=[sf.Binary(GOOD)], body=sf.Linear(), text=SHORT, training=training)
    train_network(model, table, ["text"], KINDS, tmp_path / "m", seed=1, progress=lambda progress: None)
    assert np.isfinite(good(load(tmp_path / "m"), "a lovely cat sat on a mat", None, "cat")).all()
