"""The page at `/`: how each current plan stands, and where to go on from here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse

from rollbook.server import clock
from rollbook.server.access.principals import PERSON, Principal, subscriptions_of
from rollbook.server.models import Subscription
from rollbook.server.pages import roster_counting, shell
from rollbook.server.pages.office.today import matters
from rollbook.server.pages.registry import page
from rollbook.server.pages.tile import tiles
from rollbook.server.receiving import rules

TILES_MAX = 8
"""Plans that are shown with their figures; each is counted for it."""


@page("", PERSON, name="front")
def front(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/: of a customer all current plans, of the vendor what needs attention too, and the latest."""
    rows = [it for it in subscriptions_of(principal)[: 4 * TILES_MAX] if shell.when(it) == shell.CURRENT]
    shown: dict[str, Any] = {
        "tiles": tiles(rows[:TILES_MAX]),
        "any": subscriptions_of(principal).exists(),
    }
    if principal.vendor:
        shown["tiles"] = sorted(shown["tiles"], key=lambda it: ("full", "near", "").index(it.level))
        shown |= {"beyond": sum(it.level == "full" for it in shown["tiles"]), "matters": matters()}
        return shell.show(request, principal, "office/today.html", shown, here="front")
    shown |= {"learners": principal.may("learners:read"), "statements": principal.may("statements:read")}
    if principal.customer and principal.may("roster:read"):
        shown["asks"] = rules.asking(principal.customer)
    shown["by_account"] = _by_account(principal, rows)
    return shell.show(request, principal, "pages/front.html", shown, here="front")


def _by_account(principal: Principal, rows: Sequence[Subscription]) -> set[int]:
    """The plans that count who is active, of somebody who can set learners inactive."""
    if not rows or not principal.may("roster:write"):
        return set()
    counted = roster_counting.of(principal, rows[0].customer, clock.now_us())
    return {number for number, title in counted.terms if title in counted.by_account}
