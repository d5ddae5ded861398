"""One planned rollout under many plans, side by side (F-01, D-01, A-37): so many learners, who come so often.

Each learner comes in each month with the same chance, whoever came before. A plan that counts over its whole term
counts whoever comes at least once in it. Figures are `estimate`'s; here is which questions it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rollbook.accounting.account import Account
from rollbook.advice.break_even import Reach, break_even, comparable
from rollbook.advice.estimate import Estimate, Settings, estimate
from rollbook.advice.hindsight import steady, with_quantity
from rollbook.advice.scenario import Group, Scenario
from rollbook.errors import Problem, UsageError
from rollbook.metering.calendar import windows
from rollbook.model.money import Money
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription

CURVE_POINTS = 24
"""Numbers of learners at which a cost is told."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Learners who have access, and the chance that one of them comes in a month. `organisations` share the plan."""

    learners: int
    rate: Fraction
    organisations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What a rollout needs under one plan.

    found   with nothing bought beyond what the plan includes
    fitted  the same with as many units as suffice with the stated confidence: its cost, and what risk is left
    """

    plan: Plan
    found: Estimate
    fitted: Estimate


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan for which nothing can be estimated, and why."""

    plan: Plan
    problem: Problem


def scenario(subscription: Subscription, asked: Rollout) -> Scenario:
    """The rollout in the windows of a plan: a month's chance, or that of coming at least once in a whole term."""
    rate = asked.rate
    if subscription.plan.window.kind == "term":
        months = (subscription.end.year - subscription.start.year) * 12 + subscription.end.month
        rate = 1 - (1 - asked.rate) ** max(months - subscription.start.month, 1)
    return Scenario((Group(name="learners", learners=asked.learners, rates=(rate,)),))


def offer(subscription: Subscription, asked: Rollout, settings: Settings) -> Offer | Refused:
    """One plan. `subscription` says the term and the prices; what it has bought is left out."""
    nothing = with_quantity(subscription, 0)
    number = max(len(asked.organisations), 1)
    try:
        planned = scenario(nothing, asked)
        found = estimate(nothing, planned, settings, number)
        bought = with_quantity(nothing, found.to_buy)
        fitted = estimate(bought, planned, settings, number) if found.to_buy else found
    except UsageError as error:
        return Refused(subscription.plan, error.problems[0])
    return Offer(subscription.plan, found, fitted)


def break_evens(
    offers: Sequence[Offer], organisations: tuple[str, ...], most: int
) -> Iterator[tuple[Offer, Offer, tuple[Reach, ...]]]:
    """For each two plans whose prices are known: with how many active learners in every window which costs less."""
    accounts = [_account(it, organisations) for it in offers]
    known: dict[tuple[int, int], Money | None] = {}

    def cost(account: Account, active: int) -> Money | None:
        # Each is compared with all others, mostly at the same numbers.
        if (id(account), active) not in known:
            known[id(account), active] = steady(account, active)
        return known[id(account), active]

    for place, one in enumerate(offers):
        for nth, other in enumerate(offers[place + 1 :], place + 1):
            found = break_even(accounts[place], accounts[nth], most, cost)
            if found is not None:
                yield one, other, found


def cost_curve(it: Offer, asked: Rollout, most: int) -> tuple[tuple[int, Money], ...]:
    """(learners, cost of the term) up to `most` learners; empty where a rate is not known.

    As many units are bought as the average of each number of learners needs, and all windows are alike.
    """
    account = _account(it, asked.organisations)
    if not comparable(account):
        return ()
    free, term = it.found.included, len(account.windows)
    per_term = it.plan.allowance.per == "term"
    tariff = account.subscription.tariff_at(account.subscription.start_us)
    found = []
    for learners in sorted({most * point // CURVE_POINTS for point in range(CURVE_POINTS + 1)}):
        planned = scenario(account.subscription, replace(asked, learners=learners))
        active = -(-planned.groups[0].expected(1)[0] // 1)
        units = max(int(active) * (term if per_term else 1) - free, 0) if tariff and tariff.base else 0
        fitting = replace(account, subscription=with_quantity(account.subscription, units))
        cost = steady(fitting, int(active))
        if cost is None:
            return ()
        found.append((learners, cost))
    return tuple(found)


def _account(it: Offer, organisations: tuple[str, ...]) -> Account:
    """The term with what would be bought, before anybody was there."""
    subscription = it.fitted.subscription
    return Account(
        subscription=subscription,
        organisations=organisations or ("",),
        windows=windows(subscription),
        as_of_us=subscription.start_us,
        consumption=(),
        seats=(),
        charges=(),
    )
