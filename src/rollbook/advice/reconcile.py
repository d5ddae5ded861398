"""A vendor's list against ours: who stands on both, who only on one, and why (W-33).

Every row of the vendor's list and every active unit of ours is in exactly one group. A unit is matched by one row;
where a learner has two units in a window (two organisations, two courses), two rows match them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from rollbook.accounting.account import Account
from rollbook.advice.hindsight import cost, with_active
from rollbook.metering import outcome
from rollbook.metering.outcome import DISPOSITIONS
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import LINKED
from rollbook.model.instants import iso
from rollbook.model.money import Money
from rollbook.model.window import Window

BOTH, ONLY_THEIRS, ONLY_OURS, REPEATED = "both", "only theirs", "only ours", "repeated"
GROUPS = (BOTH, ONLY_THEIRS, ONLY_OURS, REPEATED)
"""On both lists; on the vendor's only; on ours only; a row of the vendor's that another row has said already."""

OURS_SQL = """
    select organisation, unit, object, guest, first_us, source, id from activations where window_number = ?
    order by first_us, source, id, organisation, unit, object
    """
"""The active units of a window with their proving facts: the columns of `Ours`."""


@dataclass(frozen=True, slots=True)
class Ours:
    """An active unit of ours and its proving fact."""

    organisation: str
    unit: str
    object: str
    guest: bool
    first_us: int
    source: str
    fact: str


@dataclass(frozen=True, slots=True)
class Theirs:
    """A row of the vendor's list: its line, and what it calls somebody, the likeliest id first."""

    line: int
    names: tuple[str, ...]

    @property
    def called(self) -> str:
        """What else the row calls somebody, beside the likeliest id; '' where nothing else."""
        others = {name.casefold(): name for name in self.names[1:]}
        others.pop(self.names[0].casefold(), None)
        return ", ".join(others.values())


