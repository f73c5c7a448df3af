"""A release is whole and verified; promoting and rolling back move one pointer."""

import hashlib
import json
import threading

import pytest
from small_release import DESIGN, SYSTEM, make, said

from sixfold.errors import NothingBefore, ReleaseDamaged, ReleaseMismatch, ReleaseMissing
from sixfold.registry import Release, Releases


@pytest.fixture
def releases(tmp_path) -> Releases:
    return Releases(tmp_path / "releases")


def test_a_release_holds_the_design_the_models_and_what_is_said_of_it(releases):
    made = make(releases, seed=3, metrics={"auc(bought)": {"value": 0.7}})
    opened = releases.open(made.id)
    assert (opened.id, opened.folder) == (made.id, releases.folder / made.id)
    manifest = opened.manifest
    assert (manifest.id, manifest.system, manifest.seed) == (made.id, "shop", 3)
    assert manifest.features == SYSTEM.fingerprint == opened.system.fingerprint
    assert manifest.metrics == {"auc(bought)": {"value": 0.7}}
    assert sorted(manifest.files) == ["design.py", "models/ranker/model.json", "models/ranker/model.onnx"]
    assert manifest.files["models/ranker/model.onnx"] == hashlib.sha256(b"weights").hexdigest()
    assert (opened.folder / "design.py").read_bytes() == DESIGN.read_bytes()
    assert (opened.has("ranker"), opened.has("tower")) == (True, False)


def test_ids_count_on_past_nine_and_name_the_content(releases):
    made = [make(releases, content="one" if n % 2 else "two").id for n in range(11)]
    assert releases.ids() == made
    assert [name.split("-")[0] for name in made] == [f"r{n}" for n in range(1, 12)]
    assert {name.split("-")[1] for name in made[::2]}.isdisjoint(name.split("-")[1] for name in made[1::2])
    assert len({name.split("-")[1] for name in made}) == 2


def test_ids_count_on_from_the_latest_and_not_from_how_many_there_are(releases):
    make(releases)
    second = make(releases)
    (releases.folder / releases.ids()[0] / "release.json").unlink()
    assert releases.ids() == [second.id]
    assert make(releases).id.startswith("r3-")


def test_where_nothing_changed_the_current_release_stays(releases):
    made = make(releases)
    releases.promote(made.id)
    assert make(releases, seed=9).id == made.id
    assert releases.ids() == [made.id]
    assert releases.open(made.id).manifest.seed == 0
    assert make(releases, content="other weights").id.startswith("r2-")


def test_a_release_that_was_cut_off_while_it_was_made_is_none(releases):
    releases.folder.mkdir()
    (releases.folder / ".building").mkdir()
    (releases.folder / ".building" / "left.onnx").write_text("half")
    assert releases.ids() == []
    made = make(releases)
    assert releases.ids() == [made.id]
    assert not (made.folder / "left.onnx").exists()


def test_a_changed_file_is_refused(releases):
    made = make(releases)
    path = made.folder / "models" / "ranker" / "model.onnx"
    path.write_text("Weights")
    with pytest.raises(ReleaseDamaged) as caught:
        releases.open(made.id)
    assert str(caught.value) == f"{path}: the release is damaged: its content changed since it was released"


def test_a_missing_file_is_refused(releases):
    made = make(releases)
    path = made.folder / "models" / "ranker" / "model.json"
    path.unlink()
    with pytest.raises(ReleaseDamaged) as caught:
        releases.open(made.id)
    assert str(caught.value) == f"{path}: the release is damaged: the file is missing"


def test_a_manifest_that_cannot_be_read_is_refused(releases):
    made = make(releases)
    path = made.folder / "release.json"
    path.write_text("half")
    with pytest.raises(ReleaseDamaged) as caught:
        releases.open(made.id)
    assert str(caught.value) == f"{path}: the release is damaged: JSON is malformed: invalid character (byte 0)"
    path.unlink()
    with pytest.raises(ReleaseDamaged) as caught:
        Release(made.folder)
    assert str(caught.value) == (f"{path}: the release is damaged: [Errno 2] No such file or directory: '{path}'")


def test_a_design_whose_features_changed_is_refused(releases):
    made = make(releases)
    design = made.folder / "design.py"
    design.write_text(design.read_text().replace('visits_7d=sf.count(window="7d")', 'visits_7d=sf.count(window="6d")'))
    manifest = json.loads((made.folder / "release.json").read_text())
    manifest["files"]["design.py"] = hashlib.sha256(design.read_bytes()).hexdigest()
    (made.folder / "release.json").write_text(json.dumps(manifest))
    with pytest.raises(ReleaseMismatch) as caught:
        releases.open(made.id)
    changed = caught.value.expected
    assert changed != SYSTEM.fingerprint
    assert str(caught.value) == (
        f"release {made.id} does not fit: its feature definitions have fingerprint {SYSTEM.fingerprint}, "
        f"the design's have {changed}"
    )


