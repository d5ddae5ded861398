"""The page at /account: who is signed in, what their role may do, and what is kept in this browser."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from rollbook.server.access.principals import PERSON, Principal
from rollbook.server.pages import shell
from rollbook.server.pages.registry import page


@page("account", PERSON, name="account")
def account(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/account."""
    return shell.show(request, principal, "pages/account.html", {"person": request.user}, here="account")
