"""The audit: who did what, when. It names no learner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from rollbook.server.access.principals import Principal, customers_of
from rollbook.server.api.fields import NUMBER_MAX
from rollbook.server.api.paging import page as cut
from rollbook.server.models import Audit
from rollbook.server.pages import shell
from rollbook.server.pages.office import audit_words as words
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.registry import page

PAGE = 50
DIGITS = 12
"""Of a number that can be an address."""

LATEST = 1000
"""Of these the actions and actors are offered."""


@dataclass(frozen=True, slots=True)
class Line:
    """One act in words: who, what, to what, and details as (label, value)."""

    row: Audit
    who: str
    did: str
    thing: str
    details: tuple[tuple[str, str], ...]

    @property
    def subscription(self) -> int | None:
        """The number of the subscription that it was done to."""
        kind, _, number = self.row.object.partition(" ")
        return int(number) if kind == "subscription" and number.isdecimal() and len(number) < DIGITS else None


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
        "rows": [Line(it, *_words(it)) for it in found],
        "actors": _choices({actor for actor, _ in latest} | {asked["actor"]}, words.actor),
        "actions": _choices({action for _, action in latest} | {asked["action"]}, words.sentence),
        "before": "" if typed.cursor(request) else None,
        "after": following,
        "filtered": bool(number or any(asked.values())),
    }
    return shell.show(request, principal, "office/audit.html", shown, here="audit")


def _words(row: Audit) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    said = words.actor(row.actor), words.sentence(row.action), words.thing(row.object)
    return *said, tuple(words.details(row.details))


def _choices(codes: Iterable[str], told: Callable[[str], str]) -> list[tuple[str, str]]:
    """(code, words) of each, by the words."""
    return sorted(((it, told(it)) for it in codes if it), key=lambda pair: (pair[1].casefold(), pair[0]))
