"""Keys of a customer's programs: made, given a new secret, revoked. A secret is shown once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from rollbook.server.access import accounts
from rollbook.server.access.keys import ROTATION_HOURS_MAX
from rollbook.server.access.principals import OWN, READS, SCOPES, Principal, customer_for
from rollbook.server.models import ApiKey, Customer
from rollbook.server.pages import own, shell
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing

WORDS = {
    "facts:write": gettext_lazy("Send what learners do (facts), and see what was refused or waits"),
    "usage:read": gettext_lazy("See figures, without learners"),
    "learners:read": gettext_lazy("See who counted, and why: ids, names and addresses of learners"),
    "roster:read": gettext_lazy("See the roster: who is enrolled and who is active, with ids and names of learners"),
    "roster:write": gettext_lazy("Enable and disable enrolments, and set learners active or inactive"),
    "admissions:write": gettext_lazy("Ask whether a learner may enter, and keep a place for them"),
    "statements:read": gettext_lazy("Read closed statements with their evidence"),
    "statements:close": gettext_lazy("Approve, hold and dispute statements"),
}
"""What each scope of a customer's key is for; `manage` is for keys of no customer."""


class KeyForm(forms.Form):
    """A new key."""

    name = own.OneLine(
        label=gettext_lazy("Name"), max_length=200, help_text=gettext_lazy("What will use it, such as: data warehouse.")
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"), widget=forms.CheckboxSelectMultiple, choices=list(WORDS.items())
    )
    expires = forms.DateField(
        label=gettext_lazy("Last day, if it is to end by itself"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("It ends with this day, UTC."),
    )

    def __init__(self, principal: Principal, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if not principal.may("manage"):
            mine = [(name, words) for name, words in WORDS.items() if name in READS]
            self.fields["scopes"].choices = mine  # type: ignore[attr-defined]

    @property
    def expires_at(self) -> datetime | None:
        """The first instant at which it holds no more."""
        last = self.cleaned_data["expires"]
        return datetime.combine(last + timedelta(days=1), time.min, UTC) if last else None


class RotationForm(forms.Form):
    """For how long the secret before still holds."""

    hours = forms.TypedChoiceField(
        label=gettext_lazy("The secret before"),
        coerce=int,
        choices=(
            ("24", gettext_lazy("holds for a day more")),
            ("168", gettext_lazy("holds for a week more")),
            (str(ROTATION_HOURS_MAX), gettext_lazy("holds for 30 days more")),
            ("0", gettext_lazy("ends at once")),
        ),
    )


@page("customers/<int:number>/keys", OWN, name="keys", methods=("GET", "POST"))
def keys(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The list; a POST makes one."""
    customer = customer_for(principal, number)
    form = KeyForm(principal, request.POST if request.method == "POST" else None, initial={"scopes": ["usage:read"]})

    def make(said: dict[str, Any]) -> HttpResponse:
        row, text = accounts.add_key(principal, said["name"], said["scopes"], customer.pk, form.expires_at)
        return _secret(request, principal, customer, row, text)

    if done := own.added(request, form, make, "name"):
        return done
    rows = accounts.keys_of(principal).filter(customer=customer)
    shown = {**own.part(request, rows, lambda it: (it, _state(it))), "form": form}
    return own.show(request, principal, "own/keys.html", shown, customer, "keys", forms=[form])


@page("customers/<int:number>/keys/<int:key>", OWN, name="key", methods=("GET", "POST"))
def key(request: HttpRequest, principal: Principal, number: int, key: int) -> HttpResponse:
    """One key: a new secret for it, or its end."""
    customer = customer_for(principal, number)
    row = own.one(accounts.keys_of(principal), customer, key, "key")
    do = request.POST.get("do", "")
    form = RotationForm(request.POST if do == "rotate" else None)
    if request.method == "POST":
        if do == "revoke":
            accounts.revoke_key(principal, row)
            here = reverse("key", kwargs={"number": number, "key": key})
            return shell.back(request, here, gettext("The key is revoked."))
        if do != "rotate":
            raise missing("act")
        if form.is_valid():
            text = accounts.rotate_key(principal, row, form.cleaned_data["hours"])
            return _secret(request, principal, customer, row, text)
    shown = {
        "key": row,
        "state": _state(row),
        "words": _words(row),
        "form": form,
        "renews": principal.may("manage") or READS.issuperset(row.scopes),
        "old_holds": row.old_valid_until if row.old_valid_until and row.old_valid_until > timezone.now() else None,
    }
    above = (gettext("API keys"), own.address("keys", customer))
    return own.show(request, principal, "own/key.html", shown, customer, "keys", above, forms=[form])


def _secret(request: HttpRequest, principal: Principal, customer: Customer, row: ApiKey, text: str) -> HttpResponse:
    shown = {
        "title": gettext("The secret of %(name)s") % {"name": row.name},
        "label": gettext("Key"),
        "secret": text,
        "words": gettext("Put it where your program keeps its secrets, and send it as a bearer token."),
        "example": "Authorization: Bearer rbk_…",
        "back": own.address("keys", customer),
    }
    return own.once(request, principal, customer, "keys", shown)


def _state(row: ApiKey) -> str:
    """holds, revoked or expired."""
    if row.revoked_at:
        return "revoked"
    return "expired" if row.expires_at and row.expires_at <= timezone.now() else "holds"


def _words(row: ApiKey) -> list[Any]:
    return [WORDS.get(it, SCOPES.get(it, it)) for it in row.scopes]
