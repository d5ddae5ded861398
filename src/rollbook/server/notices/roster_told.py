"""What a customer is told of its requests to a platform: what was refused, and what nobody answers.

Messages have counts, and no learners. A platform may answer one by one, so refusals are told once an hour at most, with
all that were not told before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Min, QuerySet

from rollbook.server.live import metering
from rollbook.server.models import Customer, Done, RosterRequest
from rollbook.server.notices.announce import announce, instant

REQUESTED, REFUSED, UNANSWERED = "roster.requested", "roster.refused", "roster.unanswered"

UNANSWERED_AFTER = timedelta(days=3)
"""So long a platform has to answer."""

UNANSWERED_UNTIL = timedelta(days=30)
"""So long a customer is told every day; then the page alone says so."""

KEPT = timedelta(days=400)
"""Requests are kept so long, answered or not: as messages are."""


def due(now: datetime, most: int) -> list[int]:
    """The numbers of customers who are to be told of something, so many at most."""
    told_hour, told_day = _told(REFUSED, _hour(now)), _told(UNANSWERED, _day(now))
    untold = RosterRequest.objects.filter(state=RosterRequest.REFUSED, told=False)
    found = untold.exclude(customer__in=told_hour).values_list("customer_id", flat=True)
    late = _unanswered(now).exclude(customer__in=told_day).values_list("customer_id", flat=True)
    return sorted({*found.distinct()[:most], *late.distinct()[:most]})[:most]


@transaction.atomic
def tell(number: int, now: datetime) -> int:
    """Tells one customer what it is to be told of, whatever that is; how many messages there were."""
    metering.locked([number])
    return (tell_refused(number, now) > 0) + _tell_unanswered(number, now)


def tell_refused(number: int, now: datetime) -> int:
    """Tells a customer, which is locked, of what was refused and not told yet; of how much. Once an hour."""
    rows = RosterRequest.objects.filter(customer_id=number, state=RosterRequest.REFUSED, told=False)
    if not rows.exists() or not _mark(REFUSED, number, _hour(now), now):
        return 0
    refused = rows.update(told=True)
    announce(REFUSED, Customer.objects.get(pk=number), {"requests": refused})
    return refused


def _tell_unanswered(number: int, now: datetime) -> bool:
    rows = _unanswered(now).filter(customer_id=number)
    first = rows.aggregate(first=Min("asked_at"))["first"]
    if first is None or not _mark(UNANSWERED, number, _day(now), now):
        return False
    announce(UNANSWERED, Customer.objects.get(pk=number), {"requests": rows.count(), "from": instant(first)})
    return True


def _unanswered(now: datetime) -> QuerySet[RosterRequest]:
    late, too_late = now - UNANSWERED_AFTER, now - UNANSWERED_UNTIL
    return RosterRequest.objects.filter(state=RosterRequest.REQUESTED, asked_at__lte=late, asked_at__gt=too_late)


def _told(job: str, done_for: str) -> QuerySet[Done, int]:
    return Done.objects.filter(job=job, done_for=done_for).values_list("number", flat=True)


def _mark(job: str, number: int, done_for: str, now: datetime) -> bool:
    """Notes what was told to a customer, which is locked; False where it is noted already."""
    done, made = Done.objects.get_or_create(job=job, number=number, defaults={"done_for": done_for, "at": now})
    if made or done.done_for == done_for:
        return made
    done.done_for, done.at = done_for, now
    done.save(update_fields=["done_for", "at"])
    return True


def _hour(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%dT%H}"


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
