"""What was sent becomes facts, quickly: rows that are plainly clean are read here, all others by the gate.

The gate stays the reading of reference. A row is plainly clean when each of its fields is text, a whole number, null
or absent, each known and there once, and nothing in it could be read in two ways; then the gate accepts it with the
same values, and a property test holds both to it. All is bounded: a row's bytes, its depth, its numbers' digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn

import msgspec

from rollbook.errors import Problem
from rollbook.intake.gate import Gate
from rollbook.intake.options import ReadOptions
from rollbook.model.fact import COLUMNS, CORRECTIONS, MODES, ROLES, TEXT_LENGTH_MAX, Fact
from rollbook.model.instants import EARLIEST_US, EPOCH, LATEST_US
from rollbook.model.keys import nearest

ROW_BYTES_MAX = 1024 * 1024
"""Of one item as it is sent."""

DEPTH_MAX = 64
"""How deep objects and lists of one item may be nested."""

NAME_LENGTH_MAX = 1024
"""Characters of an id, a type or another name in an event of another format."""

DIGITS_MAX = 400
"""Of one number; the largest that computers calculate with has 309."""

UNKNOWN_SHOWN_MAX = 3
"""Unknown fields of one row that are named."""

Item = msgspec.Raw | bytes | Mapping[str, object] | object
"""One thing that was sent: JSON that is not decoded yet, or a value of JSON."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One thing wrong with the fact at `index`, counted from 0 within the batch."""

    index: int
    code: str
    rule: str
    remedy: str


Read = Fact | tuple[Rejected, ...]
"""A fact, or everything that is wrong with it."""


class UnreadableError(Exception):
    """Why a text is no JSON that is read here: a stable code, the rule and the remedy."""

    def __init__(self, code: str, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.code, self.rule, self.remedy = code, rule, remedy

    def at(self, index: int) -> tuple[Rejected, ...]:
        """As what is wrong with an item of a batch."""
        return (Rejected(index, self.code, self.rule, self.remedy),)


_JSON = (msgspec.Raw, bytes)
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_decode_values = msgspec.json.Decoder(dict[str, str | int | None]).decode
_is_known = frozenset(COLUMNS).issuperset
_PLAIN_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)", re.ASCII
)
_MICROSECOND = timedelta(microseconds=1)
_ROLES = {"": "learner", **{role: role for role in ROLES}}
_MODES = frozenset({"", *MODES})
_UNSURE = frozenset({"", *CORRECTIONS})
_PERSONAL = ("learner", "actor", "impersonator", "object", "session", "attributes", "id", "voids")
_NAMES = frozenset(
    {"id", "@id", "type", "@type", "action", "homePage", "roles", "status", "platform", "event_name", "objectType"}
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}")
_QUOTED = re.compile(r'"[^\n]*"', re.DOTALL)
_GATE = Gate(ReadOptions())


def read_rows(rows: Iterable[Item], received_us: int | None = None, *, trusts_recorded: bool = True) -> list[Read]:
    """Canonical facts as JSON, each at its index: a fact, or everything that is wrong with it.

    received_us      when they were received, UTC microseconds; None leaves what the rows say
    trusts_recorded  whether what a row itself says of that is believed
    """
    recorded = partial(_recorded, received_us=received_us, trusts=trusts_recorded)
    return [_plain(row, recorded) or _by_gate(index, row, recorded) for index, row in enumerate(rows)]


def problems(index: int, found: Iterable[Problem], code: str = "invalid") -> tuple[Rejected, ...]:
    """Problems of a reader as what is answered. What could be a person's is not repeated."""
    return tuple(Rejected(index, code, _discreet(it.rule), _of_a_call(it.remedy)) for it in found)


def _of_a_call(remedy: str) -> str:
    """A remedy that whoever calls can follow: options of the command line say how exports write their times."""
    return "write it with its offset from UTC, as 2026-03-01T09:30:00Z" if "--" in remedy else remedy


