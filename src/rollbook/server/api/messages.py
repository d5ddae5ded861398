"""What was told and what waits to be told: messages without their content, endpoints switched on again, thresholds.

A message's content, and the address that it goes to, are not shown: a list of messages names nobody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from rollbook.errors import Problem
from rollbook.model.keys import nearest
from rollbook.server.access import audit
from rollbook.server.access.principals import OWN, Principal, needs, principal_of, subscription_for, subscriptions_of
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Cursor, Id, Limit
from rollbook.server.api.management_notices import ENDPOINTS_MAX, EndpointOut, endpoint_for, endpoint_out
from rollbook.server.api.paging import page
from rollbook.server.models import Crossing, Customer, Endpoint, Message
from rollbook.server.notices import delivery, webhooks
from rollbook.server.notices.events import CUSTOMER, EVENTS
from rollbook.server.refusals import RefusedError, missing, refused

router = Router(tags=["notices"])

State = Literal["", "waiting", "sent", "dead"]


class MessageOut(Schema):
    """One message to one address.

    id            its number; what receivers of webhooks see is `message`, the same however often it is sent
    channel       mail or webhook; `endpoint` is where a webhook goes
    subscription  what it is about, where it is about one
    state         waiting, sent, or dead when it was given up and may be sent again
    next_at       when a waiting one is tried (again)
    last_error    why the last attempt failed
    """

    id: int
    message: str
    channel: str
    event: str
    customer: int | None
    subscription: int | None
    endpoint: int | None
    state: str
    attempts: int
    created_at: datetime
    next_at: datetime | None
    sent_at: datetime | None
    last_error: str


class MessagesOut(Schema):
    """A page of messages, the newest first."""

    items: list[MessageOut]
    next: int | None


class CrossingOut(Schema):
    """A threshold that was reached; or, where `foreseen`, will probably be.

    pool             the organisation whose allowance it is; empty where all share one
    percent          the share of what is included
    used, allowance  units, when it was reached
    """

    id: int
    window: int
    pool: str
    percent: int
    foreseen: bool
    used: int
    allowance: int
    at: datetime


class CrossingsOut(Schema):
    """A page of thresholds, the one reached last first."""

    items: list[CrossingOut]
    next: int | None


@router.get("/messages", auth=needs(OWN), response=MessagesOut, summary="List messages")
def list_messages(
    request: HttpRequest,
    state: Annotated[State, Query(description="only those in this state")] = "",
    event: Annotated[str, Field(max_length=100, description="only those of this event")] = "",
    subscription: Annotated[Id | None, Query(description="only those about this one")] = None,
    after: Cursor = 0,
    limit: Limit = 100,
) -> MessagesOut:
    """All for the vendor; for a customer's administrators those to their endpoints, and mail about what they see."""
    rows = _messages_of(principal_of(request))
    if event and event not in EVENTS:
        rule = f"there is no such event{nearest(event, list(EVENTS))}"
        raise refused(422, "input-invalid", "query.event", rule, "use one of " + ", ".join(EVENTS))
    if state:
        rows = rows.filter(state=state)
    if event:
        rows = rows.filter(event=event)
    if subscription is not None:
        rows = rows.filter(content__data__subscription=subscription)
    found, following = page(rows, after, limit, newest_first=True)
    return MessagesOut(items=[_message(it) for it in found], next=following)


@router.post("/messages/{number}/resend", auth=needs(OWN), response=MessageOut, openapi_extra=also(409))
def resend_message(request: HttpRequest, number: Id) -> MessageOut:
    """Lets a message that was given up start over, with the same id: who has it already can tell."""
    principal = principal_of(request)
    with transaction.atomic():
        row = _messages_of(principal).filter(pk=number).select_related("endpoint").first()
        if row is None:
            raise missing("message")
        if row.endpoint is not None:
            _refuse_removed(row.endpoint)
            if row.endpoint.state != Endpoint.ACTIVE:
                remedy = "switch it on: POST /v1/endpoints/{number}/enable"
                raise refused(409, "disabled", "endpoint", "nothing is sent there any more", remedy)
        if not delivery.resend(row, timezone.now()):
            rule = "only a message that was given up can be sent again"
            raise refused(409, "not-dead", "message", rule, "wait: whatever waits is sent by itself")
        audit.record(principal, "message.resent", f"message {row.pk}", row.customer_id, event=row.event)
        row.refresh_from_db()
    return _message(row)


