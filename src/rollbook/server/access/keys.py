"""Keys of programs: `rbk_<prefix>_<secret>`.

The secret is 256 random bits and is shown once; its SHA-256 digest alone is kept, and compared in constant time. A
guess costs nothing that a slow hash could make dearer: there are 2^256 of them. After a rotation the secret before
holds until a stated time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from rollbook.server.models import ApiKey

MARK = "rbk_"
"""How every key begins, so that one that was published by mistake is found."""

PREFIX_CHARACTERS = "abcdefghijkmnpqrstuvwxyz23456789"
PREFIX_LENGTH = 10
SECRET_BYTES = 32

USED_EVERY = timedelta(minutes=1)
"""How often the last use is written down."""

ROTATION_HOURS_MAX = 24 * 30
"""For how long at most an old secret stays valid."""

_SHAPE = re.compile(rf"rbk_([{PREFIX_CHARACTERS}]{{{PREFIX_LENGTH}}})_([A-Za-z0-9_-]{{43}})")
_NO_DIGEST = hashlib.sha256(b"").hexdigest()


def split(text: str) -> tuple[str, str]:
    """Prefix and secret of a key as it was shown; two '' where it is none."""
    found = _SHAPE.fullmatch(text)
    return (found[1], found[2]) if found else ("", "")


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make(**columns: object) -> tuple[ApiKey, str]:
    """A new key with its text, which is known at no other time."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    prefix = "".join(secrets.choice(PREFIX_CHARACTERS) for _ in range(PREFIX_LENGTH))
    key = ApiKey.objects.create(prefix=prefix, digest=digest(secret), **columns)
    return key, f"{MARK}{prefix}_{secret}"


def rotate(key: ApiKey, old_valid_hours: int) -> str:
    """A new secret for a key: its text. The one before holds for so many hours more, 0 for none."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    until = timezone.now() + timedelta(hours=min(max(old_valid_hours, 0), ROTATION_HOURS_MAX))
    key.old_digest, key.old_valid_until = (key.digest, until) if old_valid_hours > 0 else ("", None)
    key.digest = digest(secret)
    key.save(update_fields=["digest", "old_digest", "old_valid_until"])
    return f"{MARK}{key.prefix}_{secret}"


def find(prefix: str, secret: str) -> ApiKey | None:
    """The key of a prefix and its secret, if it is valid now; notes that it was used, once a minute at most."""
    now = timezone.now()
    key = ApiKey.objects.filter(prefix=prefix).first() if prefix and secret and "\x00" not in prefix else None
    if not _matches(key, secret, now) or key is None:
        return None
    if key.revoked_at or (key.expires_at and key.expires_at <= now):
        return None
    if key.last_used_at is None or key.last_used_at <= now - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return key


def _matches(key: ApiKey | None, secret: str, now: datetime) -> bool:
    """Compares with every digest that holds; with one that nothing has where there is no key."""
    given = digest(secret)
    current = hmac.compare_digest(given, key.digest if key else _NO_DIGEST)
    old_holds = key is not None and key.old_valid_until is not None and key.old_valid_until > now
    old = hmac.compare_digest(given, key.old_digest if key and old_holds else _NO_DIGEST)
    return (current or old) and bool(secret)
