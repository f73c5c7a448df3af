"""Planted leaks are named with their kind, and the repaired design is clean."""

from pathlib import Path

import pytest
from leaky_shop import looked_at, shop, write_log

import sixfold as sf


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_log(folder)
    return folder


@pytest.fixture
def named(data, tmp_path):
    """The leaks of a design: kind and name."""

    def look(system: sf.System) -> set[tuple[str, str]]:
        return {(leak.kind, leak.name) for leak in looked_at(system, data, tmp_path / "work").leaks}

    return look


OUTCOMES = {("outcome", "habit.rate"), ("outcome", "demand.sold_3d")}
LISTS = {("list", "habit.views_1d"), ("list", "habit.rate")}
"""Each item stands once in a list, so the features of items see nothing of it."""
SINCE = {"since": sf.Time(unit="s"), "rate": sf.Number()}


def test_the_clean_design_has_no_leak(named):
    assert named(shop()) == set()


@pytest.mark.parametrize("known", [None, "time"])
def test_a_stream_without_known_lets_features_see_what_is_not_over(named, known):
    assert named(shop(known=known)) == OUTCOMES


def test_a_label_that_is_known_with_its_row_has_nothing_to_wait_for(named):
    assert named(shop(known=None, within=None)) == set()


def test_rows_of_one_list_with_times_of_their_own_see_each_other(named):
    assert named(shop(time="shown_at", known=None, within=None)) == LISTS


def test_a_column_that_names_the_request_tells_lists_that_take_longer(named):
    assert named(shop(time="looked_at", known=None, within=None, request=True)) == LISTS


def test_a_second_stream_that_repeats_the_outcomes_is_found_by_its_times(named):
    assert named(shop(purchases=True)) == {("outcome", "purse.bills_1d")}


@pytest.mark.parametrize("column", ["rate", "sold", "class"])
def test_a_table_made_from_all_of_the_log_knows_what_came_later(named, column):
    assert named(shop(goods_columns=("price", column))) == {("future", f"goods.{column}")}


def test_a_query_over_the_log_is_made_again_from_its_first_half(named):
    query = sf.Query(
        "select item, avg(bought) as rate, any_value(price) as cost from log group by item",
        log=sf.Parquet("log.parquet"),
    )
    columns = {"rate": sf.Number(), "cost": sf.Number()}
    assert named(shop(stats=(query, None, columns))) == {("future", "stats.rate")}, "each row says the same cost"


def test_versions_that_count_before_their_day_is_over_know_it(named):
    assert named(shop(stats=(sf.Parquet("early.parquet"), "since", SINCE))) == {("future", "stats.rate")}


def test_versions_that_count_once_their_day_is_over_are_clean(named):
    assert named(shop(stats=(sf.Parquet("daily.parquet"), "since", SINCE))) == set()


def test_an_outcome_in_the_context_is_the_label(named):
    assert named(shop(bought_in_context=True)) == {("label", "views.bought")}


def test_a_table_that_says_how_each_request_ended_is_the_label(named):
    assert named(shop(receipts=True)) == {("label", "receipts.paid")}


def test_a_leak_is_told_with_its_path_its_readers_and_what_to_do(data, tmp_path):
    found = looked_at(shop(known=None), data, tmp_path / "work")
    rate = next(leak for leak in found.leaks if leak.name == "habit.rate")
    assert rate.path == ("moment.keen", "habit.rate", "views.bought")
    assert rate.models == ("trees",)
    assert rate.where.startswith("tests/monitoring/leaky_shop.py:")
    assert rate.found.endswith("of the examples see rows that began less than 10m before, as if they were over")
    assert rate.advice == (
        'say on Events views from when a row\'s values were known, such as known="time + waited_s"; '
        "0% of its rows are known later than they began"
    )
    assert (found.inputs, found.examples) == (6, 12_000)


def test_the_inputs_that_say_most_of_a_label_are_listed(data, tmp_path):
    strongest = looked_at(shop(), data, tmp_path / "work").strongest
    assert len(strongest) == 5
    assert [one.auc for one in strongest] == sorted((one.auc for one in strongest), reverse=True)
    assert 0.55 < strongest[0].auc < 0.8
