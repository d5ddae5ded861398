"""Reads the tables of a TOML file by declared keys, and collects everything that is wrong at once.

An unknown key is a problem that names the nearest known one: a typo in a plan must never be a silent default.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from rollbook.errors import Problem
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR, start_of_day_us, to_us

_MISSING = object()

DIGITS_MAX = 12
"""Digits of an amount before its point, and after it."""

SHOWN_DIGITS_MAX = 40
"""Digits of a wrong number that are repeated to whoever wrote it."""


def parse_toml(text: str, name: str, problems: list[Problem]) -> dict[str, Any]:
    """The document's tables; a syntax error becomes a problem and an empty document."""
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problems.append(Problem(name, f"this is not TOML: {error}", "correct the syntax there"))
    except (ValueError, ArithmeticError):
        problems.append(Problem(name, "a number has too many digits to be read", "give numbers of a sane size"))
    return {}


def _decimal(text: str) -> Decimal:
    """A TOML float, digit for digit: money never passes through binary fractions."""
    return Decimal(text.replace("_", ""))


def nearest(word: str, known: Iterable[str]) -> str:
    """` (nearest: known)`, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (nearest: {near[0]})" if near else ""


def zone_exists(name: str) -> bool:
    """Whether `name` is a time zone of the IANA database, such as Europe/Paris or UTC."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


