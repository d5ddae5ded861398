"""How the reader reads: the language of words, and the locale of numbers and days.

The language is the one that was chosen, else the browser's first that there is. The locale is what the browser says
of that language, such as `en-GB`: a German page has German numbers, whatever else the browser speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import (
    format_date,
    format_datetime,
    format_interval,
    format_skeleton,
    format_time,
    format_timedelta,
    get_datetime_format,
)
from babel.numbers import format_currency, format_decimal, format_percent
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation

from rollbook.model.instants import from_us

HEADER_LENGTH_MAX = 200
"""Of Accept-Language: more than anybody speaks."""

_locale: ContextVar[Locale | None] = ContextVar("locale", default=None)


@contextmanager
def language(request: HttpRequest) -> Iterator[None]:
    """Speaks the reader's language within."""
    chosen = translation.get_language_from_request(request)
    before = _locale.set(_locale_of(chosen, request.headers.get("Accept-Language", "")))
    try:
        with translation.override(chosen):
            yield
    finally:
        _locale.reset(before)


def spoken(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view in the reader's language: for those that are no pages of `registry`."""

    @wraps(view)
    def speaking(request: HttpRequest, *parts: Any, **named: Any) -> HttpResponseBase:
        with language(request):
            return view(request, *parts, **named)

    return speaking


def locale() -> Locale:
    """By which numbers and days are written now."""
    return _locale.get() or Locale.parse((translation.get_language() or "en").replace("-", "_"))


def _locale_of(chosen: str, header: str) -> Locale:
    for part in header[:HEADER_LENGTH_MAX].split(","):
        try:
            found = Locale.parse(part.partition(";")[0].strip(), sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
        if found.language == chosen.partition("-")[0]:
            return found
    return Locale.parse(chosen, sep="-")


def number(value: float | Decimal) -> str:
    """1,234 or 1.234; a minus is a minus, not a hyphen."""
    return format_decimal(value, locale=locale()).replace("-", "\N{MINUS SIGN}")


def percent(value: float | Decimal) -> str:
    """87.5 as 87.5 %, in the reader's way."""
    pattern = locale().percent_formats[None].pattern.replace("#,##0", "#,##0.#")
    return format_percent(Decimal(str(value)) / 100, format=pattern, locale=locale())


def money(amount: str | Decimal, currency: str) -> str:
    """An amount with its currency; all of its digits, which are what is owed."""
    return format_currency(Decimal(amount), currency, locale=locale()).replace("-", "\N{MINUS SIGN}")


def day(value: date) -> str:
    """30 Nov 2026."""
    return format_date(value, "medium", locale=locale())


def day_of(at: datetime | int, zone: str) -> str:
    """The day of an instant, where the zone is."""
    return day(_local(at, zone).date())


def last_day_of(end: datetime | int, zone: str) -> str:
    """The last day of what ends at an instant, which is no longer inside."""
    return day((_local(end, zone) - timedelta(microseconds=1)).date())


def moment(at: datetime | int, zone: str) -> str:
    """30 Nov 2026, 14:05, where the zone is; UTC microseconds or an aware time."""
    return format_datetime(_local(at, zone), "medium", locale=locale(), tzinfo=ZoneInfo(zone))


def minute(at: datetime | int, zone: str) -> str:
    """30 Nov 2026, 14:05, where the zone is: what begins or ends with a minute."""
    local = _local(at, zone)
    pattern = str(get_datetime_format("medium", locale=locale())).replace("'", "")
    return pattern.format(format_time(local, "short", tzinfo=ZoneInfo(zone), locale=locale()), day(local.date()))


def lasted(first_us: int, last_us: int, zone: str) -> str:
    """The moment at which something happened; from which day to which, where it happened more than once."""
    if first_us == last_us:
        return moment(first_us, zone)
    first, last = (_local(it, zone).date() for it in (first_us, last_us))
    return between(first, last + timedelta(days=1))


def clock(at: datetime | int, zone: str) -> str:
    """14:05:22, where the zone is."""
    return format_time(_local(at, zone), "medium", locale=locale(), tzinfo=ZoneInfo(zone))


def days(start: datetime | int, end: datetime | int, zone: str) -> str:
    """A half-open time as people say it, 1 to 30 Nov 2026; with hours where it does not begin or end at midnight."""
    first, after = _local(start, zone), _local(end, zone)
    if any((it.hour, it.minute, it.second, it.microsecond) != (0, 0, 0, 0) for it in (first, after)):
        return f"{moment(start, zone)} \N{EN DASH} {moment(end, zone)}"
    return between(first.date(), after.date())


def between(start: date, end: date) -> str:
    """Whole days, `end` the first no longer inside, as people say them: 1 to 30 Nov 2026."""
    last = end - timedelta(days=1)
    if last <= start:
        return day(start)
    return format_interval(start, last, "yMMMd", locale=locale())


def starts(of: Iterable[datetime | int], zone: str) -> list[str]:
    """When windows begin, alike below a chart: their months, or day and month where any does not begin with a month."""
    local = [_local(at, zone) for at in of]
    pattern = "MMM" if all(at.day == 1 for at in local) else "MMMd"
    return [format_skeleton(pattern, at, tzinfo=ZoneInfo(zone), locale=locale()) for at in local]


def lasting(seconds: float) -> str:
    """3 days."""
    return format_timedelta(timedelta(seconds=seconds), locale=locale(), threshold=2)


def _local(at: datetime | int, zone: str) -> datetime:
    return (from_us(at) if isinstance(at, int) else at).astimezone(ZoneInfo(zone))
