"""Approvals and tasks: statements that wait for somebody, what is held and why, and who needs a larger plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from rollbook.metering.calendar import windows
from rollbook.server.access.principals import Principal, subscription_for
from rollbook.server.api.management_notices import DoneIn, finish_task
from rollbook.server.api.paging import page as cut
from rollbook.server.billing import approvals, statements
from rollbook.server.live import contracts
from rollbook.server.models import Closing, Statement, UpgradeTask
from rollbook.server.pages import shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.office import subscription, today
from rollbook.server.pages.registry import page

NEEDS, CLOSES = "manage", "statements:close"
PAGE = 10
"""Entries of each of the five lists: the page shows them all."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A form that was refused, and the entry in which it stands: of which list, and its number."""

    form: forms.Form
    of: str
    number: int


@page("tasks", NEEDS, name="tasks")
def tasks(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/tasks. Each list has its own place where it goes on."""
    return _show(request, principal)


@page("tasks/approve/<int:number>/<int:statement>", CLOSES, name="task-approve", methods=("POST",))
def approve(request: HttpRequest, principal: Principal, number: int, statement: int) -> HttpResponse:
    """Approves a statement that waits."""
    approvals.approve(subscription_for(principal, number), statement, principal)
    return shell.back(request, reverse("tasks"), gettext("Approved. The worker closes it within a minute."))


@page("tasks/hold/<int:number>", CLOSES, name="task-hold", methods=("POST",))
def hold(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Closes nothing more of a subscription until it is released."""
    row = subscription_for(principal, number)
    form = typed.Reason(request.POST)

    def work(said: dict[str, Any]) -> bool:
        approvals.hold(row, said["reason"], principal)
        return True

    there = request.POST.get("here") == "subscription"
    if typed.done(form, work):
        to = reverse("subscription", kwargs={"number": number}) if there else reverse("tasks")
        return shell.back(request, to, gettext("Nothing of it is closed until it is released."))
    if there:
        return subscription.show_one(request, principal, row, {"hold": form})
    of, entry = request.POST.get("of", ""), typed.whole(request.POST.get("entry", ""))
    return _show(request, principal, Wrong(form, of, entry))


@page("tasks/release/<int:number>", CLOSES, name="task-release", methods=("POST",))
def release(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Closes again; tries at once what could not be closed."""
    approvals.release(subscription_for(principal, number), principal)
    return shell.back(request, reverse("tasks"), gettext("Released. What is due is closed within a minute."))


@page("tasks/resolve/<int:number>/<int:statement>", CLOSES, name="task-resolve", methods=("POST",))
def resolve(request: HttpRequest, principal: Principal, number: int, statement: int) -> HttpResponse:
    """Ends a dispute."""
    approvals.resolve(statements.find(subscription_for(principal, number), statement), principal)
    return shell.back(request, reverse("tasks"), gettext("The dispute is over."))


@page("tasks/<int:number>/done", NEEDS, name="task-done", methods=("POST",))
def done(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Says that an upgrade task is done."""
    form = typed.Note(request.POST)
    if typed.done(form, lambda it: finish_task(request, number, DoneIn(**it))) is None:
        return _show(request, principal, Wrong(form, "sales", number))
    return shell.back(request, reverse("tasks"), gettext("Done. It comes again only if they go beyond that size."))


def _show(request: HttpRequest, principal: Principal, wrong: Wrong | None = None) -> HttpResponse:
    asked, after_asked = cut(today.awaiting(), typed.cursor(request, "approvals"), PAGE)
    kept, after_kept = cut(today.withheld(), typed.cursor(request, "withheld"), PAGE)
    held, after_held = cut(
        today.on_hold().select_related("customer", "plan"), typed.cursor(request, "held"), PAGE, newest_first=True
    )
    disputed, after_disputed = cut(today.disputed(), typed.cursor(request, "disputed"), PAGE)
    sales = UpgradeTask.objects.filter(done_at=None).select_related("subscription__customer", "subscription__plan")
    open_, after_open = cut(sales, typed.cursor(request, "sales"), PAGE)
    shown = {
        "asked": [(it, *_about(it)) for it in asked],
        "kept": [(it, *_about(it)) for it in kept],
        "disputed": [(it, *_about(it)) for it in disputed],
        "held": [(it, contracts.plan_of(it.plan).title) for it in held],
        "open": [(it, contracts.plan_of(it.subscription.plan).title) for it in open_],
        "nexts": {"approvals": after_asked, "withheld": after_kept, "disputed": after_disputed}
        | {"held": after_held, "sales": after_open},
        "wrong": wrong,
    }
    return shell.show(request, principal, "office/tasks.html", shown, here="tasks", status=422 if wrong else 200)


def _about(row: Closing | Statement) -> tuple[str, Any]:
    """The plan of a statement, and its window; None for a note."""
    subscription = row.subscription
    title = contracts.plan_of(subscription.plan).title
    if row.window_number is None:
        return title, None
    term = windows(contracts.subscription_of(subscription))
    return title, next((it for it in term if it.number == row.window_number), None)
