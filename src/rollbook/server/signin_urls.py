"""The addresses of the pages: signing in, and what comes first after it."""

from __future__ import annotations

from allauth.socialaccount.providers.openid_connect.views import callback
from django.urls import path
from django.views.decorators.http import require_GET

from rollbook.server import front_page, signin_pages

urlpatterns = [
    path("", front_page.front, name="front"),
    path("signin", signin_pages.sign_in, name="account_login"),
    path("signout", signin_pages.sign_out, name="account_logout"),
    path("password/<str:number>/<str:token>", signin_pages.password, name="password"),
    path("signin/oidc/<str:provider_id>", signin_pages.to_provider, name="openid_connect_login"),
    path("signin/oidc/<str:provider_id>/back", require_GET(callback), name="openid_connect_callback"),
]
