"""What the same use would have cost with another quantity."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.accounting.account import Account
from rollbook.advice.break_even import Reach, break_even
from rollbook.advice.hindsight import cheapest, cost, fits, steady, used_with

from .accounts import SEATS, account

TERM = '[allowance]\nper = "term"\n[tariff]\ncurrency = "EUR"\nbase = { shape = "flat", rate = 7 }\n'
TERM += 'overage = { shape = "flat", rate = 9.50 }\n'
WINDOW = '[allowance]\nper = "window"\n[tariff]\ncurrency = "EUR"\nbase = { shape = "flat", rate = 4 }\n'
WINDOW += 'overage = { shape = "flat", rate = 10 }\n'
USED = '[tariff]\ncurrency = "EUR"\noverage = { shape = "flat", rate = 6 }\n'
HELD = '[allowance]\nper = "held"\n[limit]\npolicy = "notify"\n[tariff]\ncurrency = "EUR"\nbase = { shape = "flat", rate = 60 }\n'


def test_credits_of_a_term_are_cheapest_where_all_are_bought_as_each_beyond_costs_more() -> None:
    found = account(TERM, [9, 11, 15, 11], bought=30)
    assert found.total() is not None
    assert found.total().amount == 30 * 7 + (9 + 11 + 15 + 11 - 30) * Decimal("9.50")
    best = cheapest(found)
    assert best is not None
    assert (best.quantity, best.cost.amount) == (46, 46 * 7)
    assert fits(found) == 46


def test_a_number_for_each_window_is_worth_buying_where_it_is_used_in_enough_of_them() -> None:
    """The n-th unit costs 4 in each of 4 windows, 16; not bought it costs 10 in each window that reaches n.

    Two windows reach 11 (20 > 16, buy), only one reaches 12 (10 < 16, do not).
    """
    best = cheapest(account(WINDOW, [9, 11, 15, 10]))
    assert best is not None
    assert best.quantity == 11
    assert best.cost.amount == 11 * 4 * 4 + (15 - 11) * 10


def test_seats_fit_at_their_peak() -> None:
    found = account(HELD, [9, 24, 20], head=SEATS)
    assert fits(found) == 24


def test_where_overage_is_not_charged_nothing_is_not_the_cheapest() -> None:
    found = account(WINDOW.replace("[tariff]", '[limit]\npolicy = "notify"\n[tariff]'), [9, 11])
    best = cheapest(found)
    assert best is not None
    assert (best.quantity, best.cost.amount) == (11, 11 * 4 * 2)


def test_without_a_price_for_what_is_bought_nothing_is_cheapest() -> None:
    assert cheapest(account(USED, [9, 11])) is None
    assert cheapest(account('[allowance]\nper = "window"\n', [9, 11])) is None


def test_units_that_roll_over_fit_with_fewer() -> None:
    """5 and 9: with 7 in each month the 2 left in the first are used in the second; with 6 one is left, 7 < 9."""
    rest = '[allowance]\nper = "window"\nrollover_windows = 1\n'
    assert fits(account(rest, [5, 9])) == 7


VOLUME = """
base = { shape = "volume", tiers = [{ first = 1, rate = 5 }, { first = 13, rate = 3 }, { first = 30, rate = 2 }] }
overage = { shape = "graduated", tiers = [{ first = 1, rate = 9 }, { first = 5, rate = 4 }] }
"""
GRADUATED = """
base = { shape = "graduated", tiers = [{ first = 1, rate = 5, flat = 20 }, { first = 9, rate = 3 }] }
overage = { shape = "volume", tiers = [{ first = 1, rate = 9 }, { first = 6, rate = 2 }] }
"""
tariffs = st.sampled_from(
    [
        'base = { shape = "flat", rate = 4 }\noverage = { shape = "flat", rate = 10 }\n',
        'base = { shape = "flat", rate = 4.37 }\noverage = { shape = "package", rate = 31, size = 7 }\n',
        'base = { shape = "package", rate = 30, size = 8 }\noverage = { shape = "flat", rate = 5 }\n',
        VOLUME,
        GRADUATED,
    ]
)
allowances = st.sampled_from(
    ['[allowance]\nper = "window"\n', '[allowance]\nper = "term"\n', '[allowance]\nquantity = 5\nper = "term"\n']
)


@settings(deadline=None)
@given(allowances, tariffs, st.lists(st.integers(0, 15), min_size=1, max_size=3))
def test_turning_points_find_as_low_a_cost_as_trying_every_quantity(
    allowance: str, tariff: str, active: list[int]
) -> None:
    found = account(allowance + '[tariff]\ncurrency = "EUR"\n' + tariff, active)
    prices = [cost(*used_with(found, units)) for units in range(sum(active) + 35)]
    least = min(price.amount for price in prices if price)
    for every_max in (10_000, 0):
        best = cheapest(found, every_max)
        assert best is not None
        assert best.cost.amount == least
        assert prices[best.quantity] == best.cost


def plain_reaches(one: Account, other: Account, most: int) -> tuple[Reach, ...]:
    """The same, asking every number."""
    found: list[Reach] = []
    for active in range(most + 1):
        first, second = steady(one, active), steady(other, active)
        assert first
        assert second
        winner = -1 if first == second else int(second.amount < first.amount)
        if found and found[-1].winner == winner:
            found[-1] = Reach(found[-1].first, active, winner)
        else:
            found.append(Reach(active, active, winner))
    return tuple(found)


@settings(deadline=None)
@given(allowances, tariffs, allowances, tariffs, st.integers(0, 30), st.integers(0, 60))
def test_break_evens_are_those_of_asking_every_number(
    allowance: str, tariff: str, other_allowance: str, other_tariff: str, bought: int, other_bought: int
) -> None:
    priced = '[tariff]\ncurrency = "EUR"\n'
    one = account(allowance + priced + tariff, [3, 4], bought)
    other = account(other_allowance + priced + other_tariff, [3, 4], other_bought)
    assert break_even(one, other, 45) == plain_reaches(one, other, 45)


def test_seats_and_a_price_for_each_active_learner_break_even_where_the_money_says() -> None:
    """24 seats cost 24 * 60 = 1,440. Active learners cost 6 in each of 12 months: 72 each; 20 of them 1,440."""
    seats = account(HELD, [5] * 12, bought=24, head=SEATS)
    used = account(USED, [5] * 12)
    assert break_even(seats, used, 50) == (Reach(0, 19, 1), Reach(20, 20, -1), Reach(21, 50, 0))


def test_nothing_is_said_of_plans_in_two_currencies_or_without_rates() -> None:
    euros = account(USED, [5])
    assert break_even(euros, account(USED.replace("EUR", "USD"), [5]), 10) is None
    assert break_even(euros, account('[allowance]\nper = "window"\n', [5]), 10) is None


@pytest.mark.parametrize("active", [0, 1, 12, 13])
def test_a_steady_use_of_a_term_runs_out_in_the_window_in_which_it_would(active: int) -> None:
    """25 credits over 2 months: up to 12 a month nothing is beyond, with 13 a month one."""
    found = account(TERM, [1, 1], bought=25)
    price = steady(found, active)
    assert price is not None
    assert price.amount == 25 * 7 + max(2 * active - 25, 0) * Decimal("9.50")
