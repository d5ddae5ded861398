"""Subscriptions, tallies and facts for tests of accounting, in few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from rollbook.accounting.consumption import Consumption, Tally, consumption
from rollbook.metering.calendar import windows
from rollbook.metering.outcome import NEW
from rollbook.model.allowance import Allowance, Limit
from rollbook.model.fact import Fact
from rollbook.model.instants import LATEST_US
from rollbook.model.plan import Meter, Plan, WindowRule
from rollbook.model.subscription import Quantity, Subscription
from rollbook.model.tariff import Rate, Tariff, Tier
from tests.metering import ledgers
from tests.metering.written import us

YEAR = date(2026, 1, 1), date(2027, 1, 1)
MONTHS = WindowRule(kind="calendar-month")


def plan(allowance: Allowance, tariff: Tariff | None = None, policy: str = "bill", rule: WindowRule = MONTHS) -> Plan:
    """A plan that counts logins."""
    bare = ledgers.plan(Meter(counts=("login",)), rule)
    return replace(bare, allowance=allowance, tariff=tariff, limit=Limit(policy=policy))


def subscribed(
    allowance: Allowance,
    *steps: tuple[str, int] | tuple[str, int, str],
    tariff: Tariff | None = None,
    policy: str = "bill",
    **more: Any,
) -> Subscription:
    """The year 2026 of a plan; `steps` are quantities: an instant, units, and an organisation where pools are theirs."""
    quantities = tuple(sorted(Quantity(us(at), *rest) for at, *rest in steps))
    start, end = YEAR
    stated = {"start": start, "end": end, "quantities": quantities, **more}
    return Subscription(plan=plan(allowance, tariff, policy), **stated)


def counted(window: int, units: int, segment: int = 0, organisation: str = "", class_: str = NEW) -> Tally:
    """So many units of a window."""
    return Tally(window, organisation, segment, class_, False, units)


def used(
    to: Subscription,
    tallies: Mapping[int, int] | Iterable[Tally],
    as_of_us: int = LATEST_US,
    organisations: Sequence[str] = ("north",),
) -> tuple[Consumption, ...]:
    """What is used in each window; `tallies` may be units by window."""
    if isinstance(tallies, Mapping):
        tallies = [counted(window, units, 0, organisations[0]) for window, units in tallies.items()]
    return consumption(to, windows(to), tallies, organisations, as_of_us)


def row(found: Consumption) -> dict[str, int]:
    """The arithmetic of one window."""
    names = ("carried", "granted", "active", "included", "overage", "expired", "balance", "available")
    return {name: getattr(found, name) for name in names}


def numbers(found: Consumption) -> tuple[int, ...]:
    """The values of `row`, in its order."""
    return tuple(row(found).values())


def tiers(*rows: tuple[int, str] | tuple[int, str, str]) -> tuple[Tier, ...]:
    """Tiers: first unit, rate, flat fee."""
    return tuple(Tier(first, *map(Decimal, amounts)) for first, *amounts in rows)


def flat(rate: str) -> Rate:
    """One rate for every unit."""
    return Rate(shape="flat", tiers=tiers((1, rate)))


def fact(id_: str, at: str, learner: str = "", type_: str = "login", **more: str) -> Fact:
    """A fact of one organisation, unless it says otherwise."""
    return Fact(**{"id": id_, "at_us": us(at), "learner": learner, "type": type_, "organisation": "north", **more})
