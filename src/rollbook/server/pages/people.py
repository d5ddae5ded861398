"""Who of a customer signs in: administrators and viewers, invited with a link, disabled and let in again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from rollbook.server.access import accounts, signin
from rollbook.server.access.principals import OWN, Principal, customer_for
from rollbook.server.models import Customer, User
from rollbook.server.notices import leaving
from rollbook.server.pages import own, shell
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing

ROLES = {
    User.VIEWER: gettext_lazy("Viewer"),
    User.ADMINISTRATOR: gettext_lazy("Administrator"),
}
"""Of a customer's people."""


class InviteForm(forms.Form):
    """Who is to sign in."""

    email = own.Address(
        label=gettext_lazy("E-mail address"),
        max_length=150,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("They sign in with it."),
    )
    name = forms.CharField(label=gettext_lazy("Name, if you like"), max_length=150, required=False)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"), help_text=gettext_lazy("A viewer sees figures, and no learners.")
    )

    def __init__(self, principal: Principal, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        roles = ROLES if principal.may("manage") else {User.VIEWER: ROLES[User.VIEWER]}
        self.fields["role"].choices = list(roles.items())  # type: ignore[attr-defined]


@page("customers/<int:number>/people", OWN, name="people", methods=("GET", "POST"))
def people(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The list; a POST invites somebody."""
    customer = customer_for(principal, number)
    form = InviteForm(principal, request.POST if request.method == "POST" else None)

    def invite(said: dict[str, Any]) -> HttpResponse:
        row = accounts.add_user(principal, said["email"], said["role"], customer.pk, said["name"])
        return _link(request, principal, customer, row, signin.password_link(row))

    if done := own.added(request, form, invite, "email"):
        return done
    rows = accounts.users_of(principal).filter(customer=customer)
    shown = {**own.part(request, rows, lambda it: it, newest_first=False), "form": form}
    return own.show(request, principal, "own/people.html", shown, customer, "people", forms=[form])


@page("customers/<int:number>/people/<int:person>", OWN, name="person", methods=("GET", "POST"))
def person(request: HttpRequest, principal: Principal, number: int, person: int) -> HttpResponse:
    """One of them: a new link, disabled, let in again. An administrator changes viewers only, and sees who else is."""
    customer = customer_for(principal, number)
    row = own.one(accounts.users_of(principal), customer, person, "user")
    here = reverse("person", kwargs={"number": number, "person": person})
    if request.method == "POST":
        row = accounts.user_for(principal, person)
        match request.POST.get("do"):
            case "link":
                return _link(request, principal, customer, row, accounts.renew_link(principal, row))
            case "enable":
                accounts.enable(principal, row, active=True)
                return shell.back(request, here, gettext("They may sign in again."))
            case "disable":
                left = leaving.disable(principal, row.pk, revoke="revoke" in request.POST)
                shown = {"person": left.user, "left": left, "changes": True}
                return _person(request, principal, customer, shown)
            case _:
                raise missing("act")
    changes = principal.may("manage") or row.role == User.VIEWER
    return _person(request, principal, customer, {"person": row, "changes": changes})


def _person(request: HttpRequest, principal: Principal, customer: Customer, shown: dict[str, Any]) -> HttpResponse:
    above = (gettext("People"), own.address("people", customer))
    return own.show(request, principal, "own/person.html", shown, customer, "people", above)


def _link(request: HttpRequest, principal: Principal, customer: Customer, row: User, path: str) -> HttpResponse:
    base = settings.CONFIGURATION["ROLLBOOK_BASE_URL"].rstrip("/")
    shown = {
        "title": gettext("A link for %(who)s") % {"who": row.first_name or row.email},
        "label": gettext("Link with which they set their password"),
        "secret": f"{base}{path}",
        "words": gettext("Pass it on to them alone: whoever has it can sign in as them. It works once."),
        "until": timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT),
        "back": own.address("people", customer),
    }
    return own.once(request, principal, customer, "people", shown)
