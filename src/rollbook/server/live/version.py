"""What tells cheaply whether anything that a page shows has changed: a digest of the few rows figures come from."""

from __future__ import annotations

import hashlib
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
    select window_number, organisation, segment, class, guest, units from tally
    where subscription = %s and units <> 0 order by window_number, organisation, segment, class, guest
    """

_SEATS = f"""
    select count(*), sum(on_us %% {PRIME}), sum(case when until_us < {FOREVER_US} then 1 else 0 end),
           sum(case when until_us < {FOREVER_US} then until_us %% {PRIME} else 0 end)
    from holding where subscription = %s
    """
"""Who holds what changes where a tally does not: a seat is released, and its holder has counted."""

_AGREED = """
    select s.windows_begun, count(q.id), sum(q.units), (select count(*) from approval where subscription_id = s.id),
           (select count(*) from plan_change where subscription_id = s.id)
    from subscription as s left join quantity as q on q.subscription_id = s.id
    where s.id = %s group by s.id, s.windows_begun
    """


def version(row: Subscription) -> str:
    """The version of what is counted for a subscription; another one whenever its figures are others.

    Two or three short questions, whatever the number of facts. The plan is at hand.
    """
    questions = [_AGREED, _TALLIES]
    if contracts.plan_of(row.plan).allowance.per == "held":
        questions.append(_SEATS)
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        for question in questions:
            cursor.execute(question, [row.pk])
            digest.update(repr([_plain(line) for line in cursor.fetchall()]).encode())
    return digest.hexdigest()[:DIGITS]


def _plain(line: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(map(str, line))
