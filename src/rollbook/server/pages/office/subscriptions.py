"""Subscriptions: lists by what they are at, and a new one with its windows and its price before anything is agreed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from rollbook.accounting.account import Account
from rollbook.model.instants import from_us
from rollbook.server import clock, models
from rollbook.server.access.principals import Principal, customer_for, subscriptions_of
from rollbook.server.api import management_contracts as api
from rollbook.server.api.paging import page as cut
from rollbook.server.billing import agreements, closing
from rollbook.server.live import contracts
from rollbook.server.models.contracts import PILOT, SHADOW
from rollbook.server.pages import shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.office import today
from rollbook.server.pages.registry import page

NEEDS = "manage"
PAGE = 50
SOON = timedelta(days=60)
"""What ends within this time ends soon, and what begins within it begins."""

MORE = ("end", "meter", "on_hold", "organisations", "quantities", "assumed", "quote")
"""Fields that few need: they are folded away while nothing is in them."""

WINDOWS_MAX = 60
"""Windows of a preview that are shown; the rest are counted."""

STATES = (
    ("running", gettext_lazy("Running")),
    ("ending", gettext_lazy("Ending soon")),
    ("beginning", gettext_lazy("Beginning")),
    ("pilot", gettext_lazy("Pilots")),
    ("shadow", gettext_lazy("Shadows")),
    ("differing", gettext_lazy("Counted otherwise")),
    ("all", gettext_lazy("All")),
)


@page("subscriptions", NEEDS, name="subscriptions")
def subscriptions(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/subscriptions?state=…, the latest first."""
    asked = request.GET.get("state", "")
    state = asked if asked in dict(STATES) else STATES[0][0]
    rows, following = cut(_of(state, subscriptions_of(principal)), typed.cursor(request), PAGE, newest_first=True)
    shown = {
        "state": state,
        "states": STATES,
        "lines": [(it, contracts.plan_of(it.plan).title, shell.when(it)) for it in rows],
        "before": "" if typed.cursor(request) else None,
        "after": following,
        "soon": SOON.days,
    }
    return shell.show(request, principal, "office/subscriptions.html", shown, here="subscriptions")


def _of(state: str, rows: QuerySet[models.Subscription]) -> QuerySet[models.Subscription]:
    # A term ends at a local midnight: the list is cut by dates in UTC, and each row says exactly what it is at.
    day = from_us(clock.now_us()).date()
    if state == "differing":
        return rows.filter(pk__in=today.differing())
    bounds: dict[str, dict[str, Any]] = {
        "running": {"start__lte": day, "end__gt": day},
        "ending": {"start__lte": day, "end__gt": day, "end__lte": day + SOON},
        "beginning": {"start__gt": day},
        "pilot": {"kind": PILOT},
        "shadow": {"kind": SHADOW},
    }
    return rows.filter(**bounds.get(state, {}))


def plan_choices() -> list[tuple[str, str]]:
    """Plans by their ids, each with its latest title."""
    found = {plan.id: plan.title for plan, _ in agreements.versions()}
    return sorted(((id_, f"{title} ({id_})") for id_, title in found.items()), key=lambda it: it[1].casefold())


@page("customers/<int:number>/subscribe", NEEDS, name="subscribe", methods=("GET", "POST"))
def subscribe(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """A new subscription: what is asked for is shown with its windows and its price; then it is confirmed."""
    customer = customer_for(principal, number)
    choices = plan_choices()
    if request.method == "POST":
        form = typed.Subscription(request.POST, plans=choices)
        if request.POST.get("confirmed"):
            row = typed.done(form, lambda it: agreements.subscribe(principal, customer, _agreement(it)))
            if row:
                return shell.back(request, reverse("subscription", kwargs={"number": row.pk}), _said(row))
        found = typed.done(form, lambda it: agreements.preview(customer, _agreement(it))) if form.is_valid() else None
    else:
        plan = request.GET.get("plan", "")
        month = from_us(clock.now_us()).date().replace(day=1)
        form, found = typed.Subscription(plans=choices, initial={"plan": plan, "kind": "paid", "start": month}), None
    names = customer.organisations.order_by("name").values_list("name", flat=True)[:PAGE]
    shown = {
        "it": customer,
        "form": form,
        "preview": _preview(found) if found else None,
        "hints": list(names),
        "more": any(form[name].value() or form[name].errors for name in MORE),
    }
    crumbs = [
        (gettext("Customers"), reverse("customers")),
        (customer.name, reverse("customer", kwargs={"number": number})),
    ]
    status = 422 if form.errors else 200
    return shell.show(
        request, principal, "office/subscribe.html", shown, here="subscriptions", crumbs=crumbs, status=status
    )


def _agreement(said: dict[str, Any]) -> agreements.Agreement:
    """What was typed, as the API takes it."""
    units = [("", said["units"])] if said["units"] else []
    body = api.SubscriptionIn(
        **{name: said[name] for name in ("plan", "start", "end", "zone", "organisations", "kind", "meter")},
        **{name: said[name] for name in ("assumed", "quote")},
        customer=1,  # who it is was asked already
        quantities=[api.UnitsIn(organisation=name, units=bought) for name, bought in (*units, *said["quantities"])],
        on_hold=said["on_hold"] or None,
    )
    return api.agreement_of(body)


def _preview(found: Account) -> dict[str, Any]:
    now_us = clock.now_us()
    return {
        "plan": found.subscription.plan,
        "windows": found.windows[:WINDOWS_MAX],
        "more": max(len(found.windows) - WINDOWS_MAX, 0),
        "count": len(found.windows),
        "start": found.subscription.start,
        "end": found.subscription.end,
        "zone": found.subscription.zone,
        "currency": found.currency,
        "total": found.total() if found.currency else None,
        "over": sum(it.end_us <= now_us for it in found.windows),
    }


def _said(row: models.Subscription) -> str:
    at_once = closing.closes_at_once(row, clock.now_us())
    if at_once:
        words = gettext("It is agreed. %(n)s periods that are over are closed within a minute.")
        return words % {"n": at_once}
    return gettext("It is agreed, and counted from all facts that are there.")
