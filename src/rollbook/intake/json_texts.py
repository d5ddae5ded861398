"""The object in a text of JSON, or why there is none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from rollbook.intake.batches import Refused

ReadObject = Callable[[bytes], dict[str, Any] | Refused]
"""Reads the object in a text."""

_REMEDY = "write one object on each line, or a list of them"
_decode = msgspec.json.Decoder().decode


def read_object(text: bytes | str) -> dict[str, Any] | Refused:
    """The object in a text. Escapes that write half a character stay halves: whoever uses them sees it."""
    try:
        document = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        escaped = b"\\u" in text if isinstance(text, bytes) else "\\u" in text
        document = _with_halves(text) if escaped else None
        if document is None:
            return Refused(f"this is not JSON: {one_line(error)}", "correct it, or export it again")
    return document if isinstance(document, dict) else Refused("the item is no JSON object", _REMEDY)


def read_plain_object(text: bytes | str) -> dict[str, Any] | Refused:
    """The object in a text of canonical columns, whose numbers may be of any size."""
    try:
        text = text.decode() if isinstance(text, bytes) else text
        document = _PLAIN.decode(text.strip())
    except RecursionError:
        return Refused("the line is nested too deeply", _REMEDY)
    except ValueError as error:
        return Refused(f"the line is not JSON: {str(error)[:120].lower()}", _REMEDY)
    return document if isinstance(document, dict) else Refused("the line is no JSON object", _REMEDY)


def one_line(error: BaseException) -> str:
    """What an error says, short, on one line."""
    return " ".join(str(error).split())[:120]


def _with_halves(text: bytes | str) -> Any:
    """What the text holds, read by the parser that keeps halves of characters; None where that cannot either."""
    try:
        return _HALVES.decode((text.decode() if isinstance(text, bytes) else text).strip())
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


_PLAIN = json.JSONDecoder(parse_constant=_refuse_constant)
_HALVES = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
