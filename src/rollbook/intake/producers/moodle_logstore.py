r"""Moodle's own table of events, `mdl_logstore_standard_log`, dumped as CSV or as JSON objects.

The vocabulary is asked by the whole name of an event, `\mod_quiz\event\attempt_started`, then by its last part alone.
`userid` acted, `relateduserid` is the user concerned, `realuserid` is the person at the keyboard who was logged in as
another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from rollbook.intake.batches import Refused
from rollbook.intake.gate import EXACT_MAX
from rollbook.intake.producers.moodle import SITE_COURSE, Done, RoleTable, concerns_another, facts_of
from rollbook.intake.producers.producer import Convert, Producer, Reading, Row
from rollbook.intake.vocabulary import Meaning, Vocabulary

NEEDED = ("eventname", "timecreated", "userid")
READ = (
    "id", "eventname", "objecttable", "objectid", "contextid", "userid", "courseid", "relateduserid", "anonymous",
    "other", "timecreated", "origin", "ip", "realuserid",
)  # fmt: skip
"""The columns that are read; dumps may have more."""

_NULLS = ("NULL", "null", "\\N")
_SECONDS = re.compile(r"[0-9]{1,10}")
_USER = re.compile(r"-?[0-9]*")
_METHOD = re.compile(r'"enrol"(?:;s:\d+:|\s*:\s*)"([a-z0-9_]{1,40})"')
_NOT_THE_LAST = re.compile(r'"lastenrol"(?:;b:0|\s*:\s*(?:false|0|"0"|""))')


class MoodleLogstore(Producer):
    """The dump of the table, in one of its two forms."""

    name = "moodle-logstore"
    title = "Moodle logstore table"
    envelopes = ("mdl_logstore_standard_log",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """By the columns that no event goes without."""
        names = {str(name).strip().casefold() for name in sample}
        return all(name in names for name in NEEDED)

    def converter(self, reading: Reading) -> Convert:
        """One row after the other; nothing is remembered."""
        return _Dump(reading).facts


class _Dump:
    def __init__(self, reading: Reading) -> None:
        self._vocabulary: Vocabulary = reading.vocabulary
        self._roles = RoleTable(reading.extra.get("roles"))

    def facts(self, row: Mapping[str, Any]) -> Iterator[Row | Refused]:
        """The facts of one row."""
        texts = _texts(row)
        if isinstance(texts, Refused):
            yield texts
            return
        for column in ("eventname", "timecreated"):
            if not texts[column]:
                yield Refused(f"{column} is empty", "export the table again, with all its columns")
                return
        for column in ("userid", "relateduserid", "realuserid"):
            if not _USER.fullmatch(texts[column]):
                yield Refused(f"{column} is no number of a user", "export the table as it is, ids as numbers")
                return
        yield from facts_of(self._done(texts))

    def _done(self, texts: Mapping[str, str]) -> Done:
        name = texts["eventname"].replace("\\\\", "\\")
        meaning = self._meaning(name, texts["other"])
        learner, actor = texts["userid"], ""
        if concerns_another(meaning.type):
            learner, actor = texts["relateduserid"] or _user_object(texts) or learner, texts["userid"]
        anonymous = texts["anonymous"] == "1"
        course = texts["courseid"] if texts["courseid"] not in ("0", SITE_COURSE) else ""
        seconds = int(texts["timecreated"]) if _SECONDS.fullmatch(texts["timecreated"]) else None
        at = _iso(seconds) if seconds is not None else texts["timecreated"]
        origin = texts["origin"].casefold()
        return Done(
            at=at,
            meaning=meaning,
            event=name,
            learner=learner,
            actor=actor,
            impersonator=texts["realuserid"],
            role=self._roles.role(learner, course, texts["contextid"], seconds or 0) if self._roles else "",
            course="" if anonymous else course,
            origin=origin,
            address=texts["ip"],
            source=MoodleLogstore.name,
            id=texts["id"],
            attributes=_attributes(texts, origin, anonymous=anonymous),
        )

    def _meaning(self, name: str, other: str) -> Meaning:
        found = self._vocabulary.meaning(name) or self._vocabulary.meaning(name.rpartition("\\")[2])
        meaning = found or Meaning(name)
        if meaning.type == "enrolment.ended" and _NOT_THE_LAST.search(other):
            return Meaning("enrolment.updated", meaning.role, meaning.mode)
        return meaning


def _texts(row: Mapping[str, Any]) -> dict[str, str] | Refused:
    """The columns as text, absent ones empty; or which of them holds something that a table cannot."""
    if not all(name in row for name in NEEDED):
        row = {str(name).strip().casefold(): value for name, value in row.items()}
    texts = {}
    for column in READ:
        value = row.get(column)
        if column == "other" and isinstance(value, dict | list):
            value = msgspec.json.encode(value).decode()
        text = _text(value)
        if text is None:
            rule = f"{column} is neither text nor a whole number"
            return Refused(rule, "export the table as it is, one value a column")
        texts[column] = text
    return texts


def _text(value: object) -> str | None:
    """A value as text; None for what no column of a table holds."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value.strip()
        return "" if text in _NULLS else text
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < EXACT_MAX else None
    if isinstance(value, float | Decimal) and -EXACT_MAX < value < EXACT_MAX and value == int(value):
        return str(int(value))
    return None


def _user_object(texts: Mapping[str, str]) -> str:
    """The user that an event is about, where that is its object; else nobody."""
    return texts["objectid"] if texts["objecttable"] == "user" and _USER.fullmatch(texts["objectid"]) else ""


def _attributes(texts: Mapping[str, str], origin: str, *, anonymous: bool) -> dict[str, str | bool]:
    """What is worth keeping beside: where it came from if not from a browser, the method of an enrolment."""
    method = _METHOD.search(texts["other"])
    return {
        **({"origin": origin} if origin not in ("", "web") else {}),
        **({"enrol": method[1]} if method else {}),
        **({"anonymous": True} if anonymous else {}),
    }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
