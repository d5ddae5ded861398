"""The page at `/`: who is signed in, and where to go on from here. Whoever is not signed in is sent to sign in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from rollbook.server.access.principals import subscriptions_of, user_principal
from rollbook.server.models import User

SUBSCRIPTIONS_SHOWN = 100
"""The latest; the API lists all."""


@never_cache
@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """/: for somebody who is signed in; others are sent to /signin."""
    user = request.user
    if not isinstance(user, User):
        return HttpResponseRedirect("/signin")
    rows = list(subscriptions_of(user_principal(user))[: SUBSCRIPTIONS_SHOWN + 1])
    shown = {
        "person": user,
        "role": user.get_role_display(),
        "subscriptions": rows[:SUBSCRIPTIONS_SHOWN],
        "more": len(rows) > SUBSCRIPTIONS_SHOWN,
    }
    return render(request, "signin/front.html", shown)