def test_a_release_that_is_not_there_is_named_with_those_that_are(releases):
    with pytest.raises(ReleaseMissing) as caught:
        releases.open("r9")
    assert str(caught.value) == f"{releases.folder} has no release 'r9' (it has none). Make one with `sixfold run`."
    one, two = make(releases), make(releases)
    with pytest.raises(ReleaseMissing) as caught:
        releases.promote("r9")
    assert str(caught.value) == (
        f"{releases.folder} has no release 'r9' (it has {one.id}, {two.id}). Make one with `sixfold run`."
    )


def test_the_current_release_is_the_one_promoted_last(releases):
    assert releases.current() is None
    one, two = make(releases), make(releases)
    assert releases.current() is None
    releases.promote(two.id)
    assert releases.current() == two.id
    releases.promote(one.id)
    assert Releases(releases.folder).current() == one.id


def test_a_rollback_goes_back_step_by_step_and_no_further_than_the_first(releases):
    made = [make(releases).id for _ in range(3)]
    for name in made:
        releases.promote(name)
    assert (releases.rollback(), releases.current()) == (made[1], made[1])
    assert (releases.rollback(), releases.current()) == (made[0], made[0])
    with pytest.raises(NothingBefore) as caught:
        releases.rollback()
    assert str(caught.value) == (
        f"{releases.folder}: no release served before {made[0]}, so there is nothing to roll back to. "
        f"Promote one by its name: {made[1]}, {made[2]}."
    )
    assert releases.current() == made[0]


def test_a_rollback_to_a_damaged_release_is_refused_and_the_pointer_stays(releases):
    bad, good = make(releases), make(releases, content="other weights")
    for made in (bad, good):
        releases.promote(made.id)
    (bad.folder / "models" / "ranker" / "model.onnx").write_text("")
    with pytest.raises(ReleaseDamaged):
        releases.rollback()
    assert releases.current() == good.id


def test_a_release_that_cannot_be_opened_is_not_listed(releases, tmp_path):
    design = tmp_path / "broken.py"
    design.write_text(DESIGN.read_text().replace('visits_7d=sf.count(window="7d")', 'visits_7d=sf.count(window="6d")'))
    (tmp_path / "models" / "ranker").mkdir(parents=True)
    (tmp_path / "models" / "ranker" / "model.json").write_text("{}")
    with pytest.raises(ReleaseMismatch) as caught:
        releases.add(SYSTEM, design, tmp_path / "models", ["ranker"], said())
    assert str(caught.value).startswith("release r1-")
    assert releases.ids() == []
    assert make(releases).id.startswith("r1-")


def test_a_damaged_release_that_serves_does_not_keep_the_next_from_being_made(releases):
    bad = make(releases)
    releases.promote(bad.id)
    (bad.folder / "models" / "ranker" / "model.onnx").write_text("")
    good = make(releases)
    assert good.id.startswith("r2-")
    releases.promote(good.id)
    assert releases.current() == good.id


def test_promoting_what_serves_already_leaves_the_way_back(releases):
    first, second = make(releases), make(releases)
    for made in (first, second, second):
        releases.promote(made.id)
    assert releases.rollback() == first.id


def test_a_damaged_release_is_not_promoted_and_the_pointer_stays(releases):
    good, bad = make(releases), make(releases)
    releases.promote(good.id)
    (bad.folder / "models" / "ranker" / "model.onnx").write_text("")
    with pytest.raises(ReleaseDamaged):
        releases.promote(bad.id)
    assert releases.current() == good.id


def test_who_reads_while_the_pointer_moves_sees_one_release_or_the_other(releases):
    names = [make(releases).id for _ in range(2)]
    releases.promote(names[0])
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            seen.add(releases.current())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        releases.promote(names[1])
        releases.rollback()
    done.set()
    reader.join()
    assert seen <= set(names)


def test_a_pointer_that_was_cut_off_while_it_was_written_counts_for_nothing(releases):
    made = make(releases)
    releases.promote(made.id)
    (releases.folder / ".promoted").write_text("r9-")
    assert releases.current() == made.id
    other = make(releases, content="other weights")
    releases.promote(other.id)
    assert releases.current() == other.id
