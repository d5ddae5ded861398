"""Statements: what was closed and is final, what is to come, and what people decide about it.

Customers see what is closed, and what runs as it stands; what waits for the vendor, and why, is the vendor's alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from rollbook.accounting.statement import active
from rollbook.books.closing import closes_us
from rollbook.metering.calendar import windows
from rollbook.model.instants import from_us
from rollbook.model.window import Window
from rollbook.reports.standing import standing
from rollbook.server import clock
from rollbook.server.access.principals import DISPUTE, Principal, subscription_for
from rollbook.server.api import statements as api
from rollbook.server.billing import approvals, statements
from rollbook.server.live import contracts
from rollbook.server.live.usage import counted
from rollbook.server.models import Closing, Statement, Subscription
from rollbook.server.pages import own, reading, shell, statement_lines
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing

NEEDS, DECIDES = "statements:read", "statements:close"

ROWS = 24
"""Statements of one page."""

COMING_MAX = 60
"""Windows that are shown as to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One line of the list.

    window  (first instant, first after it); None for a note after the term
    state   running, over, awaiting, approved, held, withheld; closed, adjusted, disputed
    words   more of the state, where there is any
    """

    number: int
    window: tuple[datetime, datetime] | None
    state: str
    href: str
    words: str = ""
    units: int | None = None
    amount: str | None = None
    currency: str = ""
    closed_at: datetime | None = None
    closes_at: datetime | None = None


class WhyForm(forms.Form):
    """Why somebody holds or disputes, on one line."""

    reason = own.OneLine(
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("One sentence, for whoever looks at it later."),
        min_length=3,
        max_length=approvals.WORDS_MAX,
    )


class DisputeForm(WhyForm):
    """Why a statement is disputed, and whether nothing more is closed meanwhile."""

    hold = forms.BooleanField(label=gettext_lazy("Close nothing more until it is released"), required=False)


@page("subscriptions/<int:number>/statements", NEEDS, name="statements", methods=("GET", "POST"))
def listed(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The list; operators approve, hold and release on it."""
    row = subscription_for(principal, number)
    form = WhyForm(request.POST if request.POST.get("do") == "hold" else None)
    if request.method == "POST" and (done := _decided(request, principal, row, form)):
        return shell.back(request, reverse("statements", kwargs={"number": number}), done)
    before = own.after(request)
    rows = statements.latest(row, before, ROWS + 1)
    corrected = statements.corrected_in(row)
    closed = [_closed(row, it, corrected) for it in rows[:ROWS]]
    coming = [] if before else list(_coming(row, principal))
    shown = {
        "closed": closed,
        "coming": coming,
        "priced": any(it.currency for it in (*closed, *coming)),
        "older": rows[ROWS - 1].number if len(rows) > ROWS else None,
        "newest": 0 if before else None,
        "decides": principal.may(DECIDES),
        "on_hold": bool(row.close_on_hold),
        "why": row.close_on_hold if principal.vendor else "",
        "form": form,
    }
    status = 422 if form.is_bound and not form.is_valid() else 200
    crumbs = shell.of_customer(row)
    return shell.show(
        request, principal, "statements/list.html", shown, row=row, here="statements", crumbs=crumbs, status=status
    )


@page("subscriptions/<int:number>/statements/<int:statement>", NEEDS, name="statement", methods=("GET", "POST"))
def one(request: HttpRequest, principal: Principal, number: int, statement: int) -> HttpResponse:
    """One statement. Administrators dispute it and withdraw that; whoever may close ends it too (W-33)."""
    row = subscription_for(principal, number)
    found = statements.find(row, statement)
    here = reverse("statement", kwargs={"number": number, "statement": statement})
    decides = principal.may(DECIDES)
    kind = DisputeForm if decides else WhyForm
    form = kind(request.POST if request.POST.get("do") == "dispute" else None)
    if request.method == "POST":
        principal.require(DECIDES, DISPUTE)
        if request.POST.get("do") == "resolve":
            approvals.resolve(found, principal)
            return shell.back(request, here, gettext("The dispute is over."))
        if request.POST.get("do") != "dispute":
            raise missing("decision")
        if form.is_valid():
            hold = form.cleaned_data.get("hold", False)
            approvals.dispute(found, form.cleaned_data["reason"], principal, and_hold=hold)
            return shell.back(request, here, gettext("Marked as disputed."))
    corrected = statements.corrected_in(row).get(found.window_number or 0, [])
    shown = {
        **statement_lines.shown(found.record, statements.closed_in(row)),
        "statement": found,
        "state": _state(found, corrected),
        "corrected_in": corrected,
        "neighbours": _neighbours(row, found),
        "decides": decides,
        "disputes": principal.may(DISPUTE),
        "by_customer": found.disputed_by == Statement.CUSTOMER,
        "learners": principal.may("learners:read"),
        "form": form,
    }
    status = 422 if form.is_bound and not form.is_valid() else 200
    return shell.show(
        request,
        principal,
        "statements/one.html",
        shown,
        row=row,
        here="statements",
        crumbs=_crumbs(row),
        status=status,
    )


@page("subscriptions/<int:number>/statements/<int:statement>.<str:form>", NEEDS, name="statement-file")
def file(
    request: HttpRequest,
    principal: Principal,  # noqa: ARG001 - what it may is asked of the request
    number: int,
    statement: int,
    form: str,
) -> HttpResponseBase:
    """A statement on paper, its charges as rows, or everything that it rests on: what the API answers."""
    if form == "pdf":
        return api.pdf(request, number, statement, str(reading.locale()))
    if form == "csv":
        return api.charges(request, number, statement)
    if form == "zip":
        return api.bundle(request, number, statement)
    raise missing("form of a statement")


