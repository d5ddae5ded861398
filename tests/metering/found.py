"""What metering a written ledger finds, in few words. The query must find the same as the reference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rollbook.metering import reference
from rollbook.metering.outcome import Outcome
from rollbook.model.fact import Fact
from rollbook.model.instants import LATEST_US
from rollbook.model.plan import Meter, WindowRule
from rollbook.model.subscription import Subscription
from tests.metering import ledgers
from tests.metering.written import shown, us

MONTHS = WindowRule(kind="calendar-month")


def meter(
    facts: Sequence[Fact],
    meter: Meter,
    rule: WindowRule = MONTHS,
    *,
    as_of: str = "",
    zone: str = "UTC",
    organisations: tuple[str, ...] | None = None,
    assumed: frozenset[str] = frozenset(),
) -> Outcome:
    """The outcome over the first three months of 2026, after the query has found the same."""
    to = Subscription(
        plan=ledgers.plan(meter, rule),
        start=date(2026, 1, 1),
        end=date(2026, 4, 1),
        zone=zone,
        organisations=organisations,
    )
    as_of_us = us(as_of) if as_of else LATEST_US
    outcome = reference.meter(facts, to, as_of_us, assumed)
    covered = [fact for fact in facts if organisations is None or fact.organisation in organisations]
    [found] = ledgers.run_fast(covered, [to], as_of_us)
    elsewhere = {fact.key: outcome.dispositions[fact.key] for fact in facts if fact not in covered}
    found.dispositions.update(elsewhere)
    assert ledgers.comparable(found) == ledgers.comparable(outcome)
    return outcome


def active(outcome: Outcome) -> list[tuple[int, str, str]]:
    """Window, unit and class."""
    return [(it.window, f"{it.unit} {it.object}".strip(), it.class_) for it in outcome.activations]


def proofs(outcome: Outcome) -> list[tuple[int, str, str, str, int]]:
    """Window, unit, first instant, proving fact, and how many."""
    return [(it.window, it.unit, shown("first_us", it.first_us), it.fact, it.facts) for it in outcome.activations]


def held(outcome: Outcome) -> list[tuple[str, str, str, str, str]]:
    """Unit, on, off, and the facts at both ends."""
    return [
        (it.unit, shown("on_us", it.on_us), shown("off_us", it.off_us), it.on_fact, it.off_fact or "-")
        for it in outcome.holdings
    ]


def fates(outcome: Outcome) -> dict[str, str]:
    """What became of each fact, by its id."""
    return {id_: fate for (_, id_), fate in outcome.dispositions.items()}
