"""A statement is the frozen record of one window: what counted, what was included, what is owed, and on what it rests.

Its record is plain values of JSON, written once and never changed by a byte. Statements of a subscription are numbered
from 1 without gaps, and each names the digest of the one before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rollbook.accounting.account import Account
from rollbook.accounting.adjustments import Adjustment, Line, Sum
from rollbook.accounting.agreed import agreed, plans_until
from rollbook.accounting.charges import BASE, Charge
from rollbook.accounting.consumption import Consumption
from rollbook.accounting.seats import Seats
from rollbook.model.instants import iso
from rollbook.model.money import Money, total
from rollbook.model.window import Window

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

ORGANISATIONS_DIGITS = 12
"""Hexadecimal digits that stand for the organisations of a subscription, in a key."""

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
    currency = subscription.currency_until(until_us)
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
        "consumption": [consumption_values(used) for used in found.of(window)] if window else [],
        "seats": next((seats_values(used) for used in found.seats if used.window.number == window), None),
        "charges": [_charge(found, charge, counted if number is None else None) for charge in charged],
        "adjustments": [_adjustment(currency, it) for it in adjusted],
        "currency": currency,
        "total": amount_value(total(amounts, currency)),
        "evidence": evidence,
        "facts": facts,
        "agreed": agreed(subscription, until_us),
        "plans": [version.digest for version in plans_until(subscription, until_us)],
    }


def active(record: Mapping[str, Any]) -> int:
    """How many counted in the window of a record, all pools together; 0 for a note."""
    return sum(it["active"] for it in record["consumption"])


def charge_key(
    customer: str, plan: str, start: str, organisations: Iterable[str], line: Line, statement: int | None = None
) -> str:
    """What a billing system knows a line by, so that it is never imported twice.

    plan           id of the plan with which the term began
    start          first day of the term, which tells it from the terms before and after it
    organisations  those that the subscription names, which never change within a term; none where it is for all
    statement      number of the statement that corrects the line, for an adjustment
    """
    named = joined_key(sorted(organisations))
    whose = hashlib.sha256(named.encode()).hexdigest()[:ORGANISATIONS_DIGITS] if named else "all"
    parts = (customer, plan, start, whose, str(line.window), line.pool, line.kind)
    return joined_key(parts if statement is None else (*parts, str(statement)))


def joined_key(parts: Iterable[str]) -> str:
    """One text of several, so that others never give the same."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def consumption_values(used: Consumption) -> dict[str, Any]:
    """What one pool used in one window, as plain values."""
    names = ("new", "continuing", "reactivated", "guests", "carried", "granted", "free", "included", "overage")
    more = ("expired", "balance", "overage_to_date", "active", "allowance", "available")
    return {"pool": used.pool} | {name: getattr(used, name) for name in (*names, *more)}


def seats_values(used: Seats) -> dict[str, Any]:
    """What happened to the seats in one window, as plain values."""
    names = ("quantity", "held_at_start", "held_at_end", "taken", "released", "peak", "awaiting", "ever", "counted")
    return {name: getattr(used, name) for name in (*names, "overage", "available")}


def _charge(found: Account, charge: Charge, previewed: Window | None) -> dict[str, Any]:
    """Before its window is closed only what was bought in advance has a key: everything else may still change."""
    subscription = found.subscription
    key = ""
    if previewed is None or (charge.kind == BASE and charge.due_us == previewed.start_us):
        line = Line(charge.window, charge.pool, charge.kind)
        start = subscription.start.isoformat()
        key = charge_key(subscription.customer, subscription.plan.id, start, subscription.organisations or (), line)
    return {
        "key": key,
        "window": charge.window,
        "pool": charge.pool,
        "kind": charge.kind,
        "units": charge.units,
        "minimum": charge.minimum,
        "parts": [{"units": it.units, "rate": f"{it.rate:f}", "flat": f"{it.flat:f}"} for it in charge.parts],
        "amount": amount_value(charge.amount),
        "due": iso(charge.due_us),
    }


def _adjustment(currency: str, it: Adjustment) -> dict[str, Any]:
    amounts = [moved.amount for _, moved in it.charges]
    return {
        "windows": list(it.windows),
        "added": it.added,
        "removed": it.removed,
        "charges": [_moved(line, moved) for line, moved in it.charges],
        "amount": amount_value(total(amounts, currency)),
    }


def _moved(line: Line, moved: Sum) -> dict[str, Any]:
    return {
        "window": line.window,
        "pool": line.pool,
        "kind": line.kind,
        "units": moved.units,
        "amount": amount_value(moved.amount),
    }


def amount_value(money: Money | None) -> str | None:
    """Money as text; None where it is not known."""
    return None if money is None else f"{money.amount:f}"
