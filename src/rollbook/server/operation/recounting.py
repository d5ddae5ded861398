"""Counts all subscriptions again, one after the other, and notes when that was and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils import timezone

from rollbook.errors import Problem, UsageError
from rollbook.server.live import metering
from rollbook.server.models import Done, Subscription
from rollbook.server.observing import lag


@dataclass(slots=True)
class Found:
    """How many subscriptions were counted, and every difference in words that name no learner."""

    subscriptions: int = 0
    differences: list[str] = field(default_factory=list)


def recount(number: int | None = None) -> Found:
    """Counts one subscription, or all. Each locks its customer while it is counted. Raises UsageError for none."""
    rows = Subscription.objects.select_related("customer", "plan").order_by("pk")
    if number is not None:
        rows = rows.filter(pk=number)
        if not rows.exists():
            rule = "there is no such subscription"
            raise UsageError(Problem(f"--subscription {number}", rule, "give its number on the server"))
    found = Found()
    for row in rows.iterator(100):
        found.subscriptions += 1
        found.differences += [f"subscription {row.pk}: {words}" for words in metering.recount(row)]
    if number is None:
        at = timezone.now()
        Done.objects.update_or_create(
            job=lag.RECOUNT, number=0, defaults={"done_for": str(len(found.differences)), "at": at}
        )
    return found
