"""Answers accounting from what is live: the same questions that it asks of a metered file.

Tallies are read, not counted. Everything else is asked of the live tables under the names that reports know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rollbook.accounting.account import Ask
from rollbook.accounting.questions import Tallies
from rollbook.engines.database import schema
from rollbook.engines.database.connected import prepare
from rollbook.engines.database.dialects import Database, Row
from rollbook.engines.database.subscriptions import LiveSubscription
from rollbook.metering.identities import FOREVER_US
from rollbook.metering.outcome import CONTINUING
from rollbook.model.window import Window


def ask(cursor: Any, live: LiveSubscription) -> Ask:
    """Answers SQL over `activations` and `held` of one subscription."""
    database = prepare(cursor)

    def answer(question: str) -> Sequence[tuple[object, ...]]:
        if isinstance(question, Tallies):
            known = _cuts(live)
            if all(_begins(known.get(window, ()), asked) for window, asked in question.cuts.items()):
                return _tallies(database, live, question.cuts)
        return database.rows(relations(live) + question)

    return answer


def ask_ahead(cursor: Any, live: LiveSubscription, window: Window) -> Ask:
    """The same as if a window had begun: with whoever would be carried into it at its first instant.

    The rows of `gather.carry_over`, counted and not written: whoever holds something open continues.
    """
    database, answer = prepare(cursor), ask(cursor, live)

    def ahead(question: str) -> Sequence[tuple[object, ...]]:
        rows = answer(question)
        if not isinstance(question, Tallies) or not live.meter.holds or window.number <= live.windows_begun:
            return rows
        segment = sum(at_us <= window.start_us for at_us in question.cuts.get(window.number, ()))
        carried = [
            (window.number, organisation, segment, CONTINUING, False, units)
            for organisation, units in _carried(database, live, window.start_us)
        ]
        return [*rows, *carried]

    return ahead


def _carried(database: Database, live: LiveSubscription, start_us: int) -> list[Row]:
    """(organisation, units) of those who hold something open at an instant, each where they held first."""
    dialect = database.dialect
    slot = ", organisation, object" if live.meter.unit == "enrolment" else ""
    return database.rows(
        f"""select organisation, count(*) from (
                select organisation, row_number() over (
                    partition by scope, unit{slot} order by on_us, organisation, object) as nth
                from holding
                where subscription = {dialect.value("key")} and until_us > {dialect.value("start_us")}
                  and on_us < {dialect.value("start_us")}
            ) as held_open where nth = 1 group by organisation order by organisation""",
        {"key": live.key, "start_us": start_us},
    )


def relations(live: LiveSubscription) -> str:
    """The relations that a question may name, as the beginning of its statement."""
    active = ", ".join(name for name in schema.ACTIVATION if name not in ("part", "cluster"))
    return f"""
        with activations as (
            select 0 as subscription, {active} from activation where subscription = {live.key:d}
        ), held as (
            select 0 as subscription, organisation, unit, object, on_us,
                   case when until_us < {FOREVER_US} then until_us end as off_us, on_source, on_id, off_source, off_id
            from holding where subscription = {live.key:d}
        ) """


def _cuts(live: LiveSubscription) -> Mapping[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for window, at_us in live.cuts():
        found[window] = (*found.get(window, ()), at_us)
    return found


def _begins(known: Sequence[int], asked: Sequence[int]) -> bool:
    """Whether the cuts asked for are the first of those that are kept: later ones may still be unknown to who asks."""
    return tuple(known[: len(asked)]) == tuple(asked)


def _tallies(database: Database, live: LiveSubscription, cuts: Mapping[int, tuple[int, ...]]) -> list[Row]:
    """The tallies; what lies after the last cut that was asked for belongs to the segment it begins."""
    found: dict[Row, int] = {}
    for window, organisation, segment, class_, guest, units in database.rows(
        f"select {', '.join(schema.TALLY)} from tally where subscription = {database.dialect.value('key')}",
        {"key": live.key},
    ):
        key = (window, organisation, min(segment, len(cuts.get(window, ()))), class_, bool(guest))
        found[key] = found.get(key, 0) + int(units)
    return [(*key, units) for key, units in sorted(found.items()) if units]
