"""Signing in, and who is signed in: for programs that run in a browser. Pages have /signin."""

from __future__ import annotations

from typing import Annotated, cast

from django.http import HttpRequest
from django.middleware.csrf import get_token
from ninja import Router, Schema, Status
from pydantic import Field

from rollbook.server.access import signin
from rollbook.server.access.principals import NOBODY, PERSON, Principal, anybody, needs, user_principal
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body
from rollbook.server.models import User

router = Router(tags=["session"])

Password = Annotated[str, Field(min_length=1, max_length=signin.PASSWORD_LENGTH_MAX)]


class SignInIn(Body):
    """Who signs in: the e-mail address and the password of a user."""

    name: Annotated[str, Field(min_length=1, max_length=150)]
    password: Password


class NewPasswordIn(Body):
    """A new password for whoever is signed in."""

    old: Password
    new: Password


class LinkIn(Body):
    """A new password for whoever was sent a link: the two parts of its path."""

    number: Annotated[str, Field(min_length=1, max_length=13, pattern="^[0-9a-z]+$")]
    token: Annotated[str, Field(min_length=1, max_length=100, pattern="^[0-9a-z-]+$")]
    password: Password


class SessionOut(Schema):
    """Who is signed in.

    role        operator, administrator or viewer; nobody where nobody is
    customer    the number of the customer whose they are
    scopes      what they may do
    csrf_token  to be sent as the header X-CSRFToken with every request that changes something
    """

    role: str
    name: str
    customer: int | None
    scopes: list[str]
    csrf_token: str


def _said(request: HttpRequest, principal: Principal) -> SessionOut:
    return SessionOut(
        role=principal.kind,
        name="" if principal is NOBODY else principal.name,
        customer=principal.customer,
        scopes=sorted(principal.scopes),
        csrf_token=get_token(request),
    )


@router.get("/session", auth=anybody(), response=SessionOut, summary="Who is signed in")
def read_session(request: HttpRequest) -> SessionOut:
    """Says who is signed in by the session's cookie, and gives the token that changes need."""
    return _said(request, user_principal(request.user) if isinstance(request.user, User) else NOBODY)


@router.post("/session", auth=anybody(), response=SessionOut, openapi_extra=also(401), summary="Sign in")
def sign_in(request: HttpRequest, body: SignInIn) -> SessionOut:
    """Begins a session. Whoever fails learns only that it failed; too many attempts answer 429."""
    signin.require_csrf(request)
    return _said(request, user_principal(signin.sign_in(request, body.name, body.password)))


@router.delete("/session", auth=needs(PERSON), response={204: None}, summary="Sign out")
def sign_out(request: HttpRequest) -> Status[None]:
    """Ends the session."""
    signin.sign_out(request)
    return Status(204, None)


@router.post("/session/password", auth=needs(PERSON), response=SessionOut, summary="Change one's password")
def change_password(request: HttpRequest, body: NewPasswordIn) -> SessionOut:
    """Changes the password, and ends all other sessions of the same user."""
    user = cast("User", request.user)
    signin.change_password(request, user, body.old, body.new)
    return _said(request, user_principal(user))


@router.post(
    "/session/password-link", auth=anybody(), response={204: None}, openapi_extra=also(404), summary="Use a link"
)
def use_link(request: HttpRequest, body: LinkIn) -> Status[None]:
    """Sets the password that a link is for. Signing in comes afterwards."""
    signin.require_csrf(request)
    signin.use_link(request, body.number, body.token, body.password)
    return Status(204, None)
