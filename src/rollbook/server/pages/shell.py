"""What stands around every page: navigation, the subscription at hand with others to switch to, and the reader.

`show` makes a whole page, `part` a piece of one for htmx, `back` what follows a form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext

from rollbook.model.instants import from_us
from rollbook.server import clock
from rollbook.server.access.principals import Principal, subscriptions_of
from rollbook.server.live import contracts
from rollbook.server.models import Customer, Subscription
from rollbook.server.pages import guide, navigation
from rollbook.server.pages.declared import PAGES

TERMS_MAX = 60
"""In the switcher; the latest. A customer with more has a list of its own with the vendor."""

Crumb = tuple[str, str]
"""What a page on the way here is called, and its address."""

CURRENT, COMING, PAST = "current", "coming", "past"


@dataclass(frozen=True, slots=True)
class Term:
    """A subscription in the switcher: its plan and whole days; `when` is current, coming or past."""

    number: int
    plan: str
    start: date
    end: date
    zone: str
    when: str
    here: bool
    href: str = ""


def show(
    request: HttpRequest,
    principal: Principal,
    template: str,
    shown: Mapping[str, Any] | None = None,
    *,
    row: Subscription | None = None,
    customer: Customer | None = None,
    here: str = "",
    crumbs: Sequence[Crumb] = (),
    switches: bool = True,
    status: int = 200,
) -> HttpResponse:
    """A page. `row` or `customer` is what it is about; `here` the name of the page, for the navigation.

    shown     the page's own: it names nothing otherwise than every page does
    switches  whether it is offered for the other terms, too
    """
    customer = row.customer if row else customer or _own(principal)
    terms = terms_of(principal, customer, row, here) if customer else []
    at_hand = row.pk if row else default_of(terms) if not principal.vendor else None
    around = {
        "principal": principal,
        "sections": navigation.sections(
            principal, at_hand, here, customer.pk if customer else None, customer.name if customer else ""
        ),
        "customer": customer,
        "row": row,
        "terms": _grouped(terms) if row and switches else [],
        "term": next((it for it in terms if it.here), None),
        "guide": guide.of(request) if status in (HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY) else "",
        "crumbs": crumbs if principal.vendor or not customer else crumbs[1:],
    }
    if twice := [name for name in around.keys() & (shown or {}).keys() if shown and shown[name] is not around[name]]:
        raise ValueError(f"{template} is shown another {' and '.join(sorted(twice))} than every page has")
    return render(request, template, {**around, **(shown or {})}, status=status)


def part(request: HttpRequest, template: str, shown: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """A piece of a page."""
    return render(request, template, dict(shown), status=status)


def back(request: HttpRequest, to: str, said: str = "") -> HttpResponse:
    """After a form: to a page of our own, which says what was done."""
    if said:
        messages.success(request, said)
    return HttpResponseRedirect(own_address(to))


def own_address(wanted: str) -> str:
    """An address of this server that somebody asked for, or the first page; never another host."""
    own = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if own else "/"


def of_customer(row: Subscription) -> list[Crumb]:
    """The way to a subscription, see `to_customer`."""
    return to_customer(row.customer)


def to_customer(customer: Customer) -> list[Crumb]:
    """The way to a customer for the vendor. A customer's own way begins after it."""
    if "customer" in PAGES:
        return [(customer.name, reverse("customer", kwargs={"number": customer.pk}))]
    return [(customer.name, reverse("front"))]


def terms_of(principal: Principal, customer: Customer, row: Subscription | None, here: str = "") -> list[Term]:
    """What one customer has had, has and will have, as far as somebody may see it: the latest first."""
    rows = subscriptions_of(principal).filter(customer=customer)[:TERMS_MAX]
    name = here if here in {it[0] for it in navigation.OF_SUBSCRIPTION} else "usage"
    return [
        Term(
            number=it.pk,
            plan=contracts.plan_of(it.plan).title,
            start=it.start,
            end=it.end,
            zone=it.zone,
            when=when(it),
            here=row is not None and it.pk == row.pk,
            href=reverse(name, kwargs={"number": it.pk}),
        )
        for it in rows
    ]


def when(row: Subscription) -> str:
    """Whether a term runs, is to come, or is over: by the day where its midnights are."""
    today = from_us(clock.now_us()).astimezone(ZoneInfo(row.zone)).date()
    return COMING if today < row.start else PAST if today >= row.end else CURRENT


def default_of(terms: Sequence[Term]) -> int | None:
    """Which one is shown where none was asked for (S-24): one that runs, else the next to come, else the last."""
    running = [it for it in terms if it.when == CURRENT]
    coming = [it for it in terms if it.when == COMING]
    first = sorted(running, key=lambda it: it.number) or coming[-1:] or list(terms)
    return first[0].number if first else None


def _own(principal: Principal) -> Customer | None:
    return Customer.objects.filter(pk=principal.customer).first() if principal.customer is not None else None


def _grouped(terms: Sequence[Term]) -> list[tuple[str, list[Term]]]:
    named = (
        (CURRENT, ngettext("Current plan", "Current plans", sum(it.when == CURRENT for it in terms))),
        (COMING, gettext("To come")),
        (PAST, gettext("Past")),
    )
    groups = ((label, [it for it in terms if it.when == group]) for group, label in named)
    return [(label, found) for label, found in groups if found]


def not_yours() -> tuple[str, str]:
    """Why somebody may not see a page, and what to do."""
    return (
        gettext("this page is for people with another role"),
        gettext("ask an administrator of your organisation to show it to you, or to give you the role"),
    )
