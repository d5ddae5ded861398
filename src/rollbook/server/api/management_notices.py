"""Who is told: webhook endpoints, report orders; and the tasks of the vendor's sales side."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from rollbook.server.access import audit
from rollbook.server.access.principals import OWN, customer_for, needs, principal_of, subscription_for
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body, Cursor, Email, Id, Limit, OptionalLine
from rollbook.server.api.paging import page
from rollbook.server.api.strict import whose_is_said
from rollbook.server.models import Endpoint, ReportOrder, UpgradeTask
from rollbook.server.notices import endpoints, ordering, standing
from rollbook.server.refusals import missing

router = Router(tags=["notices"])


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


class OrderChangeIn(Body):
    """What an order is to be from now on, as a whole. Its subscription stays: order another for another one."""

    report: Annotated[str, Field(max_length=40)]
    by: Literal["", "learner", "company"] = ""
    format: Literal["csv", "xlsx", "json", "parquet"] = "csv"
    address: Email
    every: Literal["close", "month"] = "close"


class OrderIn(OrderChangeIn):
    """A report that is mailed when a window closes, or on the first of each month."""

    subscription: Id


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


@router.get("/endpoints", auth=needs(OWN), response=EndpointsOut, summary="List webhook endpoints")
def list_endpoints(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> EndpointsOut:
    """All for operators; the customer's own for its administrators."""
    found, following = page(endpoints.endpoints_of(principal_of(request)), after, limit)
    return EndpointsOut(items=[endpoint_out(it) for it in found], next=following)


@router.post(
    "/endpoints", auth=needs(OWN), response={201: EndpointSecretOut}, openapi_extra=also(404, 409), summary="Add one"
)
def add_endpoint(request: HttpRequest, body: EndpointIn) -> Status[EndpointSecretOut]:
    """Adds an endpoint. Messages are signed with its secret as the standard for webhooks says."""
    principal = principal_of(request)
    whose_is_said(principal, body, "an endpoint of the vendor, which hears of everybody")
    owner = None if body.customer is None and principal.vendor else customer_for(principal, body.customer)
    row, secret = endpoints.add(principal, owner, body.url, body.events)
    return Status(201, EndpointSecretOut(endpoint=endpoint_out(row), secret=secret))


@router.post("/endpoints/{number}/rotate", auth=needs(OWN), response=EndpointSecretOut, openapi_extra=also(409))
def rotate_endpoint(request: HttpRequest, number: Id) -> EndpointSecretOut:
    """A new secret. The one before signs too, until the next rotation."""
    row, secret = endpoints.rotate(principal_of(request), number)
    return EndpointSecretOut(endpoint=endpoint_out(row), secret=secret)


@router.delete("/endpoints/{number}", auth=needs(OWN), response=EndpointOut, summary="Remove an endpoint")
def remove_endpoint(request: HttpRequest, number: Id) -> EndpointOut:
    """Nothing is sent there any more, for ever. What was sent stays in the list of messages."""
    principal = principal_of(request)
    return endpoint_out(endpoints.remove(principal, endpoints.endpoint_for(principal, number)))


@router.get("/report-orders", auth=needs(OWN), response=OrdersOut, summary="List report orders")
def list_orders(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> OrdersOut:
    """Of the subscriptions that whoever asks may see."""
    found, following = page(ordering.orders_of(principal_of(request)), after, limit)
    return OrdersOut(items=[_order(it) for it in found], next=following)


@router.post(
    "/report-orders", auth=needs(OWN), response={201: OrderOut}, openapi_extra=also(404, 409), summary="Order a report"
)
def add_order(request: HttpRequest, body: OrderIn) -> Status[OrderOut]:
    """Orders a report. Rows by learner name learners: whoever orders them may read learners themselves."""
    principal = principal_of(request)
    row = subscription_for(principal, body.subscription)
    wanted = ordering.Wanted(body.report, body.by, body.format, body.address, body.every)
    made = ordering.add(principal, row, wanted)
    return Status(201, _order(made))


@router.put("/report-orders/{number}", auth=needs(OWN), response=OrderOut, summary="Change a report order")
def change_order(request: HttpRequest, number: Id, body: OrderChangeIn) -> OrderOut:
    """Another report, file, address or time, on behalf of whoever asks; one that was paused goes on.

    Ordered for another time, it counts as ordered now: nothing is sent for what was over before.
    """
    wanted = ordering.Wanted(body.report, body.by, body.format, body.address, body.every)
    return _order(ordering.change(principal_of(request), number, wanted))


@router.post(
    "/report-orders/{number}/take-over", auth=needs(OWN), response=OrderOut, summary="Take a report order over"
)
def take_over_order(request: HttpRequest, number: Id) -> OrderOut:
    """From now on it is sent on behalf of whoever asks; one that was paused goes on. What it missed is not sent."""
    return _order(ordering.take_over(principal_of(request), number))


@router.post("/report-orders/{number}/send-now", auth=needs(OWN), response=OrderOut, openapi_extra=also(409))
def send_order_now(request: HttpRequest, number: Id) -> OrderOut:
    """Sends one at once to whoever asks: of the last closed window, or of the month before. Keys have no address."""
    return _order(ordering.send_now(principal_of(request), number))


@router.delete("/report-orders/{number}", auth=needs(OWN), response={204: None}, summary="Remove a report order")
def remove_order(request: HttpRequest, number: Id) -> Status[None]:
    """It is sent no more."""
    ordering.remove(principal_of(request), number)
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
