"""What a place is made of, and which models read places and texts."""

from typing import Any

import pytest
from small import parts, system

import sixfold as sf
from sixfold.errors import InvalidField, UnknownColumn


@pytest.fixture
def p() -> dict[str, Any]:
    """The small design with items that have a place and a title."""
    made = parts()
    items = sf.Table(
        "items", sf.Csv("items.csv"), made["item"].key("item_id"), shop=made["shop"].key("shop_id"), price=sf.Number(),
        title=sf.Text(), photo=sf.Image(), lat=sf.Number(), lon=sf.Number(), tags=sf.Categories(split=","),
    )  # fmt: skip
    home = {name: sf.last(f"items.{name}") for name in ("lat", "lon")}
    habit = sf.Features(
        "habit", made["person"], made["visits"], visits_7d=sf.count(window="7d"), history=sf.last("item", n=5), **home
    )
    return {**made, "items": items, "habit": habit, "inputs": [habit.visits_7d]}


def at(p: dict[str, Any], side: str) -> sf.Place:
    group = p["habit"] if side == "query" else p["items"]
    return sf.Place(group.lat, group.lon)


def sides(p: dict[str, Any], query: Any = (), item: Any = (), **more: Any) -> dict[str, Any]:
    return {"query": [p["habit"].history, *query], "item": [p["item"], *item], **more}


def test_two_towers_read_texts_and_places_on_both_sides(p):
    item = [p["items"].title, p["items"].lat, at(p, "item")]
    made = system(**{**p, "sides": sides(p, [at(p, "query")], item, text=sf.HashedText(size=32))})
    tower = made.models["tower"]
    read = made.reads(tower.item, where="", part="")
    assert read.columns == ("item", "items.title", "items.lat")
    assert read.places == (("items.lat", "items.lon"),)
    assert made.inputs(tower.item, where="", part="") == ("item", "items.title", "items.lat", "items.lon")
    assert tower.hashed_text.size == 32


def test_a_network_reads_places(p):
    made = system(**{**p, "inputs": [p["items"].price, at(p, "item"), at(p, "query")]})
    read = made.reads(made.models["ranker"].inputs, where="", part="")
    assert read.places == (("items.lat", "items.lon"), ("habit.lat", "habit.lon"))


def test_a_place_is_made_of_two_columns_of_numbers(p):
    with pytest.raises(InvalidField, match=r"test_places_and_texts.py:\d+: Place.lat must be a column, got 46.2"):
        sf.Place(46.2, p["items"].lon)
    for column in ("title", "tags", "shop"):
        given = sf.Place(p["items"].lat, getattr(p["items"], column))
        rule = rf"test_places_and_texts.py:\d+: Network ranker.Place must be made of two numbers, got 'items.{column}'"
        with pytest.raises(InvalidField, match=rule):
            system(**{**p, "inputs": [given]})
    with pytest.raises(UnknownColumn, match="elsewhere"):
        system(**{**p, "inputs": [sf.Place(sf.Derived("elsewhere", lat="1").lat, p["items"].lon)]})


def test_towers_have_a_place_on_each_side_or_on_none(p):
    second = sf.Place(p["items"].lat, p["items"].price)
    for query, item in ([], [at(p, "item")]), ([at(p, "query")], []), ([at(p, "query")], [at(p, "item"), second]):
        rule = r"TwoTower tower.query, item must be with one Place on each side, or with none"
        with pytest.raises(InvalidField, match=rule):
            system(**{**p, "sides": sides(p, query, item)})


@pytest.mark.parametrize("body", [sf.Linear(), sf.Fm(), sf.DeepFm(8)])
def test_whole_models_and_trees_refuse_a_place(p, body):
    heads = [sf.Binary(p["bought"])]
    own = type(body).__name__
    rule = rf"test_places_and_texts.py:\d+: Network other.inputs must be other than a Place, which {own} does not read"
    with pytest.raises(InvalidField, match=rule):
        system(**{**p, "baselines": [sf.Network("other", inputs=[at(p, "item")], heads=heads, body=body)]})
    rule = r"test_places_and_texts.py:\d+: Trees other.inputs must be other than Place, which Trees does not take"
    with pytest.raises(InvalidField, match=rule):
        system(**{**p, "baselines": [sf.Trees("other", inputs=[at(p, "item")], heads=heads)]})


def test_trees_refuse_a_text_and_towers_an_image(p):
    trees = sf.Trees("other", inputs=[p["items"].title], heads=[sf.Binary(p["bought"])])
    with pytest.raises(InvalidField, match=r"Trees other.inputs must be other than a Text, which Trees does not read"):
        system(**{**p, "baselines": [trees]})
    rule = r"TwoTower tower.inputs must be other than an Image, which TwoTower does not read"
    with pytest.raises(InvalidField, match=rule):
        system(**{**p, "sides": sides(p, item=[p["items"].photo])})


def test_towers_read_texts_by_what_they_can_train(p):
    rule = r"test_places_and_texts.py:\d+: TwoTower t.text must be "
    given = {"query": [], "item": [], "positives": p["bought"]}
    for text, ends in (
        (sf.Transformer("folder", tune=True), "that is not tuned"),
        (sf.HashedText(augment=0.1), "without augment"),
        ("words", "a HashedText"),
        ([], "a HashedText"),
    ):
        with pytest.raises(InvalidField, match=rule + f".*{ends}"):
            sf.TwoTower("t", text=text, **given)
    assert sf.TwoTower("t", text=[sf.HashedText(), sf.Transformer("folder")], **given).transformers
