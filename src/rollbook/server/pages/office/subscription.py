"""One subscription as it is agreed: its windows, what was bought when, plan changes, what runs in its shadow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from rollbook.accounting.account import Account
from rollbook.errors import RollbookError
from rollbook.metering.calendar import windows
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from rollbook.server import clock, models
from rollbook.server.access.principals import Principal, subscription_for, subscriptions_of
from rollbook.server.api.management_contracts import ApprovalIn, ChangeIn, QuantityIn
from rollbook.server.billing import agreements
from rollbook.server.live import contracts
from rollbook.server.live.usage import counted
from rollbook.server.models.contracts import SHADOW
from rollbook.server.pages import shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.office.subscriptions import plan_choices
from rollbook.server.pages.registry import page

NEEDS = "manage"
WINDOWS_MAX = 60
"""Windows that are shown: the latest that have begun, and those to come."""

SHADOWS_MAX = 3
"""Shadows of one subscription that are compared: each is counted for it."""

QUANTITY, SEATS, CHANGE = "quantity-%s", "seats-%s", "change-%s"
"""What the fields of each form on the page are called: several ask for a day."""

REPORTED_MAX = 30
"""Reported counts that are shown, the latest."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One window, counted by both plans: units that counted, and what each costs."""

    window: Window
    ours: int
    theirs: int
    our_cost: Any
    their_cost: Any


@dataclass(frozen=True, slots=True)
class Beside:
    """A shadow, and how it counts what the subscription counts."""

    row: models.Subscription
    plan: str
    lines: tuple[Compared, ...]
    currency: str
    their_currency: str
    costs: tuple[Any, Any]


