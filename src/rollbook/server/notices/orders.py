"""Reports that somebody ordered, queued when due: after a window closes, or on the 1st of a month (W-23, W-37).

An order remembers what it was last sent for, in the transaction that queues the mail: each is sent once. Nothing is
sent for what was over before it was ordered, and nothing of whoever could not order it any more, see `standing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Max, Q

from rollbook.books.closing import closes_us
from rollbook.metering.calendar import windows
from rollbook.model.instants import from_us, start_of_day_us, to_us
from rollbook.server.live import contracts
from rollbook.server.models import ReportOrder
from rollbook.server.notices import standing
from rollbook.server.notices.announce import announce
from rollbook.server.notices.reports import REPORT

CLOSE, MONTH = "close", "month"
"""What a report is sent after."""

ORDERS_MAX = 200
"""Orders that one run queues."""

ZONES = timedelta(hours=14)
"""No zone is further from UTC."""


def order_reports(now: datetime) -> int:
    """Queues the reports that are due; how many."""
    standing.pause_orders()
    queued = 0
    for order, period in _due(now.astimezone(UTC)):
        if standing.of_order(order):
            standing.pause(order.pk)
            continue
        queued += _queue(order, period)
        if queued >= ORDERS_MAX:
            break
    return queued


def next_on(order: ReportOrder, now: datetime) -> date | None:
    """From which day on it is sent next, where its term's midnights are; None where nothing comes any more.

    After a window closes, it is the first day on which the window that runs can be closed.
    """
    row = order.subscription
    zone = ZoneInfo(row.zone)
    if order.every == MONTH:
        latest = max(now.astimezone(zone).date(), row.start)
        following = (latest.replace(day=1) + timedelta(days=32)).replace(day=1)
        return following if row.end > _month_before(following) else None
    subscription = contracts.subscription_of(row)
    open_ = next((it for it in windows(subscription) if it.end_us > to_us(now)), None)
    return from_us(closes_us(subscription, open_)).astimezone(zone).date() if open_ else None


def last_period(order: ReportOrder, now: datetime) -> str:
    """What it would be sent for now: the last window that was closed, or the month before; empty where none is yet."""
    row = order.subscription
    if order.every == MONTH:
        first = now.astimezone(ZoneInfo(row.zone)).date().replace(day=1)
        month = min(_month_before(first), (row.end - timedelta(days=1)).replace(day=1))
        return _label(month) if row.start < first else ""
    closed = row.statements.aggregate(last=Max("window_number"))["last"]
    return str(closed) if closed else ""


def queue(order: ReportOrder, period: str, address: str, **more: int) -> None:
    """Queues one report to an address. `more` is what else its data says. Call it within a transaction."""
    data = {
        "order": order.pk,
        "report": order.report,
        "by": order.by,
        "format": order.format,
        "every": order.every,
        "period": period,
    }
    row = order.subscription
    announce(REPORT, row.customer, {**data, **more}, row, mail=[address], webhooks=False)


@transaction.atomic
def _queue(order: ReportOrder, period: str) -> bool:
    """Queues one that is due; False where another worker has done so."""
    mine = ReportOrder.objects.filter(pk=order.pk, last_sent_for=order.last_sent_for)
    if not mine.update(last_sent_for=period):
        return False
    queue(order, period, order.address)
    return True


def _due(now: datetime) -> Iterator[tuple[ReportOrder, str]]:
    """Orders that are due, each with what it is due for."""
    orders = standing.orders()
    statements = "subscription__statements"
    closed = Max(f"{statements}__window_number", filter=Q(**{f"{statements}__closed_at__gte": F("created_at")}))
    for after_close in orders.filter(every=CLOSE).annotate(closed=closed).exclude(closed=None):
        if after_close.last_sent_for != str(after_close.closed):
            yield after_close, str(after_close.closed)
    latest = _month_before((now + ZONES).date())
    may_be_due = orders.filter(every=MONTH, subscription__end__gt=_month_before(latest))
    for order in may_be_due.exclude(last_sent_for=_label(latest)):
        zone = ZoneInfo(order.subscription.zone)
        first = now.astimezone(zone).date().replace(day=1)
        month = _month_before(first)
        of_term = order.subscription.start < first and order.subscription.end > month
        ordered_before = order.created_at < from_us(start_of_day_us(first, zone))
        if of_term and ordered_before and order.last_sent_for != _label(month):
            yield order, _label(month)


def _month_before(day: date) -> date:
    """The first day of the month before."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def _label(month: date) -> str:
    return f"{month:%Y-%m}"
