"""Which of several plans is ranked, by what, and what is said of it."""

from __future__ import annotations

from rollbook.advice.compare import Candidate, break_evens, candidate, cheapest_first

from .accounts import SEATS, account

PRICED = '[tariff]\ncurrency = "EUR"\n'
HELD = '[allowance]\nper = "held"\n[limit]\npolicy = "notify"\n' + PRICED
BASE = 'base = { shape = "flat", rate = 60 }\n'
USED = PRICED + 'overage = { shape = "flat", rate = 6 }\n'


def seats(active: list[int], bought: int, price: str = BASE) -> Candidate:
    return candidate("seats", account(HELD + price, active, bought, head=SEATS), {})


def used(active: list[int]) -> Candidate:
    return candidate("used", account(USED, active), {})


def test_a_plan_that_people_are_beyond_without_a_charge_is_ranked_by_what_fits() -> None:
    """One seat is 60, and 24 are held: 24 * 60 = 1,440. Three months of 24 at 6 are 432."""
    assert cheapest_first([seats([24], 1), used([24, 24, 24])]) == (
        (
            "seats is not ranked as bought: 23 are beyond what was bought, and this plan does not charge for them; "
            "24 would fit, at 1,440.00 EUR."
        ),
        "As things were bought, and seats with 24, used costs least so far: 432.00 EUR, the dearest 1,440.00.",
    )


def test_a_plan_that_fits_is_ranked_as_it_was_bought() -> None:
    found = seats([5], 6)
    assert found.why_not_as_bought == ""
    assert cheapest_first([found, used([5])]) == (
        "As things were bought, used costs least so far: 30.00 EUR, the dearest 360.00.",
    )


def test_what_is_beyond_and_charged_is_ranked_as_it_was_bought() -> None:
    assert used([5]).overage == 5
    assert used([5]).ranked == used([5]).cost


def test_one_alone_beyond_is_told_as_one() -> None:
    said = seats([24], 23).why_not_as_bought
    assert "1 is beyond what was bought, and this plan does not charge for it; 24 would fit" in said


def test_a_plan_beyond_whose_seats_have_no_price_is_not_ranked_at_all() -> None:
    found = seats([24], 1, 'overage = { shape = "flat", rate = 6 }\n')
    assert found.ranked is None
    assert cheapest_first([found, used([24])]) == (
        "seats is not ranked as bought: 23 are beyond what was bought, and this plan does not charge for them.",
    )


def test_a_break_even_buys_the_seats_that_each_number_needs_and_says_so() -> None:
    """A seat is 60, an active learner 6 in each of 12 months, 72: seats cost less from the first on, bought or not."""
    assert list(break_evens([seats([20] * 12, 1), used([20] * 12)])) == [
        (
            "seats or used, were the same learners active in every window (seats with as many bought as are needed, "
            "used with what was bought): with 0 they cost the same; with 1 to 40 seats costs less."
        )
    ]
