"""One gate stands before the facts: a row comes out as a Fact, or as everything that is wrong with it.

This is the reading of reference. Whatever reads faster beside it must agree with it on every row it takes.
Text loses the white space around it (`attributes` keeps it); whole numbers become their digits; nothing else changes.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from decimal import Decimal
from zoneinfo import ZoneInfo

from rollbook.errors import Problem
from rollbook.intake.options import ReadOptions
from rollbook.intake.times import UnreadableTimeError, read_time, shown
from rollbook.model.fact import COLUMNS, LINKED, MODES, ROLES, TEXT_LENGTH_MAX, VOIDED, Fact, is_status
from rollbook.model.keys import nearest

TIMES = ("occurred_at", "recorded_at")
TEXTS = tuple(column for column in COLUMNS if column not in TIMES)

EXACT_MAX = 2**53
"""From here on a floating number no longer tells neighbouring whole numbers apart."""

_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))


class Gate:
    """Reads one row at a time, and remembers nothing."""

    def __init__(self, options: ReadOptions) -> None:
        self._zone = ZoneInfo(options.input_zone) if options.input_zone else None
        self._date_order = options.date_order

    def read(self, place: str, row: Mapping[str, object]) -> Fact | tuple[Problem, ...]:
        """The fact of a row, by canonical column; an absent column is an empty one. An absent id stays empty."""
        faults: list[tuple[str, str]] = []
        texts = {column: text_of(column, row.get(column), faults) for column in TEXTS}
        at_us = self._time("occurred_at", row.get("occurred_at"), faults)
        recorded_us = self._time("recorded_at", row.get("recorded_at"), faults)
        if not any(texts.values()) and at_us is None and recorded_us is None and not faults:
            return (Problem(place, "the row is empty", "delete it"),)
        if is_absent(row.get("occurred_at")):
            faults.append(("occurred_at is missing", "say when it happened, such as 2026-03-01T09:30:00Z"))
        spoilt = {rule.partition(" ")[0] for rule, _ in faults}
        faults.extend((rule, remedy) for column, rule, remedy in _contradictions(texts) if column not in spoilt)
        if faults or at_us is None:
            return tuple(Problem(place, rule, remedy) for rule, remedy in faults)
        texts["role"] = texts["role"] or "learner"
        return Fact(at_us=at_us, recorded_us=recorded_us, **texts)

    def _time(self, column: str, value: object, faults: list[tuple[str, str]]) -> int | None:
        if is_absent(value):
            return None
        try:
            return read_time(value, self._zone, self._date_order)
        except UnreadableTimeError as fault:
            faults.append((f"{column} {fault.rule}", fault.remedy))
            return None


def is_absent(value: object) -> bool:
    """Nothing is given: None, white space, or what tables put where a value is missing."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return math.isnan(value)
    return type(value).__name__ in ("NaTType", "NAType")


def _contradictions(texts: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(column, rule, remedy) of everything that the columns of a row owe each other."""
    found: list[tuple[str, str, str]] = []
    type_, role, mode = texts["type"], texts["role"], texts["mode"]
    if not type_:
        found.append(("type", "type is empty", "say what happened, such as login"))
    if role and role not in ROLES:
        rule = f"role is {shown(role)}, which is none of the roles{nearest(role, ROLES)}"
        found.append(("role", rule, "use one of " + ", ".join(ROLES)))
    if mode and mode not in MODES:
        rule = f"mode is {shown(mode)}, which is none of the modes{nearest(mode, MODES)}"
        found.append(("mode", rule, "use one of " + ", ".join(MODES) + ", or leave it empty"))
    if not texts["learner"] and type_ not in (VOIDED, LINKED) and not _about_nobody(role, type_):
        found.append(("learner", "learner is empty", "give an id, or role guest"))
    if type_ == LINKED:
        found.extend(_link(texts))
    if type_ == VOIDED and not texts["voids"]:
        found.append(("voids", "voids is empty", "name the id of the fact that is taken back"))
    if type_ == VOIDED and texts["voids"] and texts["voids"] == texts["id"]:
        found.append(("voids", "the fact voids itself", "name the id of the fact that is taken back"))
    if type_ and type_ != VOIDED and texts["voids"]:
        found.append(
            ("voids", f"voids is given, and {shown(type_)} voids nothing", f"use type {VOIDED}, or empty voids")
        )
    return found


def _about_nobody(role: str, type_: str) -> bool:
    """A guest has no id, and what the system does concerns nobody; but a status is always somebody's."""
    return role == "guest" or (role == "system" and not is_status(type_))


def _link(texts: Mapping[str, str]) -> list[tuple[str, str, str]]:
    if not texts["learner"]:
        return [("learner", "learner is empty", f"for {LINKED}, give the id that survives")]
    if not texts["object"]:
        return [("object", "object is empty", f"for {LINKED}, give the id that is given up")]
    if texts["learner"] == texts["object"]:
        return [("object", "a learner is linked to itself", "learner is the id that survives, object the one given up")]
    return []


def text_of(column: str, value: object, faults: list[tuple[str, str]]) -> str:
    """The text of a value; what it may not be goes to `faults`, and counts as empty."""
    free = column == "attributes"
    text = value if isinstance(value, str) else _as_text(column, value, faults)
    if not free:
        text = text.strip()
    if len(text) > TEXT_LENGTH_MAX:
        rule = f"{column} has {len(text)} characters, more than {TEXT_LENGTH_MAX}"
        faults.append((rule, "shorten it; a text this long is a broken export"))
    elif ("\0" in text) if free else (not text.isprintable() and text.translate(_CONTROLS) != text):
        faults.append((f"{column} is {shown(text)}, with control characters in it", "take them out"))
    elif not text.isascii() and not _is_unicode(text):
        faults.append((f"{column} is {shown(text)}, with half a character in it", "write the export as UTF-8 again"))
    else:
        return text
    return ""


def _as_text(column: str, value: object, faults: list[tuple[str, str]]) -> str:
    """The text of what is not text: whole numbers, mostly."""
    if is_absent(value):
        return ""
    if isinstance(value, bool):
        faults.append((f"{column} is {str(value).lower()}, where text is needed", "give it as text"))
    elif column == "attributes" and isinstance(value, Mapping | list | tuple):
        return _as_json(value, faults)
    elif isinstance(value, numbers.Integral) and abs(int(value)) < 10**TEXT_LENGTH_MAX:
        return _digits(int(value))
    elif isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < TEXT_LENGTH_MAX:
        return _digits(int(value)) if value == value.to_integral_value() else format(value, "f")
    elif isinstance(value, numbers.Real) and abs(float(value)) < EXACT_MAX:
        number = float(value)
        return _digits(int(number)) if number.is_integer() else repr(number)
    elif isinstance(value, numbers.Number):
        faults.append((f"{column} is a number too large to be exact", "export it as text"))
    else:
        kind = "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "no text"
        faults.append((f"{column} is {kind}, where text is needed", "give one text or one whole number"))
    return ""


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # Python's own bound on the digits of a number; any text beyond the longest will do.
        return "9" * (TEXT_LENGTH_MAX + 1)


def _as_json(value: object, faults: list[tuple[str, str]]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        faults.append(("attributes hold something that JSON cannot", "give texts, whole numbers, lists and objects"))
        return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
