"""Whether what waits may still be sent: people leave, lose their role, or go to another customer.

An order of a report holds while whoever ordered it could order it again now; then it is paused, which its customer's
administrators are told, until one of them takes it over. Mail about events goes to whom it would go now. What is about
to be sent is asked here, so nothing that was queued before is sent after.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from rollbook.errors import RollbookError
from rollbook.reports.named import LEARNER, find
from rollbook.server.access.principals import OWN, Principal, key_principal, subscriptions_of, user_principal
from rollbook.server.live import contracts
from rollbook.server.models import Message, ReportOrder, Subscription, User
from rollbook.server.notices import announce
from rollbook.server.notices.webhooks import Result

PAUSED = "report-order.paused"

DISABLED = "whoever ordered it is disabled"
ENDED = "the key that ordered it was revoked, or has expired"
NOBODY = "whoever ordered it is not known any more"
MAY_NOT = "whoever ordered it may not do so any more"


def of_order(order: ReportOrder) -> str:
    """Why nothing of an order is sent, in words; empty where it is."""
    if order.paused:
        return order.paused
    who, why = _orderer(order)
    return "" if who and may_order(who, order) else why


def of_message(order: ReportOrder, message: Message) -> str:
    """The same of one report that waits; one that somebody asked for goes to them while they may have it."""
    asked = message.content["data"].get("asked_by")
    if asked is None:
        return of_order(order)
    user = User.objects.filter(pk=asked, is_active=True, email=message.address).first()
    if user is None:
        return "whoever asked for it is disabled, or has another address"
    return "" if may_order(user_principal(user), order) else "whoever asked for it may not have it any more"


def may_order(who: Principal, order: ReportOrder) -> bool:
    """Whether somebody could order this report now: they manage it, see its subscription, and may read what it has."""
    if not who.may(OWN) or not subscriptions_of(who).filter(pk=order.subscription_id).exists():
        return False
    try:
        named = find(order.report).shape(contracts.plan_of(order.subscription.plan), order.by).by == LEARNER
    except RollbookError:  # there is no such report, which is told when it is made
        return True
    return who.may("learners:read") or not named


def _orderer(order: ReportOrder) -> tuple[Principal | None, str]:
    user, key, now = order.created_by, order.created_by_key, timezone.now()
    if user is not None:
        return (user_principal(user), MAY_NOT) if user.is_active else (None, DISABLED)
    if key is None:
        return None, NOBODY
    holds = key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    return (key_principal(key), MAY_NOT) if holds else (None, ENDED)


def pause_orders() -> int:
    """Pauses orders whose orderers are gone, and tells of it; how many."""
    found = [order.pk for order in orders().filter(_in_doubt()) if of_order(order)]
    return sum(map(pause, found))


def orders() -> QuerySet[ReportOrder]:
    """Orders that are not paused."""
    return known().filter(paused="")


def known() -> QuerySet[ReportOrder]:
    """All orders, with what their standing depends on."""
    at_hand = ("created_by", "created_by_key", "subscription__customer", "subscription__plan")
    return ReportOrder.objects.select_related(*at_hand).order_by("pk")


def _in_doubt() -> Q:
    """What the database can tell of it; the rest is seen when an order is due."""
    user = User
    moved = Q(created_by__role=user.ADMINISTRATOR) & ~Q(created_by__customer=F("subscription__customer"))
    left = Q(created_by__is_active=False) | Q(created_by__role=user.VIEWER) | moved
    ended = Q(created_by_key__revoked_at__isnull=False) | Q(created_by_key__expires_at__lte=timezone.now())
    return left | ended | Q(created_by=None, created_by_key=None)


@transaction.atomic
def pause(number: int) -> bool:
    """Pauses an order, and tells those whose it is; False where it is paused, or may go on."""
    order = orders().select_for_update(of=("self",)).filter(pk=number).first()
    reason = of_order(order) if order else ""
    if order is None or not reason:
        return False
    order.paused = reason
    order.save(update_fields=["paused"])
    row = order.subscription
    announce.announce(PAUSED, row.customer, {"order": order.pk, "report": order.report, "reason": reason}, row)
    return True


def withheld(message: Message) -> Result | None:
    """Why a mail about an event goes to this address no more; None where it does."""
    data = message.content["data"]
    row = Subscription.objects.select_related("plan").filter(pk=data.get("subscription")).first()
    if announce.told_now(message.event, message.customer, row).filter(email=message.address).exists():
        return None
    return Result("nobody with this address is told of it any more", final=True)
