"""Names that Sixfold uses itself cannot be given to columns, keys and models."""

from pathlib import Path

import pytest
from small import system

import sixfold as sf
from sixfold.errors import InvalidField

RULE = "named otherwise than time, known, arrival, offset, valid_from, which every row has by itself"
ITEM = sf.Entity("item")
FILE = sf.Csv("rows.csv")
WHEN = sf.Time("at")


def message(make) -> str:
    """What the InvalidField says, without the file and line."""
    with pytest.raises(InvalidField) as caught:
        make()
    where, _, said = str(caught.value).partition(": ")
    assert where.rpartition(":")[0].endswith(Path(__file__).name)
    return said


@pytest.mark.parametrize("name", ["arrival", "offset", "valid_from", "Time", "KNOWN"])
def test_a_stream_has_no_column_of_a_reserved_name(name):
    said = message(lambda: sf.Events("plays", FILE, ITEM.key(), time=WHEN, **{name: sf.Number()}))
    assert said == f"Events plays.columns must be {RULE}, got {name!r}"


@pytest.mark.parametrize("column", [sf.Time(), sf.Entity("city").key()], ids=["field", "link"])
@pytest.mark.parametrize("name", ["time", "known", "arrival", "offset", "Valid_From"])
def test_a_table_has_no_column_of_a_reserved_name(name, column):
    said = message(lambda: sf.Table("items", FILE, ITEM.key(), **{name: column}))
    assert said == f"Table items.columns must be {RULE}, got {name!r}"


def test_no_key_is_of_an_entity_with_a_reserved_name():
    offset = sf.Entity("offset")
    said = message(lambda: sf.Events("plays", FILE, ITEM.key(), offset.key(), time=WHEN))
    assert said == f"Events plays.keys must be {RULE}, got 'offset'"
    said = message(lambda: sf.Table("steps", FILE, offset.key()))
    assert said == f"Table steps.keys must be {RULE}, got 'offset'"


def test_a_column_that_takes_the_place_of_an_argument_is_refused():
    said = message(lambda: sf.Events("plays", FILE, ITEM.key(), time=sf.Number()))
    assert said == "Events plays.time must be a Time(…), got Number(raw=None, unit=None)"
    said = message(lambda: sf.Events("plays", FILE, ITEM.key(), time=WHEN, known=WHEN))
    assert said == "Events plays.known must be an expression, got Time(raw='at', unit=None)"
    said = message(lambda: sf.Table("items", FILE, ITEM.key(), valid_from=WHEN))
    rule = "the name of one of its Time columns"
    assert said == f"Table items.valid_from must be {rule}, got Time(raw='at', unit=None)"


def test_a_raw_column_may_have_any_name():
    table = sf.Table("items", FILE, ITEM.key("offset"), valid_from="since", since=sf.Time("valid_from"))
    assert str(table.since) == "items.since"
    assert str(sf.Events("plays", FILE, ITEM.key(), time=sf.Time("time")).time) == "plays.time"


def test_features_and_derived_values_may_be_named_so():
    plays = sf.Events("plays", FILE, ITEM.key(), time=WHEN)
    assert str(sf.Features("demand", ITEM, plays, offset=sf.count()).offset) == "demand.offset"
    assert str(sf.Derived("moment", time="hour(now)").time) == "moment.time"


@pytest.mark.parametrize("name", ["champion", "answer"])
def test_no_model_is_named_as_metrics_name_the_system(name):
    said = message(lambda: sf.Models(sf.Rule("other", "1"), sf.Rule(name, "1")))
    rule = "named otherwise than champion and answer, which metrics read as the system's own"
    assert said == f"Models.models must be {rule}, got {name!r}"


def test_a_gate_may_still_name_the_champion():
    assert system(gates=["auc(bought) >= champion.auc(bought) - 0.002"]).gates
