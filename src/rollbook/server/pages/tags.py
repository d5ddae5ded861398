"""What templates write figures, days and marks with. All of it in the reader's way, see `reading`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.forms import BoundField
from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from rollbook.errors import Problem
from rollbook.server.pages import reading, sentences

register = Library()

NOTHING = "\N{EN DASH}"
"""What stands where there is no figure."""

Instant = datetime | int | str
"""An aware time, UTC microseconds, or ISO 8601 as the API writes it."""


def _instant(at: Instant) -> datetime | int:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


@register.filter
def told(problem: Problem) -> str:
    """What is wrong and what to do about it, as a sentence in the reader's language."""
    return sentences.both(problem)


@register.filter
def summary(sentence: str) -> str:
    """What a plan says of itself: published plans in the reader's language, others as they were written."""
    return gettext(sentence) if sentence else ""


@register.filter
def may(scope: str) -> str:
    """What a key with a scope may do."""
    from rollbook.server.pages.keys import WORDS  # noqa: PLC0415 - pages import what templates are made of

    return str(WORDS.get(scope, scope))


@register.filter
def number(value: float | Decimal | None) -> str:
    """1,234; a dash for nothing."""
    return NOTHING if value is None else reading.number(value)


@register.filter
def percent(value: float | Decimal | None) -> str:
    """87.5 %; a dash for nothing."""
    return NOTHING if value is None else reading.percent(value)


@register.filter
def money(amount: str | Decimal | None, currency: str) -> str:
    """An amount; a dash where it is not known."""
    return NOTHING if amount is None else reading.money(amount, currency)


@register.filter
def day(value: date) -> str:
    """30 Nov 2026."""
    return reading.day(value)


@register.filter
def last_day(end: date) -> str:
    """The last day of what ends before `end`."""
    return reading.day(end - timedelta(days=1))


@register.filter
def day_of(at: Instant, zone: str) -> str:
    """The day of an instant, where the zone is."""
    return reading.day_of(_instant(at), zone)


@register.filter
def last_day_of(end: Instant, zone: str) -> str:
    """The last day of what ends at an instant, which is no longer inside."""
    return reading.last_day_of(_instant(end), zone)


@register.filter
def moment(at: Instant, zone: str = "UTC") -> SafeString:
    """30 Nov 2026, 14:05:00, where the zone is."""
    found = _instant(at)
    return _time(found, reading.moment(found, zone))


@register.filter
def minute(at: Instant, zone: str = "UTC") -> SafeString:
    """30 Nov 2026, 14:05, where the zone is."""
    found = _instant(at)
    return _time(found, reading.minute(found, zone))


@register.filter
def clock(at: Instant, zone: str = "UTC") -> SafeString:
    """14:05:00, where the zone is."""
    found = _instant(at)
    return _time(found, reading.clock(found, zone))


@register.filter
def lasting(seconds: float) -> str:
    """3 days."""
    return reading.lasting(seconds)


@register.simple_tag
def days(start: Instant, end: Instant, zone: str) -> str:
    """1 to 30 Nov 2026: `end` is the first instant no longer inside."""
    return reading.days(_instant(start), _instant(end), zone)


@register.simple_tag
def between(start: date, end: date) -> str:
    """1 Jul 2026 to 30 Jun 2027: `end` is the first day no longer inside."""
    return reading.between(start, end)


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing that only repeats the word beside it."""
    from django.templatetags.static import static  # noqa: PLC0415 - settings are needed

    address = static("rollbook/icons.svg")
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', address, name)


@register.inclusion_tag("parts/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """One field of a Django form with its label, help and what is wrong with it."""
    described = [f"{bound.auto_id}-help"] if bound.help_text else []
    described += [f"{bound.auto_id}-errors"] if bound.errors else []
    more: dict[str, str | bool] = {"aria-describedby": " ".join(described)} if described else {}
    if bound.errors:
        more["aria-invalid"] = "true"
    return {"field": bound, "control": bound.as_widget(attrs=more)}


@register.inclusion_tag("parts/pages.html", takes_context=True)
def pages(context: dict[str, Any], before: Any = None, after: Any = None, name: str = "after") -> dict[str, Any]:
    """Links to the page before and the page after; what else the address asks for stays."""

    def to(value: Any) -> str:
        asked = context["request"].GET.copy()
        asked[name] = value
        return f"?{asked.urlencode()}"

    return {"before": None if before is None else to(before), "after": None if after is None else to(after)}


def _time(at: datetime | int, words: str) -> SafeString:
    from rollbook.model.instants import from_us  # noqa: PLC0415

    machine = (from_us(at) if isinstance(at, int) else at).isoformat()
    return format_html('<time datetime="{}">{}</time>', machine, words)
