"""Live events of Canvas in its own format: `metadata` says who did it and where, `body` what it is about.

The vocabulary is asked for `asset_accessed.wiki_page`, of a list within an asset `asset_accessed.course.modules`; for
other events by their name. Enrolments and users carry a state, `enrollment.active` or `user.deleted`: what the state
means is asked too, so that one event may say two things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.producers.json_parts import ShapeError, attributes, moment, part, word
from rollbook.intake.producers.producer import JSON, Convert, Producer, Reading, Row
from rollbook.intake.vocabulary import Meaning, Vocabulary
from rollbook.model.fact import is_status

SHARD = 10_000_000_000_000
"""A global id is the number of a shard times this, plus the local id."""

ROLES: Mapping[str, str] = {
    "StudentEnrollment": "learner",
    "StudentViewEnrollment": "instructor",
    "TeacherEnrollment": "instructor",
    "TaEnrollment": "instructor",
    "DesignerEnrollment": "facilitator",
    "ObserverEnrollment": "reporter",
    "AccountAdmin": "admin",
    "AccountUser": "admin",
    "GroupMembership": "learner",
}
"""Roles of Canvas. The student of a student view is the teacher; roles that an institution invents are learners'."""

_STATES = {"enrollment_created": "enrollment", "enrollment_updated": "enrollment"} | {
    "user_created": "user",
    "user_updated": "user",
}
_OF_ANOTHER = ("course_completed", "course_progress", "submission_created", "submission_updated")
"""Events whose body says whom they concern, whoever or whatever brought them about."""


class CanvasLive(Producer):
    """Live events as lines, or as a list."""

    name = "canvas-live"
    title = "Canvas live events"
    kind = JSON

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample has a body, and metadata that name an event."""
        metadata = sample.get("metadata")
        return isinstance(metadata, Mapping) and "event_name" in metadata and "body" in sample

    def converter(self, reading: Reading) -> Convert:
        """What makes facts of each event."""
        vocabulary = reading.vocabulary

        def convert(event: Mapping[str, Any]) -> tuple[Row | Refused, ...]:
            try:
                return tuple(_facts(event, vocabulary))
            except ShapeError as error:
                return (error.refused,)

        return convert


def _facts(event: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Row | Refused]:
    metadata, body = part(event, "metadata"), part(event, "body")
    name = word(metadata, "event_name")
    if not name:
        yield Refused("metadata has no event_name", "export whole events, metadata and body")
        return
    for meaning in _meanings(name, body, vocabulary):
        yield _fact(name, meaning, metadata, body)


def _meanings(name: str, body: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Meaning]:
    """What an event says: what its name means, and what the state that it reports means."""
    if name == "asset_accessed":
        asset, list_ = word(body, "asset_type"), word(body, "asset_subtype")
        key = f"{name}.{asset}.{list_}" if list_ else f"{name}.{asset}"
        yield vocabulary.meaning(key) or vocabulary[name]
        return
    named = vocabulary.meaning(name)
    kind = _STATES.get(name)
    state = vocabulary.meaning(f"{kind}.{word(body, 'workflow_state')}") if kind else None
    if named or not state:
        yield named or Meaning(name)
    if state:
        yield state


def _fact(name: str, meaning: Meaning, metadata: Mapping[str, Any], body: Mapping[str, Any]) -> Row | Refused:
    root = word(metadata, "root_account_id")
    doer, real = _local(word(metadata, "user_id"), root), _local(word(metadata, "real_user_id"), root)
    status = is_status(meaning.type)
    learner = doer
    if status or name in _OF_ANOTHER:
        learner = _local(word(body, "user_id") or word(part(body, "user"), "id"), root) or ("" if status else doer)
    if status and not learner:
        return Refused(f"body does not say whose {name} it is", "export whole events, metadata and body")
    job = "job_id" in metadata and not doer
    said = word(body, "type" if status else "role")
    named = word(metadata, "context_role") if not status else ""
    role = ROLES.get(named or said, "")
    return {
        "occurred_at": moment(metadata, "event_time"),
        "organisation": word(metadata, "root_account_uuid") or root,
        "learner": learner,
        "type": meaning.type,
        "role": "system"
        if not learner or (job and not status)
        else meaning.role or (role if learner == doer or status else ""),
        "mode": meaning.mode,
        "object": _object(metadata, body, root, status=status),
        "source": CanvasLive.name,
        "actor": doer if doer != learner else "",
        # Whoever acts in a teacher's name does not act in the name of the learners whom the teacher enrols.
        "impersonator": real if real != learner and learner == doer and learner else "",
        "session": word(metadata, "session_id"),
        "attributes": attributes(
            event=name if name != meaning.type else "",
            asset=word(body, "asset_type"),
            list=word(body, "asset_subtype"),
            role=named or said,
            course=_local(word(body, "course_id"), root) if status else "",
            job=word(metadata, "job_tag"),
            masquerading=real if learner != doer else "",
        ),
    }


def _object(metadata: Mapping[str, Any], body: Mapping[str, Any], root: str, *, status: bool) -> str:
    """The course; of a status of an enrolment the enrolment: two sections of a course are two of them."""
    if status:
        return _local(word(body, "enrollment_id"), root)
    course = (
        word(body, "course_id") or word(part(body, "course"), "id") if "course" in body or "course_id" in body else ""
    )
    if not course and word(metadata, "context_type") == "Course":
        course = word(metadata, "context_id")
    return _local(course, root)


def _local(id_: str, root: str) -> str:
    """An id as it is within the shard of the root account; bodies and later exports write it so. Others stay global."""
    if len(id_) <= len(str(SHARD)) - 1 or not (_is_number(id_) and _is_number(root)):
        return id_
    shard, local = divmod(int(id_), SHARD)
    return str(local) if shard == int(root) // SHARD else id_


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
