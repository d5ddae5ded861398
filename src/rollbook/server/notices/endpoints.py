"""Where webhooks go: entered, tried out, given a new secret, switched on again and removed by those whose they are.

Each is audited.

A secret is known to whoever is given it here, and to what signs; it is shown at no other time.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from rollbook.errors import Problem
from rollbook.model.keys import nearest
from rollbook.server.access import audit, throttle
from rollbook.server.access.principals import Principal
from rollbook.server.models import Customer, Endpoint, Message
from rollbook.server.notices import delivery, webhooks
from rollbook.server.notices.announce import announce
from rollbook.server.notices.events import EVENTS
from rollbook.server.refusals import RefusedError, missing, refused

TESTED = "endpoint.tested"

ENDPOINTS_MAX = 20
"""Of one customer, and of none."""


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


def add(principal: Principal, owner: Customer | None, url: str, events: Sequence[str]) -> tuple[Endpoint, str]:
    """An endpoint with its secret. Without events it is told of all. Raises 409 and 422.

    owner  whose it is; None for the vendor's own, which hears of everybody
    """
    if wrong := webhooks.wrong_address(url, private=settings.CONFIGURATION["ROLLBOOK_WEBHOOKS_PRIVATE"]):
        raise RefusedError(422, "url-invalid", wrong)
    if unknown := [it for it in events if it not in EVENTS]:
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
            customer=owner, url=url, secret=secret, events=sorted(set(events)), created_by_id=principal.user
        )
        audit.record(principal, "endpoint.added", f"endpoint {row.pk}", row.customer_id, events=row.events)
    return row, secret


@transaction.atomic
def rotate(principal: Principal, number: int) -> tuple[Endpoint, str]:
    """An endpoint with a new secret. The one before signs too, until the next rotation. Raises 404 and 409."""
    row = endpoint_for(principal, number)
    if row.state != Endpoint.ACTIVE:
        raise refused(409, "disabled", "endpoint", "nothing is sent there any more", "add another one")
    row.secret = webhooks.rotated(row.secret)
    row.save(update_fields=["secret"])
    audit.record(principal, "endpoint.rotated", f"endpoint {row.pk}", row.customer_id)
    return row, webhooks.settled(row.secret)


@transaction.atomic
def test(principal: Principal, number: int) -> Message:
    """Queues one `endpoint.tested`, signed and sent like every message, and tried once. Raises 404, 409 and 429."""
    row = endpoint_for(principal, number)
    refuse_removed(row)
    if row.state != Endpoint.ACTIVE:
        remedy = "switch it on first"
        raise refused(409, "disabled", "endpoint", "it said that it is gone, and nothing is sent there", remedy)
    throttle.act("tested", row.pk)
    announce(TESTED, row.customer, {"endpoint": row.pk}, endpoint=row)
    audit.record(principal, TESTED, f"endpoint {row.pk}", row.customer_id)
    return Message.objects.filter(endpoint=row, event=TESTED).latest("pk")


@transaction.atomic
def enable(principal: Principal, number: int) -> Endpoint:
    """Switches one that was gone on again. What it missed is not sent by itself. Raises 404 and 409."""
    row = endpoint_for(principal, number)
    if row.state != Endpoint.ACTIVE:
        _may_be_switched_on(row)
        row.state = Endpoint.ACTIVE
        row.save(update_fields=["state"])
        audit.record(principal, "endpoint.enabled", f"endpoint {row.pk}", row.customer_id)
    return row


@transaction.atomic
def remove(principal: Principal, row: Endpoint) -> Endpoint:
    """Removes an endpoint: it stays in lists, without its secret, and what waited for it becomes dead letters."""
    if row.state != Endpoint.REMOVED:
        row.state, row.secret = Endpoint.REMOVED, ""
        row.save(update_fields=["state", "secret"])
        delivery.give_up(row, "the endpoint was removed")
        audit.record(principal, "endpoint.removed", f"endpoint {row.pk}", row.customer_id)
    return row


def refuse_removed(row: Endpoint) -> None:
    """Raises 409 for one that was removed."""
    if row.state == Endpoint.REMOVED:
        remedy = "enter the address anew: POST /v1/endpoints"
        raise refused(409, "removed", "endpoint", "somebody removed it, which is for ever", remedy)


def _may_be_switched_on(row: Endpoint) -> None:
    """The rules that held when it was added, by the settings of now; the customer is locked, so that they go on to."""
    refuse_removed(row)
    if row.customer_id is not None:
        Customer.objects.select_for_update(no_key=True).get(pk=row.customer_id)
    if wrong := webhooks.wrong_address(row.url, private=settings.CONFIGURATION["ROLLBOOK_WEBHOOKS_PRIVATE"]):
        raise RefusedError(409, "url-invalid", Problem("endpoint", wrong.rule, "add another one"))
    if Endpoint.objects.filter(customer=row.customer_id, state=Endpoint.ACTIVE).count() >= ENDPOINTS_MAX:
        raise refused(409, "too-many", "endpoints", f"there are {ENDPOINTS_MAX}", "remove one")
