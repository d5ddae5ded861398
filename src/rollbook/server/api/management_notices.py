"""Who is told: webhook endpoints, report orders; and the tasks of the vendor's sales side."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from rollbook.errors import Problem
from rollbook.model.keys import nearest
from rollbook.reports.named import REPORTS
from rollbook.server.access import audit
from rollbook.server.access.principals import (
    OWN,
    Principal,
    customer_for,
    needs,
    principal_of,
    subscription_for,
    subscriptions_of,
)
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body, Cursor, Email, Id, Limit, OptionalLine
from rollbook.server.api.paging import page
from rollbook.server.api.strict import whose_is_said
from rollbook.server.live import contracts
from rollbook.server.models import Endpoint, ReportOrder, UpgradeTask
from rollbook.server.notices import delivery, standing, webhooks
from rollbook.server.notices.events import EVENTS
from rollbook.server.refusals import RefusedError, missing, refused

router = Router(tags=["notices"])

ENDPOINTS_MAX, ORDERS_MAX = 20, 50
"""Endpoints of one customer, and orders of one subscription."""


class EndpointIn(Body):
    """Where webhooks go. Without events all of them.

    customer  operators say whose it is: a customer's number, or null for the vendor's own, which hears of everybody
    """

    url: Annotated[str, Field(min_length=10, max_length=2000)]
    customer: Id | None = None
    events: Annotated[list[Annotated[str, Field(max_length=100)]], Field(default_factory=list, max_length=50)]


class EndpointOut(Schema):
    """Where webhooks go, without the secret that signs them.

    state       active; gone, when it answered 410, until it is enabled again; or removed, for ever
    created_by  the number of the user who entered it; null where a program did
    """

    id: int
    customer: int | None
    url: str
    events: list[str]
    state: str
    created_at: datetime
    created_by: int | None


class EndpointSecretOut(Schema):
    """An endpoint with its secret, which is shown now and never again."""

    endpoint: EndpointOut
    secret: str


class EndpointsOut(Schema):
    """A page of endpoints."""

    items: list[EndpointOut]
    next: int | None


class OrderIn(Body):
    """A report that is mailed when a window closes, or on the first of each month."""

    subscription: Id
    report: Annotated[str, Field(max_length=40)]
    by: Literal["", "learner", "company"] = ""
    format: Literal["csv", "xlsx", "json", "parquet"] = "csv"
    address: Email
    every: Literal["close", "month"] = "close"


class OrderOut(Schema):
    """An order, and what it was last sent for.

    created_by  the number of the user on whose behalf it is sent; null where a program ordered it
    paused      why nothing is sent, in words, until somebody takes it over; empty where it is sent
    """

    id: int
    subscription: int
    report: str
    by: str
    format: str
    address: str
    every: str
    last_sent_for: str
    created_at: datetime
    created_by: int | None
    paused: str


class OrdersOut(Schema):
    """A page of orders."""

    items: list[OrderOut]
    next: int | None


class TaskOut(Schema):
    """Who has gone beyond what is included, and the size that would fit."""

    id: int
    subscription: int
    customer: int
    pool: str
    units_that_fit: int
    opened_at: datetime
    done_at: datetime | None
    note: str


class TasksOut(Schema):
    """A page of tasks."""

    items: list[TaskOut]
    next: int | None


class DoneIn(Body):
    """What came of it."""

    note: OptionalLine = ""


def endpoints_of(principal: Principal) -> QuerySet[Endpoint]:
    """The endpoints that somebody manages."""
    rows = Endpoint.objects.all()
    return rows if principal.vendor else rows.filter(customer=principal.customer, customer__isnull=False)


def endpoint_for(principal: Principal, number: int) -> Endpoint:
    """One of those that somebody manages. Raises 404."""
    row = endpoints_of(principal).filter(pk=number).first()
    if row is None:
        raise missing("endpoint")
    return row


@router.get("/endpoints", auth=needs(OWN), response=EndpointsOut, summary="List webhook endpoints")
def list_endpoints(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> EndpointsOut:
    """All for operators; the customer's own for its administrators."""
    found, following = page(endpoints_of(principal_of(request)), after, limit)
    return EndpointsOut(items=[endpoint_out(it) for it in found], next=following)


