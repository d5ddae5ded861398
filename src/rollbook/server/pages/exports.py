"""Every report as a file (S-25, S-28): the same answer as the API's, asked for with a click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

from rollbook.errors import Problem
from rollbook.reports.named import LEARNER, REPORTS
from rollbook.server.access.principals import Principal
from rollbook.server.api.reports import report
from rollbook.server.live import contracts
from rollbook.server.models import Subscription
from rollbook.server.pages.registry import page
from rollbook.server.refusals import RefusedError

FORMS = ("csv", "xlsx", "json")

WORDS: dict[str, tuple[Any, Any]] = {
    "usage": (
        gettext_lazy("Active learner usage"),
        gettext_lazy("Active in each period, and used of what is included so far"),
    ),
    "mau": (gettext_lazy("Active users"), gettext_lazy("Who was active in each period, against what is included")),
    "consumption": (gettext_lazy("Consumption"), gettext_lazy("Included, used, left and beyond, month by month")),
    "users": (gettext_lazy("Users"), gettext_lazy("How each learner stands in the term")),
    "metering-events": (
        gettext_lazy("Metering events"),
        gettext_lazy("Who became active, went on or ceased to be, and when"),
    ),
    "status": (
        gettext_lazy("Status"),
        gettext_lazy("Who was active in each period, since when and why"),
    ),
    "guests": (gettext_lazy("Guests"), gettext_lazy("How many entries were of guests")),
}
"""Title and purpose of each report."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A report at one level, with the forms in which it can be had."""

    name: str
    title: Any
    purpose: Any
    by: str
    forms: tuple[str, ...] = FORMS


def offered(principal: Principal, row: Subscription) -> list[Offered]:
    """What somebody may have: rows of learners are for those who may see learners."""
    plan = contracts.plan_of(row.plan)
    return [
        Offered(it.name, *WORDS.get(it.name, (it.title, it.purpose)), by)
        for it in REPORTS.values()
        for by in it.levels
        if (by != LEARNER or principal.may("learners:read"))
        and any(shape.by == by and shape.applies(plan) for shape in it.shapes)
        and (it.name != "guests" or plan.meter.guests != "free")
    ]


@page("subscriptions/<int:number>/reports/<str:name>.<str:by>.<str:form>", "usage:read", name="report")
def download(
    request: HttpRequest,
    principal: Principal,  # noqa: ARG001 - what it needs is asked of the request
    number: int,
    name: str,
    by: str,
    form: str,
) -> HttpResponseBase:
    """One report as a file. Rows of learners need learners:read; the API's route says so."""
    if form not in FORMS:
        raise RefusedError(404, "not-found", Problem("report", "there is no such form of it", "choose another"))
    return report(request, number, name, by, form)  # type: ignore[arg-type]
