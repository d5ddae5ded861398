"""Rosters written down for tests."""

from __future__ import annotations

from datetime import date

from rollbook.model.roster import Enrolment, LearnerRecord, Roster, object_of


def day(text: str) -> date | None:
    """`03-15` of 2026; None for `-`."""
    return None if text == "-" else date.fromisoformat(f"2026-{text}")


def enrolment(learner: str, course: str, dates: str = "- -", unit: str = "", **changes: object) -> Enrolment:
    """An enrolment at `north`; `dates` are its start and end, such as `03-01 04-15`."""
    start, end = dates.split()
    values = {
        "organisation": "north",
        "learner": learner,
        "object": object_of(course, unit),
        "course": course,
        "unit": unit,
        "start": day(start),
        "end": day(end),
        **changes,
    }
    return Enrolment(**values)  # type: ignore[arg-type]


def record(learner: str, **changes: object) -> LearnerRecord:
    """A learner's record at `north`, active unless it says otherwise."""
    return LearnerRecord(**{"organisation": "north", "learner": learner, **changes})  # type: ignore[arg-type]


def roster(*things: Enrolment | LearnerRecord, cleaned: dict[str, int] | None = None) -> Roster:
    """The roster of these."""
    return Roster(
        learners={it.key: it for it in things if isinstance(it, LearnerRecord)},
        enrolments={it.key: it for it in things if isinstance(it, Enrolment)},
        cleaned=cleaned or {},
    )
