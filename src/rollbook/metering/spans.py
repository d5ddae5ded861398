"""Folds facts that switch on and off into spans of presence, in plain Python.

State is kept per unit and slot; a slot is one object within one organisation. A unit is present while any of
its slots is on. What happens at one instant is judged together, so its order of delivery cannot matter:

1. links pass the open slots of the id given up to the survivor;
2. on and off of one slot leave it as it was, and the instant itself is a presence (W-12);
3. on alone switches on, off alone switches off, and what already holds is redundant.

Presence is compared before and after the instant. A span that ends where another begins is therefore one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rollbook.metering.identities import Link, beginning, unit_at
from rollbook.metering.outcome import CLOSED, OPENED, REDUNDANT, Holding
from rollbook.model.fact import Fact
from rollbook.model.plan import State

Slot: TypeAlias = tuple[str, str]
"""(organisation, object)."""

Key: TypeAlias = tuple[str, Slot]
"""A unit, and the slot it is about where the unit is a learner in one object."""

Evidence: TypeAlias = tuple[bytes, bytes, str, str, str]
"""Of a fact or link: source and id as bytes, and the organisation, to sort by; then source and id as text."""


def fold(
    facts: Iterable[Fact], state: State, links: Mapping[str, Link], *, by_object: bool = False, reset_us: int = -1
) -> tuple[list[Holding], dict[tuple[str, str], str]]:
    """The holdings of one identity cluster, and what each fact did (opened, closed, redundant).

    facts      of the types in `state`, unique, of one cluster
    by_object  whether the unit is a learner in one object, not the learner
    reset_us   the instant at which everything is switched off by itself (the start of a term that
               does not carry in), or -1
    """
    folding = _Folding(state, links, by_object)
    by_instant: dict[int, list[Fact]] = {}
    for fact in facts:
        by_instant.setdefault(fact.at_us, []).append(fact)
    for link in links.values():
        by_instant.setdefault(link.at_us, [])
    if reset_us >= 0:
        by_instant.setdefault(reset_us, [])
    for at_us in sorted(by_instant):
        if at_us == reset_us:
            folding.reset(at_us)
        folding.step(at_us, by_instant[at_us])
    return folding.finish(), folding.did


@dataclass(slots=True)
class _Folding:
    state: State
    links: Mapping[str, Link]
    by_object: bool
    open_slots: dict[str, set[Slot]] = field(default_factory=dict)
    begun: dict[Key, tuple[int, Evidence]] = field(default_factory=dict)
    holdings: list[Holding] = field(default_factory=list)
    did: dict[tuple[str, str], str] = field(default_factory=dict)

    def step(self, at_us: int, facts: list[Fact]) -> None:
        """Everything that happens at one instant."""
        before = {unit: set(slots) for unit, slots in self.open_slots.items()}
        begins: dict[Key, list[Evidence]] = {}
        ends: dict[Key, list[Evidence]] = {}
        touches: dict[Key, list[tuple[Evidence, Evidence]]] = {}
        passed = self._pass_on(at_us, ends)
        ons, offs = self._by_slot(at_us, facts)
        for unit, slot in ons.keys() | offs.keys():
            on, off = ons.get((unit, slot)), offs.get((unit, slot))
            slots = self.open_slots.setdefault(unit, set())
            was_open = slot in slots
            if on and off:
                touches.setdefault(self._key(unit, slot), []).append((on, off))
                if not was_open:
                    self.did[on[3:5]] = OPENED
                    self.did[off[3:5]] = CLOSED
            elif on:
                slots.add(slot)
                begins.setdefault(self._key(unit, slot), []).append(on)
                if not was_open:
                    self.did[on[3:5]] = OPENED
            elif off and was_open:
                slots.remove(slot)
                self.did[off[3:5]] = CLOSED
                if slot in before.get(unit, ()):
                    ends.setdefault(self._key(unit, slot), []).append(off)
        for (unit, slot), evidence in passed.items():
            if slot in self.open_slots[unit]:
                begins.setdefault(self._key(unit, slot), []).append(evidence)
        self._settle(at_us, begins, ends, touches)

    def _pass_on(self, at_us: int, ends: dict[Key, list[Evidence]]) -> dict[Key, Evidence]:
        """Gives the open slots of ids linked at this instant to their survivors."""
        passed: dict[Key, Evidence] = {}
        for unit in [unit for unit, slots in self.open_slots.items() if slots]:
            survivor = unit_at(self.links, unit, at_us)
            if survivor == unit:
                continue
            link = beginning(self.links, unit, at_us)
            for slot in self.open_slots.pop(unit):
                evidence = (*link.evidence, slot[0], link.source, link.id)
                self.open_slots.setdefault(survivor, set()).add(slot)
                passed[survivor, slot] = min(evidence, passed.get((survivor, slot), evidence))
                ends.setdefault(self._key(unit, slot), []).append(evidence)
        return passed

    def _by_slot(self, at_us: int, facts: list[Fact]) -> tuple[dict[Key, Evidence], dict[Key, Evidence]]:
        """The first fact by evidence that switches each slot on, and off. An off without an object meets every slot."""
        ons: dict[Key, Evidence] = {}
        offs: dict[Key, Evidence] = {}
        for fact in sorted(facts, key=lambda fact: fact.type in self.state.off):
            self.did[fact.key] = REDUNDANT
            unit = unit_at(self.links, fact.learner, at_us)
            evidence = (fact.source.encode(), fact.id.encode(), fact.organisation, fact.source, fact.id)
            met = [(fact.organisation, fact.object)]
            side = ons
            if fact.type in self.state.off:
                side = offs
                if not fact.object:
                    known = self.open_slots.get(unit, set()) | {slot for whose, slot in ons if whose == unit}
                    met = [slot for slot in known if slot[0] == fact.organisation]
            for slot in met:
                side[unit, slot] = min(evidence, side.get((unit, slot), evidence))
        return ons, offs

    def _settle(
        self,
        at_us: int,
        begins: dict[Key, list[Evidence]],
        ends: dict[Key, list[Evidence]],
        touches: dict[Key, list[tuple[Evidence, Evidence]]],
    ) -> None:
        """Compares presence before and after, and writes down what began, ended, or only touched the instant."""
        for key in begins.keys() | ends.keys() | touches.keys():
            was, now = key in self.begun, self._present(key)
            if was and not now:
                self._end(key, at_us, min(ends[key]))
            if now and not was:
                self.begun[key] = (at_us, min(begins[key]))
            if not now and key in touches:
                on, off = min(on for on, _ in touches[key]), min(off for _, off in touches[key])
                self.begun[key] = (at_us, on)
                self._end(key, at_us, off)

    def reset(self, at_us: int) -> None:
        """Switches everything off by itself."""
        for key in list(self.begun):
            self._end(key, at_us, None)
        self.open_slots.clear()

    def finish(self) -> list[Holding]:
        """All holdings; those still going on have no end."""
        for key in list(self.begun):
            self._end(key, None, None)
        return sorted(self.holdings, key=lambda holding: (holding.on_us, holding.unit, holding.object))

    def _key(self, unit: str, slot: Slot) -> Key:
        return (unit, slot if self.by_object else ("", ""))

    def _present(self, key: Key) -> bool:
        slots = self.open_slots.get(key[0], set())
        return key[1] in slots if self.by_object else bool(slots)

    def _end(self, key: Key, at_us: int | None, evidence: Evidence | None) -> None:
        on_us, began = self.begun.pop(key)
        self.holdings.append(
            Holding(
                organisation=began[2],
                unit=key[0],
                object=key[1][1],
                on_us=on_us,
                off_us=at_us,
                on_source=began[3],
                on_fact=began[4],
                off_source=evidence[3] if evidence else "",
                off_fact=evidence[4] if evidence else "",
            )
        )
