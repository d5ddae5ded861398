"""A statement is the frozen record of one window: what counted, what was included, what is owed, and on what it rests.

Its record is plain values of JSON, written once and never changed by a byte. Statements of a subscription are numbered
from 1 without gaps, and each names the digest of the one before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rollbook.accounting.account import Account
from rollbook.accounting.adjustments import Adjustment, Line, Sum
from rollbook.accounting.agreed import agreed, plans_until
from rollbook.accounting.charges import Charge
from rollbook.accounting.consumption import Consumption
from rollbook.accounting.seats import Seats
from rollbook.model.instants import iso
from rollbook.model.money import Money, total

FORMAT = "rollbook statement 1"

EVIDENCE_COLUMNS: Mapping[str, str] = {
    "window": "in which the unit counted",
    "rank": "its place in that window and pool, by first instant, source and id of the proving fact",
    "organisation": "of the proving fact",
    "unit": "the learner, or for a guest the id of the entry",
    "object": "the course or enrolment, where the unit is a learner in one",
    "kind": "learner or guest",
    "class": "new, continuing or reactivated",
    "first_us": "first instant of presence inside the window, UTC microseconds since 1970",
    "source": "of the proving fact",
    "fact": "id of the proving fact",
    "type": "of the proving fact: the rule by which it counted",
    "facts": "how many facts counted; for a status, how many spans overlap the window",
    "standing": "included or beyond the allowance; of an earlier window, added or removed since it was closed",
}
"""The columns of evidence, one row for each unit, in the order in which they stand in a canonical row."""

INCLUDED, BEYOND, ADDED, REMOVED = "included", "beyond", "added", "removed"


def record(
    found: Account,
    window: int | None,
    *,
    number: int | None,
    previous: str | None,
    adjusted: Sequence[Adjustment],
    evidence: Mapping[str, Any] | None,
    facts: Mapping[str, Any] | None,
    assumed: Iterable[str] = (),
    rejected: int = 0,
) -> dict[str, Any]:
    """The record of a statement.

    window    None for a note after the term, which only adjusts
    number    None for a preview of what is not closed
    previous  digest of the statement before
    evidence  its number of `rows` and their `root`; facts: how many it rests on, and their `digest`
    assumed   organisations in which everyone was taken for a member
    rejected  rows that could not be used when this was counted, and count nowhere in it
    """
    subscription = found.subscription
    counted = next((it for it in found.windows if it.number == window), None)
    until_us = counted.end_us if counted else subscription.end_us
    plan = subscription.plan_at(counted.start_us if counted else subscription.start_us)
    charged = found.charges_of(window) if window else ()
    amounts = [charge.amount for charge in charged] + [moved.amount for it in adjusted for _, moved in it.charges]
    return {
        "format": FORMAT,
        "number": number,
        "previous": previous,
        "customer": subscription.customer,
        "organisations": list(found.organisations),
        "assumed": sorted(assumed),
        "rejected": rejected,
        "plan": {"id": plan.id, "title": plan.title, "digest": plan.digest},
        "term": {
            "number": subscription.term,
            "start": subscription.start.isoformat(),
            "end": subscription.end.isoformat(),
            "zone": subscription.zone,
        },
        "window": {"number": counted.number, "start": iso(counted.start_us), "end": iso(counted.end_us)}
        if counted
        else None,
        "as_of": iso(found.as_of_us),
        "consumption": [_consumption(used) for used in found.of(window)] if window else [],
        "seats": next((_seats(used) for used in found.seats if used.window.number == window), None),
        "charges": [_charge(found, charge) for charge in charged],
        "adjustments": [_adjustment(found, it) for it in adjusted],
        "currency": found.currency,
        "total": _amount(total(amounts, found.currency)),
        "evidence": evidence,
        "facts": facts,
        "agreed": agreed(subscription, until_us),
        "plans": [version.digest for version in plans_until(subscription, until_us)],
    }


def charge_key(found: Account, window: int, pool: str, kind: str) -> str:
    """What a billing system knows a charge by, so that it is never imported twice."""
    subscription = found.subscription
    whose = (subscription.customer, subscription.plan.id, subscription.start.isoformat(), str(window), pool, kind)
    return joined_key(whose)


def joined_key(parts: Iterable[str]) -> str:
    """One text of several, so that others never give the same."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def _consumption(used: Consumption) -> dict[str, Any]:
    names = ("new", "continuing", "reactivated", "guests", "carried", "granted", "free", "included", "overage")
    more = ("expired", "balance", "overage_to_date", "active", "allowance", "available")
    return {"pool": used.pool} | {name: getattr(used, name) for name in (*names, *more)}


def _seats(used: Seats) -> dict[str, Any]:
    names = ("quantity", "held_at_start", "held_at_end", "taken", "released", "peak", "awaiting", "ever", "counted")
    return {name: getattr(used, name) for name in (*names, "overage", "available")}


def _charge(found: Account, charge: Charge) -> dict[str, Any]:
    return {
        "key": charge_key(found, charge.window, charge.pool, charge.kind),
        "window": charge.window,
        "pool": charge.pool,
        "kind": charge.kind,
        "units": charge.units,
        "minimum": charge.minimum,
        "parts": [{"units": it.units, "rate": f"{it.rate:f}", "flat": f"{it.flat:f}"} for it in charge.parts],
        "amount": _amount(charge.amount),
        "due": iso(charge.due_us),
    }


def _adjustment(found: Account, it: Adjustment) -> dict[str, Any]:
    amounts = [moved.amount for _, moved in it.charges]
    return {
        "windows": list(it.windows),
        "added": it.added,
        "removed": it.removed,
        "charges": [_moved(line, moved) for line, moved in it.charges],
        "amount": _amount(total(amounts, found.currency)),
    }


def _moved(line: Line, moved: Sum) -> dict[str, Any]:
    return {
        "window": line.window,
        "pool": line.pool,
        "kind": line.kind,
        "units": moved.units,
        "amount": _amount(moved.amount),
    }


def _amount(money: Money | None) -> str | None:
    return None if money is None else f"{money.amount:f}"
