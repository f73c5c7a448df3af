"""Posts of a text and an image: labels that need both, from files to answers, erased like anything else."""

import shutil
from base64 import b64encode
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from running import ask, sixfold

from sixfold.data.rows import RowChecker
from sixfold.design import load
from sixfold.errors import InvalidRequest, ReleaseDamaged
from sixfold.registry import Releases
from sixfold.serving.erase import erase

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries that train and record, as in a run of the command
]

START_S, COLOURS = 1_767_225_600, {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
DESIGN = """
import sixfold as sf

post = sf.Entity("post")
posts = sf.Events("posts", sf.Parquet("posts.parquet"), post.key(), time=sf.Time("at", unit="s"),
    text=sf.Text(), photo=sf.Image(), fits=sf.Flag())
fits = sf.Label("fits", "fits")
words, looks = sf.HashedText(size=16, filters=16, buckets=2**12), sf.OnnxImage("encoder.onnx", size=(16, 16))
def network(name, inputs, **more):
    return sf.Network(name, inputs=inputs, heads=[sf.Binary(fits)], body=sf.Mlp(64), **more,
        training=sf.Training(epochs=12, batch_size=64, learning_rate=0.005, patience=12))
both = network("both", [posts.text, posts.photo], text=words, image=looks)
reads = network("reads", [posts.text], text=words)
sees = network("sees", [posts.photo], image=looks)
system = sf.System("captions",
    sf.Requirements(goal="Captions say what is there"),
    sf.Framing(query=post, examples=posts, context=[posts.text, posts.photo], labels=[fits]),
    sf.Data(posts), sf.Models(both, reads, sees),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(fits)"],
        gates=["auc(fits) beats reads.auc(fits)", "auc(fits) beats sees.auc(fits)"]),
    sf.Deployment(predict=both, policy=[sf.Action("review", on="1 - fits", recall=0.8)]))
"""


def picture(colour, rng):
    """A noisy picture with a spot of that colour somewhere; as the bytes of a file."""
    pixels = rng.normal(120, 20, (20, 24, 3))
    y, x = rng.integers(2, 10, 2)
    pixels[y : y + 8, x : x + 8] = COLOURS[colour] + rng.normal(0, 20, (8, 8, 3))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    image.save(file := BytesIO(), *rng.choice(["PNG", "JPEG"], 1))
    return file.getvalue()


def as_pixels(raw):
    """As an encoder reads it: by hand, so that what Sixfold does is compared with it."""
    small = Image.open(BytesIO(raw)).convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
    scaled = (np.asarray(small, np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.tensor(scaled.transpose(2, 0, 1), dtype=torch.float32)


def train_encoder(path):
    """A small convolutional network that learned colours, without its last layer."""
    torch.manual_seed(0)
    rng = np.random.default_rng(7)
    names = rng.choice([*COLOURS], 400)
    x = torch.stack([as_pixels(picture(name, rng)) for name in names])
    y = torch.tensor([[*COLOURS].index(name) for name in names])
    encoder = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten()
    )
    whole = torch.nn.Sequential(encoder, torch.nn.Linear(8, 3))
    optimizer = torch.optim.Adam(whole.parameters(), lr=0.01)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(whole(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((whole(x).argmax(1) == y).float().mean()) > 0.95
    torch.onnx.export(
        encoder.eval(), (x[:2],), str(path), input_names=["pixels"], output_names=["vector"],
        dynamic_shapes=({0: torch.export.Dim("rows")},), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    """A post says a colour and shows one; it fits where they are the same. One in twenty shows nothing."""
    folder, rng = tmp_path_factory.mktemp("captions"), np.random.default_rng(1)
    rows = []
    for at in range(1500):
        said, shown = rng.choice([*COLOURS], 2)
        shown = said if rng.random() < 0.25 else shown
        words = [*rng.choice(["the", "spot", "here", "is", "so", "very"], 4), said]
        rng.shuffle(words)
        photo = None if rng.random() < 0.05 else picture(shown, rng)
        fits = photo is not None and said == shown
        rows.append({"post": f"p{at}", "at": START_S + at * 60, "text": " ".join(words), "photo": photo, "fits": fits})
    rows[3]["photo"] = b"GIF89a"
    pq.write_table(pa.Table.from_pylist(rows), folder / "posts.parquet")
    train_encoder(folder / "encoder.onnx")
    (folder / "design.py").write_text(DESIGN)
    return folder


@pytest.fixture(scope="module")
def ran(captions):
    ended = sixfold("run", captions / "design.py", "--workdir", captions / "work", "--json")
    assert ended.status == 0, ended.err
    return ended.json


def answers(captions, ran, rows):
    reply, records = ask(captions / "work", ran["release"], rows, (START_S + 1500 * 60) * 1_000_000)
    return reply["rows"], records


def base64(raw):
    return b64encode(raw).decode()


def test_a_label_that_needs_text_and_image_is_learned_from_both_and_from_neither_alone(ran):
    assert ran["metrics"]["auc(fits)"]["value"] > 0.95
    assert ran["baselines"]["reads.auc(fits)"]["value"] < 0.65
    assert ran["baselines"]["sees.auc(fits)"]["value"] < 0.75  # where nothing is shown, nothing fits
    assert ran["rows"]["posts.parquet"]["refused"] == 1


def test_an_answer_reads_both_and_its_record_holds_a_hash_of_the_image(captions, ran):
    rng = np.random.default_rng(5)
    shown = [picture(colour, rng) for colour in ("red", "blue", "green")]
    rows = [{"post": f"n{at}", "text": "the spot is red", "photo": base64(raw)} for at, raw in enumerate(shown)]
    rows += [{"post": "n3", "text": "the spot is red", "photo": None}, {"post": "n4", "text": "😀" * 50_000}]
    found, records = answers(captions, ran, rows)
    assert [one["fits"] > 0.5 for one in found] == [True, False, False, False, False]
    assert all(record["context"]["posts.photo"].startswith("sha256:") for record in records[:3])
    assert records[3]["context"]["posts.photo"] is None
    many, _ = answers(captions, ran, rows * 60)
    np.testing.assert_allclose([one["fits"] for one in many], [one["fits"] for one in found] * 60, atol=1e-5)


def test_a_broken_image_is_refused_with_the_reason(captions, ran):
    with pytest.raises(InvalidRequest) as caught:
        answers(captions, ran, [{"post": "n", "text": "red", "photo": "R0lGODlh"}])
    rule = "the base64 text of a JPEG or PNG file of at most 2 MB"
    assert str(caught.value) == f"photo must be {rule}, got 'is not a JPEG or PNG file'"
    system = Releases(captions / "work" / "releases").open(ran["release"]).system
    rows = [{"post": "n", "at": START_S, "photo": "R0lGODlh"}, {"post": "n", "at": START_S, "photo": None}]
    checked = RowChecker(system.streams["posts"], "UTC").check(rows, START_S * 1_000_000)
    assert (checked.indices, [one.reason for one in checked.refused]) == ([1], ["photo: is not a JPEG or PNG file"])


def test_a_release_is_whole_without_the_encoder_s_source_and_sees_that_its_copy_changed(captions, ran):
    source, away = captions / "encoder.onnx", captions / "encoder.away"
    source.rename(away)
    try:
        found, _ = answers(captions, ran, [{"post": "n", "text": "red", "photo": None}])
        assert found[0]["fits"] < 0.5
    finally:
        away.rename(source)
    copy = captions / "work" / "releases" / ran["release"] / "models" / "both" / "image.onnx"
    before = copy.read_bytes()
    assert before == source.read_bytes()
    copy.write_bytes(before[:-1])
    with pytest.raises(ReleaseDamaged, match="its content changed since it was released"):
        Releases(captions / "work" / "releases").open(ran["release"])
    copy.write_bytes(before)


def test_an_erased_post_takes_its_image_and_the_vectors_of_the_run_along(captions, ran, tmp_path):
    shutil.copytree(captions / "work", work := tmp_path / "work")
    photo = base64(pq.read_table(captions / "posts.parquet", filters=[("post", "=", "p5")])["photo"][0].as_py())
    assert list((work / "steps" / "encoders").glob("*.vectors"))
    assert photo in _photos(work)
    erase(load(captions / "design.py"), work, "post", "p5", now_us=0)
    assert photo not in _photos(work)
    assert list(work.rglob("*.vectors")) == []


def _photos(work):
    files = (work / "ingested" / "posts").glob("*.parquet")
    return {photo for path in files for photo in pq.read_table(path)["photo"].to_pylist()}


def test_what_is_no_encoder_is_told_with_the_design_s_line(captions, tmp_path):
    for name in ("design.py", "posts.parquet"):
        shutil.copy(captions / name, tmp_path / name)
    (tmp_path / "encoder.onnx").write_bytes(b"nothing")
    ended = sixfold("run", tmp_path / "design.py", "--workdir", tmp_path / "work")
    assert ended.status == 1
    assert "design.py:8: OnnxImage('encoder.onnx') cannot be used: " in " ".join(ended.err.split())
