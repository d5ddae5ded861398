"""The once-only clean-up, by dates."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from rollbook.model.roster import Enrolment
from rollbook.roster.clean_up import clean_up, standing
from rollbook.roster.view import roster_of
from tests.metering.written import us
from tests.roster.written import day, enrolment, record, roster

UTC = ZoneInfo("UTC")
TODAY = date(2026, 3, 15)
NOW = us("2026-03-15T09:00Z")


@pytest.mark.parametrize(
    ("dates", "stands"),
    [
        (["03-01 04-01"], "current"),
        (["03-15 04-01"], "current"),  # Starts include their day,
        (["02-01 03-15"], "over"),  # and ends exclude theirs.
        (["02-01 03-16"], "current"),
        (["03-16 04-01"], "not begun"),
        (["01-01 02-01", "04-01 05-01"], "current"),  # From the least to the greatest: the gap does not matter.
        (["01-01 02-01", "02-01 03-01"], "over"),
        (["01-01 02-01", "02-01 -"], "current"),  # What has no end is not over,
        (["- 02-01"], "over"),
        (["- 04-01"], "current"),  # and what has no start may have begun.
        (["04-01 -"], "not begun"),
        (["04-01 -", "- -"], "current"),
        (["- -"], "current"),
        (["04-01 03-01"], "over"),  # It ends before it starts, and that was a fortnight ago.
    ],
)
def test_the_least_start_and_the_greatest_end_decide(dates: list[str], stands: str) -> None:
    """W-30, on 15 March 2026."""
    assert standing([enrolment("ana", f"C{n}", it) for n, it in enumerate(dates)], TODAY) == stands


@pytest.mark.parametrize(
    ("units", "courses", "stands"),
    [
        (["01-01 02-01"], ["01-01 12-01"], "over"),
        (["03-01 04-01"], ["01-01 02-01"], "current"),
        (["04-01 05-01"], ["01-01 12-01"], "not begun"),
    ],
)
def test_units_decide_and_the_courses_only_where_there_are_none(
    units: list[str], courses: list[str], stands: str
) -> None:
    """W-29: each course alone would say something else."""
    of_units = [enrolment("ana", "C", it, unit=str(n)) for n, it in enumerate(units)]
    of_courses = [enrolment("ana", f"C{n}", it) for n, it in enumerate(courses)]
    assert standing(of_units + of_courses, TODAY) == stands
    assert standing(of_courses, TODAY) != stands


def of(learner: str, dates: str, **changes: object) -> Enrolment:
    return enrolment(learner, "Maths", dates, **changes)


EVERYBODY = (
    *(record(name) for name in ("over", "current", "early", "nothing")),
    record("inactive", active=False),
    record("over", organisation="süd"),
    of("over", "01-01 02-01", enabled=True),
    of("current", "03-01 04-01"),
    of("early", "05-01 06-01"),
    of("inactive", "01-01 02-01"),
    of("no-profile", "01-01 02-01"),
    of("over", "01-01 02-01", organisation="süd"),
)


def test_learners_whose_enrolments_have_not_begun_or_are_over_are_set_inactive_and_nobody_else() -> None:
    """W-27. Those who are inactive, have no profile or no enrolment, or belong elsewhere stay as they are."""
    found = clean_up(roster(*EVERYBODY), "north", NOW, UTC, actor="office")
    assert [(it.type, it.organisation, it.learner, it.at_us) for it in found.facts] == [
        ("account.disabled", "north", "early", NOW),
        ("account.disabled", "north", "over", NOW),
    ]
    assert found.problems == ()


def test_the_clean_up_is_done_once_for_each_organisation() -> None:
    """W-28: its own facts refuse a second one, in words; süd is still to be cleaned."""
    first = clean_up(roster(*EVERYBODY), "north", NOW, UTC)
    cleaned = roster_of(first.facts, NOW + 1).cleaned
    assert cleaned == {"north": NOW}
    again = clean_up(roster(*EVERYBODY, cleaned=dict(cleaned)), "north", us("2026-09-01T00:00Z"), UTC)
    assert again.facts == ()
    assert [str(it) for it in again.problems] == [
        (
            "north: the clean-up was done on 2026-03-15, and it is for the first cleaning only; "
            "set learners inactive by course or from a file, or let a learn cycle do it"
        )
    ]
    assert len(clean_up(roster(*EVERYBODY, cleaned=dict(cleaned)), "süd", NOW, UTC).facts) == 1


def test_a_clean_up_that_finds_nobody_says_so_and_can_be_done_later() -> None:
    found = clean_up(roster(record("current"), of("current", "03-01 04-01")), "north", NOW, UTC)
    assert found.facts == ()
    assert "can still be done later" in found.problems[0].remedy


def test_the_day_is_that_of_the_organisations_clock() -> None:
    """At 13:30 UTC of 15 March it is already the 16th in Melbourne, and an enrolment until the 15th is over there."""
    view = roster(record("ana"), of("ana", "01-01 03-16"))
    at_us = us("2026-03-15T13:30Z")
    assert clean_up(view, "north", at_us, UTC).facts == ()
    assert len(clean_up(view, "north", at_us, ZoneInfo("Australia/Melbourne")).facts) == 1
    assert day("03-16") == date(2026, 3, 16)
