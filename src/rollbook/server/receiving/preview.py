"""What facts would add, without adding them (W-07): the very transaction that would take them in, rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction

from rollbook.accounting.account import Account
from rollbook.accounting.statement import amount_value
from rollbook.model.fact import Fact
from rollbook.model.instants import iso
from rollbook.server.live import contracts, metering
from rollbook.server.models import Organisation
from rollbook.server.receiving.ingest import Rejected, Sender, ingest_within


def preview(read: Sequence[Fact | tuple[Rejected, ...]], sender: Sender, now_us: int) -> dict[str, Any]:
    """The receipt that the facts would have, and for each window what would change. Nothing is kept.

    read  as for `ingest.ingest`
    """
    with transaction.atomic():
        names = {fact.organisation for fact in read if isinstance(fact, Fact)}
        owners = Organisation.objects.filter(name__in=names).values_list("customer_id", flat=True)
        # Facts of a sender for one customer need not name its organisation.
        customers = set(owners) if sender.customer is None else {sender.customer}
        metering.locked(customers)
        before = _accounts(customers, now_us)
        receipt = ingest_within(read, sender, now_us)
        after = _accounts(customers, now_us)
        changes = [change for key in after for change in _changes(key, before[key], after[key])]
        transaction.set_rollback(True)
    return {
        "received": receipt.received,
        "new": receipt.new,
        "repeats": receipt.repeats,
        "held": receipt.held,
        "rejected": [asdict(it) for it in receipt.rejected],
        "changes": changes,
    }


def _accounts(customers: set[int], now_us: int) -> dict[int, Account]:
    return {live.key: metering.account_of(live, now_us + 1) for live in contracts.live_of_customers(customers)}


def _changes(key: int, before: Account, after: Account) -> list[dict[str, Any]]:
    """The windows that would be other than they are."""
    earlier = {(used.window.number, used.pool): used for used in before.consumption}
    found = []
    for now in after.consumption:
        was = earlier.get((now.window.number, now.pool))
        if was is None or (was.active, was.overage, was.available) == (now.active, now.overage, now.available):
            continue
        number = now.window.number
        found.append(
            {
                "subscription": key,
                "window": number,
                "start": iso(now.window.start_us),
                "end": iso(now.window.end_us),
                "pool": now.pool,
                "active": [was.active, now.active],
                "overage": [was.overage, now.overage],
                "available": [was.available, now.available],
                "total": [amount_value(before.total(number)), amount_value(after.total(number))],
                "currency": after.currency,
            }
        )
    return found
