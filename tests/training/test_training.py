"""Models learn what is plainly there, export what they learned, and do so twice alike."""

import numpy as np
import pyarrow as pa
import pytest
import torch

import sixfold as sf
from sixfold.design.kinds import NUMBER, Kind
from sixfold.features.arrays import column
from sixfold.inference.models import Towers, load
from sixfold.training.neighbours import ItemCosine
from sixfold.training.network import train_network
from sixfold.training.sides import SideNames
from sixfold.training.towers import TowerData, train_towers
from sixfold.training.trees import train_trees

KINDS = {"x": NUMBER, "city": Kind("text", domain="city"), "long": NUMBER}


def examples(rows=4000, seed=0):
    """A click where x is above 0 in Rome, and never in Oslo: no input alone tells; half of the length is watched."""
    rng = np.random.default_rng(seed)
    x, rome, length = rng.normal(size=rows), rng.random(rows) < 0.5, rng.uniform(5, 100, rows)
    click = ((x > 0) & rome).astype(float)
    part = np.where(np.arange(rows) < rows * 0.6, "train", np.where(np.arange(rows) < rows * 0.8, "validation", "test"))
    watched = length / 2
    watched[::7] = np.nan
    return pa.table(
        {
            "x": x,
            "city": pa.array(np.where(rome, "Rome", "Oslo")),
            "long": length,
            "label.click": click,
            "label.watched": pa.array(watched, from_pandas=True),
            "part": pa.array(part),
        }
    )


def heads():
    visits = sf.Events(
        "visits",
        [],
        sf.Entity("person").key(),
        time=sf.Time(unit="s"),
        long=sf.Number(),
        click=sf.Flag(),
        w=sf.Number(),
    )
    click, watched = sf.Label("click", "click"), sf.Label("watched", "w")
    return visits, click, watched


def network(**training):
    _, click, watched = heads()

    class Long:  # the column that heads name is known by its full name, here by the test table's
        def __str__(self):
            return "long"

    return sf.Network(
        "net",
        inputs=[],
        body=[sf.Cross(2), sf.Experts(2)],
        heads=[sf.Binary(click), sf.WatchTime(watched, duration=Long())],
        training=sf.Training(**{"epochs": 12, "batch_size": 128, "learning_rate": 0.01, "patience": 4, **training}),
    )


def test_a_network_learns_a_cross_and_its_export_says_the_same(tmp_path):
    table, told = examples(), []
    curve = train_network(network(), table, list(KINDS), KINDS, tmp_path / "net", seed=1, progress=told.append)
    scorer = load(tmp_path / "net")
    test = table.filter(pa.array(np.asarray(table["part"]) == "test"))
    scores = scorer.score_table(test)
    correct = (scores["click"] > 0.5) == np.asarray(test["label.click"]).astype(bool)
    assert correct.mean() > 0.95
    error = np.abs(scores["watched"] - np.asarray(test["long"]) / 2) / np.asarray(test["long"])
    assert np.median(error) < 0.1
    assert curve.validation[curve.best - 1] == min(curve.validation)
    assert told[-1].model == "net"
    assert 0 < told[-1].done <= 1
    few = {name: column(KINDS[name], test[name].to_pylist()[:5]) for name in KINDS}
    np.testing.assert_allclose(scorer.score(few, 5)["click"], scores["click"][:5], rtol=1e-5)


def test_the_same_seed_gives_the_same_network(tmp_path):
    table = examples(1000)
    for name in ("a", "b"):
        train_network(network(epochs=2), table, list(KINDS), KINDS, tmp_path / name, seed=3, progress=lambda told: None)
    one, other = (load(tmp_path / name).score_table(table)["click"] for name in ("a", "b"))
    np.testing.assert_array_equal(one, other)


def test_trees_learn_the_cross_too(tmp_path):
    _, click, watched = heads()
    model = sf.Trees("trees", inputs=[], heads=[sf.Binary(click), sf.Regression(watched)], rounds=60)
    table = examples()
    curves = train_trees(model, table, list(KINDS), KINDS, tmp_path / "t", seed=0, progress=lambda told: None)
    scores = load(tmp_path / "t").score_table(table)
    test = np.asarray(table["part"]) == "test"
    assert ((scores["click"] > 0.5) == np.asarray(table["label.click"]).astype(bool))[test].mean() > 0.95
    assert set(curves) == {"click", "watched"}
    few = {name: column(KINDS[name], table[name].to_pylist()[:5]) for name in KINDS}
    np.testing.assert_allclose(load(tmp_path / "t").score(few, 5)["watched"], scores["watched"][:5])


def test_towers_put_the_one_withheld_item_of_a_checkerboard_first(tmp_path):
    """Even people like even items, odd people odd ones; each has one such item withheld."""
    people, items, n = 40, 20, 20
    rows = [(p, i) for p in range(people) for i in range(items) if p % 2 == i % 2]
    withheld = {p: [i for i in range(items) if i % 2 == p % 2][p // 2 % 10] for p in range(people)}
    kept = [(p, i) for p, i in rows if withheld[p] != i]
    history = [[str(j) for q, j in kept if q == p and j != i] for p, i in kept]
    kinds = {"liked": Kind("text", is_list=True, domain="item"), "item": Kind("text", domain="item")}
    part = ["validation" if at % 10 == 0 else "train" for at in range(len(kept))]
    data = TowerData(
        positives=pa.table({"liked": pa.array(history), "part": part}),
        items=pa.table({"item": [str(i) for i in range(items)]}),
        item=np.array([i for _, i in kept]),
        period=np.zeros(len(kept), np.int64),
        n_items=n,
    )
    model = sf.TwoTower(
        "towers",
        query=[],
        item=[],
        positives=sf.Label("liked", "liked"),
        size=8,
        training=sf.Training(epochs=30, batch_size=64, learning_rate=0.05, patience=30),
    )
    names = {"query": SideNames(["liked"]), "item": SideNames(["item"])}
    train_towers(model, data, names, kinds, tmp_path / "t", key="item", seed=0, progress=lambda told: None)
    towers = load(tmp_path / "t")
    assert isinstance(towers, Towers)
    liked = [[str(j) for q, j in kept if q == p] for p in range(people)]
    scores = towers.table("query", pa.table({"liked": pa.array(liked)})) @ towers.table("item", data.items).T
    for p in range(people):
        scores[p, [j for q, j in kept if q == p]] = -np.inf
    assert [int(row.argmax()) for row in scores] == [withheld[p] for p in range(people)]


def test_item_cosine_scores_what_goes_together():
    cosine = ItemCosine(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 2]), 4)
    scores = cosine.scores(np.array([0]), np.array([0]), 1)
    assert scores.shape == (1, 4)
    assert scores[0].argmax() == 1
    assert scores[0, 1] == pytest.approx(1.0)
    assert scores[0, 0] == 0.0


def test_an_unknown_item_has_a_vector_without_an_identity(tmp_path):
    torch.manual_seed(0)
    from sixfold.models.layers import embedding

    table = embedding(5, 3, 0.1)
    assert table(torch.tensor([0, 1])).abs().sum() == 0
