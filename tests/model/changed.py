"""TOML documents changed in one place at a time: a key misspelt, or a value of another kind."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys and places in lists that lead to a value."""


def toml(document: Mapping[str, Any]) -> str:
    """The document as text, one top-level key a line, and tables written in one line."""
    return "".join(f"{key} = {_value(value)}\n" for key, value in document.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def paths(value: Any, so_far: Path = ()) -> Iterator[Path]:
    """The path of every key, those of tables before those inside them."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(key, str):
            yield (*so_far, key)
        yield from paths(item, (*so_far, key))


def place(path: Path) -> str:
    """The path as problems write it: `meter.exempt[1].role`."""
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def at(document: Any, path: Path) -> Any:
    """The value at the path."""
    for step in path:
        document = document[step]
    return document


def renamed(document: Mapping[str, Any], path: Path, key: str) -> str:
    """The document's text with another last key of the path, in the same place."""
    copy = tomllib.loads(toml(document))
    table = at(copy, path[:-1])
    items = [(key if name == path[-1] else name, value) for name, value in table.items()]
    table.clear()
    table.update(items)
    return toml(copy)


def replaced(document: Mapping[str, Any], path: Path, value: Any) -> str:
    """The document's text with another value, or a first one, at the path."""
    copy = tomllib.loads(toml(document))
    at(copy, path[:-1])[path[-1]] = value
    return toml(copy)


def misspellings(key: str) -> list[str]:
    """The key without one of its letters, and with two neighbours swapped."""
    dropped = [key[:n] + key[n + 1 :] for n in range(len(key))]
    swapped = [key[:n] + key[n + 1] + key[n] + key[n + 2 :] for n in range(len(key) - 1)]
    return sorted({word for word in (*dropped, *swapped) if word != key})


def other_kinds(value: Any) -> Iterator[tuple[str, Any]]:
    """A value of every other kind, and how a problem names it."""
    kinds: tuple[tuple[str, Any, type], ...] = (
        ('the text "word"', "word", str),
        ("the number 7", 7, int),
        ("the number 7.5", 7.5, float),
        ("true or false", True, bool),
        ("the date 2026-03-01", date(2026, 3, 1), date),
        ("a date with a time", datetime.fromisoformat("2026-03-01T12:00:00+00:00"), datetime),
        ("a list", [], list),
        ("a table", {}, dict),
    )
    yield from ((words, other) for words, other, kind in kinds if type(value) is not kind)
