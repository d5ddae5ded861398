"""Charges are consumption with a price: what was bought, and what went beyond it.

    base        what was bought, when its window (or the term) begins; used or not
    base-added  what was bought on top of it while the window ran
    overage     what counted beyond the allowance, at the window's end

Whatever depends on a rate that is not known has no amount, and is listed all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import localcontext

from rollbook.accounting.consumption import Consumption
from rollbook.accounting.rating import Cliff, Part, cheaper, parts, price
from rollbook.metering.calendar import windows
from rollbook.model.money import CALCULATION_DIGITS, Money, rounded, total
from rollbook.model.subscription import Subscription
from rollbook.model.tariff import Rate, Tariff
from rollbook.model.window import Window

BASE, ADDED, OVERAGE = "base", "base-added", "overage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One priced line.

    window    its number; pool: '' for the customer's, or an organisation
    kind      BASE, ADDED or OVERAGE
    units     how many are charged
    minimum   of these, so many only because of the tariff's floor
    parts     units by rate; empty where no rate is known, and where the amount is a difference
    amount    rounded; None where no rate is known
    due_us    from when on it is owed
    """

    window: int
    kind: str
    units: int
    due_us: int
    pool: str = ""
    minimum: int = 0
    parts: tuple[Part, ...] = ()
    amount: Money | None = None


def charges(subscription: Subscription, used: Iterable[Consumption]) -> tuple[Charge, ...]:
    """What each window costs, in the order of consumption. A window that is still open has its charges so far."""
    return tuple(charge for consumption in used for charge in _of_window(subscription, consumption))


def cost(subscription: Subscription, used: Iterable[Consumption], currency: str) -> Money | None:
    """What it costs, as `charges` say; None where a rate is not known. Windows that are alike are priced once."""
    known: dict[tuple[object, ...], list[Money | None]] = {}
    amounts: list[Money | None] = []
    for it in used:
        # All that charges ask of consumption.
        use = (it.pool, it.free, it.carried, it.granted, it.included, it.overage)
        key = (*priced_by(subscription, it.window, it.pool), *use)
        if key not in known:
            known[key] = [charge.amount for charge in _of_window(subscription, it)]
        amounts += known[key]
    return total(amounts, currency)


def priced_by(subscription: Subscription, window: Window, pool: str = "") -> tuple[object, ...]:
    """What a window's prices depend on: under one subscription the same use costs the same where this is equal."""
    instants = (window.start_us - 1, window.start_us, window.end_us - 1)
    bought = (subscription.bought(at_us, pool) for at_us in instants)
    return (id(subscription.plan_at(window.start_us)), id(subscription.tariff_at(window.start_us)), *bought)


def _of_window(subscription: Subscription, used: Consumption) -> Iterator[Charge]:
    window = used.window
    plan, tariff = subscription.plan_at(window.start_us), subscription.tariff_at(window.start_us)
    if tariff and tariff.base and tariff.base_charged == "used":
        yield from _used_base(subscription, tariff, used)
    else:
        yield from _bought(subscription, tariff, used)
    if plan.limit.policy == "bill":
        yield from _overage(subscription, tariff, used)


def _bought(subscription: Subscription, tariff: Tariff | None, used: Consumption) -> Iterator[Charge]:
    """What was bought, whether it is used or not (F-23, W-43)."""
    window = used.window
    if tariff and not tariff.base:
        return
    per_term = subscription.plan.allowance.per != "window"
    if tariff and tariff.base_every != "allowance":
        per_term = tariff.base_every == "term"
    before = subscription.bought(window.start_us - 1, used.pool) if per_term else 0
    at_start = subscription.bought(window.start_us, used.pool)
    at_close = subscription.bought(window.end_us - 1, used.pool)
    if tariff is None or tariff.base_timing == "advance":
        steps = [(BASE, before, at_start, window.start_us), (ADDED, at_start, at_close, window.end_us)]
    else:
        steps = [(BASE, before, at_close, subscription.end_us if per_term else window.end_us)]
    for kind, units_before, units_after, due_us in steps:
        if units_before != units_after:
            yield _difference(kind, used, tariff, units_before, units_after, due_us)


def _difference(kind: str, used: Consumption, tariff: Tariff | None, before: int, after: int, due_us: int) -> Charge:
    """So many units instead of so many: the price of all, less the price of those before."""
    shown: tuple[Part, ...] = ()
    amount = None
    if tariff and tariff.base:
        shown = () if before else parts(tariff.base, after)
        with localcontext(prec=CALCULATION_DIGITS):
            amount = rounded(price(tariff.base, after) - price(tariff.base, before), tariff.currency)
    number = used.window.number
    return Charge(
        window=number, pool=used.pool, kind=kind, units=after - before, parts=shown, amount=amount, due_us=due_us
    )


def _used_base(subscription: Subscription, tariff: Tariff, used: Consumption) -> Iterator[Charge]:
    """What was used of what was bought, but for what the plan includes; at least up to the floor."""
    counted = used.included + used.overage
    units = min(max(counted, tariff.floor), used.allowance) - used.free
    if tariff.base and units > 0:
        minimum = max(units - max(min(counted, used.allowance) - used.free, 0), 0)
        chooses = _chooses(subscription, tariff, tariff.base, used, units)
        yield _priced(BASE, used, tariff.base, tariff.currency, units, minimum, chooses)


def _overage(subscription: Subscription, tariff: Tariff | None, used: Consumption) -> Iterator[Charge]:
    """What counted beyond the allowance; with it, what is missing to the floor (F-24, S-12, W-42)."""
    minimum = max((tariff.floor if tariff else 0) - used.granted - used.overage, 0)
    units = used.overage + minimum
    if not units:
        return
    if tariff is None or tariff.overage is None:
        yield Charge(
            window=used.window.number,
            pool=used.pool,
            kind=OVERAGE,
            units=units,
            minimum=minimum,
            due_us=used.window.end_us,
        )
        return
    chooses = _chooses(subscription, tariff, tariff.overage, used, units)
    yield _priced(OVERAGE, used, tariff.overage, tariff.currency, units, minimum, chooses)


def _chooses(subscription: Subscription, tariff: Tariff, rate: Rate, used: Consumption, units: int) -> int:
    """The number that chooses the tier of a line of so many units (W-39)."""
    if rate.tier_by == "active":
        return max(used.included + used.overage, tariff.floor)
    return subscription.bought(used.window.end_us - 1, used.pool) if rate.tier_by == "nominated" else units


def _priced(
    kind: str, used: Consumption, rate: Rate, currency: str, units: int, minimum: int, tier_units: int
) -> Charge:
    return Charge(
        window=used.window.number,
        pool=used.pool,
        kind=kind,
        units=units,
        minimum=minimum,
        parts=parts(rate, units, tier_units),
        amount=rounded(price(rate, units, tier_units), currency),
        due_us=used.window.end_us,
    )


def cheaper_by_more(subscription: Subscription, owed: Iterable[Charge]) -> Iterator[tuple[Charge, Cliff]]:
    """Charges that would be lower for more units: volume prices have such cliffs (F-h)."""
    starts = {window.number: window.start_us for window in windows(subscription)}
    for charge in owed:
        tariff = subscription.tariff_at(starts[charge.window])
        rate = (tariff.overage if charge.kind == OVERAGE else tariff.base) if tariff else None
        found = cheaper(rate, tariff.currency, charge.units) if tariff and rate and charge.parts else None
        if found:
            yield charge, found
