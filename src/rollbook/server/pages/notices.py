"""Reports & alerts of one subscription: thresholds and when they were reached, and reports that come by mail.

A viewer sees the thresholds. Orders of reports are for those who manage what is the customer's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from rollbook.metering.calendar import windows
from rollbook.model.instants import from_us, start_of_day_us
from rollbook.model.plan import Plan
from rollbook.model.window import Window
from rollbook.reports.named import LEARNER, REPORTS
from rollbook.reports.standing import standing as standing_of
from rollbook.server import clock
from rollbook.server.access.principals import OWN, Principal, subscription_for
from rollbook.server.live import contracts
from rollbook.server.live.usage import counted
from rollbook.server.models import Crossing, ReportOrder, Subscription, User
from rollbook.server.notices import crossings, ordering, orders, standing
from rollbook.server.notices.crossings import Level
from rollbook.server.pages import charts, exports, own, shell
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing

FORMATS = (("csv", "CSV"), ("xlsx", "Excel (XLSX)"), ("json", "JSON"), ("parquet", "Parquet"))
EVERY = (
    (orders.CLOSE, gettext_lazy("After each period is closed")),
    (orders.MONTH, gettext_lazy("On the first of each month")),
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold of the plan, and when it was reached in the window that runs; or in the term, of a term's pool.

    more  how many more reach it, of the pool that is nearest; 0 where it is reached, None where nothing is included
    at    how many it is reached at, of how many, of that pool
    """

    percent: int
    reached: Crossing | None
    more: int | None
    at: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Order:
    """One order: what it sends, when next, and why it does not."""

    row: ReportOrder
    title: Any
    format: str
    every: Any
    next_on: date | None
    paused: str


