"""Reads JSON that somebody else may have written, and holds it to a shape before anything else looks at it.

A shape is a type; `[shape]` for a list; `(shape, …)` for a list of that length; `{key: shape}` for an object with
exactly these keys; a function that raises ValueError where a text or number is not what it should be; or `Maybe`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NoReturn

from rollbook.model.instants import LATEST_US, to_us

INTEGER_MAX = 2**63 - 1
"""No count is larger, and no instant."""

MISMATCHES_MAX = 20
"""More are not told."""

_AMOUNT = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,20})?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Maybe:
    """Null, or this shape."""

    shape: Any


def read_json(content: bytes) -> Any:
    """The value of a JSON text in UTF-8 without fractions, repeated keys, half characters or numbers beyond 64 bits.

    Raises ValueError, in words.
    """
    try:
        found = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def mismatches(value: object, shape: Any, place: str = "") -> Iterator[str]:
    """Where a value does not have the shape, in words; nothing where it has."""
    where = place or "it"
    if isinstance(shape, Maybe):
        if value is not None:
            yield from mismatches(value, shape.shape, place)
    elif isinstance(shape, dict):
        yield from _object_inside(value, shape, place)
    elif isinstance(shape, list | tuple):
        yield from _list_inside(value, shape, place)
    elif isinstance(shape, type):
        if not isinstance(value, shape) or (isinstance(value, bool) and shape is int):
            yield f"{where} is no {shape.__name__}"
    else:
        try:
            shape(value)
        except (ValueError, TypeError, OverflowError):
            yield f"{where} is no {shape.__name__.strip('_').replace('_', ' ')}"


def _object_inside(value: object, shape: dict[str, Any], place: str) -> Iterator[str]:
    if not isinstance(value, dict) or value.keys() != shape.keys():
        yield f"{place or 'it'} does not have the keys " + ", ".join(shape)
        return
    for key, inner in shape.items():
        yield from mismatches(value[key], inner, f"{place}.{key}" if place else key)


def _list_inside(value: object, shape: list[Any] | tuple[Any, ...], place: str) -> Iterator[str]:
    if not isinstance(value, list) or (isinstance(shape, tuple) and len(value) != len(shape)):
        yield f"{place or 'it'} is no list" + (f" of {len(shape)}" if isinstance(shape, tuple) else "")
        return
    for number, item in enumerate(value, 1):
        inner = shape[number - 1] if isinstance(shape, tuple) else shape[0]
        yield from mismatches(item, inner, f"{place}[{number}]")


def instant(value: object) -> int:
    """UTC microseconds of `2026-03-01T00:00:00Z`."""
    return instant_us(to_us(datetime.fromisoformat(_text(value))))


def instant_us(value: object) -> int:
    """UTC microseconds within the years that Rollbook knows."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LATEST_US:
        raise ValueError
    return value


def quantity(value: object) -> int:
    """A whole number of units."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10**9:
        raise ValueError
    return value


def day(value: object) -> date:
    """A date such as 2026-03-01."""
    return date.fromisoformat(_text(value))


def amount(value: object) -> None:
    """An amount such as -4.50, as text."""
    if not _AMOUNT.fullmatch(_text(value)):
        raise ValueError


def digest(value: object) -> None:
    """A SHA-256 in hexadecimal."""
    if not _DIGEST.fullmatch(_text(value)):
        raise ValueError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > len(str(INTEGER_MAX)) + 1 or abs(int(text)) > INTEGER_MAX:
        raise ValueError("a number is beyond 64 bits")
    return int(text)


def _no_fraction(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no whole number; amounts and rates stand as text")
