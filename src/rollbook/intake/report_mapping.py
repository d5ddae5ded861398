"""A mapping says, in a plain TOML file, what the columns of a report mean.

    name = "our-report"
    title = "our report"
    recognised_by = ["Login name", "First opened"]
    learner = ["Staff number", "Login name"]
    object = ["Course"]
    source = "our-lms"

    [[facts]]
    time = "First opened"
    type = "course.started"

Lists of columns are in order of preference: the first that holds something decides. Each of `facts` is made of every
row that has its time, so one row of a report may be several facts.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from rollbook.errors import Problem, UsageError
from rollbook.intake.vocabulary import Meaning
from rollbook.model.fact import CORRECTIONS, MODES, ROLES
from rollbook.model.keys import nearest

KINDS = ("csv", "json")
UNIX = "unix"
"""The format of times that count seconds since 1970."""

COLUMN_LISTS = ("learner", "organisation", "object", "id")
LISTS = (*COLUMN_LISTS, "recognised_by", "envelopes", "formats", "empty")
TEXTS = ("name", "title", "kind", "source")
KEYS = (*TEXTS, *LISTS, "roles", "events", "facts")
NEEDED = ("name", "title", "recognised_by", "learner", "source", "facts")
FACT_KEYS = ("time", "type", "event", "role", "mode", "only_if", "otherwise")


_FORMATTED = datetime(2026, 12, 31, 13, 45, tzinfo=UTC)
"""What a format has to bring back: at least its day."""

_FORMAT_LENGTH_MAX = 64
_DIRECTIVE = re.compile(r"%.", re.DOTALL)
_SAYS_UTC = re.compile(r"\b(?:UTC|GMT)\b|Z\s*$")
_UTC_NAMES = ("UTC", "GMT", "Z")


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How a time is written, as `strptime` knows it, or `unix`; `is_utc` where the text itself says that it is UTC."""

    text: str
    is_utc: bool = False


@dataclass(frozen=True, slots=True)
class MappedFact:
    """One fact of a row.

    time       the column that dates it; a row without that time makes no such fact
    type       what it is; empty where `event`, a column, says so row by row
    column, values, otherwise  it is so only where the column has one of the values; `otherwise` is its type elsewhere
    """

    time: str
    type: str = ""
    event: str = ""
    role: str = ""
    mode: str = ""
    column: str = ""
    values: frozenset[str] = frozenset()
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class ReportMapping:
    """What the columns of a report mean; the module says how it is written.

    roles, role_column  what the values of a column say about who the learner is; an unknown value refuses the row
    events              what the values of an event column mean
    formats             how times are written; others are left to the reader
    empty               what stands where there is no time
    """

    name: str
    title: str
    recognised_by: tuple[str, ...]
    learner: tuple[str, ...]
    source: str
    facts: tuple[MappedFact, ...]
    kind: str = "csv"
    organisation: tuple[str, ...] = ()
    object: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    envelopes: tuple[str, ...] = ()
    formats: tuple[TimeFormat, ...] = ()
    empty: frozenset[str] = frozenset()
    role_column: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, Meaning] = field(default_factory=dict)


def shipped_mappings() -> tuple[ReportMapping, ...]:
    """The mappings beside this file, by name."""
    folder = resources.files("rollbook.intake") / "mappings"
    files = sorted((it for it in folder.iterdir() if it.name.endswith(".toml")), key=lambda it: it.name)
    return tuple(parse_mapping(it.read_text(encoding="utf-8"), it.name) for it in files)


def read_mapping(path: str | Path) -> ReportMapping:
    """An administrator's own mapping. Raises UsageError with every problem found."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        rule = f"the mapping cannot be read: {error}"
        raise UsageError(Problem(str(path), rule, "give a TOML file in UTF-8")) from None
    return parse_mapping(text, str(path))


def parse_mapping(text: str, place: str) -> ReportMapping:
    """The mapping in a TOML text. Raises UsageError with every problem found."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(Problem(place, f"this is not TOML: {error}", "correct the file")) from None
    problems = _problems(document)
    if problems:
        raise UsageError(Problem(place, rule, remedy) for rule, remedy in problems)
    roles = document.get("roles", {})
    lists: dict[str, Any] = {
        key: tuple(document[key]) for key in LISTS if key in document and key not in ("empty", "formats")
    }
    return ReportMapping(
        **{key: document[key].strip() for key in TEXTS if key in document},
        **lists,
        empty=frozenset(document.get("empty", ())),
        formats=tuple(it for text in document.get("formats", ()) for it in _formats(text)),
        facts=tuple(map(_fact, document["facts"])),
        role_column=roles.get("column", ""),
        roles={value.casefold(): role for value, role in roles.get("values", {}).items()},
        events={event: _meaning(told) for event, told in document.get("events", {}).items()},
    )


def _formats(text: str) -> tuple[TimeFormat, ...]:
    """A format; where it names a zone, one for each name of UTC: other abbreviations are no offsets, and not read."""
    if "%Z" not in _DIRECTIVE.findall(text):
        return (TimeFormat(text, is_utc=_SAYS_UTC.search(_DIRECTIVE.sub(" ", text)) is not None),)
    return tuple(
        TimeFormat(_DIRECTIVE.sub(lambda it: zone if it[0] == "%Z" else it[0], text), is_utc=True)  # noqa: B023
        for zone in _UTC_NAMES
    )


