"""When the allowance will be used up: against plain computations, and against histories whose future is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import date
from random import Random

import pytest

from rollbook.advice.estimate import Settings
from rollbook.advice.forecast import BINS, History, forecast, trend
from rollbook.metering.calendar import windows

from .accounts import subscription

TERM = windows(subscription(""))
SETTINGS = Settings(runs=2000)
EVENLY = (1,) * BINS


def history(complete: tuple[int, ...], allowance: int, per: str = "term", now: int = 0) -> History:
    """The windows after the complete ones, the first just begun. Units come evenly within each."""
    coming = TERM[len(complete) :]
    return History(
        per=per,
        allowance=(allowance,) * len(coming),
        complete=complete,
        by_now=(0,) * len(complete),
        now=now,
        fraction=0.0,
        used=sum(complete) if per == "term" else 0,
        coming=coming,
        profile=EVENLY,
    )


@pytest.mark.parametrize("complete", [(), (10,), (10, 12)])
def test_fewer_than_three_complete_windows_give_a_reason_and_no_date(complete: tuple[int, ...]) -> None:
    found = forecast(history(complete, 100), SETTINGS)
    assert f"{len(complete)} complete windows, and 3 are the least" in found.why_not
    assert (found.coming, found.early_us, found.middle_us, found.late_us) == ((), None, None, None)


def test_a_term_that_is_over_has_no_forecast() -> None:
    found = forecast(replace(history((1,) * 11, 100), coming=(), allowance=()), SETTINGS)
    assert "the term is over" in found.why_not


def test_a_use_that_never_varies_is_exceeded_on_the_day_that_arithmetic_names() -> None:
    """10 a month and 85 in all: 80 are used by the end of August; the 86th is the 6th of September's 10.

    Units come evenly, so September's 6th has come when 6/10 of its 30 days are over: the end of the 18th.
    """
    found = forecast(history((10, 10, 10), 85), SETTINGS)
    assert found.early_us == found.middle_us == found.late_us
    assert found.middle_us is not None
    september = TERM[8]
    assert september.start.date() == date(2026, 9, 1)
    assert found.middle_us == september.start_us + (september.end_us - september.start_us) * 6 // 10
    assert found.beyond == 1


def test_an_allowance_that_is_just_enough_is_never_exceeded() -> None:
    assert forecast(history((10, 10, 10), 120), SETTINGS).beyond == 0
    assert forecast(history((10, 10, 10), 119), SETTINGS).beyond == 1


def test_the_running_window_ends_like_the_rest_of_a_complete_one() -> None:
    """By this day 4, 5 and 6 had come of 10, 12 and 20: 6, 7 or 14 are still to come, on top of 5."""
    it = replace(history((10, 12, 20), 15, "window", now=5), by_now=(4, 5, 6), fraction=0.5)
    found = forecast(it, Settings(runs=20_000, confidence=0.999)).coming[0]
    assert (found.low, found.middle, found.high) == (5 + 6, 5 + 7, 5 + 14)
    assert abs(found.beyond - 1 / 3) < 0.02


def test_with_an_allowance_of_each_window_every_window_is_judged_by_itself() -> None:
    """Of 10, 10 and 20 only the last is beyond 15: one window in three, wherever it lies."""
    found = forecast(history((10, 10, 20), 15, "window"), Settings(runs=20_000))
    assert all(abs(it.beyond - 1 / 3) < 0.02 for it in found.coming)
    # A drawn pool holds the 20 k times of 3; then none of 9 windows is beyond with chance (1 - k/3) ** 9.
    none = sum(math.comb(3, k) * (1 / 3) ** k * (2 / 3) ** (3 - k) * (1 - k / 3) ** 9 for k in range(4))
    assert abs(found.beyond - (1 - none)) < 0.02


def test_chances_are_those_of_counting_every_case() -> None:
    """One window to come, so each of the complete ones is as likely as another; two, every pair of a drawn pool."""
    complete = (8, 9, 13)
    it = history(complete, sum(complete) + 19)
    two = replace(it, coming=it.coming[:2], allowance=it.allowance[:2])
    cases = [
        first + second > 19
        for pool in itertools.product(complete, repeat=3)
        for first, second in itertools.product(pool, repeat=2)
    ]
    assert abs(forecast(two, Settings(runs=40_000)).beyond - sum(cases) / len(cases)) < 0.01


def test_seats_grow_by_what_they_grew_by() -> None:
    """4 more each month, 22 in April; 35 are exceeded by the fourth month from then, August, at 38."""
    found = forecast(history((10, 14, 18, 22), 35, "held", now=22), SETTINGS)
    assert [it.middle for it in found.coming][:4] == [26, 30, 34, 38]
    assert [it.beyond for it in found.coming][:4] == [0, 0, 0, 1]
    assert "3 complete months, and 4" in forecast(history((10, 14, 18), 35, "held"), SETTINGS).why_not


def test_the_same_seed_gives_the_same_forecast() -> None:
    it = history((8, 9, 13), 70)
    assert forecast(it, SETTINGS) == forecast(it, SETTINGS)
    assert forecast(it, SETTINGS).coming != forecast(it, Settings(runs=2000, seed=2)).coming


def test_the_range_holds_what_happened_about_as_often_as_it_says() -> None:
    """300 histories of a steady chance, 6 months known and 6 to come: the year's sum lies in the 90 % range."""
    random, hits = Random(7), 0
    for _ in range(300):
        months = [sum(random.random() < 0.2 for _ in range(200)) for _ in range(12)]
        found = forecast(history(tuple(months[:6]), 10**6), Settings(runs=300))
        hits += found.coming[-1].low <= sum(months) <= found.coming[-1].high
    assert 0.75 <= hits / 300 <= 0.97, "few months know little of their own spread, so it is rather less than 90 %"


def test_the_month_of_exhaustion_of_known_histories_is_found() -> None:
    """40 a month on average and 400 in all: the true month is one of the range's in most of 100 histories."""
    random, hits = Random(3), 0
    for _ in range(100):
        months = [sum(random.random() < 0.2 for _ in range(200)) for _ in range(12)]
        sums = list(itertools.accumulate(months))
        truth = next((TERM[place] for place, total in enumerate(sums) if total > 400), None)
        found = forecast(history(tuple(months[:6]), 400), Settings(runs=300))
        early, late = found.early_us or 2**62, found.late_us or 2**62
        hits += (truth is None and late == 2**62) or (
            truth is not None and early < truth.end_us and late >= truth.start_us
        )
    assert hits >= 80


@pytest.mark.parametrize(
    ("complete", "expected"),
    [((1, 2, 3), 0), ((1, 2, 3, 4), 1), ((9, 7, 6, 2), -1), ((5, 5, 5, 5), 0), ((1, 9, 2, 8), 0)],
)
def test_a_history_that_keeps_rising_or_falling_is_told_apart(complete: tuple[int, ...], expected: int) -> None:
    assert trend(complete) == expected
