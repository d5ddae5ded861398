"""What a rollout will use: the published scenarios, and chance that keeps its promises."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.advice.draws import NORMAL_VARIANCE, at_share, between, changing, fixed, scattered
from rollbook.advice.estimate import Estimate, Settings, estimate
from rollbook.advice.scenario import Group, Scenario, parse_scenario, parse_share
from rollbook.errors import UsageError

from .accounts import PLAN, subscription

STARTER = '[allowance]\nquantity = 300\nper = "term"\n[limit]\npolicy = "notify"\n'
SETTINGS = Settings(runs=2000)


def of_rate(share: str, learners: int = 300, rest: str = STARTER, bought: int = 0) -> Estimate:
    group = Group(name="all", learners=learners, rates=(parse_share(share, "--rate"),))
    return estimate(subscription(rest, bought), Scenario((group,)), SETTINGS)


def once(returning: int = 0) -> Estimate:
    group = Group(name="all", learners=300, within=2, returning=returning)
    return estimate(subscription(STARTER), Scenario((group,)), SETTINGS)


def test_eight_percent_of_300_are_24_a_window_48_after_two_and_288_after_the_term() -> None:
    found = of_rate("8%")
    assert [it.active for it in found.windows] == [24] * 12
    assert found.windows[1].so_far == 24 * 2
    assert found.total == 24 * 12
    assert found.exceeded_on_average is None


def test_one_percentage_point_more_exceeds_the_allowance() -> None:
    found = of_rate("9%")
    assert found.total == 27 * 12
    assert found.exceeded_on_average is not None
    assert found.exceeded_on_average.number == 12, "27 * 11 = 297 is within, 27 * 12 = 324 is not"


def test_300_learners_once_within_two_windows_are_exactly_300_which_is_within() -> None:
    found = once()
    assert (found.windows[1].low_sum, found.windows[1].high_sum) == (300, 300)
    assert (found.total, found.beyond, found.needed) == (300, 0, 300)


def test_one_learner_who_returns_makes_301_which_is_beyond() -> None:
    found = once(returning=1)
    assert (found.windows[1].low_sum, found.windows[1].high_sum) == (301, 301)
    assert (found.total, found.beyond, found.needed, found.to_buy) == (301, 1, 301, 1)


def test_the_plan_size_that_fits_holds_its_promise_against_the_exact_distribution() -> None:
    """All windows together are one binomial number of 300 * 12 trials: its 90th percentile, give or take sampling."""
    trials, chance = 300 * 12, Fraction(8, 100)
    cumulated, exact = (1 - chance) ** trials, 0
    weight = cumulated
    while cumulated < Fraction(9, 10):
        weight *= Fraction(trials - exact, exact + 1) * chance / (1 - chance)
        cumulated, exact = cumulated + weight, exact + 1
    assert abs(of_rate("8%").needed - exact) <= 2


def test_the_same_seed_gives_the_same_figures_and_another_seed_others() -> None:
    assert of_rate("8%") == of_rate("8%")
    group = Group(name="all", learners=300, rates=(Fraction(8, 100),))
    other = estimate(subscription(STARTER), Scenario((group,)), Settings(runs=2000, seed=2))
    assert [it.high_sum for it in other.windows] != [it.high_sum for it in of_rate("8%").windows]


def test_an_allowance_of_each_window_fits_the_busiest_window() -> None:
    """Certain presence: 20 in every window, 30 in the third."""
    rates = [Fraction(1)] * 2 + [Fraction(1)] + [Fraction(1)] * 9
    groups = (
        Group(name="all", learners=20, rates=tuple(rates)),
        Group(name="new", learners=10, within=1, from_window=3),
    )
    found = estimate(subscription('[allowance]\nper = "window"\n', 25), Scenario(groups, guests=0), SETTINGS)
    assert [it.active for it in found.windows][:4] == [20, 20, 30, 20]
    assert found.needed == 30
    assert [it.beyond for it in found.windows][:4] == [0, 0, 1, 1]


def test_what_is_certain_costs_what_its_rates_say() -> None:
    """20 in each of 12 windows, 15 bought: 15 * 4 a window, and 5 beyond at 10 each."""
    rest = '[allowance]\nper = "window"\n[tariff]\ncurrency = "EUR"\nbase = { shape = "flat", rate = 4 }\n'
    found = of_rate("100%", 20, rest + 'overage = { shape = "flat", rate = 10 }\n', 15)
    assert found.cost is not None
    assert found.cost.low == found.cost.expected == found.cost.high
    assert found.cost.expected.amount == 12 * (15 * 4 + 5 * 10)


def test_a_term_costs_the_same_priced_by_its_windows() -> None:
    """20 in each of 12 windows, 100 credits at 7; the 140 beyond at 9 each."""
    rest = '[allowance]\nper = "term"\n[tariff]\ncurrency = "EUR"\nbase = { shape = "flat", rate = 7 }\n'
    found = of_rate("100%", 20, rest + 'overage = { shape = "flat", rate = 9 }\n', 100)
    assert found.cost is not None
    assert found.cost.expected.amount == 100 * 7 + (20 * 12 - 100) * 9


def test_guests_are_counted_only_where_the_plan_counts_them() -> None:
    group = Group(name="all", learners=10, rates=(Fraction(1),))
    planned = Scenario((group,), guests=7)
    assert estimate(subscription(STARTER), planned, SETTINGS).total == 10 * 12
    counting = PLAN.replace("[window]", 'guests = "each-entry"\n[window]')
    assert estimate(subscription(STARTER, head=counting), planned, SETTINGS).total == (10 + 7) * 12


def test_draws_have_the_frequencies_of_the_binomial_distribution() -> None:
    random = Random(1)
    drawn = Counter(fixed(5, 0.3)(random) for _ in range(40_000))
    for number in range(6):
        expected = math.comb(5, number) * 0.3**number * 0.7 ** (5 - number)
        assert abs(drawn[number] / 40_000 - expected) < 4 * math.sqrt(expected * (1 - expected) / 40_000)


@pytest.mark.parametrize(("trials", "chance"), [(10**9, 0.08), (10**6, 0.5), (7, 0.999999), (10**6, 1e-9)])
def test_large_and_lopsided_numbers_are_drawn_about_their_mean(trials: int, chance: float) -> None:
    random = Random(1)
    for draw in (fixed(trials, chance), lambda it: changing(it, trials, chance)):
        mean = sum(draw(random) for _ in range(200)) / 200
        assert abs(mean - trials * chance) <= 5 * math.sqrt(trials * chance * (1 - chance) / 200) + 0.1


def test_the_normal_curve_is_close_where_it_takes_over() -> None:
    random, trials = Random(1), NORMAL_VARIANCE * 4
    values = sorted(changing(random, trials, 0.5) for _ in range(20_000))
    exact = sorted(fixed(trials, 0.5)(random) for _ in range(20_000))
    assert all(abs(at_share(values, share) - at_share(exact, share)) <= 4 for share in (0.05, 0.25, 0.5, 0.75, 0.95))


@given(st.integers(0, 10**6), st.integers(1, 20), st.integers())
def test_nobody_is_lost_when_people_are_scattered(people: int, places: int, seed: int) -> None:
    found = scattered(Random(seed), people, places)
    assert len(found) == places
    assert sum(found) == people
    assert min(found) >= 0


@given(st.integers(0, 50), st.integers(2, 6), st.integers())
def test_everyone_comes_once_and_those_who_return_twice_in_different_windows(n: int, within: int, seed: int) -> None:
    found = Group(name="all", learners=60, within=within, returning=n).draws(12)(Random(seed))
    assert sum(found) == 60 + n
    assert max(found) <= 60
    assert not any(found[within:])


def test_a_range_holds_the_stated_share() -> None:
    assert between(list(range(100, 0, -1)), 0.9) == (5, 95)


@pytest.mark.parametrize("text", ["8%", "0.08", " 8 % ", "8.0%"])
def test_shares_are_read_exactly(text: str) -> None:
    assert parse_share(text, "--rate") == Fraction(2, 25)


@pytest.mark.parametrize("text", ["8", "-1%", "101%", "many", "", "nan", "1e999999", "inf%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it as 8%"):
        parse_share(text, "--rate")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no group"),
        ("groups = 3", "expected a list of tables"),
        ("[[groups]]\nlearners = 3", "nothing says how its learners come"),
        ('[[groups]]\nlearners = 3\nrate = "8%"\nwithin = 2', "both rate and within"),
        ('[[groups]]\nlearners = 3\nrte = "8%"', "nearest"),
        ("[[groups]]\nlearners = 3\nwithin = 2\nreturning = 4", "4 of 3 learners"),
        ("[[groups]]\nlearners = 3\nwithin = 1\nreturning = 1", "nobody can return"),
        ("[[groups]]\nlearners = 3\nrate = [8]", "not between 0 and 100"),
        ("[[groups]\n", "not TOML"),
    ],
)
def test_a_wrong_scenario_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_scenario(text, "plan.toml")


def test_a_scenario_that_does_not_fit_the_term_is_refused() -> None:
    groups = (
        Group(name="short", learners=1, rates=(Fraction(1), Fraction(1))),
        Group(name="late", learners=1, within=3, from_window=11),
    )
    with pytest.raises(UsageError) as raised:
        estimate(subscription(STARTER), Scenario(groups), SETTINGS)
    assert [problem.rule for problem in raised.value.problems] == [
        "2 rates for 12 windows",
        "it comes until window 13, and the term has 12",
    ]


def test_more_runs_than_anyone_waits_for_are_refused() -> None:
    group = Group(name="all", learners=1, rates=(Fraction(1),))
    with pytest.raises(UsageError, match="take too long"):
        estimate(subscription(STARTER), Scenario((group,)), Settings(runs=1_000_000))
