"""Plain pages for signing in: forms that work without a script, and say the same to everybody who fails."""

from __future__ import annotations

from typing import cast

from allauth.socialaccount.providers.openid_connect.views import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from rollbook.errors import RollbookError
from rollbook.server.access import first, signin, sso, throttle
from rollbook.server.access.principals import SAFE_METHODS
from rollbook.server.pages import sentences
from rollbook.server.pages.reading import spoken
from rollbook.server.pages.shell import own_address
from rollbook.server.refusals import RefusedError

AFTER = "/"
NAME_LENGTH_MAX = 150
USABLE = (200, 422)
"""After these the form for a new password is shown (again)."""

PROVIDER_FAILED = gettext_lazy("Signing in by your organisation did not work, or nobody here has your address.")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@spoken
def sign_in(request: HttpRequest) -> HttpResponse:
    """/signin: the form, and what it sends."""
    after = _after(request)
    if request.method in SAFE_METHODS:
        if request.user.is_authenticated:
            return HttpResponseRedirect(after)
        said = [str(PROVIDER_FAILED)] if request.GET.get("failed") == "provider" else []
        return _form(request, after, said)
    name, password = request.POST.get("name", "")[:NAME_LENGTH_MAX], request.POST.get("password", "")
    try:
        signin.sign_in(request, name, password)
    except RefusedError as error:
        return _refused(_form(request, after, words_of(error), error.status), error)
    return HttpResponseRedirect(after)


@never_cache
@require_POST
@spoken
def to_provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """/signin/oidc/provider: sends somebody to the provider, which is asked for where they are to go."""
    try:
        throttle.to_provider(signin.address_of(request))
    except RefusedError as error:
        return _refused(_form(request, AFTER, words_of(error), error.status), error)
    return cast("HttpResponse", login(request, provider_id))


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """/signout: ends the session."""
    signin.sign_out(request)
    return HttpResponseRedirect("/signin")


@never_cache
@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
@spoken
def password(request: HttpRequest, number: str, token: str) -> HttpResponse:
    """/password/…: sets the password that a link is for."""
    said: list[str] = []
    status = 200
    try:
        if request.method in SAFE_METHODS:
            signin.user_of_link(number, token)
        elif request.POST.get("password", "") != request.POST.get("again", ""):
            said, status = [gettext("Both must be the same.")], 422
        else:
            signin.use_link(request, number, token, request.POST.get("password", ""))
            return HttpResponseRedirect("/signin?set=password")
    except RefusedError as error:
        said, status = words_of(error), error.status
    return render(request, "signin/password.html", {"said": said, "usable": status in USABLE}, status=status)


def _refused(answer: HttpResponse, error: RefusedError) -> HttpResponse:
    for header, value in error.headers.items():
        answer[header] = value
    return answer


def _form(request: HttpRequest, after: str, said: list[str], status: int = 200) -> HttpResponse:
    shown = {"after": after, "said": said, "provider": sso.configured(), "nobody": first.is_open()}
    shown["set"] = request.method in SAFE_METHODS and request.GET.get("set") == "password"
    return render(request, "signin/signin.html", shown, status=status)


def _after(request: HttpRequest) -> str:
    """Where somebody wanted to go; never another host."""
    return own_address(request.POST.get("next") or request.GET.get("next") or AFTER)


def words_of(error: RollbookError) -> list[str]:
    """What was refused, in sentences."""
    return [sentences.both(it) for it in error.problems]