@page("subscriptions/<int:number>/charges.csv", NEEDS, name="charges")
def charges(
    request: HttpRequest,
    principal: Principal,  # noqa: ARG001 - what it may is asked of the request
    number: int,
) -> HttpResponseBase:
    """The charges of all statements as rows, each with a key of its own."""
    return api.charges(request, number)


@page("subscriptions/<int:number>/statements/preview", NEEDS, name="statement-preview")
def preview(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """A window that is not closed, as it stands. Counting takes longer than a page may, and comes after it."""
    row = subscription_for(principal, number)
    window = _window(request)
    shown: dict[str, Any] = {"asked": window}
    if "counted" in request.GET:  # without a script
        shown |= _previewed(row, window)
    crumbs = _crumbs(row)
    return shell.show(request, principal, "statements/preview.html", shown, row=row, here="statements", crumbs=crumbs)


@page("subscriptions/<int:number>/statements/preview/lines", NEEDS, name="statement-preview-lines")
def preview_lines(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """What has accrued."""
    row = subscription_for(principal, number)
    return shell.part(request, "statements/accrued.html", {"row": row, **_previewed(row, _window(request))})


def _previewed(row: Subscription, window: int) -> dict[str, Any]:
    record = statements.preview(row, clock.now_us(), window or None)
    return statement_lines.shown(record, statements.closed_in(row))


def _decided(request: HttpRequest, principal: Principal, row: Subscription, form: WhyForm) -> str:
    """What was done, in words; nothing where the form says what is wrong."""
    principal.require(DECIDES)
    what = request.POST.get("do")
    if what == "release":
        approvals.release(row, principal)
        return gettext("Statements are closed again.")
    if what == "approve":
        approvals.approve(row, own.number(request.POST.get("statement", "")), principal)
        return gettext("Approved: it is closed within a minute or so, with what is known then.")
    if what != "hold":
        raise missing("decision")
    if not form.is_valid():
        return ""
    approvals.hold(row, form.cleaned_data["reason"], principal)
    return gettext("Nothing more is closed until it is released.")


def _closed(row: Subscription, it: Statement, corrected: dict[int, list[int]]) -> Shown:
    return Shown(
        number=it.number,
        window=statement_lines.window_of(it.record),
        state=_state(it, corrected.get(it.window_number or 0, [])),
        href=reverse("statement", kwargs={"number": row.pk, "statement": it.number}),
        units=active(it.record) if it.window_number else None,
        amount=it.record["total"],
        currency=it.record["currency"],
        closed_at=it.closed_at,
    )


def _state(it: Statement, corrected: list[int]) -> str:
    return "disputed" if it.disputed else "adjusted" if corrected else "closed"


def _coming(row: Subscription, principal: Principal) -> Iterator[Shown]:
    """What has begun and is not closed, the newest first; the window that runs with its figures."""
    now_us = clock.now_us()
    subscription = contracts.subscription_of(row)
    number, done = row.statements.count(), row.statements.filter(window_number__isnull=False).count()
    known = {it.number: it for it in approvals.waiting(row, number)} if principal.vendor else {}
    begun = [it for it in windows(subscription)[done:] if it.start_us <= now_us]
    coming = [(number + place, window) for place, window in enumerate(begun, 1)][-COMING_MAX:]
    note = next((it for it in known.values() if it.window_number is None), None)
    if note and not begun:
        yield Shown(number=note.number, window=None, href="", **_waits(row, note))
    for place, window in reversed(coming):
        more = _running(row, now_us) if window.contains(now_us) else {}
        more = more or _waits(row, known.get(place))
        href = reverse("statement-preview", kwargs={"number": row.pk})
        yield Shown(
            number=place,
            window=(from_us(window.start_us), from_us(window.end_us)),
            href=f"{href}?window={window.number}",
            closes_at=from_us(closes_us(subscription, window)) if _closes_later(subscription, window, now_us) else None,
            **more,
        )


def _closes_later(subscription: Any, window: Window, now_us: int) -> bool:
    return closes_us(subscription, window) > now_us


def _running(row: Subscription, now_us: int) -> dict[str, Any]:
    found = counted(row, now_us)
    now = standing(found)
    if now is None:
        return {}
    owed = found.total(now.window.number) if found.currency else None
    return {
        "state": "running",
        "units": now.active,
        "amount": str(owed.amount) if owed else None,
        "currency": found.currency,
    }


def _waits(row: Subscription, known: Closing | None) -> dict[str, Any]:
    """What keeps a statement that is over from being closed."""
    if row.close_on_hold:
        return {"state": "held"}
    if known is None:
        return {"state": "over"}
    if known.withheld:
        return {"state": "withheld", "words": known.withheld}
    if known.approved_at:
        return {"state": "approved", "words": known.approved_by}
    return {"state": "awaiting" if known.asked_at else "over"}


def _neighbours(row: Subscription, found: Statement) -> tuple[int | None, int | None]:
    before = found.number - 1 or None
    after = found.number + 1
    return before, after if row.statements.filter(number=after).exists() else None


def _crumbs(row: Subscription) -> list[shell.Crumb]:
    mine = (gettext("Statements"), reverse("statements", kwargs={"number": row.pk}))
    return [*shell.of_customer(row), mine]


def _window(request: HttpRequest) -> int:
    return own.number(request.GET.get("window", ""))
