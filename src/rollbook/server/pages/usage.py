"""Usage Details: what was used of what is included (S-20), in the shape of the plan, up to this moment (S-29)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from rollbook.reports.standing import standing
from rollbook.server import clock
from rollbook.server.access.principals import Principal, subscription_for
from rollbook.server.live.usage import counted, values
from rollbook.server.pages import shell
from rollbook.server.pages.registry import page


@page("subscriptions/<int:number>/usage", "usage:read", name="usage")
def usage(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/subscriptions/{number}/usage."""
    row = subscription_for(principal, number)
    now_us = clock.now_us()
    found = counted(row, now_us)
    shown = {"now": standing(found), "usage": values(row, found, now_us)}
    crumbs = shell.of_customer(row)
    return shell.show(request, principal, "usage/usage.html", shown, row=row, here="usage", crumbs=crumbs)