@router.post("/endpoints/{number}/enable", auth=needs(OWN), response=EndpointOut, openapi_extra=also(409))
def enable_endpoint(request: HttpRequest, number: Id) -> EndpointOut:
    """Switches one that was gone on again. What it missed is in the list of messages, to be sent again."""
    principal = principal_of(request)
    with transaction.atomic():
        row = endpoint_for(principal, number)
        if row.state != Endpoint.ACTIVE:
            _may_be_switched_on(row)
            row.state = Endpoint.ACTIVE
            row.save(update_fields=["state"])
            audit.record(principal, "endpoint.enabled", f"endpoint {row.pk}", row.customer_id)
    return endpoint_out(row)


def _refuse_removed(row: Endpoint) -> None:
    if row.state == Endpoint.REMOVED:
        remedy = "enter the address anew: POST /v1/endpoints"
        raise refused(409, "removed", "endpoint", "somebody removed it, which is for ever", remedy)


def _may_be_switched_on(row: Endpoint) -> None:
    """The rules that held when it was added, by the settings of now; the customer is locked, so that they go on to."""
    _refuse_removed(row)
    if row.customer_id is not None:
        Customer.objects.select_for_update(no_key=True).get(pk=row.customer_id)
    if wrong := webhooks.wrong_address(row.url, private=settings.CONFIGURATION["ROLLBOOK_WEBHOOKS_PRIVATE"]):
        raise RefusedError(409, "url-invalid", Problem("endpoint", wrong.rule, "add another one"))
    if Endpoint.objects.filter(customer=row.customer_id, state=Endpoint.ACTIVE).count() >= ENDPOINTS_MAX:
        raise refused(409, "too-many", "endpoints", f"there are {ENDPOINTS_MAX}", "remove one")


@router.get(
    "/subscriptions/{number}/crossings", auth=needs("usage:read"), response=CrossingsOut, summary="Thresholds reached"
)
def list_crossings(request: HttpRequest, number: Id, after: Cursor = 0, limit: Limit = 100) -> CrossingsOut:
    """Which thresholds of what is included were reached, and when."""
    row = subscription_for(principal_of(request), number)
    found, following = page(Crossing.objects.filter(subscription=row), after, limit, newest_first=True)
    return CrossingsOut(items=[_crossing(it) for it in found], next=following)


def _messages_of(principal: Principal) -> QuerySet[Message]:
    """The messages that somebody may see: what a customer may not know was told to the vendor alone."""
    rows = Message.objects.all()
    if principal.vendor:
        return rows
    if principal.customer is None:
        return rows.none()
    shown = list(subscriptions_of(principal).values_list("pk", flat=True))
    told = [name for name, it in EVENTS.items() if it.audience == CUSTOMER]
    about = Q(content__data__subscription__isnull=True) | Q(content__data__subscription__in=shown)
    mail = Q(channel=Message.MAIL, event__in=told) & about
    return rows.filter(Q(endpoint__customer=principal.customer) | mail, customer=principal.customer)


def _message(row: Message) -> MessageOut:
    return MessageOut(
        id=row.pk,
        message=row.message_id,
        channel=row.channel,
        event=row.event,
        customer=row.customer_id,
        subscription=row.content.get("data", {}).get("subscription"),
        endpoint=row.endpoint_id,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        next_at=row.next_at if row.state == Message.WAITING else None,
        sent_at=row.sent_at,
        last_error=row.last_error,
    )


def _crossing(row: Crossing) -> CrossingOut:
    return CrossingOut(
        id=row.pk,
        window=row.window_number,
        pool=row.pool,
        percent=row.percent,
        foreseen=row.forecast,
        used=row.used,
        allowance=row.allowance,
        at=row.at,
    )
