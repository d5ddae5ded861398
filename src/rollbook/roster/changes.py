"""What an administrator does to a roster, decided before it is done: the facts of it, and what stands in the way.

An enrolment can be enabled or disabled, and nothing else: a disabled one can be looked at, so all there is to do with
it is to enable it, or to leave it (W-13, W-15). A learner's "Is active?" is another switch, of another meter (W-25).
Whatever already holds is left alone, and said. All facts of one decision share an instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollbook.errors import Problem
from rollbook.metering.calendar import windows
from rollbook.model.fact import Fact
from rollbook.model.keys import nearest
from rollbook.model.roster import EnrolmentKey, LearnerKey, Roster, object_of
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from rollbook.roster.statuses import DISABLED, ENABLED, ENROLMENT_DISABLED, ENROLMENT_ENABLED, Author, Decided

ENABLE, DISABLE, ACTIVATE, DEACTIVATE = "enable", "disable", "activate", "deactivate"
ACTIONS = (ENABLE, DISABLE, ACTIVATE, DEACTIVATE)
"""The first two of an enrolment; the others of a learner's profile."""

HELD = {
    ENABLE: "it is enabled",
    DISABLE: "it is disabled",
    ACTIVATE: "the learner is active",
    DEACTIVATE: "the learner is inactive",
}
"""What holds once an action is done."""

MEANT = {"inactiv": DEACTIVATE, "reactiv": ACTIVATE}
"""How words begin of which the nearest action by letters would do the opposite."""

ROWS_MAX = 100_000
"""Rows of one file of actions."""

SUGGESTED_MAX = 10
"""Misspelt words of one file for which the nearest is looked for."""

PLACES_MAX = 5
"""Places that one problem names."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file of actions: `action` and whom, as texts; `place` is what problems name, such as `do.csv:14`.

    object        of an enrolment; where it is '', `course` and `unit` say which
    """

    place: str
    action: str
    organisation: str = ""
    learner: str = ""
    object: str = ""
    course: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Saving:
    """Until when a change of status must happen to keep the next window from counting (W-j).

    until_us  the end of the window that runs; it counts whoever was on in it, whatever happens now
    saves     the window that begins then
    """

    until_us: int
    saves: Window


def options(view: Roster, key: EnrolmentKey) -> tuple[str, ...]:
    """What can be done with an enrolment that is there: a disabled one can be enabled, an enabled one disabled."""
    return (DISABLE,) if view.enrolments[key].enabled else (ENABLE,)


def of_course(view: Roster, organisation: str, course: str, unit: str | None = None) -> tuple[EnrolmentKey, ...]:
    """The enrolments of one course offer with those of its units, or of one unit alone, in order (W-26)."""
    return tuple(
        key
        for key, it in sorted(view.enrolments.items())
        if it.organisation == organisation and it.course == course and unit in (None, it.unit)
    )


def set_enabled(
    view: Roster, keys: Iterable[EnrolmentKey], at_us: int, author: Author | None = None, *, enabled: bool
) -> Decided:
    """Enables or disables enrolments (W-06). Of those that already are, and those that are not there, it says so."""
    action = ENABLE if enabled else DISABLE
    rows = (Row(f"enrolment {n}", action, *key) for n, key in enumerate(keys, 1))
    return from_rows(view, rows, at_us, author)


def set_active(
    view: Roster, keys: Iterable[LearnerKey], at_us: int, author: Author | None = None, *, active: bool
) -> Decided:
    """Sets learners' "Is active?" to yes or no (W-25). Enrolments stay as they are: they are another meter's."""
    action = ACTIVATE if active else DEACTIVATE
    rows = (Row(f"learner {n}", action, *key) for n, key in enumerate(keys, 1))
    return from_rows(view, rows, at_us, author)


def set_course_inactive(
    view: Roster, organisation: str, course: str, at_us: int, author: Author | None = None
) -> Decided:
    """Sets everybody inactive who is enrolled in one course offer (W-26)."""
    learners = sorted({key[:2] for key in of_course(view, organisation, course)})
    if not learners:
        offered = {it.course for it in view.enrolments.values() if it.organisation == organisation}
        rule = f'nobody is enrolled in "{course}"{nearest(course, offered)}'
        return Decided(problems=(Problem(organisation or "roster", rule, "give a course as the roster names it"),))
    return set_active(view, learners, at_us, author, active=False)