@router.post(
    "/endpoints", auth=needs(OWN), response={201: EndpointSecretOut}, openapi_extra=also(404, 409), summary="Add one"
)
def add_endpoint(request: HttpRequest, body: EndpointIn) -> Status[EndpointSecretOut]:
    """Adds an endpoint. Messages are signed with its secret as the standard for webhooks says."""
    principal = principal_of(request)
    whose_is_said(principal, body, "an endpoint of the vendor, which hears of everybody")
    owner = None if body.customer is None and principal.vendor else customer_for(principal, body.customer)
    if wrong := webhooks.wrong_address(body.url, private=settings.CONFIGURATION["ROLLBOOK_WEBHOOKS_PRIVATE"]):
        raise RefusedError(422, "url-invalid", wrong)
    if unknown := [it for it in body.events if it not in EVENTS]:
        remedy = "use " + ", ".join(EVENTS)
        problems = [
            Problem("body.events", f"there is no such event{nearest(it, list(EVENTS))}", remedy) for it in unknown
        ]
        raise RefusedError(422, "input-invalid", problems)
    with transaction.atomic():
        if Endpoint.objects.filter(customer=owner, state=Endpoint.ACTIVE).count() >= ENDPOINTS_MAX:
            raise refused(409, "too-many", "endpoints", f"there are {ENDPOINTS_MAX}", "remove one")
        secret = webhooks.new_secret()
        row = Endpoint.objects.create(
            customer=owner,
            url=body.url,
            secret=secret,
            events=sorted(set(body.events)),
            created_by_id=principal.user,
        )
        audit.record(principal, "endpoint.added", f"endpoint {row.pk}", row.customer_id, events=row.events)
    return Status(201, EndpointSecretOut(endpoint=endpoint_out(row), secret=secret))


@router.post("/endpoints/{number}/rotate", auth=needs(OWN), response=EndpointSecretOut, openapi_extra=also(409))
def rotate_endpoint(request: HttpRequest, number: Id) -> EndpointSecretOut:
    """A new secret. The one before signs too, until the next rotation."""
    principal = principal_of(request)
    with transaction.atomic():
        row = endpoint_for(principal, number)
        if row.state != Endpoint.ACTIVE:
            raise refused(409, "disabled", "endpoint", "nothing is sent there any more", "add another one")
        row.secret = webhooks.rotated(row.secret)
        row.save(update_fields=["secret"])
        audit.record(principal, "endpoint.rotated", f"endpoint {row.pk}", row.customer_id)
    return EndpointSecretOut(endpoint=endpoint_out(row), secret=webhooks.settled(row.secret))


@router.delete("/endpoints/{number}", auth=needs(OWN), response=EndpointOut, summary="Remove an endpoint")
def remove_endpoint(request: HttpRequest, number: Id) -> EndpointOut:
    """Nothing is sent there any more, for ever. What was sent stays in the list of messages."""
    principal = principal_of(request)
    return endpoint_out(remove(principal, endpoint_for(principal, number)))


@transaction.atomic
def remove(principal: Principal, row: Endpoint) -> Endpoint:
    """Removes an endpoint: it stays in lists, without its secret, and what waited for it becomes dead letters."""
    if row.state != Endpoint.REMOVED:
        row.state, row.secret = Endpoint.REMOVED, ""
        row.save(update_fields=["state", "secret"])
        delivery.give_up(row, "the endpoint was removed")
        audit.record(principal, "endpoint.removed", f"endpoint {row.pk}", row.customer_id)
    return row


def orders_of(principal: Principal) -> QuerySet[ReportOrder]:
    """The orders that somebody manages."""
    return standing.known().filter(subscription__in=subscriptions_of(principal).order_by().values("pk"))


def _order_for(principal: Principal, number: int) -> ReportOrder:
    row = orders_of(principal).filter(pk=number).first()
    if row is None:
        raise missing("report order")
    return row


