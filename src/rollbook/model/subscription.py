"""A subscription is a customer on a plan for a term of whole local days, end excluded.

Every midnight is read in one zone, the subscription's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from rollbook.errors import Problem, SubscriptionError
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR, start_of_day_us
from rollbook.model.keys import Keys, parse_toml, zone_exists
from rollbook.model.plan import Plan

TERM_YEARS_MAX = 50
"""Longest term. A longer one is a misread date; paid plans are annual (S-35)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer on a plan for a term.

    start, end     whole local dates; `end` is the first day no longer inside
    zone           whose midnights, an IANA name
    organisations  whose facts belong to it; None means every organisation met in the facts
    anchor         the day whose monthly return begins an anniversary window; by default `start`
    """

    plan: Plan
    start: date
    end: date
    zone: str = "UTC"
    customer: str = ""
    organisations: tuple[str, ...] | None = None
    anchor: date | None = None

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
        return []

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


def parse_subscription(text: str, find_plan: Callable[[str], Plan], name: str = "subscription.toml") -> Subscription:
    """The subscription in `text`. `find_plan` turns the plan it names into a Plan, or raises PlanError.

    Raises SubscriptionError with every problem found, or PlanError where the plan it names is invalid.
    """
    problems: list[Problem] = []
    document = parse_toml(text, name, problems)
    if problems:
        raise SubscriptionError(problems)
    keys = Keys(document, name, "", problems)
    plan_name = keys.text("plan")
    customer = keys.text("customer", "")
    organisations = keys.texts("organisations") if keys.has("organisations") else keys.texts("organisations", [])
    start = keys.date("start")
    end = keys.date("end", None)
    anchor = keys.date("anchor", None)
    zone = keys.zone("zone", "UTC")
    keys.close()
    plan = find_plan(plan_name) if plan_name else None
    if start and end and start >= end:
        keys.report("end", f"the term would end on {end}, before it starts on {start}", "give the first day outside")
    if keys.has("organisations") and not organisations:
        keys.report("organisations", "no organisation is named", "name at least one, or leave the key out for all")
    if anchor and plan and plan.window.kind != "anniversary-month":
        keys.report("anchor", f"the windows of {plan.id} have no anchor day", "leave anchor out")
    if problems or plan is None or start is None:
        raise SubscriptionError(problems)
    return Subscription(
        plan=plan,
        start=start,
        end=end or default_end(plan, start),
        zone=zone if keys.has("zone") else plan.window.zone,
        customer=customer,
        organisations=organisations or None,
        anchor=anchor,
    )
