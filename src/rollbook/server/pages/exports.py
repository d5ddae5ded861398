"""Every report as a file (S-25, S-28): the same answer as the API's, asked for with a click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

from rollbook.errors import Problem
from rollbook.reports.named import COMPANY, LEARNER, REPORTS
from rollbook.server.access.principals import Principal
from rollbook.server.api.reports import report
from rollbook.server.live import contracts
from rollbook.server.models import Subscription
from rollbook.server.pages.registry import page
from rollbook.server.refusals import RefusedError

FORMS = ("csv", "xlsx", "json")

TITLES: dict[str, Any] = {
    "usage": gettext_lazy("Active learner usage"),
    "mau": gettext_lazy("Active users"),
    "consumption": gettext_lazy("Consumption"),
    "users": gettext_lazy("Users"),
    "metering-events": gettext_lazy("Metering events"),
    "status": gettext_lazy("Status"),
    "guests": gettext_lazy("Guests"),
    "groups": gettext_lazy("Groups"),
}
"""What each report is called."""

PURPOSES: dict[tuple[str, str], Any] = {
    ("usage", COMPANY): gettext_lazy("To see at a glance how much is used: active in each period, and used so far"),
    ("mau", COMPANY): gettext_lazy("To hold the active users of each period against what is included"),
    ("consumption", COMPANY): gettext_lazy("For accounting: included, used, left and beyond, month by month"),
    ("metering-events", COMPANY): gettext_lazy("To see movement: how many were new, went on or came back, and when"),
    ("guests", COMPANY): gettext_lazy("To see what guests make up: how many entries were theirs"),
    ("groups", COMPANY): gettext_lazy("To see each department: how many of its learners were active"),
    ("mau", LEARNER): gettext_lazy("To hand on who was active in each period"),
    ("users", LEARNER): gettext_lazy("To look somebody up: how each learner stands in the term"),
    ("metering-events", LEARNER): gettext_lazy("To follow changes: who became active, went on or ceased, and when"),
    ("status", LEARNER): gettext_lazy("To check a statement: who was active in each period, since when and why"),
    ("guests", LEARNER): gettext_lazy("To find guests who come again and again, and could have an account"),
}
"""When one needs it, by report and level."""

GROUPS: dict[str, Any] = {
    COMPANY: gettext_lazy("Totals, without names"),
    LEARNER: gettext_lazy("By learner, with names"),
}
"""Under which heading it stands, by its level."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A report at one level, when one needs it, and the forms in which it can be had."""

    name: str
    title: Any
    purpose: Any
    by: str
    forms: tuple[str, ...] = FORMS

    @property
    def group(self) -> Any:
        """Under which heading it stands."""
        return GROUPS.get(self.by, "")


def offered(principal: Principal, row: Subscription) -> list[Offered]:
    """What somebody may have, totals first: rows of learners are for those who may see learners."""
    plan = contracts.plan_of(row.plan)
    found = [
        Offered(it.name, TITLES.get(it.name, it.title), PURPOSES.get((it.name, by), it.purpose), by)
        for it in REPORTS.values()
        for by in it.levels
        if (by != LEARNER or principal.may("learners:read"))
        and any(shape.by == by and shape.applies(plan) for shape in it.shapes)
        and (it.name != "guests" or plan.meter.guests != "free")
    ]
    return sorted(found, key=lambda it: (it.by == LEARNER, list(TITLES).index(it.name) if it.name in TITLES else 0))


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
