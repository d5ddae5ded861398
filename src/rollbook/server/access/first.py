"""The first operator of an empty server, who makes themselves by a code that only a terminal showed.

The code is signed with the server's secret key and ends after three days; it is worth nothing as soon as there is any
user. So whoever reaches the server over the network before its operator does finds a closed door.
"""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.http import HttpRequest

from rollbook.server.access import audit, signin, throttle
from rollbook.server.access.accounts import COMMAND
from rollbook.server.models import User
from rollbook.server.refusals import refused

VALID_SECONDS = 3 * 24 * 3600
LOCK = 0x6F70657261746F72
"""The number of PostgreSQL's advisory lock: the letters `operator`."""

_SIGNER = signing.TimestampSigner(salt="rollbook.first-operator")
_SAID = "first"


def is_open() -> bool:
    """Whether nobody is here yet."""
    return not User.objects.exists()


def address() -> str:
    """Of the page on which the first operator is made: a secret, for a terminal alone."""
    base = settings.CONFIGURATION["ROLLBOOK_BASE_URL"].rstrip("/")
    return f"{base}/first?code={quote(_SIGNER.sign(_SAID))}"


def make(request: HttpRequest, code: str, email: str, password: str) -> User:
    """The first operator, signed in. Raises 404 for a code that does not hold, 422 for what was typed, and 429."""
    throttle.attempt("first operator", signin.address_of(request))
    email = email.strip().lower()
    if not _holds(code):
        raise refused(404, "link-invalid", "code", "the code does not hold", "start the server anew for another one")
    try:
        validate_email(email)
    except ValidationError:
        raise refused(
            422, "input-invalid", "email", "it is no e-mail address", "write it as olga@example.org"
        ) from None
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        user = User(username=email, email=email, role=User.OPERATOR)
        user.set_unusable_password()
        user.save()
        # Counted when it is written: whoever else is at it waits, and finds that they are the second.
        if User.objects.count() > 1:
            raise refused(404, "link-invalid", "code", "somebody is here already", "sign in, or ask an operator")
        signin.set_password(user, password, COMMAND.label)
        audit.record(COMMAND, "user.added", f"user {user.pk}", role=user.role)
    signin.begin(request, user, "first")
    return user


def _holds(code: str) -> bool:
    try:
        return is_open() and _SIGNER.unsign(code[:200], max_age=VALID_SECONDS) == _SAID
    except signing.BadSignature:
        return False
