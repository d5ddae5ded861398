"""What an action on a roster comes to: the facts of it, decided by `rollbook.roster` on the view of those concerned.

People are surrogates here, so no fact's id follows from what somebody is called. Only for a roster that a platform
exports, which may hold people who have no surrogate yet, they are the keyed digests of their ids until the facts are
taken in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from zoneinfo import ZoneInfo

from rollbook.errors import Problem
from rollbook.intake.rosters import RosterReading
from rollbook.metering.identities import unit_at
from rollbook.model.fact import VOIDED, Fact
from rollbook.model.instants import LATEST_US
from rollbook.model.keys import zone_exists
from rollbook.model.roster import LearnerKey, Roster, Snapshot
from rollbook.roster import changes, clean_up, snapshots
from rollbook.roster.statuses import Author, Decided
from rollbook.roster.view import linked, roster_of, standing
from rollbook.server.live import people, roster_facts
from rollbook.server.live.roster import organisations_of
from rollbook.server.models import Customer, Person
from rollbook.server.receiving.ingest import OWN_SOURCE
from rollbook.server.refusals import refused

ENROLMENTS, LEARNERS, COURSE = "enrolments", "learners", "course"
ROWS, CLEAN_UP, SNAPSHOT = "rows", "clean-up", "snapshot"
KINDS = (ENROLMENTS, LEARNERS, COURSE, ROWS, CLEAN_UP, SNAPSHOT)
"""What can be asked for: some enrolments, some learners, everybody of a course offer, the rows of a list, the once-only
clean-up of an organisation, a roster as a platform exports it."""

LEARNERS_MAX = 10_000
"""Learners of one action."""

ORGANISATIONS_SHOWN_MAX = 5
"""Organisations that a problem names."""

CANDIDATES_MAX = 100_000
"""Learners who are looked at because they may be enrolled in a course."""

_Learner = TypeVar("_Learner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One action.

    kind          of `KINDS`
    do            of `rollbook.roster.changes.ACTIONS`: enable or disable for enrolments, activate or deactivate for
                  learners, any of them for a course; '' for the others
    enrolments    of `ENROLMENTS`: (organisation, number of the person, object)
    learners      of `LEARNERS`: (organisation, number of the person)
    organisation  of `COURSE` and `CLEAN_UP`; like that of rows it need not be said where the customer has one
    course, unit  of `COURSE`; unit None is the course with all of its units
    rows          of `ROWS`: their `learner` is an id as facts carry it
    snapshot      of `SNAPSHOT`: what was read of it; its learners are ids as facts carry them
    sent          of `SNAPSHOT`: what tells apart what was sent, and how it was read
    zone          of `CLEAN_UP`: whose days the dates of enrolments are
    """

    kind: str
    do: str = ""
    enrolments: tuple[tuple[str, int, str], ...] = ()
    learners: tuple[tuple[str, int], ...] = ()
    organisation: str = ""
    course: str = ""
    unit: str | None = None
    rows: tuple[changes.Row, ...] = ()
    snapshot: RosterReading | None = field(default=None, repr=False)
    sent: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """What was decided, and on what.

    facts     of the roster of those concerned, whenever they happened
    view      as of the instant at which it is to happen
    decided   its facts name learners as the view does
    """

    facts: Sequence[Fact]
    view: Roster
    decided: Decided
    at_us: int

    @property
    def learners(self) -> set[LearnerKey]:
        """Whom the decided facts are about."""
        return {(it.organisation, it.learner) for it in self.decided.facts}

    @property
    def is_done(self) -> bool:
        """Whether it was done before: its facts are there."""
        return bool(self.decided.facts) and {it.key for it in self.decided.facts} <= {it.key for it in self.facts}

    @property
    def overtaken_us(self) -> int | None:
        """The last instant, not before the decision's, at which something was told of those concerned, if any was."""
        ours, learners = {it.key for it in self.decided.facts}, self.learners
        links = linked(standing(self.facts, LATEST_US))

        def concerns(fact: Fact) -> bool:
            survivor = unit_at(links.get(fact.organisation, {}), fact.learner, fact.at_us)
            return fact.type == VOIDED or (fact.organisation, survivor) in learners

        later = (it.at_us for it in self.facts if it.at_us >= self.at_us and it.key not in ours and concerns(it))
        return max(later, default=None)

    def lines(self) -> list[str]:
        """All that the view says of whom it is about: what has to be the same when it is confirmed."""
        learners = self.learners
        records = [repr(it) for key, it in sorted(self.view.learners.items()) if key in learners]
        return records + [repr(it) for key, it in sorted(self.view.enrolments.items()) if key[:2] in learners]


