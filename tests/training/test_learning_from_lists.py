"""Learning from lists of which few rows were drawn: probabilities are corrected, order is learned, towers find."""

import numpy as np
import pyarrow as pa
import pytest
import torch

import sixfold as sf
from sixfold.design.kinds import NUMBER, Kind
from sixfold.evaluation.lists import rank_rows
from sixfold.inference.models import load
from sixfold.training.losses import list_loss
from sixfold.training.network import train_network
from sixfold.training.sides import SideNames
from sixfold.training.towers import TowerLists, train_towers
from sixfold.training.trees import train_trees

YES = sf.Label("yes", "yes")
KINDS = {"x": NUMBER, "z": NUMBER}
QUICK = sf.Training(epochs=8, batch_size=512, learning_rate=0.02, patience=3)


def world(lists=3000, open_=60, drawn=6, seed=0):
    """Lists of `open_` items of which each has a chance of its own, by x; z means nothing. Some are drawn."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(lists):
        x, z = rng.normal(size=open_), rng.normal(size=open_)
        chance = 1 / (1 + np.exp(-(1.5 * x - 4.5)))
        part = ("train", "train", "train", "validation", "test")[number % 5]
        rate = drawn / open_ if part == "train" else 1.0
        yes = rng.random(open_) < chance
        kept = yes | (rng.random(open_) < rate)
        rows.append((np.full(open_, number), x, z, yes, np.full(open_, rate), np.full(open_, part), chance, kept))
    number, x, z, yes, rate, part, chance, kept = (np.concatenate(column) for column in zip(*rows))
    table = pa.table(
        {"x": x, "z": z, "label.yes": yes.astype(float), "list": number, "own": yes, "rate": rate, "part": part,
         "chance": chance}
    )  # fmt: skip
    return table.filter(pa.array(kept))


def train(kind, head, table, folder):
    told = lambda progress: None  # noqa: E731
    if kind == "trees":
        model = sf.Trees("model", inputs=["x"], heads=[head], rounds=200, num_leaves=7)
        train_trees(model, table, ["x", "z"], KINDS, folder, seed=1, progress=told)
    else:
        model = sf.Network("model", inputs=["x"], heads=[head], body=sf.Mlp(16), training=QUICK)
        train_network(model, table, ["x", "z"], KINDS, folder, seed=1, progress=told)
    test = table.filter(pa.array(np.asarray(table["part"]) == "test"))
    return load(folder).score_table(test)["yes"], test


@pytest.mark.parametrize("kind", ["trees", "network"])
def test_a_probability_learned_from_drawn_lists_is_that_of_whole_lists(kind, tmp_path):
    said, test = train(kind, sf.Binary(YES), world(), tmp_path / "model")
    chance = np.asarray(test["chance"])
    assert np.mean(said) == pytest.approx(np.mean(chance), rel=0.1), "uncorrected it would say several times as much"
    for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 1)):
        own = (chance >= np.quantile(chance, low)) & (chance <= np.quantile(chance, high))
        assert np.mean(said[own]) == pytest.approx(np.mean(chance[own]), rel=0.25)


@pytest.mark.parametrize("kind", ["trees", "network"])
def test_order_is_learned_within_lists(kind, tmp_path):
    table = one_chosen(world(lists=1500))
    said, test = train(kind, sf.Order(YES), table, tmp_path / "model")
    assert np.corrcoef(said, np.asarray(test["x"]))[0, 1] > 0.9
    truth, found, chance = (mean_rank(score, test) for score in (np.asarray(test["x"]), said, np.asarray(test["z"])))
    assert found < truth * 1.05 < chance


def test_lists_longer_than_lightgbm_takes_are_cut(tmp_path):
    rng, sizes = np.random.default_rng(0), [5, 10_050, 5, 10_050]
    number = np.repeat(np.arange(4), sizes)
    x, own = rng.normal(size=len(number)), np.zeros(len(number), bool)
    own[np.cumsum(sizes) - 1] = True
    part = np.repeat(["train", "train", "validation", "validation"], sizes)
    columns = {"x": x, "z": x, "label.yes": own.astype(float), "list": number, "own": own, "part": part}
    table = pa.table({**columns, "rate": np.ones(len(x))})
    model = sf.Trees("model", inputs=["x"], heads=[sf.Order(YES)], rounds=2)
    train_trees(model, table, ["x", "z"], KINDS, tmp_path / "model", seed=1, progress=lambda told: None)
    assert len(load(tmp_path / "model").score_table(table)["yes"]) == len(number)


def one_chosen(table):
    """Lists with one row that was chosen, the first of those that were; the others are negatives."""
    first = set()
    own = []
    for number, yes in zip(table["list"].to_pylist(), table["own"].to_pylist()):
        own.append(yes and number not in first)
        first |= {number} if yes else set()
    table = table.set_column(table.column_names.index("own"), "own", pa.array(own))
    table = table.set_column(table.column_names.index("label.yes"), "label.yes", pa.array(np.array(own, float)))
    return table.filter(pa.array(np.isin(np.asarray(table["list"]), list(first))))


def mean_rank(score, test):
    kept = np.ones(len(test), bool)
    number = np.asarray(test["list"])
    return rank_rows(score, list_N=number, own_N=np.asarray(test["own"]), kept_N=kept).rank_P.mean()


def test_towers_learn_from_lists_what_a_query_likes(tmp_path):
    rng = np.random.default_rng(0)
    kinds = {"taste": Kind("text", domain="taste"), "kind": Kind("text", domain="kind")}
    rows = []
    for number in range(3000):
        taste = int(rng.integers(5))
        own = [taste if rng.random() < 0.8 else int(rng.integers(5)), *rng.integers(0, 5, 8).tolist()]
        part = ("train", "train", "train", "validation", "test")[number % 5]
        rows += [
            {"list": number, "own": at == 0, "taste": f"t{taste}", "kind": f"k{kind}", "label.yes": float(at == 0),
             "rate": 0.3 if part == "train" else 1.0, "part": part}
            for at, kind in enumerate(own)
        ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    quick = sf.Training(epochs=6, batch_size=512, learning_rate=0.02, weight_decay=0.01)
    model = sf.TwoTower("towers", query=[], item=[], positives=YES, size=8, training=quick)
    data = TowerLists.of_examples(table, "yes")
    names = {"query": SideNames(("taste",), ()), "item": SideNames(("kind",), ())}
    train_towers(model, data, names, kinds, tmp_path / "towers", key="item", seed=1, progress=lambda told: None)
    towers = load(tmp_path / "towers")
    tastes, items = pa.table({"taste": [f"t{i}" for i in range(5)]}), pa.table({"kind": [f"k{i}" for i in range(5)]})
    score = towers.table("query", tastes) @ towers.table("item", items).T
    assert score.argmax(1).tolist() == [0, 1, 2, 3, 4]


def test_the_loss_of_a_list_is_that_of_its_softmax():
    out, target = torch.tensor([1.0, 2.0, 3.0, -1.0, 0.5]), torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    number, lift = torch.tensor([4, 4, 4, 9, 9]), torch.tensor([0.5, 0.0, 0.5, 0.0, 1.0])
    wanted = [-torch.log_softmax((out + lift)[:3], 0)[1], -torch.log_softmax((out + lift)[3:], 0)[0]]
    assert float(list_loss(out, target, number, lift)) == pytest.approx(float(sum(wanted) / 2))
    none = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    assert float(list_loss(out, none, number, lift)) == pytest.approx(float(wanted[0])), "no positive, no part"
    assert np.isfinite(float(list_loss(out * 1e4, target, number, lift)))
