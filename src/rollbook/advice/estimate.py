"""What a planned rollout will use, before anyone has logged in (D-01, A-37): expected, and how far it may stray.

Expected figures are exact. Ranges come from playing the term through many times, each time drawing who comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from random import Random

from rollbook.accounting.charges import priced_by
from rollbook.accounting.consumption import Consumption
from rollbook.advice.draws import at_share, between
from rollbook.advice.hindsight import cost, with_allowance
from rollbook.advice.scenario import Scenario
from rollbook.errors import Problem, UsageError
from rollbook.metering.calendar import windows
from rollbook.model.money import Money, rounded
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window

DRAWS_MAX = 5_000_000
"""Windows times runs times groups: about half a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How often the term is played through, from which seed; the share of runs that a range or a promise holds."""

    runs: int = 10_000
    seed: int = 1
    confidence: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One window.

    active, so_far                on average, in this window and in all up to it
    low, high, low_sum, high_sum  the range of each that holds the stated share of the runs
    beyond                        share of runs in which something has gone beyond the allowance by its end
    """

    window: Window
    active: Fraction
    low: int
    high: int
    so_far: Fraction
    low_sum: int
    high_sum: int
    beyond: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """On average, and its range."""

    expected: Money
    low: Money
    high: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the term will use.

    included   by the plan itself; bought: on top of it
    needed     the least allowance that suffices with the stated confidence, `included` in it
    beyond     share of runs that go beyond the allowance at all
    cost       with what is bought; None where a rate is not known
    """

    subscription: Subscription
    settings: Settings
    windows: tuple[Expected, ...]
    included: int
    bought: int
    needed: int
    beyond: Fraction
    cost: Cost | None

    @property
    def total(self) -> Fraction:
        """Units over the term, on average."""
        return self.windows[-1].so_far

    @property
    def to_buy(self) -> int:
        """What to buy so that the allowance suffices with the stated confidence (A-38)."""
        return max(self.needed - self.included, 0)

    @property
    def exceeded_on_average(self) -> Window | None:
        """The first window in which the average alone goes beyond the allowance; None where it never does."""
        allowed = self.included + self.bought
        per_term = self.subscription.plan.allowance.per == "term"
        return next((it.window for it in self.windows if (it.so_far if per_term else it.active) > allowed), None)


def estimate(subscription: Subscription, scenario: Scenario, settings: Settings, organisations: int = 1) -> Estimate:
    """What the scenario will use under the subscription. `organisations` share it, where each brings its own base."""
    term = windows(subscription)
    _refuse(subscription, scenario, settings, len(term))
    guests = scenario.guests if subscription.plan.meter.guests == "each-entry" else 0
    runs = _runs(scenario, guests, settings, len(term))
    allowance = subscription.plan.allowance
    included = allowance.quantity * (organisations if allowance.per_organisation else 1)
    bought = subscription.bought(subscription.end_us - 1)
    per_term = allowance.per == "term"
    needs = sorted(sum(run) if per_term else max(run) for run in runs)
    firsts = [_first_beyond(run, included + bought, per_term=per_term) for run in runs]
    return Estimate(
        subscription=subscription,
        settings=settings,
        windows=tuple(_windows(term, _means(scenario, guests, len(term)), runs, firsts, settings.confidence)),
        included=included,
        bought=bought,
        needed=at_share(needs, settings.confidence),
        beyond=Fraction(sum(first is not None for first in firsts), len(runs)),
        cost=_cost(subscription, term, runs, included, settings.confidence),
    )


def _refuse(subscription: Subscription, scenario: Scenario, settings: Settings, number: int) -> None:
    problems = scenario.problems(number)
    plan = subscription.plan
    if plan.meter.first_ever:
        rule = "this plan counts everyone once, ever; a rate by window does not tell who is new"
        problems.append(Problem(plan.id, rule, "count the learners"))
    if plan.allowance.pool_scope == "organisation":
        rule = "each organisation has an allowance of its own"
        problems.append(Problem(plan.id, rule, "estimate one organisation at a time, with a plan of one pool"))
    if settings.runs * number * max(len(scenario.groups), 1) > DRAWS_MAX:
        rule = f"{settings.runs:,} runs of {number} windows and {len(scenario.groups)} groups take too long"
        problems.append(Problem("--runs", rule, f"give at most {DRAWS_MAX // (number * len(scenario.groups)):,}"))
    if problems:
        raise UsageError(problems)


@lru_cache(maxsize=4)
def _runs(scenario: Scenario, guests: int, settings: Settings, number: int) -> Sequence[tuple[int, ...]]:
    """Active units of each window, as they may turn out, run by run. Plans that are compared share them."""
    random = Random(settings.seed)  # noqa: S311 - chance that can be repeated, not secrecy
    draws = [group.draws(number) for group in scenario.groups]
    drawn = ([draw(random) for draw in draws] for _ in range(settings.runs))
    return tuple(tuple(sum(of_window) + guests for of_window in zip(*groups, strict=True)) for groups in drawn)


def _means(scenario: Scenario, guests: int, number: int) -> list[Fraction]:
    return [sum(of, Fraction(guests)) for of in zip(*(it.expected(number) for it in scenario.groups), strict=True)]


def _first_beyond(run: Sequence[int], allowed: int, *, per_term: bool) -> int | None:
    """The place of the first window that goes beyond the allowance."""
    compared = accumulate(run) if per_term else run
    return next((place for place, units in enumerate(compared) if units > allowed), None)


def _windows(
    term: Sequence[Window],
    means: Sequence[Fraction],
    runs: Sequence[Sequence[int]],
    firsts: Sequence[int | None],
    confidence: float,
) -> Iterator[Expected]:
    sums = [list(accumulate(run)) for run in runs]
    so_far = Fraction(0)
    for place, window in enumerate(term):
        so_far += means[place]
        low, high = between([run[place] for run in runs], confidence)
        low_sum, high_sum = between([run[place] for run in sums], confidence)
        beyond = sum(first is not None and first <= place for first in firsts)
        yield Expected(
            window=window,
            active=means[place],
            low=low,
            high=high,
            so_far=so_far,
            low_sum=low_sum,
            high_sum=high_sum,
            beyond=Fraction(beyond, len(runs)),
        )


def _cost(
    subscription: Subscription, term: Sequence[Window], runs: Sequence[Sequence[int]], included: int, confidence: float
) -> Cost | None:
    """What the runs cost. Windows that are alike, with the same numbers, are priced once."""
    price = _pricing(subscription, included)
    costs = []
    for run in runs:
        amounts = price(term, run)
        if amounts is None:
            return None
        costs.append(amounts)
    tariff = subscription.tariff_at(subscription.start_us)
    if tariff is None:
        return None
    ordered = sorted(costs)
    outside = (1 - confidence) / 2
    return Cost(
        expected=rounded(sum(costs, Decimal(0)) / len(costs), tariff.currency),
        low=Money(at_share(ordered, outside), tariff.currency),
        high=Money(at_share(ordered, 1 - outside), tariff.currency),
    )


def _pricing(subscription: Subscription, included: int) -> Callable[[Sequence[Window], Sequence[int]], Decimal | None]:
    per_term = subscription.plan.allowance.per == "term"
    allowed = included + subscription.bought(subscription.end_us - 1)
    tariff = subscription.tariff_at(subscription.start_us)
    floor = tariff.floor if tariff else 0
    kinds: dict[tuple[object, ...], int] = {}
    kind = [kinds.setdefault(priced_by(subscription, it), len(kinds)) for it in windows(subscription)]
    known: dict[tuple[int, int, int], Money | None] = {}

    def price(term: Sequence[Window], run: Sequence[int]) -> Decimal | None:
        left, amount = allowed, Decimal(0)
        for window, active in zip(term, run, strict=True):
            # What is left of a term's allowance, beyond what this window could use, does not change its price.
            key = (kind[window.number - 1], active, min(left, max(active, floor)) if per_term else left)
            if key not in known:
                used = Consumption(window=window, new=active, free=included, per_term=per_term)
                known[key] = cost(subscription, [with_allowance(used, key[2])])
            found = known[key]
            if found is None:
                return None
            amount += found.amount
            left -= min(active, left) if per_term else 0
        return amount

    return price
