"""What readers of JSON events share: parts that may be missing, words that may be numbers, and what to keep beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rollbook.intake.batches import Refused
from rollbook.model.fact import TEXT_LENGTH_MAX

NOTHING: Mapping[str, Any] = {}

_NUMBER_MAX = 10**30
"""Beyond every identifier; numbers of JSON are exact up to here."""

_ATTRIBUTE_MAX = 512
"""Longest text that is kept among the attributes."""

_encode = msgspec.json.Encoder().encode


class ShapeError(Exception):
    """A part of an event is not what its format has there; says which."""

    @property
    def refused(self) -> Refused:
        """The refusal of the event."""
        return Refused(str(self), "correct the event, or export it again")


def part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an object; an empty one where there is none."""
    value = whole.get(name)
    if isinstance(value, dict):
        return value
    if value is None or value == "":
        return NOTHING
    raise ShapeError(f"{name} is no object")


def word(whole: Mapping[str, Any], name: str) -> str:
    """The text of an identifier or a name; systems write whole numbers too."""
    value = whole.get(name)
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _NUMBER_MAX:
        return str(value)
    raise ShapeError(f"{name} is neither text nor a whole number")


def moment(whole: Mapping[str, Any], name: str) -> str:
    """A time as it is written: always a text in these formats, never a number."""
    value = whole.get(name)
    if isinstance(value, str):
        return value.strip()
    raise ShapeError(f"{name} is missing" if value is None else f"{name} is no time")


def attributes(**values: str) -> str:
    """What else is worth keeping, as JSON; nothing that would make a sound event too long."""
    kept = {name: value for name, value in values.items() if value and len(value) <= _ATTRIBUTE_MAX}
    if not kept:
        return ""
    try:
        text = _encode(kept).decode()
    except UnicodeEncodeError:
        return ""
    return text if len(text) <= TEXT_LENGTH_MAX else ""
