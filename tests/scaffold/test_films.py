"""From ratings, movies, tags and links to a release, without a line changed."""

import subprocess
import sys

import pytest
from film_data import write_films
from running import sixfold

from sixfold.design import load

pytestmark = pytest.mark.filterwarnings("default")  # of the libraries that train and record, as in a run of the command


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    write_films(folder / "data", 30_000)
    made = sixfold("new", folder / "films", "--from", *sorted((folder / "data").glob("*.csv")))
    assert made.status == 0, made.err
    return folder / "films", made


def test_what_is_proposed_is_what_one_would_write(films):
    system = load(films[0] / "design.py")
    assert (system.query, system.item, system.examples.name) == ("user", "movie", "ratings")
    assert {name: str(label.value.text) for name, label in system.labels.items()} == {
        "liked": "rating >= 4",
        "rating": "rating",
    }
    assert set(system.tables) == {"movies"}
    assert set(system.streams) == {"ratings", "tags"}
    assert system.streams["ratings"].time.unit == "s"
    (genre,) = system.tables["movies"].links
    assert (genre.entity, genre.split, genre.is_list) == ("genre", "|", True)
    assert system.features["genre_taste"].entities == ("user", "genre")
    assert [one.text for one in system.filters] == ["not contains(memory.seen, movie)"]
    assert next(gate.text for gate in system.gates) == "recall@20 beats popular.recall@20"


def test_each_guess_stands_beside_its_evidence_and_what_is_open_is_listed_with_its_line(films):
    lines = (films[0] / "design.py").read_text().splitlines()
    text = "\n".join(lines)
    assert "all in movies.csv" in text
    assert 'sf.Csv("../data/ratings.csv")' in text, "the data stays where it is"
    told = [line for line in films[1].out.splitlines() if "design.py:" in line and not line.startswith(str(films[0]))]
    assert len(told) == sum(line.startswith("# TODO(you):") for line in lines) == 3
    for line in told:
        number = int(line.split("design.py:")[1].split(":")[0])
        assert lines[number - 1].startswith("# TODO(you):")
    assert max(map(len, lines)) < 120


def test_it_is_written_as_a_formatter_would(films):
    command = [sys.executable, "-m", "ruff", "format", "--check", "--line-length", "120", str(films[0] / "design.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_its_page_runs_as_it_is_and_lists_each_part_with_its_line(films):
    page = (films[0] / "README.md").read_text()
    assert "nothing was copied" in page
    lines = (films[0] / "design.py").read_text().splitlines()
    for part in ('"movies",', '"ratings",', '"taste",'):
        opened = next(number for number, line in enumerate(lines) if line.strip() == part)
        assert f"line {opened}: " in page or f"line {opened + 1}: " in page
    for command in ("sixfold check design.py --data", "sixfold run design.py", "sixfold serve design.py"):
        assert command in page


def test_check_and_run_pass_as_the_page_says(films, monkeypatch):
    monkeypatch.chdir(films[0])
    checked = sixfold("check", "design.py", "--data")
    assert checked.status == 0, checked.out
    assert "No input was found to know a label" in checked.out
    ran = sixfold("run", "design.py", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["release"] is not None
    assert all(gate["passed"] for gate in ran.json["gates"])
    assert ran.json["rows"]["../data/ratings.csv"]["refused"] == 0
