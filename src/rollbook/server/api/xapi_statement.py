"""What a statement must be: the rules of xAPI 1.0.3 part two and 2.0 for statements that are sent.

Each check raises what is wrong with its place. Nothing that a statement says is repeated in the words: it could be a
learner's. Tables below read like those of the specification: property, whether it must be there, what it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from rollbook.intake.producers.xapi import VOIDING_VERB

Check = Callable[[Any], None]

GROUP_OF_AUTHORITY = 2

ACTIVITIES = ("Activity", "GroupActivity")
"""What activities are called. The second is not the specification's: Open edX writes it where a problem has parts."""


class StatementError(Exception):
    """What is wrong with a statement: where (`actor.mbox`), and in words."""

    def __init__(self, place: str, rule: str) -> None:
        super().__init__(rule)
        self.place, self.rule = place, rule


def check_statement(statement: Any) -> None:
    """Raises StatementError with the first thing that is wrong."""
    _STATEMENT(statement)
    verb, target = statement["verb"]["id"], statement["object"]
    if verb == VOIDING_VERB and target.get("objectType") != "StatementRef":
        raise StatementError("object", "a voiding statement names a StatementRef")
    _check_context(statement)


def _check_context(statement: Mapping[str, Any]) -> None:
    context, kind = statement.get("context", {}), statement["object"].get("objectType", "Activity")
    for name in ("revision", "platform"):
        if name in context and kind not in ACTIVITIES:
            raise StatementError(f"context.{name}", "it belongs to statements about activities only")


def _shape(must: Mapping[str, Check], may: Mapping[str, Check]) -> Check:
    known = {**must, **may}

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise StatementError("", "it is no object")
        for name in must:
            if name not in value:
                raise StatementError(name, "it is missing")
        for name, part in value.items():
            if name not in known:
                raise StatementError("", "it has a property that xAPI does not know")
            _within(name, known[name], part)

    return check


def _within(name: str, check: Check, value: Any) -> None:
    try:
        check(value)
    except StatementError as error:
        place = f"{name}.{error.place}" if error.place and error.place[0] != "[" else f"{name}{error.place}"
        raise StatementError(place, error.rule) from None


def _text(rule: str, pattern: str = "") -> Check:
    matches = re.compile(pattern, re.IGNORECASE | re.ASCII | re.DOTALL).fullmatch if pattern else None

    def check(value: Any) -> None:
        if not isinstance(value, str) or (matches and not matches(value)):
            raise StatementError("", rule)

    return check


def _list(item: Check) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, list):
            raise StatementError("", "it is no list")
        for index, part in enumerate(value):
            _within(f"[{index}]", item, part)

    return check


def _one_of(*values: str) -> Check:
    def check(value: Any) -> None:
        if value not in values:
            raise StatementError("", "it is none of " + ", ".join(values))

    return check


def _map(key: Check, value_check: Check) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise StatementError("", "it is no object")
        for name, part in value.items():
            key(name)
            value_check(part)

    return check


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise StatementError("", "it is neither true nor false")


