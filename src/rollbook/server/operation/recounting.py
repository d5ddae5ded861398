"""Counts all subscriptions again, one after the other, and notes when that was and what was found.

Each is read in one view of the database, in which facts and live counts belong together: no lock is needed, and nobody
waits for a recount, however long it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils import timezone

from rollbook.engines import database as engine
from rollbook.errors import Problem, UsageError
from rollbook.server.live import contracts, driver, snapshots
from rollbook.server.models import Done, Subscription
from rollbook.server.observing import lag


@dataclass(slots=True)
class Found:
    """How many subscriptions were counted, and every difference in words that name no learner."""

    subscriptions: int = 0
    differences: list[str] = field(default_factory=list)


def recount(number: int | None = None) -> Found:
    """Counts one subscription, or all. Raises UsageError for one that is not there."""
    rows = Subscription.objects.order_by("pk")
    if number is not None:
        rows = rows.filter(pk=number)
        if not rows.exists():
            rule = "there is no such subscription"
            raise UsageError(Problem(f"--subscription {number}", rule, "give its number on the server"))
    found = Found()
    for pk in list(rows.values_list("pk", flat=True)):
        found.subscriptions += 1
        found.differences += [f"subscription {pk}: {words}" for words in _differences(pk)]
    if number is None:
        at = timezone.now()
        Done.objects.update_or_create(
            job=lag.RECOUNT, number=0, defaults={"done_for": str(len(found.differences)), "at": at}
        )
    return found


def _differences(pk: int) -> list[str]:
    with snapshots.one_view():
        row = Subscription.objects.select_related("customer", "plan").get(pk=pk)
        with driver.own_cursor() as cursor:
            return list(engine.recount(cursor, contracts.live(row)))
