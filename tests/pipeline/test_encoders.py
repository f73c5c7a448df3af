"""Transformers and image encoders are found before anything is read; that one is missing is told with its line."""

from pathlib import Path

import pytest

from sixfold import cli
from sixfold.design import load
from sixfold.errors import DesignError, EncoderMissing
from sixfold.pipeline.encoders import encoder_marks, find_encoders

DESIGN = """
import sixfold as sf
post = sf.Entity("post")
posts = sf.Events("posts", [], post.key(), time=sf.Time("at", unit="s"), text=sf.Text(), photo=sf.Image(),
    good=sf.Flag(), likes=sf.Category())
good = sf.Label("good", "good")
judge = sf.Network("judge", inputs=[posts.text, posts.photo], heads=[sf.Binary(good)],
    text=sf.Transformer("folder"),
    image=sf.OnnxImage("encoder.onnx", size=8))
system = sf.System("talk", sf.Requirements(goal="x"),
    sf.Framing(query=post, examples=posts, context=[posts.text, posts.photo, posts.likes], labels=[good]),
    sf.Data(posts), sf.Models(judge), sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(good)"]),
    sf.Deployment(predict=judge))
"""
FILES = ("config.json", "tokenizer.json", "model.safetensors")


def written(folder, text=DESIGN):
    (folder / "design.py").write_text(text)
    return folder / "design.py"


def test_they_are_found_beside_the_design_and_their_files_are_watched(tmp_path):
    design = written(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in FILES:
        (tmp_path / "folder" / name).write_text("{}")
    (tmp_path / "encoder.onnx").write_bytes(b"x")
    system = load(design)
    found = find_encoders(system, design)
    assert list(found.values()) == [tmp_path / "folder", tmp_path / "encoder.onnx"]
    before = encoder_marks(system.models["judge"], found)
    (tmp_path / "encoder.onnx").write_bytes(b"other")
    assert encoder_marks(system.models["judge"], found) != before


def test_an_installed_package_carries_one_and_is_not_imported(tmp_path, monkeypatch):
    design = written(tmp_path, DESIGN.replace('"folder"', '"carrying-one"'))
    (tmp_path / "encoder.onnx").write_bytes(b"x")
    own = tmp_path / "packages" / "carrying_one"
    (own / "model").mkdir(parents=True)
    (own / "__init__.py").write_text("raise RuntimeError('imported')")
    for name in FILES:
        (own / "model" / name).write_text("{}")
    told = tmp_path / "packages" / "carrying_one-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: carrying-one\nVersion: 1.0\n")
    (told / "RECORD").write_text("".join(f"carrying_one/model/{name},,\n" for name in FILES))
    monkeypatch.syspath_prepend(tmp_path / "packages")
    assert next(iter(find_encoders(load(design), design).values())) == own / "model"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ((), "design.py:8: Transformer('folder') is not there: neither {folder} is a folder nor a package of that name "
             "is installed. Put a folder with config.json, tokenizer.json, model.safetensors there."),
        (FILES[:2], "design.py:8: Transformer('folder') is not there: {folder} lacks model.safetensors"),
        (FILES, "design.py:9: OnnxImage('encoder.onnx') is not there: {image} is no file. Its path begins beside the "
                "design file."),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_its_line_by_check_and_by_run(tmp_path, there, said, capsys):
    design = written(tmp_path)
    for name in there:
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / name).write_text("{}")
    with pytest.raises(EncoderMissing) as caught:
        find_encoders(load(design), design)
    assert str(caught.value) == said.format(folder=tmp_path / "folder", image=tmp_path / "encoder.onnx")
    for command in (["check", design], ["run", design, "--workdir", tmp_path / "work"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(one) for one in command])
        assert ended.value.code == 1
        assert "is not there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('text=sf.Transformer("folder")', "text=[]", "a HashedText(…), a Transformer(…) or a list of them"),
        ('text=sf.Transformer("folder")', "text=[sf.HashedText(), sf.HashedText(size=9)]", "one HashedText at most"),
        ('sf.Transformer("folder")', 'sf.Transformer("")', "source must be a folder or the name"),
        ('sf.Transformer("folder")', 'sf.Transformer("folder", longest=2)', "longest must be a whole number from 4"),
        ('sf.Transformer("folder")', 'sf.Transformer("folder", tune=1)', "tune must be True or False"),
        ('sf.Transformer("folder")', 'sf.Transformer("folder", learning_rate=0)', "learning_rate must be above 0"),
        ("size=8", "size=(8, 0)", "size must be a height and a width"),
        ("size=8", "size=8, std=(1, 1, 0)", "std must be three numbers above 0"),
        ("size=8", 'size=8, channels="middle"', "channels must be first or last"),
        (
            ',\n    image=sf.OnnxImage("encoder.onnx", size=8)',
            "",
            "image must be an OnnxImage(…), which reads posts.photo",
        ),
        ('image=sf.OnnxImage("encoder.onnx", size=8)', 'image="encoder.onnx"', "image must be an OnnxImage(…)"),
        ("heads=[sf.Binary(good)],", "heads=[sf.Binary(good)], body=sf.Fm(),", "which Fm does not read"),
        ("posts.photo], heads", "sf.Hashed(posts.photo)], heads", "around a text or a key"),
    ],
)
def test_what_cannot_be_is_refused_when_the_design_is_built(tmp_path, old, new, said):
    assert old in DESIGN
    with pytest.raises(DesignError) as caught:
        load(written(tmp_path, DESIGN.replace(old, new)))
    assert said in str(caught.value)
    assert "design.py:" in str(caught.value)


def test_trees_refuse_an_image_and_a_derived_text_is_none(tmp_path):
    trees = DESIGN.replace('sf.Network("judge"', 'sf.Trees("judge"').replace('text=sf.Transformer("folder"),', "")
    trees = trees.replace(',\n    \n    image=sf.OnnxImage("encoder.onnx", size=8)', "").replace(
        "posts.text, posts.photo], heads", "posts.photo], heads"
    )
    derived = DESIGN.replace("good = sf.Label", 'more = sf.Derived("more", p=sf.Image("posts.likes"))\ngood = sf.Label')
    derived = derived.replace("sf.Data(posts)", "sf.Data(posts, more)")
    for text, said in (
        (trees, "other than an Image, which Trees does not read"),
        (derived, "of a column that is an Image"),
    ):
        with pytest.raises(DesignError) as caught:
            load(written(tmp_path, text))
        assert said in str(caught.value)


def test_a_path_is_taken_from_the_design_s_folder_wherever_the_command_is_run(tmp_path, monkeypatch):
    design = written(tmp_path, DESIGN.replace('text=sf.Transformer("folder"),', ""))
    (tmp_path / "encoder.onnx").write_bytes(b"x")
    monkeypatch.chdir(Path("/"))
    assert list(find_encoders(load(design), design).values()) == [tmp_path / "encoder.onnx"]
