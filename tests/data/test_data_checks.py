"""What data looks like, measured, and checks of a design that hold or do not."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

import sixfold as sf
from sixfold.data.checks import profile
from sixfold.data.ingest import ingest
from sixfold.data.ingested import Ingested
from sixfold.errors import InvalidMetric, UnknownInMetric

PLAYS = """member,song,at,liked,seconds
a,x,0,1,10
a,y,3600,0,-5
b,x,7200,,20
b,zz,36000,1,
b,zz,36000,1,
"""
SONGS = "song,label\nx,l\ny,l\n"


def make_system(*checks: str) -> sf.System:
    member, song = sf.Entity("member"), sf.Entity("song")
    songs = sf.Table("songs", sf.Csv("songs.csv"), song.key("song"), label=sf.Category())
    plays = sf.Events(
        "plays",
        sf.Csv("plays.csv"),
        member.key("member"),
        song.key("song"),
        time=sf.Time("at", unit="s"),
        liked=sf.Flag(),
        seconds=sf.Number(),
    )
    taste = sf.Features("taste", member, plays, n=sf.count())
    liked = sf.Label("liked", "liked")
    trees = sf.Trees("trees", inputs=[taste], heads=[sf.Binary(liked)])
    return sf.System(
        "music",
        sf.Requirements(goal="Play on"),
        sf.Framing(query=member, item=song, examples=plays, labels=[liked]),
        sf.Data(songs, plays, taste, checks=checks),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(liked)"]),
        sf.Deployment(predict=trees, value="liked"),
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plays.csv").write_text(PLAYS)
    (tmp_path / "songs.csv").write_text(SONGS)
    return tmp_path


def profiled(folder, *checks):
    system = make_system(*checks)
    report = ingest(system, folder, folder / "ingested", now_us=10**15)
    with closing(duckdb.connect()) as con:
        return profile(con, system, Ingested.of(system, folder / "ingested"), report)


def test_rows_nulls_ranges_unknown_keys_gaps_and_duplicates_are_measured(folder):
    found = profiled(folder).measures
    assert found["rows", "plays", None] == 4
    assert found["nulls", "plays", "liked"] == 0.25
    assert (found["min", "plays", "seconds"], found["max", "plays", "seconds"]) == (-5, 20)
    assert found["unknown", "plays", "song"] == 0.25
    assert found["gap_h", "plays", None] == 8
    assert found["duplicates", "plays", None] == 0.2
    assert found["distinct", "songs", "song"] == 2
    assert ("unknown", "plays", "member") not in found, "no table has members"


def test_a_row_of_a_table_without_a_key_is_refused_and_hides_no_unknown_key(folder):
    (folder / "songs.csv").write_text(SONGS + ",m\n")
    found = profiled(folder).measures
    assert (found["rows", "songs", None], found["refused", "songs", None]) == (2, 1 / 3)
    assert found["unknown", "plays", "song"] == 0.25


def test_checks_hold_or_not_by_what_is_measured(folder):
    right = ("rows(plays) >= 4", "nulls(plays.liked) <= 0.25", "unknown(plays.song) <= 0.3", "gap_h(plays) <= 8")
    wrong = ("min(plays.seconds) >= 0", "rows(songs) >= 3", "refused(plays) >= 0.1")
    found = profiled(folder, *right, *wrong)
    assert [(one.text, value) for one, value in found.failed] == list(zip(wrong, [-5.0, 2.0, 0.0]))


@pytest.mark.parametrize(
    ("check", "error", "told"),
    [
        ("null(plays.liked) <= 1", UnknownInMetric, "Did you mean 'nulls'?"),
        ("nulls(play.liked) <= 1", UnknownInMetric, "Did you mean 'plays'?"),
        ("nulls(plays.like) <= 1", UnknownInMetric, "Did you mean 'liked'?"),
        ("min(plays.liked) >= 1", UnknownInMetric, "liked"),
        ("rows(plays.liked) >= 1", InvalidMetric, "of a group: rows(plays)"),
        ("gap_h(songs) <= 1", InvalidMetric, "of a stream: gap_h(songs)"),
        ("rows(plays) > 1", InvalidMetric, "written `measure(group) >= number`"),
    ],
)
def test_a_check_that_cannot_be_is_refused_when_the_design_is_built(check, error, told):
    with pytest.raises(error) as caught:
        make_system(check)
    assert told in str(caught.value)
    assert "test_data_checks.py:" in str(caught.value)


def test_the_command_shows_the_data_and_fails_where_a_check_does(folder):
    source = Path(__file__).read_text()
    body = source[source.index("    member, song = ") : source.index("    return sf.System(")]
    system = source[source.index("    return sf.System(") : source.index("@pytest.fixture")]
    text = "import sixfold as sf\nchecks = ['min(plays.seconds) >= 0']\n" + "\n".join(
        line[4:] for line in (body + system.replace("return sf.System(", "system = sf.System(")).splitlines()
    )
    (folder / "design.py").write_text(text)
    command = [sys.executable, "-m", "sixfold.cli"]
    ran = subprocess.run(
        [*command, "check", "design.py", "--data", "."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1, ran.stderr
    assert "min(plays.seconds) >= 0" in ran.stdout
    assert "plays.song" in ran.stdout
    stopped = subprocess.run([*command, "run", "design.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert stopped.returncode == 1
    assert "design.py:" in stopped.stderr
    assert "min(plays.seconds) >= 0 does not hold, it is -5. Look at the source, or change the check." in stopped.stderr
