"""What each plan would have counted and cost on one history, side by side (F-01, S-19)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from rollbook.accounting.account import Account
from rollbook.advice.break_even import Reach, break_even
from rollbook.advice.hindsight import Cheapest, charges_beyond, cheapest, cost, fits, used_with
from rollbook.errors import Problem
from rollbook.model.money import Money
from rollbook.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan that was applied.

    name         as it was asked for
    account      what it counted and cost, up to one instant
    enough       the fewest units to have bought so that nothing goes beyond the allowance; None for several pools
    fitting      what `enough` would have cost; None where a rate is missing, or for several pools
    best         the quantity that would have cost least; None where a rate is missing, or for several pools
    dispositions what became of the facts
    """

    name: str
    account: Account
    enough: int | None
    fitting: Money | None
    best: Cheapest | None
    dispositions: Mapping[str, int]

    @property
    def active(self) -> tuple[int, ...]:
        """Active units of each window that has begun."""
        sums: dict[int, int] = {}
        for used in self.account.consumption:
            sums[used.window.number] = sums.get(used.window.number, 0) + used.active
        return tuple(sums.values())

    @property
    def overage(self) -> int:
        """Units beyond the allowance, of all windows."""
        return sum(used.overage for used in self.account.consumption)

    @property
    def allowance(self) -> int:
        """What is included and bought: of a window, of the term, or of seats; the last that was in force."""
        if not self.account.consumption:
            return 0
        last = self.account.consumption[-1].window.number
        if self.account.subscription.plan.allowance.per == "term":
            return sum(used.granted for used in self.account.consumption)
        return sum(used.granted for used in self.account.of(last))

    @property
    def cost(self) -> Money | None:
        """What the windows that have begun cost; None where a rate is not known."""
        return self.account.total()

    @property
    def uncharged(self) -> int:
        """Units beyond the allowance that the plan does not charge for: with them, its cost says nothing."""
        return 0 if charges_beyond(self.account) else self.overage

    @property
    def ranked(self) -> Money | None:
        """What it is compared by: its cost as bought, or that of a quantity that fits where overage is not charged."""
        return self.fitting if self.uncharged and self.cost else self.cost

    @property
    def why_not_as_bought(self) -> str:
        """Why its cost as bought is not compared, and what would fit; '' where it is, or where there is no cost."""
        if not self.uncharged or self.cost is None:
            return ""
        verb = "is" if self.uncharged == 1 else "are"
        them = "it" if self.uncharged == 1 else "them"
        fit = f"; {self.enough:,} would fit, at {self.fitting.amount:,} {self.fitting.currency}" if self.fitting else ""
        beyond = f"{self.uncharged:,} {verb} beyond what was bought"
        return f"not ranked as bought: {beyond}, and this plan does not charge for {them}{fit}"

    @property
    def why_no_cost(self) -> str:
        """Why there is no cost; '' where there is one."""
        if not self.account.currency:
            return f"no rate is known: --rates {self.name}=FILE"
        if self.cost is None:
            kinds = sorted({charge.kind for charge in self.account.charges if charge.amount is None})
            return f"no rate is known for: {', '.join(kinds)}"
        return ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan that cannot be applied to this history, and why."""

    name: str
    problem: Problem


def candidate(name: str, account: Account, dispositions: Mapping[str, int]) -> Candidate:
    """One plan with what would have been best."""
    if account.subscription.plan.allowance.pool_scope != "customer":
        return Candidate(name, account, None, None, None, dispositions)
    enough, best = fits(account), cheapest(account)
    fitting = cost(*used_with(account, enough)) if best else None
    return Candidate(name, account, enough, fitting, best, dispositions)


def never_counts(plan: Plan, types: Iterable[str]) -> Problem | None:
    """Why a plan would count nothing, whatever happened: none of its types is among those of the facts."""
    wanted = plan.meter.holds.on if plan.meter.holds else plan.meter.counts
    if set(wanted) & set(types):
        return None
    rule = f"no fact is of a type that this plan counts ({', '.join(wanted)})"
    return Problem(plan.id, rule, "it would count nobody, which is not the same as costing nothing; add such facts")


def cheapest_first(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Which plan cost least, in sentences; nothing is ranked whose cost is not known.

    A plan is compared as it was bought; where people are beyond that and not charged for, with what fits.
    """
    priced = [(it.ranked, it) for it in candidates if it.ranked is not None]
    currencies = sorted({cost.currency for cost, _ in priced})
    unknown = [it.name for it in candidates if it.cost is None]
    said = [f"{it.name} is {it.why_not_as_bought}." for it in candidates if it.why_not_as_bought]
    if len(currencies) > 1:
        said.append(f"Costs are in {' and '.join(currencies)}, and are not compared.")
    elif len(priced) > 1:
        least = min(cost.amount for cost, _ in priced)
        names = " and ".join(it.name for cost, it in priced if cost.amount == least)
        dearest = max(cost.amount for cost, _ in priced)
        verb = "cost" if " and " in names else "costs"
        bought = "".join(f", and {it.name} with {it.enough:,}" for _, it in priced if it.uncharged)
        said.append(
            f"As things were bought{bought}, {names} {verb} least so far: {least:,} {currencies[0]}, "
            f"the dearest {dearest:,}."
        )
    if priced and unknown:
        said.append(f"Not ranked, for want of rates: {', '.join(unknown)}.")
    return tuple(said)


def break_evens(candidates: Sequence[Candidate]) -> Iterator[str]:
    """For each two plans with rates: at how many active learners which one costs less."""
    for one, other in combinations(candidates, 2):
        most = _most((one, other))
        found = break_even(one.account, other.account, most)
        if found is not None:
            yield _in_words((one, other), found)


def _most(candidates: Sequence[Candidate]) -> int:
    """How far to look: twice the busiest window, and past every allowance and tier."""
    reached = [1]
    for it in candidates:
        tariff = it.account.subscription.tariff_at(it.account.subscription.start_us)
        rates = (tariff.base, tariff.overage) if tariff else ()
        reached += [2 * max(it.active, default=0), 2 * it.allowance]
        reached += [tier.first + it.allowance for rate in rates if rate for tier in rate.tiers]
    return max(reached)


def _in_words(compared: tuple[Candidate, Candidate], found: Sequence[Reach]) -> str:
    names = [it.name for it in compared]
    needed = [it.name for it in compared if not charges_beyond(it.account)]
    bought = f" ({' and '.join(needed)} with as many bought as are needed)" if needed else ""
    parts = []
    for reach in found:
        where = f"with {reach.first:,}" + (f" to {reach.last:,}" if reach.last > reach.first else "")
        parts.append(f"{where} they cost the same" if reach.winner < 0 else f"{where} {names[reach.winner]} costs less")
    return f"{names[0]} or {names[1]}, were the same learners active in every window{bought}: {'; '.join(parts)}."
