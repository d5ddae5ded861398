"""What is agreed: plans as texts, and subscriptions with their quantities, approvals and changes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from rollbook.errors import SubscriptionError
from rollbook.metering.calendar import windows
from rollbook.model.instants import iso, to_us
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription
from rollbook.server import clock, models
from rollbook.server.access.principals import (
    Principal,
    customer_for,
    needs,
    principal_of,
    subscription_for,
    subscriptions_of,
)
from rollbook.server.api.errors import also
from rollbook.server.api.fields import (
    SEATS_MAX,
    Body,
    Cursor,
    Day,
    Document,
    Id,
    Name,
    Organisation,
    Reason,
    Units,
    Zone,
)
from rollbook.server.api.paging import page
from rollbook.server.billing import agreements, closing
from rollbook.server.live import contracts
from rollbook.server.refusals import missing

router = Router(tags=["management"])

WINDOWS_MAX = 1000
"""Windows that one answer lists."""

Kind = Literal["paid", "pilot", "internal", "shadow"]
When = Literal["past", "current", "future"]


class PlanIn(Body):
    """The text of a plan.toml."""

    text: Document


class PlanVersionOut(Schema):
    """One version of a plan. `text` is left out of lists; `kept` says whether it is this server's, or as published."""

    plan: str
    title: str
    vendor: str
    digest: str
    effective_from: date | None
    kept: bool
    text: str = ""


class PlanVersionsOut(Schema):
    """Versions of plans, oldest first."""

    items: list[PlanVersionOut]


class UnitsIn(Body):
    """What is bought from the first day on; of one organisation where the plan's pools are theirs."""

    units: Units
    organisation: Organisation = ""


class SubscriptionIn(Body):
    """A customer on a plan for a term of whole days, `end` excluded.

    end            without it the term has the plan's own length
    zone           whose midnights; without it the plan's
    organisations  whose facts; without any all of the customer's, now and later
    assumed        organisations whose learners all count as members
    quote          prices for this customer alone: a text with [tariff]
    on_hold        why nothing is to be closed yet: history is to be taken in first. POST …/release ends it
    """

    customer: Id
    plan: Name
    start: Day
    end: Day | None = None
    zone: Zone = ""
    organisations: Annotated[list[Organisation], Field(default_factory=list, max_length=500)]
    kind: Kind = "paid"
    meter: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9 ._-]*$")] = ""
    term: Annotated[int, Field(ge=1, le=1000)] = 1
    anchor: Day | None = None
    quantities: Annotated[list[UnitsIn], Field(default_factory=list, max_length=500)]
    assumed: Annotated[list[Organisation], Field(default_factory=list, max_length=500)]
    quote: Annotated[str, Field(max_length=50_000, pattern=r"^[^\x00]*$")] = ""
    on_hold: Reason | None = None


class TermWindowOut(Schema):
    """One counted period: its first instant, and the first after it."""

    number: int
    start: str
    end: str


class StepOut(Schema):
    """What holds from an instant on."""

    start: str
    units: int
    organisation: str = ""


class PlanChangeOut(Schema):
    """Which version of a plan holds from the next window on."""

    start: str
    plan: str
    digest: str


class SubscriptionOut(Schema):
    """A subscription for people: its term as days and as instants, and what was agreed.

    when      past, current or future
    on_hold   whether nothing is closed now; why is said to the vendor alone
    windows   left out of lists, and bounded
    problem   why what was agreed cannot be read by this version of the server; empty otherwise
    """

    id: int
    customer: int
    customer_name: str
    plan: str
    plan_title: str
    plan_digest: str
    kind: str
    meter: str
    when: When
    start: date
    end: date
    zone: str
    first_instant: str
    last_instant_excluded: str
    term: int
    organisations: list[str]
    quantities: list[StepOut]
    approvals: list[StepOut]
    changes: list[PlanChangeOut]
    on_hold: bool
    hold_reason: str
    windows: list[TermWindowOut]
    problem: str


class SubscriptionAddedOut(SubscriptionOut):
    """A new subscription.

    closes_at_once  windows that are over already and are closed by the next run of the worker, within seconds: what
                    comes later is booked as a difference on a later statement. Hold it if history is still to come.
    """

    closes_at_once: int


class SubscriptionsOut(Schema):
    """A page of subscriptions."""

    items: list[SubscriptionOut]
    next: int | None


