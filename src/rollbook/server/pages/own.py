"""What pages of a customer's own things share: whose they are, who made them, and a secret that is shown once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from rollbook.server.access.principals import Principal
from rollbook.server.models import Customer
from rollbook.server.pages import shell

ROWS = 25
"""Rows of one page."""


def after(request: HttpRequest) -> int:
    """Where a list goes on; 0 at its beginning."""
    said = request.GET.get("after", "")
    return int(said) if said.isdecimal() and len(said) < 19 else 0  # noqa: PLR2004 - what a database takes


def show(
    request: HttpRequest,
    principal: Principal,
    template: str,
    shown: dict[str, Any],
    customer: Customer,
    here: str,
    *above: shell.Crumb,
    forms: Iterable[Any] = (),
) -> HttpResponse:
    """A page of a customer. `above` are links that lead back to it; 422 where one of the forms says what is wrong."""
    wrong = any(it.is_bound and it.errors for it in forms)
    return shell.show(
        request,
        principal,
        template,
        {"owner": customer, **shown},
        customer=customer,
        here=here,
        crumbs=[*shell.to_customer(customer), *above],
        status=422 if wrong else 200,
    )


def once(
    request: HttpRequest, principal: Principal, customer: Customer, here: str, shown: dict[str, Any]
) -> HttpResponse:
    """A secret, in the answer to what made it and nowhere else.

    shown  title, label and secret; why in words, where to go on (`back`), and what else is said
    """
    return show(request, principal, "own/once.html", shown, customer, here)


def address(name: str, customer: Customer) -> str:
    """Of a list of a customer's own."""
    return reverse(name, kwargs={"number": customer.pk})
