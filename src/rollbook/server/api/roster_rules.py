"""Enrolment rules of a customer: put, tried, switched on and off; what each run decided; and who is asked.

A version starts in trial and changes nothing. `POST /roster/rules/{number}/dry-run` says at once what it would do, and
`POST /roster/rules/{number}/on` lets the worker do it, each night, within the budget of the rules.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from django.db import InternalError, OperationalError
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from rollbook.model.instants import iso
from rollbook.server.access.principals import Principal, customer_for, needs, principal_of
from rollbook.server.api.errors import also
from rollbook.server.api.facts import busy
from rollbook.server.api.fields import Body, Cursor, Id, Limit, Organisation, Zone
from rollbook.server.api.paging import page
from rollbook.server.api.roster_out import EffectOut, RosterProblemOut, effect_out, problems_out
from rollbook.server.clock import now_us
from rollbook.server.models import Customer, RulesRun, RulesVersion
from rollbook.server.receiving import rules
from rollbook.server.receiving.rules import TEXT_MAX

router = Router(tags=["rules"])

EXAMPLE = '[[cycle]]\nname = "Terms"\n\n[[cycle.steps]]\nwhen = "ends"\ndo = "disable"\n'

RunDigest = Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]+$", description="of the run that is agreed to")]


class RulesIn(Body):
    """Rules as TOML. Without a zone it is that of what the customer pays for; without organisations, all of them."""

    customer: Id | None = None
    text: Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
    zone: Zone = ""
    organisations: list[Organisation] = Field(default_factory=list, max_length=1000)


class OfCustomerIn(Body):
    """Whose rules they are; null is one's own."""

    customer: Id | None = None


class AgreeIn(OfCustomerIn):
    """The digest of the run, as it was shown."""

    digest: RunDigest


class RulesVersionOut(Schema):
    """One version. `state` is trial, on or off, since `since`; it runs at the midnights of `zone` after that."""

    number: int
    state: str
    since: datetime
    changed_by: str
    created_at: datetime
    created_by: str
    zone: str
    organisations: list[str]
    text: str


class RulesVersionsOut(Schema):
    """Versions, the newest first; `next` is what `after` asks for, null at the end."""

    items: list[RulesVersionOut]
    next: int | None


class NewlyOut(Schema):
    """How many units would newly count in a subscription, in the window that runs or in the next."""

    subscription: int
    units: int


class RulesDryRunOut(Schema):
    """What a version would do now.

    decided       facts by type
    newly_active  learners who would newly count, of all subscriptions together; beyond `budget` it would be `stopped`
    strangers     names in the rules that no enrolment has: often they are misspelt
    is_cut        there is more than was looked at: the figures are the least
    """

    at: str
    decided: dict[str, int]
    learners: int
    newly_active: int
    newly: list[NewlyOut]
    budget: int
    stopped: bool
    effects: list[EffectOut]
    strangers: list[RosterProblemOut]
    is_cut: bool


class RulesRunOut(Schema):
    """What a version decided for one day: counts, and no learner.

    state     trial, done, nothing, stopped, agreed, refused or failed
    digest    what agreeing to a stopped run names; empty of a failed one
    problems  why a failed one failed
    """

    run: int
    version: int
    day: date
    at: datetime
    state: str
    decided: dict[str, int]
    learners: int
    newly_active: int
    newly: list[NewlyOut]
    budget: int
    is_cut: bool
    digest: str
    problems: list[RosterProblemOut]
    answered_at: datetime | None
    answered_by: str


class RulesRunsOut(Schema):
    """Runs, the newest first; `next` is what `after` asks for, null at the end."""

    items: list[RulesRunOut]
    next: int | None


@router.get("/roster/rules", auth=needs("roster:read"), response=RulesVersionsOut, openapi_extra=also(404))
def versions(
    request: HttpRequest, customer: Id | None = None, after: Cursor = 0, limit: Limit = 50
) -> RulesVersionsOut:
    """The versions of a customer's rules, the newest first."""
    whose = customer_for(principal_of(request), customer)
    found, more = page(rules.versions(whose), after, limit, newest_first=True)
    return RulesVersionsOut(items=[_version(it) for it in found], next=more)


@router.post(
    "/roster/rules",
    auth=needs("roster:write"),
    response=RulesVersionOut,
    openapi_extra={"requestBody": {"content": {"application/json": {"example": {"text": EXAMPLE}}}}, **also(404)},
    summary="Put a new version of the rules, in trial",
)
def put(request: HttpRequest, body: RulesIn) -> RulesVersionOut:
    """A new version, in trial. 422 with everything that is wrong with the text. The newest again changes nothing."""
    principal = principal_of(request)
    whose = customer_for(principal, body.customer)
    found = rules.put(principal, whose, body.text, now_us(), zone=body.zone, organisations=body.organisations)
    return _version(found)


