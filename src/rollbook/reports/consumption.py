"""The consumption report, a row a month, in the shape of the plan (S-21, S-26, S-28)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from rollbook.accounting.account import Account, Ask
from rollbook.accounting.consumption import Consumption
from rollbook.accounting.seats import Seats
from rollbook.metering.calendar import windows
from rollbook.model.money import Money, total
from rollbook.model.plan import WindowRule
from rollbook.model.subscription import Change, Subscription
from rollbook.model.window import Window
from rollbook.reports.columns import INSTANT, MONEY, NUMBER, POOL, WINDOW, YES, Column

SEATS = {
    "month": Column("counts from 1 within the term, from the day on which it begins"),
    "start": Column("first instant inside", INSTANT),
    "end": Column("first instant no longer inside", INSTANT),
    "seats": Column("seats included and bought, at the month's end"),
    "held_at_start": Column("seats held when the month began"),
    "taken": Column("seats taken within the month"),
    "released": Column("seats released within the month"),
    "held_at_end": Column("seats held when the month ended, or now"),
    "peak": Column("the most at once, with those awaiting an approval"),
    "awaiting": Column("seats released and not yet approved for others"),
    "available": Column("seats that someone could take then; below 0, how many too many are held"),
    "ever": Column("different learners who have held a seat since the term began"),
    "open": Column("whether the month still runs", YES),
}

_USED = {
    "used": Column("units that counted"),
    "included": Column("of these, within the allowance"),
    "overage": Column("of these, beyond it"),
}

CREDITS = {
    **WINDOW,
    **POOL,
    "carried": Column("credits usable from before"),
    "granted": Column("credits that became usable"),
    **_USED,
    "expired": Column("credits that ended unused with this window"),
    "balance": Column("credits usable after it"),
    "pace": Column("an equal share of all credits granted so far for each window: guidance, no limit", NUMBER),
    "overage_to_date": Column("units beyond the allowance in the term so far"),
    **MONEY,
    "open": Column("whether the window still runs", YES),
}

ALLOWANCE = {
    **WINDOW,
    **POOL,
    "carried": Column("usable from windows before"),
    "granted": Column("included and bought for this window"),
    "allowance": Column("both together"),
    **_USED,
    "expired": Column("what ended unused with this window"),
    "balance": Column("what can be used after it"),
    **MONEY,
    "open": Column("whether the window still runs", YES),
}


def months(subscription: Subscription) -> tuple[Window, ...]:
    """The windows of a term that has several; the months of one that is not cut at all."""
    rule = subscription.plan.window
    if rule.kind != "term":
        return windows(subscription)
    monthly = WindowRule(kind="anniversary-month", term_months=rule.term_months, zone=rule.zone)
    return windows(replace(subscription, plan=replace(subscription.plan, window=monthly), changes=(), anchor=None))


def as_windows_have_it(found: Account) -> Subscription:
    """The subscription for other cuts of the term than its windows: another plan begins with the next window.

    A window keeps the plan with which it began, and so does every month or day inside it.
    """
    begins: dict[int, Change] = {}
    for change in found.subscription.changes:
        from_us = next((it.start_us for it in found.windows if change.from_us <= it.start_us), None)
        if from_us is not None:
            begins[from_us] = replace(change, from_us=from_us)
    return replace(found.subscription, changes=tuple(begins.values()))


def seats_by_month(found: Account) -> tuple[Seats, ...]:
    """What happened to the seats, month by month, though they are compared with the quantity over the whole term."""
    if found.timeline is None:
        return ()
    return found.timeline.seats(as_windows_have_it(found), months(found.subscription), named=False)


def seat_rows(found: Account, ask: Ask) -> list[tuple[object, ...]]:  # noqa: ARG001 - the account knows all of it
    """One row a month."""
    return [
        (
            *(it.window.number, it.window.start, it.window.end, it.quantity, it.held_at_start, it.taken, it.released),
            *(it.held_at_end, it.peak, it.awaiting, it.available, it.ever, it.is_open),
        )
        for it in seats_by_month(found)
    ]


def credit_rows(found: Account, ask: Ask) -> list[tuple[object, ...]]:  # noqa: ARG001 - the account knows all of it
    """One row a window and pool."""
    granted: Counter[str] = Counter()
    table: list[tuple[object, ...]] = []
    for it in found.consumption:
        granted[it.pool] += it.granted
        share = (Decimal(granted[it.pool]) / len(found.windows)).quantize(Decimal("0.1"), ROUND_HALF_UP)
        table.append(
            (
                *(it.window.number, it.window.start, it.window.end, it.pool, it.carried, it.granted, it.active),
                *(it.included, it.overage, it.expired, it.balance, float(share), it.overage_to_date),
                *_money(costs(found, it), found),
                it.is_open,
            )
        )
    return table


def allowance_rows(found: Account, ask: Ask) -> list[tuple[object, ...]]:  # noqa: ARG001 - the account knows all of it
    """One row a window and pool."""
    return [
        (
            *(it.window.number, it.window.start, it.window.end, it.pool, it.carried, it.granted, it.allowance),
            *(it.active, it.included, it.overage, it.expired, it.balance),
            *_money(costs(found, it), found),
            it.is_open,
        )
        for it in found.consumption
    ]


def costs(found: Account, used: Consumption) -> Money | None:
    """What one window costs one pool; None where a price is not known."""
    of_pool = (it.amount for it in found.charges_of(used.window.number) if it.pool == used.pool)
    return total(of_pool, found.currency)


def _money(money: Money | None, found: Account) -> tuple[object, object]:
    return (money.amount if money else None, found.currency)
