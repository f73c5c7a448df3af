"""The server's clock: the wall's, or one that starts at a time and follows what is sent."""

import time

import pytest

from sixfold.errors import InvalidClock
from sixfold.serving.clock import Clock, parse_time_us, start_us


def test_the_walls_clock_tells_the_walls_time_and_follows_nothing():
    clock = Clock()
    clock.follow(2**60)
    assert abs(clock.now_us() - time.time() * 1e6) < 5e6
    assert clock.tolerance_us == 0


def test_a_replay_starts_where_it_is_told_and_runs_on():
    clock = Clock(1_000_000)
    first, second = clock.now_us(), clock.now_us()
    assert 1_000_000 <= first <= second < 6_000_000


def test_a_replay_follows_what_is_sent_but_never_goes_back():
    clock = Clock(0)
    clock.follow(50_000_000)
    assert clock.now_us() >= 50_000_000
    clock.follow(1_000_000)
    assert clock.now_us() >= 50_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [("wall", None), ("data", 8), ("1970-01-01T00:00:02Z", 2_000_000), ("1970-01-01T02:00:00+02:00", 0)],
)
def test_a_clock_is_named_on_the_command_line(text, expected):
    assert start_us(text, lambda: 7) == expected


def test_without_data_the_datas_clock_is_the_walls():
    assert start_us("data", lambda: None) is None


def test_what_names_no_clock_is_refused():
    with pytest.raises(InvalidClock) as refused:
        start_us("noon", lambda: None)
    assert str(refused.value) == "--clock must be `wall`, `data`, or a time such as 2022-05-06T00:00:00Z, got 'noon'"


def test_times_keep_their_microseconds():
    assert parse_time_us("2022-05-06T00:00:00.000001Z") == 1_651_795_200_000_001
