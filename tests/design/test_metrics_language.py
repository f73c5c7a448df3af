"""The language of metrics and gates."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixfold.design.metrics import METRICS, Gate, Metric, check, parse_gate, parse_metric
from sixfold.errors import DesignError, InvalidMetric, UnknownInMetric

AT = {"where": "feed.py:8", "part": "Evaluation"}
NAMES = {"models": ["ranker", "popular", "a"], "labels": ["click", "watch_s"], "slices": {"new_viewers": None}}


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("recall@100", Metric(None, "recall", 100, None, None)),
        ("popular.recall@100", Metric("popular", "recall", 100, None, None)),
        ("auc(click)", Metric(None, "auc", None, "click", None)),
        ("auc(click)[new_viewers]", Metric(None, "auc", None, "click", "new_viewers")),
        ("champion.ndcg@10[new_viewers]", Metric("champion", "ndcg", 10, None, "new_viewers")),
        ("mrr", Metric(None, "mrr", None, None, None)),
        ("auc(1 - (1 - click) * (1 - like))", Metric(None, "auc", None, "1 - (1 - click) * (1 - like)", None)),
        ("a.auc(greatest(click, like))[new_viewers]", Metric("a", "auc", None, "greatest(click, like)", "new_viewers")),
        ('auc(mood."so :-)")', Metric(None, "auc", None, 'mood."so :-)"', None)),
    ],
)
def test_a_metric_is_read_and_written_back(text, metric):
    assert parse_metric(text, **AT) == metric
    assert str(metric) == text
    check(metric, **NAMES, **AT)


IDENTIFIER = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


@given(
    st.builds(
        Metric,
        st.none() | IDENTIFIER,
        st.sampled_from(sorted(METRICS)),
        st.none() | st.integers(1, 10**6),
        st.none() | IDENTIFIER,
        st.none() | IDENTIFIER,
    )
)
def test_whatever_is_written_reads_as_itself(metric):
    assert parse_metric(str(metric), **AT) == metric


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auc(",
        "auc(click",
        "recall@",
        "recall@x",
        "a.b.auc(click)",
        "auc(click) ",
        "auc(a)(b)",
        "auc(a) - auc(b)",
        3,
    ],
)
def test_what_is_no_metric_is_refused(text):
    with pytest.raises(InvalidMetric) as error:
        parse_metric(text, **AT)
    assert str(error.value) == (f"feed.py:8: Evaluation: {text!r} must be written [model.]metric[@k][(label)][[slice]]")


def test_a_list_of_no_items_is_refused():
    with pytest.raises(InvalidMetric) as error:
        parse_metric("recall@0", **AT)
    assert str(error.value) == "feed.py:8: Evaluation: 'recall@0' must be about 1 item or more (@k)"


CLICK, TREES = Metric(None, "auc", None, "click", None), Metric("trees", "auc", None, "click", None)


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("auc(click) >= trees.auc(click) - 0.003", (CLICK, ">=", TREES, -0.003)),
        ("auc(click) <= trees.auc(click)+0.1", None),
        ("auc(click) <= trees.auc(click) + 5e-4", (CLICK, "<=", TREES, 5e-4)),
        ("auc(click)>=trees.auc(click)", (CLICK, ">=", TREES, 0.0)),
        ("auc(click) <= 0.3", (CLICK, "<=", None, 0.3)),
        ("auc(click) >= -1", (CLICK, ">=", None, -1.0)),
        ("auc(click) beats trees.auc(click)", (CLICK, "beats", TREES, 0.0)),
    ],
)
def test_a_gate_is_read(text, gate):
    if gate is None:
        with pytest.raises(InvalidMetric):
            parse_gate(text, **AT)
    else:
        assert parse_gate(text, **AT) == Gate(text, *gate)
        assert str(parse_gate(text, **AT)) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("auc(click)", "written `metric >= number`, `metric <= metric + number` or `metric beats metric`"),
        ("auc(click) == 1", "written `metric >= number`, `metric <= metric + number` or `metric beats metric`"),
        ("auc(click) beats 0.5", "a metric on both sides of `beats`, and no number"),
        ("auc(click) beats trees.auc(click) - 0.1", "a metric on both sides of `beats`, and no number"),
        ("auc(click) >= 1e999", "a finite number"),
    ],
)
def test_what_is_no_gate_is_refused(text, rule):
    with pytest.raises(InvalidMetric) as error:
        parse_gate(text, **AT)
    assert str(error.value) == f"feed.py:8: Evaluation: {text!r} must be {rule}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recal@100", "'recal@100' names no known metric: 'recal'. Did you mean 'recall'?"),
        ("poplar.recall@100", "'poplar.recall@100' names no known model: 'poplar'. Did you mean 'popular'?"),
        ("auc(clik)", "'auc(clik)' names no known label: 'clik'. Did you mean 'click'?"),
        ("auc(click)[new]", "'auc(click)[new]' names no known slice: 'new'. There are: new_viewers."),
        ("recall", "'recall' must be cut at k items, such as recall@20"),
        ("auc@5(click)", "'auc@5(click)' must be without @5: auc measures scores, not lists"),
        ("ndcg@5(click)", "'ndcg@5(click)' must be without (click): ndcg measures lists, which have no label"),
        ("auc", "'auc' must be of a label: auc(label)"),
    ],
)
def test_a_metric_names_what_exists_and_has_what_it_needs(text, message):
    with pytest.raises(DesignError) as error:
        check(parse_metric(text, **AT), **NAMES, **AT)
    assert str(error.value) == f"feed.py:8: Evaluation: {message}"


def test_the_errors_survive_pickling():
    for error in (
        InvalidMetric(**AT, text="auc", rule="of a label"),
        UnknownInMetric(**AT, text="a.auc(b)", kind="model", name="a", known={}),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), vars(again)) == (str(error), vars(error))
    assert str(error) == "feed.py:8: Evaluation: 'a.auc(b)' names no known model: 'a'. There are: none."