@page("subscriptions/<int:number>", NEEDS, name="subscription")
def subscription(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/subscriptions/{number}."""
    return show_one(request, principal, subscription_for(principal, number), {})


@page("subscriptions/<int:number>/quantity", NEEDS, name="subscription-quantity", methods=("POST",))
def quantity(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """So many units in all, from a day on."""
    row = subscription_for(principal, number)

    def work(said: dict[str, Any]) -> None:
        asked = QuantityIn(**said)
        agreements.add_quantity(principal, row, asked.units, asked.day, asked.organisation)

    form = typed.Units(request.POST, auto_id=QUANTITY)
    done = gettext("The quantity is noted, and everything is counted by it.")
    return _sent(request, principal, row, ("quantity", form), work, done)


@page("subscriptions/<int:number>/approve-seats", NEEDS, name="subscription-seats", methods=("POST",))
def approve_seats(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """So many more released seats may be taken by others, from a day on (S-07)."""
    row = subscription_for(principal, number)

    def work(said: dict[str, Any]) -> None:
        asked = ApprovalIn(**said)
        agreements.approve(principal, row, asked.seats, asked.day)

    form = typed.Seats(request.POST, auto_id=SEATS)
    done = gettext("Approved: so many more released seats may be taken.")
    return _sent(request, principal, row, ("seats", form), work, done)


@page("subscriptions/<int:number>/change", NEEDS, name="subscription-change", methods=("POST",))
def change(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Another plan, or another version of it, from the next window on."""
    row = subscription_for(principal, number)

    def work(said: dict[str, Any]) -> None:
        asked = ChangeIn(**said)
        agreements.change_plan(principal, row, asked.plan, asked.day)

    form = typed.Change(request.POST, plans=plan_choices(), auto_id=CHANGE)
    done = gettext("The plan changes with the next period from that day on.")
    return _sent(request, principal, row, ("change", form), work, done)


def _sent(
    request: HttpRequest,
    principal: Principal,
    row: models.Subscription,
    named: tuple[str, forms.Form],
    work: Callable[[dict[str, Any]], None],
    done: str,
) -> HttpResponse:
    """Does what a form of the page asks for and says so; where it cannot be done, the page with what is wrong."""
    name, form = named

    def worked(said: dict[str, Any]) -> bool:
        work(said)
        return True

    if typed.done(form, worked):
        return shell.back(request, _address(row), done)
    return show_one(request, principal, row, {name: form})


def _address(row: models.Subscription) -> str:
    return reverse("subscription", kwargs={"number": row.pk})


def show_one(
    request: HttpRequest, principal: Principal, row: models.Subscription, typed_in: dict[str, forms.Form]
) -> HttpResponse:
    """The page, with forms as they were typed in and refused, by name: quantity, seats, change, hold."""
    problem, agreed = "", None
    try:
        agreed = contracts.subscription_of(row)
    except RollbookError as error:  # written by another version of this program
        problem = str(error)
    term = windows(agreed) if agreed else ()
    now_us = clock.now_us()
    shown = {
        "agreed": agreed,
        "problem": problem,
        "kind": typed.KINDS_IN_WORDS[row.kind],
        "when": shell.when(row),
        "windows": _around(term, now_us),
        "count": len(term),
        "now_us": now_us,
        "steps": sorted(agreed.quantities, key=lambda it: -it.from_us) if agreed else (),
        "changes": agreed.changes if agreed else (),
        "organisations": contracts.organisations_of(row)[:WINDOWS_MAX],
        "beside": [_beside(row, it) for it in _shadows(principal, row)] if agreed else (),
        "reported": row.reported_counts.order_by("-pk")[:REPORTED_MAX],
        "approves": _awaiting(row, agreed, now_us),
        "approvals": sorted(agreed.approvals, key=lambda it: -it.from_us) if agreed else (),
        "seats_form": typed_in.get("seats") or typed.Seats(auto_id=SEATS),
        "hold_form": typed_in.get("hold") or typed.Reason(),
        "quantity_form": typed_in.get("quantity") or typed.Units(auto_id=QUANTITY),
        "change_form": typed_in.get("change")
        or typed.Change(plans=plan_choices(), initial={"plan": row.plan.plan_id}, auto_id=CHANGE),
    }
    crumbs = [
        (gettext("Subscriptions"), reverse("subscriptions")),
        (row.customer.name, reverse("customer", kwargs={"number": row.customer_id})),
    ]
    status = 422 if any(it.errors for it in typed_in.values()) else 200
    template = "office/subscription.html"
    return shell.show(request, principal, template, shown, row=row, here="subscriptions", crumbs=crumbs, status=status)


def _awaiting(row: models.Subscription, agreed: Subscription | None, now_us: int) -> int | None:
    """Seats that were released and may not be taken yet; None where no plan of the term asks for an approval."""
    if agreed is None or not agreed.plan.allowance.reuse_requires_approval:
        return None
    begun = [it for it in counted(row, now_us).seats if it.window.start_us <= now_us]
    return sum(it.awaiting for it in begun if it.window == begun[-1].window)


def _around(term: tuple[Window, ...], now_us: int) -> tuple[Window, ...]:
    """As many as are shown: from the end where all have begun, else so that the one that runs is among them."""
    begun = sum(it.start_us <= now_us for it in term)
    first = max(min(begun - WINDOWS_MAX // 2, len(term) - WINDOWS_MAX), 0)
    return term[first : first + WINDOWS_MAX]


def _shadows(principal: Principal, row: models.Subscription) -> list[models.Subscription]:
    """What runs beside it and charges nothing: shadows of the same customer that overlap it."""
    if row.kind == SHADOW:
        return []
    found = subscriptions_of(principal).filter(customer=row.customer_id, kind=SHADOW)
    return list(found.filter(start__lt=row.end, end__gt=row.start)[:SHADOWS_MAX])


def _beside(row: models.Subscription, shadow: models.Subscription) -> Beside:
    now_us = clock.now_us()
    ours, theirs = counted(row, now_us), counted(shadow, now_us)
    starts = {it.start_us: it.number for it in theirs.windows}
    lines = []
    for window in ours.windows:
        other = starts.get(window.start_us)
        if other is not None and ours.of(window.number) and theirs.of(other):
            lines.append(
                Compared(
                    window,
                    sum(it.active for it in ours.of(window.number)),
                    sum(it.active for it in theirs.of(other)),
                    _cost(ours, window.number),
                    _cost(theirs, other),
                )
            )
    return Beside(
        shadow,
        contracts.plan_of(shadow.plan).title,
        tuple(reversed(lines)),
        ours.currency,
        theirs.currency,
        (_cost(ours), _cost(theirs)),
    )


def _cost(found: Account, window: int | None = None) -> Any:
    total = found.total(window) if found.currency else None
    return total.amount if total is not None else None
