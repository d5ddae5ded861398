"""Orders of reports: made, changed, taken over, sent at once and removed by those who manage them, and audited.

Rows by learner name learners: whoever orders them may read learners themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from rollbook.model.keys import nearest
from rollbook.reports.named import LEARNER, REPORTS
from rollbook.server.access import audit, throttle
from rollbook.server.access.principals import Principal, subscriptions_of
from rollbook.server.live import contracts
from rollbook.server.models import ReportOrder, Subscription, User
from rollbook.server.notices import orders, standing
from rollbook.server.refusals import missing, refused

ORDERS_MAX = 50
"""Of one subscription."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is ordered: a report at a level ('' for its usual one), as which file, to whom, after what (`orders`)."""

    report: str
    by: str
    format: str
    address: str
    every: str


def orders_of(principal: Principal) -> QuerySet[ReportOrder]:
    """The orders that somebody manages."""
    return standing.known().filter(subscription__in=subscriptions_of(principal).order_by().values("pk"))


def order_for(principal: Principal, number: int) -> ReportOrder:
    """One of them. Raises 404."""
    row = orders_of(principal).filter(pk=number).first()
    if row is None:
        raise missing("report order")
    return row


def add(principal: Principal, row: Subscription, wanted: Wanted) -> ReportOrder:
    """Orders a report. Raises 403, 409 and 422."""
    by = _level(principal, row, wanted)
    with transaction.atomic():
        if row.report_orders.count() >= ORDERS_MAX:
            raise refused(409, "too-many", "subscription", f"it has {ORDERS_MAX} orders", "remove one")
        made = ReportOrder.objects.create(
            subscription=row,
            report=wanted.report,
            by=wanted.by,
            format=wanted.format,
            address=wanted.address,
            every=wanted.every,
            created_by_id=principal.user,
            created_by_key_id=principal.key,
        )
        audit.record(
            principal, "report-order.added", f"report order {made.pk}", row.customer_id, report=wanted.report, by=by
        )
    return made


@transaction.atomic
def change(principal: Principal, number: int, wanted: Wanted) -> ReportOrder:
    """Another report, file, address or time; on behalf of whoever asks, like a new one. Raises 403, 404 and 422."""
    row = order_for(principal, number)
    by = _level(principal, row.subscription, wanted)
    if wanted.every != row.every:
        # What was over before is not sent for: it counts as ordered now.
        row.created_at, row.last_sent_for = timezone.now(), ""
    for name in ("report", "by", "format", "address", "every"):
        setattr(row, name, getattr(wanted, name))
    row.created_by_id, row.created_by_key_id, row.paused = principal.user, principal.key, ""
    row.save()
    details = {"report": row.report, "by": by}
    audit.record(principal, "report-order.changed", f"report order {row.pk}", row.subscription.customer_id, **details)
    return order_for(principal, number)


@transaction.atomic
def take_over(principal: Principal, number: int) -> ReportOrder:
    """From now on it is sent on behalf of whoever asks; one that was paused goes on. Raises 403 and 404."""
    row = order_for(principal, number)
    if not standing.may_order(principal, row):
        raise refused(403, "forbidden", "report order", "it names learners", "ask somebody who may read learners")
    row.created_by_id, row.created_by_key_id, row.paused = principal.user, principal.key, ""
    row.save(update_fields=["created_by", "created_by_key", "paused"])
    audit.record(principal, "report-order.taken-over", f"report order {row.pk}", row.subscription.customer_id)
    return order_for(principal, number)


@transaction.atomic
def send_now(principal: Principal, number: int) -> ReportOrder:
    """Queues one report of the last closed window, or of the month before, to whoever asks and to nobody else (W-23).

    It is made as they may see it when it is sent; the order and its times stay. Raises 403, 404, 409 and 429.
    """
    row = order_for(principal, number)
    user = User.objects.filter(pk=principal.user or 0).first()
    if user is None or not user.email:
        remedy = "sign in as somebody who has one, or fetch the report: GET /v1/subscriptions/{number}/reports/{name}"
        raise refused(409, "no-address", "report order", "whoever asks has no e-mail address", remedy)
    if not standing.may_order(principal, row):
        raise refused(403, "forbidden", "report order", "it names learners", "ask somebody who may read learners")
    period = orders.last_period(row, timezone.now())
    if not period:
        remedy = "export it from the usage, as it stands at this moment"
        raise refused(409, "nothing-closed", "report order", "nothing is over yet of which it could be", remedy)
    throttle.act("sent-now", user.pk)
    orders.queue(row, period, user.email, asked_by=user.pk)
    audit.record(principal, "report-order.sent-now", f"report order {row.pk}", row.subscription.customer_id)
    return row


@transaction.atomic
def remove(principal: Principal, number: int) -> None:
    """It is sent no more. Raises 404."""
    row = order_for(principal, number)
    audit.record(principal, "report-order.removed", f"report order {row.pk}", row.subscription.customer_id)
    row.delete()


def _level(principal: Principal, row: Subscription, wanted: Wanted) -> str:
    """At which level its rows are, if there is such a report and they may have it."""
    report = REPORTS.get(wanted.report)
    if report is None:
        rule = f"there is no such report{nearest(wanted.report, list(REPORTS))}"
        raise refused(422, "input-invalid", "body.report", rule, "use one of " + ", ".join(REPORTS))
    shape = report.shape(contracts.plan_of(row.plan), wanted.by)
    if shape.by == LEARNER:
        principal.require("learners:read")
    return shape.by
