"""A quarter of a small academy, closed month by month: what the tests of books share.

Two users are bought for each month at 3.00; whoever comes beyond costs 4.00, and from the third on all of them 3.00.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import rollbook
from rollbook import Fact, ReadOptions, Subscription, find_plan
from rollbook.books.book import Book, Statement
from rollbook.books.closing import Closing, close
from rollbook.library import Result
from rollbook.model.instants import to_us
from rollbook.model.plan import Plan
from rollbook.model.subscription import Quantity
from rollbook.model.tariff import Rate, Tariff, Tier

PRICES = Tariff(
    currency="EUR",
    base=Rate(shape="flat", tiers=(Tier(1, Decimal("3.00")),)),
    overage=Rate(shape="volume", tiers=(Tier(1, Decimal("4.00")), Tier(3, Decimal("3.00")))),
)


def quarter(**changed: Any) -> Subscription:
    """Three months of two users."""
    found = Subscription(
        plan=find_plan("facilitate-annual"),
        start=date(2026, 1, 1),
        end=date(2026, 4, 1),
        customer="Academy",
        organisations=("north",),
        quote=PRICES,
    )
    return replace(found, **({"quantities": (Quantity(found.start_us, 2),)} | changed))


def governed(**changed: Any) -> Plan:
    """The plan with other rules about when it is final."""
    plan = find_plan("facilitate-annual")
    return replace(plan, governance=replace(plan.governance, **changed))


def at(day: str) -> datetime:
    """Midnight in UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def entered(learner: str, *days: str, organisation: str = "north") -> list[Fact]:
    """Somebody enters a session on each of these days."""
    return [
        Fact(
            id=f"{learner} {day}",
            at_us=to_us(at(day)),
            type="session.entered",
            learner=learner,
            organisation=organisation,
            source="lms",
        )
        for day in days
    ]


def voided(fact: Fact) -> Fact:
    """The fact is taken back."""
    return Fact(
        id=f"void {fact.id}",
        at_us=fact.at_us + 1,
        type="fact.voided",
        voids=fact.id,
        organisation=fact.organisation,
        source=fact.source,
    )


def metered(book: Book, facts: Sequence[Fact], as_of: str, to: Subscription) -> Result:
    """The facts of a book with those that came since."""
    options = ReadOptions(settled=len(book.facts_files()))
    return rollbook.meter([*book.facts_files(), list(facts)], to, as_of=at(as_of), options=options)


def closed(folder: Path, facts: Sequence[Fact], as_of: str, to: Subscription | None = None) -> list[Statement]:
    """What is closed on a day."""
    book = Book(folder)
    with metered(book, facts, as_of, to or quarter()) as result:
        return list(close(book, result, lambda: b"s" * 32))


def previewed(folder: Path, facts: Sequence[Fact], as_of: str, window: int | None = None) -> dict[str, Any]:
    """The statement as it stands on a day."""
    book = Book(folder)
    with metered(book, facts, as_of, quarter()) as result:
        return Closing(book, result).preview(window)


JANUARY = [*entered("ann", "2026-01-05"), *entered("bob", "2026-01-06"), *entered("carl", "2026-01-07")]
"""One beyond the two that are bought."""

LATE = [*entered("dan", "2026-01-20"), *entered("eve", "2026-01-21")]
"""Two more of January. Then three are beyond, and all of them cost 3.00."""

FEBRUARY = entered("ann", "2026-02-03")
