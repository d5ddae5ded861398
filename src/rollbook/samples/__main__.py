"""Writes the academy: the same bytes every time."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import IO

START = datetime(2025, 12, 1, tzinfo=UTC)
DAYS = 212
"""December, then the half year from 1 January to 30 June 2026."""

COURSES = ("safety", "first-aid", "welding")
NAMES = (
    *("ana", "bo", "chen", "dilara", "emre", "fatima", "goran", "hana", "ivan", "jamal", "kirsten", "luca"),
    *("maria", "nils", "olu", "priya", "quinn", "rosa", "sven", "thandi", "umar", "vera", "wei", "zoë"),
)
COLUMNS = ("id", "occurred_at", "organisation", "learner", "type", "role", "mode", "object", "source")

Row = tuple[datetime, str, str, str, str, str]
"""When, learner, type, role, mode, object."""


def academy() -> Iterator[tuple[str, ...]]:
    """Rows of `COLUMNS`, in order of time."""
    random = Random(2026)  # noqa: S311 - a seed that everybody can repeat, not a secret
    rows = [row for name in NAMES for row in _learner(random, name)]
    rows += _classroom(random)
    for number, (at, learner, type_, role, mode, object_) in enumerate(sorted(rows), 1):
        north = not learner or NAMES.index(learner) % 3 != 0
        organisation = "academy-north" if north else "academy-south"
        when = at.isoformat().replace("+00:00", "Z")
        yield f"f{number:04}", when, organisation, learner, type_, role, mode, object_, "academy-lms"


def _learner(random: Random, name: str) -> Iterator[Row]:
    """One learner: an account, enrolments, and weeks of learning between weeks of nothing."""
    joined = random.randrange(0, 100)
    yield _at(random, joined), name, "account.created", "learner", "", ""
    yield _at(random, joined) + timedelta(hours=1), name, "account.enabled", "learner", "", ""
    if random.random() < 0.15:
        yield _at(random, 200), name, "account.disabled", "admin", "", ""
    for course in random.sample(COURSES, random.randrange(1, 3)):
        begins = joined + random.randrange(1, 40)
        ends = min(begins + random.randrange(20, 90), DAYS - 1)
        yield _at(random, begins - 1), name, "enrolment.created", "learner", "", course
        yield _at(random, begins), name, "enrolment.enabled", "learner", "", course
        yield from _studies(random, name, course, begins, ends)
        if random.random() < 0.7:
            yield _at(random, ends) + timedelta(days=1), name, "enrolment.disabled", "learner", "", course


def _studies(random: Random, name: str, course: str, begins: int, ends: int) -> Iterator[Row]:
    role = "admin" if name == "vera" else "learner"
    for day in range(begins, ends):
        if random.random() < 0.93:
            continue
        at = _at(random, day)
        yield at, name, "login", role, "", ""
        yield at + timedelta(minutes=2), name, "course.viewed", role, "", course
        if random.random() < 0.6:
            type_ = random.choice(("lesson.started", "lesson.resumed", "material.accessed", "microlearning.opened"))
            yield at + timedelta(minutes=3), name, type_, role, "", course


def _classroom(random: Random) -> Iterator[Row]:
    """A live session every other week: kirsten leads, some learners enter, and guests with a session code."""
    for day in range(40, DAYS, 14):
        at = _at(random, day)
        mode = random.choice(("live", "live", "live-flexible"))
        session = f"classroom-{day}"
        yield at, "kirsten", "session.entered", "facilitator", mode, session
        for name in random.sample(NAMES[:10], 4):
            yield at + timedelta(minutes=random.randrange(1, 9)), name, "session.entered", "learner", mode, session
        for _ in range(random.randrange(0, 3)):
            yield at + timedelta(minutes=random.randrange(9, 20)), "", "session.entered", "guest", mode, session


def _at(random: Random, day: int) -> datetime:
    return START + timedelta(days=day, hours=random.randrange(7, 20), minutes=random.randrange(60))


def write(out: IO[str]) -> None:
    """The sample as CSV."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(academy())


if __name__ == "__main__":
    write(sys.stdout)
