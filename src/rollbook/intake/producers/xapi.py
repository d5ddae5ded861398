r"""xAPI statements 1.0.3 and 2.0, those of cmi5 among them: one statement, one fact.

What a statement means is decided by who sent it, its verb and the type of its activity. The vocabulary is asked from
the particular to the general, and the first that is known decides:

    moodle|\core\event\course_viewed           the event that the sender says it comes from
    moodle|course_viewed                       the same without its component
    openedx|http://…/verbs/initialized|video   sender, verb, and the last part of the activity's type
    openedx|http://…/verbs/initialized         sender and verb
    http://…/verbs/initialized|course          verb and the last part of the activity's type
    http://…/verbs/initialized                 verb
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from rollbook.intake.batches import Refused
from rollbook.intake.producers.producer import JSON, Convert, Producer, Reading, Row
from rollbook.intake.vocabulary import Meaning, Vocabulary, shipped
from rollbook.model.fact import TEXT_LENGTH_MAX, VOIDED, is_status

VOIDING_VERB = "http://adlnet.gov/expapi/verbs/voided"
CMI5 = "https://w3id.org/xapi/cmi5/context/categories/cmi5"
LAUNCH_MODE = "https://w3id.org/xapi/cmi5/context/extensions/launchmode"
SESSIONS = (
    "https://w3id.org/xapi/cmi5/context/extensions/sessionid",
    "https://w3id.org/xapi/openedx/extensions/session-id",
    "https://w3id.org/xapi/openedx/extension/session-id",
)
_MOODLE = "http://moodle.org"
_MOODLE_INFO = "http://lrs.learninglocker.net/define/extensions/info"
_OPEN_EDX = "https://w3id.org/xapi/openedx/extension/transformer-version"
_H5P_LIBRARY = "http://h5p.org/libraries/"
_H5P_CONTENT = "http://h5p.org/x-api/h5p-local-content-id"

REMEMBERED_MAX = 10_000
"""Meanings, and homes of accounts, that a reading remembers; then it begins anew."""

_ATTRIBUTE_MAX = 512
"""Longest text that is kept among the attributes."""

_COURSE_KEY = re.compile(r"(?:course|block)-v1:([^+/?#]+\+[^+/?#]+\+[^+/?#@]+)")
_FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
_HOME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_NOTHING: Mapping[str, Any] = {}
_encode = msgspec.json.Encoder().encode


class Xapi(Producer):
    """Statements as lines, as a list, or as the result pages of a learning record store."""

    name = "xapi"
    title = "xAPI statements"
    kind = JSON
    envelopes = ("statements",)

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample has the three parts that every statement has, or is an empty result page."""
        if isinstance(sample.get("statements"), list):
            return True
        return isinstance(sample.get("verb"), Mapping) and "actor" in sample and "object" in sample

    def converter(self, reading: Reading) -> Convert:
        """What makes one fact of each statement."""
        return _Statements(reading.vocabulary).convert


class _ShapeError(Exception):
    """A part of a statement is not what the specification says."""


