"""What rules decide at an instant, and the transaction in which that comes in, or is stopped by its budget.

`evaluate` decides on some people at a time, and holds no lock: what it says is of what was known before its instant.
`take` does it: the facts come in, whoever would be newly active is counted, and beyond the budget everything
is rolled back. A dry run, a trial, a run of the worker and a run that somebody agreed to differ in what they keep.

Facts of a run name nobody who acts: the cycle's name stands in their attributes, and the audit has who agreed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.crypto import salted_hmac

from rollbook.errors import Problem
from rollbook.model.fact import Fact
from rollbook.model.roster import Enrolment, EnrolmentKey, LearnerKey, Roster
from rollbook.roster.deciding import Deeds, by_learner, decide, deeds_of_totals
from rollbook.roster.rules import COMPLETES, IDLE, Rules, strangers
from rollbook.roster.view import KINDS, linked, roster_of, standing
from rollbook.server.live import roster_deeds, roster_facts
from rollbook.server.live.newly import Newly, Watching
from rollbook.server.live.roster import organisations_of
from rollbook.server.models import Customer, Person, RulesVersion
from rollbook.server.receiving import roster, roster_requests
from rollbook.server.receiving.ingest import OWN_SOURCE
from rollbook.server.refusals import refused

PEOPLE_TOGETHER = 500
"""Whose facts are read and decided at once."""

FACTS_MAX = 100_000
"""Facts of one run, some 100 MB; what is due beyond them is done by the next run, for a missed run is caught up."""

OFFERS_MAX = 10_000
"""Course offers that are remembered, to tell which names of a rule nothing has."""


@dataclass(slots=True)
class Evaluated:
    """What rules decide at an instant.

    facts      without actors, learners as surrogates
    told       what fell due to be told: (cycle, step) and of how many enrolments
    strangers  courses and organisations that the rules name and no enrolment has
    is_cut     more was due than `FACTS_MAX`, or what was asked for
    looked_at  people
    """

    at_us: int
    facts: list[Fact] = field(default_factory=list)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    strangers: tuple[Problem, ...] = ()
    is_cut: bool = False
    looked_at: int = 0

    @property
    def by_type(self) -> dict[str, int]:
        """How many facts of each type."""
        return dict(sorted(Counter(it.type for it in self.facts).items()))

    @property
    def learners(self) -> int:
        """How many learners they are about."""
        return len({(it.organisation, it.learner) for it in self.facts})


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it.

    kept     whether the facts are there
    stopped  whether the budget kept them out
    newly    whom they make newly active, or would
    effects  on counts and money, as for any action on a roster
    """

    kept: bool
    stopped: bool
    newly: Newly
    effects: Sequence[roster.Effect]


def evaluate(
    version: RulesVersion,
    rules: Rules,
    at_us: int,
    *,
    previous_us: int | None = None,
    facts_max: int = FACTS_MAX,
    people_max: int | None = None,
) -> Evaluated:
    """What rules decide at an instant, UTC microseconds, by what happened before it. Nothing is changed.

    previous_us  when they last ran: what fell due to be told since then is told; nothing where None
    people_max   more people of the customer than these are refused

    Raises RefusedError 422 where there are more, or where some people together have too many facts.
    """
    found = Evaluated(at_us)
    organisations = organisations_for(version)
    zone = ZoneInfo(version.zone)
    offers: dict[tuple[str, str], Enrolment] = {}
    for people in _people(version.customer):
        found.looked_at += len(people)
        if people_max is not None and found.looked_at > people_max:
            rule = f"there are more than {people_max:,} people, and it would take too long to answer"
            raise refused(422, "too-many", "rules", rule, "wait for the trial of the coming night, and see its run")
        view, deeds = _known(rules, organisations, people, at_us)
        own = set(people)
        among = {key: enrolments for key, enrolments in by_learner(view).items() if key[1] in own}
        among.update({key: among.get(key, []) for key in view.learners if key[1] in own})
        _decide(found, rules, view, deeds, zone, among, previous_us, facts_max)
        for it in view.enrolments.values():
            if len(offers) < OFFERS_MAX:
                offers.setdefault((it.organisation, it.course), it)
    met = Roster(learners={}, enrolments={it.key: it for it in offers.values()})
    found.strangers = strangers(rules, met, "rules") if len(offers) < OFFERS_MAX else ()
    return found