def decide(customer: Customer, asked: Asked, at_us: int) -> Deciding:
    """Decides an action on the facts before an instant. Call it while the customer is locked.

    Raises RefusedError 422 for what nobody can do, and for more than `LEARNERS_MAX` learners.
    """
    _refuse_wrong(customer, asked)
    whose = organisations_of(customer)
    only = whose[0] if len(whose) == 1 else ""
    author = Author(source=OWN_SOURCE)
    if asked.kind == SNAPSHOT and asked.snapshot is not None:
        found = _snapshot(customer, asked.snapshot, at_us)
    elif asked.kind == CLEAN_UP:
        organisation = _known(whose, asked.organisation or only)
        facts, view = _viewed(roster_facts.of_organisation(organisation), at_us)
        decided = clean_up.clean_up(view, organisation, at_us, ZoneInfo(asked.zone), source=OWN_SOURCE)
        found = Deciding(facts=facts, view=view, decided=decided, at_us=at_us)
    elif asked.kind == COURSE:
        organisation = _known(whose, asked.organisation or only)
        learners = roster_facts.of_course([organisation], asked.course)
        facts, view = _viewed(roster_facts.of_people([organisation], _few(learners, CANDIDATES_MAX)), at_us)
        decided = _of_course(view, replace(asked, organisation=organisation), at_us, author)
        found = Deciding(facts=facts, view=view, decided=decided, at_us=at_us)
    else:
        rows = _rows(customer, asked, only)
        numbers = {it.learner for it in rows if it.learner.isdecimal()}
        facts, view = _viewed(roster_facts.of_people(whose, _few(numbers, LEARNERS_MAX)), at_us)
        decided = changes.from_rows(view, rows, at_us, author, organisations=whose)
        found = Deciding(facts=facts, view=view, decided=decided, at_us=at_us)
    _few(found.learners, LEARNERS_MAX)
    return found


def with_surrogates(customer: Customer, asked: Asked, facts: Sequence[Fact]) -> list[Fact]:
    """Decided facts as they are taken in: learners as surrogates. Call it while the customer is locked."""
    if asked.kind != SNAPSHOT or asked.snapshot is None:
        return list(facts)
    ids = _ids(asked.snapshot.snapshot)
    token_of = {learner: people.digest(customer.pk, learner).hex() for learner in ids}
    known = _tokens_known(customer, {it.learner for it in facts})
    new = {learner for learner, token in token_of.items() if token not in known}
    needed = {it.learner for it in facts}
    added = people.surrogates(customer.pk, {it for it in new if token_of[it] in needed})
    known |= {token_of[learner]: surrogate for learner, surrogate in added.items()}
    return [fact.replace(learner=known[fact.learner]) for fact in facts]


def _refuse_wrong(customer: Customer, asked: Asked) -> None:
    """Raises RefusedError 422 for a kind or a deed that is none, and a zone that is none."""
    actions = {
        ENROLMENTS: (changes.ENABLE, changes.DISABLE),
        LEARNERS: (changes.ACTIVATE, changes.DEACTIVATE),
        COURSE: changes.ACTIONS,
    }.get(asked.kind, ("",))
    if asked.kind not in KINDS:
        raise refused(422, "invalid", "kind", "it is none of the kinds of actions", "use " + ", ".join(KINDS))
    if asked.do not in actions:
        remedy = "use " + " or ".join(actions) if actions != ("",) else "leave it out"
        raise refused(422, "invalid", "do", "this cannot be done with it", remedy)
    if asked.kind == COURSE and not asked.course:
        raise refused(422, "invalid", "course", "no course is named", "name one as the roster has it")
    if asked.kind == SNAPSHOT and asked.snapshot is None:
        raise refused(422, "invalid", "snapshot", "there is none", "send a roster")
    if not zone_exists(asked.zone):
        raise refused(422, "invalid", "zone", "there is no such time zone", "give a name such as Europe/Paris or UTC")
    told = asked.snapshot.snapshot.organisations if asked.snapshot else frozenset()
    if strange := sorted(told - set(organisations_of(customer))):
        names = ", ".join(f'"{it}"' for it in strange[:ORGANISATIONS_SHOWN_MAX])
        rule = f"it tells of an organisation that is none of this customer's: {names}"
        raise refused(422, "organisation", "roster", rule, "name its organisations as they were registered")


def _known(whose: Collection[str], organisation: str) -> str:
    if organisation in whose:
        return organisation
    rule = "this organisation is none of the customer's" if organisation else "several organisations could be meant"
    raise refused(422, "organisation", "organisation", rule, "name one of the customer's organisations")


def _few(learners: set[_Learner], most: int) -> set[_Learner]:
    """Some learners, if they are few enough for one action. Raises RefusedError 422."""
    if len(learners) <= most:
        return learners
    rule = f"it is about {len(learners):,} learners, and one action is about at most {most:,}"
    raise refused(422, "too-many", "action", rule, "do it for a unit or a part of them at a time")


def _viewed(read: roster_facts.Read, at_us: int) -> tuple[Sequence[Fact], Roster]:
    if read.are_all:
        return read.facts, roster_of(read.facts, at_us)
    rule = f"more than {read.most:,} status facts would have to be read for it"
    raise refused(422, "too-many", "action", rule, "do it for a part of the learners at a time")


