"""Where a reference system finds no data, its world's data has gates of its own."""

import shutil
from pathlib import Path

from sixfold.pipeline.locate import locate, sample_gates

SHOP = Path(__file__).parents[1] / "serving" / "shop_design.py"
TOLD = """
data = "{data}"
world = "world.py"
[world_gates]
"auc(bought) >= 0.9" = "auc(bought) >= 0.6"
[sample_gates]
"auc(bought) >= 0.5" = "auc(bought) >= 0.4"
"""


def reference(folder, data):
    made = folder / "systems" / "corner"
    made.mkdir(parents=True)
    text = SHOP.read_text().replace("gates=[]", 'gates=["auc(bought) >= 0.9", "auc(bought) >= 0.5"]')
    (made / "design.py").write_text(text)
    (made / "system.toml").write_text(TOLD.format(data=data))
    (made / "world.py").write_text("import pathlib, sys\npathlib.Path(sys.argv[1]).mkdir(parents=True)\n")
    return made


def test_generated_data_is_measured_by_the_gates_of_its_world_and_the_design_stays_as_it_is(tmp_path, monkeypatch):
    made = reference(tmp_path, "nowhere")
    monkeypatch.chdir(tmp_path)
    job = locate("corner").job(data=None, workdir=tmp_path / "work", seed=0)
    assert job.data == tmp_path / "work" / "generated"
    assert [gate.text for gate in job.system.gates] == ["auc(bought) >= 0.6", "auc(bought) >= 0.5"]
    assert job.original == made / "design.py"
    assert [gate.text for gate in locate("corner").system.gates] == ["auc(bought) >= 0.9", "auc(bought) >= 0.5"]
    assert list(sample_gates(made)) == ["auc(bought) >= 0.9", "auc(bought) >= 0.5"], "a sample is generated, and small"


def test_data_that_is_there_is_measured_by_the_gates_of_the_design(tmp_path, monkeypatch):
    made = reference(tmp_path, "shop")
    shutil.copytree(made, tmp_path / "found" / "shop")
    monkeypatch.setenv("SIXFOLD_DATA", str(tmp_path / "found"))
    monkeypatch.chdir(tmp_path)
    for data in (None, tmp_path):
        job = locate("corner").job(data=data, workdir=tmp_path / "work", seed=0)
        assert (job.design, job.original) == (made / "design.py", None)
