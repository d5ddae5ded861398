"""Caliper events 1.0, 1.1 and 1.2, single or in the envelopes of a sensor: one event, one fact.

The vocabulary is asked from the particular to the general, in the terms of version 1.1 whatever the version, so
`http://purl.imsglobal.org/vocab/caliper/v1/action#LoggedIn` is `LoggedIn`:

    NavigationEvent.NavigatedTo.CourseSection  event, action and type of the object
    NavigationEvent.NavigatedTo                event and action
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.producers.json_parts import NOTHING, ShapeError, attributes, moment, part, word
from rollbook.intake.producers.producer import JSON, Convert, Producer, Reading, Row
from rollbook.intake.vocabulary import Meaning, Vocabulary
from rollbook.model.fact import is_status

REMEMBERED_MAX = 10_000
"""Terms that are remembered."""

COURSES = ("CourseOffering", "CourseSection")
"""Types of entities that are courses."""

ABOVE_MAX = 8
"""How far up a group is followed to its course."""

CANVAS = "com.instructure.canvas"
_PERSONS = ("", "Person", "Agent", "LtiUser")
_ANONYMOUS = ("http://purl.imsglobal.org/", "https://purl.imsglobal.org/")

ROLES: Mapping[str, str] = {
    "Administrator": "admin",
    "SysAdmin": "admin",
    "Manager": "manager",
    "Instructor": "instructor",
    "Faculty": "instructor",
    "TeachingAssistant": "instructor",
    "TeachingAssistantGroup": "instructor",
    "Grader": "instructor",
    "GuestInstructor": "instructor",
    "Lecturer": "instructor",
    "PrimaryInstructor": "instructor",
    "SecondaryInstructor": "instructor",
    "ExternalInstructor": "instructor",
    "ContentDeveloper": "facilitator",
    "ContentExpert": "facilitator",
    "Mentor": "facilitator",
    "Tutor": "facilitator",
    "Advisor": "facilitator",
    "LearningCoordinator": "facilitator",
    "Observer": "reporter",
    "Auditor": "reporter",
    "Learner": "learner",
    "Student": "learner",
}
"""Terms of the membership vocabulary; who has several is staff before being a learner, in this order."""

_STRENGTH = {term: place for place, term in enumerate(ROLES)}


class Caliper(Producer):
    """Events as lines or as a list, single or in envelopes."""

    name = "caliper"
    title = "Caliper events"
    kind = JSON
    envelopes = ("data",)

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample is an envelope, an event, or an entity that is described."""
        if isinstance(sample.get("data"), list) and "sensor" in sample:
            return True
        if "eventTime" in sample and "action" in sample and "actor" in sample:
            return True
        if "sensor" in sample:
            return False  # What is left of an envelope without its list.
        return "purl.imsglobal.org/ctx/caliper" in str(sample.get("@context", ""))[:200]

    def converter(self, reading: Reading) -> Convert:
        """What makes one fact of each event."""
        vocabulary = reading.vocabulary

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused]:
            try:
                return (_fact(row, vocabulary),)
            except ShapeError as error:
                return (error.refused,)

        return convert


def _no_event(event: Mapping[str, Any]) -> Refused | None:
    """Why something in an envelope is no event that can be read; None where it is one."""
    if "data" in event and "sensor" in event:
        return Refused("data of the envelope is no list", "export it again, events in a list")
    if not word(event, "action") and "eventTime" not in event:
        rule = "something is described, and nothing happened"
        return Refused(rule, "nothing needs to be done; leave descriptions of entities out to be rid of this")
    for name, found in (("action", word(event, "action")), ("type", _term(event))):
        if not found:
            return Refused(f"the event has no {name}", "export whole events")
    return None


