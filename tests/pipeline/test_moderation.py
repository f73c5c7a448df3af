"""A design that judges posts: votes as labels, texts as inputs, actions with solved thresholds."""

import re
from contextlib import closing
from io import StringIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from running import ask, sixfold

from sixfold.data.rows import RowChecker
from sixfold.design import load
from sixfold.errors import DesignError, ReleaseDamaged
from sixfold.pipeline.demo import demo
from sixfold.pipeline.job import Job
from sixfold.registry import Releases
from sixfold.stores import LmdbLog

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the libraries that train and record, as in a run of the command
]

START_S = 1_767_225_600
DESIGN = """
import sixfold as sf

post, author, reader = sf.Entity("post"), sf.Entity("author"), sf.Entity("reader")
on_post, when = (post.key(), author.key(optional=True)), sf.Time("at", unit="s")
posts = sf.Events("posts", sf.Parquet("posts.parquet"), *on_post, time=when, text=sf.Text(),
    topics=sf.Categories(values=("sun", "rain")))
votes = sf.Events("votes", sf.Parquet("votes.parquet"), *on_post, reader.key(), time=when,
    mood=sf.Category(values=("kind", "rude", "vile")))
record = sf.Features("record", author, votes, vile_7d=sf.count(window="7d", where="mood = 'vile'"))
mood = sf.Label("mood", sf.last("mood", n=9), over=votes)
topic = sf.Label("topic", "topics")
small = sf.HashedText(size=16, filters=16, buckets=2**12)
judge = sf.Network("judge", inputs=[posts.text, record], text=small, body=[sf.Mlp(32), sf.Experts(2, 16)], min_count=1,
    heads=[sf.OneOf(mood, calibrate="isotonic"), sf.AnyOf(topic, loss="balanced", calibrate="beta")],
    training=sf.Training(epochs=5, batch_size=64, learning_rate=0.005))
words = sf.Network("words", inputs=[posts.text], text=small, body=sf.Linear(),
    heads=[sf.OneOf(mood, loss="focal")], training=sf.Training(epochs=3, batch_size=64, learning_rate=0.01))
system = sf.System("talk",
    sf.Requirements(goal="Nobody is hurt", p99_ms=50),
    sf.Framing(query=post, examples=posts, context=[posts.text, posts.author], labels=[mood, topic]),
    sf.Data(posts, votes, record), sf.Models(judge, words),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), slices={"rainy": "contains(posts.topics, 'rain')"},
        metrics=["accuracy(mood)", "macro_f1(mood)", "auc(1 - mood.kind)", "average_precision(topic)",
            "false_positive_rate(1 - mood.kind)[rainy]", "prevalence(mood.vile)", "prevalence(mood.vile)[rainy]"],
        gates=["accuracy(mood) >= 0.8", "auc(1 - mood.kind) >= words.auc(1 - mood.kind) - 0.05"]),
    sf.Deployment(predict=judge, policy=[
        sf.Action("remove", on="mood.vile", precision=0.9),
        sf.Action("review", on="1 - mood.kind", per_day=20, explore=0.2,
            order="(1 - mood.kind) * (1 + record.vile_7d)"),
        sf.Action("demote", on="1 - mood.kind", recall=0.9)]))
"""
SAYS = {
    "kind": ["lovely", "thanks", "great"],
    "rude": ["silly", "boring", "lame"],
    "vile": ["grotty", "beastly", "scummy"],
}


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """What is said of the weather: three readers vote, and one in ten votes is wrong."""
    folder, rng = tmp_path_factory.mktemp("talk"), np.random.default_rng(1)
    posts, votes = [], []
    for at in range(2400):
        mood = str(rng.choice(["kind", "rude", "vile"], p=[0.6, 0.25, 0.15]))
        topics = [topic for topic in ("sun", "rain") if rng.random() < 0.3]
        words = [*rng.choice(["the", "day", "is", "so", "very", "today"], 5), rng.choice(SAYS[mood]), *topics]
        rng.shuffle(words)
        author, time = None if at % 3 else f"a{at % 40}", START_S + at * 180
        posts.append({"post": f"p{at}", "author": author, "at": time, "text": " ".join(words), "topics": topics})
        for reader in range(3):
            said = mood if rng.random() < 0.9 else str(rng.choice(["kind", "rude", "vile"]))
            votes.append({"post": f"p{at}", "author": author, "reader": f"r{reader}", "at": time + 60, "mood": said})
    for name, rows in (("posts", posts), ("votes", votes)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    (folder / "design.py").write_text(DESIGN)
    return folder


@pytest.fixture(scope="module")
def ran(talk):
    ended = sixfold("run", talk / "design.py", "--workdir", talk / "work", "--json")
    assert ended.status == 0, ended.err
    return ended


def test_a_run_measures_classes_and_says_what_each_action_does(ran):
    said, told = ran.json, ran.err
    assert said["metrics"]["accuracy(mood)"]["value"] > 0.9
    assert said["metrics"]["average_precision(topic)"]["value"] > 0.95
    assert said["metrics"]["false_positive_rate(1 - mood.kind)[rainy]"]["value"] < 0.2
    assert set(said["baselines"]) == {"words.accuracy(mood)", "words.macro_f1(mood)", "words.auc(1 - mood.kind)",
                                      "words.false_positive_rate(1 - mood.kind)[rainy]"}  # fmt: skip
    assert 0.1 < said["metrics"]["prevalence(mood.vile)"]["value"] < 0.2
    assert "Policy: solved on validation, measured on test" in told
    assert "precision 0.9" in told
    assert "200 answers in process, one at a time" in told


def test_a_run_says_how_classes_slices_and_disguised_texts_fare(talk, ran):
    judged = msgspec.json.decode((talk / "work/steps/policy/judged.json").read_bytes())
    assert [one["of"] for one in judged["classes"]] == [
        "mood.vile", "1 - mood.kind", "mood.kind", "mood.rude", "topic.sun", "topic.rain",
    ]  # fmt: skip
    rows = {(one["action"], one["slice"]): one for one in judged["slices"]}
    assert rows["remove", "rainy"]["examples"] < rows["remove", ""]["examples"]
    assert rows["demote", ""]["recall"]["value"] > rows["review", ""]["recall"]["value"]
    attacks = msgspec.json.decode((talk / "work/steps/attacks/attacks.json").read_bytes())
    recall = {(one["model"], one["on"], one["attack"]): one["recall"]["value"] for one in attacks}
    assert {model for model, *_ in recall} == {"judge", "words"}
    assert recall["judge", "1 - mood.kind", ""] > 0.9
    assert recall["judge", "1 - mood.kind", "lookalikes"] == recall["judge", "1 - mood.kind", ""], "undone when read"
    page = (talk / "work/report.html").read_text()
    for title in ("What is done", "By class", "By slice", "Mistakes", "Disguised texts"):
        assert f"<h2>{title}</h2>" in page
    assert "Disguised texts: recall of 1 - mood.kind" in ran.err


def answers(talk, ran, rows):
    """The reply and the records of the release that a run made."""
    return ask(talk / "work", ran.json["release"], rows, (START_S + 2400 * 180) * 1_000_000)


def test_an_answer_has_an_action_its_reasons_and_probabilities(talk, ran):
    texts = [
        "the day is so lovely",
        "a gr0tty beastly scummy day",
        "thanks for the rain",
        "",
        "x" * 100_000,
        None,
        "😀",
    ]
    rows = [{"post": f"n{at}", "text": text} for at, text in enumerate(texts)]
    found = answers(talk, ran, rows)[0]["rows"]
    (remove, *_) = Releases(talk / "work" / "releases").open(ran.json["release"]).policy
    assert [one["action"] for one in found[:3]] == ["allow", "remove", "allow"]
    assert found[0]["reasons"] == []
    (why,) = found[1]["reasons"]
    assert (why["on"], why["score"]) == ("mood.vile", found[1]["mood.vile"])
    assert why["score"] >= why["threshold"] == remove.threshold
    for one in found:
        assert sum(one[f"mood.{mood}"] for mood in SAYS) == pytest.approx(1)
        assert one["action"] in ("remove", "review", "demote", "allow")
        assert 0 < one["propensity"] <= 1
    assert answers(talk, ran, [])[0]["rows"] == []
    assert answers(talk, ran, rows)[0]["rows"] == found, "a post that is asked about twice meets the same fate"


def test_each_decision_has_a_record_of_what_it_was_made_of(talk, ran):
    rows = [{"post": "n1", "author": "a3", "text": "scummy"}, {"post": "n2", "text": "lovely"}]
    reply, records = answers(talk, ran, rows)
    assert [record["post"] for record in records] == ["n1", "n2"]
    assert [record["row"] for record in records] == [0, 1]
    for record, row in zip(records, reply["rows"]):
        assert record["request_id"] == reply["request_id"]
        assert {**record["heads"], **{name: record[name] for name in ("action", "reasons", "propensity")}} == row
    assert records[0]["context"] == {"author": "a3", "posts.text": "scummy"}
    assert records[0]["features"].keys() == {"record.vile_7d"}


def test_the_demonstration_judges_rows_and_tells_what_really_came_next(talk, ran):
    said = Console(file=StringIO(), width=160)
    assert demo(Job(talk / "design.py", talk, talk / "work"), said) == 0
    told = said.file.getvalue()
    assert f"Nothing changed: release {ran.json['release']} goes on serving" in told
    assert "rows of the test part, 50 a request" in told
    assert "Decided" in told
    assert re.search(r"First of \d+ that wait for review", told)
    assert re.search(r"post p\d+: 3 votes that really came next: 3 accepted, durable and applied", told)
    before, after = (int(found) for found in re.findall(r"(?:First of |waiting for review now: )(\d+)", told))
    assert after == before - 1, "what reviewers decided does not wait any more"
    assert "judged again: review -> " in told


def test_a_check_of_the_data_says_which_labels_it_does_not_probe(talk):
    only = DESIGN.replace(", topic]", "]").replace(', "average_precision(topic)"', "")
    only = only.replace(', sf.AnyOf(topic, loss="balanced", calibrate="beta")', "")
    only = only.replace("inputs=[posts.text, record]", "inputs=[record]")
    for name, text in (("design", DESIGN), ("only", only)):
        (talk / f"{name}.py").write_text(text)
        place = ("--data", talk, "--workdir", talk / f"check-{name}")
        status, out, _ = sixfold("check", talk / f"{name}.py", *place)
        assert status == 0, out
        assert "Not probed, since they come over another stream: mood.kind, mood.rude, mood.vile" in out
        assert ("and no label was probed" in out) == (name == "only")
        assert ("What one input alone says" in out) == (name == "design")


def test_what_reviewers_say_is_learned_by_the_next_run(talk, ran):

    system = load(talk / "design.py")
    # Reviewers overrule all three readers of the posts that were called vile, with more votes than theirs.
    votes = pq.read_table(talk / "votes.parquet").to_pylist()
    vile = [one for one in votes if one["mood"] == "vile" and one["reader"] == "r0"]
    rows = [{**one, "reader": f"s{n}", "mood": "kind", "at": one["at"] + 600 + n} for one in vile for n in range(6)]
    now_us = (START_S + 2400 * 180 + 3600) * 1_000_000
    checked = RowChecker(system.streams["votes"], system.timezone).check(rows, now_us)
    assert not checked.refused
    with closing(LmdbLog(talk / "work" / "log")) as log:
        log.append(checked.accepted, arrival_us=now_us)
    new = sixfold("run", talk / "design.py", "--workdir", talk / "work", "--json")
    assert new.status == 0, new.err
    assert new.json["release"] != ran.json["release"]
    asked = [{"post": "n1", "text": "the grotty day is so very"}]
    (before,), (after,) = (answers(talk, one, asked)[0]["rows"] for one in (ran, new))
    assert before["mood.vile"] > 0.5 > before["mood.kind"] + 0.3
    assert after["mood.vile"] < before["mood.vile"] - 0.2
    assert after["mood.kind"] > before["mood.kind"] + 0.3


def test_a_release_whose_thresholds_are_damaged_is_refused(talk, ran):
    folder = talk / "work" / "releases" / ran.json["release"]
    before = (folder / "policy.json").read_bytes()
    (folder / "policy.json").write_bytes(before.replace(b"remove", b"remuve"))
    with pytest.raises(ReleaseDamaged, match="its content changed since it was released"):
        Releases(talk / "work" / "releases").open(ran.json["release"])
    (folder / "policy.json").write_bytes(before)


def test_many_texts_are_read_a_few_at_a_time_and_alike(talk, ran):
    rows = [{"post": f"m{at}", "text": f"the day is so {('lovely', 'grotty')[at % 2]}"} for at in range(700)]
    found = answers(talk, ran, rows)[0]["rows"]
    assert [one["mood.vile"] > 0.5 for one in found] == [False, True] * 350


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('on="mood.vile"', 'on="mood.evil"', "mood.evil"),
        ('on="mood.vile"', 'on="0.5"', "on must be of a score"),
        ('"demote"', '"review"', "of actions named differently"),
        ("record.vile_7d)", "record.vile_9d)", "record.vile_9d"),
        ('"prevalence(mood.vile)"', '"words.prevalence(mood.vile)"', "is of labels alone"),
        (
            "predict=judge,",
            'predict=judge, retrain=sf.Retrain("1h", warm=True),',
            "labels with classes are not learned on",
        ),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_line(tmp_path, old, new, said):

    assert old in DESIGN
    (tmp_path / "design.py").write_text(DESIGN.replace(old, new, 1))
    with pytest.raises(DesignError) as caught:
        load(tmp_path / "design.py")
    assert said in str(caught.value)
    assert "design.py:" in str(caught.value)
