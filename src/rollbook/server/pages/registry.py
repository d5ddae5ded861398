"""Every page declares what it needs; whoever may not see it reads why, in words.

A page is for people who are signed in; a key opens none. Nothing of a page is kept by a browser or on the way. What
keeps it from being shown, `RefusedError` or any other RollbookError, becomes sentences with the status it has. No
view meets a nought byte.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from importlib import import_module
from typing import Any
from urllib.parse import quote

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.cache import add_never_cache_headers, patch_cache_control
from django.utils.translation import get_language

from rollbook.errors import Problem, RollbookError
from rollbook.server.access.principals import OWN, PERSON, SAFE_METHODS, SCOPES, Principal, count, user_principal
from rollbook.server.models import User
from rollbook.server.pages import reading, shell
from rollbook.server.pages.declared import PAGES, Page, View
from rollbook.server.refusals import RefusedError

MODULES = (
    "front",
    "account",
    "usage",
    "exports",
    "groups",
    "learners",
    "why",
    "roster",
    "roster_change",
    "roster_rules",
    "roster_requests",
    "statements",
    "notices",
    "people",
    "keys",
    "webhooks",
    "planner",
    "first",
    "connect",
    "help",
    "office.customers",
    "office.subscriptions",
    "office.subscription",
    "office.listed",
    "office.tasks",
    "office.problems",
    "office.deliveries",
    "office.audit",
    "office.jobs",
    "office.plans",
)
"""Modules of this folder that have pages."""

UNUSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
"""The status of an error that names none: what was asked for does not exist, or contradicts itself."""


def page(route: str, *needs: str, name: str, methods: tuple[str, ...] = ("GET",)) -> Callable[[View], View]:
    """Declares a page: `route` as in `django.urls.path`, `needs` of `principals.SCOPES`, or OWN or PERSON.

    The view is given the request, the principal, and the parts of the address.
    """
    if not needs or any(it not in SCOPES and it not in (OWN, PERSON) for it in needs):
        raise ValueError(f"{name} does not say what it needs")

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **parts: Any) -> HttpResponseBase:
            with reading.language(request):
                answer = _answer(view, request, needs, methods, parts)
            add_never_cache_headers(answer)
            patch_cache_control(answer, no_store=True)
            return answer

        if name in PAGES:
            raise ValueError(f"there are two pages {name}")
        PAGES[name] = Page(name, route, needs, methods, guarded)
        return guarded

    return declare


def _answer(
    view: View, request: HttpRequest, needs: tuple[str, ...], methods: tuple[str, ...], parts: dict[str, Any]
) -> HttpResponseBase:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return _sign_in(request)
    _remember_language(user)
    principal = user_principal(user)
    request.auth = principal  # type: ignore[attr-defined]  # where `principal_of` and the log look
    if request.method not in (*methods, *(("HEAD",) if "GET" in methods else ())):
        return HttpResponseNotAllowed(methods)
    if _has_noughts(request, parts):
        raise BadRequest("a nought byte in an address or a form")
    if not any(map(principal.may, needs)):
        error = RefusedError(403, "forbidden", Problem("page", *shell.not_yours()))
        return refusal(request, principal, error, error.status)
    try:
        count(principal)
        return view(request, principal, **parts)
    except RefusedError as error:
        return refusal(request, principal, error, error.status, error.headers)
    except RollbookError as error:
        return refusal(request, principal, error, UNUSABLE)


def _has_noughts(request: HttpRequest, parts: dict[str, Any]) -> bool:
    """Whether a text has the one character that PostgreSQL cannot hold; no browser sends it by itself."""
    said = (text for values in (request.GET, request.POST) for _, texts in values.lists() for text in texts)
    return any("\0" in str(text) for text in (*said, *parts.values()))


def _remember_language(user: User) -> None:
    """Mail to somebody is in the language in which they last read a page; it is written down when it changes."""
    spoken = (get_language() or "en").partition("-")[0]
    if user.language != spoken:
        User.objects.filter(pk=user.pk).update(language=spoken)
        user.language = spoken


def _sign_in(request: HttpRequest) -> HttpResponse:
    """To the form, and back here afterwards; what is loaded by itself sends the whole page there."""
    if "HX-Request" in request.headers:
        return HttpResponse(status=401, headers={"HX-Redirect": "/signin"})
    after = request.get_full_path() if request.method in SAFE_METHODS and request.path != "/" else ""
    return HttpResponseRedirect(f"/signin?next={quote(after)}" if after else "/signin")


def refusal(
    request: HttpRequest,
    principal: Principal,
    error: RollbookError,
    status: int,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """The sentences of an error as a page; as a part of one, where htmx asked."""
    if "HX-Request" in request.headers:
        answer = shell.part(request, "parts/problems.html", {"problems": error.problems}, status=status)
    else:
        shown = {"problems": error.problems, "status": status}
        answer = shell.show(request, principal, "pages/refused.html", shown, status=status)
    for name, value in (headers or {}).items():
        answer[name] = value
    return answer


def patterns() -> list[URLPattern]:
    """The addresses of all pages."""
    for module in MODULES:
        import_module(f"rollbook.server.pages.{module}")
    return [path(it.route, it.view, name=it.name) for it in PAGES.values()]


__all__ = ["MODULES", "PAGES", "Page", "page", "patterns", "refusal"]