def _number(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise StatementError("", "it is no number")


def _whole(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise StatementError("", "it is no whole number")


def _scaled(value: Any) -> None:
    _number(value)
    if not -1 <= value <= 1:
        raise StatementError("", "it is not between -1 and 1")


def _anything(_: Any) -> None:
    """Extensions hold what they like, null too."""


_string = _text("it is no text")
_iri = _text("it is no IRI", r"[a-z][a-z0-9+.-]*:.+")
_uuid = _text("it is no UUID", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_timestamp = _text(
    "it is no time with an offset, such as 2026-03-01T09:30:00Z",
    r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(\.\d+)?(z|\+\d\d(:?\d\d)?|-(?!00(:?00)?$)\d\d(:?\d\d)?)",
)
_duration = _text(
    "it is no ISO 8601 duration",
    r"P(\d+(\.\d+)?W|(?=.)(\d+(\.\d+)?Y)?(\d+(\.\d+)?M)?(\d+(\.\d+)?D)?(T(?=.)(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?)",
)
_version = _text("it is not 1.0.x or 2.0.x", r"[12]\.0(\.\d+)?")
_tag = _text("it is no language tag", r"[a-z0-9]{1,8}(-[a-z0-9]{1,8})*")
_languages = _map(_tag, _string)
_extensions = _map(_iri, _anything)

_IDENTIFIERS: Mapping[str, Check] = {
    "mbox": _text("it is no address mailto:…", r"mailto:[^@\s]+@[^@\s]+"),
    "mbox_sha1sum": _text("it is no SHA-1 digest", r"[0-9a-f]{40}"),
    "openid": _iri,
    "account": _shape({"homePage": _iri, "name": _string}, {}),
}
_agent_shape = _shape({}, {"objectType": _one_of("Agent"), "name": _string, **_IDENTIFIERS})


def _agent(value: Any) -> None:
    _agent_shape(value)
    if sum(name in value for name in _IDENTIFIERS) != 1:
        raise StatementError("", "it does not have exactly one of account, mbox, mbox_sha1sum and openid")


_group_shape = _shape({"objectType": _one_of("Group")}, {"name": _string, "member": _list(_agent), **_IDENTIFIERS})


def _group(value: Any) -> None:
    _group_shape(value)
    identifiers = sum(name in value for name in _IDENTIFIERS)
    if identifiers > 1 or (not identifiers and not value.get("member")):
        raise StatementError("", "a group has one identifier, or members")


def _actor(value: Any) -> None:
    (_group if isinstance(value, dict) and value.get("objectType") == "Group" else _agent)(value)


def _authority(value: Any) -> None:
    _actor(value)
    if value.get("objectType") == "Group" and len(value.get("member", ())) != GROUP_OF_AUTHORITY:
        raise StatementError("", "a group that is the authority has two members")


_components = _list(_shape({"id": _string}, {"description": _languages}))
_interaction = _one_of(
    *("true-false", "choice", "fill-in", "long-fill-in", "matching"),
    *("performance", "sequencing", "likert", "numeric", "other"),
)
_definition = _shape(
    {},
    {
        "name": _languages,
        "description": _languages,
        "type": _iri,
        "moreInfo": _iri,
        "extensions": _extensions,
        "interactionType": _interaction,
        "correctResponsesPattern": _list(_string),
        **dict.fromkeys(("choices", "scale", "source", "target", "steps"), _components),
    },
)
_activity = _shape({"id": _iri}, {"objectType": _one_of(*ACTIVITIES), "definition": _definition})
_reference = _shape({"objectType": _one_of("StatementRef"), "id": _uuid}, {})
_score_shape = _shape({}, {"scaled": _scaled, "raw": _number, "min": _number, "max": _number})


def _score(value: Any) -> None:
    _score_shape(value)
    least, most = value.get("min", -math.inf), value.get("max", math.inf)
    if not (least <= most and least <= value.get("raw", least) <= most) and "raw" in value:
        raise StatementError("raw", "it is not between min and max")
    if least > most:
        raise StatementError("min", "it is above max")


def _activities(value: Any) -> None:
    (_list(_activity) if isinstance(value, list) else _activity)(value)


_result = _shape(
    {},
    {
        "score": _score,
        "success": _flag,
        "completion": _flag,
        "response": _string,
        "duration": _duration,
        "extensions": _extensions,
    },
)
_relevant = {"relevantTypes": _list(_iri)}
_context = _shape(
    {},
    {
        "registration": _uuid,
        "instructor": _actor,
        "team": _group,
        "contextActivities": _shape({}, dict.fromkeys(("parent", "grouping", "category", "other"), _activities)),
        "contextAgents": _list(_shape({"objectType": _one_of("contextAgent"), "agent": _agent}, _relevant)),
        "contextGroups": _list(_shape({"objectType": _one_of("contextGroup"), "group": _group}, _relevant)),
        "revision": _string,
        "platform": _string,
        "language": _tag,
        "statement": _reference,
        "extensions": _extensions,
    },
)
_attachment = _shape(
    {"usageType": _iri, "display": _languages, "contentType": _string, "length": _whole, "sha2": _string},
    {"description": _languages, "fileUrl": _iri},
)
_verb = _shape({"id": _iri}, {"display": _languages})

_OBJECTS: Mapping[str, Check] = {
    **dict.fromkeys(ACTIVITIES, _activity),
    "Agent": _agent,
    "Group": _group,
    "StatementRef": _reference,
}


def _object_within(value: Any) -> None:
    kind = value.get("objectType", "Activity") if isinstance(value, dict) else "Activity"
    if not isinstance(kind, str) or kind not in _OBJECTS:
        raise StatementError("objectType", "it is none of " + ", ".join(_OBJECTS))
    _OBJECTS[kind](value)


_COMMON: Mapping[str, Check] = {
    "result": _result,
    "context": _context,
    "timestamp": _timestamp,
    "attachments": _list(_attachment),
}
_substatement_shape = _shape(
    {"objectType": _one_of("SubStatement"), "actor": _actor, "verb": _verb, "object": _object_within}, _COMMON
)


def _object(value: Any) -> None:
    if isinstance(value, dict) and value.get("objectType") == "SubStatement":
        _substatement_shape(value)
        _check_context(value)
    else:
        _object_within(value)


_STATEMENT = _shape(
    {"actor": _actor, "verb": _verb, "object": _object},
    {"id": _uuid, "stored": _timestamp, "authority": _authority, "version": _version, **_COMMON},
)
