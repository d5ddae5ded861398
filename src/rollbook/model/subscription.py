"""A subscription is a customer on a plan for a term of whole local days, end excluded.

Every midnight is read in one zone, the subscription's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from rollbook.errors import Problem, SubscriptionError
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR, iso, start_of_day_us
from rollbook.model.keys import nearest, zone_exists
from rollbook.model.plan import Plan
from rollbook.model.tariff import Tariff

TERM_YEARS_MAX = 50
"""Longest term. A longer one is a misread date; paid plans are annual (S-35)."""


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """From `from_us` on, `units` are bought in all; for one organisation where the plan's pools are theirs."""

    from_us: int
    units: int
    organisation: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Approval:
    """From `from_us` on, so many more released seats may be taken by others (S-07, S-e)."""

    from_us: int
    seats: int


@dataclass(frozen=True, slots=True)
class Change:
    """From the window that begins at or after `from_us` on, another version of the plan holds."""

    from_us: int
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer on a plan for a term.

    start, end     whole local dates; `end` is the first day no longer inside
    zone           whose midnights, an IANA name
    organisations  whose facts belong to it; None means every organisation met in the facts
    anchor         the day whose monthly return begins an anniversary window; by default `start`
    term           which term of the contract this is, from 1; a renewal begins the next
    quantities     what is bought, by the instant from which it holds; nothing before the first
    approvals      of released seats, by instant
    changes        other versions of the plan, by instant; they meter alike
    quote          prices for this customer alone, instead of the plan's (W-44)
    text           of the file it was read from
    """

    plan: Plan
    start: date
    end: date
    zone: str = "UTC"
    customer: str = ""
    organisations: tuple[str, ...] | None = None
    anchor: date | None = None
    term: int = 1
    quantities: tuple[Quantity, ...] = ()
    approvals: tuple[Approval, ...] = ()
    changes: tuple[Change, ...] = ()
    quote: Tariff | None = None
    text: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise SubscriptionError(problems)

    def _problems(self) -> list[Problem]:
        place = f"subscription {self.customer}".strip()
        if not zone_exists(self.zone):
            rule = f'there is no time zone "{self.zone}"'
            return [Problem(place, rule, "give a name such as Europe/Paris or UTC")]
        if self.start.year < FIRST_YEAR or self.end.year > LAST_YEAR + 1:
            rule = f"the term from {self.start} to {self.end} is outside the years {FIRST_YEAR} to {LAST_YEAR}"
            return [Problem(place, rule, "correct the year")]
        if self.start >= self.end:
            rule = f"the term would end on {self.end}, before it starts on {self.start}"
            return [Problem(place, rule, "give an end after the start; the end is the first day outside")]
        if self.end > self.start + relativedelta(years=TERM_YEARS_MAX):
            rule = f"the term from {self.start} to {self.end} is longer than {TERM_YEARS_MAX} years"
            return [Problem(place, rule, "meter it year by year")]
        return [*self._wrong_quantities(place), *self._wrong_changes(place)]

    def _wrong_quantities(self, place: str) -> Iterator[Problem]:
        allowance = self.plan.allowance
        by_organisation = allowance.pool_scope == "organisation"
        held: dict[str, Quantity] = {}
        for step in sorted(self.quantities):
            where = f"{place}: quantity from {iso(step.from_us)}"
            if not self.start_us <= step.from_us < self.end_us:
                yield Problem(where, "it begins outside the term", f"give a day from {self.start}, before {self.end}")
            if by_organisation != bool(step.organisation):
                rule = f'the plan\'s pool_scope is "{allowance.pool_scope}"'
                yield Problem(where, rule, ("name its" if by_organisation else "leave out the") + " organisation")
            elif step.organisation and self.organisations and step.organisation not in self.organisations:
                near = nearest(step.organisation, self.organisations)
                rule = f'"{step.organisation}" is none of its organisations{near}'
                yield Problem(where, rule, "name one of them, or add it")
            before = held.get(step.organisation)
            if before and before.from_us == step.from_us:
                yield Problem(where, "two quantities begin at once", "give one of them")
            elif before and step.units < before.units and (allowance.increase_only or allowance.per == "term"):
                rule = f"{before.units} fall to {step.units} within the term"
                yield Problem(where, rule, "decrease it at the renewal; until then it can only rise")
            held[step.organisation] = step
        if self.approvals and not allowance.reuse_requires_approval:
            yield Problem(place, "released seats need no approval under this plan", "leave the approvals out")

    def _wrong_changes(self, place: str) -> Iterator[Problem]:
        currencies = {plan.tariff.currency for plan in (self.plan, *(it.plan for it in self.changes)) if plan.tariff}
        if len(currencies) > 1 and not self.quote:
            rule = "its plans have prices in " + " and ".join(sorted(currencies))
            yield Problem(place, rule, "keep to one currency within a term")
        for number, change in enumerate(self.changes):
            where = f"{place}: plan {change.plan.id} from {iso(change.from_us)}"
            if not self.start_us < change.from_us < self.end_us:
                yield Problem(where, "it begins outside the term", f"give a day after {self.start}, before {self.end}")
            if number and change.from_us <= self.changes[number - 1].from_us:
                yield Problem(where, "the change before it begins at the same time, or later", "put them in order")
            same = ("meter", "window")
            shape = ("per", "pool_scope", "basis", "rollover_windows", "reuse_requires_approval")
            if any(getattr(change.plan, name) != getattr(self.plan, name) for name in same) or any(
                getattr(change.plan.allowance, name) != getattr(self.plan.allowance, name) for name in shape
            ):
                rule = "it counts, cuts time or shares out otherwise than the plan before"
                yield Problem(where, rule, "end this subscription there, and begin another")

    def plan_at(self, at_us: int) -> Plan:
        """The version of the plan that holds at an instant."""
        return next((change.plan for change in reversed(self.changes) if change.from_us <= at_us), self.plan)

    def tariff_at(self, at_us: int) -> Tariff | None:
        """What units cost at an instant; None where nothing has a price."""
        return self.quote or self.plan_at(at_us).tariff

    def bought(self, at_us: int, organisation: str = "") -> int:
        """How many units are bought at an instant, beyond those that the plan includes."""
        steps = (step for step in self.quantities if step.organisation == organisation and step.from_us <= at_us)
        return max(steps, default=Quantity(0, 0)).units

    @property
    def start_us(self) -> int:
        """The first instant of the term."""
        return start_of_day_us(self.start, ZoneInfo(self.zone))

    @property
    def end_us(self) -> int:
        """The first instant after the term."""
        return start_of_day_us(self.end, ZoneInfo(self.zone))


def default_end(plan: Plan, start: date) -> date:
    """The end of a term of the plan's own length."""
    return start + relativedelta(months=plan.window.term_months)
