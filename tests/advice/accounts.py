"""Accounts without any facts: numbers of active units, window by window."""

from __future__ import annotations

from datetime import date

from rollbook.accounting.account import Account
from rollbook.accounting.charges import charges
from rollbook.accounting.consumption import Consumption, Tally, consumption
from rollbook.advice.hindsight import with_allowance
from rollbook.metering.calendar import windows
from rollbook.metering.outcome import NEW
from rollbook.model.plan import parse_plan
from rollbook.model.subscription import Quantity, Subscription

PLAN = """
id = "made-up"
title = "Made up for a test"
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
"""

SEATS = PLAN.replace('counts = ["login"]', 'holds = { on = ["login"], off = ["account.disabled"] }')


def subscription(rest: str, bought: int = 0, months: int = 12, head: str = PLAN) -> Subscription:
    """A year from 1 January 2026, or its first months, on a plan that ends with `rest`."""
    end = date(2026 + months // 12, months % 12 + 1, 1)
    found = Subscription(plan=parse_plan(head + rest), start=date(2026, 1, 1), end=end)
    quantities = (Quantity(found.start_us, bought),) if bought else ()
    return Subscription(plan=found.plan, start=found.start, end=found.end, quantities=quantities)


def account(rest: str, active: list[int], bought: int = 0, head: str = PLAN) -> Account:
    """The account of as many whole months as there are numbers."""
    of = subscription(rest, bought, len(active), head)
    term = windows(of)
    if of.plan.allowance.per == "held":
        free = of.plan.allowance.quantity
        used: tuple[Consumption, ...] = tuple(
            with_allowance(Consumption(window=window, new=units, free=free), free + bought)
            for window, units in zip(term, active, strict=True)
        )
    else:
        tallies = [Tally(window.number, "", 0, NEW, False, units) for window, units in zip(term, active, strict=True)]
        used = consumption(of, term, tallies, ("",), of.end_us)
    return Account(
        subscription=of,
        organisations=("",),
        windows=term,
        as_of_us=of.end_us,
        consumption=used,
        seats=(),
        charges=charges(of, used),
    )


TERM_WINDOWS = windows(subscription(""))
"""The twelve months of 2026."""
