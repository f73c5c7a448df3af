"""Items that were not there in training are found by what their title says, and by where they are."""

import numpy as np
import pyarrow as pa
import pytest
import torch

import sixfold as sf
from sixfold.design.kinds import NUMBER, PROSE, Kind
from sixfold.features.arrays import column
from sixfold.inference.encoding import fit
from sixfold.inference.models import load
from sixfold.models.towers import TowerPair
from sixfold.training.network import train_network
from sixfold.training.sides import SideNames
from sixfold.training.towers import TowerData, train_towers

KEY, INTEREST = Kind("text", domain="item"), Kind("text", domain="interest")
KINDS = {
    "item": KEY, "title": PROSE, "interest": INTEREST, "wish": PROSE,
    "lat": NUMBER, "lon": NUMBER, "home.lat": NUMBER, "home.lon": NUMBER,
}  # fmt: skip
WORDS = {
    "hike": ["mountain", "trail", "summit", "walking", "ridge", "forest"],
    "code": ["python", "coding", "software", "hackathon", "compiler", "database"],
    "dance": ["salsa", "tango", "ballroom", "dancing", "waltz", "swing"],
    "cook": ["baking", "kitchen", "recipes", "pasta", "supper", "bread"],
    "sing": ["choir", "karaoke", "singing", "opera", "chorus", "ballad"],
}
TOWNS = [
    (46.2, 6.1), (46.5, 6.6), (47.4, 8.5), (-17.7, 179.99), (-17.7, -179.5), (64.1, -21.9), (89.9, 10.0), (0.0, 0.0),
]  # fmt: skip
ITEMS, NEW, POSITIVES = 150, 100, 4000


def world(seed: int = 0) -> dict[str, np.ndarray]:
    """Items with a topic that their title tells, and a town that they are in; the last ones are new."""
    rng = np.random.default_rng(seed)
    topic, town = rng.choice(list(WORDS), ITEMS + NEW), rng.integers(0, len(TOWNS), ITEMS + NEW)
    titles = [" ".join(["our", *rng.choice(WORDS[one], 2, replace=False), "evening"]) for one in topic]
    place = np.array(TOWNS)[town] + rng.normal(0, 0.01, (ITEMS + NEW, 2))
    return {"topic": topic, "town": town, "title": np.array(titles), "lat": place[:, 0], "lon": place[:, 1]}


def items_of(of: dict[str, np.ndarray], rows: slice) -> pa.Table:
    keys = [f"item{at}" for at in range(ITEMS + NEW)]
    return pa.table({"item": pa.array(keys[rows]), **{n: pa.array(of[n][rows]) for n in ("title", "lat", "lon")}})


def queries(topic: np.ndarray, town: np.ndarray, rng: np.random.Generator) -> pa.Table:
    home = np.array(TOWNS)[town] + rng.normal(0, 0.01, (len(town), 2))
    wishes = [f"{rng.choice(WORDS[one])} please" for one in topic]
    return pa.table({"interest": topic, "wish": wishes, "home.lat": home[:, 0], "home.lon": home[:, 1]})


def trained(folder, matches: str, query: SideNames, item: SideNames):
    """Towers that learned from who picked an item that matches."""
    of, rng = world(), np.random.default_rng(1)
    picked = rng.integers(0, ITEMS, POSITIVES)
    topic, town = of["topic"][picked], of["town"][picked]
    if matches == "topic":
        town = rng.integers(0, len(TOWNS), POSITIVES)
    else:
        topic = rng.choice(list(WORDS), POSITIVES)
    positives = queries(topic, town, rng)
    part = np.where(np.arange(POSITIVES) % 10 == 0, "validation", "train")
    positives = positives.append_column("part", pa.array(part))
    items = items_of(of, slice(0, ITEMS))
    # Two periods, so that each title is there twice.
    period = np.arange(POSITIVES) % 2
    data = TowerData(positives, pa.concat_tables([items, items]), picked, period, ITEMS)
    model = sf.TwoTower(
        "towers", query=[], item=[], positives=sf.Label("picked", "picked"), size=16,
        text=sf.HashedText(size=16, filters=16, buckets=2**12, longest=16, dropout=0.1),
        training=sf.Training(epochs=4, batch_size=256, learning_rate=0.01, weight_decay=0.3),
    )  # fmt: skip
    names = {"query": query, "item": item}
    train_towers(model, data, names, KINDS, folder, key="item", seed=0, progress=lambda progress: None)
    return load(folder)


@pytest.fixture(scope="module")
def by_text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "towers"
    return trained(folder, "topic", SideNames(["interest", "wish"]), SideNames(["item", "title"]))


@pytest.fixture(scope="module")
def by_place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place") / "towers"
    sides = SideNames(["interest"], [("home.lat", "home.lon")]), SideNames(["item"], [("lat", "lon")])
    return trained(folder, "town", *sides)


