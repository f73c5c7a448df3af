"""How a row reaches tables and entities: nearest first, never by a list, never by one of two ways."""

import pytest
from small import parts, system

import sixfold as sf
from sixfold.design.paths import plan, reach
from sixfold.design.schema import Join, KeyField, RowPlan, TableSchema
from sixfold.errors import AmbiguousEntity, UnreachableEntity


def table(name: str, *keys: str, **links: str | list[str]) -> TableSchema:
    """A table by its keys' entities; a link in a list holds many keys a row."""
    fields = [
        KeyField(one[0] if isinstance(one, list) else one, (column,), isinstance(one, list), name=column)
        for column, one in links.items()
    ]
    own = tuple(KeyField(key, (key,), name=key) for key in keys)
    return TableSchema(name, (), own, tuple(fields), None, (), "feed.py:1")


def row(base: list[str], *tables: TableSchema) -> RowPlan:
    return plan(base, {one.name: one for one in tables})


def test_a_row_reaches_the_table_of_its_key_and_what_that_leads_to():
    made = row(["video"], table("authors", "author", country="country"), table("videos", "video", author="author"))
    assert made.base == ("video",)
    assert made.joins == (Join("videos", ("video",)), Join("authors", ("videos.author",)))
    assert made.keys == {"video": "video", "author": "videos.author", "country": "authors.country"}
    assert reach(made, "country", where="feed.py:8", part="Features craft") == "authors.country"


def test_only_the_lookups_that_are_needed_are_made_and_in_order():
    made = row(
        ["video"], table("videos", "video", author="author"), table("authors", "author"), table("clips", "video")
    )
    assert [join.table for join in made.joins_for(frozenset(["authors.country"]))] == ["videos", "authors"]
    assert [join.table for join in made.joins_for(frozenset(["clips.length_s"]))] == ["clips"]
    assert made.joins_for(frozenset(["video"])) == ()


def test_the_rows_own_key_comes_before_one_in_a_table():
    made = row(["video", "author"], table("videos", "video", author="author"), table("authors", "author"))
    assert made.keys["author"] == "author"
    assert Join("authors", ("author",)) in made.joins


def test_of_two_ways_the_shorter_is_taken():
    made = row(
        ["video"],
        table("studios", "studio", city="city"),
        table("videos", "video", studio="studio", city="city"),
    )
    assert made.keys["city"] == "videos.city"


@pytest.mark.parametrize(
    ("tables", "ways"),
    [
        ([table("a", "video", tag="tag"), table("b", "video", tag="tag")], "a.tag and b.tag"),
        ([table("a", "video", home="tag", work="tag")], "a.home and a.work"),
        ([table("b", "video", tag=["tag"]), table("a", "viewer", tag="tag")], "b.tag and a.tag"),
    ],
    ids=["two tables", "two columns", "a list and a key"],
)
def test_two_ways_of_one_length_are_ambiguous_once_they_are_asked_for(tables, ways):
    made = row(["viewer", "video"], *tables)
    with pytest.raises(AmbiguousEntity) as caught:
        reach(made, "tag", where="feed.py:8", part="Features craft")
    assert str(caught.value) == (
        f"feed.py:8: Features craft finds the key of tag in two ways, {ways}: name one of the entities otherwise"
    )


def test_no_table_is_looked_up_by_an_ambiguous_key():
    made = row(["video"], table("a", "video", home="city", work="city"), table("cities", "city", mayor="mayor"))
    assert [join.table for join in made.joins] == ["a"]
    with pytest.raises(UnreachableEntity):
        reach(made, "mayor", where="feed.py:8", part="Features craft")


def test_an_entity_that_is_not_reached_is_named_with_those_that_are():
    made = row(["viewer", "video"], table("videos", "video", author="author"))
    with pytest.raises(UnreachableEntity) as caught:
        reach(made, "city", where="feed.py:8", part="Features craft")
    assert str(caught.value) == (
        "feed.py:8: Features craft needs the key of city, which its rows do not lead to "
        "(they lead to author, video, viewer)"
    )


def test_a_list_of_keys_is_reached_but_looks_up_no_table():
    made = row(["video"], table("videos", "video", tags=["tag"]), table("tags", "tag", topic="topic"))
    assert made.keys == {"video": "video", "tag": "videos.tags"}
    assert [join.table for join in made.joins] == ["videos"]


def test_a_relation_is_looked_up_where_all_its_keys_are_known():
    memberships = table("memberships", "viewer", "club", role="role")
    assert row(["viewer"], memberships).joins == ()
    assert row(["club", "viewer"], memberships).joins == (Join("memberships", ("viewer", "club")),)


def test_a_relation_finds_one_of_its_keys_through_another_table():
    made = row(["viewer", "video"], table("memberships", "viewer", "club"), table("videos", "video", club="club"))
    assert made.joins == (Join("videos", ("video",)), Join("memberships", ("viewer", "videos.club")))


def test_tables_that_lead_to_each_other_end():
    made = row(["video"], table("videos", "video", author="author"), table("authors", "author", best="video"))
    assert made.keys == {"video": "video", "author": "videos.author"}


def test_a_design_that_is_ambiguous_is_refused_with_its_line():
    p = parts()
    resold = sf.Table("resold", sf.Csv("resold.csv"), p["item"].key("item_id"), shop=p["shop"].key("shop_id"))
    data = sf.Data(p["items"], resold, p["visits"], p["trade"])
    framing = sf.Framing(query=p["person"], item=p["item"], examples=p["visits"], labels=[p["bought"]])
    ranker = sf.Network("ranker", inputs=[p["trade"]], heads=[sf.Binary(p["bought"])])
    evaluation = sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=[])
    deployment = sf.Deployment(predict=ranker, value="bought")
    with pytest.raises(AmbiguousEntity) as caught:
        sf.System("x", sf.Requirements(goal="g"), framing, data, sf.Models(ranker), evaluation, deployment)
    where, _, said = str(caught.value).partition(": ")
    assert where == p["trade"]._at
    assert said == (
        "Features trade finds the key of shop in two ways, items.shop and resold.shop: "
        "name one of the entities otherwise"
    )
    assert system().row.keys["shop"] == "items.shop"
