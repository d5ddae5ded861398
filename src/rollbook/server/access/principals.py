"""Who asks, and what they may do. Nothing is allowed that is not declared.

Every route declares one need, `auth=needs("usage:read")`, or that it needs none, `auth=anybody()`; a route that
declares nothing refuses everybody. Whoever asks is a `Principal`: a person by session, or a program by key. Which
objects a need reaches is decided here alone: `customers_of`, `customer_for`, `subscriptions_of`, `subscription_for`.
What somebody may not see is not there: 404, never 403.

A session's unsafe methods need a CSRF token; a key's never do, because a browser does not send keys by itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from rollbook.errors import PlanError
from rollbook.server.access import keys, throttle
from rollbook.server.models import ApiKey, Customer, Subscription, User
from rollbook.server.models.contracts import PAID
from rollbook.server.refusals import missing, refused

SCOPES = {
    "facts:write": "send facts, and see which were refused or wait",
    "usage:read": "see what was used of what is included: figures, without learners",
    "learners:read": "see who counted, and why: ids, names and addresses of learners",
    "roster:read": "see the roster: who is enrolled, who is active, and their ids and names",
    "roster:write": "enable and disable enrolments, set learners active and inactive, take in rosters",
    "admissions:write": "ask whether a learner may enter, and hold a place for them",
    "statements:read": "read closed statements with their evidence",
    "statements:close": "close windows, release and dispute",
    "manage": "everything about customers, plans, subscriptions, users and keys; for keys of no customer only",
}
"""What a key may be for."""

OWN = "own:manage"
"""To manage what a customer manages itself: its viewers, its keys that read, its report orders, its endpoints."""

DISPUTE = "statements:dispute"
"""To dispute a statement of one's own, and to withdraw that: administrators may, and whoever may close."""

PERSON = "person"
"""To be somebody who is signed in."""

READS = frozenset({"usage:read", "learners:read", "roster:read", "statements:read"})
"""Scopes of the keys that a customer's administrators may make."""

SCOPES_OF_ROLE = {
    User.OPERATOR: frozenset({*SCOPES, OWN, DISPUTE, PERSON}),
    User.ADMINISTRATOR: frozenset({*READS, "roster:write", OWN, DISPUTE, PERSON}),
    User.VIEWER: frozenset({"usage:read", PERSON}),
}
"""S-34: Usage Details are the administrators'; a viewer is one whom they let see its figures, without learners."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    kind      operator, administrator, viewer, key or nobody
    name      how the audit calls them: a user's name, or a key's prefix
    scopes    what they may do
    customer  whose objects they see; None with `vendor` for everybody's
    vendor    whether they are the vendor's: an operator, or a key of no customer
    number    of the user or of the key
    """

    kind: str
    name: str
    scopes: frozenset[str]
    customer: int | None
    vendor: bool
    number: int = 0

    @property
    def label(self) -> str:
        """How the audit calls them, with their kind."""
        return f"{self.kind} {self.name}"

    @property
    def user(self) -> int | None:
        """The number of the user that they are; None for a key and for the command line."""
        return self.number if self.kind in SCOPES_OF_ROLE else None

    @property
    def key(self) -> int | None:
        """The number of the key that they are; None for a person."""
        return self.number if self.kind == "key" else None

    def may(self, scope: str) -> bool:
        """Whether they may do what a scope stands for."""
        return scope in self.scopes

    def require(self, *scopes: str) -> None:
        """The same of any of some, raising 403. For what depends on what was sent; routes declare `needs`."""
        if not any(map(self.may, scopes)):
            raise _forbidden(*scopes)


NOBODY = Principal("nobody", "nobody", frozenset(), None, vendor=False)


def principal_of(request: HttpRequest) -> Principal:
    """Who asks: what `needs` found."""
    return cast("Principal", getattr(request, "auth", NOBODY))


class Needs(AuthBase):
    """What a route needs: see `needs`."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *scopes: str, limited: bool = True) -> None:
        self.scopes, self.scope, self.limited = scopes, " or ".join(scopes), limited
        super().__init__()

    def __call__(self, request: HttpRequest) -> Principal | None:
        """The principal. None answers 401; raises 403 and 429."""
        principal = known(request)
        if principal is None:
            return None
        request.auth = principal  # type: ignore[attr-defined]  # whoever is refused is known to the log too
        if self.limited:
            count(principal)
        if not any(map(principal.may, self.scopes)):
            raise _forbidden(*self.scopes)
        return principal


class Anybody(AuthBase):
    """What a route needs that needs nobody to be known. Whoever is known is not asked for."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    scope = ""

    def __call__(self, request: HttpRequest) -> Principal:  # noqa: ARG002 - the shape of a callback
        """Nobody."""
        return NOBODY


