"""The one place where rows become model objects, and agreements become rows.

A row is storage. Whatever is agreed is built as a model object first, which checks itself, and stored afterwards: a
subscription that contradicts its plan is told in the words of `model.subscription`, and never reaches a table.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from dateutil.relativedelta import relativedelta
from django.db import transaction
from django.db.models import QuerySet

from rollbook import plans
from rollbook.engines.database import LiveSubscription
from rollbook.errors import PlanError, Problem, SubscriptionError
from rollbook.metering.calendar import windows
from rollbook.model.instants import iso
from rollbook.model.keys import Keys, nearest, parse_toml
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription
from rollbook.model.tariff import Tariff, read_tariff
from rollbook.server import models
from rollbook.server.live import archive
from rollbook.server.live.driver import asked
from rollbook.server.models.contracts import PAID, SHADOW


@lru_cache(maxsize=1000)
def _parsed(digest: str, text: str) -> Plan:
    return parse_plan(text, f"plan {digest[:8]}")


def plan_of(row: models.PlanVersion) -> Plan:
    """The plan of a stored text."""
    return _parsed(row.digest, row.text)


@lru_cache(maxsize=1000)
def quoted(text: str) -> Tariff | None:
    """The prices of a quote. Raises SubscriptionError with everything that is wrong with its text."""
    problems: list[Problem] = []
    document = parse_toml(text, "quote", problems)
    keys = Keys(document or {}, "quote", "", problems).table("tariff")
    found = read_tariff(keys) if keys else None
    if problems or found is None:
        raise SubscriptionError(problems or Problem("quote", "it has no [tariff]", "write prices under [tariff]"))
    return found


def keep_plan(plan: Plan) -> models.PlanVersion:
    """The row of a plan's text; the same text is one row for ever."""
    row, _ = models.PlanVersion.objects.get_or_create(
        digest=plan.digest,
        defaults={"plan_id": plan.id, "text": plan.text, "effective_from": plan.governance.effective_from},
    )
    return row


def _published(plan_id: str) -> Plan:
    """The published plan of an id; never a file of this machine."""
    published = {plan.id: plan for plan in plans.published()}
    if plan_id not in published:
        known = {*published, *models.PlanVersion.objects.values_list("plan_id", flat=True)}
        rule = f'there is no plan "{plan_id}" here{nearest(plan_id, sorted(known))}'
        remedy = "name one that GET /v1/plans lists, or send its text to POST /v1/plans first"
        raise PlanError(Problem("plan", rule, remedy))
    return published[plan_id]


def version_on(plan_id: str, day: date) -> Plan:
    """The version of a plan that may be subscribed to from a day on (D-08): the latest that is effective by then.

    Raises PlanError where no version of this id is known, or none is effective yet.
    """
    rows = models.PlanVersion.objects.filter(plan_id=plan_id).order_by("effective_from", "id")
    usable = [row for row in rows if row.effective_from is None or row.effective_from <= day]
    if usable:
        return plan_of(max(usable, key=lambda row: (row.effective_from or date.min, row.id)))
    plan = _published(plan_id)
    if plan.governance.effective_from and plan.governance.effective_from > day:
        rule = f"no version of it is effective on {day}"
        raise PlanError(Problem(plan_id, rule, f"begin on {plan.governance.effective_from} or later"))
    return plan


def subscription_of(row: models.Subscription, organisations: Sequence[str] | None = None) -> Subscription:
    """The model object of a row, its organisations always named. Prefetch its parts where many are read."""
    if organisations is None:
        organisations = organisations_of(row)
    return Subscription(
        plan=plan_of(row.plan),
        start=row.start,
        end=row.end,
        zone=row.zone,
        customer=row.customer.name,
        organisations=tuple(organisations),
        anchor=row.anchor,
        term=row.term,
        quantities=tuple(sorted(Quantity(it.from_us, it.units, it.organisation) for it in row.quantities.all())),
        approvals=tuple(sorted(Approval(it.from_us, it.seats) for it in row.approvals.all())),
        changes=tuple(
            sorted((Change(it.from_us, plan_of(it.plan)) for it in row.changes.all()), key=lambda it: it.from_us)
        ),
        quote=quoted(row.quote) if row.quote else None,
    )


