"""Rosters in OneRoster 1.1 and 1.2: users and enrolments, as CSV files and as pages of JSON.

A roster says how things stand, not what happened. Where a record has a date, that is what it proves: an enrolment is
on from its beginDate, and a record was so at its dateLastModified, nobody knows since when. Records of bulk exports
have no date; they stand for the instant at which the export was made, which has to be stated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.producers.producer import CSV, Convert, Producer, Reading, Row
from rollbook.intake.times import shown
from rollbook.intake.vocabulary import Vocabulary

SOURCE = "oneroster"
SINCE_UNKNOWN = '{"since":"unknown"}'
"""Of a fact that was true at its instant, and for nobody knows how long before."""

OFF = frozenset({"tobedeleted", "inactive"})
"""Statuses, case folded, of records that hold no longer."""

YES, NO = frozenset({"", "true", "1"}), frozenset({"false", "0"})
"""What stands in enabledUser; nothing means yes."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

_UNDATED = Refused(
    "the record has no date, as in every bulk export",
    "say when the export was made: --snapshot-at 2026-09-01T00:00:00Z",
)
_NO_ROLE = Refused(
    "nothing says who the user is: since OneRoster 1.2 roles stand in a file of their own",
    "give it: --table roles=roles.csv",
)
_NO_ID = Refused("sourcedId of the user is missing", "export it: nothing else names a user for ever")


class OneRosterUsers(Producer):
    """Users: whose account is on."""

    name = "oneroster-users"
    title = "OneRoster users"
    envelopes = ("users",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample is a user of a roster; `enabledUser` is a word of this standard alone."""
        return {"sourcedId", "enabledUser"} <= sample.keys()

    def converter(self, reading: Reading) -> Convert:
        """What makes one fact of each user."""
        roles = _roles(reading)

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused, ...]:
            who, status = _word(row.get("sourcedId")), _word(row.get("status")).casefold()
            enabled = _flag(row.get("enabledUser"))
            if not who:
                return (_NO_ID,)
            if enabled not in YES | NO:
                return (Refused(f"enabledUser is {shown(enabled)}", "use true or false"),)
            role = _role_in(row) or roles.get(who, "")
            state = "deleted" if status in OFF else "enabled" if enabled in YES else "disabled"
            if not role and state == "enabled":
                return (_NO_ROLE,)
            at = _word(row.get("dateLastModified")) or reading.snapshot_at
            if not at:
                return (_UNDATED,)
            base = {"learner": who, "organisation": _organisation(row), "source": SOURCE}
            return (_fact(base, state, role, at, reading.vocabulary, attributes=SINCE_UNKNOWN),)

        return convert


class OneRosterEnrollments(Producer):
    """Enrolments: who is in which class, from when to when."""

    name = "oneroster-enrollments"
    title = "OneRoster enrolments"
    envelopes = ("enrollments",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample has a user and a class; in JSON each is a reference."""
        if self.kind == CSV:
            return {"sourcedId", "classSourcedId", "userSourcedId"} <= sample.keys()
        return {"sourcedId", "class", "user"} <= sample.keys()

    def converter(self, reading: Reading) -> Convert:
        """What makes facts of an enrolment: that it is on, and that it ends where it says so."""

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused, ...]:
            return _enrolment(row, reading)

        return convert


