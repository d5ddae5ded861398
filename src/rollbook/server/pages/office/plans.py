"""Plans: every published and kept version, one in words, and an editor that runs its cases while somebody types.

What is typed is read and counted on the server and kept nowhere until it is saved: as a version of its own, from a day
on. It is bounded: `TEXT_MAX` characters, the cases of one plan, and `SECONDS` for all of them.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext

from rollbook.errors import PlanError, Problem
from rollbook.model.plan import Plan, parse_plan, unknown_types
from rollbook.plans import cases
from rollbook.render.prices import rate_in_words
from rollbook.server.access.principals import Principal
from rollbook.server.billing import agreements
from rollbook.server.models import PlanVersion
from rollbook.server.pages import definitions, shell
from rollbook.server.pages.registry import page
from rollbook.server.refusals import RefusedError, missing, refused

NEEDS = "manage"
TEXT_MAX = 20_000
"""Characters of a plan in the editor; published plans have about 1,500."""

SECONDS = 0.5
"""After so long no more cases are begun; the slowest plan's take a tenth of a second."""

FILE = "plan.toml"

KEYS = {
    "Counts": "meter.counts",
    "Counts from": "meter.holds",
    "Until": "meter.holds",
    "Begun before the term": "holds.opens",
    "How often": "meter.unit, minimum, first_ever",
    "Only while": "meter.while",
    "Does not count": "meter.exempt",
    "Guests": "meter.guests",
    "Billing periods": "window",
    "Included": "allowance",
    "Beyond it": "limit.policy",
}
"""Which keys of a plan say what its words say, by the label of `definitions`."""

NEW = """id = "my-plan"
title = "My plan"
vendor = "Us"
summary = "Everyone who logs in counts once in each calendar month."
sources = []

[meter]
counts = ["login"]

[window]
kind = "calendar-month"
zone = "UTC"

[allowance]
per = "window"

[limit]
policy = "notify"
"""
"""What an editor begins with that is asked for no plan."""


