"""Registrations of SCORM Cloud and SCORM Engine, as version 2 of their API lists them.

A registration is a learner's enrolment in a course with a few dates on it, so one of them makes several facts. What
happened between the first and the last access it does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.producers.producer import JSON, Convert, Producer, Reading, Row
from rollbook.intake.vocabulary import Vocabulary

CREATED, FIRST, LAST, COMPLETED = "createdDate", "firstAccessDate", "lastAccessDate", "completedDate"
DATES = (CREATED, FIRST, LAST, COMPLETED)
_LAUNCH = "launchTime"


class ScormCloud(Producer):
    """Pages of registrations."""

    name = "scorm-cloud"
    title = "SCORM Cloud registrations"
    kind = JSON
    envelopes = ("registrations", "launchHistory")

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample has a learner, a course and how far the one came with the other; or is a launch."""
        registration = "learner" in sample and "course" in sample and "registrationCompletion" in sample
        return registration or (_LAUNCH in sample and "completionStatus" in sample)

    def converter(self, reading: Reading) -> Convert:
        """What makes facts of a registration: one for each date on it."""
        vocabulary = reading.vocabulary

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused, ...]:
            return _facts(row, vocabulary)

        return convert


def _facts(row: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Row | Refused, ...]:
    if _LAUNCH in row and "learner" not in row:
        return (Refused("a launch history does not say whose it is", "export the registrations instead"),)
    learner, course = row.get("learner"), row.get("course")
    if not isinstance(learner, Mapping) or not isinstance(course, Mapping):
        return (Refused("learner or course of the registration is no object", "export whole registrations"),)
    who = _learner(learner)
    if not who:
        return (Refused("the learner has neither id nor email", "export whole registrations"),)
    if not _word(row.get("id")):
        return (Refused("the registration has no id", "export whole registrations"),)
    dates = {name: row[name] for name in DATES if row.get(name)}
    if dates.get(LAST) == dates.get(FIRST):
        dates.pop(LAST, None)
    if not dates:
        return (Refused("the registration has no date at all", f"export it with {', '.join(DATES)}"),)
    return tuple(_fact(row, name, who, _word(course.get("id")), vocabulary) for name in dates)


def _fact(row: Mapping[str, Any], name: str, who: str, course: str, vocabulary: Vocabulary) -> Row:
    """What one date says. The date is part of the id: a later export has another last access, and both are true."""
    meaning = vocabulary[name]
    registration, at = _word(row.get("id")), row[name]
    # Instances are attempts at one registration, which was created once.
    attempt = "" if name == CREATED else f"/{_word(row.get('instance')) or '0'}"
    return {
        "id": f"{registration}{attempt}/{name}/{at}",
        "occurred_at": at,
        "learner": who,
        "type": meaning.type,
        "role": meaning.role,
        "mode": meaning.mode,
        "object": course,
        "source": ScormCloud.name,
        "session": registration,
    }


def _learner(learner: Mapping[str, Any]) -> str:
    return _word(learner.get("id")) or _word(learner.get("email")).lower()


def _word(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
