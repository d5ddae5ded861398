"""Instants are whole UTC microseconds since 1970; days are whole UTC days since then.

An integer leaves nothing to a time zone, a driver or a rounding mode. A learning fact before 1970 or
after 2199 is a broken clock, not history, and is refused where it is read.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY_US = 86_400 * 10**6
"""Microseconds in a UTC day."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND, _EPOCH_DAY = timedelta(microseconds=1), EPOCH.toordinal()

EARLIEST_US = 0
"""The first instant a fact may have: 1970-01-01T00:00:00Z."""

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""The years in which a fact may have happened and a term may lie."""

LATEST_US = int((datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * 10**6
"""The first instant a fact may no longer have: 2200-01-01T00:00:00Z."""


def to_us(instant: datetime) -> int:
    """The instant as UTC microseconds since 1970. `instant` must carry its offset."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs its offset from UTC")
    return (instant - EPOCH) // _MICROSECOND


def from_us(at_us: int) -> datetime:
    """The instant of `at_us` as a datetime in UTC."""
    return EPOCH + timedelta(microseconds=at_us)


def iso(at_us: int) -> str:
    """`2026-03-01T00:00:00Z`, with microseconds only where there are some."""
    return from_us(at_us).isoformat().replace("+00:00", "Z")


def start_of_day_us(day: date, zone: ZoneInfo) -> int:
    """The first instant of a local date.

    Where clocks skip midnight the day begins when they land; where midnight comes twice, at the first.
    """
    if zone.key == "UTC":
        return (day.toordinal() - _EPOCH_DAY) * DAY_US
    return to_us(datetime.combine(day, time(0, 0, fold=0), tzinfo=zone).astimezone(UTC))