class OrderForm(forms.Form):
    """What to send to whom, and when. `row` says which reports there are."""

    report = forms.ChoiceField(label=gettext_lazy("Report"))
    format = forms.ChoiceField(label=gettext_lazy("File"), choices=FORMATS)
    address = own.Address(
        label=gettext_lazy("To"),
        max_length=150,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text=gettext_lazy("One address; order it once more for another."),
    )
    every = forms.ChoiceField(label=gettext_lazy("When"), choices=EVERY)

    def __init__(self, principal: Principal, row: Subscription, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        grouped: dict[str, list[tuple[str, str]]] = {}
        self.reports = exports.offered(principal, row)
        for it in self.reports:
            grouped.setdefault(str(it.group), []).append((f"{it.name}.{it.by}", _titled(it.title, it.by)))
        self.fields["report"].choices = list(grouped.items())  # type: ignore[attr-defined]

    @property
    def wanted(self) -> ordering.Wanted:
        """What was chosen."""
        said = self.cleaned_data
        report, _, by = said["report"].partition(".")
        return ordering.Wanted(report, by, said["format"], said["address"], said["every"])


@page("subscriptions/<int:number>/notices", "usage:read", name="notices")
def notices(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/subscriptions/{number}/notices."""
    row = subscription_for(principal, number)
    subscription = contracts.subscription_of(row)
    term = {it.number: it for it in windows(subscription)}
    now_us = clock.now_us()
    running = next((it for it in term.values() if it.contains(now_us)), None)
    plan = subscription.plan_at(now_us) if running else subscription.plan
    told = Crossing.objects.filter(subscription=row)
    shown: dict[str, Any] = {
        "plan": plan,
        "running": running,
        "per_term": plan.allowance.per == "term",
        **_near(row, plan, running, now_us),
        **own.part(request, told, lambda it: (it, term.get(it.window_number))),
        "tasks": list(row.upgrade_tasks.filter(done_at=None).order_by("pk")[: own.ROWS]),
        "owns": principal.may(OWN),
    }
    if principal.may(OWN):
        shown["orders"] = _orders(ordering.orders_of(principal).filter(subscription=row)[: ordering.ORDERS_MAX])
    return shell.show(
        request,
        principal,
        "notices/notices.html",
        shown,
        row=row,
        here="notices",
        crumbs=shell.of_customer(row),
    )


@page("subscriptions/<int:number>/report-orders/new", OWN, name="order-new", methods=("GET", "POST"))
def new(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Orders a report."""
    row = subscription_for(principal, number)
    email = request.user.email if isinstance(request.user, User) else ""
    form = OrderForm(principal, row, request.POST if request.method == "POST" else None, initial={"address": email})
    if request.method == "POST" and form.is_valid():
        ordering.add(principal, row, form.wanted)
        return shell.back(request, reverse("notices", kwargs={"number": number}), gettext("The report is ordered."))
    return _form(request, principal, row, form, None)


@page("report-orders/<int:order>", OWN, name="order", methods=("GET", "POST"))
def one(request: HttpRequest, principal: Principal, order: int) -> HttpResponse:
    """One order: changes it, takes it over, sends one at once to whoever asks, or ends it."""
    found = ordering.order_for(principal, order)
    row = found.subscription
    back = reverse("notices", kwargs={"number": row.pk})
    before = {
        "report": f"{found.report}.{found.by or REPORTS[found.report].levels[0]}" if found.report in REPORTS else "",
        "format": found.format,
        "address": found.address,
        "every": found.every,
    }
    do = request.POST.get("do", "")
    form = OrderForm(principal, row, request.POST if do == "change" else None, initial=before)
    if request.method == "POST":
        if do == "end":
            ordering.remove(principal, order)
            return shell.back(request, back, gettext("The report is sent no more."))
        if do == "take-over":
            ordering.take_over(principal, order)
            return shell.back(request, back, gettext("The report is sent on your behalf from now on."))
        if do == "send-now":
            ordering.send_now(principal, order)
            here = reverse("order", kwargs={"order": order})
            said = gettext("It is on its way to you, and to nobody else.")
            return shell.back(request, here, said)
        if do != "change":
            raise missing("act")
        if form.is_valid():
            ordering.change(principal, order, form.wanted)
            return shell.back(request, back, gettext("Changed."))
    return _form(request, principal, row, form, found)


def _form(
    request: HttpRequest, principal: Principal, row: Subscription, form: OrderForm, found: ReportOrder | None
) -> HttpResponse:
    mine = (gettext("Reports & alerts"), reverse("notices", kwargs={"number": row.pk}))
    period = orders.last_period(found, timezone.now()) if found else ""
    return shell.show(
        request,
        principal,
        "notices/order.html",
        {
            "form": form,
            "order": _orders([found])[0] if found else None,
            "last": _period(row, period),
            "mine": request.user.email if isinstance(request.user, User) else "",
        },
        row=row,
        here="notices",
        crumbs=[*shell.of_customer(row), mine],
        switches=False,  # of another plan there is no such order
        status=422 if form.is_bound and form.errors else 200,
    )


def _period(row: Subscription, period: str) -> tuple[datetime, datetime] | None:
    """The first instant of what an order would be sent for now, and the first after it; None where there is nothing."""
    if not period:
        return None
    if period.isdecimal():
        term = windows(contracts.subscription_of(row))
        window = next(it for it in term if it.number == int(period))
        return from_us(window.start_us), from_us(window.end_us)
    first, zone = date.fromisoformat(f"{period}-01"), ZoneInfo(row.zone)
    after = (first + timedelta(days=32)).replace(day=1)
    return tuple(from_us(start_of_day_us(it, zone)) for it in (first, after))  # type: ignore[return-value]


def _orders(rows: Iterable[ReportOrder]) -> list[Order]:
    """Orders of one subscription as they stand. What is alike of several is asked for once."""
    now = timezone.now()
    standings: dict[tuple[object, ...], str] = {}
    nexts: dict[str, date | None] = {}
    found = []
    for row in rows:
        whose = (row.paused, row.created_by_id, row.created_by_key_id, row.report, row.by)
        if whose not in standings:
            standings[whose] = standing.of_order(row)
        if row.every not in nexts:
            nexts[row.every] = orders.next_on(row, now)
        paused = standings[whose]
        title = exports.TITLES.get(row.report, row.report)
        found.append(
            Order(
                row,
                _titled(title, row.by),
                dict(FORMATS).get(row.format, row.format),
                dict(EVERY).get(row.every, row.every),
                None if paused else nexts[row.every],
                _paused(paused),
            )
        )
    return found


def _titled(title: Any, by: str) -> str:
    return gettext("%(report)s, by learner") % {"report": title} if by == LEARNER else str(title)


def _paused(why: str) -> str:
    """Why an order is paused, in the reader's language."""
    return {
        standing.DISABLED: gettext("whoever ordered it is disabled"),
        standing.ENDED: gettext("the key that ordered it was revoked, or has expired"),
        standing.NOBODY: gettext("whoever ordered it is not known any more"),
        standing.MAY_NOT: gettext("whoever ordered it may not do so any more"),
    }.get(why, why)


def _near(row: Subscription, plan: Plan, running: Window | None, now_us: int) -> dict[str, Any]:
    """How things stand now, and how far each threshold is."""
    if running is None or not plan.limit.thresholds:
        return {}
    found = counted(row, now_us)
    now = standing_of(found)
    if now is None:
        return {}
    each = list(crossings.levels(found))
    meter = charts.meter(now.used, now.included, plan.limit.thresholds) if now.included else None
    return {"now": now, "several": len(each) > 1, "meter": meter, "thresholds": _thresholds(row, plan, running, each)}


def _thresholds(row: Subscription, plan: Plan, running: Window, each: Sequence[Level]) -> list[Threshold]:
    percents = plan.limit.thresholds
    rows = Crossing.objects.filter(subscription=row, forecast=False, percent__in=percents)
    if plan.allowance.per != "term":
        rows = rows.filter(window_number=running.number)
    # The last one of each stands: of several pools the one that reached it last.
    last = {it.percent: it for it in rows.order_by("pk")[: 100 * len(percents)]}
    return [Threshold(it, last.get(it), *_distance(it, each)) for it in sorted(set(percents))]


def _distance(percent: int, each: Sequence[Level]) -> tuple[int | None, tuple[int, int]]:
    """How many more reach it, and at how many of how many: as crossings compare, in whole numbers."""
    needed = [(-(-percent * it.allowance // 100), it) for it in each if it.allowance]
    nearest = min(needed, key=lambda pair: pair[0] - pair[1].used, default=None)
    if nearest is None:
        return None, (0, 0)
    return max(nearest[0] - nearest[1].used, 0), (nearest[0], nearest[1].allowance)
