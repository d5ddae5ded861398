"""How things stand in one window, by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rollbook.reports.standing import standing

from .ledgers import LOGINS, POOL, SEATS, facts, metered

LEDGER = facts("ann 01-05", "bob 01-06", "cy 01-07", "ann 02-05")


def test_a_window_is_compared_with_its_own_allowance() -> None:
    """One of two in February. Until the 15th, 14 of its 28 days are over: an even use of 2 would be 1."""
    with metered(LOGINS, LEDGER, as_of="02-15", bought=2) as result:
        now = standing(result.account)
        assert now is not None
        assert (now.window.number, now.is_open) == (2, True)
        assert (now.figure, now.active, now.used, now.included, now.remaining) == (1, 1, 1, 2, 2 - 1)
        assert (now.percent, now.over, now.pace, now.share) == (50.0, 0.5, Decimal("1.0"), None)
        assert (now.reached, now.beyond) == (0, 0)


def test_more_than_is_included_is_below_zero() -> None:
    """Three of two in January, at its end: 150 %, which is above the highest threshold of 100."""
    with metered(LOGINS, LEDGER, end="02-01", bought=2) as result:
        now = standing(result.account)
        assert now is not None
        assert (now.used, now.included, now.remaining, now.beyond) == (3, 2, -1, 1)
        assert (now.percent, now.reached, now.is_open) == (150.0, 100, False)


def test_exactly_what_is_included_is_within_it() -> None:
    with metered(LOGINS, LEDGER, end="02-01", bought=3) as result:
        now = standing(result.account)
        assert now is not None
        assert (now.remaining, now.beyond, now.reached) == (0, 0, 100)


def test_a_pool_is_compared_over_the_term() -> None:
    """Three in the first window and one in the second: four of three. Two windows share the three evenly: 1.5 each."""
    with metered(POOL, LEDGER, end="03-02") as result:
        now = standing(result.account)
        assert now is not None
        assert (now.per, now.active, now.used, now.included, now.remaining) == ("term", 1, 4, 3, -1)
        assert (now.share, now.over, now.pace) == (Decimal("1.5"), 1.0, Decimal("3.0"))


def test_seats_show_those_that_are_held_and_compare_the_most() -> None:
    """Ann and Bob at once, then Ann leaves: one held, two of three are free, and the most was two of three: 66.7 %."""
    ledger = facts("ann 01-05", "bob 01-06", "ann 01-20 account.disabled")
    with metered(SEATS, ledger, bought=3) as result:
        now = standing(result.account)
        assert now is not None
        assert now.seats is not None
        assert (now.figure, now.used, now.included, now.remaining) == (1, 2, 3, 2)
        # What lasts does not come evenly.
        assert (now.percent, now.pace, now.share) == (66.7, None, None)


@pytest.mark.parametrize("bought", [0, 2])
def test_before_the_term_nothing_stands(bought: int) -> None:
    with metered(LOGINS, LEDGER, as_of="01-01", bought=bought) as result:
        assert standing(result.account) is None


def test_without_an_allowance_there_is_nothing_to_compare_with() -> None:
    with metered(LOGINS, LEDGER, as_of="02-15") as result:
        now = standing(result.account)
        assert now is not None
        assert (now.figure, now.included, now.percent, now.pace, now.reached) == (1, 0, None, None, 0)