@page("plans", NEEDS, name="plans")
def plans(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/plans."""
    found: dict[str, list[tuple[Plan, PlanVersion | None]]] = {}
    for plan, row in agreements.versions()[: agreements.STEPS_MAX]:
        found.setdefault(plan.id, []).append((plan, row))
    groups = sorted(((id_, _latest(rows), rows) for id_, rows in found.items()), key=lambda it: it[1].title.casefold())
    return shell.show(request, principal, "office/plans.html", {"groups": groups}, here="plans")


@page("plans/<str:plan>", NEEDS, name="plan")
def plan(request: HttpRequest, principal: Principal, plan: str) -> HttpResponse:
    """/plans/{plan}?version=…: one version in words, by the beginning of its digest; without one, the latest."""
    rows = agreements.versions(plan)
    wanted = request.GET.get("version", "")
    chosen = [it for it in rows if it[0].digest.startswith(wanted)] if wanted else rows
    if not chosen:
        raise missing("plan")
    shown = chosen[0] if wanted else next(it for it in rows if it[0] is _latest(rows))
    crumbs = [(gettext("Plans"), reverse("plans"))]
    more = {"versions": rows, "kept": shown[1] is not None, "it": shown[0], "described": _described(shown[0])}
    return shell.show(request, principal, "office/plan.html", more, here="plans", crumbs=crumbs)


@page("plan-editor", NEEDS, name="plan-editor", methods=("GET", "POST"))
def editor(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/plan-editor?plan=…&version=…; a POST with `save` keeps the text as a version of its own, else looks at it."""
    if request.method == "POST":
        text = _typed(request)
        if "save" in request.POST:
            try:
                return _saved(request, principal, text)
            except (PlanError, RefusedError) as error:
                return _edit(request, principal, text, error.problems, 422)
        return _edit(request, principal, text)
    return _edit(request, principal, _text_of(request.GET.get("plan", ""), request.GET.get("version", "")))


@page("plan-editor/check", NEEDS, name="plan-check", methods=("POST",))
def check(request: HttpRequest, principal: Principal) -> HttpResponseBase:  # noqa: ARG001
    """What stands beside the text while somebody types."""
    return shell.part(request, "office/plan_checked.html", _checked(_typed(request)))


def _edit(
    request: HttpRequest,
    principal: Principal,
    text: str,
    refusals: tuple[Problem, ...] = (),
    status: int = 200,
) -> HttpResponse:
    shown = {"text": text, "refusals": refusals, "text_max": TEXT_MAX, **_checked(text)}
    if shown["problems"]:
        shown["refusals"] = ()  # they stand beside the text already
    crumbs = [(gettext("Plans"), reverse("plans"))]
    template = "office/plan_editor.html"
    return shell.show(request, principal, template, shown, here="plans", crumbs=crumbs, status=status)


def _typed(request: HttpRequest) -> str:
    """The text, with the line ends of a file."""
    return request.POST.get("text", "").replace("\r\n", "\n")


def _text_of(plan_id: str, version: str) -> str:
    """Of the version that is to be changed; of a new plan where none is named."""
    if not plan_id:
        return NEW
    rows = agreements.versions(plan_id)
    chosen = [plan for plan, _ in rows if version and plan.digest.startswith(version)] or (
        [_latest(rows)] if rows else []
    )
    if not chosen:
        raise missing("plan")
    return chosen[0].text


def _read(text: str) -> Plan:
    """The plan of a text. Raises PlanError with everything that is wrong with it."""
    if len(text) > TEXT_MAX:
        rule = f"it has more than {TEXT_MAX:,} characters"
        raise PlanError(Problem(FILE, rule, "shorten it; comments may go"))
    return parse_plan(text, FILE)


def _checked(text: str) -> dict[str, Any]:
    """The plan in words with its cases run; or what is wrong with the text."""
    try:
        found = _read(text)
    except PlanError as error:
        return {"problems": error.problems, "described": None}
    ran = list(cases.run_all(found, found.id, SECONDS))
    return {
        "problems": (),
        "advice": unknown_types(found, FILE),
        "described": _described(found),
        "ran": sorted(ran, key=lambda it: (it.holds, it.name)),
        "hold": sum(it.holds for it in ran),
        "known": {plan.digest for plan, _ in agreements.versions(found.id)} >= {found.digest},
    }


def _saved(request: HttpRequest, principal: Principal, text: str) -> HttpResponse:
    found = _read(text)
    others = [plan for plan, _ in agreements.versions(found.id) if plan.digest != found.digest]
    if others and found.governance.effective_from is None:
        rule = f"{found.id} is there already, and this version does not say from when on it holds"
        remedy = "write effective_from = 2027-01-01 under [governance], with the first day"
        raise refused(422, "plan-undated", f"{FILE}: governance.effective_from", rule, remedy)
    row = agreements.publish(principal, text)
    to = reverse("plan", kwargs={"plan": found.id}) + f"?version={row.digest[:12]}"
    return shell.back(request, to, gettext("Kept for ever. New subscriptions take it from its day on."))


def _latest(rows: list[tuple[Plan, PlanVersion | None]]) -> Plan:
    """The version that begins last; of those that are kept, where any is."""
    kept = [plan for plan, row in rows if row is not None] or [plan for plan, _ in rows]
    return max(kept, key=lambda it: it.governance.effective_from or date.min)


def _described(found: Plan) -> dict[str, Any]:
    """A plan in words: what counts, what it costs, when a window is final."""
    tariff = found.tariff
    defined = definitions.definition(found, found.window.zone)
    keys = {gettext(label): key for label, key in KEYS.items()}
    rates = ((gettext("What is bought"), tariff.base), (gettext("Beyond it"), tariff.overage)) if tariff else ()
    return {
        "it": found,
        "definition": defined,
        "lines": [(label, words, keys.get(label, "")) for label, words in defined.lines],
        "prices": [(label, rate_in_words(rate, tariff.currency)) for label, rate in rates if rate and tariff],
        "approve": found.governance.close == "approve",
        "grace": found.governance.grace_days,
        "cases": [cases.Ran(it.name).title for it in cases.cases(found.id)],
    }
