"""What the platform was asked to do to the roster, and what it answered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy

from rollbook.roster.statuses import DISABLED, ENABLED, ENROLMENT_DISABLED, ENROLMENT_ENABLED
from rollbook.server import clock
from rollbook.server.access.principals import OWN, Principal, customer_for
from rollbook.server.live import roster_requests as live
from rollbook.server.models import RosterRequest
from rollbook.server.pages import roster
from rollbook.server.pages.office.forms import cursor
from rollbook.server.pages.registry import page
from rollbook.server.receiving.roster_requests import OPEN_DAYS, asks
from rollbook.server.refusals import refused

PAGE_MAX = 50
"""Requests of one page."""

GUIDE = ("server/roster", "having-the-platform-do-it")
"""Where it is explained how a platform is connected."""

STATES: tuple[tuple[str, Any], ...] = (
    (RosterRequest.REQUESTED, gettext_lazy("Waiting for an answer")),
    (RosterRequest.DONE, gettext_lazy("Done")),
    (RosterRequest.REFUSED, gettext_lazy("Refused")),
    (RosterRequest.EXPIRED, gettext_lazy("Not answered in time")),
)
"""What a state is called."""

WHAT = {
    ENABLED: gettext_lazy("Set active"),
    DISABLED: gettext_lazy("Set inactive"),
    ENROLMENT_ENABLED: gettext_lazy("Enable"),
    ENROLMENT_DISABLED: gettext_lazy("Disable"),
}
"""What was asked for."""


@page("customers/<int:number>/roster/requests", roster.READ, name="roster-requests")
def requests(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster/requests?state=…, the newest first."""
    customer, now_us = customer_for(principal, number), clock.now_us()
    state, after = request.GET.get("state", ""), cursor(request)
    if state and state not in live.STATES:
        raise refused(422, "invalid", "state", "there is no such choice in this list", "choose another")
    found, following = live.page(customer, state, after=after, limit=PAGE_MAX, newest_first=True)
    counted = live.counts(customer)
    name, heading = GUIDE
    shown = {
        "state": state,
        "counts": [(it, words, counted[it]) for it, words in STATES],
        "most": live.COUNT_MAX,
        "open_days": OPEN_DAYS,
        "any": any(counted.values()),
        "lines": [(it, WHAT.get(it.row.what, it.row.what)) for it in found],
        "first": 0 if after else None,
        "next": following,
        "several": customer.organisations.count() > 1,
        "is_connected": asks(customer),
        "connects": principal.may(OWN),
        "guide_href": f"{reverse('help-page', kwargs={'name': name})}#{heading}",
    }
    return roster.show(request, principal, "roster/requests.html", shown, customer, now_us, "requests")
