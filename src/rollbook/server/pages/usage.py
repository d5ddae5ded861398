"""Usage Details: what was used of what is included (S-20), in the shape of the plan (S-21), up to this moment (S-29).

An open page asks once a second whether its version still holds, see `live.version`; what is new is put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from rollbook.accounting.account import Account
from rollbook.accounting.grants import pools, quantity
from rollbook.reports.standing import Standing, standing
from rollbook.server import clock
from rollbook.server.access.principals import Principal, subscription_for
from rollbook.server.live.usage import counted
from rollbook.server.models import Subscription
from rollbook.server.pages import charts, definitions, exports, foresight, reading, shell, usage_shapes
from rollbook.server.pages.kept import kept, version_of
from rollbook.server.pages.registry import page
from rollbook.server.pages.tile import costs_of, level_of

NEEDS = "usage:read"


@dataclass(frozen=True, slots=True)
class Pool:
    """One organisation that has its own allowance: how it stands, and its bar."""

    name: str
    now: Standing
    meter: charts.Meter


@page("subscriptions/<int:number>/usage", NEEDS, name="usage")
def usage(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/subscriptions/{number}/usage."""
    row = subscription_for(principal, number)
    shown = _shown(row) | {"reports": exports.offered(principal, row), "who": principal.may("learners:read")}
    crumbs = shell.of_customer(row)
    return shell.show(request, principal, "usage/usage.html", shown, row=row, here="usage", crumbs=crumbs)


@page("subscriptions/<int:number>/usage/live", NEEDS, name="usage-live")
def live(request: HttpRequest, principal: Principal, number: int) -> HttpResponseBase:
    """The figures anew where `version` is not theirs any more; else 204."""
    row = subscription_for(principal, number)
    if request.GET.get("version") == version_of(row):
        return HttpResponse(status=204)
    return shell.part(request, "usage/live.html", _shown(row))


@page("subscriptions/<int:number>/usage/forecast", NEEDS, name="usage-forecast")
def forecast(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """What is to be expected: it takes longer than a page may, and comes after it."""
    row = subscription_for(principal, number)
    return shell.part(request, "usage/forecast.html", {"foreseen": foresight.foreseen(row), "row": row})


def _shown(row: Subscription) -> dict[str, Any]:
    """What the templates show. Of seats everything that happened is read and walked through: of 20,000 in 150 ms."""
    seen = version_of(row)
    made = kept("usage", row, seen, lambda now_us: _made(row, now_us))
    return made | {"row": row, "version": seen, "at": clock.now_us()}


def _made(row: Subscription, now_us: int) -> dict[str, Any]:
    found = counted(row, now_us)
    now = standing(found)
    plan = found.subscription.plan_at(now_us)
    bought = _bought(found, now_us)
    return {
        "plan": plan,
        "now": now,
        "level": level_of(now),
        "bought": bought,
        "monthly": plan.window.kind.endswith("month"),
        "marks": ", ".join(map(reading.percent, plan.limit.thresholds)) if now and now.included else "",
        "meter": _meter(found, now) if now and now.included else None,
        "pools": list(_pools(found)) if now else [],
        "shaped": usage_shapes.shaped(found) if now else None,
        "shape": usage_shapes.shape_of(found),
        "definition": definitions.definition(plan, row.zone),
        "currency": found.currency,
        "costs": costs_of(found, now),
        "when": shell.when(row),
    }


def _bought(found: Account, now_us: int) -> int:
    """What is included and bought, of all pools, now; before or after the term, at its first or last instant."""
    subscription = found.subscription
    at_us = min(max(now_us, subscription.start_us), subscription.end_us - 1)
    window = next(it for it in found.windows if it.contains(at_us))
    names = pools(subscription, found.organisations)
    return sum(quantity(subscription, found.organisations, pool, window, at_us) for pool in names)


def _meter(found: Account, now: Standing) -> charts.Meter:
    thresholds = found.subscription.plan_at(now.window.start_us).limit.thresholds
    pace = float(now.pace) if now.pace is not None and now.is_open else None
    return charts.meter(now.figure, now.included, thresholds, pace)


def _pools(found: Account) -> Iterator[Pool]:
    """Organisations, where each has its own."""
    names = pools(found.subscription, found.organisations)
    if len(names) < 2:  # noqa: PLR2004 - one is the whole
        return
    for name in names:
        now = standing(found, name)
        if now:
            yield Pool(name, now, _meter(found, now))
