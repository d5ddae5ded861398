"""A time is read in one way only, or not at all: what could mean two instants is refused with the way out.

Local times that clocks skip are read as if the clock had not been moved yet, so they land after the gap; local times
that come twice are read as the first.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rollbook.model.instants import EARLIEST_US, FIRST_YEAR, LAST_YEAR, LATEST_US, iso, to_us

_TIME = re.compile(
    r"(?P<a>[0-9]{1,4})(?P<sep>[-/.])(?P<b>[0-9]{1,2})(?P=sep)(?P<c>[0-9]{1,4})"
    r"(?:(?:[Tt]|,? +)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r" ?(?P<offset>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NAMED_ZONE = re.compile(r".*[0-9] ?[A-Z]{2,5}")
_LENGTH_MAX = 64
_SHOWN_MAX = 40
_HOUR_MINUTES = 60
_OFFSET_MAX_MINUTES = 18 * _HOUR_MINUTES
_CLOCK_HOURS = 12
_MONTHS = 12
_YEAR_DIGITS = 4
_DAY_DIGITS = 2
_EXAMPLE = "write it as 2026-03-01T09:30:00Z"
_DAY_EXAMPLE = "write it as 2026-03-01"
_STATE_ORDER = "state the order of the day and the month: --date-order dmy or --date-order mdy"
_STATE_ZONE = "name the zone it was written in: --input-zone ZONE, such as --input-zone Europe/Paris"
_ORDERS = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}


class UnreadableTimeError(ValueError):
    """Why a time cannot be read, said of its column (`occurred_at …`), and what to do about it."""

    def __init__(self, rule: str, remedy: str = _EXAMPLE) -> None:
        super().__init__(rule)
        self.rule, self.remedy = rule, remedy


def read_time(value: object, zone: ZoneInfo | None = None, date_order: str | None = None) -> int:
    """The instant in UTC microseconds since 1970. `zone` is where times without an offset are read.

    Raises UnreadableTimeError.
    """
    if isinstance(value, datetime):
        wall = datetime.combine(
            value.date(), value.time(), tzinfo=UTC
        )  # Subclasses of other libraries divide otherwise.
        if value.tzinfo is None:
            return _local(wall, zone, str(value))
        return _within_years(to_us(wall) - (value.utcoffset() or timedelta()) // timedelta(microseconds=1), str(value))
    if isinstance(value, date):
        return _local(datetime.combine(value, time(), tzinfo=UTC), zone, str(value))
    text = str(value).strip()
    parts = _TIME.fullmatch(text) if len(text) <= _LENGTH_MAX and isinstance(value, str) else None
    if parts is None:
        raise _unlike_a_time(text)
    wall = _wall(parts, text, date_order)
    if not parts["offset"]:
        return _local(wall, zone, text)
    return _within_years(to_us(wall) - _offset_minutes(parts["offset"], text) * 60_000_000, text)


def read_day(text: str, date_order: str | None = None) -> date:
    """A whole day of the calendar, in no zone. Midnight may stand behind it, as some exports write days.

    Raises UnreadableTimeError.
    """
    text = text.strip()
    parts = _TIME.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    if parts is None:
        raise UnreadableTimeError(f"is {shown(text)}, which is no day", _DAY_EXAMPLE)
    try:
        wall = _wall(parts, text, date_order)
    except UnreadableTimeError as fault:
        raise UnreadableTimeError(fault.rule, _DAY_EXAMPLE if fault.remedy == _EXAMPLE else fault.remedy) from None
    if wall.time() != time():
        raise UnreadableTimeError(f"is {shown(text)}, and whole days are needed", _DAY_EXAMPLE)
    if not FIRST_YEAR <= wall.year <= LAST_YEAR:
        rule = f"is {shown(text)}, outside the years {FIRST_YEAR} to {LAST_YEAR}"
        raise UnreadableTimeError(rule, "correct the year; leave it empty where there is no such day")
    return wall.date()


def shown(value: object) -> str:
    """A value of an export in a message: in quotes, short, on one line."""
    text = str(value)
    text = text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + '"'


def _wall(parts: re.Match[str], text: str, date_order: str | None) -> datetime:
    """What the clock on the wall showed, as if it had been in UTC."""
    year, month, day = _day(text, parts["a"], parts["b"], parts["c"], date_order)
    if parts["second"] == "60":
        raise UnreadableTimeError(f"is the leap second {shown(text)}", "write the second before it (:59)")
    hour = int(parts["hour"] or 0)
    if parts["half"]:
        if not 1 <= hour <= _CLOCK_HOURS:
            raise UnreadableTimeError(f"is {shown(text)}, and no clock with am and pm shows that hour")
        hour = hour % _CLOCK_HOURS + (_CLOCK_HOURS if parts["half"] in "pP" else 0)
    micros = int((parts["fraction"] or "")[:6].ljust(6, "0"))
    try:
        return datetime(
            year, month, day, hour, int(parts["minute"] or 0), int(parts["second"] or 0), micros, tzinfo=UTC
        )
    except ValueError:
        rule = f"is {shown(text)}, which is no date of the calendar or no time of a day"
        raise UnreadableTimeError(rule) from None


def _day(text: str, a: str, b: str, c: str, date_order: str | None) -> tuple[int, int, int]:
    """(year, month, day) of three numbers. A year in front settles it, and so does a number above 12."""
    if len(a) == _YEAR_DIGITS and len(c) <= _DAY_DIGITS:
        return int(a), int(b), int(c)
    if len(a) > _DAY_DIGITS or len(c) != _YEAR_DIGITS:
        raise UnreadableTimeError(f"is {shown(text)}, and its year does not have four digits")
    first, second, year = int(a), int(b), int(c)
    could_be_dmy, could_be_mdy = second <= _MONTHS, first <= _MONTHS
    if could_be_dmy and could_be_mdy and first != second and date_order is None:
        raise UnreadableTimeError(f"is {shown(text)}, which could be two days", _STATE_ORDER)
    if could_be_dmy and date_order in ("dmy", None):
        return year, second, first
    if could_be_mdy and date_order in ("mdy", None):
        return year, first, second
    if date_order is None:
        raise UnreadableTimeError(f"is {shown(text)}, which is no date of the calendar")
    rule = f"is {shown(text)}, which is no date in the order {_ORDERS[date_order]}"
    raise UnreadableTimeError(rule, "correct it, or state the order that this export has: --date-order dmy or mdy")


def _offset_minutes(offset: str, text: str) -> int:
    """Minutes east of UTC, within what is in use."""
    if offset in ("Z", "z", "UTC", "GMT"):
        return 0
    digits = offset[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    total = hours * _HOUR_MINUTES + minutes
    if minutes >= _HOUR_MINUTES or total > _OFFSET_MAX_MINUTES:
        raise UnreadableTimeError(f"is {shown(text)}, and no place on Earth has that offset")
    return -total if offset[0] == "-" else total


def _local(wall: datetime, zone: ZoneInfo | None, text: str) -> int:
    """The instant at which the clocks of a zone showed `wall`."""
    if zone is None:
        raise UnreadableTimeError(f"is {shown(text)}, which has no offset from UTC", _STATE_ZONE)
    offset = wall.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
    return _within_years(to_us(wall) - offset // timedelta(microseconds=1), text)


def _within_years(at_us: int, text: str) -> int:
    if EARLIEST_US <= at_us < LATEST_US:
        return at_us
    rule = f"is {shown(text)}, outside the years 1970 to 2199"
    raise UnreadableTimeError(rule, "correct the year; a clock was wrong there")


def _unlike_a_time(text: str) -> UnreadableTimeError:
    if len(text) <= _LENGTH_MAX and _NUMBER.fullmatch(text):
        return _number(text)
    if _NAMED_ZONE.fullmatch(text[:_LENGTH_MAX]):
        return UnreadableTimeError(f"is {shown(text)}, and the abbreviation of a zone is no offset")
    return UnreadableTimeError(f"is {shown(text)}, which is no time")


def _number(text: str) -> UnreadableTimeError:
    """Why a bare number is refused, and what it would be as seconds or milliseconds since 1970."""
    rule = f"is the number {text}, and a number does not say what it counts"
    number = float(text.replace(",", "."))
    for unit, factor, least in (("seconds", 10**6, 1e8), ("milliseconds", 10**3, 1e11), ("microseconds", 1, 1e14)):
        if least <= number < least * 100 and number * factor < LATEST_US:
            return UnreadableTimeError(
                rule, f"convert it: as {unit} since 1970 it would be {iso(int(number) * factor)}"
            )
    return UnreadableTimeError(rule)
