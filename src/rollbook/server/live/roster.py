"""The roster of a customer, read off the status facts of just those learners who are shown.

There is no table of enrolments: who is enrolled, and who of them is enabled, follows from facts by
`rollbook.roster.view`, here as in files. So nothing that is shown can differ from what is metered, and nothing is to be
kept in step. A page reads the facts of its people, and of whoever was ever linked to them, by the index of learners.

Learners are surrogates in the view (`learner` of an `Enrolment` is the text of a person's number), and people by their
ids and names in the lines. Somebody who was erased has neither, and stays enrolled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollbook.model.fact import Fact
from rollbook.model.roster import Enrolment, Roster
from rollbook.roster.view import roster_of
from rollbook.server.live import called, people, roster_facts
from rollbook.server.models import Customer, Person
from rollbook.server.refusals import refused

ACTIVE, INACTIVE, ENABLED, NONE_ENABLED = "active", "inactive", "enabled", "none-enabled"
STANDINGS = (ACTIVE, INACTIVE, ENABLED, NONE_ENABLED)
"""By which lines are filtered: by "Is active?" of the learner, or by whether any enrolment is enabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One learner of one organisation.

    number      of the person: what an action names
    learner     the id as facts carry it; '' where they were erased
    name        '' where none was ever said
    is_active   "Is active?"; None where nothing ever said so: they are known by enrolments alone
    since_us    since when that is so, UTC microseconds; None where it was so before we first saw it
    enrolments  in the order of course, unit and object
    """

    number: int
    learner: str
    name: str
    organisation: str
    is_active: bool | None
    since_us: int | None
    enrolments: tuple[Enrolment, ...]
    is_erased: bool = False

    @property
    def enabled(self) -> int:
        """How many of the enrolments are enabled."""
        return sum(it.enabled for it in self.enrolments)


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPage:
    """Some lines in the order of people's numbers; `next` is the `after` of the page behind it, None at the end.

    A filtered page may have fewer lines than were asked for, or none, and still a `next`: so many people are looked at
    for one page and no more.
    narrow  a search found more people than it gives
    """

    lines: tuple[Line, ...]
    next: int | None
    narrow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One course offer.

    enrolments  how many it has, with those of its units
    enabled     how many of them are enabled
    learners    of how many people they are
    """

    organisation: str
    course: str
    enrolments: int
    enabled: int
    learners: int


LOOKED_AT_MAX = 1_000
"""People that are looked at for one page: 0.4 s where each has ten status facts."""

TOGETHER = 500
"""People whose facts are read at once."""

COURSES_MAX = 2_000
"""Course offers of one list."""

COURSE_FACTS_MAX = 200_000
"""Status facts that are read for one list of course offers: folding so many takes some seconds."""


def page(
    customer: Customer,
    *,
    search: str = "",
    course: str = "",
    organisation: str = "",
    standing: str = "",
    after: int = 0,
    limit: int = 50,
    now_us: int,
) -> RosterPage:
    """A page of the roster of a customer, just before an instant.

    search    how an id, a name or an address begins; found people come in one page
    standing  one of `STANDINGS`
    after     `next` of the page before

    Raises RefusedError 422 for a standing that is none, and where the people of a page have too many facts.
    """
    if standing not in ("", *STANDINGS):
        raise refused(422, "invalid", "standing", "it is none of the standings", "use " + ", ".join(STANDINGS))
    wanted = _Wanted(course, standing)
    organisations = organisations_of(customer, organisation)
    if search:
        found = called.search(customer.pk, search)
        lines = [it for it in _lines(organisations, sorted(found.people), now_us) if wanted.has(it)]
        return RosterPage(lines=tuple(lines), next=None, narrow=found.more)
    lines, looked_at = [], 0
    for numbers, is_last in _walked(customer, organisations, course, after, limit):
        for number, of_one in _by_person(_lines(organisations, numbers, now_us), numbers):
            lines += [it for it in of_one if wanted.has(it)]
            if len(lines) >= limit:
                return RosterPage(lines=tuple(lines), next=None if is_last and number == numbers[-1] else number)
        looked_at += len(numbers)
        if is_last:
            return RosterPage(lines=tuple(lines), next=None)
        if looked_at >= LOOKED_AT_MAX:
            return RosterPage(lines=tuple(lines), next=numbers[-1])
    return RosterPage(lines=tuple(lines), next=None)


def learner(customer: Customer, number: int, now_us: int) -> tuple[Line, ...]:
    """One person: a line for each organisation that has them in its roster; none where no fact says anything."""
    return tuple(_lines(organisations_of(customer), [number], now_us))


