"""What rules would have done: they run again and again over the facts of a history, and act on what they did before.

A run looks only at learners of whom a step may be due, so a history of years costs as much as its facts, not as its
days times its learners: the steps to come wait in order of time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from rollbook.model.fact import Fact
from rollbook.model.roster import EnrolmentKey, LearnerKey
from rollbook.roster.deciding import Deeds, decide, dues, dues_of_learner
from rollbook.roster.rules import Rules
from rollbook.roster.statuses import SOURCE
from rollbook.roster.view import Folding, linked, standing


def replay(
    rules: Rules, facts: Iterable[Fact], runs_us: Sequence[int], zone: ZoneInfo, source: str = SOURCE
) -> tuple[Fact, ...]:
    """The facts that runs at these instants would have added, in order.

    facts    unique by (source, id), in any order; those after the last run change nothing
    runs_us  rising instants, UTC microseconds; each run knows what was before it, and which links will contradict
    """
    if any(one >= other for one, other in pairwise(runs_us)):
        raise ValueError("runs must rise")
    replaying = _Replaying(rules, standing(facts, runs_us[-1]) if runs_us else [], zone)
    return tuple(fact for at_us in runs_us for fact in replaying.run(at_us, source))


class _Replaying:
    """The roster and the deeds up to the run before, and what waits."""

    def __init__(self, rules: Rules, past: Sequence[Fact], zone: ZoneInfo) -> None:
        self._rules, self._past, self._zone = rules, past, zone
        self._next = 0
        self._decided: list[Fact] = []
        links = linked(past)
        self._folding, self._deeds, self._links = Folding(links=links), Deeds(), links
        self._waiting: list[tuple[int, LearnerKey]] = []
        self._ran_us = -1

    def run(self, at_us: int, source: str) -> Sequence[Fact]:
        """What the run at this instant decides."""
        self._forward(at_us)
        among: dict[LearnerKey, tuple[EnrolmentKey, ...]] = {}
        while self._waiting and self._waiting[0][0] <= at_us:
            learner = heapq.heappop(self._waiting)[1]
            among[learner] = tuple(self._folding.enrolments_of(*learner))
        run = decide(self._rules, self._folding.roster, self._deeds, at_us, self._zone, among=among, source=source)
        self._decided, self._ran_us = list(run.facts), at_us
        # A learner whom this run leaves alone may still have steps to come, as a deed has put off the last day.
        for learner in among.keys() - {(fact.organisation, fact.learner) for fact in run.facts}:
            self._wait(learner, at_us)
        return run.facts

    def _forward(self, at_us: int) -> None:
        """Takes in what happened before an instant, and what the run before decided."""
        end, own = self._next, {fact.key for fact in self._decided}
        while end < len(self._past) and self._past[end].at_us < at_us:
            end += 1
        come = sorted((*self._decided, *self._past[self._next : end]), key=lambda fact: fact.at_us)
        self._next, self._decided = end, []
        touched: set[LearnerKey] = set()
        by_rules: set[LearnerKey] = set()
        for instant_us, group in groupby(come, key=lambda fact: fact.at_us):
            found = list(group)
            concerned = self._folding.step(instant_us, found)
            if all(fact.key in own for fact in found):
                by_rules |= concerned
                continue
            touched |= concerned
            for fact in found:
                if sooner := self._deeds.take(fact, self._links.get(fact.organisation, {})):
                    touched.add(sooner)
        for learner in touched:
            self._wait(learner, -1)
        # What the rules did themselves makes nothing due that was due before.
        for learner in by_rules - touched:
            self._wait(learner, self._ran_us)

    def _wait(self, learner: LearnerKey, after_us: int) -> None:
        """Puts the steps of a learner that are to come, or may have been missed, in their places."""
        roster = self._folding.roster
        enrolments = [roster.enrolments[key] for key in self._folding.enrolments_of(*learner)]
        due = [it for enrolment in enrolments for it in dues(self._rules, enrolment, self._deeds, self._zone)]
        if record := roster.learners.get(learner):
            due += dues_of_learner(self._rules, record, enrolments, self._deeds, self._zone)
        for at_us in {it.at_us for it in due if it.at_us > after_us}:
            heapq.heappush(self._waiting, (at_us, learner))
