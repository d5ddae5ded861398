"""What several plans would have counted on a customer's own facts (F-01): the functions of `rollbook compare`.

All facts of the term are read, which takes seconds: at most `FACTS_MAX` of them, one customer at a time in a process,
and what was found is kept for a while. Facts name people by their surrogates alone, and leave the database for a
temporary folder of this process that is gone when they are counted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from django.db import connection

from rollbook import comparing, library
from rollbook.advice import compare
from rollbook.advice.pattern import Pattern
from rollbook.errors import Problem, UsageError
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import Fact
from rollbook.model.instants import from_us
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription
from rollbook.server.live import archive, contracts
from rollbook.server.live.version import version
from rollbook.server.models import Subscription as Row
from rollbook.server.refusals import RefusedError

FACTS_MAX = 200_000
"""Facts that are read for it; a longer history is compared by `rollbook compare`, on an export."""

KEPT_SECONDS = 300
KEPT_MAX = 50
FETCHED = 5_000

_COLUMNS = (
    *("id", "at_us", "type", "learner", "organisation", "role", "mode", "object", "source", "recorded_us"),
    *("impersonator", "session", "voids"),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """Each plan on the history, those that cannot be applied, and who was there.

    candidates  without prices but those that were agreed; `months` are the windows that presence is told of
    as_of_us    nothing at or after this instant was counted
    """

    candidates: tuple[compare.Candidate, ...]
    refused: tuple[compare.Refused, ...]
    presence: Pattern
    as_of_us: int


_kept: OrderedDict[tuple[int, str, tuple[str, ...]], Compared] = OrderedDict()
_turn = threading.Lock()


def compared(row: Row, plans: Sequence[Plan], now_us: int) -> Compared:
    """Counts the term so far by each of the plans; the subscription's own is counted as it was agreed.

    Raises RefusedError 503 while another is at work, and UsageError for a history that is too long.
    """
    key = row.pk, version(row), tuple(it.digest for it in plans)
    known = _kept.get(key)
    if known and 0 <= now_us - known.as_of_us < KEPT_SECONDS * 1_000_000:
        return known
    if not _turn.acquire(timeout=1):
        problem = Problem("history", "another history is being compared", "try again in a few seconds")
        raise RefusedError(503, "busy", problem, {"Retry-After": "5"})
    try:
        found = _counted(contracts.subscription_of(row), plans, now_us)
        _kept[key] = found
        while len(_kept) > KEPT_MAX:
            _kept.popitem(last=False)
    finally:
        _turn.release()
    return found


def _counted(own: Subscription, plans: Sequence[Plan], now_us: int) -> Compared:
    nothing = replace(own, quantities=(), approvals=(), changes=(), quote=None)
    asked = {it.id: own if it.digest == own.plan.digest else replace(nothing, plan=it) for it in plans}
    with library.meter(list(_facts(own, now_us)), comparing.months_of(asked), as_of=from_us(now_us)) as result:
        presence = comparing.presence(result)
        candidates, refused = comparing.candidates(result, asked)
    return Compared(tuple(candidates), tuple(refused), presence, now_us)


def _facts(own: Subscription, now_us: int) -> Iterator[Fact]:
    """Statuses and corrections of all time, and what happened within the term up to now."""
    organisations = own.organisations or ()
    marks = ", ".join(["%s"] * len(organisations))
    sql = f"""select {", ".join(_COLUMNS)} from fact
              where organisation in ({marks}) and at_us < %s and (status or at_us >= %s) limit {FACTS_MAX + 1}"""
    if not organisations:
        return
    until_us = min(now_us, own.end_us)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*organisations, until_us, own.start_us])
        stored = iter(lambda: cursor.fetchmany(FETCHED), [])
        rows = chain(_archived(organisations, own.start_us, until_us), chain.from_iterable(stored))
        for number, row in enumerate(rows):
            if number >= FACTS_MAX:
                rule = f"there are more than {FACTS_MAX:,} facts, which takes too long here"
                raise UsageError(Problem("history", rule, "ask the vendor to compare them with `rollbook compare`"))
            yield Fact(**dict(zip(_COLUMNS, row, strict=True)))


def _archived(organisations: Sequence[str], from_us: int, to_us: int) -> Iterator[tuple[Any, ...]]:
    """What happened from one instant to another, of what was moved to the archive."""
    moved = archive.of_organisations(organisations)
    if moved and from_us < moved.until_us:
        where = f"""organisation in ({quoted_list(organisations)}) and at_us >= $from_us and at_us < $to_us
                    limit {FACTS_MAX + 1}"""
        yield from moved.all(", ".join(_COLUMNS), where, {"from_us": from_us, "to_us": to_us})