def courses(customer: Customer, now_us: int, organisation: str = "") -> tuple[Course, ...]:
    """The course offers of a customer, in order; at most `COURSES_MAX`.

    Raises RefusedError 422 where there are more, or more status facts than are read for it.
    """
    counts: dict[tuple[str, str], tuple[list[Enrolment], set[str]]] = {}
    for name in organisations_of(customer, organisation):
        facts = _bounded(roster_facts.of_organisation(name, COURSE_FACTS_MAX))
        for enrolment in roster_of(facts, now_us).enrolments.values():
            found, learners = counts.setdefault((name, enrolment.course), ([], set()))
            found.append(enrolment)
            learners.add(enrolment.learner)
    if len(counts) > COURSES_MAX:
        rule = f"there are {len(counts):,} course offers, and at most {COURSES_MAX:,} are listed"
        raise refused(422, "too-many", "organisation", rule, "choose an organisation")
    return tuple(
        Course(
            organisation=name,
            course=course,
            enrolments=len(found),
            enabled=sum(it.enabled for it in found),
            learners=len(learners),
        )
        for (name, course), (found, learners) in sorted(counts.items())
    )


def view_of(organisations: Sequence[str], numbers: Collection[int], at_us: int) -> Roster:
    """The roster of some people, and of whoever was ever linked to them, just before an instant.

    Learners are surrogates in it. Raises RefusedError 422 where they have more facts than are read.
    """
    return roster_of(_bounded(roster_facts.of_people(organisations, [str(it) for it in numbers])), at_us)


def organisations_of(customer: Customer, named: str = "") -> list[str]:
    """The organisations of a customer, in order; or the one that is named, where it is one of them."""
    rows = customer.organisations.filter(name=named) if named else customer.organisations.all()
    return sorted(rows.values_list("name", flat=True))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which lines are wanted; those have all of their enrolments."""

    course: str
    standing: str

    def has(self, line: Line) -> bool:
        return (not self.course or any(it.course == self.course for it in line.enrolments)) and {
            "": True,
            ACTIVE: line.is_active is True,
            INACTIVE: line.is_active is False,
            ENABLED: line.enabled > 0,
            NONE_ENABLED: line.enabled == 0,
        }[self.standing]


def _walked(
    customer: Customer, organisations: Sequence[str], course: str, after: int, limit: int
) -> Iterator[tuple[list[int], bool]]:
    """The numbers of people behind `after`, some at a time, and whether they are the last: those who may be meant."""
    if course:
        learners = roster_facts.of_course(organisations, course)
        candidates = sorted(number for number in map(int, learners) if number > after)
    some = limit
    while True:
        if course:
            found, candidates = candidates[: some + 1], candidates[some:]
        else:
            rows = Person.objects.filter(customer=customer, pk__gt=after).order_by("pk")
            found = list(rows.values_list("pk", flat=True)[: some + 1])
        if not found:
            return
        numbers = found[:some]
        yield numbers, len(found) <= some
        if len(found) <= some:
            return
        after, some = numbers[-1], TOGETHER


def _by_person(lines: Sequence[Line], numbers: Sequence[int]) -> Iterator[tuple[int, list[Line]]]:
    found: dict[int, list[Line]] = {}
    for line in lines:
        found.setdefault(line.number, []).append(line)
    return ((number, found[number]) for number in numbers if number in found)


def _lines(organisations: Sequence[str], numbers: Sequence[int], now_us: int) -> list[Line]:
    """The lines of some people. Whoever is linked to another has none: the survivor has all of theirs."""
    if not organisations or not numbers:
        return []
    view = view_of(organisations, numbers, now_us)
    wanted = {str(it) for it in numbers}
    enrolments: dict[tuple[str, str], list[Enrolment]] = {}
    for enrolment in view.enrolments.values():
        enrolments.setdefault((enrolment.organisation, enrolment.learner), []).append(enrolment)
    keys = {key for key in (*view.learners, *enrolments) if key[1] in wanted}
    known = people.named({surrogate for _, surrogate in keys})
    return [
        _line(view, key, enrolments.get(key, []), known)
        for key in sorted(keys, key=lambda key: (int(key[1]), key[0]))
        if key[1] in known
    ]


def _line(view: Roster, key: tuple[str, str], found: Sequence[Enrolment], known: Mapping[str, Person]) -> Line:
    record, person = view.learners.get(key), known[key[1]]
    return Line(
        number=person.pk,
        learner=person.learner,
        name=person.name,
        organisation=key[0],
        is_active=None if record is None else record.active,
        since_us=None if record is None else record.since_us,
        enrolments=tuple(sorted(found, key=lambda it: (it.course, it.unit, it.object))),
        is_erased=person.erased_at is not None,
    )


def _bounded(facts: roster_facts.Read) -> Sequence[Fact]:
    """The facts that were read, if they are all. Raises RefusedError 422."""
    if facts.are_all:
        return facts.facts
    rule = f"more than {facts.most:,} status facts would have to be read for it"
    raise refused(422, "too-many", "roster", rule, "choose an organisation, or fewer learners")
