r"""What both exports of Moodle share: who counts as whom, and which facts a row gives.

Moodle numbers its users from 1; their numbers are the learners' ids. Some numbers are nobody:

    0, -          nobody was logged in, or a job ran: role `system`, no learner
    below 0       Moodle itself: -1 a job, -10 who sends its messages; the same
    1             the guest account that every site has: role `guest`, its address on the net is its session

`cli`, `cron` and `restore` as origin are the system's doing, whoever's name stands there: a nightly job runs in an
administrator's. `ws` is the mobile app in its user's hands, or an integration under an account of its own: a deed like
any other, and `attributes` say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from rollbook.errors import Problem, UsageError
from rollbook.intake.batches import Refused
from rollbook.intake.producers.producer import Row
from rollbook.intake.vocabulary import Meaning
from rollbook.model.fact import is_status

GUEST = "1"
SITE_COURSE = "1"
"""The front page is a course too; nobody is enrolled in it."""

SYSTEM_ORIGINS = ("cli", "cron", "restore")

ALSO: Mapping[str, str] = {"account.created": "account.enabled", "enrolment.created": "enrolment.enabled"}
"""What an event says besides: in Moodle an account or an enrolment can be used from the moment it is made."""

OF_ANOTHER = ("course.completed", "lesson.completed", "role.assigned", "role.unassigned")
"""Beside accounts and enrolments, what is said of the user concerned rather than of whoever did it."""

STRENGTH = ("learner", "reporter", "facilitator", "instructor", "manager", "admin")
"""Roles that can be assigned, staff last: who teaches a course and is enrolled in it teaches it."""

ROLES_BY_NAME: Mapping[str, str] = {
    "student": "learner",
    "teacher": "instructor",
    "editingteacher": "instructor",
    "coursecreator": "manager",
    "manager": "manager",
    **{role: role for role in STRENGTH},
}
"""Short names of Moodle's roles, and Rollbook's own: a table may name those for the roles that a site made itself."""

_SYSTEM_CONTEXT = "1"
_SITE_LEVEL, _COURSE_LEVEL = "10", "50"
_NULLS = ("", "NULL", "\\N")


def is_nobody(user: str) -> bool:
    """Whether a number, or a dash in its place, names no user."""
    return user in ("", "0") or user.startswith("-")


def concerns_another(type_: str) -> bool:
    """Whether a fact of this type is about the user concerned, and whoever did it is only its actor."""
    return is_status(type_) or type_ in OF_ANOTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a row says, in Moodle's own words.

    learner  the number of the user whom it is about, if it is one; the guest account included
    role     of the learner by the table of roles; empty where nothing is known
    """

    at: str
    meaning: Meaning
    event: str
    learner: str
    actor: str = ""
    impersonator: str = ""
    role: str = ""
    course: str = ""
    origin: str = ""
    address: str = ""
    source: str
    id: str = ""
    attributes: Mapping[str, str | bool]


def facts_of(done: Done) -> Iterator[Row | Refused]:
    """The facts of a row: one, or two where an event says two things."""
    type_ = done.meaning.type
    guest = done.learner == GUEST and not is_status(type_)
    named = not is_nobody(done.learner) and not guest
    if is_status(type_) and not named:
        rule = f"{done.event} says nothing of whose account or enrolment it is"
        yield Refused(rule, "look at the row; such an event always concerns a user")
        return
    learner = done.learner if named else ""
    row = {
        "id": done.id,
        "occurred_at": done.at,
        "learner": learner,
        "type": type_,
        "role": _role(done, named=named, guest=guest),
        "mode": done.meaning.mode,
        "object": done.course,
        "source": done.source,
        "actor": _other(done.actor, learner),
        "impersonator": _other(done.impersonator, learner) if named else "",
        "session": done.address if guest else "",
        "attributes": msgspec.json.encode(done.attributes).decode() if done.attributes else "",
    }
    yield row
    if type_ in ALSO:
        yield {**row, "type": ALSO[type_], "id": done.id and f"{done.id}/enabled"}


def _other(user: str, learner: str) -> str:
    """A user who is not the learner; else nobody."""
    return "" if is_nobody(user) or user == learner else user


def _role(done: Done, *, named: bool, guest: bool) -> str:
    if done.origin in SYSTEM_ORIGINS:
        return "system"
    if guest:
        return "guest"
    return (done.meaning.role or done.role) if named else "system"


@dataclass(frozen=True, slots=True)
class _Assigned:
    since: int
    strength: int
    role: str


class RoleTable:
    """Who had which role where and since when, from `--table roles=FILE`: role assignments with the role's short name.

    Columns are `userid`, `shortname` or `roleshortname`, `timemodified`, when it was assigned, and where it holds:
    `courseid`; or `contextlevel` with `instanceid`; or `contextid`. At level 10, and where nothing says where, it holds
    everywhere.
    """

    def __init__(self, rows: Sequence[Mapping[str, str]] | None) -> None:
        self._assigned: dict[tuple[str, str], list[_Assigned]] = {}
        for row in rows or ():
            self._add({str(name).strip().casefold(): str(value or "").strip() for name, value in row.items()})

    def __bool__(self) -> bool:
        return bool(self._assigned)

    def role(self, user: str, course: str, context: str, at_seconds: float) -> str:
        """The strongest role of a user at a course at an instant, those of the whole site included."""
        places = ("site", f"course {course}", f"context {context}")
        held = (it for place in places for it in self._assigned.get((user, place), ()) if it.since <= at_seconds)
        strongest = max(held, key=lambda it: it.strength, default=None)
        return strongest.role if strongest else ""

    def _add(self, row: Mapping[str, str]) -> None:
        name = next((row[column] for column in ("shortname", "roleshortname", "role") if column in row), None)
        if "userid" not in row or name is None:
            rule = "it has no column " + ("userid" if "userid" not in row else "shortname")
            raise UsageError(Problem("--table roles", rule, "export userid, courseid, shortname and timemodified"))
        role = ROLES_BY_NAME.get(name.casefold(), "")
        since = row.get("timemodified", "")
        if role:
            assigned = _Assigned(int(since) if _is_number(since) else 0, STRENGTH.index(role), role)
            self._assigned.setdefault((row["userid"], _place(row)), []).append(assigned)


def _place(row: Mapping[str, str]) -> str:
    """Where an assignment holds; one in a category or a single activity holds nowhere that rows of the log name."""
    course, context, level = row.get("courseid", ""), row.get("contextid", ""), row.get("contextlevel", "")
    if course not in (*_NULLS, "0"):
        return f"course {course}"
    if level == _COURSE_LEVEL and row.get("instanceid"):
        return f"course {row['instanceid']}"
    if context not in (*_NULLS, _SYSTEM_CONTEXT):
        return f"context {context}"
    return "site" if level in (*_NULLS, _SITE_LEVEL) else "elsewhere"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len("1700000000") + 1