@router.get("/report-orders", auth=needs(OWN), response=OrdersOut, summary="List report orders")
def list_orders(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> OrdersOut:
    """Of the subscriptions that whoever asks may see."""
    found, following = page(orders_of(principal_of(request)), after, limit)
    return OrdersOut(items=[_order(it) for it in found], next=following)


@router.post(
    "/report-orders", auth=needs(OWN), response={201: OrderOut}, openapi_extra=also(404, 409), summary="Order a report"
)
def add_order(request: HttpRequest, body: OrderIn) -> Status[OrderOut]:
    """Orders a report. Rows by learner name learners: whoever orders them may read learners themselves."""
    principal = principal_of(request)
    row = subscription_for(principal, body.subscription)
    report = REPORTS.get(body.report)
    if report is None:
        rule = f"there is no such report{nearest(body.report, list(REPORTS))}"
        raise refused(422, "input-invalid", "body.report", rule, "use one of " + ", ".join(REPORTS))
    shape = report.shape(contracts.plan_of(row.plan), body.by)
    if shape.by == "learner":
        principal.require("learners:read")
    with transaction.atomic():
        if row.report_orders.count() >= ORDERS_MAX:
            raise refused(409, "too-many", "subscription", f"it has {ORDERS_MAX} orders", "remove one")
        made = ReportOrder.objects.create(
            subscription=row,
            report=body.report,
            by=body.by,
            format=body.format,
            address=body.address,
            every=body.every,
            created_by_id=principal.user,
            created_by_key_id=principal.key,
        )
        audit.record(
            principal, "report-order.added", f"report order {made.pk}", row.customer_id, report=body.report, by=shape.by
        )
    return Status(201, _order(made))


@router.post(
    "/report-orders/{number}/take-over", auth=needs(OWN), response=OrderOut, summary="Take a report order over"
)
def take_over_order(request: HttpRequest, number: Id) -> OrderOut:
    """From now on it is sent on behalf of whoever asks; one that was paused goes on. What it missed is not sent."""
    principal = principal_of(request)
    with transaction.atomic():
        row = _order_for(principal, number)
        if not standing.may_order(principal, row):
            raise refused(403, "forbidden", "report order", "it names learners", "ask somebody who may read learners")
        row.created_by_id, row.created_by_key_id, row.paused = principal.user, principal.key, ""
        row.save(update_fields=["created_by", "created_by_key", "paused"])
        audit.record(principal, "report-order.taken-over", f"report order {row.pk}", row.subscription.customer_id)
    return _order(_order_for(principal, number))


@router.delete("/report-orders/{number}", auth=needs(OWN), response={204: None}, summary="Remove a report order")
def remove_order(request: HttpRequest, number: Id) -> Status[None]:
    """It is sent no more."""
    principal = principal_of(request)
    with transaction.atomic():
        row = _order_for(principal, number)
        audit.record(principal, "report-order.removed", f"report order {row.pk}", row.subscription.customer_id)
        row.delete()
    return Status(204, None)


@router.get("/upgrade-tasks", auth=needs("manage"), response=TasksOut, summary="List upgrade tasks")
def list_tasks(
    request: HttpRequest,  # noqa: ARG001 - the shape of a view
    after: Cursor = 0,
    limit: Limit = 100,
    done: Annotated[bool | None, Field(description="only those that are done, or only those that are open")] = None,
) -> TasksOut:
    """For the vendor's sales side."""
    wanted = Q() if done is None else Q(done_at__isnull=not done)
    found, following = page(UpgradeTask.objects.filter(wanted).select_related("subscription"), after, limit)
    return TasksOut(items=[_task(it) for it in found], next=following)


@router.post("/upgrade-tasks/{number}/done", auth=needs("manage"), response=TaskOut, summary="Finish an upgrade task")
def finish_task(request: HttpRequest, number: Id, body: DoneIn) -> TaskOut:
    """Says that it is done. A new one begins when the allowance is passed again."""
    with transaction.atomic():
        row = UpgradeTask.objects.select_related("subscription").filter(pk=number).first()
        if row is None:
            raise missing("upgrade task")
        row.done_at = row.done_at or timezone.now()
        row.note = body.note or row.note
        row.save(update_fields=["done_at", "note"])
        audit.record(principal_of(request), "upgrade-task.done", f"upgrade task {row.pk}", row.subscription.customer_id)
    return _task(row)


def endpoint_out(row: Endpoint) -> EndpointOut:
    """A row as it is shown."""
    return EndpointOut(
        id=row.pk,
        customer=row.customer_id,
        url=row.url,
        events=row.events,
        state=row.state,
        created_at=row.created_at,
        created_by=row.created_by_id,
    )


def _order(row: ReportOrder) -> OrderOut:
    return OrderOut(
        id=row.pk,
        subscription=row.subscription_id,
        report=row.report,
        by=row.by,
        format=row.format,
        address=row.address,
        every=row.every,
        last_sent_for=row.last_sent_for,
        created_at=row.created_at,
        created_by=row.created_by_id,
        paused=standing.of_order(row),
    )


def _task(row: UpgradeTask) -> TaskOut:
    return TaskOut(
        id=row.pk,
        subscription=row.subscription_id,
        customer=row.subscription.customer_id,
        pool=row.pool,
        units_that_fit=row.units_that_fit,
        opened_at=row.opened_at,
        done_at=row.done_at,
        note=row.note,
    )