def _decide(
    found: Evaluated,
    rules: Rules,
    view: Roster,
    deeds: Deeds,
    zone: ZoneInfo,
    among: Mapping[LearnerKey, Collection[EnrolmentKey]],
    previous_us: int | None,
    facts_max: int,
) -> None:
    run = decide(rules, view, deeds, found.at_us, zone, previous_us=previous_us, among=among, source=OWN_SOURCE)
    room = facts_max - len(found.facts)
    # An actor of a fact becomes somebody whom learners are looked for among.
    found.facts += [it.replace(actor="") for it in run.facts[:room]]
    found.is_cut = found.is_cut or len(run.facts) > room
    found.told.update((it.cycle, it.when) for it in run.notices)


def _known(rules: Rules, organisations: Sequence[str], people: Sequence[str], at_us: int) -> tuple[Roster, Deeds]:
    """The roster of some people just before an instant, and what they did, as far as these rules ask for it."""
    read = roster_facts.of_people(organisations, people)
    if not read.are_all:
        rule = f"some {len(people)} people have more than {read.most:,} status facts"
        raise refused(422, "too-many", "rules", rule, "see which sender sends statuses without end")
    view = roster_of(read.facts, at_us)
    steps = {step.when for cycle in rules.cycles for step in cycle.steps}
    if not steps & {IDLE, COMPLETES}:
        return view, Deeds()
    totals = roster_deeds.of_people(organisations, people, at_us, completed_only=IDLE not in steps)
    return view, deeds_of_totals(totals, linked(standing(read.facts, at_us)), at_us)


def _people(customer: Customer) -> Iterator[list[str]]:
    """The surrogates of a customer's people, some at a time."""
    after = 0
    while True:
        rows = Person.objects.filter(customer=customer, pk__gt=after).order_by("pk")
        numbers = list(rows.values_list("pk", flat=True)[:PEOPLE_TOGETHER])
        if not numbers:
            return
        yield [str(it) for it in numbers]
        after = numbers[-1]


def organisations_for(version: RulesVersion) -> list[str]:
    """Whose enrolments a version goes by: those it names that are still the customer's, or all."""
    whose = organisations_of(version.customer)
    return [it for it in whose if it in version.organisations] if version.organisations else whose


def take(
    version: RulesVersion, rules: Rules, evaluated: Evaluated, now_us: int, *, keep: bool, agreed: bool = False
) -> Taken:
    """Takes in what was decided, where it is within the budget or somebody agreed; else everything is as before.

    keep  otherwise it is rolled back in any case

    Call it in a transaction that locked the customer.
    """
    facts = evaluated.facts
    if not facts:
        return Taken(kept=False, stopped=False, newly=Newly({}), effects=())
    with transaction.atomic():
        watching = Watching(version.customer_id, facts, now_us)
        effects, receipt = roster.take_in("rules", version.customer, facts, now_us)
        if receipt.rejected or receipt.held:
            raise RuntimeError("what rules decided was not taken in")  # which codes, the refusals tell
        found = watching.newly()
        stopped = len(found.all) > rules.budget_learners_active and not agreed
        if stopped or not keep:
            transaction.set_rollback(True)
        else:
            # Facts are of midnight: whoever acted by hand since has the last word, and the platform has heard it.
            overruled = roster_facts.said_since({(it.organisation, it.learner) for it in facts}, evaluated.at_us)
            still = [it for it in facts if (KINDS[it.type], it.organisation, it.learner, it.object) not in overruled]
            roster_requests.ask(version.customer, still, now_us)
    return Taken(kept=keep and not stopped, stopped=stopped, newly=found, effects=effects)


def digest(version: RulesVersion, evaluated: Evaluated, found: Newly) -> str:
    """A keyed digest of what is decided and whom it makes newly active, whenever: what somebody agrees to."""
    said = {
        "version": version.pk,
        "facts": sorted([it.type, it.organisation, it.learner, it.object] for it in evaluated.facts),
        "newly": sorted(found.all),
        "is_cut": evaluated.is_cut,
    }
    return salted_hmac("rollbook.rules", json.dumps(said), algorithm="sha256").hexdigest()
