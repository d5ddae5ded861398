"""What pages of a customer's own things share: a list with a form below it, one thing of it, a secret shown once.

A list is a page of rows, and a form that adds one; what keeps it from being added is told beside a field. One thing is
found among those that somebody manages, and of this customer. Acts on it are buttons with a name: `do`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from pydantic import TypeAdapter, ValidationError

from rollbook.errors import RollbookError
from rollbook.server.access.principals import Principal
from rollbook.server.api.fields import Email, one_line
from rollbook.server.api.paging import page as paged
from rollbook.server.models import Customer
from rollbook.server.pages import sentences, shell
from rollbook.server.refusals import RefusedError, missing

ROWS = 25
"""Rows of one page."""

Row = TypeVar("Row", bound=Model)

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)


class OneLine(forms.CharField):
    """One line, without controls."""

    def clean(self, value: Any) -> Any:
        """As the API takes it."""
        try:
            return one_line(super().clean(value))
        except ValueError:
            raise forms.ValidationError(gettext("Write it on one line.")) from None


class Address(forms.CharField):
    """An e-mail address."""

    def clean(self, value: Any) -> Any:
        """As the API takes it."""
        try:
            return _EMAIL.validate_python(super().clean(value))
        except ValidationError:
            raise forms.ValidationError(gettext("Write an e-mail address, such as olga@example.org.")) from None


def number(said: str) -> int:
    """A number of a row that somebody sent; 0, which none has, for anything else."""
    return int(said) if said.isdecimal() and len(said) < 19 else 0  # noqa: PLR2004 - what a database takes


def after(request: HttpRequest) -> int:
    """Where a list goes on; 0 at its beginning."""
    return number(request.GET.get("after", ""))


def part(
    request: HttpRequest,
    rows: QuerySet[Row],
    line: Callable[[Row], Any],
    *,
    newest_first: bool = True,
) -> dict[str, Any]:
    """A page of a list: its `lines`, each what `line` makes of a row, and where the list begins and goes on."""
    found, following = paged(rows, after(request), ROWS, newest_first=newest_first)
    return {"lines": [line(it) for it in found], "next": following, "first": 0 if after(request) else None}


def one(rows: QuerySet[Row], customer: Customer, key: int, what: str) -> Row:
    """A row of a customer among those that somebody manages. Raises 404."""
    found = rows.filter(customer=customer, pk=key).first()
    if found is None:
        raise missing(what)
    return found


def added(
    request: HttpRequest, form: forms.Form, work: Callable[[dict[str, Any]], HttpResponse], beside: str
) -> HttpResponse | None:
    """The answer to a form that was sent; None where it was not, or says what is wrong, beside a field of it."""
    if request.method != "POST" or not form.is_valid():
        return None
    try:
        return work(form.cleaned_data)
    except RefusedError as error:
        if error.status == 403:  # noqa: PLR2004 - what somebody may not do at all is no matter of a field
            raise
        wrong: RollbookError = error
    except RollbookError as error:
        wrong = error
    for it in wrong.problems:
        form.add_error(beside, sentences.both(it))
    return None


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
