"""A design is resolved when it is built, and what is wrong is said with its line."""

import pickle
from pathlib import Path

import pytest
from small import REQUIREMENTS, parts, system

import sixfold as sf
from sixfold.design import load
from sixfold.design.draw import draw
from sixfold.errors import (
    DerivedCycle,
    InvalidField,
    InvalidMetric,
    NotADesign,
    OutcomeAsInput,
    UnknownColumn,
    UnknownName,
    UnreachableEntity,
    WindowTooLong,
)


def line(text: str, offset: int = 0) -> str:
    """`file:line` of the one line of this file that contains the text."""
    path = Path(__file__)
    numbers = [n for n, one in enumerate(path.read_text().splitlines(), 1) if text in one and "line(" not in one]
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name
    return f"{shown}:{numbers[0] + offset}"


def test_names_become_full_and_types_known():
    made = system()
    assert made.context == ("visits.page",)
    assert made.row.keys == {"person": "person", "item": "item", "shop": "items.shop"}
    assert str(made.kinds["habit.history"]) == "list of text"
    assert made.kinds["habit.history"].domain == "item"
    assert made.kinds["moment.hour"].domain == "moment.hour"
    assert made.features["trade"].event.keys["shop"] == "items.shop"
    inputs = made.inputs(made.models["ranker"].inputs, where="", part="")
    assert inputs == (
        "habit.visits_7d",
        "habit.history",
        "trade.rate_1d",
        "moment.cheap",
        "moment.hour",
        "items.shop",
        "items.price",
        "visits.page",
    )


def test_what_a_value_depends_on_is_found_through_tables():
    made = system()
    assert made.depends("trade.rate_1d") == {"item"}
    assert made.depends("habit.history") == {"person"}
    assert made.depends("moment.hour") == frozenset()
    assert made.depends("visits.page") == {"visits.page"}


def test_the_fingerprint_changes_with_the_features_and_with_nothing_else():
    changed = sf.Features("habit", parts()["person"], parts()["visits"], visits_7d=sf.count(window="6d"))
    assert system().fingerprint == system().fingerprint == system(value="bought").fingerprint
    p = parts()
    changed = sf.Features(
        "habit", p["person"], p["visits"], visits_7d=sf.count(window="6d"), history=sf.last("item", n=5)
    )
    assert system(habit=changed, inputs=[changed]).fingerprint != system().fingerprint


def test_an_outcome_is_refused_as_an_input():
    p = parts()
    with pytest.raises(OutcomeAsInput, match=r"reads visits\.dwell, an outcome of the examples"):
        system(inputs=[p["visits"].dwell])


def test_a_column_that_does_not_exist_is_named_with_the_nearest():
    with pytest.raises(UnknownColumn) as caught:
        assert parts()["items"].prize
    where = line("assert parts()")
    assert str(caught.value) == f"{where}: items has no column 'prize'. Did you mean 'price'?"


def test_an_unknown_name_in_an_expression_is_said_with_the_line_of_its_part():
    label = sf.Label("bought", "bougth")
    with pytest.raises(UnknownName) as caught:
        system(bought=label)
    where = line('sf.Label("bought", "bougth")')
    assert str(caught.value).startswith(f"{where}: Label bought reads 'bougth', which nothing provides. Did you mean")


def test_a_window_longer_than_the_events_kept_is_refused():
    p = parts()
    long = sf.Features(
        "habit", p["person"], p["visits"], history=sf.last("item", n=5), visits_7d=sf.count(window="31d")
    )
    with pytest.raises(WindowTooLong, match="has a window of 31 days, but visits keeps its events for 30 days"):
        system(habit=long)


def test_an_entity_that_no_row_leads_to_is_named():
    p = parts()
    with pytest.raises(UnreachableEntity, match="needs the key of city, which its rows do not lead to"):
        system(trade=sf.Features("trade", sf.Entity("city"), p["visits"], rate_1d=sf.count()))


