"""How people sign in: with a password, or with a link that sets one once.

Whoever fails learns only that it failed: the same answer after the same work, whether there is such an account, it is
disabled, or it has no password. Every success begins a new session; a new password ends all others. What the account
is called is its e-mail address in small letters.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.contrib.auth import authenticate, login, logout, password_validation, update_session_auth_hash
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils.http import base36_to_int, int_to_base36
from ninja.utils import check_csrf

from rollbook.errors import Problem
from rollbook.server.access import audit, throttle
from rollbook.server.access.principals import user_principal
from rollbook.server.models import User
from rollbook.server.refusals import RefusedError, refused

BACKEND = "django.contrib.auth.backends.ModelBackend"


class _Links(PasswordResetTokenGenerator):
    """Links that end when their user is disabled, or becomes somebody who may do something else."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        """What a link is bound to, beside what Django binds it to: password, last sign-in and address."""
        return f"{super()._make_hash_value(user, timestamp)}{user.disabled_at}{user.role}{user.customer_id}"


_links = _Links()

PASSWORD_LENGTH_MAX = 256
"""Longer ones are refused before anything is computed of them."""


def address_of(request: HttpRequest) -> str:
    """Where a request comes from, as far as the proxies in front may be believed; IPv6 by its network of 64 bits."""
    text = request.META.get("REMOTE_ADDR", "")
    proxies = settings.CONFIGURATION["ROLLBOOK_TRUSTED_PROXIES"]
    if proxies:
        hops = [it.strip() for it in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if it.strip()]
        text = hops[-min(proxies, len(hops))] if hops else text
    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return str(address)


def require_csrf(request: HttpRequest) -> None:
    """For what somebody who is not signed in does in a browser. Raises 403."""
    if check_csrf(request) is not None:
        rule, remedy = "it is missing or is not this session's", "send what GET /v1/session says"
        raise refused(403, "csrf", "header X-CSRFToken", rule, remedy)


def sign_in(request: HttpRequest, name: str, password: str) -> User:
    """Signs somebody in with a password. Raises 401 where it is not theirs, 429 after too many attempts."""
    name, address = name.strip().lower(), address_of(request)
    throttle.attempt(name, address)
    found = authenticate(request, username=name, password=password[:PASSWORD_LENGTH_MAX])
    if not isinstance(found, User):
        raise refused(
            401,
            "sign-in-failed",
            "request",
            "name and password do not belong together",
            "check both, or ask whoever invited you for a new link",
        )
    throttle.succeeded(name, address)
    begin(request, found, "password")
    return found


def begin(request: HttpRequest, user: User, how: str) -> None:
    """Begins a new session for somebody who has proved who they are."""
    request.session.flush()
    login(request, user, backend=BACKEND)
    audit.record(user_principal(user), "session.begun", f"user {user.pk}", user.customer_id, how=how)


def sign_out(request: HttpRequest) -> None:
    """Ends the session."""
    if isinstance(request.user, User):
        user = request.user
        audit.record(user_principal(user), "session.ended", f"user {user.pk}", user.customer_id)
    logout(request)


def change_password(request: HttpRequest, user: User, old: str, new: str) -> None:
    """A new password for whoever knows the old one; all other sessions end. Raises 401, 422 and 429."""
    throttle.attempt(user.get_username(), address_of(request))
    if not user.check_password(old[:PASSWORD_LENGTH_MAX]):
        raise refused(
            401,
            "sign-in-failed",
            "body.old",
            "it is not the password",
            "check it, or ask whoever invited you for a new link",
        )
    with transaction.atomic():
        set_password(user, new, user.get_username())
    update_session_auth_hash(request, user)


def set_password(user: User, new: str, actor: str) -> None:
    """A new password; every session that began with the old one is over. Raises 422 where it is too easy."""
    if len(new) > PASSWORD_LENGTH_MAX:
        rule = f"it is longer than {PASSWORD_LENGTH_MAX} characters"
        raise refused(422, "password-weak", "password", rule, "choose a shorter one")
    try:
        password_validation.validate_password(new, user)
    except ValidationError as error:
        raise RefusedError(
            422,
            "password-weak",
            [Problem("password", rule[:1].lower() + rule[1:].rstrip("."), "choose another") for rule in error.messages],
        ) from None
    user.set_password(new)
    user.save(update_fields=["password"])
    audit.record(actor, "user.password-set", f"user {user.pk}", user.customer_id)


def password_link(user: User) -> str:
    """The path of a page on which somebody sets their password, once, within PASSWORD_RESET_TIMEOUT."""
    return f"/password/{int_to_base36(user.pk)}/{_links.make_token(user)}"


def user_of_link(number: str, token: str) -> User:
    """Whose link it is. Raises 404 where it was used, is too old, or never was one."""
    user = None
    try:
        user = User.objects.filter(pk=base36_to_int(number[:13]), is_active=True).first()
    except (ValueError, OverflowError):
        user = None
    if user is None or not _links.check_token(user, token):
        raise refused(404, "link-invalid", "link", "it was used before, or is too old", "ask for a new one")
    return user


def use_link(request: HttpRequest, number: str, token: str, new: str) -> User:
    """Sets the password that a link is for. The link is used up by it. Raises 404, 422 and 429."""
    throttle.attempt(f"link {number[:13]}", address_of(request))
    with transaction.atomic():
        user = user_of_link(number, token)
        user = User.objects.select_for_update().get(pk=user.pk)
        if not _links.check_token(user, token):
            raise refused(404, "link-invalid", "link", "it was used before, or is too old", "ask for a new one")
        set_password(user, new, user.get_username())
    rotate_token(request)
    return user
