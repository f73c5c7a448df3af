"""Labels over another stream look forward from each example, and those with classes are shares of votes."""

from contextlib import closing
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import sixfold as sf
from sixfold.errors import InvalidField
from sixfold.features.examples import build, per_day

DAY = 86_400_000_000
VERDICTS = ("fine", "rude", "not sure")
POSTS = pa.schema(
    [("post", pa.string()), ("topics", pa.list_(pa.string())), ("fold", pa.string())]
    + [(name, pa.int64()) for name in ("time", "known", "arrival", "offset")]
)
VOTES = pa.schema(
    [("post", pa.string()), ("reader", pa.string()), ("verdict", pa.string()), ("harsh", pa.bool_())]
    + [(name, pa.int64()) for name in ("time", "known", "arrival", "offset")]
)
post, reader = sf.Entity("post"), sf.Entity("reader")


class Ingested:
    def __init__(
        self, con: duckdb.DuckDBPyConnection, posts: list[dict[str, Any]], votes: list[dict[str, Any]]
    ) -> None:
        for name, schema, rows in (("posts", POSTS, posts), ("votes", VOTES, votes)):
            numbered = [
                {"known": row["time"], "arrival": row["time"], **row, "offset": at} for at, row in enumerate(rows)
            ]
            con.register(name, pa.Table.from_pylist(numbered, schema))

    def sql(self, name: str) -> str:
        return f'"{name}"'


def streams() -> tuple[sf.Events, sf.Events]:
    time = sf.Time(unit="us")
    posts = sf.Events("posts", [], post.key(), time=time, topics=sf.Categories(values=("a", "b")), fold=sf.Category())
    votes = sf.Events(
        "votes", [], post.key(), reader.key(), time=time, verdict=sf.Category(values=VERDICTS), harsh=sf.Flag()
    )
    return posts, votes


def made(labels: Any, heads: Any, metrics: Any = ()) -> sf.System:
    posts, votes = streams()
    label = labels(posts, votes)
    model = sf.Network("model", inputs=[posts.fold], heads=heads(label))
    split = sf.ByColumn(posts.fold, train="train", validation="val", test="test")
    return sf.System(
        "talk", sf.Requirements(goal="x"), sf.Framing(query=post, examples=posts, context=[posts.fold], labels=[label]),
        sf.Data(posts, votes), sf.Models(model), sf.Evaluation(split=split, metrics=list(metrics)),
        sf.Deployment(predict=model),
    )  # fmt: skip


def rows_of(system: sf.System, votes: list[dict[str, Any]], posts: Any = None) -> dict[str, list[Any]]:
    own = posts or [
        {"post": "p", "time": 0, "topics": ["b"], "fold": "train"},
        {"post": "q", "time": 0, "topics": [], "fold": "val"},
        {"post": "r", "time": 0, "topics": ["a"], "fold": "test"},
        {"post": "p", "time": 10 * DAY, "topics": None, "fold": "test"},
    ]
    with closing(duckdb.connect()) as con:
        table = build(con, system, Ingested(con, own, votes))
    return table.to_pydict()


def vote(key: str, time: int, verdict: str | None, harsh: bool = False, known: int | None = None) -> dict[str, Any]:
    row = {"post": key, "reader": "1", "time": time, "verdict": verdict, "harsh": harsh}
    return row if known is None else {**row, "known": known}


def test_each_class_has_its_share_of_the_latest_votes_which_count_for_the_example_before_them():
    system = made(lambda p, v: sf.Label("verdict", sf.last("verdict", n=3), over=v), lambda x: [sf.OneOf(x)])
    assert list(system.labels) == ["verdict.fine", "verdict.rude", "verdict.not sure"]
    votes = [
        vote("p", 0, "rude"),  # not after the example
        vote("p", 1, "rude"), vote("p", 2, "fine"), vote("p", 3, "not sure"), vote("p", 4, "fine"), vote("p", 5, None),
        vote("p", 10 * DAY + 1, "rude"),
        vote("q", 7, "fine"), vote("r", 8, "rude"), vote("r", 9, "rude"),
    ]  # fmt: skip
    found = rows_of(system, votes)
    assert found["label.verdict.fine"] == pytest.approx([2 / 3, 1, 0, 0])
    assert found["label.verdict.rude"] == pytest.approx([0, 0, 1, 1])
    assert found["label.verdict.not sure"] == pytest.approx([1 / 3, 0, 0, 0])


