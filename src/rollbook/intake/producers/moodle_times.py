"""Times as Moodle's log report writes them, made ISO 8601 without an offset.

    3/03/24, 14:05            numbers, the year last and often of two digits; German 3.03.24, 14:05
    3 March 2024, 2:05 PM     a month by name, perhaps after the name of a day; Spanish 3 de marzo de 2024, 14:05
    March 3, 2024, 2:05 PM    the month first, as in the United States
    3 Mar, 14:05              no year at all, in old versions: refused

Which of two numbers is the day is what the caller states, else what the language of the header says, else what only
one reading allows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from rollbook.intake.batches import Refused
from rollbook.intake.times import shown

_CLOCK = (
    r"(?:,?\s+(?:at\s+|um\s+|à\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?"
    r"(?:\s*(?P<half>[ap])\.?\s?m\.?)?)"
)
_NUMBERS = re.compile(r"(?P<a>\d{1,4})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})" + _CLOCK, re.IGNORECASE)
_WEEKDAY = r"(?:[^\W\d]+\.?,?\s+)?"
_OF = r"(?:de\s+)?"
_DAY_FIRST = re.compile(
    _WEEKDAY + rf"(?P<day>\d{{1,2}})\.?\s+{_OF}(?P<month>[^\W\d]+)\.?,?\s+{_OF}(?P<year>\d{{4}}|\d{{2}})" + _CLOCK,
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    _WEEKDAY + r"(?P<month>[^\W\d]+)\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4})" + _CLOCK, re.IGNORECASE
)
_NO_YEAR = re.compile(rf"\d{{1,2}}\.?\s+{_OF}[^\W\d]+\.?" + _CLOCK, re.IGNORECASE)
_MONTHS = 12
_NOON = 12
_CENTURY = 2000
_YEAR_DIGITS = 4
_DAY_DIGITS = 2
_YEAR_LENGTHS = (2, _YEAR_DIGITS)
_EXAMPLE = "Moodle writes 3/03/24, 14:05 or 3 March 2024, 2:05 PM; export the report again"


def read_moodle_time(text: str, months: Mapping[str, int], stated: str | None, usual: str) -> str | Refused:
    """A time of the report as ISO 8601. `stated` is the caller's order of days, `usual` that of the language."""
    numbers = _NUMBERS.fullmatch(text)
    clock = numbers or _DAY_FIRST.fullmatch(text) or _MONTH_FIRST.fullmatch(text)
    if clock is None:
        return _unlike_a_time(text)
    day = _day(text, numbers, stated or usual) if numbers else _named_day(text, clock, months)
    return day if isinstance(day, Refused) else _instant(text, day, clock)


def _unlike_a_time(text: str) -> Refused:
    if not text:
        return Refused("the time is empty", "export the report again")
    if _NO_YEAR.fullmatch(text):
        return Refused(f"the time is {shown(text)}, without a year", "export the report from a newer Moodle")
    return Refused(f"the time is {shown(text)}, which is no time", _EXAMPLE)


def _named_day(text: str, named: re.Match[str], months: Mapping[str, int]) -> tuple[int, int, int] | Refused:
    """(year, month, day) where the month has its name."""
    month = months.get(named["month"].casefold())
    if month is None:
        rule = f"the time is {shown(text)}, and no language here has a month {shown(named['month'])}"
        return Refused(rule, "name the months of its language with --table languages=FILE")
    return _year(named["year"]), month, int(named["day"])


def _day(text: str, numbers: re.Match[str], order: str) -> tuple[int, int, int] | Refused:
    """(year, month, day) of three numbers."""
    a, b, c = numbers["a"], numbers["b"], numbers["c"]
    first, second, third = int(a), int(b), int(c)
    year_first = len(a) == _YEAR_DIGITS or (order == "ymd" and len(a) == _DAY_DIGITS)
    if year_first:
        return _year(a), second, third
    if len(c) not in _YEAR_LENGTHS or len(a) > _DAY_DIGITS or order == "ymd":
        return Refused(f"the time is {shown(text)}, and one cannot tell which number is the year", _EXAMPLE)
    year = _year(c)
    if order:
        return (year, second, first) if order == "dmy" else (year, first, second)
    if first <= _MONTHS and second <= _MONTHS and first != second:
        remedy = "state the order of the day and the month: --date-order dmy, or mdy for the United States"
        return Refused(f"the time is {shown(text)}, which could be two days", remedy)
    return (year, second, first) if second <= _MONTHS else (year, first, second)


def _instant(text: str, day: tuple[int, int, int], clock: re.Match[str]) -> str | Refused:
    hour = int(clock["hour"])
    if clock["half"]:
        if not 1 <= hour <= _NOON:
            return Refused(f"the time is {shown(text)}, and no clock with am and pm shows that hour", _EXAMPLE)
        hour = hour % _NOON + (_NOON if clock["half"] in "pP" else 0)
    try:
        return datetime(*day, hour, int(clock["minute"]), int(clock["second"] or 0)).isoformat()  # noqa: DTZ001
    except ValueError:
        rule = f"the time is {shown(text)}, which is no date of the calendar or no time of a day"
        return Refused(rule, "correct the row, or state the order of day and month: --date-order")


def _year(digits: str) -> int:
    """A year; of two digits, one of this century: Moodle is younger."""
    return int(digits) if len(digits) == _YEAR_DIGITS else _CENTURY + int(digits)