def _fact(event: Mapping[str, Any], vocabulary: Vocabulary) -> Row | Refused:
    refused = _no_event(event)
    if refused:
        return refused
    kind, action = _term(event), _last(word(event, "action"))
    target, actor = _entity(event, "object"), _entity(event, "actor")
    meaning = _meaning(vocabulary, f"{kind}.{action}", _term(target))
    who = _identity(actor)
    person = _term(actor) in _PERSONS and not who.startswith(_ANONYMOUS)
    if not who:
        return Refused("the actor has no id", "export whole events")
    real = part(part(actor, "extensions"), CANVAS)
    system = not person or meaning.role == "system"
    if system and is_status(meaning.type):
        return Refused(f"the actor is no person, and {meaning.type} is of one", "take it out of the vocabulary")
    membership = _membership(event, who)
    about = _course(target, _entity(event, "group"), membership) or _identity(target)
    status = _last(word(membership, "status"))
    impersonator = word(real, "real_user_id")
    return {
        "id": _id(event),
        "occurred_at": moment(event, "eventTime"),
        "learner": "" if system else who,
        "type": meaning.type,
        "role": "system" if system else meaning.role or _role(membership),
        "mode": meaning.mode,
        "object": about,
        "source": Caliper.name,
        "actor": who if system and not who.startswith(_ANONYMOUS) else "",
        "impersonator": "" if system or impersonator == word(real, "entity_id") else impersonator,
        "session": _identity(_entity(event, "session")) or _identity(_entity(event, "federatedSession")),
        "attributes": attributes(
            object=_identity(target) if about != _identity(target) else "",
            object_type=_term(target),
            app=_identity(_entity(event, "edApp")),
            membership=status if status != "Active" else "",
            profile=word(event, "profile"),
        ),
    }


def _entity(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An entity, which may be written as its IRI alone."""
    value = whole.get(name)
    if isinstance(value, str):
        return {"id": value} if value.strip() else NOTHING
    return part(whole, name)


def _identity(entity: Mapping[str, Any]) -> str:
    """The IRI of an entity; version 1.0 writes `@id`."""
    return word(entity, "id") or word(entity, "@id")


def _id(event: Mapping[str, Any]) -> str:
    """The id of an event; UUIDs in small letters."""
    id_ = _identity(event)
    return id_.lower() if id_[:9].lower() == "urn:uuid:" else id_


def _term(entity: Mapping[str, Any]) -> str:
    """The type of an event or an entity as a term."""
    return _last(word(entity, "type") or word(entity, "@type"))


@lru_cache(REMEMBERED_MAX)
def _last(name: str) -> str:
    """The term at the end of an IRI; terms themselves stay."""
    return name.rstrip("/#").rpartition("#")[2].rpartition("/")[2]


def _meaning(vocabulary: Vocabulary, event: str, kind: str) -> Meaning:
    """The meaning of the most particular key; what the administrator says goes before all that is shipped."""
    keys = (f"{event}.{kind}", event) if kind else (event,)
    said = next((vocabulary.own[key] for key in keys if key in vocabulary.own), None)
    known = (vocabulary.meaning(key) for key in keys)
    return said or next((meaning for meaning in known if meaning), Meaning(event))


def _membership(event: Mapping[str, Any], who: str) -> Mapping[str, Any]:
    """The membership of the actor; that of anybody else says nothing of who acted."""
    membership = _entity(event, "membership")
    member = _identity(_entity(membership, "member"))
    return membership if member in ("", who) else NOTHING


def _role(membership: Mapping[str, Any]) -> str:
    roles = membership.get("roles")
    if roles is None:
        return ""
    listed = roles if isinstance(roles, list) else [roles]
    if not all(isinstance(role, str) for role in listed):
        raise ShapeError("roles of the membership are not texts")
    known = [term for term in map(_last, listed) if term in ROLES]
    return ROLES[min(known, key=_STRENGTH.__getitem__)] if known else ""


def _course(target: Mapping[str, Any], group: Mapping[str, Any], membership: Mapping[str, Any]) -> str:
    """The course that the event is about, else that of the group, else that of the membership."""
    if _term(target) in COURSES:
        return _identity(target)
    for place in (group, _entity(membership, "organization")):
        for entity in _upwards(place):
            if _term(entity) in COURSES:
                return _identity(entity)
    return ""


def _upwards(entity: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A group, and what it is a part of."""
    for _ in range(ABOVE_MAX):
        if not entity:
            return
        yield entity
        entity = _entity(entity, "subOrganizationOf")
