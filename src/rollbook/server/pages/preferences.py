"""What somebody chose for their browser: light or dark, and a language. Kept in cookies that say nothing else."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import get_language
from django.views.decorators.http import require_POST

from rollbook.server.pages.shell import own_address

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"
YEAR_SECONDS = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """What the browser was told, or auto: what its system says."""
    said = request.COOKIES.get(THEME_COOKIE, "")
    return said if said in THEMES else THEMES[0]


def chosen(request: HttpRequest) -> dict[str, Any]:
    """For every template: the theme, and the languages that there are."""
    return {
        "theme": theme_of(request),
        "themes": THEMES,
        "language": get_language() or settings.LANGUAGE_CODE,
        "languages": settings.LANGUAGES,
    }


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """/preferences: keeps what was chosen, and goes back to where it was chosen."""
    answer = HttpResponseRedirect(own_address(request.POST.get("next", "")))
    for name, known in ((THEME_COOKIE, THEMES), (settings.LANGUAGE_COOKIE_NAME, dict(settings.LANGUAGES))):
        said = request.POST.get(name, "")
        if said in known:
            answer.set_cookie(name, said, max_age=YEAR_SECONDS, secure=settings.TLS, httponly=True, samesite="Lax")
    return answer