def _fact(told: Mapping[str, Any]) -> MappedFact:
    only_if = told.get("only_if", {})
    return MappedFact(
        **{key: told[key] for key in FACT_KEYS if key in told and key != "only_if"},
        column=only_if.get("column", ""),
        values=frozenset(value.casefold() for value in only_if.get("in", ())),
    )


def _meaning(told: str | Mapping[str, str]) -> Meaning:
    return Meaning(told) if isinstance(told, str) else Meaning(**told)


_FORMAT_REMEDY = 'write each part once, as in "%d %b %Y %H:%M"; or "unix" for seconds since 1970'

Found = list[tuple[str, str]]
"""(rule, remedy) of everything that is wrong."""


def _problems(document: Mapping[str, Any]) -> Found:
    found: Found = [(f"{key} is missing", "give " + ", ".join(NEEDED)) for key in NEEDED if not document.get(key)]
    found += _strange("", document, KEYS)
    found += [(f"{key} is no text", "write it in quotes") for key in TEXTS if not _is_text(document.get(key, ""))]
    found += [
        (f"{key} is no list of texts", 'write it as ["First column", "Second column"]')
        for key in LISTS
        if not _is_texts(document.get(key, []))
    ]
    if document.get("kind", "csv") not in KINDS:
        found.append((f"kind is {document['kind']!r}", "use " + " or ".join(KINDS)))
    formats = document.get("formats", [])
    found += [it for text in formats if _is_texts(formats) for it in _format_problems(text)]
    facts = document.get("facts", [])
    if isinstance(facts, list) and all(isinstance(it, dict) for it in facts):
        for number, fact in enumerate(facts, 1):
            found += _fact_problems(f"facts {number}: ", fact)
    else:
        found.append(("facts is no list of tables", "begin each with [[facts]]"))
    found += _role_problems(document.get("roles", {}))
    found += _event_problems(document.get("events", {}))
    return found


def _format_problems(text: str) -> Found:
    """What is wrong with a format: it has to read what it writes, and give the year, the month and the day."""
    if text == UNIX:
        return []
    try:
        at = datetime.strptime(_FORMATTED.strftime(text), text)  # noqa: DTZ007 - only its day is looked at
    except (ValueError, re.error, LookupError, TypeError):
        at = None
    if at is not None and at.date() == _FORMATTED.date() and len(text) <= _FORMAT_LENGTH_MAX:
        return []
    return [(f'formats: "{text[:_FORMAT_LENGTH_MAX]}" does not give a year, a month and a day', _FORMAT_REMEDY)]


def _fact_problems(where: str, fact: Mapping[str, Any]) -> Found:
    found = _strange(where, fact, FACT_KEYS)
    texts = [key for key in FACT_KEYS if key != "only_if"]
    found += [(f"{where}{key} is no text", "write it in quotes") for key in texts if not _is_text(fact.get(key, ""))]
    if found:
        return found
    if not fact.get("time"):
        found.append((f"{where}time is missing", "name the column that dates it"))
    if bool(fact.get("type")) == bool(fact.get("event")):
        found.append((f"{where}either type or event is needed", "give the type, or the column that says what happened"))
    found += _known(where, "role", fact.get("role", ""), ROLES) + _known(where, "mode", fact.get("mode", ""), MODES)
    found += _type_problems(where, fact.get("type", "")) + _type_problems(where, fact.get("otherwise", ""))
    only_if = fact.get("only_if")
    if only_if is not None and not (
        isinstance(only_if, dict)
        and only_if.keys() == {"column", "in"}
        and _is_text(only_if["column"])
        and _is_texts(only_if["in"])
    ):
        found.append((f"{where}only_if has not its shape", 'write { column = "Status", in = ["Yes"] }'))
    if (only_if is None) == bool(fact.get("otherwise")):
        rule = f"{where}only_if and otherwise belong together"
        found.append((rule, "say what the row means where it is not so, such as login.failed"))
    return found


def _role_problems(roles: Any) -> Found:
    shape = isinstance(roles, dict) and (not roles or roles.keys() == {"column", "values"})
    if not shape or (roles and not (_is_text(roles["column"]) and isinstance(roles["values"], dict))):
        return [("roles has not its shape", "give roles.column and the table roles.values")]
    return [it for role in roles.get("values", {}).values() for it in _known("roles: ", "role", role, ROLES)]


def _event_problems(events: Any) -> Found:
    if not isinstance(events, dict):
        return [("events is no table", "begin it with [events]")]
    found: Found = []
    for event, told in events.items():
        where = f"events: {event}: "
        table = {"type": told} if isinstance(told, str) else told
        if not isinstance(table, dict) or not all(map(_is_text, table.values())) or not table.get("type"):
            found.append((f"{where}has no type", 'write "event" = "type", or { type = "type", role = "role" }'))
            continue
        found += _strange(where, table, ("type", "role", "mode")) + _type_problems(where, table["type"])
        found += _known(where, "role", table.get("role", ""), ROLES)
        found += _known(where, "mode", table.get("mode", ""), MODES)
    return found


def _type_problems(where: str, type_: str) -> Found:
    return [(f"{where}{type_} corrects other facts", "only a producer can say which")] if type_ in CORRECTIONS else []


def _known(where: str, what: str, value: Any, known: tuple[str, ...]) -> Found:
    if not value or value in known:
        return []
    return [(f"{where}{what} is {value!r}{nearest(str(value), known)}", "use one of " + ", ".join(known))]


def _strange(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> Found:
    return [
        (f'{where}there is no key "{key}"{nearest(key, known)}', "use " + ", ".join(known))
        for key in table
        if key not in known
    ]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))
