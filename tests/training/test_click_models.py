"""Logistic regression, factorization machines, DeepFM, trees' leaves: each learns what it can, and exports it."""

import numpy as np
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.design.kinds import NUMBER, Kind
from sixfold.features.arrays import column
from sixfold.inference.models import load
from sixfold.training.network import train_network
from sixfold.training.trees import train_trees

KINDS = {"x": NUMBER, "ad": Kind("text", domain="ad"), "page": Kind("text", domain="page")}
CLICK = sf.Label("click", "click")
QUICK = sf.Training(epochs=15, batch_size=256, learning_rate=0.02, patience=3)


def examples(rows=6000, seed=0, rate=0.5):
    """A click where the ad's number and the page's are both even or both odd: no ad and no page alone tells."""
    rng = np.random.default_rng(seed)
    ad, page, x = rng.integers(0, 6, rows), rng.integers(0, 5, rows), rng.normal(size=rows)
    click = ((ad + page) % 2 == 0) & (rng.random(rows) < 2 * rate)
    return pa.table(
        {
            "x": pa.array(x, mask=rng.random(rows) < 0.1),
            "ad": pa.array([f"ad {i}" for i in ad]),
            "page": pa.array([f"page {i}" if i else None for i in page]),
            "label.click": click.astype(float),
            "part": pa.array(
                np.where(np.arange(rows) % 5 < 3, "train", np.where(np.arange(rows) % 5 < 4, "validation", "test"))
            ),
        }
    )


def part(table, name):
    return table.filter(pa.array(np.asarray(table["part"]) == name))


def accuracy(scorer, table):
    said = scorer.score_table(table)["click"] > 0.5
    return (said == np.asarray(table["label.click"]).astype(bool)).mean()


def train(body, table, folder, *, head=None, **how):
    model = sf.Network(
        "net", inputs=["x"], body=body, heads=[head or sf.Binary(CLICK)], size=8, min_count=1, training=QUICK
    )
    train_network(model, table, list(KINDS), KINDS, folder, seed=1, progress=lambda told: None, **how)
    return load(folder)


@pytest.mark.parametrize(
    "body", [sf.Linear(crosses=2, buckets=4096), sf.Fm(), sf.DeepFm(32)], ids=["linear", "fm", "deepfm"]
)
def test_models_of_crosses_learn_what_no_input_alone_tells(body, tmp_path):
    table = examples()
    scorer = train(body, table, tmp_path / "net")
    assert accuracy(scorer, part(table, "test")) > 0.97


def test_a_linear_model_without_crosses_cannot(tmp_path):
    table = examples()
    assert accuracy(train(sf.Linear(), table, tmp_path / "net"), part(table, "test")) < 0.65, "3 of 5 pages are even"


@pytest.mark.parametrize("body", [sf.Linear(crosses=3), sf.Fm(), sf.DeepFm()], ids=["linear", "fm", "deepfm"])
def test_rows_of_a_request_score_as_those_of_a_table(body, tmp_path):
    table = examples(1000)
    scorer = train(body, table, tmp_path / "net")
    own = table.slice(0, 7)
    columns = {name: column(KINDS[name], own[name].to_pylist()) for name in KINDS}
    columns["page"] = column(KINDS["page"], ["a page never seen"] * 6 + [None])
    own = own.set_column(own.column_names.index("page"), "page", pa.array(["a page never seen"] * 6 + [None]))
    np.testing.assert_allclose(scorer.score(columns, 7)["click"], scorer.score_table(own)["click"], atol=1e-6)


def test_hashed_texts_need_no_vocabulary_and_a_new_one_has_a_bucket(tmp_path):
    table = examples()
    scorer = train(sf.Linear(crosses=2), table, tmp_path / "net", hashed={"ad": 1000})
    assert accuracy(scorer, part(table, "test")) > 0.97
    one = {"x": column(NUMBER, [0.0]), "ad": column(KINDS["ad"], ["ad 77"]), "page": column(KINDS["page"], ["page 1"])}
    known = {**one, "ad": column(KINDS["ad"], ["ad 1"])}
    assert scorer.score(known, 1)["click"][0] > 0.1 + scorer.score(one, 1)["click"][0]
    # In two buckets the six ads collide, and what they had to say of clicks is lost.
    few = train(sf.Linear(crosses=2), table, tmp_path / "few", hashed={"ad": 2})
    assert accuracy(few, part(table, "test")) < 0.9


def test_a_linear_model_over_leaves_says_what_the_trees_said(tmp_path):
    table = examples()
    trees = sf.Trees("trees", inputs=["x"], heads=[sf.Binary(CLICK)], rounds=40, learning_rate=0.3)
    train_trees(trees, table, list(KINDS), KINDS, tmp_path / "trees", seed=1, progress=lambda told: None)
    model = sf.Network("net", inputs=["x"], body=sf.Linear(), heads=[sf.Binary(CLICK)], training=QUICK)
    folder = tmp_path / "net"
    train_network(
        model, table, [], KINDS, folder, trees={"trees": tmp_path / "trees"}, seed=1, progress=lambda told: None
    )
    test, scorer = part(table, "test"), load(folder)
    assert accuracy(scorer, test) > 0.97
    assert scorer.names == set(KINDS), "it reads what the trees read"
    columns = {name: column(KINDS[name], test[name].slice(0, 5).to_pylist()) for name in KINDS}
    np.testing.assert_allclose(
        scorer.score(columns, 5)["click"], scorer.score_table(test.slice(0, 5))["click"], atol=1e-6
    )


@pytest.mark.parametrize("kind", ["network", "trees"])
def test_probabilities_are_those_of_all_rows_where_few_negatives_are_learned_from(kind, tmp_path):
    from sixfold.training.calibration import calibrate

    table = examples(40_000, rate=0.08)
    head = sf.Binary(CLICK, negatives=0.2)
    if kind == "network":
        train(sf.Linear(crosses=2), table, tmp_path / "net", head=head)
    else:
        trees = sf.Trees("trees", inputs=["x"], heads=[head], rounds=60)
        train_trees(trees, table, list(KINDS), KINDS, tmp_path / "net", seed=1, progress=lambda told: None)
    test = part(table, "test")
    mean = np.asarray(test["label.click"]).mean()
    assert load(tmp_path / "net").score_table(test)["click"].mean() > 2 * mean, (
        "as if negatives were as rare as learned"
    )
    calibrate([head], part(table, "validation"), tmp_path / "net")
    assert load(tmp_path / "net").score_table(test)["click"].mean() == pytest.approx(mean, rel=0.1)
