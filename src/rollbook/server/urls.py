"""The addresses. Pages and probes add theirs in modules of their own, named in `MODULES` where they exist."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from rollbook.server.api.app import api

MODULES = ("signin_urls", "operations_urls", "pages.urls")
"""Modules of `rollbook.server` with `urlpatterns`; one that is not there is left out."""


def _there(name: str) -> bool:
    folder = name.rpartition(".")[0]
    return (not folder or find_spec(f"rollbook.server.{folder}") is not None) and find_spec(
        f"rollbook.server.{name}"
    ) is not None


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", api.urls),
    *(path("", include(f"rollbook.server.{name}")) for name in MODULES if _there(name)),
]

handler400 = "rollbook.server.middleware.unreadable"
handler403 = "rollbook.server.middleware.forbidden"
handler404 = "rollbook.server.middleware.missing"
handler500 = "rollbook.server.middleware.broken"
