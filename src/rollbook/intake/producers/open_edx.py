"""Tracking logs of Open edX: JSON lines, one event and one fact each.

Both shapes are read: that of the log files (`event`, `event_type`, `time`) and that of the event bus (`data`, `name`,
`timestamp`). The vocabulary is asked for where an event comes from and its type, for its type, and for its name:
`server|problem_check`, `problem_check`, `edx.problem.…`; an event that it does not know keeps its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from rollbook.intake.batches import Refused
from rollbook.intake.producers.json_parts import NOTHING, ShapeError, attributes, moment, part, word
from rollbook.intake.producers.producer import JSON, Convert, Producer, Reading, Row
from rollbook.intake.vocabulary import Meaning, Vocabulary
from rollbook.model.fact import is_status

REMEMBERED_MAX = 10_000
"""Shapes of paths that are remembered."""

SEGMENTS_MAX = 4
"""How much of the path of a page tells what kind of page it is."""

_COURSE = re.compile(r"course-v1:[^/?#+]+\+[^/?#+]+\+[^/?#+@&]+")
_OLD_COURSE = re.compile(r"/courses/([^/?#:+]+/[^/?#:+]+/[^/?#:+]+)(?:[/?#]|$)")
_OPAQUE = re.compile(r".*[:+@%].*|\d+|[0-9a-fA-F-]{8,}")
_DETAILS = msgspec.json.Decoder(dict[str, Any])


class OpenEdx(Producer):
    """Tracking logs as lines, or as a list."""

    name = "open-edx"
    title = "Open edX tracking logs"
    kind = JSON

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample has a context, a type and a time as either shape writes them."""
        if "context" not in sample:
            return False
        logged = {"event_type", "event_source", "time"} <= sample.keys()
        return logged or {"name", "data", "timestamp"} <= sample.keys()

    def converter(self, reading: Reading) -> Convert:
        """What makes one fact of each event."""
        vocabulary = reading.vocabulary

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused]:
            try:
                return (_fact(row, vocabulary),)
            except ShapeError as error:
                return (error.refused,)

        return convert


def _fact(row: Mapping[str, Any], vocabulary: Vocabulary) -> Row | Refused:
    context = part(row, "context")
    details = _details(row)
    origin = word(row, "event_source")
    type_, name = word(row, "event_type"), word(row, "name")
    if not (type_ or name):
        return Refused("the event has neither event_type nor name", "export whole events")
    path = type_ if type_.startswith("/") else ""
    meaning = _meaning(vocabulary, origin, _shape(path) if path else type_, "" if path else name)
    doer = word(context, "user_id") or word(row, "username") or word(context, "username")
    # What a browser writes into an event is its own affair; the server says whom it concerns.
    concerned = word(details, "user_id") if origin != "browser" and not path else ""
    learner = concerned or doer
    status = is_status(meaning.type)
    if status and not learner:
        return Refused(f"{name or type_} does not say whose enrolment or account it is", "export whole events")
    job = origin == "task" and not status
    if job and not concerned:
        learner = ""
    course = _course(row, context, details)
    return {
        "occurred_at": moment(row, "time" if "time" in row else "timestamp"),
        "organisation": _organisation(course) or word(context, "org_id"),
        "learner": learner,
        "type": meaning.type,
        "role": "system" if job or not learner else meaning.role,
        "mode": meaning.mode,
        "object": course,
        "source": OpenEdx.name,
        "actor": doer if doer != learner else "",
        "session": word(row, "session") or word(context, "session"),
        "attributes": attributes(
            event=type_ if not path and type_ != meaning.type else "",
            path=path.partition("?")[0],
            event_source=origin,
            mode=word(details, "mode") if status else "",
        ),
    }


def _details(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the event itself says. Browsers write it as a text, which may be cut off, or no JSON at all."""
    value = row.get("event") if "event" in row else row.get("data")
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.startswith("{"):
        try:
            return _DETAILS.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return NOTHING
    if value is None or isinstance(value, str | list):
        return NOTHING
    raise ShapeError("event is neither an object nor a text")


def _meaning(vocabulary: Vocabulary, origin: str, type_: str, name: str) -> Meaning:
    """The meaning of the most particular key; what the administrator says goes before all that is shipped."""
    keys = [key for key in (f"{origin}|{type_}", type_, f"{origin}|{name}", name) if not key.endswith("|") and key]
    said = next((vocabulary.own[key] for key in keys if key in vocabulary.own), None)
    known = (vocabulary.meaning(key) for key in keys)
    return said or next((meaning for meaning in known if meaning), Meaning(name or type_))


@lru_cache(REMEMBERED_MAX)
def _shape(path: str) -> str:
    """What kind of page a path leads to: `/courses/*/instructor`. Courses, blocks and numbers become stars."""
    page = _OLD_COURSE.sub("/courses/*/", path.partition("?")[0] + "/")
    segments = [segment for segment in page.split("/") if segment][:SEGMENTS_MAX]
    return "/" + "/".join("*" if _OPAQUE.fullmatch(segment) else segment for segment in segments)


def _course(row: Mapping[str, Any], context: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """The course that the event acts upon, else the one that it was sent from, else the one in its address."""
    said = word(details, "course_id") or word(context, "course_id")
    if said:
        return said
    for address in (word(row, "event_type"), word(context, "path"), word(row, "page")):
        found = _COURSE.search(address)
        if found:
            return found[0]
        old = _OLD_COURSE.search(address)
        if old:
            return old[1]
    return ""


def _organisation(course: str) -> str:
    """The organisation in the key of a course."""
    if course.startswith("course-v1:"):
        return course.removeprefix("course-v1:").partition("+")[0]
    return course.partition("/")[0] if course.count("/") == 2 else ""  # noqa: PLR2004 - organisation, course and run
