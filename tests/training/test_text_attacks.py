"""Attacks disguise texts, keep what is no word, repeat by their seed, and what is learned stands them."""

import random

import numpy as np
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.design.kinds import PROSE
from sixfold.inference.models import load
from sixfold.inference.text import normalised
from sixfold.training.attacks import ATTACKS, attacked
from sixfold.training.network import train_network

TEXT = "<user> what a wonderful morning it is today"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_changes_a_text_repeatably_and_keeps_placeholders(name):
    found = attacked(TEXT, name, random.Random(3))
    assert found == attacked(TEXT, name, random.Random(3))
    assert found != TEXT
    assert "<user>" in found.split(" ")
    for odd in ("", " ", "😀", "a", "<user>", "\x00", "x" * 10_000, "це не латиниця"):
        assert isinstance(attacked(odd, name, random.Random(1)), str)


def test_normalisation_undoes_look_alikes_and_letters_set_apart_whole_and_leetspeak_mostly():
    rng, text = random.Random(5), "what a wonderful morning it is today"
    for _ in range(50):
        assert normalised(attacked(text, "lookalikes", rng)) == text
    words = [set(normalised(attacked(text, "leetspeak", rng)).split()) & set(text.split()) for _ in range(200)]
    assert np.mean([len(own) for own in words]) > 0.8 * len(text.split())
    spaced = [set(normalised(attacked(text, "spacing", rng)).split()) & set(text.split()) for _ in range(200)]
    assert np.mean([len(own) for own in spaced]) > 0.7 * len(text.split())


def test_augmented_training_stands_misspelling_better(tmp_path):
    rng = np.random.default_rng(0)
    kinds, rows = {"good": ["wonderful", "delightful", "marvellous"], "bad": ["dreadful", "terrible", "horrendous"]}, []
    for at in range(1500):
        name = "good" if at % 2 else "bad"
        words = [*rng.choice(["the", "cat", "sat", "upon", "some", "mat"], 4), str(rng.choice(kinds[name]))]
        rows.append((" ".join(rng.permutation(words)), float(name == "good")))
    part = np.resize(["train", "train", "validation"], len(rows))
    table = pa.table({"text": [t for t, _ in rows], "label.good": [y for _, y in rows], "part": pa.array(part)})
    losses: dict[float, list[float]] = {}
    for augment in (0.0, 0.5):
        model = sf.Network(
            "m", inputs=[], heads=[sf.Binary(sf.Label("good", "good"))], body=sf.Mlp(16),
            text=sf.HashedText(size=16, filters=16, buckets=2**12, dropout=0.1, augment=augment),
            training=sf.Training(epochs=6, batch_size=64, learning_rate=0.005),
        )  # fmt: skip
        folder = tmp_path / f"m{augment}"
        train_network(model, table, ["text"], {"text": PROSE}, folder, seed=1, progress=lambda progress: None)
        for name in ("misspelling", "spacing"):
            twice = [
                attacked(attacked(text, name, random.Random(at)), name, random.Random(-at))
                for at, (text, _) in enumerate(rows[:400])
            ]
            found = load(folder).score_table(pa.table({"text": twice}))["good"]
            right = np.where([label == 1 for _, label in rows[:400]], found, 1 - found)
            losses.setdefault(augment, []).append(float(-np.log(np.maximum(right, 1e-9)).mean()))
    assert all(learned < 0.75 * plain for plain, learned in zip(losses[0.0], losses[0.5])), losses
