"""Columns: what each means, and what kind of value it holds. A report and its documentation share them."""

from __future__ import annotations

from dataclasses import dataclass

from rollbook.accounting.account import Account

WHOLE, NUMBER, PERCENT, AMOUNT, TEXT, INSTANT, YES = (
    *("whole number", "number", "percent"),
    *("amount", "text", "instant", "yes or no"),
)
KINDS = (WHOLE, NUMBER, PERCENT, AMOUNT, TEXT, INSTANT, YES)
"""Units; a number or a percentage to one decimal; money; text; an instant in UTC; true or false."""


@dataclass(frozen=True, slots=True)
class Column:
    """`meaning` in words, and one of `KINDS`."""

    meaning: str
    kind: str = WHOLE


WINDOW = {
    "window": Column("counts from 1 within the term"),
    "start": Column("first instant inside", INSTANT),
    "end": Column("first instant no longer inside", INSTANT),
}
POOL = {
    "organisation": Column("whose allowance; empty where the customer's organisations share one", TEXT),
}
MONEY = {
    "amount": Column("what the window costs; empty where a price is not known", AMOUNT),
    "currency": Column("of the amount, ISO 4217", TEXT),
}
LEARNER = {
    "organisation": Column("of the proving fact", TEXT),
    "learner": Column("their id; for a guest the id of the entry", TEXT),
    "object": Column("the course or enrolment, where the unit is a learner in one", TEXT),
}
CLASS = {
    "class": Column("new, continuing or reactivated", TEXT),
}
PROOF = {
    "source": Column("of the proving fact", TEXT),
    "fact": Column("id of the proving fact", TEXT),
}


def instant(column: str) -> str:
    """SQL of an instant from a column of microseconds."""
    return f"make_timestamp({column}) at time zone 'UTC'"


BOUNDS = (
    f'windows.window_number as "window", {instant("windows.start_us")} as start, {instant("windows.end_us")} as "end"'
)
"""SQL of the columns `WINDOW`, over the relation `windows`."""


def pooled(found: Account) -> str:
    """SQL of the name of the pool to which an activation belongs."""
    return "organisation" if found.subscription.plan.allowance.pool_scope == "organisation" else "''"


def told_apart_by(found: Account) -> tuple[str, ...]:
    """The columns that tell one unit of `activations`, `held` or the steps before them from another."""
    meter = found.subscription.plan.meter
    slot = ("object",) if meter.unit == "enrolment" else ()
    organisation = ("organisation",) if meter.dedupe == "organisation" or slot else ()
    return (*organisation, "unit", *slot)
