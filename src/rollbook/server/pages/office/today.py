"""Today: what needs somebody's attention, each with how many there are and where to go on.

Every question is bounded: nothing is counted beyond `MOST`, which is shown as so many and more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from rollbook.server.models import (
    Closing,
    HeldFact,
    Message,
    Refusal,
    ReportedCount,
    Statement,
    Subscription,
    UpgradeTask,
)
from rollbook.server.notices.endpoints import TESTED
from rollbook.server.observing import lag
from rollbook.server.observing.heartbeat import ALIVE
from rollbook.server.pages import reading

MOST = 1000
"""Nothing is counted further."""

REFUSED_WITHIN = timedelta(days=7)

LATE = timedelta(hours=1)
"""A window that is due for so long is worth a word: the worker closes within a minute."""


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that needs attention: how urgent (full, near or nothing), figure, words, and where to go on."""

    level: str
    figure: str
    words: str
    why: str
    href: str


def matters() -> list[Matter]:
    """What needs attention, the most urgent first."""
    found = [*_worker(), *_statements(), *_sales(), *_messages(), *_facts(), *_counts()]
    return sorted(found, key=lambda it: ("full", "near", "").index(it.level))


def awaiting() -> QuerySet[Closing]:
    """Statements that wait for an approval."""
    rows = Closing.objects.filter(asked_at__isnull=False, approved_at__isnull=True)
    return _not_closed(rows)


def withheld() -> QuerySet[Closing]:
    """Statements that could not be closed when that was last tried."""
    return _not_closed(Closing.objects.exclude(withheld=""))


def on_hold() -> QuerySet[Subscription]:
    """Subscriptions of which nothing is closed."""
    return Subscription.objects.exclude(close_on_hold="")


def disputed() -> QuerySet[Statement]:
    """Statements that somebody does not agree with."""
    return _with_terms(Statement.objects.exclude(disputed="").defer("record", "adjusts"))


def _not_closed(rows: QuerySet[Closing]) -> QuerySet[Closing]:
    there = Statement.objects.filter(subscription=OuterRef("subscription"), number=OuterRef("number"))
    return _with_terms(rows.filter(~Exists(there)))


def _with_terms(rows: QuerySet[Any]) -> QuerySet[Any]:
    """With everything that says which windows their subscriptions have: asked for all of a list at once."""
    parts = ("organisations", "customer__organisations", "quantities", "approvals", "changes__plan")
    related = rows.select_related("subscription__customer", "subscription__plan")
    return related.prefetch_related(*(f"subscription__{it}" for it in parts))


def counted(rows: QuerySet[Any]) -> int:
    """How many there are, and one more than MOST where there are more."""
    return rows.order_by()[: MOST + 1].count()


def figure(count: int) -> str:
    """The same as it is written."""
    return f"{reading.number(MOST)}+" if count > MOST else reading.number(count)


def _matter(level: str, count: int, words: str, why: str, page: str, asked: str = "") -> list[Matter]:
    return [Matter(level, figure(count), words, why, reverse(page) + asked)] if count else []


def overdue() -> Matter | None:
    """For how long the oldest window has been due, where that is worth a word.

    It is asked for after the page: a server that has just begun has to read all subscriptions for it once.
    """
    late = lag.close_seconds(timezone.now())
    if late <= LATE.total_seconds():
        return None
    words, why = gettext("since a period fell due"), gettext("It is not closed yet: see what withholds it.")
    return Matter("near", reading.lasting(late), words, why, reverse("tasks"))


def _worker() -> list[Matter]:
    seconds = lag.worker_seconds(timezone.now())
    if seconds is not None and seconds <= ALIVE.total_seconds():
        return []
    words = gettext("no sign of life from the worker")
    why = gettext("Nothing is closed, sent or released until it runs: rollbook worker, beside the server.")
    since = reading.lasting(seconds) if seconds is not None else gettext("Never")
    return [Matter("full", since, words, why, reverse("jobs"))]


def _statements() -> list[Matter]:
    count = counted(withheld())
    words = ngettext("statement withheld", "statements withheld", count)
    first = withheld().prefetch_related(None).order_by("pk").values_list("withheld", flat=True).first() or ""
    found = _matter("full", count, words, first, "tasks", "#withheld")
    count = counted(awaiting())
    words = ngettext("statement awaits approval", "statements await approval", count)
    why = gettext("Closed by the worker as soon as somebody approves.")
    found += _matter("near", count, words, why, "tasks", "#approvals")
    count = counted(disputed())
    words = ngettext("statement disputed", "statements disputed", count)
    why = gettext("Somebody does not agree, and says why.")
    found += _matter("near", count, words, why, "tasks", "#disputed")
    count = counted(on_hold())
    words = ngettext("subscription on hold", "subscriptions on hold", count)
    return found + _matter("", count, words, gettext("Nothing of it is closed until it is released."), "tasks", "#held")


def _sales() -> list[Matter]:
    count = counted(UpgradeTask.objects.filter(done_at=None))
    words = ngettext("upgrade task", "upgrade tasks", count)
    return _matter(
        "near", count, words, gettext("Beyond what is included: offer the size that fits."), "tasks", "#sales"
    )


def _messages() -> list[Matter]:
    # Whoever tries an endpoint out looks at what came of it.
    count = counted(Message.objects.filter(state=Message.DEAD).exclude(event=TESTED))
    words = ngettext("dead letter", "dead letters", count)
    return _matter("near", count, words, gettext("Given up after many attempts."), "deliveries", "?state=dead")


def _facts() -> list[Matter]:
    count = counted(HeldFact.objects.filter(reason=HeldFact.UNKNOWN))
    words = ngettext("fact waits for its organisation", "facts wait for their organisation", count)
    found = _matter("near", count, words, gettext("Not counted until a customer has it."), "problems", "#held")
    count = counted(Refusal.objects.filter(at__gte=timezone.now() - REFUSED_WITHIN))
    words = ngettext("fact refused in 7 days", "facts refused in 7 days", count)
    return found + _matter("", count, words, gettext("Each with its rule and its remedy."), "problems", "#refused")


def _counts() -> list[Matter]:
    count = len(differing())
    words = ngettext("count differs elsewhere", "counts differ elsewhere", count)
    why = gettext("Another system reported a count that is not ours.")
    return _matter("near", count, words, why, "subscriptions", "?state=differing")


def differing() -> set[int]:
    """Subscriptions of which another system lately reported a count that is not ours."""
    latest = ReportedCount.objects.order_by("-pk").values_list("subscription", "active", "ours")[:MOST]
    return {number for number, active, ours in latest if ours is not None and ours != active}
