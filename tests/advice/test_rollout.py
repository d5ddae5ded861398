"""One rollout under several plans: what it asks of `estimate`, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from rollbook import plans
from rollbook.advice.estimate import Settings
from rollbook.advice.rollout import Offer, Refused, Rollout, break_evens, cost_curve, offer, scenario
from rollbook.model.subscription import Subscription
from rollbook.model.tariff import Rate, Tariff, Tier

YEAR = date(2027, 1, 1), date(2028, 1, 1)
FEW = Settings(runs=200)
HALF = Rollout(100, Fraction(1, 2))


def flat(price: str) -> Tariff:
    rate = Rate(shape="flat", tiers=(Tier(1, Decimal(price)),))
    return Tariff(currency="EUR", base=rate, overage=rate)


def on(plan: str, price: str = "") -> Subscription:
    return Subscription(plan=plans.find_plan(plan), start=YEAR[0], end=YEAR[1], quote=flat(price) if price else None)


def offered(plan: str, asked: Rollout = HALF, price: str = "") -> Offer:
    found = offer(on(plan, price), asked, FEW)
    assert isinstance(found, Offer)
    return found


def test_in_each_month_the_share_comes_and_over_a_whole_term_whoever_comes_at_all():
    [monthly] = scenario(on("secondnature-mau"), HALF).groups
    [seats] = scenario(on("secondnature-seats"), HALF).groups
    assert monthly.rates == (Fraction(1, 2),)
    # Nobody comes with a chance of 1/2 in each of twelve months: 1/4096.
    assert seats.rates == (1 - Fraction(1, 4096),)
    # Of a term of three months: 1 - 1/8.
    [short] = scenario(replace(on("secondnature-seats"), end=date(2027, 4, 1)), HALF).groups
    assert short.rates == (Fraction(7, 8),)


def test_what_is_to_be_bought_is_what_a_plan_does_not_include():
    everybody = Rollout(100, Fraction(1))
    # 100 come in each of twelve months: 100 a month, or 1,200 credits.
    assert offered("secondnature-mau", everybody).found.to_buy == 100
    assert offered("secondnature-mauc", everybody).found.to_buy == 1200
    assert offered("secondnature-seats", everybody).found.to_buy == 100
    # Reach 360 includes 300, and its year has twelve blocks: 1,200 - 300.
    assert offered("reach360-starter", everybody).found.to_buy == 900
    # Each of two organisations brings 50.
    assert offered("wisenet-lrm", replace(everybody, organisations=("north", "south"))).found.to_buy == 0


def test_with_what_is_to_be_bought_the_risk_that_is_left_is_a_tenth_at_most():
    found = offered("secondnature-mau")
    assert found.found.beyond == 1
    assert found.fitted.beyond <= Fraction(1, 10)
    assert found.fitted.bought == found.found.needed


def test_a_plan_for_which_a_rate_says_nothing_is_refused_with_the_reason():
    once = on("monthly-login")
    once = replace(once, plan=replace(once.plan, meter=replace(once.plan.meter, first_ever=True)))
    found = offer(once, HALF, FEW)
    assert isinstance(found, Refused)
    assert "once, ever" in found.problem.rule


def test_the_cost_of_a_number_of_learners_is_that_of_what_their_average_needs():
    # Half of the learners come: n/2 units a month at 2 EUR, for twelve months.
    curve = dict(cost_curve(offered("secondnature-mau", price="2"), HALF, 240))
    assert curve[0].amount == 0
    assert curve[240].amount == 120 * 2 * 12
    assert len(curve) == 25
    # A credit is paid once: 120 in each of twelve months at 3 EUR.
    assert dict(cost_curve(offered("secondnature-mauc", price="3"), HALF, 240))[240].amount == 120 * 12 * 3
    assert cost_curve(offered("secondnature-mau"), HALF, 240) == ()


def test_two_plans_with_prices_break_even_where_they_cost_the_same():
    # Not charged for beyond: as many are bought as are needed. A month of a learner at 2 EUR, a seat at 24 EUR a year.
    one, other = offered("secondnature-mau", price="2"), offered("secondnature-seats", price="24")
    [(_, _, [same])] = break_evens([one, other], (), 500)
    assert (same.first, same.last, same.winner) == (0, 500, -1)
    dearer = offered("secondnature-seats", price="25")
    [(_, _, reaches)] = break_evens([one, dearer], (), 500)
    assert [(it.first, it.last, it.winner) for it in reaches] == [(0, 0, -1), (1, 500, 0)]
    assert list(break_evens([one, offered("docebo-mau")], (), 500)) == []
