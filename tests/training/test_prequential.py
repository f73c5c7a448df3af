"""Continual training on a world that changes: who learns on is ahead, and nobody is told what came later."""

import numpy as np
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.design.kinds import NUMBER, Kind
from sixfold.inference.models import load
from sixfold.training.network import train_network
from sixfold.training.prequential import Setting, _Early, prequential

HOUR = 3_600_000_000
KINDS = {"x": NUMBER, "ad": Kind("text", domain="ad")}
CLICK = sf.Label("click", "click", within="30m")


def examples(rows=9000, seed=0):
    """60 hours. From hour 40 on other ads are clicked, and an ad appears; clicks come after up to half an hour."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 60 * HOUR, rows))
    ad = rng.integers(0, 6, rows)
    ad = np.where((time > 40 * HOUR) & (rng.random(rows) < 0.3), 9, ad)
    good = np.where(time < 40 * HOUR, ad < 3, ad >= 3)
    click = rng.random(rows) < np.where(good, 0.7, 0.1)
    part = np.where(time < 30 * HOUR, "train", np.where(time < 36 * HOUR, "validation", "test"))
    delay = rng.exponential(600, rows).clip(0, 1800)
    return pa.table(
        {
            "time": time,
            "known.click": time + HOUR // 2,
            "x": rng.normal(size=rows),
            "ad": pa.array([f"ad {i}" for i in ad]),
            "label.click": click.astype(float),
            "delay.click": pa.array(delay, mask=~click),
            "part": pa.array(part),
        }
    )


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("preq"), sf.Binary(CLICK))


def trained(folder, head):
    training = sf.Training(epochs=4, batch_size=64, learning_rate=0.02, patience=2)
    model = sf.Network("net", inputs=["x"], body=sf.Cross(1), heads=[head], size=4, min_count=5, training=training)
    train_network(model, examples(), list(KINDS), KINDS, folder / "net", seed=0, progress=lambda told: None)
    return Setting(model, list(KINDS), KINDS, {}, {}, folder / "net", 0, HOUR // 2, 0)


@pytest.fixture(scope="module")
def rounds(setting):
    return prequential(setting, examples(), HOUR, lambda told: None)


def loss(score, y):
    return float(-(y * np.log(score) + (1 - y) * np.log1p(-score)).mean())


def test_who_learns_on_follows_the_change(rounds):
    table = examples()
    test = table.filter(pa.array(np.asarray(table["part"]) == "test"))
    y, late = np.asarray(test["label.click"]), np.asarray(test["time"]) > 44 * HOUR
    found = {name: loss(score[late], y[late]) for name, score in rounds.scores.items()}
    assert found["warm"] < found["frozen"] - 0.3
    assert found["early"] < found["frozen"] - 0.3
    assert found["scratch"] < found["frozen"]
    assert rounds.grown == 1, "the ad that appeared got a code"


def test_the_frozen_model_is_the_one_that_was_exported(setting, rounds):
    table = examples()
    test = table.filter(pa.array(np.asarray(table["part"]) == "test"))
    exported = load(setting.folder).score_table(test)["click"]
    np.testing.assert_allclose(rounds.scores["frozen"], exported, atol=1e-5)


def test_nothing_that_comes_later_changes_what_was_scored(setting, rounds):
    table = examples()
    time = np.asarray(table["time"])
    turned = np.where(time > 50 * HOUR, 1 - np.asarray(table["label.click"]), np.asarray(table["label.click"]))
    other = table.set_column(table.column_names.index("label.click"), "label.click", pa.array(turned))
    again = prequential(setting, other, HOUR, lambda told: None)
    before = time[np.asarray(table["part"]) == "test"] < 50 * HOUR
    for name in ("frozen", "warm", "early", "scratch"):
        np.testing.assert_array_equal(again.scores[name][before], rounds.scores[name][before])


def test_a_label_that_is_known_later_is_learned_later(setting):
    table = examples()
    place = table.column_names.index("known.click")
    never = np.where(np.asarray(table["time"]) < 36 * HOUR, 0, 1000 * HOUR)
    late = table.set_column(place, "known.click", pa.array(never))
    found = prequential(setting, late.drop_columns(["delay.click"]), HOUR, lambda told: None)
    test = np.asarray(table["part"]) == "test"
    y, after = np.asarray(table["label.click"])[test], np.asarray(table["time"])[test] > 44 * HOUR
    assert loss(found.scores["warm"][after], y[after]) > loss(found.scores["frozen"][after], y[after]) - 0.1


def test_without_delays_nobody_is_early(setting):
    found = prequential(setting, examples().drop_columns(["delay.click"]), 12 * HOUR, lambda told: None)
    assert set(found.scores) == {"frozen", "warm", "scratch"}
    assert not any(np.isnan(score).any() for score in found.scores.values())


def test_the_weights_of_early_outcomes_make_up_for_those_to_come(setting):
    table = examples(60_000, seed=3)
    part = np.asarray(table["part"].to_pylist(), object)
    way = _Early(setting, table, part)
    now = 55 * HOUR
    recent = np.flatnonzero((np.asarray(table["time"]) > now - HOUR // 2) & (np.asarray(table["time"]) < now))
    share = way._share((now - np.asarray(table["time"])[recent]).astype(float))
    rows = table.take(pa.array(recent[share >= 0.5]))
    told = way._targets(rows, now)[0].numpy()
    assert set(np.unique(told[told < 1])) == {0.0}
    assert told.max() > 1.5
    assert told.mean() == pytest.approx(np.asarray(rows["label.click"]).mean(), rel=0.1)


def test_sampled_negatives_are_corrected_for_in_every_way(tmp_path):
    found = prequential(trained(tmp_path, sf.Binary(CLICK, negatives=0.3)), examples(), 6 * HOUR, lambda told: None)
    table = examples()
    mean = np.asarray(table["label.click"])[np.asarray(table["part"]) == "test"].mean()
    assert {name: score.mean() for name, score in found.scores.items()} == {
        name: pytest.approx(mean, rel=0.35) for name in found.scores
    }
