"""`sixfold new`: how it is called, what it never does, and reference systems as a start."""

import pytest
from running import sixfold

from sixfold.design import load
from sixfold.pipeline.locate import reference_systems

SYSTEMS = reference_systems()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop"], "say one of --like SYSTEM and --from FILES"),
        (["shop", "--like", "video", "--from", "a.csv"], "say one of --like SYSTEM and --from FILES"),
        (["my-shop", "--from", "a.csv"], "my-shop cannot name a system"),
        (["class", "--like", "video"], "class cannot name a system"),
        (["shop", "--like", "vidoe"], "vidoe is no reference system"),
        (["shop", "--from"], "requires an argument"),
        ([], "Missing argument"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = sixfold("new", *arguments)
    assert ended.status == 2
    assert said in " ".join(ended.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_written_over(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "design.py").write_text("mine")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for start in (["--from", tmp_path / "a.csv"], ["--like", next(iter(SYSTEMS))]):
        ended = sixfold("new", tmp_path / "shop", *start)
        assert ended.status == 1
        assert "shop is there already, and nothing is written over it" in ended.err
    assert (tmp_path / "shop" / "design.py").read_text() == "mine"


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_folder_like_a_reference_system_has_its_design_its_data_and_a_list_of_its_lines(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = sixfold("new", "mine", "--like", name)
    assert made.status == 0, made.err
    theirs, system = load(SYSTEMS[name] / "design.py"), load(tmp_path / "mine" / "design.py")
    assert (system.name, system.fingerprint) == ("mine", theirs.fingerprint)
    files = {path.name for path in (tmp_path / "mine").iterdir()}
    assert not {one for one in files if one.startswith(("truth", "tmp", "done"))}
    assert files > {"design.py", "README.md"}
    page = (tmp_path / "mine" / "README.md").read_text()
    for stream in (one for one in system.streams.values() if one.sources):
        assert f"line {stream.at.rpartition(':')[2]}: **Events `{stream.name}`**" in page
    for label in system.labels:
        assert f"**Label `{label.split('.')[0]}`**" in page
    monkeypatch.chdir(tmp_path / "mine")
    checked = sixfold("check", "design.py")
    assert checked.status == 0, checked.err
