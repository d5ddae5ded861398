"""A customer's rules: versions are put, tried, switched on and off; a stopped run is agreed to or refused.

A text is a new version, in trial: the worker says each night what it would do (`rules_nightly`). It does something once
somebody has switched it on, and then the version that was on before is off. Whoever may not see the customer finds no
rules; whoever may change its roster may change them. The audit has each act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from rollbook.errors import Problem, RollbookError
from rollbook.model.instants import from_us, to_us
from rollbook.model.keys import zone_exists
from rollbook.roster.rules import Rules, parse_rules
from rollbook.server.access import audit
from rollbook.server.access.principals import Principal, subscriptions_of
from rollbook.server.live import contracts, metering
from rollbook.server.live.roster import organisations_of
from rollbook.server.models import Customer, RulesRun, RulesVersion
from rollbook.server.receiving import rules_running as running
from rollbook.server.receiving.preview import unkept
from rollbook.server.receiving.roster import Effect
from rollbook.server.receiving.rules_running import Evaluated, Taken
from rollbook.server.refusals import RefusedError, missing, refused

NAME = "rules"
"""What problems of a text name as their place."""

TEXT_MAX = 50_000
"""Characters of a text: a hundred cycles of twenty steps."""

DOTS_MAX = 200
"""Dots of one line."""

VERSIONS_MAX = 1_000
"""Of one customer, for ever."""

DRY_RUN_PEOPLE_MAX = 25_000
"""People whom a dry run looks at while somebody waits: some seconds."""

DRY_RUN_FACTS_MAX = 10_000
"""Facts that a dry run takes in to count them; where there are more, it says that its figures are not all."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a version would do, if it ran now.

    decided    facts by type
    newly      how many would newly count, of the subscriptions that the asker may see
    effects    on the count and money of those
    strangers  names in the rules that no enrolment has
    is_cut     whether there is more than was looked at: the figures are the least
    """

    version: RulesVersion
    at_us: int
    decided: dict[str, int]
    learners: int
    newly: dict[int, int]
    newly_active: int
    budget: int
    stopped: bool
    effects: tuple[Effect, ...]
    strangers: tuple[Problem, ...]
    is_cut: bool


def parsed(text: str) -> Rules:
    """The rules of a text. Raises RulesError with every problem."""
    if len(text) > TEXT_MAX:
        rule = f"it has {len(text):,} characters, and rules have at most {TEXT_MAX:,}"
        raise refused(422, "too-long", NAME, rule, "say less, or in fewer cycles")
    if any(line.count(".") > DOTS_MAX for line in text.splitlines()):
        # Dotted keys take a parser the square of their length: 6 seconds for 40,000 characters.
        rule = f"a line of it has more than {DOTS_MAX} dots"
        raise refused(422, "too-long", NAME, rule, "write lists over several lines")
    return parse_rules(text, NAME)


def versions(customer: Customer) -> QuerySet[RulesVersion]:
    """The versions of a customer."""
    return RulesVersion.objects.filter(customer=customer).select_related("customer")


def version_for(customer: Customer, number: int) -> RulesVersion:
    """One of them. Raises 404."""
    found = versions(customer).filter(number=number).first()
    if found is None:
        raise missing("version")
    return found


def runs(customer: Customer) -> QuerySet[RulesRun]:
    """The runs of a customer."""
    return RulesRun.objects.filter(customer=customer).select_related("version")


def asking(customer: int) -> RulesRun | None:
    """The stopped run of a customer, by its number, that asks somebody: of the rules that are on, and the newest."""
    rows = RulesRun.objects.filter(customer=customer, version__state=RulesVersion.ON)
    waiting = rows.filter(state=RulesRun.STOPPED).select_related("version").order_by("-pk").first()
    if waiting and decided(rows).filter(version=waiting.version_id, day__gt=waiting.day).exists():
        return None
    return waiting


def decided(some: QuerySet[RulesRun]) -> QuerySet[RulesRun]:
    """Those of some runs that decided something; a failed one has not, and is as if there were none."""
    return some.exclude(state=RulesRun.FAILED)


def run_for(customer: Customer, number: int) -> RulesRun:
    """One of them. Raises 404."""
    found = runs(customer).filter(pk=number).first()
    if found is None:
        raise missing("run")
    return found


def usual_zone(customer: Customer, now_us: int) -> str:
    """The zone of the term that runs or begins next, so that a day of the rules is one of the bill; else UTC."""
    terms = [it.subscription for it in contracts.live_of_customers([customer.pk])]
    left = [it for it in terms if it.end_us > now_us]
    return min(left, key=lambda it: it.start_us).zone if left else "UTC"


@transaction.atomic
def put(
    principal: Principal,
    customer: Customer,
    text: str,
    now_us: int,
    *,
    zone: str = "",
    organisations: Sequence[str] = (),
) -> RulesVersion:
    """A new version, in trial; the one that was in trial is off. The same as the newest, which is not off, is that one.

    Raises RulesError, and RefusedError 422, with what is wrong.
    """
    parsed(text)
    if zone and not zone_exists(zone):
        raise refused(422, "invalid", "zone", "there is no such time zone", "give a name such as Europe/Paris or UTC")
    if unknown := sorted(set(organisations) - set(organisations_of(customer))):
        rule = f"{len(unknown)} of these organisations are none of the customer's"
        raise refused(422, "organisation", "organisations", rule, "name them as they were registered")
    zone = zone or usual_zone(customer, now_us)
    metering.locked([customer.pk])
    newest = versions(customer).order_by("-number").first()
    wanted = (text, zone, sorted(set(organisations)))
    if newest and newest.state != RulesVersion.OFF and (newest.text, newest.zone, newest.organisations) == wanted:
        return newest
    if newest and newest.number >= VERSIONS_MAX:
        rule = f"there are {VERSIONS_MAX:,} versions, and no more are kept"
        raise refused(422, "too-many", NAME, rule, "switch one of them on")
    now = from_us(now_us)
    versions(customer).filter(state=RulesVersion.TRIAL).update(
        state=RulesVersion.OFF, since=now, changed_by=audit.named(principal)
    )
    made = RulesVersion.objects.create(
        customer=customer,
        number=newest.number + 1 if newest else 1,
        text=text,
        zone=zone,
        organisations=wanted[2],
        since=now,
        created_at=now,
        created_by=audit.named(principal),
        changed_by=audit.named(principal),
    )
    audit.record(principal, "rules.put", f"rules {made.number}", customer.pk)
    return made


def switch_on(principal: Principal, customer: Customer, number: int, now_us: int) -> RulesVersion:
    """Switches a version on: it runs from the coming midnight on, and the one that was on is off."""
    return _switch(principal, customer, number, RulesVersion.ON, now_us)


def switch_off(principal: Principal, customer: Customer, number: int, now_us: int) -> RulesVersion:
    """Switches a version off, or ends its trial. What it did stays done."""
    return _switch(principal, customer, number, RulesVersion.OFF, now_us)


@transaction.atomic
def _switch(principal: Principal, customer: Customer, number: int, state: str, now_us: int) -> RulesVersion:
    metering.locked([customer.pk])
    row = version_for(customer, number)
    if row.state == state:
        return row
    now, by = from_us(now_us), audit.named(principal)
    if state == RulesVersion.ON:
        parsed(row.text)  # of a time when more could be said
        versions(customer).filter(state=state).update(state=RulesVersion.OFF, since=now, changed_by=by)
    row.state, row.since, row.changed_by = state, now, by
    row.save(update_fields=["state", "since", "changed_by"])
    if state == RulesVersion.ON:
        audit.record(principal, "rules.on", f"rules {number}", customer.pk)
    else:
        audit.record(principal, "rules.off", f"rules {number}", customer.pk)
    return row


def dry_run(principal: Principal, customer: Customer, number: int, now_us: int) -> DryRun:
    """What a version would do now, whatever its state. Nothing is kept.

    Raises RefusedError 422 for more people than can be looked at meanwhile, 503 and 429 as a preview does.
    """
    row = version_for(customer, number)
    rules = parsed(row.text)
    with unkept(frozenset({customer.pk}), now_us):
        found = running.evaluate(row, rules, now_us, facts_max=DRY_RUN_FACTS_MAX, people_max=DRY_RUN_PEOPLE_MAX)
        taken = running.take(row, rules, found, now_us, keep=False)
    seen = seen_by(principal, customer)
    return DryRun(
        version=row,
        at_us=now_us,
        decided=found.by_type,
        learners=found.learners,
        newly={key: len(units) for key, units in taken.newly.of.items() if key in seen},
        newly_active=len(taken.newly.all),
        budget=rules.budget_learners_active,
        stopped=taken.stopped,
        effects=tuple(it for it in taken.effects if it.subscription in seen),
        strangers=found.strangers,
        is_cut=found.is_cut,
    )


def seen_by(principal: Principal, customer: Customer) -> set[int]:
    """The numbers of the subscriptions of a customer that somebody may see."""
    return set(subscriptions_of(principal).filter(customer=customer).values_list("pk", flat=True))


def agree(principal: Principal, customer: Customer, number: int, digest: str, now_us: int) -> RulesRun:
    """Does what a stopped run would have done, now, in one transaction. Agreed to already, it changes nothing.

    It is decided with the customer locked, so that nothing comes between what is decided and what is done: not another
    who agrees, not the worker, and nobody who acts by hand.

    digest  of the run, as it was shown

    Raises RefusedError 409 where it would be something else now: then the run says what, and waits again; and where the
    run waits for nobody, or a later one has taken its place.
    """
    with transaction.atomic():
        metering.locked([customer.pk])
        row = run_for(customer, number)
        if row.state == RulesRun.AGREED and constant_time_compare(row.digest, digest):
            return row
        _refuse_answered(customer, row)
        if not constant_time_compare(row.digest, digest):
            raise _another()
        same = _done_now(row, version_for(customer, row.version.number), now_us)
        if same:
            row.state, row.at = RulesRun.AGREED, from_us(now_us)
            _answered(principal, row, now_us)
        else:
            row.save()
    if not same:
        raise _another()
    return row


def _done_now(row: RulesRun, version: RulesVersion, now_us: int) -> bool:
    """Decides a run anew, and takes it in where it is what its row says; else the row says what it is now."""
    rules = parsed(version.text)
    found = running.evaluate(version, rules, now_us)
    with transaction.atomic():
        taken = running.take(version, rules, found, now_us, keep=True, agreed=True)
        digest = running.digest(version, found, taken.newly)
        same = constant_time_compare(digest, row.digest)
        if not same:
            transaction.set_rollback(True)
            note(row, found, taken, digest)
    return same


@transaction.atomic
def refuse(principal: Principal, customer: Customer, number: int, now_us: int) -> RulesRun:
    """Says that a stopped run is not to be. Nothing is changed; the next night decides anew."""
    metering.locked([customer.pk])
    row = run_for(customer, number)
    if row.state == RulesRun.REFUSED:
        return row
    _refuse_answered(customer, row)
    row.state = RulesRun.REFUSED
    _answered(principal, row, now_us)
    return row


def note(row: RulesRun, found: Evaluated, taken: Taken, digest: str) -> None:
    """Writes what was decided into the row of a run, as counts."""
    row.decided, row.learners, row.is_cut, row.digest = found.by_type, found.learners, found.is_cut, digest
    row.newly = {str(key): len(units) for key, units in sorted(taken.newly.of.items())}
    row.newly_active = len(taken.newly.all)


def _answered(principal: Principal, row: RulesRun, now_us: int) -> None:
    row.answered_at, row.answered_by = from_us(now_us), audit.named(principal)
    row.save(update_fields=["state", "at", "answered_at", "answered_by"])
    said = {"version": row.version.number, "newly_active": row.newly_active, "facts": row.decided}
    thing = f"run of rules {row.pk}"
    if row.state == RulesRun.AGREED:
        audit.record(principal, "rules.agreed", thing, row.customer_id, **said)
    else:
        audit.record(principal, "rules.refused", thing, row.customer_id, **said)


def _refuse_answered(customer: Customer, row: RulesRun) -> None:
    """Raises RefusedError 409 for a run that nobody is to answer."""
    place, remedy = "run", "see the list of runs"
    if row.state != RulesRun.STOPPED:
        raise refused(409, "not-stopped", place, f"this run is {row.state}: it waits for nobody", remedy)
    if decided(row.version.runs.all()).filter(day__gt=row.day).exists():
        raise refused(409, "overtaken", place, "a later run has decided anew", "look at the newest run")
    if not versions(customer).filter(pk=row.version_id, state=RulesVersion.ON).exists():
        raise refused(409, "not-on", place, "its version is not on any more", "switch the version on")


def _another() -> RefusedError:
    rule = "what this run does would be something else now than was shown: nothing was changed"
    return refused(409, "run-outdated", "digest", rule, "look at the run again, and agree to that")


def problems_of(text: str) -> Sequence[Problem]:
    """What is wrong with a text; nothing where it can be put."""
    try:
        parsed(text)
    except RollbookError as error:
        return error.problems
    return ()


def is_due(version: RulesVersion, midnight: datetime) -> bool:
    """Whether a version runs at a midnight: those after it became what it is."""
    return version.state != RulesVersion.OFF and to_us(version.since) < to_us(midnight)