@dataclass(frozen=True, slots=True)
class Seen:
    """Some facts of one learner that met the same fate, and the first of them.

    inside  whether they lie in the window
    """

    learner: str
    inside: bool
    fate: str
    facts: int
    first_us: int
    source: str
    fact: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the result; each but `group` and `reason` may be missing.

    listed, called, line  the vendor's: the likeliest id, whatever else its row calls somebody, and where it stands
    learner to fact       ours
    """

    group: str
    listed: str
    called: str
    line: int | None
    learner: str
    organisation: str
    object: str
    source: str
    fact: str
    reason: str


def window_of(text: str, windows: Sequence[Window], zone: str) -> int | None:
    """The number of the window that a list means: a number, a day in it, or the month in which it begins."""
    if text.isdigit():
        return next((it.number for it in windows if it.number == int(text)), None)
    starts = {it.number: it.start.astimezone(ZoneInfo(zone)).date() for it in windows}
    ends = {it.number: it.end.astimezone(ZoneInfo(zone)).date() for it in windows}
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return next((number for number, start in starts.items() if f"{start:%Y-%m}" == text), None)
    return next((number for number, start in starts.items() if start <= day < ends[number]), None)


class Directory:
    """Finds the learner that a text means: an id, an e-mail or a name, whatever its case."""

    def __init__(
        self,
        learners: Iterable[str],
        people: Mapping[str, tuple[str, str]],
        survivors: Mapping[str, str],
    ) -> None:
        self._ids: dict[str, str] = {}
        self._folded: dict[str, list[str]] = {}
        for learner in (*learners, *people, *survivors):
            if learner and learner not in self._ids:
                self._ids[learner] = learner
                self._folded.setdefault(learner.casefold(), []).append(learner)
        self._called: dict[str, list[str]] = {}
        for learner, texts in people.items():
            for text in {text.strip().casefold() for text in texts if text.strip()}:
                self._called.setdefault(text, []).append(learner)
        self._survivors = survivors

    def find(self, names: Sequence[str]) -> tuple[str, str]:
        """(learner, "") of the first name that means one learner; or ("", why none does)."""
        why = "nothing in the facts"
        for name in names:
            found = [self._ids[name]] if name in self._ids else self._folded.get(name.casefold(), [])
            found = found or self._called.get(name.casefold(), [])
            persons = dict.fromkeys(self._survivors.get(learner, learner) for learner in found)
            if len(persons) == 1:
                return next(iter(found)), ""
            if persons:
                why = f"{len(persons)} learners are called this: {', '.join(sorted(persons)[:5])}"
        return "", why

    def person(self, learner: str) -> str:
        """The id under which somebody survives every link."""
        return self._survivors.get(learner, learner)


_ENTRY, _STRANGER = "entry\0", "stranger\0"
"""What tells the entry of a guest, and somebody unknown, from a learner of the same id."""


def match(
    theirs: Iterable[Theirs], ours: Sequence[Ours], directory: Directory
) -> tuple[list[Line], list[tuple[Theirs, str, str]]]:
    """Lines of all that is settled, and those only the vendor has: (row, learner or "", why no learner was found)."""
    waiting: dict[str, deque[Ours]] = {}
    for unit in ours:
        waiting.setdefault(_ENTRY + unit.unit if unit.guest else directory.person(unit.unit), deque()).append(unit)
    settled: list[Line] = []
    only: list[tuple[Theirs, str, str]] = []
    said: dict[str, int] = {}
    for row in theirs:
        learner, why = directory.find(row.names)
        person = directory.person(learner) if learner else _STRANGER + row.names[0].casefold()
        left = waiting.get(person if learner else _ENTRY + row.names[0])
        if left:
            settled.append(_both(row, left.popleft()))
        elif person in said:
            reason = f"line {said[person]} names the same"
            settled.append(Line(REPEATED, row.names[0], row.called, row.line, learner, "", "", "", "", reason))
        else:
            only.append((row, learner, why))
        said.setdefault(person, row.line)
    listed = said.keys()
    for person, left in waiting.items():
        settled += (_only_ours(unit, again=person in listed) for unit in left)
    return settled, only


def _both(row: Theirs, unit: Ours) -> Line:
    reason = f"active from {iso(unit.first_us)}"
    return Line(
        BOTH,
        row.names[0],
        row.called,
        row.line,
        unit.unit,
        unit.organisation,
        unit.object,
        unit.source,
        unit.fact,
        reason,
    )


def _only_ours(unit: Ours, *, again: bool) -> Line:
    reason = f"active from {iso(unit.first_us)}"
    if unit.guest:
        reason = f"a guest's entry at {iso(unit.first_us)}"
    elif again:
        reason += "; the list names this learner less often than we count"
    return Line(ONLY_OURS, "", "", None, unit.unit, unit.organisation, unit.object, unit.source, unit.fact, reason)


_IN_ORDER = (
    outcome.EXEMPT,
    outcome.NOT_MEMBER,
    outcome.IMPERSONATED,
    outcome.BELOW_MINIMUM,
    outcome.COUNTED_BEFORE,
    outcome.VOIDED,
    outcome.ELSEWHERE,
    outcome.SYSTEM,
    outcome.NOBODY,
    outcome.HELD,
    outcome.TYPE,
)
"""Which of several reasons is told: the one that came closest to counting."""


def only_theirs(
    found: Iterable[tuple[Theirs, str, str]], seen: Mapping[str, Sequence[Seen]], window: int
) -> Iterator[Line]:
    """Why those whom only the vendor lists did not count, from what became of their facts."""
    for row, learner, why in found:
        facts = seen.get(learner, ())
        told, reason = _reason(facts, window) if facts else (None, "")
        if not learner:
            reason = why
        elif not facts:
            reason = "known by name, and no fact names this learner"
        source, fact = (told.source, told.fact) if told else ("", "")
        yield Line(ONLY_THEIRS, row.names[0], row.called, row.line, learner, "", "", source, fact, reason)


def _reason(facts: Sequence[Seen], window: int) -> tuple[Seen, str]:
    inside = [it for it in facts if it.inside]
    for fate in _IN_ORDER:
        told = next((it for it in inside if it.fate == fate), None)
        if told:
            which = "the first of them" if told.facts > 1 else "it"
            return told, f"{_facts(told.facts)} in window {window}: {which} {DISPOSITIONS[fate]}"
    if inside:
        told = inside[0]
        return told, f"{_facts(told.facts)} in window {window} left nobody active: the first {DISPOSITIONS[told.fate]}"
    first = min(facts, key=lambda it: it.first_us)
    elsewhere = sum(it.facts for it in facts)
    return first, f"nothing in window {window}; {_facts(elsewhere)} at other times, the first {iso(first.first_us)}"


def _facts(number: int) -> str:
    return f"{number:,} facts" if number > 1 else "1 fact"


def seen_sql(fates: str) -> str:
    """The rows of `Seen` for the learners of the relation `asked`; `fates` is the relation of dispositions.

    Parameters: the window's start and end.
    """
    inside = "facts.at_us >= ? and facts.at_us < ?"
    return f"""
        with found as (
            select facts.learner, {inside} as inside, coalesce(fate, '{outcome.ELSEWHERE}') as fate,
                   at_us, facts.source, facts.id
            from facts join asked on asked.learner = facts.learner
            left join {fates} as fates on fates.source = facts.source and fates.id = facts.id
            where facts.type not in ({quoted_list((LINKED,))}))
        select learner, inside, fate, count(*), min(at_us), arg_min(source, (at_us, source, id)),
               arg_min(id, (at_us, source, id))
        from found group by learner, inside, fate order by learner, inside desc, fate
        """


@dataclass(frozen=True, slots=True)
class Moved:
    """What the difference is worth, in one window: with our number and with theirs; None where it cannot be told."""

    ours: int
    theirs: int
    our_cost: Money | None
    their_cost: Money | None
    why_not: str = ""

    @property
    def difference(self) -> Money | None:
        """What the vendor's number costs more than ours; below 0 where it costs less."""
        if self.our_cost is None or self.their_cost is None:
            return None
        return self.their_cost - self.our_cost


def moved(account: Account, window: int, lines: Iterable[Line]) -> Moved:
    """The window rated with the vendor's number and with ours. Rows that repeat others are not charged for."""
    counted = [line.group for line in lines]
    ours = sum(group in (BOTH, ONLY_OURS) for group in counted)
    theirs = sum(group in (BOTH, ONLY_THEIRS) for group in counted)
    used = account.of(window)
    if len(used) != 1 or account.subscription.plan.allowance.pool_scope == "organisation":
        return Moved(ours, theirs, None, None, "each organisation has its own allowance, and the list names none")
    if not account.currency:
        return Moved(ours, theirs, None, None, "no rate is known: --rates FILE")
    as_counted = cost(account.subscription, used)
    as_listed = cost(account.subscription, [with_active(used[0], used[0].active + theirs - ours)])
    why_not = "" if as_counted and as_listed else "no rate is known for what is charged"
    return Moved(ours, theirs, as_counted, as_listed, why_not)
