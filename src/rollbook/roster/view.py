"""The roster as a view: folds status facts into who is there, and who of them is enabled.

It says of every learner what metering says of them (`rollbook.metering.spans`), and says it again in its own way, for
it also needs the enrolments that are off. What happens at one instant is judged together, so the order of delivery
cannot matter. Of one slot, that is one enrolment or one account of a learner:

1. on and off at one instant leave the state as it was; on alone switches on, off alone switches off;
2. an off without an object meets every slot of the learner in its organisation;
3. what ends is gone, unless it also began at that instant: then it is there as it was;
4. links pass slots to the survivor at their instant; of two that meet, the survivor's stays, on if either was on.

5. groups are told of the learner, whatever accounts they have: see `rollbook.roster.placing`.

Voided facts count for nothing, and links that contradict each other are not applied, as in metering.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TypeAlias

from rollbook.metering.identities import Link, accept, unit_at
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.roster import Enrolment, EnrolmentKey, LearnerKey, LearnerRecord, Roster
from rollbook.roster.placing import Groups, groups_of, pass_on
from rollbook.roster.statuses import (
    ACCOUNT_CHANGED,
    CHANGED,
    CLEAN_UP,
    CREATED,
    DELETED,
    DISABLED,
    ENABLED,
    ENDED,
    ENROLLED,
    ENROLMENT_DISABLED,
    ENROLMENT_ENABLED,
    ROLES,
    SNAPSHOT,
    day_of,
    said,
    text_of,
)

ACCOUNT, ENROLMENT = "account", "enrolment"

ON = {CREATED: ACCOUNT, ENABLED: ACCOUNT, ENROLMENT_ENABLED: ENROLMENT}
"""What switches on, as the plans of Wisenet say it: a new account is active (W-25), a new enrolment is not (W-05)."""

OFF = {DISABLED: ACCOUNT, DELETED: ACCOUNT, ENROLMENT_DISABLED: ENROLMENT, ENDED: ENROLMENT}
BEGINS = (CREATED, ENABLED, ENROLLED, ENROLMENT_ENABLED)
ENDS = (DELETED, ENDED)
KINDS = ON | OFF | {ENROLLED: ENROLMENT, CHANGED: ENROLMENT, ACCOUNT_CHANGED: ACCOUNT}
DESCRIBES = (ENROLLED, CHANGED)

Slot: TypeAlias = tuple[str, str, str, str]
"""(kind, organisation, learner, object)."""


@dataclass(slots=True)
class _State:
    """How one slot stands. `told` are the course, unit and dates of an enrolment, once somebody told them."""

    on: bool = False
    since_us: int | None = None
    switched: bool = False
    told: Enrolment | None = None


@dataclass(slots=True)
class Folding:
    """A roster that is carried forward: feed it facts in order of time, and ask it between instants.

    links  those in force, by organisation and the id given up
    """

    links: Mapping[str, Mapping[str, Link]] = field(default_factory=dict)
    _slots: dict[Slot, _State] = field(default_factory=dict)
    _of: dict[tuple[str, str, str], dict[str, None]] = field(default_factory=dict)
    _synced: dict[str, int] = field(default_factory=dict)
    _cleaned: dict[str, int] = field(default_factory=dict)
    _enrolments: dict[EnrolmentKey, Enrolment] = field(default_factory=dict)
    _learners: dict[LearnerKey, LearnerRecord] = field(default_factory=dict)
    _passing: list[tuple[int, str, str]] = field(default_factory=list)
    _groups: dict[LearnerKey, Groups] = field(default_factory=dict)
    _touched: set[LearnerKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """What the links will pass on, the next at the end."""
        found = [(link, name, given_up) for name, links in self.links.items() for given_up, link in links.items()]
        # By the links' facts: what learners are called must not decide which of several at one instant comes first.
        found.sort(key=lambda it: (it[0].at_us, it[0].evidence), reverse=True)
        self._passing = [(link.at_us, name, given_up) for link, name, given_up in found]

    @property
    def roster(self) -> Roster:
        """As it stands now. It changes with the next step; `settled` gives one that does not."""
        return Roster(learners=self._learners, enrolments=self._enrolments, synced=self._synced, cleaned=self._cleaned)

    def settled(self) -> Roster:
        """A copy as it stands now."""
        now = self.roster
        return Roster(
            learners=dict(now.learners),
            enrolments=dict(now.enrolments),
            synced=dict(now.synced),
            cleaned=dict(now.cleaned),
        )

    def enrolments_of(self, organisation: str, learner: str) -> Iterator[EnrolmentKey]:
        """The enrolments of one learner that are there."""
        for object_ in self._of.get((ENROLMENT, organisation, learner), ()):
            yield (organisation, learner, object_)

    def step(self, at_us: int, facts: Iterable[Fact]) -> set[LearnerKey]:
        """Everything that happens at one instant: call it once an instant, with instants that rise.

        Gives the learners whom it concerned, whether or not they are still there.
        """
        self._touched = set()
        self._pass_on(at_us)
        by_slot: dict[Slot, list[Fact]] = {}
        named: dict[tuple[str, str, str], dict[str, None]] = {}
        wide: list[tuple[str, str, str, Fact]] = []
        together = sorted(facts, key=lambda fact: fact.rank)
        for fact in together:
            kind = KINDS.get(fact.type)
            if kind is None or fact.role not in ROLES or not fact.learner:
                continue
            self._note(fact)
            if fact.type == ACCOUNT_CHANGED:
                continue
            learner = unit_at(self.links.get(fact.organisation, {}), fact.learner, at_us)
            if fact.type in OFF and not fact.object:
                wide.append((kind, fact.organisation, learner, fact))
            else:
                by_slot.setdefault((kind, fact.organisation, learner, fact.object), []).append(fact)
                named.setdefault((kind, fact.organisation, learner), {})[fact.object] = None
        for kind, organisation, learner, fact in wide:
            known = self._of.get((kind, organisation, learner), {}) | named.get((kind, organisation, learner), {})
            # An account has no object; one that is first met when it is disabled is there, inactive.
            if not known and kind == ACCOUNT:
                known = {"": None}
            for object_ in known:
                by_slot.setdefault((kind, organisation, learner, object_), []).append(fact)
        for slot, found in by_slot.items():
            self._judge(at_us, slot, found)
        self._place(at_us, together)
        return self._touched

    def _place(self, at_us: int, facts: Iterable[Fact]) -> None:
        """Puts learners into the groups that facts tell, in order."""
        for fact in facts:
            if (groups := groups_of(fact)) is not None:
                key = (fact.organisation, unit_at(self.links.get(fact.organisation, {}), fact.learner, at_us))
                self._groups[key] = groups
                self._touched.add(key)
                self._record(*key)

    def _note(self, fact: Fact) -> None:
        """Remembers that a snapshot, or a clean-up, was taken in."""
        by = text_of(said(fact), "by")
        if by == SNAPSHOT:
            self._synced[fact.organisation] = fact.at_us
        elif by == CLEAN_UP:
            self._cleaned[fact.organisation] = fact.at_us

    def _judge(self, at_us: int, slot: Slot, facts: list[Fact]) -> None:
        """One slot at one instant."""
        types = {fact.type for fact in facts}
        state = self._slots.get(slot)
        ends, begins = any(it in types for it in ENDS), any(it in types for it in BEGINS)
        if ends and (state is None or not begins):
            self._drop(slot)
            return
        on, off = any(it in ON for it in types), any(it in OFF for it in types)
        now = replace(state) if state else _State(since_us=self._since(at_us, facts))
        if on is not off and now.on is not on:
            now.on, now.since_us = on, self._since(at_us, facts)
        now.switched = now.switched or on or off
        for fact in facts:
            if fact.type in DESCRIBES and (told := _told(fact)):
                now.told = told
        self._put(slot, now)

    @staticmethod
    def _since(at_us: int, facts: list[Fact]) -> int | None:
        return None if any(said(fact).get("since") == "unknown" for fact in facts) else at_us

    def _put(self, slot: Slot, state: _State) -> None:
        kind, organisation, learner, object_ = slot
        self._touched.add((organisation, learner))
        self._slots[slot] = state
        self._of.setdefault((kind, organisation, learner), {})[object_] = None
        if kind == ENROLMENT:
            told = state.told or Enrolment(organisation="", learner="", object="", course=object_)
            self._enrolments[slot[1:]] = Enrolment(
                organisation=organisation,
                learner=learner,
                object=object_,
                course=told.course,
                unit=told.unit,
                start=told.start,
                end=told.end,
                enabled=state.on,
                since_us=state.since_us,
                switched=state.switched,
            )
        else:
            self._record(organisation, learner)

    def _drop(self, slot: Slot) -> None:
        kind, organisation, learner, object_ = slot
        if self._slots.pop(slot, None) is None:
            return
        self._touched.add((organisation, learner))
        rest = self._of[kind, organisation, learner]
        del rest[object_]
        if not rest:
            del self._of[kind, organisation, learner]
        if kind == ENROLMENT:
            del self._enrolments[slot[1:]]
        else:
            self._record(organisation, learner)

    def _record(self, organisation: str, learner: str) -> None:
        """A learner is active while any of their accounts is on."""
        slots = [(ACCOUNT, organisation, learner, it) for it in self._of.get((ACCOUNT, organisation, learner), ())]
        if not slots:
            self._learners.pop((organisation, learner), None)
            return
        states = [self._slots[slot] for slot in slots]
        active = any(state.on for state in states)
        deciding = [state.since_us for state in states if state.on == active]
        known = [since for since in deciding if since is not None]
        since_us = None if len(known) < len(deciding) else min(known) if active else max(known)
        self._learners[organisation, learner] = LearnerRecord(
            organisation=organisation,
            learner=learner,
            active=active,
            since_us=since_us,
            groups=self._groups.get((organisation, learner), ()),
        )

    def _pass_on(self, at_us: int) -> None:
        """Gives the slots of ids that are linked by now to their survivors."""
        while self._passing and self._passing[-1][0] <= at_us:
            _, organisation, given_up = self._passing.pop()
            survivor = unit_at(self.links[organisation], given_up, at_us)
            pass_on(self._groups, organisation, given_up, survivor)
            for kind in (ACCOUNT, ENROLMENT):
                for object_ in tuple(self._of.get((kind, organisation, given_up), ())):
                    old, new = (kind, organisation, given_up, object_), (kind, organisation, survivor, object_)
                    passed, there = self._slots[old], self._slots.get(new)
                    self._drop(old)
                    if there and passed.on and not there.on:
                        there = replace(there, on=True, since_us=at_us, switched=True)
                    self._put(new, there or passed)
            self._record(organisation, survivor)


def _told(fact: Fact) -> Enrolment | None:
    """Course, unit and dates that a fact tells; None where it tells none."""
    attributes = said(fact)
    if not {"course", "unit", "start", "end"} & attributes.keys():
        return None
    return Enrolment(
        organisation="",
        learner="",
        object="",
        course=text_of(attributes, "course") if "course" in attributes else fact.object,
        unit=text_of(attributes, "unit"),
        start=day_of(attributes, "start"),
        end=day_of(attributes, "end"),
    )


def standing(facts: Iterable[Fact], as_of_us: int) -> list[Fact]:
    """The facts before an instant that no void takes back, in order. A void works backwards, and may come first."""
    past = sorted((fact for fact in facts if fact.at_us < as_of_us), key=lambda fact: fact.rank)
    voided = {(fact.organisation, fact.source, fact.voids) for fact in past if fact.type == VOIDED}
    return [fact for fact in past if fact.type != VOIDED and (fact.organisation, *fact.key) not in voided]


def linked(facts: Iterable[Fact]) -> dict[str, dict[str, Link]]:
    """The links in force among facts that stand, by organisation and the id given up."""
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.type == LINKED:
            found.setdefault(fact.organisation, []).append(fact)
    return {organisation: accept(links)[0] for organisation, links in found.items()}


def folding_of(facts: Iterable[Fact], as_of_us: int) -> Folding:
    """The fold of all facts before an instant, to be carried forward from there by what happens later.

    facts  unique by (source, id), in any order; links that come later are not known to it
    """
    past = standing(facts, as_of_us)
    folding = Folding(links=linked(past))
    for at_us, found in _instants(past):
        folding.step(at_us, found)
    return folding


def roster_of(facts: Iterable[Fact], as_of_us: int) -> Roster:
    """Who is there and who is enabled, by the facts before `as_of_us` (UTC microseconds); see `folding_of`."""
    return folding_of(facts, as_of_us).roster


def _instants(facts: Iterable[Fact]) -> Iterator[tuple[int, list[Fact]]]:
    """Facts that are in order, by instant."""
    for at_us, found in groupby(facts, key=lambda fact: fact.at_us):
        yield at_us, list(found)