def decode(text: msgspec.Raw | bytes) -> Any:
    """A value of JSON, read strictly: UTF-8, no key twice, no endless numbers, no endless depth.

    Whole numbers are exact; others are floating. Raises UnreadableError.
    """
    data = bytes(text)
    if len(data) > ROW_BYTES_MAX:
        rule = f"it has {len(data):,} bytes, more than {ROW_BYTES_MAX:,}"
        raise UnreadableError("too-long", rule, "shorten it; something else was pasted in")
    try:
        document = _DECODER.decode(data.decode())
    except UnicodeDecodeError:
        raise UnreadableError("not-utf-8", "it is not UTF-8", "send JSON in UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        words = error.msg.lower() if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableError("json-invalid", f"it is not JSON: {words}{where}", "correct its syntax") from None
    if not _is_shallow(document, DEPTH_MAX):
        raise _too_deep()
    return document


def decode_event(text: msgspec.Raw | bytes) -> Any:
    """The same for events of other formats, whose names (types, verbs, ids) readers remember: those are bounded too.

    Raises UnreadableError.
    """
    document = decode(text)
    if _longest_name(document, named=False) > NAME_LENGTH_MAX:
        rule = f"an id, a type or another name in it has more than {NAME_LENGTH_MAX:,} characters"
        raise UnreadableError("too-long", rule, "shorten it; something else was pasted in")
    return document


def _longest_name(value: object, *, named: bool) -> int:
    """The length of the longest text that is a name, or stands in a list of names."""
    if isinstance(value, str):
        return len(value) if named else 0
    if isinstance(value, list):
        return max((_longest_name(part, named=named) for part in value), default=0)
    if isinstance(value, dict):
        return max((_longest_name(part, named=key in _NAMES) for key, part in value.items()), default=0)
    return 0


def _plain(row: Item, recorded: Any) -> Fact | None:
    """The fact of a row that is plainly clean; None leaves the row to the gate."""
    try:
        texts = _texts(row)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if not _is_known(texts):
        return None
    at, told = texts.pop("occurred_at", ""), texts.pop("recorded_at", "")
    whole = "".join(texts.values())
    if len(whole) > TEXT_LENGTH_MAX or not whole.isprintable():
        return None
    if " " in whole:
        # Of all white space it alone is printable.
        texts = {name: text if name == "attributes" else text.strip() for name, text in texts.items()}
    get = texts.get
    texts["role"] = role = _ROLES.get(get("role", ""), "")
    if get("voids") or not role or not get("learner") or get("type", "") in _UNSURE or get("mode", "") not in _MODES:
        return None
    at_us, told_us = _moment(at.strip()), _moment(told.strip()) if told else None
    if at_us is None or (told and told_us is None):
        return None
    return Fact(at_us=at_us, recorded_us=recorded(told_us), **texts)


def _texts(row: Item) -> dict[str, str]:
    """The fields of a row as text. Raises MsgspecError for other values, and where a field may stand twice."""
    if not isinstance(row, _JSON):
        return _as_texts(msgspec.convert(row, dict[str, str | int | None]))
    data = bytes(row)
    try:
        texts = _decode_texts(data)
        quotes = 4 * len(texts)
    except msgspec.ValidationError:
        values = _decode_values(data)
        quotes = sum(4 if value.__class__ is str else 2 for value in values.values())
        texts = _as_texts(values)
    if not _has_quotes(data, quotes):
        raise msgspec.ValidationError("a field may stand twice")
    return texts


def _as_texts(values: Mapping[str, str | int | None]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _has_quotes(data: bytes, expected: int) -> bool:
    """Whether no field stands twice: the quotes are those of the fields that were found.

    A backslash may escape a quote, or another backslash; with the latter it is not known.
    """
    quotes = data.count(b'"')
    if b"\\" in data:
        if b"\\\\" in data:
            return False
        quotes -= data.count(b'\\"')
    return quotes == expected and len(data) <= ROW_BYTES_MAX


def _moment(text: str) -> int | None:
    """UTC microseconds of a time that is written in the one plain way; None for all others."""
    if not _PLAIN_TIME.fullmatch(text):
        return None
    try:
        at_us = (datetime.fromisoformat(text) - EPOCH) // _MICROSECOND
    except ValueError:
        return None
    return at_us if EARLIEST_US <= at_us < LATEST_US else None


def _recorded(told_us: int | None, *, received_us: int | None, trusts: bool) -> int | None:
    return told_us if received_us is None or (trusts and told_us is not None) else received_us


def _by_gate(index: int, item: Item, recorded: Any) -> Read:
    """The reading of reference."""
    row = item
    if isinstance(row, _JSON):
        try:
            row = decode(row)
        except UnreadableError as error:
            return error.at(index)
    if not isinstance(row, Mapping):
        return (Rejected(index, "no-object", "it is no JSON object", "send one object a fact"),)
    made = _GATE.read("", row)
    unknown = tuple(
        Rejected(index, "unknown-field", _unknown(name), _FIELDS)
        for name in sorted(str(key) for key in row if key not in COLUMNS)[:UNKNOWN_SHOWN_MAX]
    )
    if not isinstance(made, Fact):
        return unknown + problems(index, made)
    return unknown or made.replace(recorded_us=recorded(made.recorded_us))


_FIELDS = "use " + ", ".join(COLUMNS)


def _unknown(name: str) -> str:
    """That a field is unknown. Its name is said where it looks like one: some send objects by learners' ids."""
    if _NAME.fullmatch(name):
        return f'there is no field "{name}"{nearest(name, COLUMNS)}'
    return "it has a field whose name is none"


def _discreet(rule: str) -> str:
    """A rule without what it quotes of a field that may name or describe a person."""
    return _QUOTED.sub("a text", rule) if rule.startswith(_PERSONAL) else rule


def _too_deep() -> UnreadableError:
    return UnreadableError("too-deep", f"it is nested more than {DEPTH_MAX} deep", "send it flat")


def _is_shallow(value: object, left: int) -> bool:
    if isinstance(value, dict):
        return left > 0 and all(_is_shallow(part, left - 1) for part in value.values())
    if isinstance(value, list):
        return left > 0 and all(_is_shallow(part, left - 1) for part in value)
    return True


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableError("duplicate-key", "a key stands in it twice", "give each key once")
    return found


def _whole(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        rule = f"a number in it has {len(digits):,} digits"
        raise UnreadableError("number-too-long", rule, "give ids as text, and numbers of a size that occurs")
    return int(digits)


def _number(digits: str) -> float:
    return float(digits) if len(digits) <= DIGITS_MAX else float(_whole(digits))


def _no_constant(name: str) -> NoReturn:
    raise UnreadableError("json-invalid", f"it is not JSON: {name} is no value of it", "leave it out, or give null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_whole, parse_float=_number, parse_constant=_no_constant
)
