"""How far behind the server is, from its tables: for /metrics and /readyz. A few bounded questions each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db.models import Count

from rollbook.books.closing import closes_us
from rollbook.metering.calendar import windows
from rollbook.model.instants import to_us
from rollbook.server.live import contracts
from rollbook.server.models import Done, HeldFact, Message, Statement, Subscription
from rollbook.server.models.contracts import SHADOW
from rollbook.server.observing.heartbeat import HEARTBEAT

RECOUNT = "recount"
"""The mark of `rollbook recount` among what jobs did; what it found stands in `done_for`."""


@dataclass(frozen=True, slots=True)
class Recounted:
    """When all counts were last counted again, in seconds since 1970, and how many differences there were."""

    at: float
    differences: int


def outbox() -> dict[str, int]:
    """How many messages wait, and how many were given up."""
    found = {Message.WAITING: 0, Message.DEAD: 0}
    rows = Message.objects.filter(state__in=list(found)).values("state").annotate(messages=Count("pk"))
    return found | {row["state"]: row["messages"] for row in rows}


def held() -> int:
    """How many facts are kept apart."""
    return HeldFact.objects.count()


def worker_seconds(now: datetime) -> float | None:
    """How long ago a worker gave a sign of life; None where none ever did."""
    at = Done.objects.filter(job=HEARTBEAT).order_by("-at").values_list("at", flat=True).first()
    return max(0.0, (now - at).total_seconds()) if at else None


def last_recount() -> Recounted | None:
    """The last recount of everything; None where there was none."""
    row = Done.objects.filter(job=RECOUNT, number=0).first()
    return Recounted(row.at.timestamp(), int(row.done_for)) if row else None


def close_seconds(now: datetime) -> float:
    """For how long the oldest window has been due and is not closed; 0 where none is. Without those on hold."""
    closed = dict(
        Statement.objects.filter(window_number__isnull=False)
        .values("subscription")
        .annotate(windows=Count("pk"))
        .values_list("subscription", "windows")
    )
    rows = Subscription.objects.exclude(kind=SHADOW).filter(close_on_hold="", start__lte=now.date())
    now_us, oldest_us = to_us(now), to_us(now)
    agreed = rows.annotate(changed=Count("changes")).order_by("pk")
    for pk, *key in agreed.values_list("pk", "plan__digest", "start", "end", "zone", "anchor", "changed"):
        due = _due_us(pk, *key)
        done = closed.get(pk, 0)
        if done < len(due):
            oldest_us = min(oldest_us, due[done])
    return (now_us - oldest_us) / 1_000_000


@lru_cache(maxsize=20_000)
def _due_us(pk: int, *_: object) -> tuple[int, ...]:
    """From when on each window of a subscription can be closed. The rest of the key is all that it depends on."""
    row = Subscription.objects.select_related("customer", "plan").get(pk=pk)
    subscription = contracts.subscription_of(row)
    return tuple(closes_us(subscription, window) for window in windows(subscription))
