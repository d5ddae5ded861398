"""What is done to a roster: foreseen first, then confirmed; both are one and the same transaction, kept or not.

`foresee` decides (`rollbook.roster`), takes the facts in, counts what became of each subscription, and rolls everything
back. It gives a digest. `confirm` does the same again and keeps it, with an entry of the audit, where the digest is the
same; where anything that was shown would be another now, it is refused (409), and nothing is done.

The facts carry the instant of the preview, which the digest holds, so their ids follow from it: confirming twice is
one act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollbook.errors import Problem
from rollbook.foreseeing import Foreseen
from rollbook.model.roster import Snapshot
from rollbook.roster.changes import Row, Saving
from rollbook.server.access.principals import Principal
from rollbook.server.models import Customer

ENROLMENTS, LEARNERS, COURSE, ROWS, CLEAN_UP, SNAPSHOT = (
    "enrolments",
    "learners",
    "course",
    "rows",
    "clean-up",
    "snapshot",
)
KINDS = (ENROLMENTS, LEARNERS, COURSE, ROWS, CLEAN_UP, SNAPSHOT)
"""What can be asked for: some enrolments, some learners, everybody of a course offer, the rows of a list, the once-only
clean-up of an organisation, a roster as a platform exports it."""

LEARNERS_MAX = 10_000
"""Learners of one action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One action.

    kind          of `KINDS`
    do            of `rollbook.roster.changes.ACTIONS`: enable or disable for enrolments, activate or deactivate for
                  learners, any of them for a course; '' for the others
    enrolments    of `ENROLMENTS`: (organisation, number of the person, object)
    learners      of `LEARNERS`: (organisation, number of the person)
    organisation  of `COURSE` and `CLEAN_UP`
    course, unit  of `COURSE`; unit None is the course with all of its units
    rows          of `ROWS`: their `learner` is an id as facts carry it
    snapshot      of `SNAPSHOT`: its learners are ids as facts carry them
    zone          of `CLEAN_UP`: whose days the dates of enrolments are
    """

    kind: str
    do: str = ""
    enrolments: tuple[tuple[str, int, str], ...] = ()
    learners: tuple[tuple[str, int], ...] = ()
    organisation: str = ""
    course: str = ""
    unit: str | None = None
    rows: tuple[Row, ...] = ()
    snapshot: Snapshot | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an action does to one subscription.

    windows  the one that runs and the next one of the term, without and with it
    saving   until when somebody must be switched off to save the next window; None where none follows, and where
             nobody is switched off
    """

    subscription: int
    title: str
    zone: str
    windows: tuple[Foreseen, ...]
    saving: Saving | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an action would do, if it were confirmed now.

    digest    what `confirm` is to name
    decided   facts by type, such as {"enrolment.disabled": 12}
    learners  how many learners they are about
    problems  what cannot be done, or need not, and why
    effects   of the subscriptions that the asker may see, those alone that would change
    """

    digest: str
    at_us: int
    decided: dict[str, int]
    learners: int
    problems: tuple[Problem, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done: facts that are new, and those that were there because it was confirmed before."""

    at_us: int
    decided: dict[str, int]
    new: int
    repeats: int
    problems: Sequence[Problem]


def foresee(principal: Principal, customer: Customer, asked: Asked, now_us: int) -> Preview:
    """What an action would do. Nothing is kept.

    Raises RefusedError 422 for what nobody can do, 503 where others are at work, and 429 where previews took too much
    of the minute.
    """
    raise NotImplementedError


def confirm(principal: Principal, customer: Customer, asked: Asked, digest: str, now_us: int) -> Done:
    """Does what was foreseen, in one transaction with its audit entry; a repeat changes nothing.

    Raises RefusedError 409 where the preview would be another now, and 422 for a digest that is none of this action.
    """
    raise NotImplementedError
