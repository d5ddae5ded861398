"""What tells cheaply whether anything that a page shows has changed: a digest of the few rows figures come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from rollbook.metering.identities import FOREVER_US
from rollbook.server.live import contracts
from rollbook.server.models import Subscription

DIGITS = 24
"""Hexadecimal digits: nobody sees two versions that look alike."""

PRIME = 1_000_003
"""Sums of instants are taken modulo this, so that they fit."""

_TALLIES = """
    select subscription, window_number, organisation, segment, class, guest, units from tally
    where subscription in ({}) and units <> 0 order by subscription, window_number, organisation, segment, class, guest
    """

_SEATS = f"""
    select subscription, count(*), sum(on_us %% {PRIME}), sum(case when until_us < {FOREVER_US} then 1 else 0 end),
           sum(case when until_us < {FOREVER_US} then until_us %% {PRIME} else 0 end)
    from holding where subscription in ({{}}) group by subscription
    """
"""Who holds what changes where a tally does not: a seat is released, and its holder has counted."""

_AGREED = """
    select s.id, s.windows_begun, count(q.id), sum(q.units),
           (select count(*) from approval where subscription_id = s.id),
           (select count(*) from plan_change where subscription_id = s.id)
    from subscription as s left join quantity as q on q.subscription_id = s.id
    where s.id in ({}) group by s.id, s.windows_begun
    """


def version(row: Subscription) -> str:
    """The version of what is counted for a subscription; another one whenever its figures are others."""
    return versions([row])[row.pk]


def versions(rows: Sequence[Subscription]) -> dict[int, str]:
    """The same of several, by their numbers.

    Two or three short questions, whatever the number of facts and of subscriptions. Plans are at hand.
    """
    every = [row.pk for row in rows]
    seats = [row.pk for row in rows if contracts.plan_of(row.plan).allowance.per == "held"]
    digests = {it: hashlib.sha256() for it in every}
    with connection.cursor() as cursor:
        for question, numbers in ((_AGREED, every), (_TALLIES, every), (_SEATS, seats)):
            if numbers:
                cursor.execute(question.format(", ".join(["%s"] * len(numbers))), numbers)
                for number, *line in cursor.fetchall():
                    digests[number].update(repr(_plain(line)).encode())
    return {number: digest.hexdigest()[:DIGITS] for number, digest in digests.items()}


def _plain(line: Iterable[Any]) -> tuple[str, ...]:
    return tuple(map(str, line))
