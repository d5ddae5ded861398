"""How far behind the server is, from its tables: for /metrics and /readyz. A few bounded questions each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    named = ("pk", "plan__digest", "start", "end", "zone", "anchor", "changed")
    agreed = list(rows.annotate(changed=Count("changes")).order_by("pk").values_list(*named))
    _read_due(agreed)
    now_us, oldest_us = to_us(now), to_us(now)
    for key in agreed:
        due = _DUE_US.get(key, ())
        done = closed.get(key[0], 0)
        if done < len(due):
            oldest_us = min(oldest_us, due[done])
    return (now_us - oldest_us) / 1_000_000


_DUE_US: dict[tuple[Any, ...], tuple[int, ...]] = {}
"""From when on each window of a subscription can be closed, by all that it depends on, its number first."""


def _read_due(agreed: Sequence[tuple[Any, ...]]) -> None:
    """Remembers these and no others. Those that are not known are read together: one by one it took seconds."""
    for other in _DUE_US.keys() - set(agreed):
        _DUE_US.pop(other, None)
    keys = {key[0]: key for key in agreed if key not in _DUE_US}
    for number, subscription in contracts.agreed_by_number(list(keys)):
        _DUE_US[keys[number]] = tuple(closes_us(subscription, window) for window in windows(subscription))
