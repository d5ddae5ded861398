"""What rules and cycles decide at an instant, by a roster and what was done in it.

Each step of an enrolment falls due once, at an instant that follows from its dates and deeds alone. Of the steps that
are due, the latest says what the enrolment is to be; where two are due at one instant, disabled is. So an enrolment
that ends when it begins is never enabled, and a run that was missed is caught up by the next.

It is left alone where it already is so, or where somebody switched it since: whoever acts by hand has the last word,
until another step falls due. Therefore a run that follows at once decides nothing new, and no run needs to know of
those before it; only messages do, which say something without changing anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from rollbook.metering.identities import Link, unit_at
from rollbook.model.fact import CORRECTIONS, Fact, is_status
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR, from_us, start_of_day_us
from rollbook.model.roster import Enrolment, EnrolmentKey, LearnerKey, Roster
from rollbook.roster.rules import BEGINS, BY_LEARNER, COMPLETES, DISABLE, ENABLE, ENDS, NOTIFY, Cycle, Rules, Step
from rollbook.roster.statuses import (
    CYCLE,
    ENROLMENT_DISABLED,
    ENROLMENT_ENABLED,
    SOURCE,
    Author,
    digest,
)
from rollbook.roster.view import linked, standing

COMPLETED = "course.completed"


@dataclass(slots=True)
class Deeds:
    """The last deed of each learner, of each in each object, and when each object was last completed; UTC microseconds.

    Deeds are the learner's own: what somebody else did in their name, or in another role, keeps nothing from lying
    idle.
    """

    last: dict[LearnerKey, int] = field(default_factory=dict)
    last_in: dict[EnrolmentKey, int] = field(default_factory=dict)
    completed: dict[EnrolmentKey, int] = field(default_factory=dict)

    def take(self, fact: Fact, links: Mapping[str, Link] | None = None, as_of_us: int = 0) -> EnrolmentKey | None:
        """Takes one fact into account; facts come in order of time.

        Gives whom it concerns where a step may fall due sooner by it: by a first deed, or by completing something.
        Every other deed only puts off what lies idle.
        """
        if is_status(fact.type) or fact.type in CORRECTIONS or fact.role != "learner" or fact.impersonator:
            return None
        learner = unit_at(links, fact.learner, as_of_us) if links else fact.learner
        key = (fact.organisation, learner, fact.object)
        sooner = fact.type == COMPLETED or key not in self.last_in
        self.last[key[:2]] = self.last_in[key] = fact.at_us
        if fact.type == COMPLETED:
            self.completed[key] = fact.at_us
        return key if sooner else None


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Notice:
    """Something to tell somebody of one enrolment. `id` is the same in every run that finds it."""

    due_us: int
    cycle: str
    when: str
    organisation: str
    learner: str
    object: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run decides: facts at its instant, and what to tell."""

    facts: tuple[Fact, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """A step of a cycle that falls due for an enrolment at an instant."""

    at_us: int
    cycle: Cycle
    step: Step


def deeds_of(facts: Iterable[Fact], as_of_us: int) -> Deeds:
    """What was done before an instant. What a learner did under an id that was given up is theirs."""
    past = standing(facts, as_of_us)
    links = linked(past)
    deeds = Deeds()
    for fact in past:
        deeds.take(fact, links.get(fact.organisation), as_of_us)
    return deeds


def decide(
    rules: Rules,
    view: Roster,
    deeds: Deeds,
    as_of_us: int,
    zone: ZoneInfo,
    *,
    previous_us: int | None = None,
    among: Iterable[EnrolmentKey] | None = None,
    source: str = SOURCE,
) -> Run:
    """What is to happen at `as_of_us`; nothing has happened yet.

    view, deeds  of all facts before `as_of_us`, UTC microseconds
    zone         whose midnights the days begin at
    previous_us  when rules last ran: messages that fell due since then are told; none where they never ran
    among        only these enrolments, where it is known that no step of any other is due
    source       of the facts
    """
    facts, notices = [], []
    for key in sorted(view.enrolments if among is None else set(among) & view.enrolments.keys()):
        enrolment = view.enrolments[key]
        due = [it for it in dues(rules, enrolment, deeds, zone) if it.at_us <= as_of_us]
        if fact := _switched(enrolment, due, as_of_us, source):
            facts.append(fact)
        if previous_us is not None:
            told = (it for it in due if it.step.do == NOTIFY and it.at_us > previous_us)
            notices += [_notice(enrolment, it) for it in told]
    return Run(facts=tuple(facts), notices=tuple(sorted(notices)))


def dues(rules: Rules, enrolment: Enrolment, deeds: Deeds, zone: ZoneInfo) -> Iterator[Due]:
    """Every step of an enrolment that has an instant, past or to come."""
    for cycle in rules.cycles:
        if cycle.concerns(enrolment):
            for step in cycle.steps:
                if (at_us := _due_us(cycle, step, enrolment, deeds, zone)) is not None:
                    yield Due(at_us, cycle, step)


def _switched(enrolment: Enrolment, due: list[Due], as_of_us: int, source: str) -> Fact | None:
    """The fact by which the latest of the steps that are due is done; None where nothing is to do."""
    switching = [it for it in due if it.step.do != NOTIFY]
    if not switching:
        return None
    latest = max(switching, key=lambda it: (it.at_us, it.step.do == DISABLE))
    if enrolment.enabled == (latest.step.do == ENABLE):
        return None
    since_us = enrolment.since_us
    if enrolment.switched and since_us is not None and since_us >= latest.at_us:
        return None
    if latest.step.do == DISABLE and not enrolment.object:
        return None  # It would disable all others of the learner; see `changes`.
    author = Author(by=CYCLE, source=source, actor=latest.cycle.name, role="system", cycle=latest.cycle.name)
    return author.fact(ENROLMENT_ENABLED if latest.step.do == ENABLE else ENROLMENT_DISABLED, as_of_us, *enrolment.key)


def _notice(enrolment: Enrolment, due: Due) -> Notice:
    return Notice(
        due_us=due.at_us,
        cycle=due.cycle.name,
        when=due.step.when,
        organisation=enrolment.organisation,
        learner=enrolment.learner,
        object=enrolment.object,
        id=digest([due.cycle.name, due.step.when, due.step.days, due.at_us, *enrolment.key]),
    )


def _due_us(cycle: Cycle, step: Step, enrolment: Enrolment, deeds: Deeds, zone: ZoneInfo) -> int | None:
    """When a step falls due; None where nothing says when."""
    if step.when in (BEGINS, ENDS):
        day = enrolment.start if step.when == BEGINS else enrolment.end
        return _midnight_us(day, step.after_days, zone)
    begun_us = _midnight_us(enrolment.start, 0, zone)
    key = enrolment.key
    if step.when == COMPLETES:
        done_us = _latest(deeds.completed.get(key), deeds.completed.get((*key[:2], enrolment.course)))
        # What was completed before it began was completed in an earlier enrolment.
        if done_us is None or (begun_us is not None and done_us < begun_us):
            return None
        return _latest(done_us, _midnight_us(_day(done_us, zone), step.after_days, zone))
    done_us = deeds.last.get(key[:2])
    if cycle.activity != BY_LEARNER:
        done_us = _latest(deeds.last_in.get(key), deeds.last_in.get((*key[:2], enrolment.course)))
    # Whoever has just been enabled has all of the days before them.
    base_us = _latest(done_us, begun_us, enrolment.since_us if enrolment.enabled else None)
    if base_us is None:
        return None  # Since when nothing was done is unknown (S-33).
    return _midnight_us(_day(base_us, zone), 1 + step.days + step.after_days, zone)


@lru_cache(maxsize=16_384)
def _midnight_us(day: date | None, later_days: int, zone: ZoneInfo) -> int | None:
    """The start of a local day some days later; None for a day that no calendar of ours has."""
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        return None
    return start_of_day_us(day + timedelta(days=later_days), zone)


def _day(at_us: int, zone: ZoneInfo) -> date:
    return from_us(at_us).astimezone(zone).date()


def _latest(*instants_us: int | None) -> int | None:
    """The last of those that are known."""
    return max((it for it in instants_us if it is not None), default=None)
