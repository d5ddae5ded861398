"""What rules and cycles decide at an instant, by a roster and what was done in it.

Each step of an enrolment falls due once, at an instant that follows from its dates and deeds alone. Of the steps that
are due, the latest says what the enrolment is to be; where two are due at one instant, disabled is. So an enrolment
that ends when it begins is never enabled, and a run that was missed is caught up by the next.

It is left alone where it already is so, or where somebody switched it since: whoever acts by hand has the last word,
until another step falls due. Therefore a run that follows at once decides nothing new, and no run needs to know of
those before it; only messages do, which say something without changing anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from rollbook.metering.identities import Link, unit_at
from rollbook.model.fact import CORRECTIONS, LINKED, Fact, is_status
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR, from_us, start_of_day_us
from rollbook.model.roster import Enrolment, EnrolmentKey, LearnerKey, LearnerRecord, Roster
from rollbook.roster.clean_up import deciding
from rollbook.roster.rules import (
    BEGINS,
    BY_LEARNER,
    COMPLETES,
    DEACTIVATE,
    DISABLE,
    ENABLE,
    ENDS,
    NOTIFY,
    Cycle,
    Rules,
    Step,
)
from rollbook.roster.statuses import (
    CYCLE,
    DISABLED,
    ENROLMENT_DISABLED,
    ENROLMENT_ENABLED,
    SOURCE,
    Author,
    digest,
)
from rollbook.roster.view import linked, standing

COMPLETED = "course.completed"


@dataclass(slots=True)
class Done:
    """What one learner did: the last deed, the last in each object, and when each was last completed; microseconds."""

    last: int | None = None
    last_in: dict[str, int] = field(default_factory=dict)
    completed: dict[str, int] = field(default_factory=dict)


NOTHING = Done()


@dataclass(slots=True)
class Deeds:
    """What each learner did, up to some instant.

    Deeds are the learner's own: what somebody else did in their name, or in another role, keeps nothing from lying
    idle. What was done under an id that was given up since is the survivor's.
    """

    of: dict[LearnerKey, Done] = field(default_factory=dict)

    def take(self, fact: Fact, links: Mapping[str, Link]) -> LearnerKey | None:
        """Takes one fact into account; facts come in order of time. `links` are those in force in its organisation.

        Gives whom it concerns where a step may fall due sooner by it: by a first deed, by completing something, or by
        a link. Every other deed only puts off what lies idle.
        """
        survivor = (fact.organisation, unit_at(links, fact.learner, fact.at_us))
        if fact.type == LINKED:
            given_up = (fact.organisation, fact.object)
            if fact.object in links and given_up in self.of:
                _merge(self.of.setdefault(survivor, Done()), self.of.pop(given_up))
            return survivor
        if is_status(fact.type) or fact.type in CORRECTIONS or fact.role != "learner" or fact.impersonator:
            return None
        done = self.of.setdefault(survivor, Done())
        sooner = fact.type == COMPLETED or fact.object not in done.last_in
        done.last = done.last_in[fact.object] = fact.at_us
        if fact.type == COMPLETED:
            done.completed[fact.object] = fact.at_us
        return survivor if sooner else None


def _merge(into: Done, other: Done) -> None:
    """What two ids did is what one learner did."""
    into.last = _latest(into.last, other.last)
    for mine, theirs in ((into.last_in, other.last_in), (into.completed, other.completed)):
        for object_, at_us in theirs.items():
            mine[object_] = max(at_us, mine.get(object_, at_us))


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
    """What was done before an instant."""
    past = standing(facts, as_of_us)
    links = linked(past)
    deeds = Deeds()
    for fact in past:
        deeds.take(fact, links.get(fact.organisation, {}))
    return deeds


@dataclass(frozen=True, slots=True)
class Total:
    """What one id did in one object, up to some instant: the last deed there, and the last completion of it."""

    organisation: str
    learner: str
    object: str
    last_us: int
    completed_us: int | None = None


def deeds_of_totals(totals: Iterable[Total], links: Mapping[str, Mapping[str, Link]], as_of_us: int) -> Deeds:
    """The deeds of learners whose facts a database has added up: the same as `deeds_of` those facts.

    totals  of deeds as `Deeds.take` takes them, before `as_of_us`, without those that were voided
    links   those in force by then, by organisation
    """
    deeds = Deeds()
    for it in totals:
        survivor = (it.organisation, unit_at(links.get(it.organisation, {}), it.learner, as_of_us))
        done = Done(it.last_us, {it.object: it.last_us}, {})
        if it.completed_us is not None:
            done.completed[it.object] = it.completed_us
        _merge(deeds.of.setdefault(survivor, Done()), done)
    return deeds


def decide(
    rules: Rules,
    view: Roster,
    deeds: Deeds,
    as_of_us: int,
    zone: ZoneInfo,
    *,
    previous_us: int | None = None,
    among: Mapping[LearnerKey, Collection[EnrolmentKey]] | None = None,
    source: str = SOURCE,
) -> Run:
    """What is to happen at `as_of_us`; nothing has happened yet.

    view, deeds  of all facts before `as_of_us`, UTC microseconds
    zone         whose midnights the days begin at
    previous_us  when rules last ran: messages that fell due since then are told; none where they never ran
    among        all enrolments of some learners, where it is known that no step is due of any other learner
    source       of the facts
    """
    if among is None:
        among = by_learner(view)
    facts, notices = [], []
    for learner, keys in sorted(among.items()):
        enrolments = [view.enrolments[key] for key in sorted(keys)]
        for enrolment in enrolments:
            due = [it for it in dues(rules, enrolment, deeds, zone) if it.at_us <= as_of_us]
            ended_us = _midnight_us(enrolment.end, 0, zone)
            is_over = ended_us is not None and ended_us <= as_of_us
            if fact := _switched(enrolment, due, as_of_us, source, is_over=is_over):
                facts.append(fact)
            if previous_us is not None:
                told = (it for it in due if it.step.do == NOTIFY and it.at_us > previous_us)
                notices += [_notice(enrolment, it) for it in told]
        if record := view.learners.get(learner):
            due = [it for it in dues_of_learner(rules, record, enrolments, deeds, zone) if it.at_us <= as_of_us]
            if fact := _deactivated(record, due, as_of_us, source):
                facts.append(fact)
    return Run(facts=tuple(facts), notices=tuple(sorted(notices)))


def by_learner(view: Roster) -> dict[LearnerKey, list[EnrolmentKey]]:
    """The enrolments that are there, of each learner."""
    found: dict[LearnerKey, list[EnrolmentKey]] = {}
    for key in view.enrolments:
        found.setdefault(key[:2], []).append(key)
    return found


def dues(rules: Rules, enrolment: Enrolment, deeds: Deeds, zone: ZoneInfo) -> Iterator[Due]:
    """Every step of an enrolment that has an instant, past or to come."""
    for cycle in rules.cycles:
        if cycle.concerns(enrolment):
            for step in cycle.steps:
                at_us = None if step.do == DEACTIVATE else _due_us(cycle, step, enrolment, deeds, zone)
                if at_us is not None:
                    yield Due(at_us, cycle, step)


def dues_of_learner(
    rules: Rules, record: LearnerRecord, enrolments: Sequence[Enrolment], deeds: Deeds, zone: ZoneInfo
) -> Iterator[Due]:
    """Every step that sets a learner inactive, by all of their enrolments together; of cycles that concern any."""
    ends = [it.end for it in deciding(enrolments)]
    for cycle in rules.cycles:
        for step in cycle.steps:
            if step.do != DEACTIVATE or not any(cycle.concerns(it) for it in enrolments):
                continue
            if step.when == ENDS:
                # One that has no end is not over.
                last = None if None in ends else max((end for end in ends if end), default=None)
                at_us = _midnight_us(last, step.after_days, zone)
            else:
                begun = [_midnight_us(it.start, 0, zone) for it in enrolments]
                since_us = record.since_us if record.active else None
                at_us = _idle_us(step, _latest(deeds.of.get(record.key, NOTHING).last, since_us, *begun), zone)
            if at_us is not None:
                yield Due(at_us, cycle, step)


def _switched(enrolment: Enrolment, due: list[Due], as_of_us: int, source: str, *, is_over: bool) -> Fact | None:
    """The fact by which the latest of the steps that are due is done; None where nothing is to do.

    No rule enables what is over (W-14): one that says nothing of the end would bill everybody who ever began.
    """
    switching = [it for it in due if it.step.do != NOTIFY]
    if not switching:
        return None
    latest = max(switching, key=lambda it: (it.at_us, it.step.do == DISABLE))
    if enrolment.enabled == (latest.step.do == ENABLE) or (is_over and latest.step.do == ENABLE):
        return None
    since_us = enrolment.since_us
    if enrolment.switched and since_us is not None and since_us >= latest.at_us:
        return None
    if latest.step.do == DISABLE and not enrolment.object:
        return None  # It would disable all others of the learner; see `changes`.
    type_ = ENROLMENT_ENABLED if latest.step.do == ENABLE else ENROLMENT_DISABLED
    return _author(latest.cycle, source).fact(type_, as_of_us, *enrolment.key)


def _deactivated(record: LearnerRecord, due: list[Due], as_of_us: int, source: str) -> Fact | None:
    """The fact that sets a learner inactive; None where they are, or were set active since."""
    if not due or not record.active:
        return None
    latest = max(due, key=lambda it: it.at_us)
    if record.since_us is not None and record.since_us >= latest.at_us:
        return None
    return _author(latest.cycle, source).fact(DISABLED, as_of_us, *record.key)


def _author(cycle: Cycle, source: str) -> Author:
    return Author(by=CYCLE, source=source, actor=cycle.name, role="system", cycle=cycle.name)


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
    done = deeds.of.get(enrolment.key[:2], NOTHING)
    if step.when == COMPLETES:
        done_us = _latest(done.completed.get(enrolment.object), done.completed.get(enrolment.course))
        # What was completed before it began was completed in an earlier enrolment.
        if done_us is None or (begun_us is not None and done_us < begun_us):
            return None
        return _latest(done_us, _midnight_us(_day(done_us, zone), step.after_days, zone))
    done_us = done.last
    if cycle.activity != BY_LEARNER:
        done_us = _latest(done.last_in.get(enrolment.object), done.last_in.get(enrolment.course))
    # Whoever has just been enabled has all of the days before them.
    return _idle_us(step, _latest(done_us, begun_us, enrolment.since_us if enrolment.enabled else None), zone)


def _idle_us(step: Step, base_us: int | None, zone: ZoneInfo) -> int | None:
    """When so many whole days without any deed are over. Since when there was none may be unknown (S-33)."""
    return None if base_us is None else _midnight_us(_day(base_us, zone), 1 + step.days + step.after_days, zone)


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
