"""An image is the base64 text of a JPEG or PNG file: in files and posted alike, and refused with the reason if not."""

import json
from base64 import b64encode
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import sixfold as sf
from sixfold.data.images import MAX_BYTES, NoImage, image_problem, opened
from sixfold.data.ingest import ingest_schemas
from sixfold.data.rows import RowChecker
from sixfold.design import resolve

PIXELS = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)


def encoded(picture, kind="PNG", **more):
    picture.save(file := BytesIO(), kind, **more)
    return file.getvalue()


PNG, JPEG = encoded(Image.fromarray(PIXELS)), encoded(Image.fromarray(PIXELS), "JPEG")
HUGE = encoded(Image.new("1", (6000, 6000)))
WRONG = {
    "not base64!": "is not base64",
    "": "is not a JPEG or PNG file",
    b64encode(b"GIF89a").decode(): "is not a JPEG or PNG file",
    b64encode(PNG[:300]).decode(): "is a damaged image (",
    b64encode(HUGE).decode(): "is an image of more than 25 million pixels",
    "A" * (MAX_BYTES * 4 // 3 + 8): "is an image of more than 2 MB",
    "\x00": "is not base64",
    "é": "is not base64",
}


def base64(raw):
    return b64encode(raw).decode()


@pytest.mark.parametrize(
    "raw", [PNG, JPEG, encoded(Image.fromarray(PIXELS).convert("L")), encoded(Image.new("RGBA", (1, 1)))]
)
def test_an_image_is_opened_in_three_colours(raw):
    assert image_problem(base64(raw)) == ""
    assert opened(base64(raw)).mode == "RGB"


def test_a_photograph_taken_upright_is_shown_upright():
    turned = Image.Exif()
    turned[0x0112] = 6
    assert opened(base64(encoded(Image.fromarray(PIXELS), "JPEG", exif=turned))).size == (24, 32)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_image_is_told_why(text):
    assert image_problem(text).startswith(WRONG[text])
    with pytest.raises(NoImage):
        opened(text)


def schema(source):
    post = sf.Entity("post")
    columns = {"time": sf.Time("at", unit="s"), "photo": sf.Image("picture")}
    return resolve.stream(sf.Events("posts", source, post.key(), **columns))


def ingested(folder, source):
    report = ingest_schemas([schema(source)], "UTC", folder, folder / "in", now_us=10**13)
    (path,) = (folder / "in" / "posts").glob("files-*.parquet")
    refused = [json.loads(line) for line in (folder / "quarantine" / "posts.jsonl").read_text().splitlines()]
    return report, pq.read_table(path).to_pylist(), refused


@pytest.mark.parametrize("form", ["binary", "text", "csv", "jsonl"])
def test_files_hold_bytes_or_base64_and_a_broken_image_is_refused(tmp_path, form):
    raws, posts = [PNG, b"GIF89a", None, JPEG], ["a", "b", "c", "d"]
    values = [raw if raw is None or form == "binary" else base64(raw) for raw in raws]
    rows = [{"post": post, "at": at, "picture": value} for at, (post, value) in enumerate(zip(posts, values), 1)]
    if form in ("binary", "text"):
        kind = pa.binary() if form == "binary" else pa.string()
        fields = pa.schema([("post", pa.string()), ("at", pa.int64()), ("picture", kind)])
        pq.write_table(pa.Table.from_pylist(rows, fields), tmp_path / "p.parquet")
        source = sf.Parquet("p.parquet")
    elif form == "csv":
        lines = ["post,at,picture", *(f"{row['post']},{row['at']},{row['picture'] or ''}" for row in rows)]
        (tmp_path / "p.csv").write_text("\n".join(lines))
        source = sf.Csv("p.csv")
    else:
        (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
        source = sf.JsonLines("p.jsonl")
    report, kept, refused = ingested(tmp_path, source)
    assert [(row["post"], row["photo"]) for row in kept] == [("a", base64(PNG)), ("c", None), ("d", base64(JPEG))]
    assert [one["reason"] for one in refused] == ["picture: is not a JPEG or PNG file"]
    assert report.sources[0].refused == 1


def test_posted_rows_are_checked_by_the_same_words():
    rows = [{"post": "a", "at": 1, "picture": base64(PNG)}, {"post": "b", "at": 1, "picture": 7}]
    rows += [{"post": "c", "at": 1, "photo": base64(PNG[:300])}, {"post": "d", "at": 1, "picture": None}]
    checked = RowChecker(schema([]), "UTC").check(rows, 10**13)
    assert checked.indices == [0, 3]
    assert [one.index for one in checked.refused] == [1, 2]
    assert checked.refused[0].reason == "picture: is not base64"
    assert checked.refused[1].reason.startswith("photo: is a damaged image (")