def found(towers, matches: str, seed: int = 2) -> float:
    """Of the 5 new items that come first for new queries, the share that matches."""
    of, rng = world(), np.random.default_rng(seed)
    topic, town = rng.choice(list(WORDS), 200), rng.integers(0, len(TOWNS), 200)
    query_QD = towers.table("query", queries(topic, town, rng))
    item_ID = towers.table("item", items_of(of, slice(ITEMS, None)))
    first_QK = np.argsort(-(query_QD @ item_ID.T), 1)[:, :5]
    wanted = topic if matches == "topic" else town
    return float((of[matches][ITEMS:][first_QK] == wanted[:, None]).mean())


def test_new_items_are_found_by_their_title(by_text):
    assert found(by_text, "topic") > 0.9  # one in five by chance


def test_new_items_are_found_by_their_place(by_place):
    assert found(by_place, "town") > 0.9  # one in eight by chance


def test_a_text_alone_on_the_query_side_finds_them_too(by_text):
    wishes = pa.table({"interest": pa.nulls(2, pa.string()), "wish": ["a tango, please", "some karaoke"]})
    items = pa.table({"item": ["new1", "new2"], "title": ["tango night", "karaoke night"]})
    scores = by_text.table("query", wishes) @ by_text.table("item", items).T
    assert scores.argmax(1).tolist() == [0, 1]


def test_nearer_is_better_and_no_place_is_neutral(by_place):
    query = by_place.table("query", pa.table({"interest": ["hike"], "home.lat": [46.2], "home.lon": [6.1]}))
    lon = [6.1, 6.15, 6.3, 7.5, None]
    items = pa.table({"item": ["new"] * 5, "lat": [46.2] * 4 + [None], "lon": lon})
    scores = (query @ by_place.table("item", items).T)[0]
    assert (np.diff(scores[:4]) < 0).all()
    assert abs(scores[4] - scores[3]) < 0.3 * (scores[0] - scores[3])


@pytest.mark.parametrize("kind", ["by_text", "by_place"])
def test_tables_and_requests_have_the_same_vectors(kind, request):
    towers, of = request.getfixturevalue(kind), world()
    items = items_of(of, slice(ITEMS - 5, ITEMS + 5))
    columns = {name: column(KINDS[name], items[name].to_pylist()) for name in towers.names("item")}
    vector_ID = towers.item(columns, 10)
    np.testing.assert_allclose(vector_ID, towers.table("item", items), atol=1e-5)
    one = {name: column(KINDS[name], items[name].to_pylist()[7:8]) for name in towers.names("item")}
    np.testing.assert_allclose(towers.item(one, 1), vector_ID[7:8], atol=1e-5)
    query = queries(np.array(["hike"]), np.array([3]), np.random.default_rng(0))
    columns = {name: column(KINDS[name], query[name].to_pylist()) for name in towers.names("query")}
    np.testing.assert_allclose(towers.query(columns, 1), towers.table("query", query), atol=1e-5)
    assert towers.query(columns, 1).shape[1] == vector_ID.shape[1]


def test_a_network_reads_a_place(tmp_path):
    rng = np.random.default_rng(0)
    km = rng.uniform(-40, 40, (4000, 2))
    near = np.linalg.norm(km, axis=1) < 20
    lat, lon = 46.2 + km[:, 0] / 111.2, 6.1 + km[:, 1] / 111.2 / np.cos(np.radians(46.2))
    part = np.resize(["train", "train", "validation"], 4000)
    table = pa.table({"lat": lat, "lon": lon, "label.picked": near.astype(float), "part": part})
    model = sf.Network(
        "net", inputs=[], heads=[sf.Binary(sf.Label("picked", "picked"))], body=sf.Mlp(32),
        training=sf.Training(epochs=8, batch_size=128, learning_rate=0.01),
    )  # fmt: skip
    train_network(
        model, table, [], KINDS, tmp_path / "net", places=[("lat", "lon")], seed=0, progress=lambda progress: None
    )
    scorer = load(tmp_path / "net")
    assert (((scorer.score_table(table)["picked"] > 0.5) == near)[part == "validation"]).mean() > 0.95
    here = {"lat": column(NUMBER, [46.2]), "lon": column(NUMBER, [6.1])}
    assert scorer.names == {"lat", "lon"}
    assert scorer.score(here, 2)["picked"].tolist() == pytest.approx([1.0, 1.0], abs=0.1)


@pytest.mark.parametrize("placed", [True, False])
def test_half_of_the_keys_are_hidden_in_training_where_more_is_known_of_an_item(placed):
    table = pa.table({"item": [f"item{at}" for at in range(200)], "lat": np.zeros(200), "lon": np.zeros(200)})
    encoder = fit(table, KINDS, ["item"], places=[("lat", "lon")] if placed else [])
    towers = TowerPair(encoder, encoder, 8, "item")
    arrays = {name: torch.from_numpy(array) for name, array in encoder.encode_table(table).items()}
    torch.manual_seed(0)
    hidden_B = (towers.train().item(arrays)[:, :8] == 0).all(1)
    assert 70 < int(hidden_B.sum()) < 130 if placed else not hidden_B.any()
    assert not (towers.eval().item(arrays)[:, :8] == 0).all(1).any()
    assert not (towers.train().query(arrays)[:, :8] == 0).all(1).any()