class _Statements:
    """Reads statements. Nothing of one is remembered for the next but what words mean."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = Vocabulary({**_moodle_events(), **vocabulary.shipped}, vocabulary.own)
        self._meanings: dict[tuple[str, str, str, str], Meaning] = {}
        self._homes: dict[str, str] = {}

    def convert(self, statement: Mapping[str, Any]) -> tuple[Row | Refused]:
        try:
            return (self._fact(statement),)
        except _ShapeError as error:
            return (Refused(f"{error} is not what xAPI has there", "correct the statement, or export it again"),)

    def _fact(self, statement: Mapping[str, Any]) -> Row | Refused:
        verb = _part(statement, "verb").get("id")
        if not isinstance(verb, str) or ":" not in verb:
            return Refused("verb.id is no IRI", "give the verb as xAPI has it, such as http://…/verbs/completed")
        target = _part(statement, "object")
        if not target:
            return Refused("the statement has no object", "export whole statements: format=exact, not format=ids")
        actor = _part(statement, "actor")
        group = actor.get("objectType") == "Group" or "member" in actor
        who = self._identity(actor)
        if verb == VOIDING_VERB:
            return _void(statement, target, who)
        if not who and not group:
            return Refused("the actor has no account, mbox, mbox_sha1sum or openid", "export whole actors, not names")
        context = _part(statement, "context")
        extensions = _part(context, "extensions")
        activities = _part(context, "contextActivities")
        sender, event = _sender(context, extensions, activities, target)
        kind = _kind(target)
        meaning = self._meaning(sender, event, verb, kind)
        mode = extensions.get(LAUNCH_MODE)
        type_ = verb if mode == "Browse" else meaning.type
        if group and is_status(type_):
            return Refused(f"the actor is a group, and {type_} is of one person", "export a statement for each of them")
        instructor = self._identity(_part(context, "instructor")) if "instructor" in context else ""
        learner, doer, role = who, "", meaning.role
        if is_status(type_):
            learner, doer = (self._identity(target), who) if kind == "agent" else (who, instructor)
        elif who and instructor == who:
            role = role or "instructor"
        activity = self._identity(target) if kind in ("agent", "group") else target.get("id")
        about = _course(activities, target, kind) or activity or ""
        return {
            **_times_and_id(statement),
            "learner": "" if group else learner,
            "type": type_,
            "role": "system" if group else role,
            "mode": meaning.mode,
            "object": about,
            "source": Xapi.name,
            "actor": who if group else doer if doer != learner else "",
            "session": _session(context, extensions),
            "attributes": _attributes(
                ("verb", verb if verb != type_ else None),
                ("activity", activity if activity != about else None),
                ("platform", context.get("platform")),
                ("instructor", instructor),
                ("launchmode", mode),
            ),
        }

    def _meaning(self, sender: str, event: str, verb: str, kind: str) -> Meaning:
        key = (sender, event, verb, kind)
        found = self._meanings.get(key)
        if found is None:
            if len(self._meanings) >= REMEMBERED_MAX:
                self._meanings.clear()
            found = self._meanings[key] = self._look_up(*key)
        return found

    def _look_up(self, sender: str, event: str, verb: str, kind: str) -> Meaning:
        """The meaning of the most particular key; what the administrator says goes before all that is shipped."""
        if kind == "substatement":
            return Meaning(verb)
        keys = tuple(_keys(sender, event, verb, kind))
        said = next((self._vocabulary.own[key] for key in keys if key in self._vocabulary.own), None)
        known = (self._vocabulary.meaning(key) for key in keys)
        return said or next((meaning for meaning in known if meaning), Meaning(verb))

    def _identity(self, agent: Mapping[str, Any]) -> str:
        """Who an agent is: by account, mbox, mbox_sha1sum, openid, the first that is there; else nobody."""
        if not agent:
            return ""
        account = _part(agent, "account")
        if account:
            name, home = _word(account.get("name")), _word(account.get("homePage"))
            if name and home:
                return f"{self._home(home)}|{name}"
        mbox = _word(agent.get("mbox"))
        if mbox:
            address = mbox[7:] if mbox[:7].lower() == "mailto:" else mbox
            if address.strip():
                return address.strip().lower()
        digest = _word(agent.get("mbox_sha1sum"))
        return f"sha1:{digest.lower()}" if digest else _word(agent.get("openid"))

    def _home(self, page: str) -> str:
        """A home page as it is compared: without a slash at its end, scheme and host in small letters."""
        found = self._homes.get(page)
        if found is None:
            if len(self._homes) >= REMEMBERED_MAX:
                self._homes.clear()
            found = self._homes[page] = _HOME.sub(lambda host: host[0].lower(), page, count=1).rstrip("/")
        return found


def _moodle_events() -> Mapping[str, Meaning]:
    """What the events of Moodle mean in its own log: they mean the same where a statement is made of them."""
    return {f"moodle|{event}": meaning for event, meaning in shipped("moodle-logstore").items()}


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an object; an empty one where there is none."""
    value = whole.get(name)
    if isinstance(value, dict):
        return value
    if value is None:
        return _NOTHING
    raise _ShapeError(name)


