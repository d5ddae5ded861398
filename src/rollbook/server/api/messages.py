"""What was told and what waits to be told: messages without their content, endpoints switched on again, thresholds.

A message's content, and the address that it goes to, are not shown: a list of messages names nobody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from rollbook.model.keys import nearest
from rollbook.server.access.principals import OWN, needs, principal_of, subscription_for
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Cursor, Id, Limit
from rollbook.server.api.management_notices import EndpointOut, endpoint_out
from rollbook.server.api.paging import page
from rollbook.server.models import Crossing, Message
from rollbook.server.notices import endpoints, told
from rollbook.server.notices.events import EVENTS
from rollbook.server.refusals import refused

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
    answered      the HTTP status of the last answer to a webhook; null where nobody answered
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
    answered: int | None


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
    rows = told.messages_of(principal_of(request))
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
    return _message(told.resend(principal_of(request), number))


@router.post(
    "/endpoints/{number}/test",
    auth=needs(OWN),
    response={201: MessageOut},
    openapi_extra=also(409),
    summary="Try one out",
)
def test_endpoint(request: HttpRequest, number: Id) -> Status[MessageOut]:
    """Sends one `endpoint.tested` there within seconds, and once; the list of messages says what was answered."""
    return Status(201, _message(endpoints.test(principal_of(request), number)))


@router.post("/endpoints/{number}/enable", auth=needs(OWN), response=EndpointOut, openapi_extra=also(409))
def enable_endpoint(request: HttpRequest, number: Id) -> EndpointOut:
    """Switches one that was gone on again. What it missed is in the list of messages, to be sent again."""
    return endpoint_out(endpoints.enable(principal_of(request), number))


@router.get(
    "/subscriptions/{number}/crossings", auth=needs("usage:read"), response=CrossingsOut, summary="Thresholds reached"
)
def list_crossings(request: HttpRequest, number: Id, after: Cursor = 0, limit: Limit = 100) -> CrossingsOut:
    """Which thresholds of what is included were reached, and when."""
    row = subscription_for(principal_of(request), number)
    found, following = page(Crossing.objects.filter(subscription=row), after, limit, newest_first=True)
    return CrossingsOut(items=[_crossing(it) for it in found], next=following)


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
        answered=row.answered,
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
