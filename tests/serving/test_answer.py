"""The stages of an answer on small arrays made by hand."""

from pathlib import Path

import numpy as np

from sixfold.design import load
from sixfold.design.kinds import FLAG, NUMBER, TEXT, Kind
from sixfold.features.arrays import column
from sixfold.serving.answer import Answerer, Question
from sixfold.serving.catalogue import Embedded, Index, Items, best
from sixfold.serving.sources import ItemRule, Neighbours, QueryRule

SYSTEM = load(Path(__file__).with_name("shop_design.py"))
KEYS = ["a", "b", "c", "d", "e"]
SHOPS = dict(zip(KEYS, ["s", "s", "s", "s", "t"]))
PRICES = dict(zip(KEYS, [1.0, 2.0, 3.0, 4.0, None]))
NOW_US = 1_700_000_000_000_000
ITEMS = Items(NOW_US, np.array(KEYS, object), {"item": column(TEXT, KEYS)}, {}, {})


def read(names, base, now_us, codes=None):
    """What the store would give: c is not listed, p bought a."""
    found, keys = dict(base), base["item"].to_list() if "item" in base else []
    made = {
        "items.listed": lambda: column(FLAG, [None if key == "x" else key != "c" for key in keys]),
        "items.shop": lambda: column(TEXT, [SHOPS.get(key) for key in keys]),
        "items.price": lambda: column(NUMBER, [PRICES.get(key) for key in keys]),
        "habit.visits_7d": lambda: column(NUMBER, [7.0]),
        "habit.bought": lambda: column(
            Kind("text", is_list=True), [["a"] if base["person"].to_list() == ["p"] else []]
        ),
    }
    return found | {name: made[name]() for name in names if name not in found}


class Scorer:
    """Scores each row by its price."""

    heads = ("bought",)
    names = frozenset({"items.price"})

    def score(self, columns, rows):
        return {"bought": np.nan_to_num(columns["items.price"].data) * np.ones(rows)}


class Listed:
    """Proposes the same items for everybody."""

    names = pair_names = frozenset()

    def __init__(self, name, places):
        self.name, self.places, self.asked = name, places, []

    def top(self, asked, items, n):
        self.asked.append(n)
        return np.array(self.places[:n], np.int64)


def answerer(*sources):
    return Answerer(SYSTEM, read, lambda: ITEMS, sources, Scorer())


def ask(by, key="p", k=10, items=None):
    question = Question("r", key, k, NOW_US, {"visits.page": column(TEXT, [None])}, items)
    return by.answer(question).items


def test_filters_remove_what_was_bought_and_what_is_not_available_and_null_counts_as_false():
    answered = ask(answerer(), items=["a", "b", "c", "d", "x"])
    assert [item.key for item in answered] == ["d", "b"]
    assert {item.source for item in answered} == {"request"}


def test_what_the_catalogue_and_the_query_tell_is_filtered_before_anything_is_read_of_an_item():
    looked_up = []

    def counted(names, base, now_us, codes=None):
        if any(name not in base for name in names):
            looked_up.extend(base["item"].to_list() if "item" in base else [])
        return read(names, base, now_us)

    found = Answerer(SYSTEM, counted, lambda: ITEMS, [], Scorer()).answer(Question("r", "p", 5, NOW_US, {}))
    assert [item.key for item in found.items] == ["d", "b", "e"]
    assert set(looked_up) == {"b", "c", "d", "e"}, "p bought a"


def test_each_item_names_the_source_that_proposed_it_first():
    answered = ask(answerer((Listed("first", [1, 3]), 2), (Listed("second", [3, 0]), 2)), key="q")
    assert [(item.key, item.source) for item in answered] == [("d", "first"), ("b", "first"), ("a", "second")]


def test_without_sources_every_available_item_is_a_candidate_and_an_item_without_value_comes_last():
    answered = ask(answerer(), key="q")
    # Four of shop s are asked for, one of them is not listed; the price of e is null, so its value is.
    assert [(item.key, item.score, item.source) for item in answered][-1] == ("e", None, "available")
    assert [item.key for item in answered] == ["d", "b", "a", "e"]


def test_where_a_rule_looks_at_all_items_sources_propose_of_those_that_the_filters_leave():
    vectors = np.array([[5], [1], [9], [3], [2]], np.float32)
    columns = {"item": column(TEXT, KEYS), "items.price": column(NUMBER, [1.0, 2.0, 3.0, 4.0, None])}
    embedded = {"tower": Embedded(vectors, Index(vectors), NOW_US)}
    items = Items(NOW_US, np.array(KEYS, object), columns, {"busy": np.array([0, 4, 1, 2, 3])}, embedded)
    rule = SYSTEM.rules["near"]
    near = QueryRule("near", rule.names, SYSTEM.read_for(rule.names), rule, "UTC")
    towers = Neighbours("tower", frozenset(), lambda columns, rows: np.ones((1, 1), np.float32))

    def proposed(key, *sources, k=3):
        by = Answerer(SYSTEM, read, lambda: items, sources, Scorer())
        return {item.key: item.source for item in by.answer(Question("r", key, k, NOW_US, {})).items}

    both = (ItemRule("busy"), 2), (towers, 1), (near, 1)
    assert proposed("p", *both) == {"e": "busy", "b": "busy", "d": "near"}, "p bought a, and c is not listed"
    assert proposed("q", *both) == {"a": "busy", "e": "busy", "d": "near"}
    assert proposed("q", (near, 1), (towers, 2), k=2) == {"d": "near", "a": "tower"}


def test_filters_meet_the_item_they_are_about_in_whatever_order_all_items_are_proposed():
    answered = ask(answerer((Listed("all", [4, 3, 2, 1, 0]), 5)), k=5)
    assert {item.key for item in answered} == {"b", "d", "e"}, "p bought a, and c is not listed"


def test_more_is_asked_for_while_filters_leave_too_few():
    source = Listed("all", [0, 2, 1, 3, 4])
    assert [item.key for item in ask(answerer((source, 2)), k=2)] == ["d", "b"]
    assert source.asked == [2, 8]


def test_an_answer_says_score_heads_position_and_what_was_read():
    answer = answerer().answer(Question("r", "p", 1, NOW_US, {"visits.page": column(TEXT, [None])}))
    (item,) = answer.items
    assert (item.key, item.position, item.propensity, item.heads) == ("d", 0, 1.0, {"bought": 4.0})
    assert item.score == 4.0 + 4.0 / 1000
    assert answer.query_features == {"habit.bought": ["a"]}
    assert answer.item_features == [{"items.listed": True, "items.price": 4.0, "items.shop": "s"}]


def test_a_request_that_names_no_item_gets_none():
    assert ask(answerer(), items=[]) == []


def test_the_best_are_cut_with_ties_in_the_order_of_their_places():
    values = np.array([1.0, 2.0, 2.0, np.nan, 2.0])
    assert best(values, np.arange(5), 2).tolist() == [1, 2]
    assert best(values, np.arange(5), 9).tolist() == [1, 2, 4, 0, 3]


def test_the_index_finds_the_largest_inner_products_among_its_items():
    vectors = np.array([[1, 0], [0, 1], [2, 0]], np.float32)
    index = Index(vectors)
    assert index.nearest(np.array([[1, 0.1]], np.float32), 2).tolist() == [2, 0]
    assert index.nearest(np.array([[1, 0.1]], np.float32), 9).tolist() == [2, 0, 1]
    assert Index(np.empty((0, 1), np.float32)).nearest(vectors[:1], 3).tolist() == []