class Keys:
    """One table of the file. Ask for each key it may have, then `close` it."""

    def __init__(self, table: object, name: str, path: str, problems: list[Problem]) -> None:
        self._name, self._path, self._problems = name, path, problems
        self._known: set[str] = set()
        if isinstance(table, Mapping):
            self._table: Mapping[str, Any] = table
        else:
            self._table = {}
            self._report("", f"expected a table, found {_kind(table)}", f"write [{path}] and its keys below")

    def _report(self, key: str, rule: str, remedy: str) -> None:
        where = ".".join(part for part in (self._path, key) if part)
        self._problems.append(Problem(f"{self._name}: {where}" if where else self._name, rule, remedy))

    def report(self, key: str, rule: str, remedy: str) -> None:
        """Adds a problem at `key`."""
        self._report(key, rule, remedy)

    def has(self, key: str) -> bool:
        """Whether the file states this key."""
        return key in self._table

    def _take(self, key: str, kind: type | tuple[type, ...], expected: str, default: Any) -> Any:
        self._known.add(key)
        value = self._table.get(key, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                self._report(key, f"{key} is missing; expected {expected}", f"add {key}")
                return None
            return default
        # TOML's booleans are Python integers, and its datetimes are dates: neither is meant.
        wrong_kin = (isinstance(value, bool) and kind is not bool) or (isinstance(value, datetime) and kind is date)
        if wrong_kin or not isinstance(value, kind):
            self._report(key, f"expected {expected}, found {_kind(value)}", f"give {expected}")
            return None if default is _MISSING else default
        return value

    def text(self, key: str, default: Any = _MISSING) -> str:
        """Text; required unless a default is given."""
        value = self._take(key, str, 'text in quotes, such as "…"', default)
        if value == "" and default is _MISSING:
            self._report(key, f"{key} is empty", f"give {key} some text")
        return value or ""

    def choice(self, key: str, choices: tuple[str, ...], default: Any = _MISSING) -> str:
        """One of a few words."""
        expected = "one of " + ", ".join(choices)
        value = self._take(key, str, expected, default)
        if value is not None and value not in choices:
            self._report(key, f'expected {expected}, found "{value}"{nearest(value, choices)}', "use one of these")
            return choices[0]
        return value or choices[0]

    def texts(self, key: str, default: Any = _MISSING) -> tuple[str, ...]:
        """A list of texts, each non-empty and once."""
        expected = 'a list of texts, such as ["login"]'
        value = self._take(key, list, expected, default)
        items = tuple(value or ())
        if any(not isinstance(item, str) or not item for item in items):
            self._report(key, f"expected {expected}, found something else among them", f"give {expected}")
            return tuple(item for item in items if isinstance(item, str) and item)
        for twice in sorted({item for item in items if items.count(item) > 1}):
            self._report(key, f'"{twice}" stands twice', "name it once")
        return tuple(dict.fromkeys(items))

    def integer(self, key: str, default: Any = _MISSING, *, least: int = 0, most: int = 10**9) -> int:
        """A whole number within bounds, both included."""
        expected = f"a whole number from {least} to {most}"
        value = self._take(key, int, expected, default)
        if value is not None and not least <= value <= most:
            self._report(key, f"expected {expected}, found {_shown(value)}", "give a number within these bounds")
            return least
        return int(value or 0)

    def integers(self, key: str, default: Any = _MISSING, *, least: int = 0, most: int = 10**9) -> tuple[int, ...]:
        """A list of whole numbers within bounds, both included, each above the one before."""
        expected = f"a rising list of whole numbers from {least} to {most}"
        items = tuple(self._take(key, list, expected, default) or ())
        whole = all(isinstance(item, int) and not isinstance(item, bool) and least <= item <= most for item in items)
        if not whole or any(one >= other for one, other in pairwise(items)):
            self._report(key, f"expected {expected}, found something else", f"give {expected}")
            return ()
        return items

    def decimal(self, key: str, default: Any = _MISSING) -> Decimal:
        """An amount or a rate, exactly as written; never below 0, with at most `DIGITS_MAX` digits on either side."""
        expected = "an amount such as 4.50"
        value = self._take(key, (int, Decimal), expected, default)
        if value is None:
            return Decimal(0)
        found = Decimal(value)
        if not found.is_finite() or not 0 <= found < 10**DIGITS_MAX or round(found, DIGITS_MAX) != found:
            self._report(
                key, f"expected {expected}, found {_shown(value)}", "give an amount of at least 0, and a sane size"
            )
            return Decimal(0)
        return found.copy_abs()  # -0.00 is 0.00

    def moment(self, key: str, zone: str, default: Any = _MISSING) -> int:
        """A whole local date, meaning its first instant in `zone`, or a date with a time; UTC microseconds."""
        value = self._table.get(key)
        if isinstance(value, datetime) and FIRST_YEAR <= value.year <= LAST_YEAR:
            self._known.add(key)
            return to_us(value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone)))
        day = self.date(key, default)
        return start_of_day_us(day, ZoneInfo(zone)) if day else 0

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false."""
        return bool(self._take(key, bool, "true or false", default))

    def date(self, key: str, default: Any = _MISSING) -> date | None:
        """A whole local date."""
        value: date | None = self._take(key, date, "a date without quotes, such as 2026-03-01", default)
        if value is not None and not FIRST_YEAR <= value.year <= LAST_YEAR:
            self._report(key, f"{value} is outside the years {FIRST_YEAR} to {LAST_YEAR}", "correct the year")
            return None
        return value

    def zone(self, key: str, default: str) -> str:
        """A time zone of the IANA database."""
        value = self._take(key, str, "a time zone's name, such as Europe/Paris or UTC", default)
        if not zone_exists(value):
            self._report(key, f'there is no time zone "{value}"', "give a name such as Europe/Paris or UTC")
            return default
        return str(value)

    def table(self, key: str) -> Keys | None:
        """A table inside this one, or None where the file has none."""
        self._known.add(key)
        if key not in self._table:
            return None
        return Keys(self._table[key], self._name, f"{self._path}.{key}" if self._path else key, self._problems)

    def tables(self, key: str) -> tuple[Keys, ...]:
        """A list of tables; none where the file has none."""
        value = self._take(key, list, "a list of tables", [])
        path = f"{self._path}.{key}" if self._path else key
        return tuple(Keys(item, self._name, f"{path}[{n}]", self._problems) for n, item in enumerate(value, 1))

    def close(self) -> None:
        """Reports every key that nobody asked for."""
        for key in self._table:
            if key not in self._known:
                known = ", ".join(sorted(self._known))
                self._report(key, f"there is no key {key} here{nearest(key, self._known)}", f"known keys: {known}")


def _shown(value: object) -> str:
    """A number as people would read it: of one that is written in hundreds of digits, its size."""
    if isinstance(value, int) and abs(value) >= 10**SHOWN_DIGITS_MAX:
        return f"one of more than {SHOWN_DIGITS_MAX} digits"
    return str(value) if not isinstance(value, Decimal) or len(str(value)) <= SHOWN_DIGITS_MAX else f"{value:.3e}"


def _kind(value: object) -> str:
    """What a TOML value is, in words."""
    if isinstance(value, str):
        return f'the text "{value}"'
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"the date {value}"
    # TOML's booleans are Python integers.
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"the number {_shown(value)}"
    kinds = ((bool, "true or false"), (datetime, "a date with a time"), (list, "a list"), (Mapping, "a table"))
    return next((word for kind, word in kinds if isinstance(value, kind)), "nothing")