@router.get("/roster/rules/{number}", auth=needs("roster:read"), response=RulesVersionOut)
def version(request: HttpRequest, number: Id, customer: Id | None = None) -> RulesVersionOut:
    """One version."""
    return _version(rules.version_for(customer_for(principal_of(request), customer), number))


@router.post(
    "/roster/rules/{number}/dry-run",
    auth=needs("roster:write"),
    response=RulesDryRunOut,
    openapi_extra=also(404, 503),
    summary="What a version would do now",
)
def dry_run(request: HttpRequest, number: Id, body: OfCustomerIn) -> RulesDryRunOut:
    """What it would change, whom it would make newly active, and what that costs. Nothing is kept."""
    principal = principal_of(request)
    found = rules.dry_run(principal, customer_for(principal, body.customer), number, now_us())
    return RulesDryRunOut(
        at=iso(found.at_us),
        decided=found.decided,
        learners=found.learners,
        newly_active=found.newly_active,
        newly=[NewlyOut(subscription=key, units=units) for key, units in sorted(found.newly.items())],
        budget=found.budget,
        stopped=found.stopped,
        effects=[effect_out(it) for it in found.effects],
        strangers=problems_out(found.strangers),
        is_cut=found.is_cut,
    )


@router.post("/roster/rules/{number}/on", auth=needs("roster:write"), response=RulesVersionOut, openapi_extra=also(404))
def switch_on(request: HttpRequest, number: Id, body: OfCustomerIn) -> RulesVersionOut:
    """Switches a version on, from the coming midnight; the one that was on is off."""
    principal = principal_of(request)
    return _version(rules.switch_on(principal, customer_for(principal, body.customer), number, now_us()))


@router.post(
    "/roster/rules/{number}/off", auth=needs("roster:write"), response=RulesVersionOut, openapi_extra=also(404)
)
def switch_off(request: HttpRequest, number: Id, body: OfCustomerIn) -> RulesVersionOut:
    """Switches a version off, or ends its trial. What it did stays done."""
    principal = principal_of(request)
    return _version(rules.switch_off(principal, customer_for(principal, body.customer), number, now_us()))


@router.get("/roster/rule-runs", auth=needs("roster:read"), response=RulesRunsOut, openapi_extra=also(404))
def runs(request: HttpRequest, customer: Id | None = None, after: Cursor = 0, limit: Limit = 50) -> RulesRunsOut:
    """What the worker decided by the rules of a customer, the newest first."""
    principal = principal_of(request)
    whose = customer_for(principal, customer)
    found, more = page(rules.runs(whose), after, limit, newest_first=True)
    seen = rules.seen_by(principal, whose)
    return RulesRunsOut(items=[_run(it, seen) for it in found], next=more)


@router.post(
    "/roster/rule-runs/{number}/agree",
    auth=needs("roster:write"),
    response=RulesRunOut,
    openapi_extra=also(404, 409, 503),
    summary="Agree to a run that its budget stopped",
)
def agree(request: HttpRequest, number: Id, body: AgreeIn) -> RulesRunOut:
    """Does it now, once. 409 where it would be something else now: then the run says what, with another digest."""
    principal = principal_of(request)
    whose = customer_for(principal, body.customer)
    try:
        found = rules.agree(principal, whose, number, body.digest, now_us())
    except (OperationalError, InternalError):  # PostgreSQL calls a file that may not grow internal
        raise busy() from None
    return _answered(principal, whose, found)


@router.post(
    "/roster/rule-runs/{number}/refuse",
    auth=needs("roster:write"),
    response=RulesRunOut,
    openapi_extra=also(404, 409),
    summary="Refuse a run that its budget stopped",
)
def refuse(request: HttpRequest, number: Id, body: OfCustomerIn) -> RulesRunOut:
    """Nothing is changed, and the same is not told again. The next night decides anew."""
    principal = principal_of(request)
    whose = customer_for(principal, body.customer)
    return _answered(principal, whose, rules.refuse(principal, whose, number, now_us()))


def _answered(principal: Principal, whose: Customer, row: RulesRun) -> RulesRunOut:
    return _run(row, rules.seen_by(principal, whose))


def _version(it: RulesVersion) -> RulesVersionOut:
    return RulesVersionOut(
        number=it.number,
        state=it.state,
        since=it.since,
        changed_by=it.changed_by,
        created_at=it.created_at,
        created_by=it.created_by,
        zone=it.zone,
        organisations=it.organisations,
        text=it.text,
    )


def _run(it: RulesRun, seen: set[int]) -> RulesRunOut:
    return RulesRunOut(
        run=it.pk,
        version=it.version.number,
        day=it.day,
        at=it.at,
        state=it.state,
        decided=it.decided,
        learners=it.learners,
        newly_active=it.newly_active,
        newly=[NewlyOut(subscription=int(key), units=units) for key, units in it.newly.items() if int(key) in seen],
        budget=it.budget,
        is_cut=it.is_cut,
        digest=it.digest,
        problems=[RosterProblemOut(**one) for one in it.problems],
        answered_at=it.answered_at,
        answered_by=it.answered_by,
    )
