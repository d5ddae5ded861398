"""The roster of a customer, read off the status facts of just those learners who are shown.

There is no table of enrolments: who is enrolled, and who of them is enabled, follows from facts by
`rollbook.roster.view`, here as in files. So nothing that is shown can differ from what is metered, and nothing is to be
kept in step. A page reads the facts of its people, and of whoever was ever linked to them, by the index of learners.

Learners are surrogates in the view (`learner` of an `Enrolment` is the text of a person's number), and people by their
ids and names in the lines. Somebody who was erased has neither, and stays enrolled.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rollbook.model.roster import Enrolment, Roster
from rollbook.server.models import Customer

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
    """One course offer: how many enrolments it has, with those of its units, how many of them are enabled, and of how
    many learners they are.
    """

    organisation: str
    course: str
    enrolments: int
    enabled: int
    learners: int


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
    """
    raise NotImplementedError


def learner(customer: Customer, number: int, now_us: int) -> tuple[Line, ...]:
    """One person: a line for each organisation that has them in its roster; none where no fact says anything."""
    raise NotImplementedError


def courses(customer: Customer, now_us: int, organisation: str = "") -> tuple[Course, ...]:
    """The course offers of a customer, in order; at most `COURSES_MAX`.

    Raises RefusedError 422 where the customer has more status facts than are read for it.
    """
    raise NotImplementedError


def view_of(organisations: Sequence[str], numbers: Collection[int], at_us: int) -> Roster:
    """The roster of some people just before an instant, learners as surrogates."""
    raise NotImplementedError
