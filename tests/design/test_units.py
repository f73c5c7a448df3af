"""Durations as a design writes them, and the grid that windows are cut to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixfold.design.units import SECONDS, duration_us, hop_us, shown
from sixfold.errors import InvalidField

SECOND, DAY = 1_000_000, 86_400_000_000


def duration(text: str) -> int:
    return duration_us(text, where="feed.py:3", part="count", field="window")


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1s", SECOND),
        ("30m", 1800 * SECOND),
        ("6h", DAY // 4),
        ("1d", DAY),
        ("2w", 14 * DAY),
        ("1y", 365 * DAY),
        ("90d", 90 * DAY),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text, us):
    assert duration(text) == us


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "07d", "1 d", "1D", "1ms", "1d2h", 7, None])
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidField) as caught:
        duration(text)
    assert str(caught.value) == f"feed.py:3: count.window must be a duration such as '30m', '1d', '7d', got {text!r}"


def test_units_of_columns_are_reckoned_in_seconds():
    assert SECONDS == {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86_400}


@pytest.mark.parametrize(
    ("window", "hop"),
    [
        ("1s", "1s"),
        ("4m", "5s"),
        ("1h", "1m"),
        ("1d", "30m"),
        ("7d", "3h"),
        ("30d", "12h"),
        ("48d", "1d"),
        ("1y", "1d"),
    ],
)
def test_the_hop_of_a_window_is_the_largest_of_at_most_a_48th(window, hop):
    assert hop_us(duration(window)) == duration(hop)


@given(st.integers(1, 10 * 365 * 86_400))
def test_a_hop_is_a_48th_of_the_window_or_a_second(window_s):
    hop = hop_us(window_s * SECOND)
    assert hop == SECOND or hop * 48 <= window_s * SECOND
    assert hop_us((window_s + 1) * SECOND) >= hop


@given(st.integers(1, 10 * 365 * 86_400))
def test_what_is_shown_is_read_back_as_the_same(seconds):
    assert duration(shown(seconds * SECOND)) == seconds * SECOND


@pytest.mark.parametrize(("us", "text"), [(7 * DAY, "7d"), (90 * 60 * SECOND, "90m"), (1_500_000, "1.5s")])
def test_a_duration_is_shown_in_its_largest_whole_unit(us, text):
    assert shown(us) == text
