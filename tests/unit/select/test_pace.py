"""Pace: what is told before, what is seen on the way, what is dropped where time would overrun."""

from __future__ import annotations

import pytest

from fewtune.select import pace
from fewtune.select.pace import Pace, Part


class Clock:
    """A clock that stands still but for what it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def no_slack(monkeypatch):
    monkeypatch.setattr(pace, "SLACK", 0.0)


def paced(*parts):
    clock = Clock()
    return Pace([Part(*part) for part in parts], before=10.0, clock=clock), clock


def spend(made, clock, name, seconds):
    with made.part(name):
        clock.now += seconds


def test_what_is_told_is_what_has_gone_and_what_is_to_come():
    made, clock = paced(("a", 20.0), ("b", 70.0))
    assert (made.told, made.seconds, made.left) == (100.0, 10.0, 90.0)
    spend(made, clock, "a", 20.0)
    assert made.seconds == 30.0
    assert made.left == 70.0


def test_what_took_longer_corrects_what_is_to_come():
    """By hand: 20 foreseen took 60; a quarter of 90 as foreseen stands beside it: 82.5 / 42.5."""
    made, clock = paced(("a", 20.0), ("b", 70.0))
    spend(made, clock, "a", 60.0)
    assert made.factor == pytest.approx((60 + 22.5) / (20 + 22.5))
    assert made.left == pytest.approx(70 * 82.5 / 42.5)


def test_what_can_be_left_out_is_where_all_would_end_beyond_one_and_a_half_times():
    """Told 100, so 150 is the end; after 60 s instead of 20, needed 40 s and b 30 s come to 206."""
    made, clock = paced(("a", 20.0), ("b", 30.0, False), ("c", 40.0))
    assert made.room("b")
    spend(made, clock, "a", 60.0)
    assert not made.room("b")
    made.drop("b", "the second")
    assert made.dropped == ["the second"]
    spend(made, clock, "c", 60.0)
    told = made.as_json()
    assert told == {
        "told_seconds": 100.0, "took_seconds": 130.0, "ratio": 0.769, "dropped": ["the second"],
    }  # fmt: skip


def test_what_can_be_left_out_may_not_take_the_time_of_what_is_needed():
    made, clock = paced(("a", 10.0), ("b", 10.0, False), ("c", 80.0))
    assert made.room("b"), "it was foreseen"
    spend(made, clock, "a", 40.0)
    # 50 gone; (40 + 25) / (10 + 25) times 90 are 167 more, and 165 is the end of 110 told.
    assert not made.room("b")


def test_small_fits_are_too_short_to_be_held_to_it(monkeypatch):
    monkeypatch.setattr(pace, "SLACK", 30.0)
    made, clock = paced(("a", 1.0), ("b", 1.0, False))
    spend(made, clock, "a", 10.0)
    assert made.room("b")


def test_without_a_forecast_there_is_always_room():
    made = Pace()
    assert made.room("anything")
    assert made.as_json()["told_seconds"] is None