class QuantityIn(Body):
    """So many units in all, from the start of a day on; without a day, from now on."""

    units: Units
    day: Day | None = None
    organisation: Organisation = ""


class ApprovalIn(Body):
    """So many more released seats, from the start of a day on; without a day, from now on."""

    seats: Annotated[int, Field(ge=1, le=SEATS_MAX)]
    day: Day | None = None


class ChangeIn(Body):
    """A plan, in the version that is effective on a day, from the next window on."""

    plan: Name
    day: Day


def _plan(plan: Plan, row: models.PlanVersion | None, *, text: bool) -> PlanVersionOut:
    return PlanVersionOut(
        plan=plan.id,
        title=plan.title,
        vendor=plan.vendor,
        digest=plan.digest,
        effective_from=plan.governance.effective_from,
        kept=row is not None,
        text=plan.text if text else "",
    )


@router.get("/plans", auth=needs("manage"), response=PlanVersionsOut, summary="List plans")
def list_plans(request: HttpRequest) -> PlanVersionsOut:  # noqa: ARG001 - the shape of a view
    """Every version that is kept here, and the published plans, at most 1,000."""
    return PlanVersionsOut(
        items=[_plan(plan, row, text=False) for plan, row in agreements.versions()][: agreements.STEPS_MAX]
    )


@router.post(
    "/plans", auth=needs("manage"), response={201: PlanVersionOut}, openapi_extra=also(409), summary="Publish a plan"
)
def publish_plan(request: HttpRequest, body: PlanIn) -> Status[PlanVersionOut]:
    """Keeps a text for ever. What is wrong with it is answered with 422, all at once."""
    row = agreements.publish(principal_of(request), body.text)
    return Status(201, _plan(contracts.plan_of(row), row, text=True))


@router.get("/plans/{plan}", auth=needs("manage"), response=PlanVersionsOut, summary="Read the versions of a plan")
def read_plan(request: HttpRequest, plan: Name) -> PlanVersionsOut:  # noqa: ARG001
    """All versions of one plan with their texts and the days from which they may be subscribed to."""
    found = agreements.versions(plan)
    if not found:
        raise missing("plan")
    return PlanVersionsOut(items=[_plan(it, row, text=True) for it, row in found])


@router.post("/subscriptions", auth=needs("manage"), response={201: SubscriptionAddedOut}, openapi_extra=also(404, 409))
def add_subscription(request: HttpRequest, body: SubscriptionIn) -> Status[SubscriptionAddedOut]:
    """Makes a subscription, and counts it from all facts that are there."""
    principal = principal_of(request)
    row = agreements.subscribe(principal, customer_for(principal, body.customer), agreement_of(body))
    said = _said(principal, row, whole=True).dict()
    return Status(201, SubscriptionAddedOut(**said, closes_at_once=closing.closes_at_once(row, clock.now_us())))


def agreement_of(body: SubscriptionIn) -> agreements.Agreement:
    """What is asked for."""
    return agreements.Agreement(
        plan=body.plan,
        start=body.start,
        end=body.end,
        zone=body.zone,
        organisations=tuple(body.organisations),
        kind=body.kind,
        meter=body.meter,
        term=body.term,
        anchor=body.anchor,
        units=tuple((it.organisation, it.units) for it in body.quantities),
        assumed=tuple(body.assumed),
        quote=body.quote,
        on_hold=body.on_hold or "",
    )


@router.get(
    "/subscriptions",
    auth=needs("usage:read", "manage"),
    response=SubscriptionsOut,
    openapi_extra=also(404),
    summary="List subscriptions",
)
def list_subscriptions(
    request: HttpRequest,
    customer: Annotated[Id | None, Field(description="only those of this customer")] = None,
    when: Annotated[When | None, Field(description="only past, current or future terms")] = None,
    after: Cursor = 0,
    limit: Annotated[int, Field(ge=1, le=100)] = 50,
) -> SubscriptionsOut:
    """Those that whoever asks may see, in the order in which they were made."""
    principal = principal_of(request)
    rows = subscriptions_of(principal)
    if customer is not None:
        rows = rows.filter(customer=customer_for(principal, customer))
    # A term ends at a local midnight, at most a day before or after the same date in UTC: `when` is told exactly by
    # the item, and the list is cut by dates.
    today = timezone.now().date()
    bounds = {"past": {"end__lte": today}, "current": {"start__lte": today, "end__gt": today}}
    if when is not None:
        rows = rows.filter(**bounds.get(when, {"start__gt": today}))
    found, following = page(rows, after, limit)
    return SubscriptionsOut(items=[_said(principal, it, whole=False) for it in found], next=following)


