"""What must hold for every price, every allowance and every order of things.

The arithmetic is held to `naive`, which does the same one credit and one unit at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rollbook.accounting.charges import ADDED, BASE, charges, cost
from rollbook.accounting.consumption import cuts
from rollbook.accounting.grants import pools
from rollbook.accounting.rating import cheaper, cliffs, parts, price
from rollbook.metering.calendar import windows
from rollbook.model.money import rounded, total
from rollbook.model.tariff import Rate, Tier
from tests.accounting import naive
from tests.accounting.stories import (
    ORGANISATIONS,
    STARTS,
    Story,
    rare,
    rates,
    relaxed,
    stories,
)

# Rates.


@relaxed
@given(rates(), st.integers(0, 40), st.integers(0, 40))
def test_a_price_is_what_adding_up_unit_by_unit_gives(rate: Rate, units: int, tier_units: int) -> None:
    assert price(rate, units, tier_units) == naive.price(rate, units, tier_units)
    assert price(rate, units) == naive.price(rate, units, units)
    assert sum((part.amount for part in parts(rate, units)), Decimal(0)) == price(rate, units)


@relaxed
@given(rates(), st.integers(0, 40))
def test_more_units_never_cost_less_unless_by_volume(rate: Rate, units: int) -> None:
    if rate.shape != "volume":
        assert price(rate, units) <= price(rate, units + 1)


@relaxed
@given(st.decimals(0, 100, places=4), st.integers(0, 10**9), st.integers(1, 10**4))
def test_one_tier_is_flat_and_a_package_is_paid_once_begun(rate: Decimal, units: int, size: int) -> None:
    one = (Tier(1, rate),)
    prices = {price(Rate(shape=shape, tiers=one), units) for shape in ("flat", "volume", "graduated")}
    assert prices == {units * rate}
    begun = units // size + (units % size > 0)
    assert price(Rate(shape="package", tiers=one, size=size), units) == begun * rate


@relaxed
@given(rates(), st.integers(0, 40))
def test_cliffs_and_cheaper_numbers_are_all_that_trying_every_number_finds(rate: Rate, units: int) -> None:
    if rate.tier_by != "charged":
        assert cliffs(rate, "EUR") == ()
        assert cheaper(rate, "EUR", units) is None
        return
    cost = [rounded(naive.price(rate, n, n), "EUR").amount for n in range(80)]
    falls = [n for n in range(1, 79) if cost[n + 1] < cost[n]]
    assert [cliff.units for cliff in cliffs(rate, "EUR")] == falls
    found = cheaper(rate, "EUR", units)
    lowest = min(cost[units + 1 :])
    if units and lowest < cost[units]:
        assert found is not None
        assert (found.amount_more.amount, found.more) == (lowest, cost.index(lowest, units + 1))
    else:
        assert found is None


# Allowances.


@relaxed
@given(stories())
def test_every_allowance_is_what_spending_credits_one_by_one_gives(story: Story) -> None:
    found = {(it.pool, it.window.number): it for it in story.consumption()}
    expected = {
        (pool, number): account
        for pool in pools(story.to, ORGANISATIONS)
        for number, account in naive.account(
            story.to, windows(story.to), ORGANISATIONS, pool, story.uses, story.as_of_us
        ).items()
    }
    assert found.keys() == expected.keys()
    for key, account in expected.items():
        got = {name: getattr(found[key], name) for name in vars(account) if name != "beyond"}
        got["beyond"] = [rank for first, last in found[key].beyond for rank in range(first, last + 1)]
        assert got == vars(account), key


@relaxed
@given(stories())
def test_included_and_overage_are_all_that_counted(story: Story) -> None:
    found = story.consumption()
    assert all(it.included + it.overage == it.active for it in found)
    assert sum(it.active for it in found) == sum(use.at_us < story.as_of_us for use in story.uses)
    assert all(sum(last - first + 1 for first, last in it.beyond) == it.overage for it in found)


@relaxed
@given(stories())
def test_pricing_alike_windows_once_costs_what_all_charges_cost(story: Story) -> None:
    used = story.consumption()
    amounts = [it.amount for it in charges(story.to, used)]
    currency = story.to.currency_until(story.to.end_us)
    assert cost(story.to, used, currency) == total(amounts, currency)


@relaxed
@given(stories())
def test_the_balance_is_what_was_granted_less_what_was_used_or_has_expired(story: Story) -> None:
    for pool in pools(story.to, ORGANISATIONS):
        granted = gone = carried = overage = 0
        for it in story.consumption():
            if it.pool == pool:
                assert it.carried == carried
                granted, gone, overage = granted + it.granted, gone + it.included + it.expired, overage + it.overage
                assert it.balance == granted - gone >= 0
                assert it.overage_to_date == overage
                carried = it.balance
        if story.as_of_us >= story.to.end_us:
            assert carried == 0


@relaxed
@given(stories(), st.sampled_from(STARTS[1:]))
def test_the_figures_of_a_window_never_depend_on_later_ones(story: Story, end_us: int) -> None:
    """Neither on what happens later, nor on what is bought or changed later."""
    earlier = replace(
        story,
        to=replace(
            story.to,
            quantities=tuple(it for it in story.to.quantities if it.from_us < end_us),
            changes=tuple(it for it in story.to.changes if it.from_us < end_us),
        ),
        uses=tuple(it for it in story.uses if it.at_us < end_us),
        as_of_us=min(end_us, story.as_of_us),
    )
    until = [it for it in story.consumption() if it.window.end_us <= end_us]
    assert until == list(earlier.consumption())
    assert charges(story.to, until) == charges(earlier.to, earlier.consumption())


@relaxed
@given(stories(), st.randoms(use_true_random=False))
def test_what_a_term_costs_is_the_same_in_whatever_order_it_was_counted(story: Story, random: object) -> None:
    shuffled = [replace(it, units=1) for it in story.tallies for _ in range(it.units)]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert story.consumption(shuffled) == story.consumption()
    assert charges(story.to, story.consumption(shuffled)) == charges(story.to, story.consumption())


@relaxed
@given(stories())
def test_what_is_charged_as_base_is_what_was_bought(story: Story) -> None:
    """In each window what is bought at its close; or, for the term, at the end of it, and no unit twice."""
    tariff = story.to.plan.tariff
    if tariff is None or tariff.base is None or story.as_of_us < story.to.end_us:
        return
    every = story.to.plan.allowance.per if tariff.base_every == "allowance" else tariff.base_every
    found = charges(story.to, story.consumption())
    for pool in pools(story.to, ORGANISATIONS):
        lines = [it for it in found if it.kind in (BASE, ADDED) and it.pool == pool]
        if every == "term":
            assert sum(it.units for it in lines) == story.to.bought(story.to.end_us - 1, pool)
        else:
            for window in windows(story.to):
                units = sum(it.units for it in lines if it.window == window.number)
                assert units == story.to.bought(window.end_us - 1, pool)


@relaxed
@given(stories())
def test_every_charge_has_an_amount_that_its_parts_explain(story: Story) -> None:
    for charge in charges(story.to, story.consumption()):
        tariff = story.to.plan.tariff
        if tariff is None:
            assert charge.amount is None
        elif charge.parts:
            exact = sum((part.units * part.rate + part.flat for part in charge.parts), Decimal(0))
            assert charge.amount == rounded(exact, tariff.currency)


# The hard cases.


def _within(story: Story, at_us: int) -> bool:
    return any(it.start_us < at_us < it.end_us for it in windows(story.to))


HARD_STORIES: dict[str, Callable[[Story], bool]] = {
    "a pool is topped up inside a window": lambda it: bool(cuts(it.to, windows(it.to), ORGANISATIONS, it.as_of_us)),
    "somebody counts at the instant of a step": lambda it: bool(
        {use.at_us for use in it.uses} & {step.from_us for step in it.to.quantities if _within(it, step.from_us)}
    ),
    "some go beyond before a top-up that serves others": lambda it: any(
        used.overage and used.beyond[0][1] < used.active and used.per_term for used in it.consumption()
    ),
    "two ranges are beyond": lambda it: any(len(used.beyond) > 1 for used in it.consumption()),
    "what rolls over is used": lambda it: any(
        used.carried and used.included and not used.per_term for used in it.consumption()
    ),
    "what rolled over expires": lambda it: any(
        used.expired > used.granted and not used.per_term for used in it.consumption()
    ),
    "one organisation is within and the other beyond": lambda it: any(
        a.window == b.window and a.active and not a.overage and b.overage
        for a in it.consumption()
        for b in it.consumption()
    ),
    "exactly all is used": lambda it: any(
        used.active and used.included == used.allowance and not used.overage for used in it.consumption()
    ),
    "the quantity falls": lambda it: any(
        a.units > b.units and a.organisation == b.organisation for a, b in pairwise(it.to.quantities)
    ),
    "the plan changes": lambda it: bool(it.to.changes),
    "a window is open": lambda it: any(used.is_open for used in it.consumption()),
    "an added base": lambda it: any(charge.kind == ADDED for charge in charges(it.to, it.consumption())),
}


def test_the_generator_of_allowances_produces_the_hard_cases_often() -> None:
    assert not rare(stories(), HARD_STORIES)
