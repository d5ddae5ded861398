"""The once-only clean-up: "Set learners with inactive enrolments to inactive" (W-27).

A learner is active from the earliest start to the latest end of their unit enrolments (W-29); where there are none,
of their course enrolments (W-30). Gaps in between do not matter: the document asks for a minimum and a maximum. A date
that is not stated is unknown, not past: an enrolment without an end is not over. Learners without any enrolment are
left as they are, for nothing says when they began or ended; and nobody is ever set active by it.

It is for the first cleaning of an organisation, and once only: its own facts are the guard (W-28).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from zoneinfo import ZoneInfo

from rollbook.errors import Problem
from rollbook.model.instants import from_us
from rollbook.model.roster import Enrolment, Roster
from rollbook.roster.statuses import CLEAN_UP, DISABLED, SOURCE, Author, Decided

CURRENT, NOT_BEGUN, OVER = "current", "not begun", "over"
"""How a learner's enrolments stand on a day, taken together."""


def clean_up(
    view: Roster, organisation: str, at_us: int, zone: ZoneInfo, *, actor: str = "", source: str = SOURCE
) -> Decided:
    """Sets the active learners of an organisation inactive whose enrolments have not begun, or are over.

    view   as of `at_us`, UTC microseconds, which is when it happens
    zone   whose days the enrolments' dates are
    """
    if (done_us := view.cleaned.get(organisation)) is not None:
        day = from_us(done_us).astimezone(zone).date()
        rule = f"the clean-up was done on {day}, and it is for the first cleaning only"
        remedy = "set learners inactive by course or from a file, or let a learn cycle do it"
        return Decided(problems=(Problem(organisation or "roster", rule, remedy),))
    today = from_us(at_us).astimezone(zone).date()
    author = Author(by=CLEAN_UP, source=source, actor=actor)
    by_learner: dict[tuple[str, str], list[Enrolment]] = {}
    for enrolment in view.enrolments.values():
        if enrolment.organisation == organisation:
            by_learner.setdefault(enrolment.key[:2], []).append(enrolment)
    facts = [
        author.fact(DISABLED, at_us, *key)
        for key, found in sorted(by_learner.items())
        if (record := view.learners.get(key)) and record.active and standing(found, today) != CURRENT
    ]
    if facts:
        return Decided(facts=tuple(facts))
    rule = "no active learner has enrolments that have all not begun or are all over"
    return Decided(problems=(Problem(organisation or "roster", rule, "nothing to do; it can still be done later"),))


def standing(enrolments: Iterable[Enrolment], today: date) -> str:
    """How one learner's enrolments stand on a day, one of `CURRENT`, `NOT_BEGUN` and `OVER`.

    enrolments  all of one learner, at least one
    """
    found = deciding(enrolments)
    starts, ends = [it.start for it in found], [it.end for it in found]
    if all(end is not None and end <= today for end in ends):
        return OVER
    if all(start is not None and start > today for start in starts):
        return NOT_BEGUN
    return CURRENT


def deciding(enrolments: Iterable[Enrolment]) -> list[Enrolment]:
    """Those of one learner's enrolments whose dates decide: of units (W-29), else of courses (W-30)."""
    found = list(enrolments)
    return [it for it in found if it.unit] or found
