"""Problems of what is sent: facts that wait, and facts that were refused, by sender and code with the remedy.

What is grouped is the latest `LOOKED_AT` of each: more than anybody mends in a day, and bounded.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse

from rollbook.server.access.principals import Principal
from rollbook.server.api.paging import page as cut
from rollbook.server.models import HeldFact, Refusal
from rollbook.server.pages import shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.registry import page

LOOKED_AT = 10_000
GROUPS, PAGE = 50, 50


@page("problems", "manage", name="problems")
def problems(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/problems?code=…&sender=…: groups, and the latest of one."""
    code, sender = (request.GET.get(name, "")[:200].replace("\x00", "") for name in ("code", "sender"))
    rows = Refusal.objects.select_related("customer").filter(**_asked(code=code, sender=sender))
    found, following = cut(rows, typed.cursor(request), PAGE, newest_first=True) if code or sender else ([], None)
    shown = {
        "refused": _refused(),
        "held": _held(),
        "looked_at": LOOKED_AT,
        "code": code,
        "sender": sender,
        "rows": found,
        "before": "" if typed.cursor(request) else None,
        "after": following,
    }
    return shell.show(request, principal, "office/problems.html", shown, here="problems")


def _asked(**asked: str) -> dict[str, str]:
    return {name: value for name, value in asked.items() if value}


def _refused() -> list[dict[str, Any]]:
    """By sender and code: how many, the last instant, and rule and remedy of the last."""
    newest = Refusal.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    latest = Refusal.objects.filter(pk__gt=newest - LOOKED_AT)
    groups = list(
        latest.order_by()
        .values("sender", "code")
        .annotate(count=Count("pk"), last=Max("pk"))
        .order_by("-count", "-last")[:GROUPS]
    )
    rows = Refusal.objects.in_bulk([it["last"] for it in groups])
    return [it | {"row": rows[it["last"]]} for it in groups if it["last"] in rows]


def _held() -> list[dict[str, Any]]:
    """By reason and organisation: how many of the latest wait, and since when the first of them."""
    newest = HeldFact.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    latest = HeldFact.objects.filter(pk__gt=newest - LOOKED_AT).order_by()
    groups = latest.values("reason", "organisation", "source").annotate(count=Count("pk"), last=Max("received_at"))
    unknown = HeldFact.UNKNOWN
    return [it | {"unknown": it["reason"] == unknown} for it in groups.order_by("-count", "organisation")[:GROUPS]]
