"""Which kind of plan suits whom."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rollbook.advice.pattern import in_words, pattern, yardstick
from rollbook.plans import find_plan


def test_the_same_people_every_month_suit_seats() -> None:
    found = pattern([20, 20, 20, 20], [(4, 20)])
    assert (found.recurring, found.people, found.recurring_share, found.suits) == (20, 20, 1, "held")


def test_other_people_but_as_many_each_month_suit_a_number_for_each_month() -> None:
    """80 people, each there once, 20 a month."""
    found = pattern([20, 20, 20, 20], [(1, 80)])
    assert (found.recurring, found.peak_to_mean, found.suits) == (0, 1, "window")


def test_other_people_and_a_busy_month_suit_credits() -> None:
    found = pattern([5, 5, 40, 10], [(1, 60)])
    assert found.peak_to_mean == Fraction(40, 15)
    assert found.suits == "term"


def test_people_who_come_back_in_a_busy_month_suit_seats_all_the_same() -> None:
    """15 come in all 4 months (60), 20 once: 60 of 80 presences are of those who recur, 3/4."""
    found = pattern([15, 15, 35, 15], [(1, 20), (4, 15)])
    assert found.recurring_share == Fraction(3, 4)
    assert found.suits == "held"


@pytest.mark.parametrize(("active", "histogram"), [([5, 5], [(2, 5)]), ([0, 0, 0], [])])
def test_a_short_or_empty_history_suits_nothing(active: list[int], histogram: list[tuple[int, int]]) -> None:
    found = pattern(active, histogram)
    assert found.suits == ""
    assert len(in_words(found)) == 1


def test_most_months_are_more_than_half() -> None:
    assert pattern([1, 1, 1, 1], []).most == 3
    assert pattern([1, 1, 1, 1, 1], []).most == 3


def test_all_plans_are_measured_by_what_any_of_them_counts_as_a_deed() -> None:
    found = yardstick([find_plan(name) for name in ("secondnature-seats", "wisenet-lrm", "facilitate-monthly")])
    assert found.meter.counts == ("login", "session.entered")
    assert found.window.kind == "anniversary-month"
    held = yardstick([find_plan("wisenet-lrm")])
    assert held.meter.holds == find_plan("wisenet-lrm").meter.holds
