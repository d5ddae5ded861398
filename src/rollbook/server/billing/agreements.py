"""What is agreed with customers: made and changed under the customer's lock, audited, and counted anew at once.

Every change is built as a model object first, which checks itself against its plan; only then is a row added. Nothing
takes effect within a window that is closed (W-h): what is dated back there is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max

from rollbook.accounting.account import Account, account
from rollbook.errors import Problem
from rollbook.metering.calendar import windows
from rollbook.model.instants import iso, start_of_day_us
from rollbook.model.keys import zone_exists
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription, default_end
from rollbook.server import clock, models
from rollbook.server.access import audit
from rollbook.server.access.principals import Principal
from rollbook.server.billing import approvals
from rollbook.server.live import contracts, metering
from rollbook.server.models.contracts import PAID
from rollbook.server.refusals import RefusedError, refused

STEPS_MAX = 1000
"""Quantities, approvals or changes of one subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a subscription is to be, as it is asked for.

    end            without it the term is of the plan's length
    zone           '' is the plan's
    organisations  none are all of the customer's
    units          by organisation ('' for all), bought from the first day on
    on_hold        why nothing is closed yet; '' closes what is due
    """

    plan: str
    start: date
    end: date | None = None
    zone: str = ""
    organisations: tuple[str, ...] = ()
    kind: str = PAID
    meter: str = ""
    term: int = 1
    anchor: date | None = None
    units: tuple[tuple[str, int], ...] = ()
    assumed: tuple[str, ...] = ()
    quote: str = ""
    on_hold: str = ""


def publish(actor: Principal, text: str) -> models.PlanVersion:
    """Keeps the text of a plan, for ever. The same text again is the same version.

    Raises PlanError with everything that is wrong with it, and 409 where another version begins on the same day: two
    of them could not be told apart by date (D-08).
    """
    plan = parse_plan(text, "plan")
    effective = plan.governance.effective_from
    with transaction.atomic():
        others = models.PlanVersion.objects.filter(plan_id=plan.id, effective_from=effective).exclude(
            digest=plan.digest
        )
        if others.exists():
            rule = f"another version of {plan.id} is effective " + (f"from {effective}" if effective else "from ever")
            raise refused(409, "plan-dated", "plan: governance.effective_from", rule, "give it a date of its own")
        row = contracts.keep_plan(plan)
        audit.record(actor, "plan.published", f"plan {plan.id}", digest=plan.digest)
    return row


def as_asked(customer: models.Customer, asked: Agreement) -> Subscription:
    """What is asked for as a model object, which has checked itself. Raises PlanError and SubscriptionError."""
    plan = contracts.version_on(asked.plan, asked.start)
    contracts.organisations_named(customer, asked.assumed, ", who is a member")
    zone = asked.zone or plan.window.zone
    start_us = _midnight(asked.start, zone)
    return Subscription(
        plan=plan,
        start=asked.start,
        end=asked.end or default_end(plan, asked.start),
        zone=zone,
        customer=customer.name,
        organisations=asked.organisations or None,
        anchor=asked.anchor,
        term=asked.term,
        quantities=tuple(Quantity(start_us, units, organisation) for organisation, units in asked.units),
        quote=contracts.quoted(asked.quote) if asked.quote else None,
    )


def preview(customer: models.Customer, asked: Agreement) -> Account:
    """What a subscription would be: its windows, and what is due if nobody is ever active. Nothing is kept.

    Raises what `subscribe` would.
    """
    found = as_asked(customer, asked)
    contracts.refuse(customer, found, asked.kind, asked.meter)
    names = found.organisations or tuple(sorted(it.name for it in customer.organisations.all()))
    return account(found, names, found.end_us, lambda _: ())


def subscribe(actor: Principal, customer: models.Customer, asked: Agreement) -> models.Subscription:
    """Makes a subscription and counts it from all facts that are there. Raises PlanError and SubscriptionError."""
    found = as_asked(customer, asked)
    plan = found.plan
    with transaction.atomic():
        row = contracts.subscribe(customer, found, asked.kind, asked.meter, asked.assumed)
        if asked.quote:
            row.quote = asked.quote
            row.save(update_fields=["quote"])
        contracts.subscription_of(row)
        audit.record(
            actor, "subscription.added", f"subscription {row.pk}", customer.pk, plan=plan.id, digest=plan.digest
        )
        if asked.on_hold:
            approvals.hold(row, asked.on_hold, actor.label)
        metering.rebuild(row, clock.now_us())
    return row


def add_quantity(
    actor: Principal, row: models.Subscription, units: int, day: date | None, organisation: str = ""
) -> None:
    """From a day on, or from now on, so many units are bought in all. The model says what may fall, and when."""
    with transaction.atomic():
        agreed = _held(row)
        at_us = _effective(row, agreed, day)
        step = Quantity(at_us, units, organisation)
        _bounded(agreed.quantities)
        replace(agreed, quantities=(*agreed.quantities, step))
        models.Quantity.objects.create(subscription=row, from_us=at_us, units=units, organisation=organisation)
        _done(actor, row, "quantity.added", units=units, effective=iso(at_us), organisation=organisation)


def approve(actor: Principal, row: models.Subscription, seats: int, day: date | None) -> None:
    """From a day on, or from now on, so many more released seats may be taken by others (S-07)."""
    with transaction.atomic():
        agreed = _held(row)
        at_us = _effective(row, agreed, day)
        _bounded(agreed.approvals)
        replace(agreed, approvals=(*agreed.approvals, Approval(at_us, seats)))
        models.Approval.objects.create(subscription=row, from_us=at_us, seats=seats)
        _done(actor, row, "seats.approved", seats=seats, effective=iso(at_us))


def change_plan(actor: Principal, row: models.Subscription, plan_id: str, day: date) -> None:
    """From the window that begins on a day or next after it, the version of a plan that is effective then holds."""
    with transaction.atomic():
        agreed = _held(row)
        at_us = _effective(row, agreed, day)
        plan = contracts.version_on(plan_id, day)
        _bounded(agreed.changes)
        replace(agreed, changes=tuple(sorted((*agreed.changes, Change(at_us, plan)), key=lambda it: it.from_us)))
        models.PlanChange.objects.create(subscription=row, from_us=at_us, plan=contracts.keep_plan(plan))
        _done(actor, row, "plan.changed", plan=plan.id, digest=plan.digest, effective=iso(at_us))


def versions(plan_id: str = "") -> list[tuple[Plan, models.PlanVersion | None]]:
    """The versions that are kept, and published plans of which none is; oldest first."""
    from rollbook import plans  # noqa: PLC0415 - reads its folders when it is first asked

    rows = models.PlanVersion.objects.order_by("plan_id", "effective_from", "id")
    kept = [(contracts.plan_of(row), row) for row in (rows.filter(plan_id=plan_id) if plan_id else rows[:STEPS_MAX])]
    digests = {plan.digest for plan, _ in kept}
    known: list[tuple[Plan, models.PlanVersion | None]] = [*kept]
    known += [(it, None) for it in plans.published() if it.digest not in digests and plan_id in ("", it.id)]
    return known


def _held(row: models.Subscription) -> Subscription:
    """What is agreed, read behind the customer's lock."""
    metering.locked([row.customer_id])
    row.refresh_from_db()
    return contracts.subscription_of(row)