def _rows(customer: Customer, asked: Asked, only: str) -> list[changes.Row]:
    """What is asked for as rows, their learners as surrogates; who has none is called so that nobody is meant."""
    if asked.kind == ENROLMENTS:
        return [
            changes.Row(f"enrolment {nth}", asked.do, organisation or only, str(number), object_)
            for nth, (organisation, number, object_) in enumerate(asked.enrolments, 1)
        ]
    if asked.kind == LEARNERS:
        return [
            changes.Row(f"learner {nth}", asked.do, organisation or only, str(number))
            for nth, (organisation, number) in enumerate(asked.learners, 1)
        ]
    known = people.known(customer.pk, {it.learner for it in asked.rows if it.learner})
    return [
        replace(row, organisation=row.organisation or only, learner=known.get(row.learner, f"nobody {nth}"))
        for nth, row in enumerate(asked.rows, 1)
    ]


def _of_course(view: Roster, asked: Asked, at_us: int, author: Author) -> Decided:
    """One action on everybody of a course offer; those with whom it is so already are left out without a word."""
    keys = changes.of_course(view, asked.organisation, asked.course, asked.unit)
    if not keys:
        rule = "nobody is enrolled in this course" + (", or in this unit of it" if asked.unit else "")
        problem = Problem("course", rule, "give a course as the roster names it")
        return Decided(problems=(problem,))
    enabling, activating = asked.do == changes.ENABLE, asked.do == changes.ACTIVATE
    if asked.do in (changes.ENABLE, changes.DISABLE):
        other = [key for key in keys if view.enrolments[key].enabled != enabling]
        return changes.set_enabled(view, other, at_us, author, enabled=enabling)
    learners = sorted({key[:2] for key in keys})
    others = [key for key in learners if key not in view.learners or view.learners[key].active != activating]
    return changes.set_active(view, others, at_us, author, active=activating)


def _snapshot(customer: Customer, reading: RosterReading, at_us: int) -> Deciding:
    """A roster as it was exported, held against the view of its organisations."""
    read = [_viewed(roster_facts.of_organisation(it), at_us)[0] for it in sorted(reading.snapshot.organisations)]
    facts = [fact for some in read for fact in some]
    token_of = _tokens(customer, {it.learner for it in facts})
    facts = [_renamed(fact, token_of) for fact in facts]
    view = roster_of(facts, at_us)
    own = {learner: people.digest(customer.pk, learner).hex() for learner in _ids(reading.snapshot)}
    named = replace(
        reading,
        snapshot=_named(reading.snapshot, own),
        undated=frozenset((organisation, own[learner], object_) for organisation, learner, object_ in reading.undated),
    )
    found = snapshots.diff(view, named.over(view), at_us, OWN_SOURCE)
    return Deciding(
        facts=facts, view=view, decided=Decided(facts=found, problems=tuple(_left_out(reading))), at_us=at_us
    )


def _left_out(reading: RosterReading) -> Iterator[Problem]:
    """What of a roster is not done, and why: its bad rows, and that nobody is taken to be missing."""
    yield from reading.problems
    if reading.why_partial:
        rule = f"nobody who is missing from it is taken to have left: {reading.why_partial}"
        yield Problem("roster", rule, "say that it is complete, if it holds everybody")


def _renamed(fact: Fact, names: Mapping[str, str]) -> Fact:
    return fact.replace(learner=names.get(fact.learner, fact.learner), object=names.get(fact.object, fact.object))


def _ids(snapshot: Snapshot) -> set[str]:
    return {key[1] for key in (*snapshot.roster.learners, *snapshot.roster.enrolments)}


def _named(snapshot: Snapshot, names: Mapping[str, str]) -> Snapshot:
    """A snapshot whose learners are called otherwise."""
    learners = (replace(it, learner=names[it.learner]) for it in snapshot.roster.learners.values())
    enrolments = (replace(it, learner=names[it.learner]) for it in snapshot.roster.enrolments.values())
    roster = Roster(learners={it.key: it for it in learners}, enrolments={it.key: it for it in enrolments})
    return replace(snapshot, roster=roster)


def _tokens(customer: Customer, surrogates: Iterable[str]) -> dict[str, str]:
    """The keyed digests of people's ids, by surrogate."""
    known = people.named({it for it in surrogates if it})
    return {surrogate: bytes(it.digest).hex() for surrogate, it in known.items() if it.customer_id == customer.pk}


def _tokens_known(customer: Customer, tokens: Collection[str]) -> dict[str, str]:
    """The surrogates of keyed digests."""
    found: dict[str, str] = {}
    keys = [bytes.fromhex(it) for it in tokens]
    for first in range(0, len(keys), 500):
        rows = Person.objects.filter(customer=customer, digest__in=keys[first : first + 500])
        found |= {bytes(digest).hex(): str(number) for number, digest in rows.values_list("pk", "digest")}
    return found
