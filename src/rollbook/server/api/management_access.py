"""Users and keys: who may do what, given and taken."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, Field

from rollbook.server.access import accounts, keys, signin
from rollbook.server.access.principals import OWN, needs, principal_of
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body, Cursor, Email, Id, Limit, Line, OptionalLine
from rollbook.server.api.paging import page
from rollbook.server.api.strict import whose_is_said
from rollbook.server.models import ApiKey, User
from rollbook.server.notices import leaving

router = Router(tags=["access"])

Role = Literal["operator", "administrator", "viewer"]
Scope = Literal[
    "facts:write",
    "usage:read",
    "learners:read",
    "roster:read",
    "roster:write",
    "admissions:write",
    "statements:read",
    "statements:close",
    "manage",
]


class UserIn(Body):
    """Somebody who is to sign in. An operator has no customer; an administrator's own need not be named."""

    email: Email
    role: Role
    customer: Id | None = None
    name: Annotated[OptionalLine, Field(max_length=150)] = ""


class UserOut(Schema):
    """Somebody who signs in."""

    id: int
    email: str
    name: str
    role: str
    customer: int | None
    active: bool
    last_signed_in_at: datetime | None


class DisabledOut(Schema):
    """Somebody who signs in no more, and what they made that still holds: it is their customer's, or the vendor's.

    keys, endpoints  their numbers; whoever knows a key's secret can use it
    report_orders    numbers of orders that were paused
    """

    user: UserOut
    keys: list[int]
    endpoints: list[int]
    report_orders: list[int]


class LinkOut(Schema):
    """Where somebody sets their password, once. It is shown now and never again: pass it on to them alone."""

    user: UserOut
    password_link: str
    valid_until: datetime


class UsersOut(Schema):
    """A page of users."""

    items: list[UserOut]
    next: int | None


class KeyIn(Body):
    """A key for a program. Operators say whose it is: a customer's number, or null for one that reaches all."""

    name: Line
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=7)]
    customer: Id | None = None
    expires_at: AwareDatetime | None = None


class RotationIn(Body):
    """For how many hours the secret before still holds; 0 for not at all."""

    old_valid_hours: Annotated[int, Field(ge=0, le=keys.ROTATION_HOURS_MAX)] = 24


class KeyOut(Schema):
    """A key, without its secret. `last_used_at` is exact to a minute; `created_by` is the number of a user."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    customer: int | None
    created_at: datetime
    created_by: int | None
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    old_secret_valid_until: datetime | None


class SecretOut(Schema):
    """A key with its secret, the whole text rbk_…, which is shown now and never again."""

    key: KeyOut
    secret: str


class KeysOut(Schema):
    """A page of keys."""

    items: list[KeyOut]
    next: int | None


@router.get("/users", auth=needs(OWN), response=UsersOut, summary="List users")
def list_users(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> UsersOut:
    """Everybody for operators; those of their customer for its administrators."""
    found, following = page(accounts.users_of(principal_of(request)), after, limit)
    return UsersOut(items=[_user(it) for it in found], next=following)


@router.post("/users", auth=needs(OWN), response={201: LinkOut}, openapi_extra=also(404, 409), summary="Add a user")
def add_user(request: HttpRequest, body: UserIn) -> Status[LinkOut]:
    """Adds a user, and gives the link with which they set their password."""
    principal = principal_of(request)
    row = accounts.add_user(principal, body.email, body.role, body.customer, body.name)
    return Status(201, _link(row, signin.password_link(row)))


@router.post("/users/{number}/password-link", auth=needs(OWN), response=LinkOut, openapi_extra=also(409))
def renew_link(request: HttpRequest, number: Id) -> LinkOut:
    """A new link, for whoever forgot their password or let the first one lapse."""
    principal = principal_of(request)
    row = accounts.user_for(principal, number)
    return _link(row, accounts.renew_link(principal, row))


@router.post("/users/{number}/disable", auth=needs(OWN), response=DisabledOut, openapi_extra=also(409))
def disable_user(
    request: HttpRequest,
    number: Id,
    revoke: Annotated[bool, Query(description="whether keys and endpoints that they made end too")] = False,  # noqa: FBT002 - a parameter of the address
) -> DisabledOut:
    """Ends their sessions and links; they sign in no more. Reports that they ordered are paused."""
    left = leaving.disable(principal_of(request), number, revoke=revoke)
    return DisabledOut(
        user=_user(left.user),
        keys=[it.pk for it in left.keys],
        endpoints=[it.pk for it in left.endpoints],
        report_orders=left.orders,
    )


@router.post("/users/{number}/enable", auth=needs(OWN), response=UserOut)
def enable_user(request: HttpRequest, number: Id) -> UserOut:
    """Lets them sign in again. Sessions and links from before stay ended, and reports that they ordered paused."""
    principal = principal_of(request)
    row = accounts.user_for(principal, number)
    accounts.enable(principal, row, active=True)
    return _user(row)


@router.get("/keys", auth=needs(OWN), response=KeysOut, summary="List keys")
def list_keys(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> KeysOut:
    """All for operators; those of their customer for its administrators."""
    found, following = page(accounts.keys_of(principal_of(request)), after, limit)
    return KeysOut(items=[_key(it) for it in found], next=following)


@router.post("/keys", auth=needs(OWN), response={201: SecretOut}, openapi_extra=also(404, 409), summary="Make a key")
def add_key(request: HttpRequest, body: KeyIn) -> Status[SecretOut]:
    """Makes a key. A customer's administrators make keys that read."""
    principal = principal_of(request)
    whose_is_said(principal, body, "a key that reaches all customers")
    row, text = accounts.add_key(principal, body.name, body.scopes, body.customer, body.expires_at)
    return Status(201, SecretOut(key=_key(row), secret=text))


@router.post("/keys/{number}/rotate", auth=needs(OWN), response=SecretOut, openapi_extra=also(409))
def rotate_key(request: HttpRequest, number: Id, body: RotationIn) -> SecretOut:
    """A new secret for a key."""
    principal = principal_of(request)
    text = accounts.rotate_key(principal, accounts.key_for(principal, number), body.old_valid_hours)
    return SecretOut(key=_key(accounts.key_for(principal, number)), secret=text)


@router.post("/keys/{number}/revoke", auth=needs(OWN), response=KeyOut, summary="Revoke a key")
def revoke_key(request: HttpRequest, number: Id) -> KeyOut:
    """Ends a key, at once and for ever."""
    principal = principal_of(request)
    accounts.revoke_key(principal, accounts.key_for(principal, number))
    return _key(accounts.key_for(principal, number))


def _user(row: User) -> UserOut:
    return UserOut(
        id=row.pk,
        email=row.email,
        name=row.first_name,
        role=row.role,
        customer=row.customer_id,
        active=row.is_active,
        last_signed_in_at=row.last_login,
    )


def _link(row: User, path: str) -> LinkOut:
    until = timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    base = settings.CONFIGURATION["ROLLBOOK_BASE_URL"].rstrip("/")
    return LinkOut(user=_user(row), password_link=f"{base}{path}", valid_until=until)


def _key(row: ApiKey) -> KeyOut:
    return KeyOut(
        id=row.pk,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes,
        customer=row.customer_id,
        created_at=row.created_at,
        created_by=row.created_by_id,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        old_secret_valid_until=row.old_valid_until,
    )
