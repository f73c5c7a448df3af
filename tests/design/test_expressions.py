import pickle

import pytest

from sixfold.design.expressions import Expression, Name, parse
from sixfold.design.kinds import FLAG, NUMBER, TEXT, TIME, Kind
from sixfold.errors import BadExpression, DesignError, UnknownFunction, UnknownName, WrongType

CATEGORY = Kind("text", domain="videos.kind")
COLUMNS = {
    "impressions.watched_s": NUMBER,
    "impressions.clicked": FLAG,
    "videos.kind": CATEGORY,
    "videos.title": TEXT,
    "videos.uploaded": TIME,
    "memory.seen": Kind("text", is_list=True, domain="video"),
    "memory.scores": Kind("number", is_list=True),
    "video": Kind("text", domain="video"),
}
SCOPE = {spelling: Name(full, kind) for full, kind in COLUMNS.items() for spelling in (full, full.split(".")[-1])}


def read(text: str, *, now: bool = True) -> Expression:
    return parse(text, SCOPE, where="feed.py:41", part="Label watch_s", now=now)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("watched_s", NUMBER),
        ("kind", CATEGORY),
        ("((kind))", CATEGORY),
        ("memory.seen", COLUMNS["memory.seen"]),
        ("video", COLUMNS["video"]),
        ("coalesce(kind, 'none')", CATEGORY),
        ("coalesce(kind, title)", TEXT),
        ("case when clicked then kind end", CATEGORY),
        ("lower(kind)", TEXT),
        ("'short'", TEXT),
        ("now", TIME),
        ("now - uploaded", NUMBER),
        ("uploaded + 3600", TIME),
        ("3600 + uploaded", TIME),
        ("uploaded - watched_s", TIME),
        ("least(now, uploaded)", TIME),
        ("nullif(uploaded, now)", TIME),
        ("watched_s > 3 and not clicked", FLAG),
        ("clicked = true", FLAG),
        ("watched_s in (1, null)", FLAG),
        ("memory.seen is not null", FLAG),
        ("contains(memory.seen, video)", FLAG),
        ("contains(memory.scores, 3)", FLAG),
        ("overlap(memory.seen, memory.seen)", NUMBER),
        ("len(memory.seen)", NUMBER),
        ("case kind when 'a' then 1 else null end", NUMBER),
        ("null + 1", NUMBER),
    ],
)
def test_the_kind_of_the_result_follows_from_the_columns(text, kind):
    assert read(text).kind == kind


def test_two_spellings_of_a_column_are_one_name_and_now_is_none():
    expression = read("(now - uploaded) / 86400")
    assert expression.names == {"videos.uploaded"}
    assert expression.reads_now
    assert read("watched_s + impressions.watched_s").names == {"impressions.watched_s"}
    assert [x.name for x in read("watched_s + 1").tree.find_all(type(read("video").tree))] == ["impressions.watched_s"]


def test_expressions_are_equal_when_their_text_and_names_are():
    assert read("watched_s + 1") == read("watched_s + 1")
    assert len({read("watched_s + 1"), read("watched_s + 1"), read("watched_s + 2")}) == 2


def test_the_tree_keeps_its_parentheses():
    assert read("(watched_s + 1) * 2").tree.sql() == '("impressions.watched_s" + 1) * 2'


def test_an_expression_survives_pickling_with_its_kinds():
    again = pickle.loads(pickle.dumps(read("watched_s + 1")))
    assert again == read("watched_s + 1")
    assert again.tree.meta["kind"] == NUMBER


AGGREGATE = "gathers many rows, and an expression sees one; declare a feature with an aggregate and read that"
NUMBER_OF_FLAG = "case when ... then 1 else 0 end makes a number of a flag"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("watched_s +", "a value is missing, at column 11 ('+')"),
        ("watched_s as x", "invalid expression / Unexpected token, at column 12 ('as')"),
        ("(watched_s", "expecting ), at column 10 ('watched_s')"),
        ("'short", "a quote is not closed"),
        ("abs(1, 2)", "a function has too many arguments, at column 9 (')')"),
        ("sum(watched_s)", f"sum() {AGGREGATE}"),
        ("count(*)", f"count() {AGGREGATE}"),
        (
            "rank() over ()",
            "a window function gathers many rows, and an expression sees one; declare a feature with a window",
        ),
        ("now - interval '1 day'", "intervals are left out; times move by seconds, as in time + 3600"),
        ("watched_s in (select 1)", "subqueries are left out; use a Query as the source"),
        ("(select 1)", "subqueries are left out; use a Query as the source"),
        ("exists(select 1)", "subqueries are left out; use a Query as the source"),
        ("haversine_km(1, 2, 3)", "haversine_km takes 4 arguments"),
        ("floor(watched_s, 2)", "floor takes 1 argument"),
        ("kind like 'a%'", "\"kind LIKE 'a%'\" is no part of the language"),
        ("clicked is true", "'clicked IS TRUE' is no part of the language"),
        ("memory.scores[1]", "'memory.scores[1]' is no part of the language"),
        ("1e999", "'1e999' is no part of the language"),
        ("watched_s; clicked", "'watched_s; clicked' is no part of the language"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(text, reason):
    with pytest.raises(BadExpression) as raised:
        read(text)
    assert str(raised.value) == f"feed.py:41: Label watch_s cannot read the expression {text!r}: {reason}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("videos.uplaoded > now", "reads 'videos.uplaoded', which nothing provides. Did you mean 'videos.uploaded'?"),
        ("a.b.c.d", "reads 'a.b.c.d', which nothing provides."),
        ('"Watched" > 1', "reads 'Watched', which nothing provides. Did you mean 'watched_s'?"),
    ],
)
def test_an_unknown_name_is_told_with_the_closest(text, said):
    with pytest.raises(UnknownName) as raised:
        read(text)
    assert str(raised.value) == f"feed.py:41: Label watch_s {said}"


