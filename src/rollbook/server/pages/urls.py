"""The addresses of the pages: signing in, and all that declare themselves, see `registry`."""

from __future__ import annotations

from allauth.socialaccount.providers.openid_connect.views import callback
from django.urls import path
from django.views.decorators.http import require_GET

from rollbook.server.pages import first, preferences, registry, signin

urlpatterns = [
    path("signin", signin.sign_in, name="account_login"),
    path("first", first.operator, name="first"),
    path("signout", signin.sign_out, name="account_logout"),
    path("password/<str:number>/<str:token>", signin.password, name="password"),
    path("signin/oidc/<str:provider_id>", signin.to_provider, name="openid_connect_login"),
    path("signin/oidc/<str:provider_id>/back", require_GET(callback), name="openid_connect_callback"),
    path("preferences", preferences.choose, name="preferences"),
    *registry.patterns(),
]
