"""What was used, window by window, from the live counts: the figures of pages, of the API and of alerts are these.

Windows include their start and exclude their end; the one that runs is marked open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.accounting.account import Account
from rollbook.accounting.consumption import Consumption
from rollbook.accounting.statement import amount_value, consumption_values, seats_values
from rollbook.model.instants import iso
from rollbook.model.window import Window
from rollbook.reports.usage import percent
from rollbook.server.live import contracts, metering
from rollbook.server.models import Subscription


def counted(row: Subscription, now_us: int) -> Account:
    """The account of one subscription up to now, from the live counts."""
    return metering.account_of(contracts.live_of(row), now_us + 1)


def usage(row: Subscription, now_us: int) -> dict[str, Any]:
    """The usage of one subscription as plain values, its windows in order."""
    return values(row, counted(row, now_us), now_us)


def values(row: Subscription, found: Account, now_us: int) -> dict[str, Any]:
    """The same of an account that is known."""
    return {
        "subscription": row.pk,
        "customer": row.customer.name,
        "kind": row.kind,
        "plan": plan_values(found),
        "term": contracts.term_words(found.subscription),
        "as_of": iso(now_us),
        "window": next((it.number for it in found.windows if it.contains(now_us)), None),
        "windows": [window_values(found, window) for window in found.windows if window.start_us <= now_us],
        "currency": found.currency,
        "total": amount_value(found.total()),
    }


def plan_values(found: Account) -> dict[str, Any]:
    """Which plan holds now, in words and figures."""
    plan = found.subscription.plan_at(found.as_of_us)
    return {
        "id": plan.id,
        "title": plan.title,
        "summary": plan.summary,
        "sources": list(plan.sources),
        "allowance_per": plan.allowance.per,
        "limit_policy": plan.limit.policy,
        "thresholds": list(plan.limit.thresholds),
    }


def window_values(found: Account, window: Window) -> dict[str, Any]:
    """One window: what each pool used, seats where the allowance is of what is held, and what it costs so far."""
    seats = next((it for it in found.seats if it.window.number == window.number), None)
    return {
        "window": window.number,
        "start": iso(window.start_us),
        "end": iso(window.end_us),
        "open": any(it.is_open for it in found.of(window.number)),
        "pools": [pool_values(found, used) for used in found.of(window.number)],
        "seats": seats_values(seats) if seats else None,
        "total": amount_value(found.total(window.number)),
    }


def pool_values(found: Account, used: Consumption) -> Mapping[str, Any]:
    """What one pool used, and how much of what is included that is: of the term so far where the pool is the term's."""
    units, included = found.compared(used)
    return consumption_values(used) | {
        "used_to_date": units,
        "included_to_date": included,
        "percent": percent(units, included),
    }