def _enrolment(row: Mapping[str, Any], reading: Reading) -> tuple[Row | Refused, ...]:
    who = _word(row.get("userSourcedId")) or _reference(row.get("user"))
    class_ = _word(row.get("classSourcedId")) or _reference(row.get("class"))
    if not who:
        return (_NO_ID,)
    if not class_:
        return (Refused("the sourcedId of the class is missing", "export it: without it nobody knows what ends"),)
    begin, end = _word(row.get("beginDate")), _word(row.get("endDate"))
    seen = _word(row.get("dateLastModified")) or reading.snapshot_at or ""
    role = _word(row.get("role"))
    base = {
        "learner": who,
        "organisation": _word(row.get("schoolSourcedId")) or _reference(row.get("school")),
        "object": class_,
        "source": SOURCE,
    }
    if _word(row.get("status")).casefold() in OFF:
        # It may never have been meant: only that it is over now is certain.
        return (_fact(base, "ended", role, seen, reading.vocabulary),) if seen else (_UNDATED,)
    if begin and end and _is_day(begin) and _is_day(end) and end[:10] < begin[:10]:
        return (Refused(f"endDate {shown(end)} is before beginDate {shown(begin)}", "correct one of them"),)
    facts: list[Row | Refused] = []
    if begin:
        facts.append(_fact(base, "enabled", role, begin, reading.vocabulary))
    elif seen and not _is_over(end, seen):
        facts.append(_fact(base, "enabled", role, seen, reading.vocabulary, attributes=SINCE_UNKNOWN))
    if end:
        # The day of the end no longer belongs to it, so it ends as that day begins.
        facts.append(_fact(base, "ended", role, end, reading.vocabulary))
    return tuple(facts) or (_UNDATED,)


def _fact(
    base: Mapping[str, object], state: str, role: str, at: str, vocabulary: Vocabulary, attributes: str = ""
) -> Row | Refused:
    """What a record says at an instant. Who is on in a role that the vocabulary does not know is refused."""
    event = f"{state}:{role}" if role else state
    meaning = vocabulary.meaning(event) or vocabulary.meaning(state)
    if meaning is None:
        rule = f"the role {shown(role)} is none of OneRoster"
        return Refused(rule, f"say what it means in a --vocabulary, with the event {event}")
    return {
        **base,
        "occurred_at": at,
        "type": meaning.type,
        "role": meaning.role,
        "mode": meaning.mode,
        "attributes": attributes,
    }


def _is_day(text: str) -> bool:
    return _DAY.match(text) is not None


def _is_over(end: str, seen: str) -> bool:
    """Whether an enrolment had ended when it was seen: then being seen does not show it on."""
    return bool(end) and _is_day(end) and _is_day(seen) and end[:10] <= seen[:10]


def _roles(reading: Reading) -> Mapping[str, str]:
    """What role each user has, from the file of roles: the primary one, otherwise the first."""
    found: dict[str, tuple[bool, str]] = {}
    for row in reading.extra.get("roles", ()):
        user, role = _word(row.get("userSourcedId")), _word(row.get("role"))
        primary = _word(row.get("roleType")).casefold() == "primary"
        if user and role and _word(row.get("status")).casefold() not in OFF:
            before = found.get(user)
            if before is None or (primary and not before[0]):
                found[user] = (primary, role)
    return {user: role for user, (_, role) in found.items()}


def _role_in(row: Mapping[str, Any]) -> str:
    """The role on the record itself: a word in 1.1, in 1.2 the primary one of a list."""
    listed = row.get("roles")
    if not isinstance(listed, list):
        return _word(row.get("role"))
    roles = [it for it in listed if isinstance(it, Mapping) and _word(it.get("role"))]
    primary = [it for it in roles if _word(it.get("roleType")).casefold() == "primary"]
    return next((_word(it.get("role")) for it in (*primary, *roles)), "")


def _organisation(row: Mapping[str, Any]) -> str:
    """The primary organisation, otherwise the first of them."""
    primary = _word(row.get("primaryOrgSourcedId")) or _reference(row.get("primaryOrg"))
    orgs = row.get("orgs")
    first = next(iter(orgs), None) if isinstance(orgs, list) else None
    return primary or _word(row.get("orgSourcedIds")).partition(",")[0].strip() or _reference(first)


def _reference(value: object) -> str:
    """Whom a reference names: its sourcedId."""
    return _word(value.get("sourcedId")) if isinstance(value, Mapping) else ""


def _flag(value: object) -> str:
    return str(value).casefold() if isinstance(value, bool) else _word(value).casefold()


def _word(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