class Undeclared(AuthBase):
    """What stands where a route declares nothing."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Principal:  # noqa: ARG002 - the shape of a callback
        """Refuses everybody."""
        raise refused(403, "forbidden", "request", "this address is open to nobody", "tell whoever runs the server")


def needs(*scopes: str, limited: bool = True) -> Any:
    """The one way in which a route declares what it needs: `@router.get("/usage", auth=needs("usage:read"))`.

    scopes   of `SCOPES`, or `OWN`, `DISPUTE` or `PERSON`; any of them is enough
    limited  whether calls count against the rate of whoever calls
    """
    if not scopes or (unknown := [it for it in scopes if it not in SCOPES and it not in (OWN, DISPUTE, PERSON)]):
        raise ValueError(f"there is no scope {unknown if scopes else ''}")
    return Needs(*scopes, limited=limited)


def anybody() -> Any:
    """Declares that a route answers to anybody: health, signing in."""
    return Anybody()


def known(request: HttpRequest) -> Principal | None:
    """Who a request comes from; None where it names nobody, or names a key that is not valid.

    A key that was sent decides alone: with a wrong one, a session that came along is not looked at.
    Raises 403 for a session's unsafe request without its CSRF token.
    """
    header = request.headers.get("Authorization", "")
    if header:
        key = keys.find(*credentials(header))
        return key_principal(key) if key else None
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    if request.method not in SAFE_METHODS and check_csrf(request) is not None:
        raise refused(
            403,
            "csrf",
            "header X-CSRFToken",
            "it is missing or is not this session's",
            "send what GET /v1/session says",
        )
    return user_principal(user)


def count(principal: Principal) -> None:
    """Counts one call of whoever is known, by route or by page. Raises 429 beyond their rate."""
    throttle.count_call(throttle.KEY if principal.kind == "key" else throttle.USER, principal.number)


def credentials(header: str) -> tuple[str, str]:
    """Prefix and secret in an Authorization header: Bearer rbk_<prefix>_<secret>, or Basic with both; or two ''."""
    scheme, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return keys.split(rest)
    if scheme.lower() != "basic":
        return "", ""
    try:
        prefix, _, secret = base64.b64decode(rest, validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return keys.split(secret) if secret.startswith(keys.MARK) else (prefix.removeprefix(keys.MARK), secret)


def user_principal(user: User) -> Principal:
    """A person as a principal."""
    return Principal(
        user.role,
        user.get_username(),
        SCOPES_OF_ROLE.get(user.role, frozenset()),
        user.customer_id,
        vendor=user.role == User.OPERATOR,
        number=user.pk,
    )


def key_principal(key: ApiKey) -> Principal:
    """A program as a principal. A key of a customer never manages, whatever its row says."""
    scopes = frozenset(key.scopes) & frozenset(SCOPES)
    if key.customer_id is not None:
        scopes -= {"manage"}
    elif "manage" in scopes:
        scopes |= {OWN}
    return Principal("key", key.prefix, scopes, key.customer_id, vendor=key.customer_id is None, number=key.pk)


def customers_of(principal: Principal) -> QuerySet[Customer]:
    """The customers that somebody may see, by name."""
    rows = Customer.objects.order_by("name")
    if principal.vendor:
        return rows
    return rows.filter(pk=principal.customer) if principal.customer is not None else rows.none()


def customer_for(principal: Principal, number: int | None) -> Customer:
    """One of them; None means the principal's own. Raises 404."""
    wanted = principal.customer if number is None else number
    found = None if wanted is None else customers_of(principal).filter(pk=wanted).first()
    if found is None:
        raise missing("customer")
    return found


def subscriptions_of(principal: Principal) -> QuerySet[Subscription]:
    """The subscriptions that somebody may see, the latest term first.

    Pilots, internal ones, shadows, and plans that say so are the vendor's alone (S-22, S-36).
    """
    rows = Subscription.objects.select_related("plan", "customer").order_by("-start", "-id")
    if principal.vendor:
        return rows
    if principal.customer is None:
        return rows.none()
    rows = rows.filter(customer=principal.customer, kind=PAID)
    return rows.exclude(plan__in=_hidden(row.plan_id for row in rows))


def subscription_for(principal: Principal, number: int) -> Subscription:
    """One of them. Raises 404."""
    found = subscriptions_of(principal).filter(pk=number).first()
    if found is None:
        raise missing("subscription")
    return found


def _hidden(plans: Iterable[int]) -> list[int]:
    """Which of some plan versions customers are not shown."""
    from rollbook.server.live import contracts  # noqa: PLC0415 - it loads the engines, which signing in does not need
    from rollbook.server.models import PlanVersion  # noqa: PLC0415

    hidden = []
    for row in PlanVersion.objects.filter(pk__in=set(plans)):
        try:
            shown = contracts.plan_of(row).governance.visible_to_customer
        except PlanError:  # written by a later version of this program: better hidden than shown
            shown = False
        if not shown:
            hidden.append(row.pk)
    return hidden


def _forbidden(*scopes: str) -> Exception:
    words = {
        **SCOPES,
        OWN: "manage what is a customer's own",
        DISPUTE: "dispute a statement of one's own",
        PERSON: "be somebody who is signed in",
    }
    rule = "it needs " + " or ".join(f"{it} ({words[it]})" for it in scopes)
    return refused(403, "forbidden", "request", rule, "ask for a role or a key that may")
