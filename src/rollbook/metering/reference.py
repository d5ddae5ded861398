"""The rule, one learner at a time, in plain Python. This is the specification; every engine is held to it.

    A unit is active in a window when one of its presences overlaps it.

Read `meter` first, then `_Cluster.instants` (facts that count when they happen) and `_Cluster.spans` (states
that last). Windows include their start and exclude their end. Ties are decided by instant, then source, then
id, text compared as UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rollbook.metering import calendar
from rollbook.metering.identities import FOREVER_US, Link, accept, path, unit_at
from rollbook.metering.outcome import (
    BELOW_MINIMUM,
    CONTINUING,
    CORRECTION,
    COUNTED,
    COUNTED_BEFORE,
    ELSEWHERE,
    EXEMPT,
    HELD,
    HISTORY,
    IMPERSONATED,
    NEW,
    NOBODY,
    NOT_MEMBER,
    OUTSIDE,
    REACTIVATED,
    RECONNECTED,
    SYSTEM,
    TYPE,
    VOIDED,
    Activation,
    Holding,
    Outcome,
)
from rollbook.metering.spans import Slot, fold
from rollbook.model import fact as facts_
from rollbook.model.fact import Fact
from rollbook.model.instants import EARLIEST_US
from rollbook.model.plan import Meter, State
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window


def meter(
    facts: Iterable[Fact],
    subscription: Subscription,
    as_of_us: int,
    assumed: frozenset[str] = frozenset(),
    refused: frozenset[tuple[str, str]] = frozenset(),
) -> Outcome:
    """Who was active, when, and what became of every fact.

    facts     unique by (source, id), in any order
    as_of_us  nothing at or after this instant is metered, UTC microseconds
    assumed   organisations whose learners all count as members
    refused   (source, id) of links known to contradict others, where `facts` are not all there are
    """
    facts = sorted(facts, key=lambda fact: fact.rank)
    outcome = Outcome()
    past = []
    for fact in facts:
        if subscription.organisations is not None and fact.organisation not in subscription.organisations:
            outcome.dispositions[fact.key] = ELSEWHERE
        elif fact.at_us >= as_of_us:
            outcome.dispositions[fact.key] = HELD
        else:
            past.append(fact)
    standing = _without_voided(past, outcome)
    first_us = standing[0].at_us if standing else EARLIEST_US
    windows = [
        window
        for window in (*calendar.history(subscription, first_us), *calendar.windows(subscription))
        if window.start_us < as_of_us
    ]
    holds = subscription.plan.meter.holds
    across = subscription.plan.meter.dedupe == "customer"
    by_scope: dict[str, list[Fact]] = {}
    for fact in standing:
        by_scope.setdefault("" if across else fact.organisation, []).append(fact)
    for scope_facts in by_scope.values():
        links, conflicts = accept(
            fact
            for fact in scope_facts
            if fact.type == facts_.LINKED and fact.at_us < subscription.end_us and fact.key not in refused
        )
        outcome.conflicts.extend(conflicts)
        for cluster_facts in _clusters(scope_facts, links):
            cluster = _Cluster(cluster_facts, links, subscription, windows, as_of_us, assumed)
            _merge(outcome, cluster.spans(holds) if holds else cluster.instants())
    outcome.activations.sort(key=lambda active: (active.window, active.first_us, *_bytes(active.source, active.fact)))
    outcome.holdings.sort(key=lambda holding: (holding.on_us, *_bytes(holding.on_source, holding.on_fact)))
    return outcome


def _without_voided(facts: Iterable[Fact], outcome: Outcome) -> list[Fact]:
    """The facts that no void takes back. A void works backwards, may come first, and cannot be voided itself."""
    facts = list(facts)
    taken_back = {(fact.organisation, fact.source, fact.voids) for fact in facts if fact.type == facts_.VOIDED}
    standing = []
    for fact in facts:
        if fact.type == facts_.VOIDED:
            outcome.dispositions[fact.key] = CORRECTION
        elif (fact.organisation, fact.source, fact.id) in taken_back:
            outcome.dispositions[fact.key] = VOIDED
        else:
            standing.append(fact)
    return standing


def _clusters(facts: Iterable[Fact], links: Mapping[str, Link]) -> Iterable[list[Fact]]:
    """The facts of each learner with all ids linked to it; and of each guest connection."""
    found: dict[tuple[str, ...], list[Fact]] = {}
    for fact in facts:
        if fact.role == "guest":
            key = ("guest", fact.organisation, fact.object, fact.session, *(() if fact.session else fact.key))
        else:
            id_ = fact.object if fact.type == facts_.LINKED else fact.learner
            steps = path(links, id_, FOREVER_US)
            key = ("learner", steps[-1].survivor if steps else id_)
        found.setdefault(key, []).append(fact)
    return found.values()


def _merge(outcome: Outcome, part: Outcome) -> None:
    outcome.activations.extend(part.activations)
    outcome.holdings.extend(part.holdings)
    outcome.dispositions.update(part.dispositions)


def _bytes(source: str, id_: str) -> tuple[bytes, bytes]:
    return source.encode(), id_.encode()


@dataclass(frozen=True, slots=True)
class _Cluster:
    """One identity cluster: the facts of a learner and of the ids linked to it, none voided, none in the future."""

    facts: Sequence[Fact]
    links: Mapping[str, Link]
    subscription: Subscription
    windows: Sequence[Window]
    as_of_us: int
    assumed: frozenset[str]

    @property
    def meter(self) -> Meter:
        return self.subscription.plan.meter

    def unit(self, fact: Fact) -> str:
        return unit_at(self.links, fact.learner, fact.at_us)

    def ineligible(self, fact: Fact) -> str | None:
        """Why this fact could not count in any window; None where it could."""
        holds = self.meter.holds
        reasons = (
            (CORRECTION, fact.type == facts_.LINKED),
            (TYPE, fact.type not in (holds.types if holds else self.meter.counts)),
            (NOBODY, fact.role == "guest" and self.meter.guests == "free"),
            (IMPERSONATED, fact.impersonator != "" and not facts_.is_status(fact.type)),
            (SYSTEM, fact.role == "system" and not facts_.is_status(fact.type)),
            (EXEMPT, any(fact.role == it.role and fact.mode not in it.unless_modes for it in self.meter.exempt)),
        )
        return next((disposition for disposition, applies in reasons if applies), None)

    def outside(self, fact: Fact) -> str | None:
        """Which side of the term the fact lies on; None inside."""
        if fact.at_us < self.subscription.start_us:
            return HISTORY
        return OUTSIDE if fact.at_us >= self.subscription.end_us else None

    # Facts that count when they happen.

    def instants(self) -> Outcome:
        """Instants: a unit is active in the windows that contain its facts."""
        outcome = Outcome()
        member = self._membership(outcome)
        candidates = []
        for fact in self.facts:
            if fact.key in outcome.dispositions:
                continue
            if reason := self.ineligible(fact):
                outcome.dispositions[fact.key] = reason
            elif not member(fact):
                outcome.dispositions[fact.key] = NOT_MEMBER
            else:
                candidates.append(fact)
        candidates = self._without_reconnects(candidates, outcome)
        for fact in candidates:
            outcome.dispositions[fact.key] = self.outside(fact) or COUNTED
        if self.meter.unit == "entry" or (self.facts and self.facts[0].role == "guest"):
            outcome.activations.extend(entry for fact in candidates if (entry := self._entry(fact)))
        else:
            self._activate(candidates, outcome)
        return outcome

    def _membership(self, outcome: Outcome) -> Callable[[Fact], bool]:
        """Whether a fact happened while its learner was a member; always, where the plan does not ask."""
        state = self.meter.member_while
        if state is None:
            return lambda _: True
        switches = [fact for fact in self.facts if fact.type in state.types]
        named = [fact for fact in switches if fact.role != "guest"]
        outcome.dispositions.update({fact.key: NOBODY for fact in switches if fact.role == "guest"})
        within = [fact for fact in named if fact.at_us < self.subscription.end_us]
        holdings, did = fold(within, state, self.links)
        outcome.dispositions.update({fact.key: self.outside(fact) or did[fact.key] for fact in named})

        def member(fact: Fact) -> bool:
            return fact.organisation in self.assumed or any(
                holding.unit == self.unit(fact) and _covers(holding, fact.at_us) for holding in holdings
            )

        return member

    def _without_reconnects(self, facts: list[Fact], outcome: Outcome) -> list[Fact]:
        """Guests' entries without those that only continue a dropped connection (F-e)."""
        grace_us = self.meter.reconnect_grace_seconds * 10**6
        if not grace_us:
            return facts
        fresh, last_us = [], None
        for fact in facts:
            if fact.role == "guest" and fact.session and last_us is not None and fact.at_us - last_us <= grace_us:
                outcome.dispositions[fact.key] = RECONNECTED
            else:
                fresh.append(fact)
            last_us = fact.at_us
        return fresh

    def _entry(self, fact: Fact) -> Activation | None:
        """Each counted fact is a unit of its own, always new."""
        window = self._window(fact)
        if window is None or window.number < 1:
            return None
        guest = fact.role == "guest"
        return Activation(
            window=window.number,
            organisation=fact.organisation,
            unit=fact.id if guest else self.unit(fact),
            object="" if guest else fact.object,
            guest=guest,
            class_=NEW,
            first_us=fact.at_us,
            source=fact.source,
            fact=fact.id,
            facts=1,
        )

    def _activate(self, facts: Sequence[Fact], outcome: Outcome) -> None:
        """The n-th fact of a unit in a window makes it active; its class looks at the windows before."""
        groups: dict[tuple[Window, str, Slot], list[Fact]] = {}
        for fact in facts:
            if window := self._window(fact):
                groups.setdefault((window, self.unit(fact), self._slot(fact.organisation, fact.object)), []).append(
                    fact
                )
        active_in: dict[Slot, set[int]] = {}
        for (window, _, slot), group in groups.items():
            if len(group) >= self.meter.minimum:
                active_in.setdefault(slot, set()).add(window.number)
        for (window, unit, slot), group in groups.items():
            earlier = {number for number in active_in.get(slot, ()) if number < window.number}
            reason = COUNTED
            if self.meter.first_ever and earlier:
                reason = COUNTED_BEFORE
            elif len(group) < self.meter.minimum:
                reason = BELOW_MINIMUM
            if window.number < 1:
                continue
            outcome.dispositions.update({fact.key: reason for fact in group})
            if reason != COUNTED:
                continue
            deciding = group[self.meter.minimum - 1]
            outcome.activations.append(
                Activation(
                    window=window.number,
                    organisation=deciding.organisation,
                    unit=unit,
                    object=slot[1],
                    guest=False,
                    class_=CONTINUING if window.number - 1 in earlier else REACTIVATED if earlier else NEW,
                    first_us=deciding.at_us,
                    source=deciding.source,
                    fact=deciding.id,
                    facts=len(group),
                )
            )

    def _window(self, fact: Fact) -> Window | None:
        return next((window for window in self.windows if window.contains(fact.at_us)), None)

    def _slot(self, organisation: str, object_: str) -> Slot:
        """What tells the units of one learner apart: the object, where the unit is a learner in one object."""
        return (organisation, object_) if self.meter.unit == "enrolment" else ("", "")

    # States that last.

    def spans(self, holds: State) -> Outcome:
        """Spans: a unit is active in the windows that its holdings overlap, whether or not anybody acts."""
        outcome = Outcome()
        horizon_us = min(self.as_of_us, self.subscription.end_us)
        switches = []
        for fact in self.facts:
            if reason := self.ineligible(fact):
                outcome.dispositions[fact.key] = reason
            elif fact.at_us >= horizon_us:
                outcome.dispositions[fact.key] = OUTSIDE
            else:
                switches.append(fact)
        reset_us = self.subscription.start_us if self.meter.opens == "in-term" else -1
        holdings, did = fold(switches, holds, self.links, by_object=self.meter.unit == "enrolment", reset_us=reset_us)
        outcome.dispositions.update({fact.key: self.outside(fact) or did[fact.key] for fact in switches})
        for window in self.windows:
            if window.number >= 1:
                outcome.activations.extend(self._present_in(window, holdings))
        outcome.holdings.extend(
            holding
            for holding in holdings
            if self.subscription.start_us < self.as_of_us
            and _overlap(holding, self.subscription.start_us, self.subscription.end_us)
        )
        return outcome

    def _present_in(self, window: Window, holdings: Sequence[Holding]) -> Iterable[Activation]:
        by_unit: dict[tuple[str, Slot], list[Holding]] = {}
        for holding in holdings:
            if _overlap(holding, window.start_us, window.end_us):
                by_unit.setdefault((holding.unit, self._slot(holding.organisation, holding.object)), []).append(holding)
        for (unit, slot), held in by_unit.items():
            before = [
                holding
                for holding in holdings
                if holding.on_us < window.start_us and slot == self._slot(holding.organisation, holding.object)
            ]
            carried = any(holding.off_us is None or holding.off_us > window.start_us for holding in before)
            first = held[0]
            yield Activation(
                window=window.number,
                organisation=first.organisation,
                unit=unit,
                object=slot[1],
                guest=False,
                class_=CONTINUING if carried else REACTIVATED if before else NEW,
                first_us=max(first.on_us, window.start_us),
                source=first.on_source,
                fact=first.on_fact,
                facts=len(held),
            )


def _overlap(holding: Holding, start_us: int, end_us: int) -> bool:
    """A span [on, off) overlaps [start, end): also where it was switched off at once (W-12)."""
    off_us = end_us if holding.off_us is None else holding.off_us
    return holding.on_us < end_us and (off_us > start_us or holding.on_us >= start_us)


def _covers(holding: Holding, at_us: int) -> bool:
    """An instant lies in [on, off), or at the one instant of a span that was switched off at once."""
    return holding.on_us <= at_us and (holding.off_us is None or at_us < holding.off_us or at_us == holding.on_us)
