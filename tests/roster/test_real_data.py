"""The Open University's registrations of two years as a roster: cleaned up, and run by a learn cycle day by day.

The facts are not part of the project; see `tests.real_data`. Registrations become enrolments with dates: from the day
of registration to the day of unregistration or of the presentation's end, all disabled at first.
"""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC as ZULU
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import rollbook
from rollbook.model.fact import Fact
from rollbook.model.roster import Enrolment, LearnerRecord, Roster, Snapshot
from rollbook.model.subscription import Subscription
from rollbook.plans import published
from rollbook.roster.clean_up import clean_up
from rollbook.roster.replaying import replay
from rollbook.roster.rules import parse_rules
from rollbook.roster.snapshots import diff
from rollbook.roster.view import folding_of
from tests.metering.written import at_midnight
from tests.real_data import open_university

UTC = ZoneInfo("UTC")
OPEN = "open-university"
IMPORTED = date(2012, 1, 1)
"""Before the first registration, which is of March 2012."""

FIRST, LAST = date(2012, 1, 2), date(2015, 7, 31)
CYCLE = """
[[cycle]]
name = "Registered to the end"

[[cycle.steps]]
when = "begins"
do = "enable"

[[cycle.steps]]
when = "ends"
do = "disable"
"""


@pytest.fixture(scope="module")
def path() -> Path:
    return open_university()


@cache
def enrolments(path: Path) -> tuple[Enrolment, ...]:
    """A registration without a date has no start. Who left on the day of registering was there for that day."""
    dates: dict[tuple[str, str], dict[str, date]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = dates.setdefault((row["learner"], row["object"]), {})
            if row["occurred_at"]:
                found[row["type"]] = date.fromisoformat(row["occurred_at"][:10])
    return tuple(
        Enrolment(
            organisation=OPEN,
            learner=learner,
            object=course,
            course=course,
            start=found.get("enrolment.enabled"),
            end=_end(found),
        )
        for (learner, course), found in sorted(dates.items())
    )


def _end(found: dict[str, date]) -> date:
    end = found["enrolment.disabled"]
    return end + timedelta(days=1) if end == found.get("enrolment.enabled") else end


@cache
def imported(path: Path) -> tuple[Fact, ...]:
    """The facts of one snapshot, taken before anything began."""
    everything = enrolments(path)
    learners = {it.learner for it in everything}
    roster = Roster(
        learners={(OPEN, it): LearnerRecord(organisation=OPEN, learner=it) for it in learners},
        enrolments={it.key: it for it in everything},
    )
    return diff(Roster(), Snapshot(roster=roster, organisations=frozenset({OPEN})), at_midnight(IMPORTED))


def subscribed(plan: str, start: date, end: date) -> Subscription:
    found = next(it for it in published() if it.id == plan)
    return Subscription(plan=found, start=start, end=end, zone="UTC", organisations=(OPEN,))


def counted(facts: list[Fact] | Path, plan: str, start: date, end: date) -> list[tuple[object, ...]]:
    """(start, new, continuing, reactivated) of each month."""
    with rollbook.meter(facts, subscribed(plan, start, end), as_of=datetime(2026, 1, 1, tzinfo=ZULU)) as found:
        return [(it.window.start.date(), it.new, it.continuing, it.reactivated) for it in found.account.consumption]


def test_a_learn_cycle_run_day_by_day_counts_every_month_as_the_registrations_do(path: Path) -> None:
    """1,306 nights; 32,593 registrations, of which 45 have no date, so that nothing ever enables them (W-31)."""
    nights = [at_midnight(FIRST + timedelta(days=n)) for n in range((LAST - FIRST).days)]
    decided = replay(parse_rules(CYCLE), imported(path), nights, UTC)
    assert Counter(it.type for it in decided) == {"enrolment.enabled": 32_548, "enrolment.disabled": 32_548}
    term = (date(2012, 3, 1), date(2015, 7, 1))
    by_cycle = counted([*imported(path), *decided], "wisenet-elearning", *term)
    assert by_cycle == counted(path, "wisenet-elearning", *term)
    assert len(by_cycle) == 40
    assert max(sum(it[1:]) for it in by_cycle) > 10_000  # type: ignore[arg-type]


def test_the_clean_up_sets_everybody_inactive_who_is_not_there_and_that_is_foreseen_for_the_next_month(
    path: Path,
) -> None:
    """On 10 January 2014 those are active who have registered and not left; counted again here, from the dates."""
    on = date(2014, 1, 10)
    spans: dict[str, list[tuple[date, date]]] = {}
    for it in enrolments(path):
        spans.setdefault(it.learner, []).append((it.start or date.min, it.end or date.max))
    there = {
        learner
        for learner, found in spans.items()
        if min(start for start, _ in found) <= on < max(end for _, end in found)
    }
    folding = folding_of(imported(path), at_midnight(on))
    decided = clean_up(folding.roster, OPEN, at_midnight(on), UTC)
    assert {it.learner for it in decided.facts} == spans.keys() - there
    january, february = rollbook.foresee(
        list(imported(path)),
        decided.facts,
        subscribed("wisenet-lrm", date(2014, 1, 1), date(2014, 3, 1)),
        as_of=datetime(2014, 1, 10, tzinfo=ZULU),
    )
    assert (january.before.active, january.after.active) == (28_785, 28_785)
    assert (february.before.active, february.after.active) == (28_785, len(there))
    folding.step(at_midnight(on), decided.facts)
    again = clean_up(folding.roster, OPEN, at_midnight(on) + 1, UTC)
    assert again.facts == ()
    assert "was done on 2014-01-10" in again.problems[0].rule
