"""Reports of the company: usage, mau, consumption, and counts of metering events. Every number is worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rollbook.model.subscription import Quantity

from .ledgers import EACH, ENROLMENTS, ENTRIES, LOGINS, POOL, SEATS, at, facts, flat, metered, rows

TWO_BLOCKS = facts("ann 2025-12-05", "ann 01-05", "bob 01-06", "ann 02-05", "cy 02-06")
"""Ann before the term; Ann and Bob in the first 30 days of 2026, Ann and Cy in the next 30."""

USAGE = ("active", "used", "included", "remaining", "people", "lifetime")


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
def test_usage_of_a_term_sums_its_windows_and_all_terms(engine: str) -> None:
    """A-25, A-26, A-d: 2 + 2 = 4 used of 3, so 1 too many; three people; with Ann in December, 5 in all terms."""
    result = metered(POOL, TWO_BLOCKS, end="03-02", engine=engine)
    assert rows(result, "usage", *USAGE) == [(2, 2, 3, 3 - 2, 2, 1 + 2), (2, 2 + 2, 3, 3 - 4, 3, 1 + 4)]


def test_usage_of_windows_compares_each_with_its_own_allowance() -> None:
    """Three in January of 2, one in February: what a month leaves over is shown, though it ends with the month."""
    ledger = facts("ann 01-05", "bob 01-06", "cy 01-07", "ann 02-05")
    result = metered(LOGINS, ledger, bought=2)
    assert rows(result, "usage", *USAGE) == [(3, 3, 2, 2 - 3, 3, 3), (1, 3 + 1, 2, 2 - 1, 3, 4)]


def test_usage_of_seats_compares_the_most_at_once() -> None:
    """Ann leaves before Cy comes: three people, two at once, of three seats. Seats know no sum over terms."""
    ledger = facts("ann 01-05", "bob 01-06", "ann 01-20 account.disabled", "cy 02-05")
    assert rows(metered(SEATS, ledger, bought=3), "usage", *USAGE) == [(2, 2, 3, 3 - 2, 3, None)]


def test_usage_of_a_state_counts_the_months_before_the_term() -> None:
    """Enrolled from November until 5 January: two months of the term before, and one of this."""
    ledger = facts("ann 2025-11-10 enrolment.enabled object=a", "ann 01-05 enrolment.disabled object=a")
    result = metered(ENROLMENTS, ledger)
    assert rows(result, "usage", "active", "lifetime") == [(1, 2 + 1), (0, 2 + 1)]


def test_usage_counts_what_was_on_and_off_at_once_in_a_month_before_the_term() -> None:
    ledger = facts("ann 2025-12-01 enrolment.enabled object=a", "ann 2025-12-01 enrolment.disabled object=a")
    assert rows(metered(ENROLMENTS, ledger), "usage", "active", "lifetime") == [(0, 1), (0, 1)]


def test_usage_counts_guests_as_units_and_not_as_people() -> None:
    """One entry of a guest before the term, two and Ann within it."""
    ledger = facts("- 2025-12-05", "- 01-05", "- 01-06", "ann 01-07", type_="session.entered")
    result = metered(ENTRIES, ledger, end="02-01")
    assert rows(result, "usage", "active", "people", "lifetime") == [(3, 1, 1 + 3)]


def test_usage_of_organisations_with_allowances_of_their_own_has_a_row_for_each() -> None:
    ledger = facts("ann 2025-12-03 organisation=south", "ann 01-05", "bob 01-05 organisation=south", "cy 01-06")
    january = at("01-01")
    bought = [Quantity(int(january.timestamp()) * 10**6, units, name) for name, units in (("north", 1), ("south", 4))]
    result = metered(LOGINS + EACH, ledger, end="02-01", bought=bought)
    found = rows(result, "usage", "organisation", "active", "remaining", "people", "lifetime")
    assert found == [("north", 2, 1 - 2, 2, 2), ("south", 1, 4 - 1, 1, 1 + 1)]


def test_the_same_person_in_two_organisations_is_two_people_unless_the_plan_says_one() -> None:
    ledger = facts("ann 01-05", "ann 01-05 organisation=south")
    one = LOGINS.replace("[window]", 'dedupe = "customer"\n[window]')
    assert rows(metered(LOGINS, ledger, end="02-01"), "usage", "active", "people") == [(2, 2)]
    assert rows(metered(one, ledger, end="02-01"), "usage", "active", "people") == [(1, 1)]


def test_mau_shows_active_against_the_allowance() -> None:
    """D-16: of 3, two are 66.7 % and below every threshold; three are 100 %; of none there is no percentage."""
    ledger = facts("ann 01-05", "bob 01-06", "ann 02-05", "bob 02-06", "cy 02-07")
    columns = ("active", "new", "continuing", "allowance", "percent", "reached", "overage")
    found = rows(metered(LOGINS, ledger, bought=3), "mau", *columns)
    assert found == [(2, 2, 0, 3, 66.7, None, 0), (3, 1, 2, 3, 100.0, 100, 0)]
    assert rows(metered(LOGINS, ledger), "mau", "allowance", "percent", "overage") == [(0, None, 2), (0, None, 3)]


def test_mau_shows_the_month_while_it_runs() -> None:
    result = metered(LOGINS, facts("ann 01-05", "bob 01-20"), as_of="01-10", bought=3)
    assert rows(result, "mau", "active", "open") == [(1, True)]


def test_consumption_of_seats_goes_by_month_though_the_window_is_the_term() -> None:
    """S-26: Ann and Bob sit down in January; in February Ann leaves, Cy and Dee come: 2, then 2 - 1 + 2 = 3."""
    ledger = facts("ann 01-05", "bob 01-06", "ann 02-03 account.disabled", "cy 02-05", "dee 02-06")
    columns = ("month", "start", "seats", "held_at_start", "taken", "released", "held_at_end", "peak", "available")
    found = rows(metered(SEATS, ledger, bought=2), "consumption", *columns, "ever")
    assert found == [
        (1, "01-01", 2, 0, 2, 0, 2, 2, 2 - 2, 2),
        (2, "02-01", 2, 2, 2, 1, 3, 3, 2 - 3, 4),
    ]


def test_consumption_of_seats_shows_those_that_await_an_approval() -> None:
    plan = SEATS + "reuse_requires_approval = true\n"
    ledger = facts("ann 01-05", "ann 01-20 account.disabled")
    found = rows(metered(plan, ledger, end="02-01", bought=2), "consumption", "held_at_end", "awaiting", "available")
    assert found == [(0, 1, 2 - 1)]


def test_consumption_of_a_pool_carries_over_and_ends_with_the_term() -> None:
    """Of 3 credits the first block uses 2; the second uses 2, one of which is beyond. An even share is 3 / 2."""
    columns = ("carried", "granted", "used", "included", "overage", "expired", "balance", "pace", "overage_to_date")
    assert rows(metered(POOL, TWO_BLOCKS, end="03-02"), "consumption", *columns) == [
        (0, 3, 2, 2, 0, 0, 3 - 2, 1.5, 0),
        (1, 0, 2, 1, 1, 0, 0, 1.5, 1),
    ]
    running = metered(POOL, TWO_BLOCKS, end="03-02", as_of="01-10")
    assert rows(running, "consumption", "pace", "open") == [(1.5, True)]
    unused = metered(POOL, TWO_BLOCKS[:2], end="03-02")
    assert rows(unused, "consumption", "used", "expired", "balance") == [(1, 0, 2), (0, 2, 0)]


def test_consumption_per_window_has_what_it_costs() -> None:
    """Two bought at 4.00; three used, so one more at 6.50."""
    ledger = facts("ann 01-05", "bob 01-06", "cy 01-07", "ann 02-05")
    result = metered(LOGINS, ledger, bought=2, tariff=flat("4.00", "6.50"))
    columns = ("allowance", "used", "overage", "expired", "amount", "currency")
    assert rows(result, "consumption", *columns) == [
        (2, 3, 1, 0, 2 * Decimal("4.00") + Decimal("6.50"), "EUR"),
        (2, 1, 0, 1, 2 * Decimal("4.00"), "EUR"),
    ]
    assert rows(metered(LOGINS, ledger, bought=2), "consumption", "amount", "currency") == [(None, ""), (None, "")]


def test_metering_events_are_counted_by_organisation() -> None:
    """Ann goes on into February and ceases there; Bob is new in the south in February."""
    ledger = facts(
        "ann 01-05 enrolment.enabled object=a",
        "ann 02-05 enrolment.disabled object=a",
        "bob 02-06 enrolment.enabled object=a organisation=south",
    )
    columns = ("window", "organisation", "active", "new", "continuing", "reactivated", "activated", "deactivated")
    assert rows(metered(ENROLMENTS, ledger), "metering-events", *columns, by="company") == [
        (1, "north", 1, 1, 0, 0, 1, 0),
        (1, "south", 0, 0, 0, 0, 0, 0),
        (2, "north", 1, 0, 1, 0, 0, 1),
        (2, "south", 1, 1, 0, 0, 1, 0),
    ]
