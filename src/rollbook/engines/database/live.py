"""Meters again what a batch touched, in its transaction.

1. `touch` says which clusters, and from which window on.
2. Their facts are gathered: all statuses, for a state may be as old as it likes and statuses are few; deeds from the
   start of that window on, for nothing else of them matters but the windows in which they counted, which are known.
3. The steps of `metering.query` run over these facts.
4. `difference` makes what is live equal to what was found.

Law: what is known before a window, and the facts from it on, give the same as all facts from scratch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from rollbook.engines.database import difference, everyone, gather, schema
from rollbook.engines.database.connected import prepare
from rollbook.engines.database.dialects import Database
from rollbook.engines.database.subscriptions import BEGINNING_US, LiveSubscription
from rollbook.engines.database.touch import Touched, targets, touched
from rollbook.errors import Problem, UsageError
from rollbook.model.fact import VOIDED, Fact


def remeter(cursor: Any, subscriptions: Sequence[LiveSubscription], facts: Sequence[Fact]) -> None:
    """Brings everything live of the subscriptions up to date with facts that were just stored."""
    database = prepare(cursor)
    voids = [fact for fact in facts if fact.type == VOIDED]
    with database.pipelined(), database.planned():
        for live in subscriptions:
            if not live.windows_begun:
                continue
            in_force = [(fact.organisation, fact.source, fact.voids) for fact in voids if fact.at_us < live.as_of_us]
            settle(database, live, touched(live, chain(facts, targets(database, live, in_force))))


def settle(database: Database, live: LiveSubscription, found: Touched) -> None:
    """Meters again who was touched, and writes the differences."""
    if not found:
        return
    for table in gather.meter(database, live, found):
        difference.apply(database, live, table)
    difference.tally(database, live)


def begin_window(cursor: Any, live: LiveSubscription) -> LiveSubscription:
    """One more window has begun: what lasts carries over, and facts that lie in it already count.

    After the last window the term is over: then voids that happened after it count as well.
    """
    if live.windows_begun > len(live.windows):
        raise UsageError(Problem(f"subscription {live.key}", "its term is over", "begin another subscription"))
    later = replace(live, windows_begun=live.windows_begun + 1)
    database = prepare(cursor)
    with database.planned():
        if not live.windows_begun:
            _settle_all(database, later, everyone.touched(database, later, BEGINNING_US, later.as_of_us))
            return later
        if later.meter.holds and later.windows_begun <= len(later.windows):
            for units in everyone.open_units(database, later):
                gather.carry_over(database, later, units)
                difference.apply(database, later, difference.ACTIVATION)
                difference.tally(database, later)
        _settle_all(database, later, everyone.touched(database, later, live.as_of_us, later.as_of_us))
    return later


def rebuild(cursor: Any, live: LiveSubscription) -> None:
    """Forgets what is live of a subscription, and meters all of it again."""
    database = prepare(cursor)
    with database.planned():
        key = database.dialect.value("key")
        for table in schema.LIVE:
            database.run(f"delete from {table} where subscription = {key}", {"key": live.key})
        if live.windows_begun:
            _settle_all(database, live, everyone.touched(database, live, BEGINNING_US, live.as_of_us))


def _settle_all(database: Database, live: LiveSubscription, chunks: Iterator[Touched]) -> None:
    for found in chunks:
        settle(database, live, found)
