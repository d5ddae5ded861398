"""The first hour of an empty server: who operates it, and what to begin with.

Nobody is signed in on the first page; `access.first` says who may use it.
"""

from __future__ import annotations

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from rollbook.server import clock
from rollbook.server.access import first
from rollbook.server.access.principals import SAFE_METHODS, Principal
from rollbook.server.api import management
from rollbook.server.models import Customer
from rollbook.server.operation import demo
from rollbook.server.pages import shell
from rollbook.server.pages.office.forms import done
from rollbook.server.pages.reading import spoken
from rollbook.server.pages.registry import page
from rollbook.server.pages.signin import words_of
from rollbook.server.refusals import RefusedError, refused


@never_cache
@sensitive_post_parameters("password", "again", "code")
@require_http_methods(["GET", "HEAD", "POST"])
@spoken
def operator(request: HttpRequest) -> HttpResponse:
    """/first: makes the first operator, by the code that a terminal showed. There is no such page afterwards."""
    if not first.is_open():
        raise Http404
    if request.method in SAFE_METHODS:
        return render(request, "first/operator.html", {"code": request.GET.get("code", "")[:200]})
    typed = {name: request.POST.get(name, "") for name in ("code", "email", "password", "again")}
    try:
        if typed["password"] != typed["again"]:
            said, status = [gettext("Both must be the same.")], 422
        else:
            first.make(request, typed["code"].strip(), typed["email"], typed["password"])
            return HttpResponseRedirect(reverse("beginning"))
    except RefusedError as error:
        said, status = words_of(error), error.status
    shown = {"said": said, "code": typed["code"][:200], "email": typed["email"][:200]}
    return render(request, "first/operator.html", shown, status=status)


class CustomerForm(forms.Form):
    """A first customer with the organisation that facts name."""

    name = forms.CharField(
        label=gettext_lazy("Customer"), max_length=200, help_text=gettext_lazy("Who pays, as on an invoice.")
    )
    organisation = forms.CharField(
        label=gettext_lazy("Its organisation"),
        max_length=200,
        help_text=gettext_lazy("As the platform calls it in what it sends, such as north-campus. It stays for ever."),
    )


@page("beginning", "manage", name="beginning", methods=("GET", "POST"))
def beginning(request: HttpRequest, principal: Principal) -> HttpResponse:
    """What to begin with: the sample customers, or a customer and a source of facts."""
    form = CustomerForm(request.POST if request.POST.get("do") == "customer" else None)
    if request.method == "POST" and request.POST.get("do") == "sample":
        if Customer.objects.exists():
            raise refused(409, "exists", "sample", "there are customers already", "the sample is for an empty server")
        loaded = demo.load(clock.now_us())
        said = gettext("%(customers)s made-up customers are there, with all that their learners did.")
        return shell.back(request, reverse("front"), said % {"customers": loaded.customers})
    number = done(form, lambda it: _add(request, **it)) if form.is_bound else None
    if number is not None:
        return HttpResponseRedirect(reverse("connect", kwargs={"number": number}))
    shown = {"form": form, "empty": not Customer.objects.exists()}
    status = 422 if form.is_bound else 200
    return shell.show(request, principal, "first/beginning.html", shown, here="beginning", status=status)


def _add(request: HttpRequest, name: str, organisation: str) -> int:
    """Both or none."""
    with transaction.atomic():
        made = management.add_customer(request, management.CustomerIn(name=name))
        management.add_organisation(request, made.value.id, management.OrganisationIn(name=organisation))
    return int(made.value.id)