@router.get("/subscriptions/{number}", auth=needs("usage:read", "manage"), response=SubscriptionOut)
def read_subscription(request: HttpRequest, number: Id) -> SubscriptionOut:
    """One subscription, with its windows."""
    principal = principal_of(request)
    return _said(principal, subscription_for(principal, number), whole=True)


@router.post(
    "/subscriptions/{number}/quantities", auth=needs("manage"), response=SubscriptionOut, openapi_extra=also(409)
)
def add_quantity(request: HttpRequest, number: Id, body: QuantityIn) -> SubscriptionOut:
    """Sets what is bought from a day on. Within a term it may only rise where the plan says so."""
    principal = principal_of(request)
    row = subscription_for(principal, number)
    agreements.add_quantity(principal, row, body.units, body.day, body.organisation)
    return _said(principal, subscription_for(principal, number), whole=True)


@router.post(
    "/subscriptions/{number}/approvals", auth=needs("manage"), response=SubscriptionOut, openapi_extra=also(409)
)
def approve_seats(request: HttpRequest, number: Id, body: ApprovalIn) -> SubscriptionOut:
    """Lets so many more released seats be taken by others."""
    principal = principal_of(request)
    agreements.approve(principal, subscription_for(principal, number), body.seats, body.day)
    return _said(principal, subscription_for(principal, number), whole=True)


@router.post(
    "/subscriptions/{number}/plan-changes", auth=needs("manage"), response=SubscriptionOut, openapi_extra=also(409)
)
def change_plan(request: HttpRequest, number: Id, body: ChangeIn) -> SubscriptionOut:
    """Another version of the plan, or another plan that counts alike, from the next window on."""
    principal = principal_of(request)
    agreements.change_plan(principal, subscription_for(principal, number), body.plan, body.day)
    return _said(principal, subscription_for(principal, number), whole=True)


def _said(principal: Principal, row: models.Subscription, *, whole: bool) -> SubscriptionOut:
    problem, agreed = "", None
    try:
        agreed = contracts.subscription_of(row)
    except SubscriptionError as error:  # written by another version of this program
        problem = str(error)
    now = timezone.now()
    return SubscriptionOut(
        id=row.pk,
        customer=row.customer_id,
        customer_name=row.customer.name,
        plan=row.plan.plan_id,
        plan_title=contracts.plan_of(row.plan).title,
        plan_digest=row.plan.digest,
        kind=row.kind,
        meter=row.meter,
        when=_when(row, agreed, now),
        start=row.start,
        end=row.end,
        zone=row.zone,
        first_instant=iso(agreed.start_us) if agreed else "",
        last_instant_excluded=iso(agreed.end_us) if agreed else "",
        term=row.term,
        organisations=list(contracts.organisations_of(row)),
        quantities=[
            StepOut(start=iso(it.from_us), units=it.units, organisation=it.organisation)
            for it in (agreed.quantities if agreed else ())
        ],
        approvals=[StepOut(start=iso(it.from_us), units=it.seats) for it in (agreed.approvals if agreed else ())],
        changes=[
            PlanChangeOut(start=iso(it.from_us), plan=it.plan.id, digest=it.plan.digest)
            for it in (agreed.changes if agreed else ())
        ],
        on_hold=bool(row.close_on_hold),
        hold_reason=row.close_on_hold if principal.vendor else "",
        windows=[
            TermWindowOut(number=it.number, start=iso(it.start_us), end=iso(it.end_us))
            for it in (windows(agreed)[:WINDOWS_MAX] if agreed and whole else ())
        ],
        problem=problem,
    )


def _when(row: models.Subscription, agreed: Subscription | None, now: datetime) -> When:
    if agreed is None:
        return "past" if row.end <= now.date() else "current" if row.start <= now.date() else "future"
    now_us = to_us(now)
    return "past" if agreed.end_us <= now_us else "current" if agreed.start_us <= now_us else "future"