def test_a_label_that_waits_is_null_until_its_time_has_passed_and_an_example_without_votes_is_left_out():
    label = lambda p, v: sf.Label("verdict", sf.last("verdict", n=9), over=v, within="1d")  # noqa: E731
    votes = [
        vote("p", 1, "fine"), vote("p", DAY + 1, "rude"), vote("q", 1, "rude"), vote("r", 1, "fine"),
        vote("p", 10 * DAY + 1, "fine"),  # a day after this example nothing is known yet
    ]  # fmt: skip
    found = rows_of(made(label, lambda x: [sf.OneOf(x)]), votes)
    assert found["time"] == [0, 0, 0]
    assert found["label.verdict.fine"] == [1, 0, 1], "what came after a day does not count"


def test_actions_meet_rows_that_nobody_labels_too():
    system = made(lambda p, v: sf.Label("verdict", sf.last("verdict", n=9), over=v), lambda x: [sf.OneOf(x)])
    folds = ["train", "val", "test", "val", "test", "elsewhere"]
    posts = [
        {"post": f"p{at}", "time": at * DAY, "topics": [], "fold": folds[at % 6], "known": at * DAY} for at in range(12)
    ]
    votes = [vote(f"p{at}", at * DAY + 1, "rude") for at in (0, 1, 2)]
    assert rows_of(system, votes, posts)["post"] == ["p0", "p1", "p2"]
    with closing(duckdb.connect()) as con:
        ingested = Ingested(con, posts, votes)
        found = build(con, system, ingested, unlabelled=True).to_pydict()
        assert per_day(con, system, ingested) == pytest.approx(12 / 11), "whether or not somebody voted"
    assert found["post"] == ["p1", "p2", "p3", "p4", "p7", "p8", "p9", "p10"]
    assert found["part"] == ["validation", "test"] * 4
    assert found["label.verdict.rude"] == [1, 1, *[None] * 6]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (sf.count(), [2, 0, 1, 0]),
        (sf.count(where="harsh"), [1, 0, 0, 0]),
        (sf.max("case when harsh then 1 else 0 end"), [1, None, 0, None]),
        (sf.mean("case when harsh then 1 else 0 end"), [0.5, None, 0, None]),
    ],
)
def test_other_aggregates_are_numbers(value, wanted):
    votes = [vote("p", 1, None, harsh=True), vote("p", 2, None), vote("r", 1, None)]
    system = made(lambda p, v: sf.Label("n", value, over=v), lambda x: [sf.Regression(x)])
    if None in wanted:  # a part without any example
        votes += [vote("q", 1, None)]
        wanted = [wanted[0], 0, *wanted[2:3]]
    assert rows_of(system, votes)["label.n"] == wanted


def test_a_list_is_a_label_of_several_classes_and_null_where_it_is():
    system = made(lambda p, v: sf.Label("topic", "topics"), lambda x: [sf.AnyOf(x)])
    found = rows_of(system, [])
    assert found["label.topic.a"] == [0, 0, 1]
    assert found["label.topic.b"] == [1, 0, 0]


@pytest.mark.parametrize(
    ("label", "heads", "said"),
    [
        (lambda p, v: sf.Label("n", sf.count(), over=p), lambda x: [sf.OneOf(x)], "must be of labels with classes"),
        (lambda p, v: sf.Label("t", "topics"), lambda x: [sf.OneOf(x)], "must be AnyOf(t), got 'OneOf(t)'"),
        (lambda p, v: sf.Label("f", "fold"), lambda x: [sf.OneOf(x)], "declares its values"),
        (lambda p, v: sf.Label("n", sf.count(window="1d"), over=v), lambda x: [sf.Regression(x)], "must be left"),
        (lambda p, v: sf.Label("n", sf.distinct("verdict"), over=v), lambda x: [sf.Regression(x)], "one of the aggre"),
        (lambda p, v: sf.Label("n", "verdict", over=v), lambda x: [sf.Regression(x)], "one of the aggre"),
        (lambda p, v: sf.Label("v", sf.max("verdict"), over=v), lambda x: [sf.OneOf(x)], "last(…) of one category"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_label_is_refused_with_its_reason(label, heads, said):
    with pytest.raises(InvalidField) as caught:
        made(label, heads)
    assert said in str(caught.value)
