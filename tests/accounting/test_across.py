"""A learner who is one person in all organisations has one seat, and is one unit of evidence, wherever they appear."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import rollbook
from rollbook import Fact, Subscription
from rollbook.accounting.account import beyond
from rollbook.accounting.seats import Held, seats
from rollbook.books.book import Book
from rollbook.books.evidence import window_rows
from rollbook.metering.calendar import windows
from rollbook.model.allowance import Allowance
from rollbook.model.instants import DAY_US, LATEST_US
from rollbook.model.plan import Meter, Plan, State
from rollbook.model.tariff import Tariff
from rollbook.reports.people import standing_sql
from tests.accounting.made import fact, flat, plan, subscribed
from tests.books.made import closed
from tests.metering.written import us

HOLDING = State(on=("enrolment.enabled",), off=("enrolment.disabled",))
PRICE = Tariff(currency="EUR", overage=flat("1.00"))

MOVED = [
    fact("1", "2026-01-05T00:00Z", "ana", "enrolment.enabled", organisation="south", object="k"),
    fact("2", "2026-01-06T00:00Z", "ana", "enrolment.disabled", organisation="south", object="k"),
    fact("3", "2026-01-08T00:00Z", "ana", "enrolment.enabled", organisation="north", object="k"),
]
"""Ana leaves one organisation and begins in another, two days later."""


def held_plan(basis: str, quantity: int, unit: str = "learner") -> Plan:
    allowance = Allowance(per="held", basis=basis, quantity=quantity)
    return replace(plan(allowance, PRICE), meter=Meter(holds=HOLDING, dedupe="customer", unit=unit))


def of(offer: Plan) -> Subscription:
    return Subscription(plan=offer, start=date(2026, 1, 1), end=date(2026, 4, 1), organisations=("north", "south"))


@pytest.mark.parametrize(
    ("basis", "quantity", "extra"),
    [("end", 0, 1), ("ever", 0, 1), ("ever", 1, 0), ("peak", 1, 0)],
)
def test_one_who_moves_to_another_organisation_has_one_seat_and_evidence_says_the_same(
    basis: str, quantity: int, extra: int
) -> None:
    with rollbook.meter(MOVED, of(held_plan(basis, quantity)), as_of=datetime(2026, 2, 2, tzinfo=UTC)) as result:
        january = result.account.seats[0]
        assert (january.ever, january.peak, january.counted, january.overage) == (1, 1, 1, extra)
        rows = list(window_rows(result.metered, result.store.connection, result.account, 1))
        assert [(row[3], row[-1]) for row in rows] == [("ana", "beyond" if extra else "included")]
        assert [it for it in beyond(result.account, result.metered.rows) if it[0] == 1] == [(1, "", "ana", "")] * extra
        standing = result.metered.rows(
            f"select extra from ({standing_sql(result.account, result.metered.rows)}) where window_number = 1"
        )
        assert standing == [(bool(extra),)]


def test_enrolments_in_two_organisations_are_two_seats() -> None:
    """An object is one within one organisation."""
    to = of(held_plan("ever", 0, "enrolment"))
    with rollbook.meter(MOVED, to, as_of=datetime(2026, 2, 2, tzinfo=UTC)) as result:
        assert result.account.seats[0].ever == 2
        rows = list(window_rows(result.metered, result.store.connection, result.account, 1))
        assert [(row[2], row[-1]) for row in rows] == [("south", "beyond"), ("north", "beyond")]


def test_a_seat_that_waits_for_approval_is_taken_again_from_another_organisation() -> None:
    to = subscribed(Allowance(per="held", quantity=1, reuse_requires_approval=True))
    to = replace(to, plan=replace(to.plan, meter=Meter(holds=HOLDING, dedupe="customer")))
    start = us("2026-01-01T00:00Z")
    spans = [
        Held(start, "lms", "1", "south", "ana", "", start + DAY_US),
        Held(start + 2 * DAY_US, "lms", "2", "north", "ana", "", None),
    ]
    january = seats(to, windows(to), spans, LATEST_US)[0]
    assert (january.peak, january.awaiting, january.overage) == (1, 0, 0)


def test_an_earlier_fact_from_another_organisation_adds_and_removes_nobody(tmp_path: Path) -> None:
    offer = replace(plan(Allowance(), PRICE), meter=Meter(counts=("login",), dedupe="customer"))
    first: list[Fact] = [fact("1", "2026-01-20T00:00Z", "ana")]
    closed(tmp_path, first, "2026-02-01", of(offer))
    closed(tmp_path, [fact("2", "2026-01-10T00:00Z", "ana", organisation="south")], "2026-03-01", of(offer))
    [january, february] = Book(tmp_path).records
    assert [charge["amount"] for charge in january["charges"]] == [str(Decimal("1.00"))]
    assert (february["adjustments"], february["evidence"]["rows"]) == ([], 0)
