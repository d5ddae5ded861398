"""Users and keys: made, changed and disabled by those who may, and audited.

An operator manages all of them. A customer's administrators manage their own viewers, and keys of their own that only
read: whoever could renew a key or an account that may do more than they may themselves, could do more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from rollbook.errors import Problem, UsageError
from rollbook.server.access import audit, keys, signin
from rollbook.server.access.principals import OWN, READS, SCOPES, Principal, customer_for
from rollbook.server.models import ApiKey, User
from rollbook.server.refusals import missing, refused

KEYS_MAX = 200
"""Of one customer, and of none."""

COMMAND = Principal("command", "line", frozenset({*SCOPES, OWN}), None, vendor=True)
"""Whoever may run the commands on the server's machine: they may do everything anyway."""


def users_of(principal: Principal) -> QuerySet[User]:
    """Whom somebody manages or may see: everybody, or those of their customer."""
    rows = User.objects.select_related("customer")
    return rows if principal.vendor else rows.filter(customer=principal.customer, customer__isnull=False)


def user_for(principal: Principal, number: int) -> User:
    """One of those whom they may change. Raises 404, and 403 for one whom they see and may not change."""
    row = users_of(principal).filter(pk=number).first()
    if row is None:
        raise missing("user")
    if not principal.may("manage") and row.role != User.VIEWER:
        raise refused(403, "forbidden", "user", "you may change viewers only", "ask an operator")
    return row


def add_user(principal: Principal, email: str, role: str, customer: int | None, name: str) -> User:
    """A user without a password: a link sets it. Raises 403, 404, 409 and 422."""
    if not principal.may("manage") and role != User.VIEWER:
        raise refused(403, "forbidden", "body.role", "you may add viewers only", "ask an operator")
    if (role == User.OPERATOR) != (customer is None and principal.vendor):
        rule = "operators have no customer, and all others have one"
        raise refused(422, "input-invalid", "body.customer", rule, "name the customer, or leave it out")
    owner = None if role == User.OPERATOR else customer_for(principal, customer)
    email = email.lower()
    row = User(username=email, email=email, role=role, customer=owner, first_name=name)
    row.set_unusable_password()
    with transaction.atomic():
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:
            raise refused(409, "exists", "body.email", "this address cannot be used", "use another one") from None
        audit.record(principal, "user.added", f"user {row.pk}", row.customer_id, role=role)
    return row


def add_operator(email: str) -> str:
    """The address of a page on which an operator sets their password, once: a new one, or one who is there already.

    The first operator is made so, whom nobody else could add. Raises UsageError for no e-mail address, and for
    somebody who is no operator that may sign in.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise UsageError(Problem("ADDRESS", "it is no e-mail address", "write it as olga@example.org")) from None
    with transaction.atomic():
        row, added = User.objects.get_or_create(username=email, defaults={"email": email, "role": User.OPERATOR})
        if row.role != User.OPERATOR or not row.is_active:
            rule = "somebody has this address, and is no operator who may sign in"
            raise UsageError(Problem("ADDRESS", rule, "use another address"))
        if added:
            row.set_unusable_password()
            row.save(update_fields=["password"])
        audit.record(COMMAND, "user.added" if added else "user.link-made", f"user {row.pk}", role=row.role)
    return f"{settings.CONFIGURATION['ROLLBOOK_BASE_URL'].rstrip('/')}{signin.password_link(row)}"


def renew_link(principal: Principal, row: User) -> str:
    """A link with which somebody sets their password; their old one holds until they do."""
    if not row.is_active:
        raise refused(409, "disabled", "user", "they are disabled", "enable them first")
    audit.record(principal, "user.link-made", f"user {row.pk}", row.customer_id)
    return signin.password_link(row)


def enable(principal: Principal, row: User, *, active: bool) -> None:
    """Lets somebody sign in; or ends their sessions and links, for ever, and lets them no more."""
    if not active and principal.user == row.pk:
        raise refused(409, "self", "user", "you would disable yourself", "ask another operator")
    with transaction.atomic():
        row.is_active = active
        if not active:
            row.disabled_at = timezone.now()
        row.save(update_fields=["is_active", "disabled_at"])
        audit.record(principal, "user.enabled" if active else "user.disabled", f"user {row.pk}", row.customer_id)


def keys_of(principal: Principal) -> QuerySet[ApiKey]:
    """The keys that somebody may see."""
    rows = ApiKey.objects.all()
    return rows if principal.vendor else rows.filter(customer=principal.customer, customer__isnull=False)


def key_for(principal: Principal, number: int) -> ApiKey:
    """One of them. Raises 404."""
    row = keys_of(principal).filter(pk=number).first()
    if row is None:
        raise missing("key")
    return row


def add_key(
    principal: Principal, name: str, scopes: Sequence[str], customer: int | None, expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """A key with its text, which is known at no other time. Raises 403, 404, 409 and 422."""
    owner = None if customer is None and principal.vendor else customer_for(principal, customer)
    _may_grant(principal, scopes)
    if "manage" in scopes and owner is not None:
        rule = "manage is for keys of no customer: it reaches all of them"
        raise refused(422, "input-invalid", "body.scopes", rule, "leave it out, or leave out the customer")
    if expires_at is not None and expires_at <= timezone.now():
        raise refused(422, "input-invalid", "body.expires_at", "it is past", "give a later instant, or none")
    with transaction.atomic():
        if ApiKey.objects.filter(customer=owner, revoked_at=None).count() >= KEYS_MAX:
            raise refused(409, "too-many", "keys", f"there are {KEYS_MAX} that hold", "revoke one that nobody uses")
        row, text = keys.make(
            name=name,
            scopes=[it for it in SCOPES if it in scopes],
            customer=owner,
            expires_at=expires_at,
            created_by_id=principal.user,
        )
        audit.record(principal, "key.added", f"key {row.prefix}", row.customer_id, scopes=row.scopes)
    return row, text


def rotate_key(principal: Principal, row: ApiKey, old_valid_hours: int) -> str:
    """A new secret. Whoever could not have made the key cannot renew it: they would get its scopes."""
    _may_grant(principal, row.scopes)
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().get(pk=row.pk)
        if row.revoked_at:
            raise refused(409, "revoked", "key", "it is revoked for ever", "make another one")
        text = keys.rotate(row, old_valid_hours)
        audit.record(principal, "key.rotated", f"key {row.prefix}", row.customer_id, old_valid_hours=old_valid_hours)
    return text


def revoke_key(principal: Principal, row: ApiKey) -> None:
    """Ends a key for ever, at once."""
    with transaction.atomic():
        row.revoked_at = row.revoked_at or timezone.now()
        row.save(update_fields=["revoked_at"])
        audit.record(principal, "key.revoked", f"key {row.prefix}", row.customer_id)


def _may_grant(principal: Principal, scopes: Sequence[str]) -> None:
    if not principal.may("manage") and not READS.issuperset(scopes):
        rule = "you may make and renew keys that read, and no others"
        raise refused(403, "forbidden", "scopes", rule, f"choose among {', '.join(sorted(READS))}, or ask an operator")