def organisations_of(row: models.Subscription) -> tuple[str, ...]:
    """Whose facts belong to a subscription: those named, or all of the customer's."""
    named = [it.name for it in row.organisations.all()] or [it.name for it in row.customer.organisations.all()]
    return tuple(sorted(named, key=str.encode))


def live(row: models.Subscription) -> LiveSubscription:
    """The same for metering."""
    return LiveSubscription(
        key=row.pk,
        subscription=subscription_of(row),
        windows_begun=row.windows_begun,
        assumed=frozenset(row.assumed),
        owner=row.customer_id,
        archive=archive.of_customer(row.customer),
    )


def agreed_by_number(numbers: Sequence[int]) -> Iterator[tuple[int, Subscription]]:
    """Each of these subscriptions that is there, with its number: eight questions for `_AT_ONCE` of them."""
    for first in range(0, len(numbers), _AT_ONCE):
        rows = _with_all_that_is_agreed(models.Subscription.objects.filter(pk__in=numbers[first : first + _AT_ONCE]))
        yield from ((row.pk, subscription_of(row)) for row in rows)


def live_of(row: models.Subscription) -> LiveSubscription:
    """The same by one question, as things stand in the database now: for what is asked often."""
    return next(it for it in _live_of(row.customer_id) if it.key == row.pk)


def live_of_customers(customers: Iterable[int]) -> list[LiveSubscription]:
    """All subscriptions of customers, in order. A fact may matter to past terms (late) and future ones (history).

    What is agreed is asked in one question each time, and read and checked again where it has changed.
    """
    return [live for customer in sorted(set(customers)) for live in _live_of(customer)]


_AT_ONCE = 500
"""Subscriptions that are read together."""

_READ_MAX = 1000
_READ: OrderedDict[int, tuple[tuple[Any, ...], list[LiveSubscription]]] = OrderedDict()
"""By customer: what stood in the rows, and what they were read as; those read last."""

_AGREED = """
select s.id, '', p.digest, cast(s.start as text), cast(s."end" as text), s.zone, cast(s.anchor as text), s.quote,
       cast(s.assumed as text), c.name, s.term, s.windows_begun
from subscription as s join plan_version as p on p.id = s.plan_id join customer as c on c.id = s.customer_id
where s.customer_id = {customer}
union all
select q.subscription_id, 'quantity', q.organisation, '', '', '', '', '', '', '', q.from_us, q.units
from quantity as q join subscription as s on s.id = q.subscription_id where s.customer_id = {customer}
union all
select a.subscription_id, 'approval', '', '', '', '', '', '', '', '', a.from_us, a.seats
from approval as a join subscription as s on s.id = a.subscription_id where s.customer_id = {customer}
union all
select h.subscription_id, 'change', p.digest, '', '', '', '', '', '', '', h.from_us, 0
from plan_change as h join subscription as s on s.id = h.subscription_id join plan_version as p on p.id = h.plan_id
where s.customer_id = {customer}
union all
select so.subscription_id, 'organisation', o.name, '', '', '', '', '', '', '', 0, 0
from subscription_organisations as so join subscription as s on s.id = so.subscription_id
join organisation as o on o.id = so.organisation_id where s.customer_id = {customer}
union all
select 0, 'archive', '', '', '', '', '', '', '', '', archived_until_us, archived_last
from customer where id = {customer}
union all
select 0, 'organisation', name, '', '', '', '', '', '', '', 0, 0 from organisation where customer_id = {customer}
"""
"""Everything that `subscription_of` and `live` read, of one customer."""


def _live_of(customer: int) -> Sequence[LiveSubscription]:
    agreed = _agreed(customer)
    known = _READ.get(customer)
    if known and known[0] == agreed:
        return known[1]
    rows = _with_all_that_is_agreed(models.Subscription.objects.filter(customer=customer))
    read = [live(row) for row in rows]
    if _agreed(customer) == agreed:
        # Otherwise somebody changed it in between, and what was read may belong to neither.
        _READ[customer] = agreed, read
        while len(_READ) > _READ_MAX:
            _READ.popitem(last=False)
    return read


def _with_all_that_is_agreed(rows: QuerySet[models.Subscription]) -> QuerySet[models.Subscription]:
    named = ("organisations", "customer__organisations", "quantities", "approvals", "changes__plan")
    return rows.prefetch_related("plan", "customer", *named).order_by("id")


