"""Heads with classes learn from shares of votes, leave out what is missing, and give probabilities that sum to 1."""

import numpy as np
import pyarrow as pa
import pytest
import torch

import sixfold as sf
from sixfold.design.kinds import NUMBER
from sixfold.inference.models import load
from sixfold.training.calibration import calibrate
from sixfold.training.losses import class_weights, head_loss
from sixfold.training.network import train_network

OUTPUTS = {"mood": ("mood.low", "mood.mid", "mood.high"), "tag": ("tag.a", "tag.rare")}
MOOD, TAG = sf.Label("mood", "mood"), sf.Label("tag", "tags")


def examples(rows=6000, seed=0):
    """Of x the mood follows, told by three voters; tag a where x is above 0, the rare one where y is far out."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=rows), rng.normal(size=rows)
    mood = np.stack([np.exp(-2 * x), np.ones(rows), np.exp(2 * x)], 1)
    shares = np.array([rng.multinomial(3, p) for p in mood / mood.sum(1, keepdims=True)]) / 3
    tags = np.stack([x > 0, y > 1.8], 1).astype(float)
    shares[::5], tags[::3] = np.nan, np.nan
    part = np.resize(["train", "train", "validation", "test"], rows)
    columns = {"x": x, "y": y, "part": pa.array(part)}
    for names, values in ((OUTPUTS["mood"], shares), (OUTPUTS["tag"], tags)):
        columns |= {f"label.{name}": pa.array(values[:, at], from_pandas=True) for at, name in enumerate(names)}
    return pa.table(columns)


@pytest.mark.parametrize("loss", ["plain", "balanced", "focal"])
def test_what_is_plainly_there_is_learned_by_every_loss(tmp_path, loss):
    heads = [sf.OneOf(MOOD, loss=loss, calibrate="isotonic"), sf.AnyOf(TAG, loss=loss, calibrate="beta")]
    model = sf.Network("m", inputs=[], heads=heads, body=sf.Mlp(16), training=sf.Training(epochs=12, batch_size=128))
    table = examples()
    kinds = {"x": NUMBER, "y": NUMBER}
    train_network(
        model, table, ["x", "y"], kinds, tmp_path / "m", outputs=OUTPUTS, seed=1, progress=lambda progress: None
    )
    test = table.filter(pa.array(np.asarray(table["part"]) == "test"))
    validation = table.filter(pa.array(np.asarray(table["part"]) == "validation"))
    calibrate(heads, validation, tmp_path / "m", lambda name: OUTPUTS[name])
    scores = load(tmp_path / "m").score_table(test)
    mood = np.stack([scores[name] for name in OUTPUTS["mood"]], 1)
    np.testing.assert_allclose(mood.sum(1), 1, atol=1e-6)
    x, y = (np.asarray(test[name]) for name in "xy")
    true = np.stack([np.exp(-2 * x), np.ones(len(x)), np.exp(2 * x)], 1)
    true /= true.sum(1, keepdims=True)
    assert np.abs(mood - true).mean() < 0.06
    assert ((scores["tag.a"] > 0.5) == (x > 0)).mean() > 0.95
    assert scores["tag.rare"][y > 2.2].mean() > 0.8
    assert scores["tag.rare"][y < 1.5].mean() < 0.05
    assert scores["tag.rare"].mean() == pytest.approx((y > 1.8).mean(), abs=0.02), "balance and focus are undone"


def test_a_loss_leaves_out_what_is_missing_and_balance_counts_classes_alike():
    nan = float("nan")
    target = torch.tensor([[1.0, nan], [nan, nan], [0.0, 1.0]])
    out = torch.zeros(3, 2, requires_grad=True)
    found = head_loss(sf.AnyOf(TAG), out, target, None)
    assert float(found.detach()) == pytest.approx(2 * np.log(2))
    found.backward()
    assert out.grad is not None
    assert out.grad.isfinite().all()
    assert out.grad[1].tolist() == [0, 0], "a row without labels teaches nothing"
    shares = torch.tensor([[0.9, 0.1]]).expand(1000, 2)
    (weight,) = class_weights([sf.OneOf(MOOD, loss="balanced")], [shares])
    assert weight is not None
    assert (weight * shares[0]).tolist() == pytest.approx([0.5, 0.5])
    assert float(head_loss(sf.OneOf(MOOD), out, torch.full((3, 2), nan), None).detach()) == 0
