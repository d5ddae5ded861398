"""The addresses: the API under /v1, and the pages. Probes are answered before, see `observing.health`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from rollbook.server.api.app import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", api.urls),
    path("", include("rollbook.server.pages.urls")),
]

handler400 = "rollbook.server.pages.stops.unreadable"
handler403 = "rollbook.server.pages.stops.forbidden"
handler404 = "rollbook.server.pages.stops.missing"
handler500 = "rollbook.server.pages.stops.broken"
