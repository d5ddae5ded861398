"""Where a customer's programs are told of events: addresses, their secrets, and what became of each message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from rollbook.server.access.principals import OWN, Principal, customer_for
from rollbook.server.models import Customer, Endpoint, Message
from rollbook.server.notices import endpoints, told
from rollbook.server.notices.events import CUSTOMER, EVENTS
from rollbook.server.pages import own, shell
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing

TITLES = {
    "threshold.crossed": gettext_lazy("A threshold was reached"),
    "threshold.foreseen": gettext_lazy("More than is included is likely"),
    "statement.closed": gettext_lazy("A statement was closed"),
    "statement.dispute-ended": gettext_lazy("A dispute of yours was ended"),
    "report.sent": gettext_lazy("An ordered report was sent"),
    "report-order.paused": gettext_lazy("An ordered report was paused"),
    "rules.failed": gettext_lazy("Your enrolment rules could not be run"),
    "roster.requested": gettext_lazy("Your platform is asked to change a roster"),
    "roster.refused": gettext_lazy("Your platform refused changes of a roster"),
    "roster.unanswered": gettext_lazy("Your platform does not answer"),
    "endpoint.disabled": gettext_lazy("A webhook was switched off"),
    endpoints.TESTED: gettext_lazy("A test"),
}
"""Events that a customer may learn of, in words."""

LOOKS = timedelta(minutes=2)
"""For so long a page looks by itself for what came of a test: a worker sends it within seconds, or does not run."""

OWN_EVENTS = [(name, TITLES.get(name, name)) for name, it in EVENTS.items() if it.audience == CUSTOMER]


class EndpointForm(forms.Form):
    """A new address."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        min_length=10,
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/rollbook"}),
        help_text=gettext_lazy("It has to begin with https, and to answer with a status of 2xx within seconds."),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        widget=forms.CheckboxSelectMultiple,
        choices=OWN_EVENTS,
        required=False,
        help_text=gettext_lazy("None chosen means all, those to come included."),
    )


@page("customers/<int:number>/webhooks", OWN, name="webhooks", methods=("GET", "POST"))
def webhooks(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The list; a POST adds one."""
    customer = customer_for(principal, number)
    form = EndpointForm(request.POST if request.method == "POST" else None)

    def add(said: dict[str, Any]) -> HttpResponse:
        return _secret(request, principal, customer, *endpoints.add(principal, customer, said["url"], said["events"]))

    if done := own.added(request, form, add, "url"):
        return done
    rows = endpoints.endpoints_of(principal).filter(customer=customer)
    shown = {**own.part(request, rows, lambda it: (it, _host(it), _titles(it.events))), "form": form}
    return own.show(request, principal, "own/webhooks.html", shown, customer, "webhooks", forms=[form])


@page("customers/<int:number>/webhooks/<int:endpoint>", OWN, name="webhook", methods=("GET", "POST"))
def webhook(request: HttpRequest, principal: Principal, number: int, endpoint: int) -> HttpResponse:
    """One address with what was sent there; a new secret for it, on again, off for ever, a message once more."""
    customer = customer_for(principal, number)
    row = own.one(endpoints.endpoints_of(principal), customer, endpoint, "endpoint")
    here = reverse("webhook", kwargs={"number": number, "endpoint": endpoint})
    if request.method == "POST":
        match request.POST.get("do"):
            case "rotate":
                return _secret(request, principal, customer, *endpoints.rotate(principal, endpoint))
            case "test":
                endpoints.test(principal, endpoint)
                return shell.back(
                    request, f"{here}#sent", gettext("A test is on its way. What comes of it stands below.")
                )
            case "enable":
                endpoints.enable(principal, endpoint)
                return shell.back(request, here, gettext("It is told again. What it missed can be sent below."))
            case "remove":
                endpoints.remove(principal, row)
                return shell.back(request, here, gettext("Nothing is sent there any more."))
            case "resend":
                told.resend(principal, own.number(request.POST.get("message", "")))
                return shell.back(request, here, gettext("It is sent once more, within seconds."))
            case _:
                raise missing("act")
    sent = own.part(request, told.messages_to(row), lambda it: (it, TITLES.get(it.event, it.event)))
    shown = {
        **sent,
        "endpoint": row,
        "host": _host(row),
        "events": _titles(row.events),
        "looks": any(_just_tested(it) for it, _ in sent["lines"]),
    }
    above = (gettext("Webhooks"), own.address("webhooks", customer))
    return own.show(request, principal, "own/webhook.html", shown, customer, "webhooks", above)


def _secret(request: HttpRequest, principal: Principal, customer: Customer, row: Endpoint, text: str) -> HttpResponse:
    shown = {
        "title": gettext("The secret of %(name)s") % {"name": _host(row)},
        "label": gettext("Secret"),
        "secret": text,
        "words": gettext(
            "Your program checks with it that a message comes from here, by any library for Standard Webhooks. "
            "After a change, the secret before signs too until the next change."
        ),
        "back": reverse("webhook", kwargs={"number": customer.pk, "endpoint": row.pk}),
    }
    return own.once(request, principal, customer, "webhooks", shown)


def _just_tested(it: Message) -> bool:
    """Whether it is a test whose answer somebody waits for."""
    return it.event == endpoints.TESTED and it.state == Message.WAITING and timezone.now() - it.created_at < LOOKS


def _host(row: Endpoint) -> str:
    return urlsplit(row.url).hostname or row.url


def _titles(events: list[str]) -> list[Any]:
    return [TITLES.get(it, it) for it in events]
