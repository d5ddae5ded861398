"""Status facts as the roster makes and reads them.

An id is a digest of what the fact does, to whom, and at which instant: the same act is the same fact, however often it
is sent, and no id tells who it is about. What a fact says beyond its columns is an object of JSON in `attributes`:

    course, unit, start, end   of an enrolment, in `enrolment.created` and `enrolment.changed`; dates as 2026-03-01
    groups                     of a learner, all of them, in `account.created` and `account.changed`: a list of paths as
                               `rollbook.model.groups` writes them
    since = "unknown"          it was so before we first saw it (S-33)
    by                         what made it: `snapshot`, `action`, `clean-up` or `cycle`
    cycle                      of `cycle`, its name
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from rollbook.errors import Problem
from rollbook.model.fact import Fact
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR
from rollbook.model.roster import Enrolment

CREATED, ENABLED, DISABLED, DELETED = "account.created", "account.enabled", "account.disabled", "account.deleted"
ACCOUNT_CHANGED = "account.changed"
ENROLLED, CHANGED = "enrolment.created", "enrolment.changed"
ENROLMENT_ENABLED, ENROLMENT_DISABLED, ENDED = "enrolment.enabled", "enrolment.disabled", "enrolment.ended"

SNAPSHOT, ACTION, CLEAN_UP, CYCLE = "snapshot", "action", "clean-up", "cycle"
"""What makes status facts here, as `by` says it."""

ROLES = ("learner", "system")
"""In which roles a status concerns a roster of learners. A teacher's account or enrolment is another's business, and
plans exempt it."""

SOURCE = "roster"
"""The source of these facts, where the caller names no other."""

ID_LENGTH = 32
"""Hexadecimal digits of an id: 128 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is to happen: facts that are not yet among the facts, and what stood in the way.

    facts     all at one instant; empty where nothing is to change
    problems  for an administrator, each with its remedy. They name the organisation and the place, never the learner
    """

    facts: tuple[Fact, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who decides, and in which role its facts are: people act for the learner, rules as the system.

    actor  the name or id of whoever acts, never a learner's
    """

    by: str = ACTION
    source: str = SOURCE
    actor: str = ""
    role: str = "learner"
    cycle: str = ""

    def fact(
        self,
        type_: str,
        at_us: int,
        organisation: str,
        learner: str,
        object_: str = "",
        said: Mapping[str, object] | None = None,
    ) -> Fact:
        """A status fact."""
        said = {"by": self.by, **({"cycle": self.cycle} if self.cycle else {}), **(said or {})}
        act = [type_, at_us, organisation, learner, object_, self.by]
        return Fact(
            id=digest(act),
            at_us=at_us,
            type=type_,
            organisation=organisation,
            learner=learner,
            object=object_,
            role=self.role,
            actor=self.actor,
            source=self.source,
            attributes=json.dumps(said, ensure_ascii=False, sort_keys=True),
        )


def digest(parts: object) -> str:
    """An id that follows from `parts` alone."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:ID_LENGTH]


def described(enrolment: Enrolment) -> dict[str, str]:
    """Course, unit and dates of an enrolment, as `attributes` hold them: what is not stated is left out."""
    found = {"course": enrolment.course}
    if enrolment.unit:
        found["unit"] = enrolment.unit
    return found | {name: day.isoformat() for name in ("start", "end") if (day := getattr(enrolment, name))}


def said(fact: Fact) -> Mapping[str, Any]:
    """What a fact says in its attributes; nothing, where these are no object of JSON."""
    return said_in(fact.attributes)


def said_in(attributes: str) -> Mapping[str, Any]:
    """The same of the attributes alone."""
    return _read(attributes) if attributes.startswith("{") else {}


@lru_cache(maxsize=1024)
def _read(text: str) -> Mapping[str, Any]:
    """Many facts of one sync or run say the same, and each is asked several times."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text_of(attributes: Mapping[str, Any], name: str) -> str:
    """A text of the attributes; '' where it is something else, or holds what no file or database could."""
    value = attributes.get(name)
    if not isinstance(value, str) or "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        return ""
    return value


def day_of(attributes: Mapping[str, Any], name: str) -> date | None:
    """A date of the attributes, `2026-03-01`; None where it is something else, or of a year that no calendar has."""
    try:
        found = date.fromisoformat(text_of(attributes, name))
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None
