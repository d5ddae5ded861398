"""Which of a customer's plans count by what stands on the roster, and until when to act to save their next period."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from django.urls import reverse

from rollbook.model.subscription import Subscription
from rollbook.roster.changes import saving
from rollbook.roster.view import ACCOUNT, ENROLMENT, ON
from rollbook.server.access.principals import Principal, subscriptions_of
from rollbook.server.live import contracts
from rollbook.server.live import roster as live
from rollbook.server.models import Customer
from rollbook.server.pages import shell
from rollbook.server.pages.declared import PAGES
from rollbook.server.refusals import RefusedError


@dataclass(frozen=True, slots=True)
class Until:
    """Until when somebody must be switched off to save the next period of plans; UTC microseconds."""

    plans: list[str]
    until_us: int
    zone: str


@dataclass(frozen=True, slots=True)
class Counting:
    """What counts by the roster among the plans that run.

    by_account, by_enrolment  titles of those that count who is active, and which enrolments are enabled
    terms                     number and title of each of them
    savings                   by when to act
    zone                      where their days begin; UTC where none runs
    """

    by_account: list[str]
    by_enrolment: list[str]
    terms: list[tuple[int, str]]
    savings: list[Until]
    zone: str


def of(principal: Principal, customer: Customer, now_us: int) -> Counting:
    """What counts by the roster of a customer, among what somebody may see."""
    rows = subscriptions_of(principal).filter(customer=customer)[: shell.TERMS_MAX]
    current = [(it.pk, contracts.subscription_of(it)) for it in rows if shell.when(it) == shell.CURRENT]
    running = [it for _, it in current]
    terms = [(number, it.plan.title) for number, it in current if _kinds(it, now_us)]
    by = {kind: [it for it in running if kind in _kinds(it, now_us)] for kind in (ACCOUNT, ENROLMENT)}
    found: dict[tuple[int, str], list[str]] = {}
    for it in running:
        if _kinds(it, now_us) and (until := saving(it, now_us)):
            found.setdefault((until.until_us, it.zone), []).append(it.plan.title)
    savings = [Until(plans, *until) for until, plans in sorted(found.items())]
    zone = next((it.zone for it in (*by[ACCOUNT], *by[ENROLMENT], *running)), "UTC")
    return Counting(_titles(by[ACCOUNT]), _titles(by[ENROLMENT]), terms, savings, zone)


def profile(principal: Principal, customer: Customer, number: int, it: Subscription, now_us: int) -> str:
    """Where somebody is set active or inactive; '' where the plan does not count that, and who is not on the roster."""
    declared = PAGES.get("roster-learner")
    if declared is None or not any(map(principal.may, declared.needs)) or not _kinds(it, now_us):
        return ""
    with suppress(RefusedError):  # of somebody with too many facts the roster says so itself
        if not live.learner(customer, number, now_us):
            return ""
    return reverse("roster-learner", kwargs={"number": customer.pk, "learner": number})


def _kinds(it: Subscription, now_us: int) -> set[str]:
    """Which states its plan counts: of accounts, of enrolments, or none."""
    holds = it.plan_at(now_us).meter.holds
    return {ON[type_] for type_ in holds.on if type_ in ON} if holds else set()


def _titles(found: list[Subscription]) -> list[str]:
    return list(dict.fromkeys(it.plan.title for it in found))