def test_derived_values_that_read_each_other_are_refused():
    p = parts()
    one, other = sf.Derived("one", a="other.b + 1"), sf.Derived("other", b="one.a + 1")
    data = sf.Data(p["items"], p["visits"], one, other)
    framing = sf.Framing(query=p["person"], item=p["item"], examples=p["visits"], labels=[p["bought"]])
    ranker = sf.Network("ranker", inputs=[one], heads=[sf.Binary(p["bought"])])
    evaluation = sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=[])
    deployment = sf.Deployment(predict=ranker, value="bought")
    with pytest.raises(DerivedCycle, match="derived values read each other in a circle"):
        sf.System("x", sf.Requirements(goal="g"), framing, data, sf.Models(ranker), evaluation, deployment)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: sf.Requirements(goal="g", p99_ms=-1), "Requirements.p99_ms must be above 0, got -1"),
        (lambda: sf.Number(unit="parsec"), "Number.unit must be one of us, ms, s, min, h, d, got 'parsec'"),
        (
            lambda: sf.rate("x", prior=(1, 0)),
            "rate.prior must be two numbers (successes, trials), the second above 0, ",
        ),
        (lambda: sf.last("x", n=0), "last.n must be 1 to 1000, got 0"),
        (lambda: sf.ByTime(validation="1d", test=0.2), "ByTime.test must be days if validation is days"),
        (lambda: sf.Database("oracle://x", "t"), "Database.uri must be sqlite:///PATH or postgresql://…"),
        (lambda: sf.Explore(1.5), "Explore.share must be at least 0 and below 1, got 1.5"),
        (lambda: sf.Entity("not a name"), "Entity.name must be a plain name"),
    ],
)
def test_a_field_out_of_range_is_one_clear_error(made, message):
    with pytest.raises(InvalidField) as caught:
        made()
    assert message in str(caught.value)
    assert str(caught.value).startswith(line("lambda: sf").rsplit(":", 1)[0] + ":")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_filter_must_be_a_condition():
    with pytest.raises(InvalidField, match=r"Deployment.filters must be a condition, got 'items.price \+ 1'"):
        system(filters=["items.price + 1"])


def test_lists_are_sliced_by_the_query_alone():
    system(metrics=["recall@10[new]"])
    with pytest.raises(InvalidMetric) as caught:
        system(metrics=["auc(bought)[cheap]", "recall@10[cheap]"], slices={"cheap": "items.price < 10"}, gates=[])
    words = "'recall@10[cheap]' must be without [cheap], which reads more than the person that a list is asked for"
    assert str(caught.value).endswith(f": Evaluation: {words}")


def test_candidates_come_from_what_can_propose_them():
    p = parts()
    near = sf.ItemNeighbours("near", positives=p["bought"])
    ranker = sf.Trees("trees", inputs=[p["habit"]], heads=[sf.Binary(p["bought"])])
    framing = sf.Framing(query=p["person"], item=p["item"], examples=p["visits"], labels=[p["bought"]])
    with pytest.raises(InvalidField, match=r"Deployment.candidates must be made of a TwoTower or a Rule, got 'near'"):
        small(p, framing, sf.Models(ranker, near), sf.Deployment(candidates=[near.top(5)], predict=ranker, value="1"))


def test_without_items_there_is_nothing_to_order():
    p = parts()
    framing = sf.Framing(query=p["person"], examples=p["visits"], labels=[p["bought"]])
    ranker = sf.Trees("trees", inputs=[p["habit"].visits_7d], heads=[sf.Binary(p["bought"])])
    deployment = sf.Deployment(predict=ranker, value="bought")
    assert small(p, framing, sf.Models(ranker), deployment).item is None
    rule = sf.Rule("busy", "habit.visits_7d")
    with pytest.raises(InvalidField, match=r"Models.busy must be a Network or Trees, since Framing names no item"):
        small(p, framing, sf.Models(ranker, rule), deployment)


def small(p, framing, models, deployment):
    """A design with sections of its own over the small design's visits."""
    evaluation = sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=[])
    data = sf.Data(p["items"], p["visits"], p["habit"])
    return sf.System("small", REQUIREMENTS, framing, data, models, evaluation, deployment)


def test_a_drawn_design_shows_its_six_sections():
    text = draw(system())
    for title in ("1 Requirements", "2 Framing", "3 Data", "4 Models", "5 Evaluation", "6 Deployment"):
        assert title in text
    assert "features trade(shop) of visits   via items.shop" in text
    assert "candidates tower.top(10), busy.top(5)" in text


def test_a_file_without_a_system_is_no_design(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(NotADesign, match="it makes no System"):
        load(tmp_path / "empty.py")
    with pytest.raises(NotADesign, match="there is no such file"):
        load(tmp_path / "none.py")
    (tmp_path / "broken.py").write_text("x = (\n")
    with pytest.raises(NotADesign, match="line 1: '\\(' was never closed"):
        load(tmp_path / "broken.py")


def test_the_video_design_resolves():
    made = load(Path(__file__).parents[2] / "systems" / "video" / "design.py")
    assert made.kinds["interest.finish_30d"].base == "number"
    assert made.depends("interest.finish_30d") == {"viewer", "video"}


def test_values_of_a_list_of_keys_are_combined_in_one_of_four_ways():
    person, plays = sf.Entity("person"), sf.Events("plays", [], sf.Entity("person").key(), time=sf.Time(unit="s"))
    with pytest.raises(InvalidField, match="combine must be one of mean, sum, min, max, got 'median'"):
        sf.Features("own", person, plays, combine="median", n=sf.count())
