"""Guests and what they would cost with accounts (F-27), by hand."""

from __future__ import annotations

from decimal import Decimal

from rollbook.model.subscription import Quantity

from .ledgers import EACH, ENROLMENTS, ENTRIES, at, facts, flat, metered, rows

BOUNDS = ("people_at_least", "people_at_most", "saved_at_least", "saved_at_most")

FIVE = ("- 01-05", "- 01-06", "- 01-07", "- 01-08", "- 01-09")


def test_five_entries_are_of_one_person_or_of_five() -> None:
    """F-28: as one person with an account they would be 1; as five, 5. With Ann, guests are 5 of 6."""
    result = metered(ENTRIES, facts(*FIVE, "ann 01-10", type_="session.entered"), end="02-01")
    found = rows(result, "guests", "active", "guests", "share", *BOUNDS)
    assert found == [(6, 5, 83.3, 1, 5, 5 - 5, 5 - 1)]


def test_entries_over_one_connection_are_of_one_person() -> None:
    """Three over connection x, one over y, one that names none: at most 1 + 1 + 1 people."""
    over = ("x", "x", "y", "", "x")
    ledger = facts(*(f"{row} session={it}" for row, it in zip(FIVE, over, strict=True)), type_="session.entered")
    assert rows(metered(ENTRIES, ledger, end="02-01"), "guests", *BOUNDS) == [(1, 3, 5 - 3, 5 - 1)]


def test_people_are_told_apart_by_organisation() -> None:
    """The same connection in two organisations; each has at least one person of its own."""
    ledger = facts("- 01-05 session=x", "- 01-06 session=x organisation=south", type_="session.entered")
    assert rows(metered(ENTRIES, ledger, end="02-01"), "guests", *BOUNDS) == [(2, 2, 0, 0)]
    apart = rows(metered(ENTRIES + EACH, ledger, end="02-01"), "guests", "organisation", "guests", *BOUNDS)
    assert apart == [("north", 1, 1, 1, 0, 0), ("south", 1, 1, 1, 0, 0)]


def test_the_saving_in_money_is_the_difference_of_two_accounts() -> None:
    """Ann and five guests, 3 included: 3 beyond at 6.50. One guest instead of five: 2 in all, none beyond.

    At least nothing is saved: five people with accounts would be five units as well.
    """
    result = metered(
        ENTRIES,
        facts(*FIVE, "ann 01-10", type_="session.entered"),
        end="02-01",
        bought=3,
        tariff=flat("4.00", "6.50"),
    )
    found = rows(result, "guests", "amount_at_least", "amount_at_most", "currency")
    assert found == [(Decimal("0.00"), 3 * Decimal("6.50"), "EUR")]


def test_without_prices_the_saving_is_in_units_alone() -> None:
    result = metered(ENTRIES, facts(*FIVE, type_="session.entered"), end="02-01", bought=1)
    assert rows(result, "guests", "saved_at_most", "amount_at_most", "currency") == [(4, None, "")]


def test_credits_of_a_pool_that_guests_leave_over_save_later_windows() -> None:
    """Three credits for January and February. January: three entries of guests; February: two learners, both beyond.

    Had one person made the three entries, one credit were used in January, and two were left for February.
    """
    plan = ENTRIES + '[allowance]\nquantity = 3\nper = "term"\n'
    ledger = facts(*FIVE[:3], "ann 02-05", "bob 02-06", type_="session.entered")
    result = metered(plan, ledger, tariff=flat(None, "6.50"))
    found = rows(result, "guests", "window", "saved_at_most", "amount_at_most")
    assert found == [(1, 2, Decimal("0.00")), (2, 0, 2 * Decimal("6.50"))]


def test_of_the_entries_of_one_person_the_first_is_kept() -> None:
    """One credit, and two more from the 16th. Before it two guests and Ann: 3 - 1 = 2 beyond; after it two, none beyond.

    As one person the guests entered on the 5th: with Ann 2 - 1 = 1 beyond, so one less.
    """
    plan = ENTRIES + '[allowance]\nper = "term"\n'
    steps = [Quantity(int(at(day).timestamp()) * 10**6, units) for day, units in (("01-01", 1), ("01-16", 3))]
    ledger = facts("- 01-05", "- 01-06", "ann 01-07", "- 01-20", "- 01-21", type_="session.entered")
    result = metered(plan, ledger, end="02-01", bought=steps, tariff=flat(None, "6.50"))
    assert rows(result, "guests", "saved_at_most", "amount_at_most") == [(4 - 1, Decimal("6.50"))]


def test_every_entry_is_listed_with_its_connection() -> None:
    ledger = facts("- 01-05 session=x object=s1", "- 01-06 object=s2", "ann 01-07", type_="session.entered")
    columns = ("entry", "at", "object", "connection", "standing")
    found = rows(metered(ENTRIES, ledger, end="02-01", bought=1), "guests", *columns, by="learner")
    assert found == [("1", "01-05", "s1", "x", "included"), ("2", "01-06", "s2", "", "extra")]


def test_a_plan_that_counts_no_guests_has_none() -> None:
    ledger = facts("ann 01-05 enrolment.enabled object=a")
    assert rows(metered(ENROLMENTS, ledger, end="02-01"), "guests", "active", "guests", *BOUNDS) == [(1, 0, 0, 0, 0, 0)]
