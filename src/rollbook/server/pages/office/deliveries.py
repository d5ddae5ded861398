"""Deliveries: the outbox by state. Neither content nor address is shown: a list of messages names nobody."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from rollbook.server.access.principals import Principal
from rollbook.server.api.messages import resend_message
from rollbook.server.api.paging import page as cut
from rollbook.server.models import Message
from rollbook.server.pages import shell, webhooks
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.registry import page

PAGE = 50
STATES = (
    (Message.DEAD, gettext_lazy("Dead letters")),
    (Message.WAITING, gettext_lazy("Waiting")),
    (Message.SENT, gettext_lazy("Sent")),
)


EVENTS: dict[str, Any] = {
    **webhooks.TITLES,
    "statement.dispute-ended": gettext_lazy("A dispute was ended"),
    "statement.disputed": gettext_lazy("A statement is disputed"),
    "statement.awaiting-approval": gettext_lazy("A statement waits for an approval"),
    "statement.withheld": gettext_lazy("A statement could not be closed"),
    "subscription.upgrade-suggested": gettext_lazy("A larger size would fit"),
    "facts.held": gettext_lazy("Facts wait for their organisation"),
    "count.differs": gettext_lazy("Two counts differ"),
}
"""What is told, in words."""


@page("deliveries", "manage", name="deliveries")
def deliveries(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/deliveries?state=…, the newest first."""
    asked = request.GET.get("state", "")
    state = asked if asked in dict(STATES) else STATES[0][0]
    rows = Message.objects.filter(state=state).select_related("customer", "endpoint").defer("content")
    found, following = cut(rows, typed.cursor(request), PAGE, newest_first=True)
    shown = {
        "state": state,
        "states": STATES,
        "rows": [(it, EVENTS.get(it.event, it.event)) for it in found],
        "before": "" if typed.cursor(request) else None,
        "after": following,
    }
    return shell.show(request, principal, "office/deliveries.html", shown, here="deliveries")


@page("deliveries/<int:number>/resend", "manage", name="delivery-resend", methods=("POST",))
def resend(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:  # noqa: ARG001
    """Lets a message that was given up start over, with the same id."""
    resend_message(request, number)
    return shell.back(request, reverse("deliveries"), gettext("It is sent again within a minute."))
