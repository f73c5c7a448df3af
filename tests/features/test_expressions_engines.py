"""The two engines of expressions give the same values: NumPy for streams and serving, DuckDB for batch."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from sixfold.design.expressions import Expression, Name, parse
from sixfold.design.kinds import FLAG, NUMBER, TEXT, TIME, Kind
from sixfold.design.operations import FUNCTIONS
from sixfold.errors import WrongType
from sixfold.features import sql
from sixfold.features.arrays import Array, column
from sixfold.features.expressions import compile, evaluate

TEXTS, NUMBERS = Kind("text", is_list=True), Kind("number", is_list=True)
KINDS = {
    "t.x": NUMBER, "t.y": NUMBER, "t.won": FLAG, "t.lost": FLAG, "t.start": TIME, "t.finish": TIME,
    "t.a": TEXT, "t.b": TEXT, "t.tags": TEXTS, "t.seen": TEXTS, "t.codes": NUMBERS,
}  # fmt: skip
SCOPE = {name.removeprefix("t."): Name(name, kind) for name, kind in KINDS.items()}
ARROW = {"number": pa.float64(), "flag": pa.bool_(), "time": pa.int64(), "text": pa.string()}
DATABASE = duckdb.connect(config={"threads": 1})
NOW = 1_700_000_000_123_456

Rows = dict[str, list[Any]]


def read(text: str) -> Expression:
    return parse(text, SCOPE, where="test.py:1", part="Rule r")


def typed(text: str) -> str:
    """The expression itself, or whether it is null where it always is, which has no type."""
    try:
        return read(text) and text
    except WrongType as error:
        if not error.reason.startswith("it is always null"):
            raise
        return f"({text}) is null"


def arrays(rows: Rows) -> dict[str, Array]:
    return {name: column(KINDS[name], items) for name, items in rows.items()}


def with_numpy(expression: Expression, rows: Rows, timezone: str = "UTC") -> list[Any]:
    count = len(next(iter(rows.values())))
    found = evaluate(expression, arrays(rows), NOW, timezone).to_list()
    return found * count if len(found) == 1 else found


def with_duckdb(expression: Expression, rows: Rows, timezone: str = "UTC") -> list[Any]:
    types = {n: pa.list_(ARROW[k.base]) if k.is_list else ARROW[k.base] for n, k in KINDS.items()}
    table = pa.table({name: pa.array(items, types[name]) for name, items in rows.items()})
    text = sql.duckdb(expression, {name: f'"{name}"' for name in rows}, str(NOW), timezone)
    DATABASE.register("given", table)
    answer = DATABASE.sql(f"select {text} as value from given").to_arrow_table()["value"]
    wanted = ARROW[expression.kind.base]
    assert answer.type == (pa.list_(wanted) if expression.kind.is_list else wanted)
    return answer.to_pylist()


def same(x: Any, y: Any) -> bool:
    if isinstance(x, float) and isinstance(y, float):
        return x == y or math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-300)
    return type(x) is type(y) and x == y


def both(text: str, rows: Rows, timezone: str = "UTC") -> list[Any]:
    expression = read(text)
    numpy, database = with_numpy(expression, rows, timezone), with_duckdb(expression, rows, timezone)
    assert len(numpy) == len(database) == len(next(iter(rows.values())))
    assert all(map(same, numpy, database)), (text, numpy, database)
    return numpy


ONE: Rows = {
    "t.x": [7.0], "t.y": [None], "t.won": [True], "t.lost": [None], "t.start": [10_000_000], "t.finish": [None],
    "t.a": ["Ab"], "t.b": [None], "t.tags": [["p", "q", "p"]], "t.seen": [None], "t.codes": [[]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7.0), ("(1 + 2) * 3", 9.0), ("2 - (3 - 4)", 3.0), ("8 / (4 / 2)", 4.0), ("- -x", 7.0),
        ("x / 2", 3.5), ("x / 0", None), ("x / (x - 7)", None), ("x // 2", 3.0), ("-x // 2", -3.0), ("x // 0", None),
        ("x % 4", 3.0), ("-x % 4", -3.0), ("x % -4", 3.0), ("x % 0", None), ("x + y", None), ("0.1 + 0.2", 0.1 + 0.2),
        ("9007199254740993", 9007199254740992.0), ("1e300 * 1e300", None), ("1e300 * 1e300 * 0", None),
        ("1 / (1e300 * 1e300)", None), ("exp(1000)", None), ("exp(-1e300 * 1e300)", None), ("exp(-1000)", 0.0),
        ("ln(0)", None), ("ln(-1)", None), ("sqrt(-1)", None), ("sqrt(9)", 3.0), ("abs(-3)", 3.0),
        ("floor(-0.5)", -1.0), ("ceil(1.2)", 2.0), ("power(2, 10)", 1024.0), ("power(-8, 0.5)", None),
        ("power(0, -1)", None), ("power(y, 0)", None), ("power(1, y)", None), ("power(0, 0)", 1.0),
        ("round(2.5)", 3.0), ("round(-2.5)", -3.0), ("round(0.49999999999999994)", 0.0),
        ("round(1234.5, -2)", 1200.0), ("round(0.125, 2)", 0.13), ("round(-0.125, 2)", -0.13),
        ("round(1e300 * 1e300, -1)", None), ("round(9007199254740991)", 9007199254740991.0), ("least(x, y, 3)", 3.0),
        ("greatest(x, y)", 7.0), ("least(y, null)", None), ("greatest(1e300 * 1e300, 2)", 2.0),
        ("coalesce(y, x)", 7.0), ("coalesce(ln(0), -1)", -1.0), ("coalesce(y, null)", None), ("nullif(x, 7)", None),
        ("nullif(x, y)", 7.0),
        ("nullif(null, a) is null", True), ("case nullif(null, a) when b then 1 else 2 end", 2.0),
        ("ln(0) is null", True), ("x is not null", True), ("ln(0) > 1", None),
        ("1e300 * 1e300 > 1", None), ("x = 7", True), ("x != 7", False), ("x <> 6", True), ("x < y", None),
        ("x = null", None), ("null = null", None), ("won and lost", None), ("won or lost", True),
        ("not won and lost", False), ("not lost", None), ("null or true", True), ("null and false", False),
        ("not null", None), ("won = lost", None), ("won != false", True), ("x in (1, 7)", True),
        ("x in (1, null)", None), ("x in (7, null)", True), ("x not in (1, null)", None), ("y in (1)", None),
        ("null in (1)", None), ("a in ('Ab', 'c')", True), ("won in (false)", False), ("x between 1 and 7", True),
        ("x between y and 6", False), ("x between 1 and y", None), ("x not between 8 and 9", True),
        ("case when lost then 1 when won then 2 end", 2.0), ("case when lost then 1 end", None),
        ("case when lost then 1 else x end", 7.0), ("case x when y then 1 when 7 then 2 else 3 end", 2.0),
        ("case a when 'x' then won else lost end", None), ("case y when null then 1 else 2 end", 2.0),
        ("case null when 7 then 1 else 2 end", 2.0), ("case when won then finish else start end", None),
        ("case when won then 'long' else a end", "long"), ("case when x > 1e300 * 1e300 then 1 else 2 end", 2.0),
        ("coalesce(lost, won)", True), ("coalesce(b, a)", "Ab"), ("nullif(a, 'Ab')", None),
        ("nullif(won, false)", True), ("lower(a)", "ab"), ("lower('ÄΑΣ İ')", "äας i".replace("ς", "σ")),
        ("'it''s'", "it's"), ("a < 'a'", True), ("'z' < 'é'", True), ("'\uffff' < '😀'", True), ("a = b", None),
        ("a != 'ab'", True), ("contains(tags, 'q')", True), ("contains(tags, a)", False), ("contains(tags, b)", None),
        ("contains(seen, 'q')", None), ("contains(codes, x)", False), ("contains(codes, y)", None),
        ("overlap(tags, tags)", 2.0), ("overlap(tags, seen)", None), ("len(tags)", 3.0), ("len(seen)", None),
        ("len(codes)", 0.0), ("seen is null", True), ("codes is null", False), ("tags", ["p", "q", "p"]),
        ("seen", None), ("start + 1.5", 11_500_000), ("1.5 + start", 11_500_000), ("start - 1.5", 8_500_000),
        ("start + y", None), ("start - null", None), ("null - start", None), ("start + 0.0000005", 10_000_001),
        ("start - 0.0000005", 9_999_999), ("start + 1e300", None), ("start + 1e300 * 1e300", None),
        ("start + 2.4e12", None), ("start + 1e12 + 1e12 + 1e12", None), ("(start + 4) - start", 4.0),
        ("now - start", (NOW - 10_000_000) / 1e6), ("finish - start", None), ("now", NOW), ("start < now", True),
        ("least(start, finish, now)", 10_000_000), ("greatest(start, finish, now)", NOW),
        ("greatest(finish, null)", None), ("coalesce(finish, start)", 10_000_000),
        ("nullif(start, finish)", 10_000_000), ("start in (finish, now)", None), ("hour(now)", 22.0),
        ("hour(finish)", None), ("weekday(now)", 1.0), ("hour(start - 11)", 23.0), ("weekday(start - 11)", 2.0),
        ("weekday(start)", 3.0), ("hour(null)", None), ("haversine_km(0, 0, 0, 180)", math.pi * 6371.0088),
        ("haversine_km(10, 20, 10, 20)", 0.0), ("haversine_km(48.8566, 2.3522, 51.5074, -0.1278)", 343.55653488),
        ("haversine_km(91, 0, 0, 0)", None), ("haversine_km(0, 0, 0, y)", None), ("haversine_km(0, 361, 0, 0)", None),
    ],
)  # fmt: skip
def test_the_rules_of_semantics_hold_on_both_engines(text, value):
    (found,) = both(text, ONE)
    assert found == pytest.approx(value, rel=1e-9) if isinstance(value, float) else found == value


@pytest.mark.parametrize(
    "timezone", ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Africa/Casablanca"]
)
def test_hours_follow_the_zone_through_its_changes_of_the_clock(timezone):
    around = [
        int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000 + minutes * 60_000_000 - 1 + edge
        for year, month, day in [
            (1970, 1, 1),
            (1988, 4, 16),
            (2024, 3, 10),
            (2024, 3, 31),
            (2024, 11, 3),
            (2099, 12, 30),
        ]
        for minutes in range(0, 1560, 30)
        for edge in (0, 1)
        if year > 1970 or minutes > 0
    ]
    local = [datetime.fromtimestamp(t // 1_000_000, ZoneInfo(timezone)) for t in around]
    assert both("hour(start)", {"t.start": around}, timezone) == [float(x.hour) for x in local]
    assert both("weekday(start + 0)", {"t.start": around}, timezone) == [float(x.weekday()) for x in local]


def test_one_row_stands_for_all():
    columns = {
        "t.seen": column(TEXTS, [["p", "q"]]),
        "t.a": column(TEXT, ["p", "r", None]),
        "t.tags": column(TEXTS, [["q", "q"], [], None]),
        "t.x": column(NUMBER, [2.0]),
    }
    assert evaluate(read("contains(seen, a)"), columns, NOW).to_list() == [True, False, None]
    assert evaluate(read("contains(tags, 'q')"), columns, NOW).to_list() == [True, False, None]
    assert evaluate(read("contains(tags, a)"), columns, NOW).to_list() == [False, False, None]
    assert evaluate(read("overlap(seen, tags)"), columns, NOW).to_list() == [1.0, 0.0, None]
    assert evaluate(read("x * 2"), columns, NOW).to_list() == [4.0]
    assert evaluate(read("3"), {}, NOW).to_list() == [3.0]
    assert evaluate(read("case when a = 'p' then x else 0 end"), columns, NOW).to_list() == [2.0, 0.0, 0.0]


def test_now_may_differ_by_row():
    nows = np.array([10_000_000, 20_000_000])
    assert evaluate(read("now - start"), {"t.start": column(TIME, [0])}, nows).to_list() == [10.0, 20.0]


def test_no_rows_give_no_rows():
    empty: Rows = {name: [] for name in KINDS}
    for text in [
        "x + 1",
        "won and lost",
        "contains(tags, a)",
        "overlap(tags, seen)",
        "lower(a)",
        "start + x",
        "hour(start)",
    ]:
        assert with_numpy(read(text), empty) == with_duckdb(read(text), empty) == []


def test_an_expression_is_compiled_once_for_each_zone():
    assert compile(read("hour(now)")) is compile(read("hour(now)"))
    assert compile(read("hour(now)")) is not compile(read("hour(now)"), "Asia/Shanghai")


def test_long_sums_stay_short_sql():
    long = read(" + ".join(["x"] * 60))
    assert len(sql.duckdb(long, {"t.x": '"x"'}, "0")) < 1000
    deep = read("1 / (" * 20 + "x" + ")" * 20)
    assert len(sql.duckdb(deep, {"t.x": '"x"'}, "0")) < 4000


def test_the_page_explains_every_function():
    page = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text(encoding="utf-8")
    assert [name for name in FUNCTIONS if f"`{name}(" not in page] == []


# Expressions at random. Functions whose last digit the engines may round differently stay away from what would make
# a step of it (comparisons, floor, %): `smooth` says that the value may carry such a digit.

EXTREME = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.0, 1e-300, -1e-300, 1e15, -1e15, 1e300, -1e300, 5e-324, 0.1]
LETTERS = ["", "a", "A", "b", "Ä", "é", "it's", "😀", "\uffff"]
CLOCK = st.one_of(st.integers(-(10**15), 4 * 10**15), st.sampled_from([0, -1, 2**61 - 1, -(2**61)]))
ITEMS: dict[str, st.SearchStrategy[Any]] = {
    "number": st.one_of(st.sampled_from(EXTREME), st.integers(-50, 50).map(float), st.floats(-1e6, 1e6)),
    "flag": st.booleans(),
    "time": CLOCK,
    "text": st.sampled_from(LETTERS),
}


def cells(kind: Kind) -> st.SearchStrategy[Any]:
    item = ITEMS[kind.base]
    return st.one_of(st.none(), st.lists(item, max_size=4) if kind.is_list else item)


TABLES = st.integers(1, 6).flatmap(
    lambda count: st.fixed_dictionaries(
        {n: st.lists(cells(k), min_size=count, max_size=count) for n, k in KINDS.items()}
    )
)


def literals(base: str) -> st.SearchStrategy[str]:
    return {
        "number": st.sampled_from([repr(x) for x in EXTREME]),
        "flag": st.sampled_from(["true", "false"]),
        "time": st.just("now"),
        "text": st.sampled_from(["'" + x.replace("'", "''") + "'" for x in LETTERS]),
    }[base]


@st.composite
def texts(draw: st.DrawFn, base: str, depth: int = 3, smooth: bool = False) -> str:
    def sub(wanted: str, smooth: bool = False) -> str:
        return draw(texts(wanted, depth - 1, smooth))

    leaves = [f'"{n[2:]}"' for n, k in KINDS.items() if k.base == base and not k.is_list]
    # The kind of null + 1 is number, so a null stands for no time here.
    nothing = st.just("null") if base != "time" else literals("time")
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.one_of(st.sampled_from(leaves), st.sampled_from(leaves), literals(base), nothing))
    bases = st.sampled_from(["number", "time", "text"])
    shape = draw(st.integers(0, 9))
    if shape == 0:
        return f"case when {sub('flag')} then {sub(base, smooth)} else {sub(base, smooth)} end"
    if shape == 1:
        other = draw(bases)
        return f"case {sub(other)} when {sub(other)} then {sub(base, smooth)} when {sub(other)} then {sub(base)} end"
    if shape == 2:
        return f"coalesce({sub(base)}, {sub(base)})" if draw(st.booleans()) else f"nullif({sub(base)}, {sub(base)})"
    if base == "text":
        return f"lower({sub('text')})"
    if base == "time":
        move, extreme = draw(st.sampled_from("+-")), draw(st.sampled_from(["least", "greatest"]))
        return f"({sub('time')} {move} {sub('number')})" if shape < 7 else f"{extreme}({sub('time')}, {sub('time')})"
    if base == "number":
        forms = [
            lambda: f"({sub('number', smooth)} {draw(st.sampled_from('*/'))} {sub('number', smooth)})",
            lambda: f"({sub('number')} {draw(st.sampled_from(['+', '-', '*', '/', '//', '%']))} {sub('number')})",
            lambda: f"{draw(st.sampled_from(['floor', 'ceil', 'round', 'abs', 'sqrt', '-']))}({sub('number')})",
            lambda: f"round({sub('number')}, {draw(st.sampled_from(['2', '-2', '0']))})",
            lambda: f"{draw(st.sampled_from(['least', 'greatest']))}({sub('number')}, {sub('number')})",
            lambda: f"({sub('time')} - {sub('time')})",
            lambda: f"{draw(st.sampled_from(['hour', 'weekday']))}({sub('time')})",
            lambda: draw(st.sampled_from(["overlap(tags, seen)", "overlap(codes, codes)", "len(tags)", "len(codes)"])),
        ]
        bent = [
            lambda: f"{draw(st.sampled_from(['ln', 'exp']))}({sub('number')})",
            lambda: f"power({sub('number')}, {sub('number')})",
        ]
        return draw(st.sampled_from(forms + bent if smooth else forms[1:]))()
    compared = draw(bases)
    forms = [
        lambda: f"({sub('flag')} {draw(st.sampled_from(['and', 'or', '=', '!=']))} {sub('flag')})",
        lambda: f"(not {sub('flag')})",
        lambda: f"({sub(compared)} {draw(st.sampled_from(['=', '!=', '<', '<=', '>', '>=']))} {sub(compared)})",
        lambda: f"({sub(compared)} between {sub(compared)} and {sub(compared)})",
        lambda: f"({sub(compared)} {draw(st.sampled_from(['in', 'not in']))} ({sub(compared)}, {sub(compared)}))",
        lambda: f"({sub(compared)} is null)",
        lambda: f"contains({draw(st.sampled_from(['tags', 'seen']))}, {sub('text')})",
        lambda: f"contains(codes, {sub('number')})",
    ]
    return draw(st.sampled_from(forms))()


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(["number", "flag", "time", "text"]).flatmap(lambda x: texts(x, 3, True)), TABLES)
def test_random_expressions_agree_on_both_engines(text, rows):
    note(text)
    both(typed(text), rows, "Asia/Kathmandu")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-91, 91), min_size=4, max_size=4), st.floats(-400, 400))
def test_distances_agree_on_both_engines(places, lon):
    rows = {"t.x": [places[0]], "t.y": [lon]}
    expression = read(f"haversine_km(x, {places[1]!r}, {places[2]!r}, y)")
    (numpy,), (database,) = with_numpy(expression, rows), with_duckdb(expression, rows)
    # Near the other side of the Earth the last digit of a sine is metres.
    assert numpy == database or math.isclose(numpy, database, rel_tol=1e-8, abs_tol=1e-6)
