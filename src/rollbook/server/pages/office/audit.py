"""The audit: who did what, when. It names no learner."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from rollbook.server.access.principals import Principal, customers_of
from rollbook.server.api.fields import NUMBER_MAX
from rollbook.server.api.paging import page as cut
from rollbook.server.models import Audit
from rollbook.server.pages import shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.registry import page

PAGE = 50
LATEST = 1000
"""Of these the actions and actors are offered."""


@page("audit", "manage", name="audit")
def audit(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/audit?actor=…&action=…&customer=…, the newest first."""
    asked = {name: request.GET.get(name, "")[:200].strip() for name in ("actor", "action")}
    number = typed.cursor(request, "customer")
    rows = Audit.objects.select_related("customer").filter(**{name: value for name, value in asked.items() if value})
    if number:
        rows = rows.filter(customer=min(number, NUMBER_MAX))
    found, following = cut(rows, typed.cursor(request), PAGE, newest_first=True)
    latest = Audit.objects.order_by("-pk").values_list("actor", "action")[:LATEST]
    shown = {
        **asked,
        "customer_number": number,
        "of": customers_of(principal).filter(pk=number).first() if number else None,
        "rows": found,
        "actors": sorted({actor for actor, _ in latest} | {asked["actor"]} - {""}),
        "actions": sorted({action for _, action in latest} | {asked["action"]} - {""}),
        "before": "" if typed.cursor(request) else None,
        "after": following,
        "filtered": bool(number or any(asked.values())),
    }
    return shell.show(request, principal, "office/audit.html", shown, here="audit")
