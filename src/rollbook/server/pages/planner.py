"""The planner: which plan suits (F-01, S-19), and how much of it a rollout needs (D-01, A-37).

Two questions: a rollout that is planned, and the term so far by the rules of other plans. Both are forms that are sent
by themselves while something is moved, and by a button without a script; everything asked for stands in the address.
Figures are `advice.rollout`'s and `live.history`'s; here they only get places and words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from rollbook.model.subscription import Subscription
from rollbook.server import clock
from rollbook.server.access.principals import OWN, Principal, subscription_for
from rollbook.server.live import contracts, history
from rollbook.server.models import Subscription as Row
from rollbook.server.pages import planner_figures, shell
from rollbook.server.pages.planner_form import SLIDER_MAX, PlannerForm, plans_for
from rollbook.server.pages.registry import page


@page("subscriptions/<int:number>/planner", OWN, name="planner")
def planner(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """A planned rollout by every plan."""
    row = subscription_for(principal, number)
    return _page(request, principal, row, "rollout", _rollout(request, row))


@page("subscriptions/<int:number>/planner/figures", OWN, name="planner-figures")
def figures(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The same without what stands around it, for what was moved."""
    row = subscription_for(principal, number)
    answer = shell.part(request, "planner/rollout.html", {"row": row, **_rollout(request, row)})
    answer["HX-Replace-Url"] = f"{reverse('planner', kwargs={'number': number})}?{request.GET.urlencode()}"
    return answer


@page("subscriptions/<int:number>/planner/history", OWN, name="planner-history")
def own_history(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The term so far by every plan. It takes seconds, so it is loaded afterwards; or with the page, by `now`."""
    row = subscription_for(principal, number)
    shown = _history(request, row) if "now" in request.GET else {"form": _form(request, row), "loads": True}
    return _page(request, principal, row, "history", shown)


@page("subscriptions/<int:number>/planner/history/figures", OWN, name="planner-history-figures")
def history_figures(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The figures of a history."""
    row = subscription_for(principal, number)
    return shell.part(request, "planner/history.html", {"row": row, **_history(request, row)})


def _page(request: HttpRequest, principal: Principal, row: Row, tab: str, shown: dict[str, Any]) -> HttpResponse:
    asked = request.GET.copy()
    asked.pop("now", None)
    around = {"tab": tab, "asked": asked.urlencode(), "slider_max": SLIDER_MAX, **shown}
    crumbs = shell.of_customer(row)
    return shell.show(request, principal, "planner/planner.html", around, row=row, here="planner", crumbs=crumbs)


def _form(request: HttpRequest, row: Row) -> PlannerForm:
    return PlannerForm(request.GET, plans=plans_for(row), own=contracts.subscription_of(row))


def _rollout(request: HttpRequest, row: Row) -> dict[str, Any]:
    form = _form(request, row)
    asked = form.asked()
    if asked is None:
        return {"form": form}
    own = form.own
    bought = own.bought(min(max(clock.now_us(), own.start_us), own.end_us - 1))
    return {"form": form, **planner_figures.rollout(_next_year(own), asked, bought)}


def _history(request: HttpRequest, row: Row) -> dict[str, Any]:
    form = _form(request, row)
    asked = form.asked()
    now_us = clock.now_us()
    if not asked or now_us < form.own.start_us:
        return {"form": form}
    found = history.compared(row, [it.plan for it in asked.plans], min(now_us, form.own.end_us))
    return {"form": form, **planner_figures.history(form.own, found, asked)}


def _next_year(own: Subscription) -> Subscription:
    """A year under the same agreement from the first day of the next month on, without what was bought."""
    start, end = planner_figures.next_year(own.zone, clock.now_us())
    return replace(own, start=start, end=end, anchor=None, quantities=(), approvals=(), changes=())
