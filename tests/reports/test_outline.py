"""Key figures, and the curves that charts draw, by hand."""

from __future__ import annotations

from decimal import Decimal

from rollbook.model.money import Money
from rollbook.reports.outline import Bar, Figure, Point, bars, figures, pool, seats_held

from .ledgers import LOGINS, POOL, SEATS, at, facts, flat, metered

LEDGER = facts("ann 01-05", "bob 01-06", "cy 01-07", "ann 02-05")


def test_figures_of_windows_say_what_the_current_one_has_left_and_what_went_beyond_before() -> None:
    """Two included a month: three in January, one so far in February. 2 * 2 * 4.00 + 6.50 = 22.50."""
    with metered(LOGINS, LEDGER, as_of="02-10", bought=2, tariff=flat("4.00", "6.50")) as result:
        assert figures(result.account) == (
            Figure("Active in window 2", 1, "so far, of 2 included"),
            Figure("Used in the term", 3 + 1, "the sum of 2 windows"),
            Figure("Left", 2 - 1, "in window 2, so far"),
            Figure("Beyond what is included", 3 - 2, "in 1 of 2 windows", alarming=True),
            Figure("Charges so far", Money(2 * 2 * Decimal("4.00") + Decimal("6.50"), "EUR"), "2 windows"),
        )


def test_figures_of_a_pool_are_of_the_term() -> None:
    with metered(POOL, LEDGER, end="03-02") as result:
        assert figures(result.account) == (
            Figure("Active in window 2", 1, "at its end"),
            Figure("Used in the term", 4, "of 3 included"),
            Figure("Beyond what is included", 4 - 3, "in the term", alarming=True),
        )


def test_figures_of_seats_are_of_what_is_held() -> None:
    ledger = facts("ann 01-05", "bob 01-06", "ann 01-20 account.disabled")
    with metered(SEATS, ledger, bought=3) as result:
        assert figures(result.account) == (
            Figure("Seats held", 1, "of 3"),
            Figure("Most at once", 2, "in window 1"),
            Figure("Learners ever seated", 2, "in the term"),
            Figure("Left", 3 - 2, "in the term"),
        )


def test_bars_are_windows_by_class_against_their_own_allowance() -> None:
    with metered(LOGINS, LEDGER, bought=2) as result:
        january, february = result.account.windows
        assert bars(result.account) == (Bar(january, (3, 0, 0), 2), Bar(february, (0, 1, 0), 2))
        assert pool(result.account) == ()
        assert seats_held(result.account) == ()


def test_the_curve_of_a_pool_begins_with_the_term_and_ends_now() -> None:
    with metered(POOL, LEDGER, end="03-02", as_of="02-10") as result:
        assert pool(result.account) == (
            Point(at("01-01"), 0, 3),
            Point(at("01-31"), 3, 3),
            Point(at("02-10"), 3 + 1, 3),
        )
        assert [bar.allowance for bar in bars(result.account)] == [None, None]


def test_the_curve_of_seats_goes_day_by_day() -> None:
    """Ann sits down on the 2nd, Bob on the 3rd, Ann gets up on the 4th; counted until noon of the 5th."""
    ledger = facts("ann 01-02T08:00", "bob 01-03", "ann 01-04T09:00 account.disabled")
    with metered(SEATS, ledger, as_of="2026-01-05 12:00", bought=3) as result:
        assert bars(result.account) == ()
        held = seats_held(result.account)
    assert [(point.at, point.units) for point in held] == [
        (at("01-01"), 0),
        (at("01-02"), 0),
        (at("01-03"), 1),
        (at("01-04"), 2),
        (at("01-05"), 1),
        (at("01-05 12:00"), 1),
    ]
    assert {point.limit for point in held} == {3}


def test_a_long_term_has_a_few_hundred_points() -> None:
    with metered(SEATS, facts("ann 01-02"), end="2036-01-01", as_of="2036-01-01", bought=1) as result:
        assert 300 < len(seats_held(result.account)) < 500


def test_before_anything_has_begun_there_is_nothing_to_show() -> None:
    with metered(POOL, LEDGER, as_of="2025-12-31") as result:
        assert (figures(result.account), bars(result.account), pool(result.account)) == ((), (), ())
