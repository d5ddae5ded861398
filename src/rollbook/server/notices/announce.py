"""The outbox: what is to be told is written in the transaction of what happened, and sent afterwards.

Nothing is sent here. If the transaction is rolled back, nothing happened and nobody is told. What a subscription does
not show to its customer (S-22, S-36) is told to the vendor alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from rollbook.server.live import contracts
from rollbook.server.models import Customer, Endpoint, Message, Subscription, User
from rollbook.server.models.contracts import PAID
from rollbook.server.notices.events import ADMINISTRATORS, COMMON, CUSTOMER, EVENTS, NOBODY

PEOPLE_MAX = 200
"""Addresses that one event is mailed to."""


def announce(
    event: str,
    customer: Customer | None,
    content: Mapping[str, Any],
    subscription: Subscription | None = None,
    mail: Iterable[str] | None = None,
    *,
    webhooks: bool = True,
    endpoint: Endpoint | None = None,
) -> int:
    """Writes one message for each webhook and each person to be told; how many there were.

    event         one of `EVENTS`
    customer      whom it is about; None where it is about nobody in particular
    content       the event's data, as `EVENTS` documents it: JSON values, instants as text, and no learner
    subscription  what it is about; its number, plan and zone are added to the data
    mail          addresses of those who get mail, instead of those whom the event is for; empty means nobody
    webhooks      whether programs are told
    endpoint      the one endpoint that is told, whatever it wants, instead of all that want to be

    Call it within a transaction. Raises ValueError for an event or a key of its data that is not documented.
    """
    kind = EVENTS.get(event)
    if kind is None or (unknown := content.keys() - kind.data.keys() - COMMON.keys()):
        raise ValueError(f"{event}: not documented" + (f": {sorted(unknown)}" if kind else ""))
    now = timezone.now()
    body = {"type": event, "timestamp": instant(now), "data": {**_common(customer, subscription), **content}}
    shown = kind.audience == CUSTOMER and (subscription is None or shown_to_customer(subscription))
    endpoints = [endpoint] if endpoint else _endpoints(event, customer, shown=shown) if webhooks else []
    made = [Message(channel=Message.WEBHOOK, endpoint=it) for it in endpoints]
    people = _people(kind.mail, customer, shown=shown) if mail is None else list(dict.fromkeys(mail))
    made += [Message(channel=Message.MAIL, address=address) for address in people[:PEOPLE_MAX]]
    for message in made:
        message.message_id = f"msg_{secrets.token_hex(16)}"
        message.event, message.customer, message.content, message.next_at = event, customer, body, now
    Message.objects.bulk_create(made)
    return len(made)


def shown_to_customer(subscription: Subscription) -> bool:
    """Whether a customer may see a subscription: a paid one, whose plan does not hide it (S-22, S-36)."""
    return subscription.kind == PAID and contracts.plan_of(subscription.plan).governance.visible_to_customer


def instant(at: datetime) -> str:
    """`2026-03-01T00:00:00Z`, as every instant of a message is written."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _common(customer: Customer | None, subscription: Subscription | None) -> dict[str, Any]:
    found: dict[str, Any] = {"customer": customer.name} if customer else {}
    if subscription:
        found |= {"subscription": subscription.pk, "plan": subscription.plan.plan_id, "zone": subscription.zone}
    return found


def _endpoints(event: str, customer: Customer | None, *, shown: bool) -> list[Endpoint]:
    """The vendor's own, and the customer's where it may know."""
    whose = Q(customer=None) | Q(customer=customer) if customer and shown else Q(customer=None)
    active = Endpoint.objects.filter(whose, state=Endpoint.ACTIVE).order_by("id")
    return [endpoint for endpoint in active if not endpoint.events or event in endpoint.events]


def _people(mail: str, customer: Customer | None, *, shown: bool) -> list[str]:
    """The addresses of those who get mail about it."""
    if mail == NOBODY:
        return []
    who = _those(mail, customer, shown=shown)
    return list(dict.fromkeys(who.values_list("email", flat=True)[:PEOPLE_MAX]))


def told_now(event: str, customer: Customer | None, subscription: Subscription | None) -> QuerySet[User]:
    """Whom mail about an event would go to now."""
    kind = EVENTS[event]
    shown = kind.audience == CUSTOMER and (subscription is None or shown_to_customer(subscription))
    return _those(kind.mail, customer, shown=shown)


def _those(mail: str, customer: Customer | None, *, shown: bool) -> QuerySet[User]:
    """Who gets mail about it. Where a customer may not know, or there is none, operators do."""
    who = User.objects.filter(is_active=True).exclude(email="").order_by("id")
    if mail == ADMINISTRATORS and customer and shown:
        return who.filter(role=User.ADMINISTRATOR, customer=customer)
    return who.filter(role=User.OPERATOR)
