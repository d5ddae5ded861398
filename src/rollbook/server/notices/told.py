"""What was told and what waits to be told, as far as somebody may know of it; and sending again what was given up."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from rollbook.server.access import audit
from rollbook.server.access.principals import Principal, subscriptions_of
from rollbook.server.models import Endpoint, Message
from rollbook.server.notices import delivery, endpoints
from rollbook.server.notices.events import CUSTOMER, EVENTS
from rollbook.server.refusals import missing, refused


def messages_of(principal: Principal) -> QuerySet[Message]:
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


def messages_to(row: Endpoint) -> QuerySet[Message]:
    """What was sent, or waits to be sent, to an endpoint of whoever asks: all of it is theirs to see."""
    return Message.objects.filter(endpoint=row)


@transaction.atomic
def resend(principal: Principal, number: int) -> Message:
    """Lets a message that was given up start over, with the same id. Raises 404 and 409."""
    row = messages_of(principal).filter(pk=number).select_related("endpoint").first()
    if row is None:
        raise missing("message")
    if row.endpoint is not None:
        endpoints.refuse_removed(row.endpoint)
        if row.endpoint.state != Endpoint.ACTIVE:
            remedy = "switch it on: POST /v1/endpoints/{number}/enable"
            raise refused(409, "disabled", "endpoint", "nothing is sent there any more", remedy)
    if not delivery.resend(row, timezone.now()):
        rule = "only a message that was given up can be sent again"
        raise refused(409, "not-dead", "message", rule, "wait: whatever waits is sent by itself")
    audit.record(principal, "message.resent", f"message {row.pk}", row.customer_id, event=row.event)
    row.refresh_from_db()
    return row