def from_rows(
    view: Roster, rows: Iterable[Row], at_us: int, author: Author | None = None, organisations: Iterable[str] = ()
) -> Decided:
    """What a list of actions asks for, row by row. Rows that cannot be done are problems, and the others are done.

    view           as of `at_us`, UTC microseconds, which is when everything is to happen
    organisations  those that there are, where the view may be of some of their learners only

    A row that asks for what holds already changes nothing and says so; two rows that contradict each other are both
    left undone, for which one was meant cannot be known.
    """
    asking = _Asking(view, at_us, author or Author(), known=frozenset(organisations))
    problems: list[Problem] = []
    asked: dict[tuple[str, ...], list[tuple[Row, Fact | None]]] = {}
    for number, row in enumerate(rows):
        if number >= ROWS_MAX:
            rule = f"there are more than {ROWS_MAX:,} actions"
            return Decided(problems=(Problem(row.place, rule, "give them in several files"),))
        found = asking.answer(row)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            asked.setdefault(_target(row), []).append((row, found))
    facts = []
    for wanted in asked.values():
        row, fact = wanted[0]
        if len({it.action for it, _ in wanted}) > 1:
            places = ", ".join(it.place for it, _ in wanted[:PLACES_MAX])
            rule = "these rows ask for opposite things of one and the same"
            problems.append(Problem(places, rule, "leave one of them out"))
        elif fact is None:
            problems.append(Problem(row.place, f"{HELD[row.action]} already", "nothing to do"))
        else:
            facts.append(fact)
    return Decided(facts=tuple(facts), problems=tuple(problems))


def _object(row: Row) -> str:
    return row.object or (object_of(row.course, row.unit) if row.course else "")


def _target(row: Row) -> tuple[str, ...]:
    """What the row is about: an enrolment, or a learner."""
    of_enrolment = (_object(row),) if row.action in (ENABLE, DISABLE) else ()
    return (row.organisation, row.learner, *of_enrolment)


@dataclass(slots=True)
class _Asking:
    """Answers rows by one view, with what is looked up again and again by learner."""

    view: Roster
    at_us: int
    author: Author
    known: frozenset[str]
    objects: dict[LearnerKey, set[str]] = field(default_factory=dict)
    organisations: set[str] = field(default_factory=set)
    suggested: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for organisation, learner, object_ in self.view.enrolments:
            self.objects.setdefault((organisation, learner), set()).add(object_)
        self.organisations = {*self.known, *(key[0] for key in (*self.view.learners, *self.objects))}

    def answer(self, row: Row) -> Fact | Problem | None:
        """The fact of one row; None where what it asks for holds already."""
        if row.action not in ACTIONS:
            word = row.action.casefold()
            meant = [action for begin, action in MEANT.items() if word.startswith(begin)]
            rule = f'there is no action "{row.action}"{self._near(row.action, meant or ACTIONS)}'
            return Problem(row.place, rule, "use " + ", ".join(ACTIONS))
        return self._of_enrolment(row) if row.action in (ENABLE, DISABLE) else self._of_learner(row)

    def _of_enrolment(self, row: Row) -> Fact | Problem | None:
        key = (row.organisation, row.learner, _object(row))
        enrolment = self.view.enrolments.get(key)
        if enrolment is None:
            return self._not_there(row)
        if enrolment.enabled == (row.action == ENABLE):
            return None
        if row.action == DISABLE and not key[2] and len(self.objects[key[:2]]) > 1:
            rule = "this enrolment has no name, so disabling it would disable all others of the learner"
            return Problem(row.place, rule, "have the platform name the enrolment in its facts")
        return self.author.fact(ENROLMENT_ENABLED if row.action == ENABLE else ENROLMENT_DISABLED, self.at_us, *key)

    def _of_learner(self, row: Row) -> Fact | Problem | None:
        """A learner who is known by enrolments alone has no profile yet; it can be set to either."""
        key = (row.organisation, row.learner)
        record = self.view.learners.get(key)
        if record is None and key not in self.objects:
            return self._not_there(row)
        if record is not None and record.active == (row.action == ACTIVATE):
            return None
        return self.author.fact(ENABLED if row.action == ACTIVATE else DISABLED, self.at_us, *key)

    def _near(self, word: str, words: Iterable[str]) -> str:
        """The nearest of the words, for the first that are misspelt: looking takes long, and a list has many rows."""
        if word not in self.suggested and len(self.suggested) < SUGGESTED_MAX:
            self.suggested[word] = nearest(word, words)
        return self.suggested.get(word, "")

    def _not_there(self, row: Row) -> Problem:
        """What is unknown, by the first thing that is: the organisation, the learner, the enrolment."""
        if row.organisation not in self.organisations:
            rule = f'there is no organisation "{row.organisation}"{self._near(row.organisation, self.organisations)}'
            return Problem(row.place, rule, "check its spelling against the roster")
        key = (row.organisation, row.learner)
        if key not in self.view.learners and key not in self.objects:
            rule = "no learner of this organisation has this id"
            return Problem(row.place, rule, "check the id against the roster, or wait for the next snapshot")
        rule = "the learner has no such enrolment, or it has ended"
        return Problem(row.place, rule, "check course and unit against the roster; only the platform enrols")


def saving(subscription: Subscription, at_us: int) -> Saving | None:
    """Until when somebody must be switched off to save the next window; None where none follows in the term.

    The window that runs counts everybody who was on in it (W-j), so nothing that happens now saves it.
    """
    term: Sequence[Window] = windows(subscription)
    following: Mapping[int, Window] = {window.start_us: window for window in term}
    running = next((window for window in term if window.contains(at_us)), None)
    if running is None:
        return Saving(term[0].start_us, term[0]) if at_us < term[0].start_us else None
    later = following.get(running.end_us)
    return Saving(running.end_us, later) if later else None
