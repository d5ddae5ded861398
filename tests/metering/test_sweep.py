"""What the pass looks up in arrays, against the plain reading of it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.metering.calendar import history, windows
from rollbook.metering.sweep import Marks, cut, firsts
from rollbook.model.instants import DAY_US
from rollbook.model.plan import Meter, WindowRule
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from tests.metering import ledgers

RULES = (
    WindowRule(kind="calendar-month"),
    WindowRule(kind="days", length_days=1),
    WindowRule(kind="days", length_days=30),
    WindowRule(kind="term"),
)
ZONES = ("UTC", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia")


def tiles(rule: WindowRule, zone: str, days: int) -> tuple[Window, ...]:
    """The windows of a term from December 2011 on, across which Samoa skipped a day, and of the time before it."""
    plan = ledgers.plan(Meter(counts=("login",)), rule)
    start = date(2011, 12, 10)
    to = Subscription(plan=plan, start=start, end=date.fromordinal(start.toordinal() + days), zone=zone)
    return (*history(to, to.start_us - 40 * DAY_US), *windows(to))


@given(
    st.sampled_from(RULES),
    st.sampled_from(ZONES),
    st.integers(1, 400),
    st.integers(-50 * DAY_US, 450 * DAY_US),
    st.lists(st.tuples(st.integers(0, 500), st.integers(-3, 3)), max_size=20),
    st.lists(st.integers(-(1 << 62), 1 << 62), max_size=5),
)
def test_an_instant_is_found_in_the_window_that_contains_it(
    rule: WindowRule, zone: str, days: int, as_of: int, near: list[tuple[int, int]], anywhere: list[int]
) -> None:
    cutting = tiles(rule, zone, days)
    as_of_us = cutting[0].start_us + as_of
    made = cut(cutting, as_of_us, cutting[0].number - 2)
    if made is None:
        assert all(window.start_us >= as_of_us for window in cutting)
        return
    bounds = [*(window.start_us for window in cutting), cutting[-1].end_us, as_of_us]
    instants = [*(bounds[place % len(bounds)] + by for place, by in near), *anywhere]
    found = made.windows(np.array(instants, np.int64)).tolist()
    for at_us, place in zip(instants, found, strict=True):
        expected = [window.number for window in cutting if window.contains(at_us) and at_us < as_of_us]
        assert ([cutting[0].number - 3 + place] if place else []) == expected


@given(st.lists(st.booleans(), max_size=300))
def test_marks_before_any_place_are_counted(marked: list[bool]) -> None:
    places = np.arange(len(marked) + 1)
    assert Marks(np.array(marked, np.bool_)).before(places).tolist() == [sum(marked[:it]) for it in places]


@given(st.lists(st.lists(st.integers(0, 1000 * DAY_US), max_size=8), min_size=1, max_size=8))
def test_an_activation_is_the_first_fact_of_a_learner_in_a_window(learners: list[list[int]]) -> None:
    cutting = tiles(RULES[0], "UTC", 400)
    made = cut(cutting, 1 << 62, -9)
    assert made is not None
    facts = [cutting[0].start_us - DAY_US + at for its in learners for at in sorted(its)]
    if not facts:
        return
    begins = np.cumsum([0, *map(len, learners)])[:-1]
    expected: dict[tuple[int, int], list[int]] = {}
    place = 0
    for learner, its in enumerate(learners):
        for _ in its:
            for window in cutting:
                if window.contains(facts[place]):
                    expected.setdefault((learner, window.number), []).append(place)
            place += 1
    found = firsts(made.windows(np.array(facts, np.int64)), begins, -9)
    rows = zip(
        found.learners.tolist(), found.windows.tolist(), found.places.tolist(), found.facts.tolist(), strict=True
    )
    assert list(rows) == [(*unit, its[0], len(its)) for unit, its in expected.items()]


def test_windows_that_leave_a_gap_are_refused() -> None:
    with pytest.raises(ValueError, match="do not follow"):
        cut((Window(1, 0, 5), Window(2, 6, 9)), 100, 1)