def _word(value: object) -> str:
    """The text of an identifier; systems write numbers too."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _void(statement: Mapping[str, Any], target: Mapping[str, Any], who: str) -> Row | Refused:
    voided = target.get("id")
    if target.get("objectType") != "StatementRef" or not isinstance(voided, str) or not voided.strip():
        return Refused("a voiding statement has no StatementRef", "name the statement that is taken back in object.id")
    return {
        **_times_and_id(statement),
        "type": VOIDED,
        "source": Xapi.name,
        "actor": who,
        "voids": voided.strip().lower(),
    }


def _times_and_id(statement: Mapping[str, Any]) -> dict[str, object]:
    """Ids in small letters, so that references meet them; a store puts its own time where a statement has none."""
    id_, at, stored = statement.get("id"), statement.get("timestamp"), statement.get("stored")
    return {
        "id": id_.strip().lower() if isinstance(id_, str) else id_ or "",
        "occurred_at": _moment(stored if at is None else at),
        "recorded_at": _moment(stored),
    }


def _moment(value: object) -> object:
    """A time, to the microsecond: some stores write more."""
    if value is None:
        return ""
    if isinstance(value, str) and len(value) > len("2026-03-01T09:30:00.123456Z"):
        return _FINER_THAN_MICROSECONDS.sub(r"\1", value)
    return value


def _listed(activities: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Activities of a context: a list, or in older statements a single one."""
    found = activities.get(name)
    if found is None:
        return []
    items = found if isinstance(found, list) else [found]
    for item in items:
        if not isinstance(item, dict):
            raise _ShapeError(f"contextActivities.{name}")
    return items


def _sender(
    context: Mapping[str, Any], extensions: Mapping[str, Any], activities: Mapping[str, Any], target: Mapping[str, Any]
) -> tuple[str, str]:
    """Whose words a statement uses, and the event that it says it was made from."""
    categories = [item.get("id") for item in _listed(activities, "category")]
    if CMI5 in categories:
        return "cmi5", ""
    if _MOODLE_INFO in extensions:
        info = extensions[_MOODLE_INFO]
        event = info.get("event_name") if isinstance(info, dict) else None
        if isinstance(event, str) and event.startswith("\\"):
            return "moodle", event
    platform = context.get("platform")
    if _MOODLE in categories or (isinstance(platform, str) and platform.lower() == "moodle"):
        return "moodle", ""
    if _OPEN_EDX in extensions or _COURSE_KEY.search(str(target.get("id", ""))):
        return "openedx", ""
    for category in categories:
        if isinstance(category, str) and category.startswith(_H5P_LIBRARY):
            return "h5p", ""
    return ("h5p", "") if _H5P_CONTENT in _part(_part(target, "definition"), "extensions") else ("", "")


def _kind(target: Mapping[str, Any]) -> str:
    """What the object is: the last part of the activity's type, or the kind of object that is no activity."""
    shape = target.get("objectType", "Activity")
    if shape != "Activity" and isinstance(shape, str):
        return shape.lower()
    type_ = _part(target, "definition").get("type")
    return _last_part(type_) if isinstance(type_, str) else ""


@lru_cache(REMEMBERED_MAX)
def _last_part(iri: str) -> str:
    return iri.rstrip("/").rpartition("/")[2].lower()


def _keys(sender: str, event: str, verb: str, kind: str) -> Iterator[str]:
    """What the vocabulary is asked, the particular first."""
    if event:
        yield f"{sender}|{event}"
        yield f"{sender}|{event.rpartition(chr(92))[2]}"
    if sender and kind:
        yield f"{sender}|{verb}|{kind}"
    if sender:
        yield f"{sender}|{verb}"
    if kind:
        yield f"{verb}|{kind}"
    yield verb


def _course(activities: Mapping[str, Any], target: Mapping[str, Any], kind: str) -> str:
    """The course that a statement is about, or belongs to, where it says so."""
    id_ = target.get("id")
    if not isinstance(id_, str):
        return ""
    key = _COURSE_KEY.search(id_)
    if key:
        return f"course-v1:{key[1]}"
    if kind == "course":
        return id_
    for name in ("parent", "grouping"):
        for activity in _listed(activities, name):
            above = activity.get("id")
            if not isinstance(above, str):
                continue
            key = _COURSE_KEY.search(above)
            if key:
                return f"course-v1:{key[1]}"
            if _kind(activity) == "course":
                return above
    return ""


def _session(context: Mapping[str, Any], extensions: Mapping[str, Any]) -> object:
    if extensions:
        for name in SESSIONS:
            if extensions.get(name):
                return extensions[name]
    return context.get("registration") or ""


def _attributes(*values: tuple[str, object]) -> str:
    """What else is worth keeping, as JSON; nothing that would make a sound statement too long."""
    kept = {name: value for name, value in values if value and isinstance(value, str) and len(value) <= _ATTRIBUTE_MAX}
    if not kept:
        return ""
    try:
        text = _encode(kept).decode()
    except UnicodeEncodeError:
        return ""
    return text if len(text) <= TEXT_LENGTH_MAX else ""