def _done(actor: Principal, row: models.Subscription, action: str, **details: object) -> None:
    audit.record(actor, action, f"subscription {row.pk}", row.customer_id, **details)
    metering.rebuild(row, clock.now_us())


def _effective(row: models.Subscription, agreed: Subscription, day: date | None) -> int:
    """From when something holds: the start of a local day, or now. Raises 409 within a closed window."""
    at_us = clock.now_us() if day is None else _midnight(day, agreed.zone)
    closed = row.statements.aggregate(Max("window_number"))["window_number__max"]
    if closed:
        until = next(it.end_us for it in windows(agreed) if it.number == closed)
        if at_us < until:
            rule = f"windows are closed until {iso(until)}, and what is closed stays as it is"
            raise refused(409, "window-closed", "from", rule, "give a later day")
    return at_us


def _bounded(steps: tuple[object, ...]) -> None:
    if len(steps) >= STEPS_MAX:
        raise refused(409, "too-many", "subscription", f"it has {STEPS_MAX} of them", "begin another subscription")


def _midnight(day: date, zone: str) -> int:
    if not zone_exists(zone):
        raise RefusedError(
            422,
            "subscription-invalid",
            Problem("zone", "there is no such time zone", "give a name such as Europe/Paris"),
        )
    try:
        return start_of_day_us(day, ZoneInfo(zone))
    except (ValueError, OverflowError):
        raise refused(422, "input-invalid", "from", f"{day} is no usable date", "give a year of this century") from None
