"""Who a surrogate is. Facts, live counts and statements carry the surrogate: the text of a person's number.

The keyed digest of an id is what recognises it. Erasing a person empties id, name and address and leaves the digest:
whatever was counted stays counted, and the same id that comes again is the same person still.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Mapping
from functools import partial

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.signals import connection_created

from rollbook.server.models import Person

_encode = msgspec.json.Encoder().encode
_CHUNK = 10_000
"""Ids in one question."""

REMEMBERED_MAX = 200_000
"""Ids whose surrogates a process remembers: some 30 MB."""

_remembered: dict[tuple[int, str], str] = {}
"""The surrogate of (customer, id). It never changes, so what is remembered can only be too little."""


def digest(customer: int, learner: str) -> bytes:
    """What recognises an id of a customer. Without the key nobody can tell it from any other 32 bytes."""
    return _digests(customer, [learner])[0]


def _digests(customer: int, learners: Iterable[str]) -> list[bytes]:
    key = settings.CONFIGURATION["ROLLBOOK_DIGEST_KEY"].encode()
    return [hmac.digest(key, f"{customer}\x1f{learner}".encode(), "sha256") for learner in learners]


def surrogates(customer: int, learners: Iterable[str]) -> dict[str, str]:
    """The surrogate of each id; those that are new get one. Call it while the customer is locked."""
    found: dict[str, str] = {}
    names = []
    for learner in set(learners):
        if known := _remembered.get((customer, learner)):
            found[learner] = known
        else:
            names.append(learner)
    if not names:
        return found
    wanted = dict(zip(_digests(customer, names), names, strict=True))
    asked = _known(customer, wanted)
    if len(asked) < len(wanted):
        asked |= _add(customer, {key: learner for key, learner in wanted.items() if learner not in asked})
    # Only what was committed is remembered: what is rolled back gives its numbers to nobody.
    transaction.on_commit(partial(_remember, customer, asked))
    return found | asked


def _remember(customer: int, found: Mapping[str, str]) -> None:
    if len(_remembered) + len(found) > REMEMBERED_MAX:
        _remembered.clear()
    _remembered.update({(customer, learner): number for learner, number in found.items()})


def forget(**_: object) -> None:
    """Forgets who surrogates are: where somebody is erased, and at a new connection, perhaps to another database."""
    _remembered.clear()


connection_created.connect(forget)


def surrogate(customer: int, learner: str) -> str | None:
    """The surrogate of one id; None where nothing was ever said about it."""
    return _known(customer, {digest(customer, learner): learner}).get(learner)


def known(customer: int, learners: Collection[str]) -> dict[str, str]:
    """The surrogates of those ids about which something was said."""
    names = list(set(learners))
    return _known(customer, dict(zip(_digests(customer, names), names, strict=True)))


def named(surrogates_met: Collection[str]) -> dict[str, Person]:
    """Who surrogates are. Erased people are there without id and name."""
    numbers = [int(it) for it in surrogates_met if it.isdecimal()]
    found: dict[str, Person] = {}
    for first in range(0, len(numbers), _CHUNK):
        for person in Person.objects.filter(pk__in=numbers[first : first + _CHUNK]):
            found[str(person.pk)] = person
    return found


def _known(customer: int, wanted: Mapping[bytes, str]) -> dict[str, str]:
    keys = list(wanted)
    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        for first in range(0, len(keys), _CHUNK):
            part = keys[first : first + _CHUNK]
            if connection.vendor == "postgresql":
                cursor.execute(_FIND, [_array(part), customer])
                found.update({wanted[part[nth - 1]]: str(number) for number, nth in cursor.fetchall()})
            else:
                marks = ", ".join(["%s"] * len(part))
                cursor.execute(
                    f"select id, digest from person where customer_id = %s and digest in ({marks})", [customer, *part]
                )
                found.update({wanted[bytes(key)]: str(number) for number, key in cursor.fetchall()})
    return found


_FIND = """
    select person.id, asked.nth from unnest(%s::bytea[]) with ordinality as asked(digest, nth)
    cross join lateral (select id from person where customer_id = %s and digest = asked.digest offset 0) as person"""
"""One by one, by the index. Asked for all of them at once the database reads everybody of the customer."""


def _array(keys: Iterable[bytes]) -> str:
    """Digests as PostgreSQL writes an array: the driver takes longer to write it than the database to find them all."""
    return "{" + ",".join(f'"\\\\x{key.hex()}"' for key in keys) + "}"


def _add(customer: int, missing: Mapping[bytes, str]) -> dict[str, str]:
    """The surrogates of ids that nobody had, in the order of digests: nobody waits for each other in a circle."""
    rows = sorted(missing.items())
    columns = "insert into person (customer_id, digest, learner, name, email)"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"{columns} select %s, key, id, '', '' from rows from"
                " (unnest(%s::bytea[]), json_array_elements_text(%s)) as met(key, id)"
                " on conflict do nothing returning id, learner",
                [customer, _array(key for key, _ in rows), _encode([it for _, it in rows]).decode()],
            )
            added = {learner: str(number) for number, learner in cursor.fetchall()}
            if len(added) == len(missing):
                return added
        else:
            cursor.executemany(
                f"{columns} values (%s, %s, %s, '', '') on conflict do nothing",
                [(customer, key, learner) for key, learner in rows],
            )
    return _known(customer, missing)