def test_now_is_unknown_where_it_may_not_be_read():
    with pytest.raises(UnknownName) as raised:
        read("now - uploaded", now=False)
    assert str(raised.value) == "feed.py:41: Label watch_s reads 'now', which nothing provides."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("haversine(1, 2)", "calls 'haversine', which is no function of expressions. Did you mean 'haversine_km'?"),
        ("sqr(2)", "calls 'sqr', which is no function of expressions. Did you mean 'sqrt'?"),
        ("substring(kind, 1)", "calls 'substring', which is no function of expressions."),
        ("cast(watched_s as int) = 1", "calls 'cast', which is no function of expressions. Did you mean 'least'?"),
    ],
)
def test_an_unknown_function_is_told_with_the_closest(text, said):
    with pytest.raises(UnknownFunction) as raised:
        read(text)
    assert str(raised.value) == f"feed.py:41: Label watch_s {said}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kind > 3", "> does not take text and number"),
        ("watched_s = true", f"= does not take number and flag; {NUMBER_OF_FLAG}"),
        ("uploaded > 3", "> does not take time and number"),
        ("clicked < true", "< does not take flags, which have no order"),
        ("clicked + 1", f"+ does not take flag and number; {NUMBER_OF_FLAG}"),
        ("kind + 'x'", "+ does not take text and text"),
        ("uploaded + now", "+ does not take time and time"),
        ("1 - now", "- does not take number and time"),
        ("uploaded * 2", "* takes numbers, and 'uploaded' is time"),
        ("-kind", "- takes numbers, and 'kind' is text"),
        ("sqrt(clicked)", f"sqrt takes numbers, and 'clicked' is flag; {NUMBER_OF_FLAG}"),
        ("clicked and watched_s", "and takes flags, and 'watched_s' is number; compare it with something"),
        ("not watched_s", "not takes flags, and 'watched_s' is number; compare it with something"),
        ("case when 1 then 2 end", "case takes flags, and '1' is number; compare it with something"),
        ("case kind when 1 then 2 end", "case does not take text and number"),
        ("case when clicked then 1 else 'a' end", "case does not take number and text"),
        ("coalesce(kind, 0)", "coalesce does not take text and number"),
        ("watched_s between 1 and 'b'", "between does not take number and text"),
        ("kind in (1, 2)", "in does not take text and number"),
        ("hour(watched_s)", "hour takes times, and 'watched_s' is number"),
        ("lower(3)", "lower takes texts, and '3' is number"),
        ("least(kind, 'a')", "least takes numbers or times, not texts"),
        ("round(watched_s, watched_s)", "round takes a number, and as digits a whole number from -15 to 15"),
        ("contains(kind, 'a')", "contains takes a list, and 'kind' is text"),
        ("contains(memory.seen, 3)", "contains does not take list of text and number"),
        (
            "contains(memory.seen, memory.seen)",
            "contains takes a single value, and 'memory.seen' is list of text; overlap takes two lists",
        ),
        ("overlap(memory.seen, memory.scores)", "overlap does not take list of text and list of number"),
        (
            "memory.seen = memory.seen",
            "'memory.seen' is a list, which only contains, overlap, len and is null take",
        ),
        ("null", "it is always null, which has no type"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(text, reason):
    with pytest.raises(WrongType) as raised:
        read(text)
    assert str(raised.value) == f"feed.py:41: Label watch_s cannot compute {text!r}: {reason}"


@pytest.mark.parametrize("text", ["watched_s +", "watchd_s", "lnn(1)", "kind > 3"])
def test_errors_survive_pickling(text):
    with pytest.raises(DesignError) as raised:
        read(text)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (type(again), str(again), vars(again)) == (type(raised.value), str(raised.value), vars(raised.value))
