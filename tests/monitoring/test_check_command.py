"""`sixfold check --data`: what it prints, as a table and as JSON, and how it ends."""

import json

import pytest
from leaky_shop import write_log
from running import sixfold


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_log(folder)
    (folder / "clean.py").write_text("from leaky_shop import shop\nsystem = shop()\n")
    (folder / "leaky.py").write_text("from leaky_shop import shop\nsystem = shop(known=None)\n")
    return folder


def test_without_data_nothing_is_read(folder):
    status, printed, _ = sixfold("check", folder / "leaky.py")
    assert status == 0
    assert "3 Data" in printed
    assert "LEAK" not in printed
    assert not (folder / "work").exists()


def test_data_without_a_folder_is_where_a_run_takes_it(folder):
    status, printed, _ = sixfold("check", folder / "clean.py", "--workdir", folder / "work", "--data")
    assert status == 0
    assert "No input was found to know a label (6 inputs, 12,000 examples, " in printed
    assert "views.waited_s" in printed
    page = (folder / "work" / "data.html").read_text()
    assert "<figcaption>views.waited_s<small>" in page
    assert page.count("<svg") == page.count("<figure>") > 3


def test_a_leak_is_printed_and_ends_the_command_with_1(folder):
    status, printed, _ = sixfold("check", folder / "leaky.py", "--data", folder, "--workdir", folder / "work")
    assert status == 1
    assert "habit.rate sees outcomes before they came about (outcome)" in printed
    assert "path   moment.keen <- habit.rate <- views.bought, read by trees" in printed
    assert printed.splitlines()[-1].startswith("2 leaks (6 inputs, 12,000 examples, ")


def test_json_is_one_object_that_says_all(folder):
    status, printed, _ = sixfold("check", folder / "leaky.py", "--data", "--json", "--workdir", folder / "work")
    said = json.loads(printed)
    assert status == 1
    assert set(said) == {"passed", "rows", "drift", "measures", "checks", "leaks", "strongest", "unprobed", "seconds"}
    assert [(leak["kind"], leak["name"]) for leak in said["leaks"]] == [
        ("outcome", "demand.sold_3d"), ("outcome", "habit.rate"),
    ]  # fmt: skip
    assert {"measure": "rows", "of": "views", "value": 12000.0} in said["measures"]
    assert said["rows"]["log.parquet"] == {"read": 12000, "duplicates": 0, "refused": 0}
