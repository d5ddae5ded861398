"""Rules of a roster: in words, tried and switched on, and what each night came of them; a stopped run asks here.

Nothing is decided or counted here, see `receiving.rules`. Whoever may read the roster may read this; each form needs
what changing the roster needs.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from rollbook.errors import Problem, RollbookError
from rollbook.model.instants import from_us
from rollbook.server import clock
from rollbook.server.access.principals import Principal, customer_for
from rollbook.server.models import Customer, RulesRun, RulesVersion
from rollbook.server.pages import roster_words, rules_words, shell
from rollbook.server.pages.office import audit_words
from rollbook.server.pages.office.forms import cursor, whole
from rollbook.server.pages.registry import page
from rollbook.server.pages.roster import READ, WRITE, cycles
from rollbook.server.receiving import rules
from rollbook.server.refusals import RefusedError, refused

RUNS_MAX = 20
"""Runs of one page."""

EXAMPLE = """budget_learners_active = 0

[[cycle]]
name = "Terms"

[[cycle.steps]]
when = "ends"
do = "disable"

[[cycle.steps]]
when = "ends"
do = "deactivate"
"""
"""What stands in the editor at first: learners become inactive by themselves (W-31), and nobody active."""

OTHERS_MAX = 20
"""Versions that are off and lead to what they say; older ones are reached from their runs."""


@page("customers/<int:number>/roster/rules", READ, name="roster-rules")
def roster_rules(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster/rules: what is on and in trial, the text, and the runs."""
    return _show(request, principal, customer_for(principal, number))


@page("customers/<int:number>/roster/rules/change", WRITE, name="roster-rules-change", methods=("POST",))
def change(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster/rules/change: `act` says what is done; what was wrong is shown on the same page."""
    customer, now_us = customer_for(principal, number), clock.now_us()
    act, which = request.POST.get("act", ""), whole(request.POST.get("number", ""))
    try:
        if act == "dry-run":
            found = rules.dry_run(principal, customer, which, now_us)
            return _show(request, principal, customer, dry=found)
        if act == "put":
            return _put(request, principal, customer, now_us)
        if act == "on":
            rules.switch_on(principal, customer, which, now_us)
            said = gettext("The rules are on: they run from the coming midnight on.")
        elif act == "off":
            rules.switch_off(principal, customer, which, now_us)
            said = gettext("The rules are off. What they did stays done.")
        elif act == "agree":
            rules.agree(principal, customer, which, request.POST.get("digest", ""), now_us)
            said = gettext("It was done.")
        elif act == "refuse":
            rules.refuse(principal, customer, which, now_us)
            said = gettext("It was refused: nothing has changed.")
        else:
            raise refused(422, "invalid", "act", "this cannot be done here", "use the buttons of the page")
    except RefusedError as error:
        if error.status not in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise
        return _show(request, principal, customer, refusal=error)
    return shell.back(request, reverse("roster-rules", kwargs={"number": number}), said)


def _put(request: HttpRequest, principal: Principal, customer: Customer, now_us: int) -> HttpResponse:
    # A browser ends lines as forms do; what is kept is what was meant.
    text = request.POST.get("text", "").replace("\r\n", "\n")
    if wrong := rules.problems_of(text):
        return _show(request, principal, customer, text=text, wrong=list(rules_words.with_lines(text, wrong)))
    newest = rules.versions(customer).order_by("-number").first()
    kept = {"zone": newest.zone, "organisations": newest.organisations} if newest else {}
    made = rules.put(principal, customer, text, now_us, **kept)
    said = gettext("Version %(n)s is in trial: see what it would do, then switch it on.") % {"n": made.number}
    return shell.back(request, reverse("roster-rules", kwargs={"number": customer.pk}), said)


def _show(
    request: HttpRequest,
    principal: Principal,
    customer: Customer,
    *,
    dry: rules.DryRun | None = None,
    text: str | None = None,
    wrong: list[Any] | None = None,
    refusal: RefusedError | None = None,
) -> HttpResponse:
    versions = rules.versions(customer)
    running = [*versions.exclude(state=RulesVersion.OFF).order_by("state")]
    picked = versions.filter(number=whole(request.GET.get("version", ""))).first()
    shown_versions = running or [*versions.order_by("-since", "-number")[:1]]
    if picked and picked not in shown_versions:
        shown_versions.append(picked)
    source = picked or versions.order_by("-number").first()
    others = versions.exclude(pk__in=[it.pk for it in shown_versions]).order_by("-number")
    after = cursor(request)
    rows = rules.runs(customer).order_by("-pk")
    found = list((rows.filter(pk__lt=after) if after else rows)[: RUNS_MAX + 1])
    waiting = rules.asking(customer.pk)
    newest_run = rows.filter(version__state=RulesVersion.ON).first()
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else refusal.status if refusal else HTTPStatus.OK
    shown = {
        "owner": customer,
        "tab": "rules",
        "may_write": principal.may(WRITE),
        "versions": [_version(it) for it in shown_versions],
        "dry": _dry(dry) if dry else None,
        "others": list(others.values_list("number", flat=True)[:OTHERS_MAX]),
        "replaced": next((it.number for it in running if it.state == RulesVersion.ON), None),
        "cycles": cycles(),
        "asks": bool(waiting),
        "text": text if text is not None else source.text if source else EXAMPLE,
        "text_of": source if text is None else None,
        "text_max": rules.TEXT_MAX,
        "wrong": wrong or [],
        "refusal": refusal.problems if refusal else (),
        "waiting": _run(waiting) if waiting else None,
        "failed": _run(newest_run) if newest_run and newest_run.state == RulesRun.FAILED else None,
        "runs": [_run(it) for it in found[:RUNS_MAX]],
        "next": found[RUNS_MAX - 1].pk if len(found) > RUNS_MAX else None,
        "first": 0 if after else None,
    }
    crumbs = shell.to_customer(customer)
    return shell.show(
        request,
        principal,
        "roster/rules.html",
        shown,
        customer=customer,
        here="roster",
        crumbs=crumbs,
        status=int(status),
    )


def _version(row: RulesVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "row": row,
        "state": rules_words.STATES[row.state],
        "badge": rules_words.BADGES[row.state],
        "is_on": row.state == RulesVersion.ON,
        "is_off": row.state == RulesVersion.OFF,
        "next": from_us(clock.now_us()).astimezone(ZoneInfo(row.zone)).date() + timedelta(days=1),
    }
    try:
        found = rules.parsed(row.text)
    except RollbookError as error:  # what could be said when it was put can be said no more
        return shown | {"told": [], "wrong": error.problems}
    return shown | {"told": rules_words.told(found), "budget": rules_words.budget(found.budget_learners_active)}


def _run(row: RulesRun) -> dict[str, Any]:
    return {
        "row": row,
        "state": rules_words.RUNS[row.state],
        "by": audit_words.actor(row.answered_by),
        "does": roster_words.decided(row.decided),
        "problems": [Problem(**it) for it in row.problems],
        "has_failed": row.state == RulesRun.FAILED,
        "only_would": row.state in (RulesRun.TRIAL, RulesRun.STOPPED, RulesRun.REFUSED),
    }


def _dry(found: rules.DryRun) -> dict[str, Any]:
    return {
        "of": found,
        "does": roster_words.decided(found.decided),
        "rows": [roster_words.plan_of(it) for it in found.effects],
        "strangers": found.strangers,
        "budget": rules_words.budget(found.budget),
    }
