"""Whether ROLLBOOK_DIGEST_KEY is the one with which this database was begun.

With another key every learner who comes again would be somebody new, and be counted twice. So a digest of a constant,
made with the key, is kept in the database, by the first `rollbook migrate` that finds none. It tells nothing of the
key. Databases older than this check are held against one learner's digest.
"""

from __future__ import annotations

import hmac

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from rollbook.errors import Problem, RollbookError
from rollbook.server.live import people
from rollbook.server.models import Done, Person

JOB = "digest-key"
"""Of the row of `Done` that keeps the check value."""

CONSTANT = b"rollbook: is this the digest key?"
CHARACTERS = 40
"""Of the check value, in hexadecimal: 160 bits."""


class DigestKeyError(RollbookError):
    """The key is not this database's."""

    code = "digest-key"


def wrong() -> Problem | None:
    """What is wrong with the key; None where it is this database's. Raises DatabaseError where there are no tables."""
    kept = Done.objects.filter(job=JOB, number=0).values_list("done_for", flat=True).first()
    if kept is not None:
        right = hmac.compare_digest(kept, _check())
    else:
        one = Person.objects.exclude(learner="").order_by("pk").first()
        right = one is None or hmac.compare_digest(bytes(one.digest), people.digest(one.customer_id, one.learner))
    if right:
        return None
    rule = "it is not the key with which this database was begun: learners who come again would be counted twice"
    return Problem("ROLLBOOK_DIGEST_KEY", rule, "set it to what it was on the server whose data this is")


def refuse_other() -> None:
    """Raises DigestKeyError for another key; nothing where the database cannot be asked, which others tell."""
    try:
        problem = wrong()
    except DatabaseError:
        return
    if problem:
        raise DigestKeyError(problem)


def keep() -> None:
    """Keeps the check value where there is none. Raises DigestKeyError for another key."""
    if problem := wrong():
        raise DigestKeyError(problem)
    Done.objects.get_or_create(job=JOB, number=0, defaults={"done_for": _check(), "at": timezone.now()})


def _check() -> str:
    key = settings.CONFIGURATION["ROLLBOOK_DIGEST_KEY"].encode()
    return hmac.digest(key, CONSTANT, "sha256").hex()[:CHARACTERS]