def _agreed(customer: int) -> tuple[Any, ...]:
    with asked() as database:
        rows = database.rows(_AGREED.format(customer=database.dialect.value("customer")), {"customer": customer})
    return tuple(sorted(rows, key=repr))


@transaction.atomic
def subscribe(
    customer: models.Customer, agreed: Subscription, kind: str = PAID, meter: str = "", assumed: Sequence[str] = ()
) -> models.Subscription:
    """Stores a subscription. Raises SubscriptionError with everything that is wrong with it.

    Paid terms are a year and no longer (S-35), and terms of one meter do not overlap (S-k).
    """
    models.Customer.objects.select_for_update().get(pk=customer.pk)
    refuse(customer, agreed, kind, meter)
    row = models.Subscription.objects.create(
        customer=customer,
        plan=keep_plan(agreed.plan),
        kind=kind,
        meter=meter,
        start=agreed.start,
        end=agreed.end,
        zone=agreed.zone,
        anchor=agreed.anchor,
        term=agreed.term,
        assumed=list(assumed),
    )
    if agreed.organisations:
        row.organisations.set(organisations_named(customer, agreed.organisations))
    models.Quantity.objects.bulk_create(
        models.Quantity(subscription=row, from_us=it.from_us, units=it.units, organisation=it.organisation)
        for it in agreed.quantities
    )
    models.Approval.objects.bulk_create(
        models.Approval(subscription=row, from_us=it.from_us, seats=it.seats) for it in agreed.approvals
    )
    for change in agreed.changes:
        models.PlanChange.objects.create(subscription=row, from_us=change.from_us, plan=keep_plan(change.plan))
    return row


def refuse(customer: models.Customer, agreed: Subscription, kind: str, meter: str) -> None:
    """Raises SubscriptionError with everything that keeps a customer from it: its length, and what runs already."""
    if problems := [*_wrong_term(agreed, kind), *_overlapping(customer, agreed, kind, meter)]:
        raise SubscriptionError(problems)
    organisations_named(customer, agreed.organisations or ())


def organisations_named(customer: models.Customer, names: Sequence[str], about: str = "") -> list[models.Organisation]:
    """The organisations of these names. Raises SubscriptionError, `about` what, where the customer has not all."""
    found = {it.name: it for it in customer.organisations.filter(name__in=names)}
    if missing := [name for name in names if name not in found]:
        rule = f"it has no organisation {', '.join(missing)}"
        raise SubscriptionError(Problem(f"{customer.name}{about}", rule, "add the organisation first"))
    return list(found.values())


def _wrong_term(agreed: Subscription, kind: str) -> Iterable[Problem]:
    if kind == PAID and agreed.end != agreed.start + relativedelta(years=1):
        rule = f"a paid term is one year, and this one runs from {agreed.start} to {agreed.end}"
        yield Problem("term", rule, f"end it on {agreed.start + relativedelta(years=1)}, or make it a pilot")


def _overlapping(customer: models.Customer, agreed: Subscription, kind: str, meter: str) -> Iterable[Problem]:
    if kind == SHADOW:
        return
    others = customer.subscriptions.filter(meter=meter, start__lt=agreed.end, end__gt=agreed.start)
    for other in others.exclude(kind=SHADOW):
        named = {it.name for it in other.organisations.all()}
        if not named or not agreed.organisations or named & set(agreed.organisations):
            rule = f"{other} runs until {other.end}, and would count the same facts"
            yield Problem("term", rule, "begin there; or, if this counts something else, give it a `meter` of its own")


def term_words(subscription: Subscription) -> Mapping[str, str]:
    """A term for people: first day, first day outside, zone, and both as instants."""
    return {
        "start": subscription.start.isoformat(),
        "end": subscription.end.isoformat(),
        "zone": subscription.zone,
        "from": iso(subscription.start_us),
        "until": iso(subscription.end_us),
    }


def windows_begun(subscription: Subscription, at_us: int) -> int:
    """How many windows of the term have begun at an instant; one more than there are when the term is over."""
    return sum(window.start_us <= at_us for window in windows(subscription)) + (subscription.end_us <= at_us)
