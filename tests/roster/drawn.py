"""Ledgers of statuses and sequences of snapshots, hard on purpose: few instants, learners and objects, so that ties,
repeats, offs without an object, links and voids collide often. The tests assert that they do.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

from hypothesis import strategies as st

from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.groups import Group
from rollbook.model.roster import Enrolment, LearnerRecord, Roster, Snapshot, object_of
from rollbook.roster.statuses import ROLES
from rollbook.roster.view import KINDS, OFF
from tests.metering.written import at_midnight

FIRST = date(2026, 3, 1)
INSTANTS = tuple(at_midnight(FIRST + timedelta(days=days)) for days in range(5))
ORGANISATIONS = ("north", "süd")
LEARNERS = ("ana", "bo", "zoë", "Zoe")
OBJECTS = ("", "A", "B", "數學|1")
TYPES = tuple(KINDS)
SALES, NORTH, SUED = ("Sales",), ("Sales", "North"), ("Sales", "Süd/Ost")
GROUPS: tuple[tuple[Group, ...], ...] = ((), (SALES,), (NORTH,), (NORTH, SUED), (("Ops",), NORTH))
"""What a learner may be in, settled."""

SAID = (
    "",
    "",
    '{"groups": []}',
    '{"groups": ["Sales / North", 7, "Ops"]}',
    '{"groups": "Sales"}',
    '{"since": "unknown"}',
    '{"course": "A", "start": "2026-03-01"}',
    "no JSON",
    '["a list"]',
    '{"end": 7}',
)


@st.composite
def ledgers(draw: st.DrawFn) -> list[Fact]:
    """Facts of statuses with links and voids among them, unique by (source, id)."""
    facts: list[Fact] = []
    for number in range(draw(st.integers(0, 14))):
        base = Fact(
            id=f"{draw(st.sampled_from(('e', 'ü')))}{number}",
            source=draw(st.sampled_from(("a", "é"))),
            at_us=draw(st.sampled_from(INSTANTS)),
            organisation=draw(st.sampled_from(ORGANISATIONS)),
            type=draw(st.sampled_from(TYPES)),
            role=draw(st.sampled_from((*ROLES * 4, "facilitator", "guest"))),
            learner=draw(st.sampled_from(LEARNERS)),
            object=draw(st.sampled_from(OBJECTS)),
            attributes=draw(st.sampled_from(SAID)),
        )
        kind = draw(st.integers(0, 9))
        if kind == 0 and facts:
            target = draw(st.sampled_from(facts))
            base = base.replace(type=VOIDED, source=target.source, organisation=target.organisation, voids=target.id)
        elif kind == 1:
            given_up, survivor = draw(st.permutations(LEARNERS))[:2]
            base = base.replace(type=LINKED, learner=survivor, object=given_up)
        elif kind in (2, 3, 4) and facts:
            # What happens to one slot at one instant: the hardest rule there is.
            echoed = draw(st.sampled_from(facts))
            type_ = echoed.type if echoed.type in (LINKED, VOIDED) else base.type
            wide = type_ in OFF and draw(st.booleans())
            object_ = "" if wide else echoed.object
            base = echoed.replace(id=base.id, source=base.source, type=type_, object=object_, voids="")
            if type_ == VOIDED:
                continue
        facts.append(base)
    return facts


def dates() -> st.SearchStrategy[date | None]:
    """Days around the snapshots, often missing."""
    return st.sampled_from((None, None, FIRST, date(2026, 2, 10), date(2026, 3, 29), date(2027, 1, 1)))


COURSES = (("A", ""), ("A", "1|x"), ("數學", ""))


@cache
def rosters(organisations: frozenset[str]) -> st.SearchStrategy[Roster]:
    """A few of the few, of these organisations."""
    of, whom = st.sampled_from(sorted(organisations)), st.sampled_from(LEARNERS)
    records = st.builds(
        LearnerRecord, organisation=of, learner=whom, active=st.booleans(), groups=st.sampled_from(GROUPS)
    )
    enrolments = st.builds(
        _enrolment,
        organisation=of,
        learner=whom,
        of=st.sampled_from(COURSES),
        own=st.booleans(),
        start=dates(),
        end=dates(),
        on=st.booleans(),
    )
    return st.builds(
        lambda learners, enrolled: Roster(
            learners={it.key: it for it in learners}, enrolments={it.key: it for it in enrolled}
        ),
        st.lists(records, max_size=4),
        st.lists(enrolments, max_size=5),
    )


def _enrolment(
    *, organisation: str, learner: str, of: tuple[str, str], own: bool, start: date | None, end: date | None, on: bool
) -> Enrolment:
    course, unit = of
    return Enrolment(
        organisation=organisation,
        learner=learner,
        object="own-id" if own else object_of(course, unit),
        course="" if own and unit else course,
        unit=unit,
        start=start,
        end=end,
        enabled=on,
    )


TOLD_OF = st.sampled_from((frozenset(ORGANISATIONS), frozenset({"north"}), frozenset({"süd"})))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Of one organisation or both, often empty, often the same again."""
    organisations = draw(TOLD_OF)
    return Snapshot(
        roster=draw(st.one_of(st.just(Roster()), rosters(organisations), rosters(organisations))),
        organisations=organisations,
        complete=draw(st.integers(0, 4)) > 0,
        says_enabled=draw(st.integers(0, 4)) > 0,
        says_active=draw(st.integers(0, 4)) > 0,
        says_groups=draw(st.integers(0, 4)) > 0,
    )


@st.composite
def sequences(draw: st.DrawFn) -> list[tuple[int, Snapshot]]:
    """Snapshots at rising instants; every now and then an earlier one is true again, or with everybody elsewhere."""
    found: list[tuple[int, Snapshot]] = []
    for at_us in draw(st.lists(st.sampled_from(INSTANTS), unique=True, max_size=5).map(sorted)):
        kind = draw(st.integers(0, 5)) if found else 0
        snapshot = draw(st.sampled_from(found))[1] if kind > 3 else draw(snapshots())
        if kind == 5:
            moved = {
                key: replace(it, groups=draw(st.sampled_from(GROUPS))) for key, it in snapshot.roster.learners.items()
            }
            snapshot = replace(snapshot, roster=replace(snapshot.roster, learners=moved), says_groups=True)
        found.append((at_us, snapshot))
    return found
