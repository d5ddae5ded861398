"""Customers: the list, and everything about one on a page."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from rollbook.server import erasure
from rollbook.server.access import accounts
from rollbook.server.access.principals import Principal, customer_for, customers_of, subscriptions_of
from rollbook.server.api import management
from rollbook.server.live import contracts
from rollbook.server.models import Customer, Organisation
from rollbook.server.pages import shell, timeline
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.registry import page
from rollbook.server.pages.tile import Tile, tiles

PAGE, ORGANISATIONS, PEOPLE = 25, 200, 50
"""Of a list: customers, organisations of one, its users and keys."""

TERMS_MAX = 100
"""Terms of one customer on its timeline, the latest."""

TILES_MAX = 3
"""Plans of one customer that the list shows with their figures."""

NEEDS = "manage"


@dataclass(frozen=True, slots=True)
class Line:
    """One customer of the list, with what runs now."""

    row: Customer
    organisations: int
    plans: tuple[str, ...]
    tiles: tuple[Tile, ...]
    terms: int


@page("customers", NEEDS, name="customers", methods=("GET", "POST"))
def customers(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/customers: the list, and a new one."""
    form = typed.Name(request.POST) if request.method == "POST" else typed.Name()
    if request.method == "POST":
        made = typed.done(form, lambda it: management.add_customer(request, management.CustomerIn(**it)))
        if made:
            to = reverse("customer", kwargs={"number": made.value.id})
            return shell.back(request, to, gettext("The customer is there. Its organisations come next."))
    shown = _listed(request, principal) | {"form": form}
    if "HX-Request" in request.headers:
        return shell.part(request, "office/customers_list.html", shown)
    status = 422 if form.errors else 200
    return shell.show(request, principal, "office/customers.html", shown, here="customers", status=status)


def _listed(request: HttpRequest, principal: Principal) -> dict[str, object]:
    """A page of the list; with figures where they are asked for, which take longer than a page may."""
    search, after = (request.GET.get(name, "")[:200] for name in ("search", "after"))
    figures = bool(request.GET.get("figures"))
    rows = customers_of(principal)
    if search:
        rows = rows.filter(name__icontains=search)
    if after:
        rows = rows.filter(name__gt=after)
    terms = Prefetch("subscriptions", subscriptions_of(principal))
    found = list(rows.annotate(known=Count("organisations")).prefetch_related(terms)[: PAGE + 1])
    lines = [_line(it, figures=figures) for it in found[:PAGE]]
    following = found[PAGE - 1].name if len(found) > PAGE else None
    more = request.GET.copy()
    more["figures"] = "1"
    return {
        "lines": lines,
        "search": search,
        "figures": figures,
        "with_figures": f"{reverse('customers')}?{more.urlencode()}",
        "before": "" if after else None,
        "after": following,
    }


def _line(row: Customer, *, figures: bool) -> Line:
    terms = list(row.subscriptions.all())
    running = [it for it in terms if shell.when(it) == shell.CURRENT]
    return Line(
        row=row,
        organisations=row.known,  # type: ignore[attr-defined]  # annotated above
        plans=tuple(contracts.plan_of(it.plan).title for it in running[:TILES_MAX]),
        tiles=tuple(tiles(running[:TILES_MAX])) if figures else (),
        terms=len(terms),
    )


@page("customers/<int:number>", NEEDS, name="customer")
def customer(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}."""
    return _one(request, principal, customer_for(principal, number), {})


def _one(request: HttpRequest, principal: Principal, row: Customer, typed_in: dict[str, forms.Form]) -> HttpResponse:
    terms = list(subscriptions_of(principal).filter(customer=row)[:TERMS_MAX])
    after = request.GET.get("after", "")[:256]
    names = list(_organisations(row, after)[: ORGANISATIONS + 1])
    shown = {
        "it": row,
        "terms_of": [(term, contracts.plan_of(term.plan).title, shell.when(term)) for term in terms],
        "timeline": timeline.timeline(terms) if terms else None,
        "organisations": names[:ORGANISATIONS],
        "more": names[ORGANISATIONS - 1] if len(names) > ORGANISATIONS else None,
        "first": "" if after else None,
        "users": accounts.users_of(principal).filter(customer=row).order_by("pk")[:PEOPLE],
        "keys": accounts.keys_of(principal).filter(customer=row, revoked_at=None).order_by("pk")[:PEOPLE],
        "organisation_form": typed_in.get("organisation") or typed.Organisation(),
        "erasure_form": typed_in.get("erasure") or typed.Erasure(),
    }
    crumbs = [(gettext("Customers"), reverse("customers"))]
    status = 422 if any(it.errors for it in typed_in.values()) else 200
    return shell.show(
        request, principal, "office/customer.html", shown, here="customers", crumbs=crumbs, status=status, customer=row
    )


def _organisations(row: Customer, after: str) -> QuerySet[Organisation, str]:
    rows = row.organisations.order_by("name")
    return (rows.filter(name__gt=after) if after else rows).values_list("name", flat=True)


@page("customers/<int:number>/organisations", NEEDS, name="customer-organisations", methods=("POST",))
def add_organisation(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """An organisation that is this customer's from now on, for ever."""
    row = customer_for(principal, number)
    form = typed.Organisation(request.POST)
    asked = management.OrganisationIn
    if typed.done(form, lambda it: management.add_organisation(request, number, asked(**it))) is None:
        return _one(request, principal, row, {"organisation": form})
    to = reverse("customer", kwargs={"number": number})
    return shell.back(
        request, to, gettext("Its facts count for this customer now; those that waited come in by themselves.")
    )


@page("customers/<int:number>/erase", NEEDS, name="customer-erase", methods=("POST",))
def erase(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Forgets a person; first asks whether that is meant. The id travels in the body alone, and stands in no log."""
    row = customer_for(principal, number)
    form = typed.Erasure(request.POST)
    if not form.is_valid():
        return _one(request, principal, row, {"erasure": form})
    to = reverse("customer", kwargs={"number": number})
    if not request.POST.get("confirmed"):
        shown = {"it": row, "form": form, "learner": form.cleaned_data["learner"], "back": to}
        crumbs = [(gettext("Customers"), reverse("customers")), (row.name, to)]
        return shell.show(request, principal, "office/erase.html", shown, here="customers", crumbs=crumbs)
    found = erasure.erase(principal, row, form.cleaned_data["learner"])
    if found.surrogate is None:
        return shell.back(request, to, gettext("Nothing was ever said of this id: there is nothing to erase."))
    said = gettext("They were erased before.") if found.before else gettext("They are erased. No figure has changed.")
    return shell.back(request, to, said)
