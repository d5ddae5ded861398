"""Signing in by an OpenID Connect provider, spoken by django-allauth.

Nobody gets an account by it: the provider must say that an e-mail address is verified, and exactly one user who is not
disabled must have that address. Nothing is stored of what the provider says; it is asked each time.
"""

from __future__ import annotations

from typing import Any, NoReturn

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect

from rollbook.server.access import signin
from rollbook.server.models import User

FAILED = "/signin?failed=provider"
"""Where somebody lands whom the provider did not vouch for, or who is not known here: the same for both."""

SIGNED_IN = "/"


class NoSignUp(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by operators and administrators alone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's shape
        """Never."""
        return False


class KnownOnly(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Signs in whoever is known, and does nothing else of what allauth could do."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> NoReturn:
        """Decides before allauth looks for, links or makes an account."""
        user = user_of(sociallogin)
        if user is None:
            raise ImmediateHttpResponse(HttpResponseRedirect(FAILED))
        signin.begin(request, user, "provider")
        raise ImmediateHttpResponse(HttpResponseRedirect(SIGNED_IN))

    def on_authentication_error(self, request: HttpRequest, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        """Whatever went wrong on the way."""
        raise ImmediateHttpResponse(HttpResponseRedirect(FAILED))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002
        """Never."""
        return False


def user_of(sociallogin: SocialLogin) -> User | None:
    """The one user whose verified address the provider gives; None for none, for several, and for doubt."""
    said = sociallogin.account.extra_data
    token, profile = said.get("id_token"), said.get("userinfo")
    # OpenID Connect Core, 5.3.2: a profile of another subject than the token's must not be used.
    if not token or (profile and profile.get("sub") != token.get("sub")):
        return None
    verified = {it.email.lower() for it in sociallogin.email_addresses if it.verified and it.email}
    users = list(User.objects.filter(email__in=verified, is_active=True)[:2])
    return users[0] if len(users) == 1 else None


def configured() -> bool:
    """Whether there is a provider."""
    return bool(settings.SOCIALACCOUNT_PROVIDERS)
