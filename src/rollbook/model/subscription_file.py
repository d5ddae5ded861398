"""Reads subscription.toml: a term, or several that follow one another.

    plan = "wisenet-lrm"
    customer = "Harbour College"
    start = 2026-01-01
    quantity = 50
    quantities = [{ from = 2026-06-01, units = 80 }]
    renewals = [{ start = 2027-01-01, quantity = 60 }]

Each renewal is a term of its own: nothing that was bought, used or left over comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from rollbook.errors import Problem, SubscriptionError
from rollbook.model.instants import start_of_day_us
from rollbook.model.keys import Keys, parse_toml
from rollbook.model.plan import Plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription, default_end
from rollbook.model.tariff import read_tariff, report_misfits

FindPlan = Callable[[str], Plan]
"""Turns the plan that a file names into a Plan, or raises PlanError."""


def parse_subscription(text: str, find_plan: FindPlan, name: str = "subscription.toml") -> Subscription:
    """The first, and mostly only, term in `text`. Raises like `parse_terms`."""
    return parse_terms(text, find_plan, name)[0]


def parse_terms(text: str, find_plan: FindPlan, name: str = "subscription.toml") -> tuple[Subscription, ...]:
    """The terms in `text`, in order.

    Raises SubscriptionError with every problem found, or PlanError where a plan it names is invalid.
    """
    problems: list[Problem] = []
    document = parse_toml(text, name, problems)
    if problems:
        raise SubscriptionError(problems)
    keys = Keys(document, name, "", problems)
    reader = _Reader(keys, find_plan, text, problems)
    terms = reader.terms()
    if problems or not terms:
        raise SubscriptionError(problems)
    return terms


def term_at(terms: Sequence[Subscription], at_us: int) -> Subscription:
    """The term that holds an instant; before the first it is the first, after the last the last (S-24)."""
    return next((term for term in reversed(terms) if term.start_us <= at_us), terms[0])


class _Reader:
    """Reads one file. What the first term states about the customer holds for every term."""

    def __init__(self, keys: Keys, find_plan: FindPlan, text: str, problems: list[Problem]) -> None:
        self._keys, self._find_plan, self._text, self._problems = keys, find_plan, text, problems

    def terms(self) -> tuple[Subscription, ...]:
        keys = self._keys
        customer = keys.text("customer", "")
        organisations = keys.texts("organisations", [])
        if keys.has("organisations") and not organisations:
            keys.report("organisations", "no organisation is named", "name at least one, or leave the key out for all")
        anchor = keys.date("anchor", None)
        stated_zone = keys.zone("zone", "UTC")
        plan = self._plan(keys.text("plan"))
        start, end = keys.date("start"), keys.date("end", None)
        renewals = keys.tables("renewals")
        zone = stated_zone if keys.has("zone") or plan is None else plan.window.zone
        if anchor and plan and plan.window.kind != "anniversary-month":
            keys.report("anchor", f"the windows of {plan.id} have no anchor day", "leave anchor out")
        found: list[Subscription] = []
        for number, item in enumerate((keys, *renewals), 1):
            if number > 1:
                plan = self._plan(item.text("plan", "")) or plan
                start, end = item.date("start", found[-1].end if found else start), item.date("end", None)
                if found and start and start < found[-1].end:
                    item.report("start", f"term {number - 1} ends on {found[-1].end} only", "begin there, or later")
            subscription = self._term(item, plan, start, end, zone, number, (customer, organisations, anchor))
            if subscription:
                found.append(subscription)
        return tuple(found)

    def _term(
        self,
        keys: Keys,
        plan: Plan | None,
        start: date | None,
        end: date | None,
        zone: str,
        number: int,
        shared: tuple[str, tuple[str, ...], date | None],
    ) -> Subscription | None:
        customer, organisations, anchor = shared
        quantities = self._quantities(keys, start, zone)
        approvals = tuple(self._approval(item, zone) for item in keys.tables("approvals"))
        changes = tuple(self._change(item, zone) for item in keys.tables("changes"))
        quote_keys = keys.table("tariff")
        quote = read_tariff(quote_keys) if quote_keys else None
        if quote and quote_keys and plan:
            report_misfits(quote_keys, quote, plan.allowance.per, plan.allowance.rollover_windows)
        keys.close()
        if plan is None or start is None:
            return None
        if end and start >= end:
            rule = f"the term would end on {end}, before it starts on {start}"
            keys.report("end", rule, "give the first day outside")
            return None
        try:
            return Subscription(
                plan=plan,
                start=start,
                end=end or default_end(plan, start),
                zone=zone,
                customer=customer,
                organisations=organisations or None,
                anchor=anchor,
                term=number,
                quantities=quantities,
                approvals=tuple(sorted(approvals)),
                changes=tuple(sorted((it for it in changes if it), key=lambda change: change.from_us)),
                quote=quote,
                text=self._text,
            )
        except SubscriptionError as error:
            self._problems += error.problems
            return None

    def _plan(self, name: str) -> Plan | None:
        return self._find_plan(name) if name else None

    def _quantities(self, keys: Keys, start: date | None, zone: str) -> tuple[Quantity, ...]:
        """`quantity` holds from the term's start; `quantities` are steps."""
        found = []
        units = keys.integer("quantity", 0)
        if keys.has("quantity") and start:
            found.append(Quantity(start_of_day_us(start, ZoneInfo(zone)), units))
        for item in keys.tables("quantities"):
            from_us = item.moment("from", zone, start)
            found.append(Quantity(from_us, item.integer("units"), item.text("organisation", "")))
            item.close()
        return tuple(sorted(found))

    def _approval(self, keys: Keys, zone: str) -> Approval:
        approval = Approval(keys.moment("from", zone), keys.integer("seats", least=1))
        keys.close()
        return approval

    def _change(self, keys: Keys, zone: str) -> Change | None:
        from_us, plan = keys.moment("from", zone), self._plan(keys.text("plan"))
        keys.close()
        return Change(from_us, plan) if plan and from_us else None
