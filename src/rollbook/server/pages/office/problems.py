"""Problems of what is sent: in groups, see `problem_groups`, and the facts of one group.

Refused facts and unknown types are ticked off by an operator once they are mended; what comes later is open again.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from rollbook.server.access import audit
from rollbook.server.access.principals import Principal
from rollbook.server.api.paging import page as cut
from rollbook.server.models import Refusal, UnknownType
from rollbook.server.pages import shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.office import problem_groups as groups
from rollbook.server.pages.office.problem_groups import OPEN, RESOLVED
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing

NEEDS = "manage"
PAGE = 50
"""Facts of one group on a page."""

STATES = ((OPEN, gettext_lazy("Open")), (RESOLVED, gettext_lazy("Resolved")))


@page("problems", NEEDS, name="problems")
def problems(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/problems?state=…&code=…&sender=…: groups, and the latest facts of one."""
    code, sender = (request.GET.get(name, "")[:200] for name in ("code", "sender"))
    state = RESOLVED if request.GET.get("state") == RESOLVED else OPEN
    asked = {name: value for name, value in (("code", code), ("sender", sender)) if value}
    rows = Refusal.objects.select_related("customer").filter(groups.within(state), **asked)
    found, following = cut(rows, typed.cursor(request), PAGE, newest_first=True) if asked else ([], None)
    starts = {name: typed.cursor(request, name) for name in groups.NAMES}
    sections = [] if asked else [it for it in groups.sections(state, starts) if it.groups]
    shown = {
        "listed": sections,
        "state": state,
        "states": STATES,
        "looked_at": groups.LOOKED_AT,
        "code": code,
        "sender": sender,
        "asked": bool(asked),
        "rows": found,
        "before": "" if typed.cursor(request) else None,
        "after": following,
    }
    return shell.show(request, principal, "office/problems.html", shown, here="problems")


@page("problems/resolve", NEEDS, name="problems-resolve", methods=("POST",))
def resolve(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Ticks a group off, or opens it again. What came after the operator looked stays open."""
    said = {name: request.POST.get(name, "")[:300] for name in ("kind", "sender", "code", "state")}
    number, seen = typed.whole(request.POST.get("number", "")), typed.whole(request.POST.get("seen", ""))
    before, after = (RESOLVED, OPEN) if said["state"] == RESOLVED else (OPEN, RESOLVED)
    rows: QuerySet[Any]
    if said["kind"] == "type":
        # One more of them since then, and it is another problem.
        rows, what = UnknownType.objects.filter(pk=number, facts=seen), f"unknown type {number}"
    else:
        rows = Refusal.objects.filter(sender=said["sender"], code=said["code"], pk__lte=seen)
        what = f"refusals {said['code']} of {said['sender']}"
    changed = rows.filter(groups.within(before)).update(resolved_at=None if after == OPEN else timezone.now())
    if not changed:
        raise missing("problem")
    audit.record(principal, f"problem.{'resolved' if after == RESOLVED else 'reopened'}", what)
    back = gettext("Ticked off. It is back as soon as another one comes.")
    words = back if after == RESOLVED else gettext("Open again.")
    return shell.back(request, f"{reverse('problems')}?state={before}", words)
