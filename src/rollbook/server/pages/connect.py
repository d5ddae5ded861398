"""Connecting a source: what to copy for each kind of platform, with a key made for it, until its first fact is here.

A key that sends is made by an operator; a customer's administrator sees everything but the key.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from rollbook.server import clock
from rollbook.server.access import accounts
from rollbook.server.access.keys import split
from rollbook.server.access.principals import OWN, Principal, customer_for, subscriptions_of
from rollbook.server.models import ApiKey, Customer
from rollbook.server.pages import own, shell
from rollbook.server.pages.registry import page
from rollbook.server.pages.snippets import KINDS, Kind, snippets
from rollbook.server.refusals import missing

LOOKED_AT = 5_000
"""Facts since the key was made among which the first of the customer is looked for."""

WAITING, CALLED, ARRIVED = "waiting", "called", "arrived"


@page("customers/<int:number>/connect", OWN, name="connect", methods=("GET", "POST"))
def connect(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The kinds of platforms; a POST makes a key for one, and shows it once in what is to be copied."""
    customer = customer_for(principal, number)
    kind = _kind(request.POST.get("kind") or request.GET.get("kind") or KINDS[0].name)
    makes = principal.may("manage")
    shown: dict[str, Any] = {"kinds": KINDS, "kind": kind, "makes": makes}
    secret = "rbk_…"  # noqa: S105 - what stands there until there is one
    if request.method == "POST":
        principal.require("manage")
        mark = _last_number()
        row, secret = accounts.add_key(principal, kind.title, ["facts:write"], customer.pk, None)
        shown |= {"made": row, "state": WAITING, "mark": mark}
    shown["nameless"] = not customer.organisations.exists()
    shown["snippets"] = snippets(kind, _address(), secret, split(secret), _organisation(customer), clock.now_us())
    return own.show(request, principal, "first/connect.html", shown, customer, "connect")


@page("customers/<int:number>/connect/<int:key>", OWN, name="arrived")
def arrived(request: HttpRequest, principal: Principal, number: int, key: int) -> HttpResponse:
    """Whether the first fact is here: 204 while nothing has changed."""
    customer = customer_for(principal, number)
    row = accounts.keys_of(principal).filter(customer=customer, pk=key).first()
    if row is None:
        raise missing("key")
    said = request.GET.get("mark", "")
    mark = int(said) if said.isdecimal() and len(said) < 19 else 0  # noqa: PLR2004 - what a database takes
    state = _state(row, customer, mark)
    if state == request.GET.get("state"):
        return HttpResponse(status=204)
    agreed = subscriptions_of(principal).filter(customer=customer).first()
    shown = {"owner": customer, "made": row, "state": state, "mark": mark, "agreed": agreed, "principal": principal}
    return shell.part(request, "first/arrived.html", shown)


def _kind(name: str) -> Kind:
    found = next((it for it in KINDS if it.name == name), None)
    if found is None:
        raise missing("kind of platform")
    return found


def _address() -> str:
    return str(settings.CONFIGURATION["ROLLBOOK_BASE_URL"]).rstrip("/")


def _organisation(customer: Customer) -> str:
    """The first by name: what facts have to name where there are several."""
    return customer.organisations.order_by("name").values_list("name", flat=True).first() or gettext("organisation")


def _state(row: ApiKey, customer: Customer, mark: int) -> str:
    """Waiting for a call, called without a fact that was taken, or arrived."""
    if row.last_used_at is None:
        return WAITING
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select 1 from (select organisation from fact where number > %s order by number limit {LOOKED_AT}) as new
                join organisation on organisation.name = new.organisation
                where organisation.customer_id = %s limit 1""",
            [mark, customer.pk],
        )
        return ARRIVED if cursor.fetchone() else CALLED


def _last_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(max(number), 0) from fact")
        return int(cursor.fetchone()[0])
