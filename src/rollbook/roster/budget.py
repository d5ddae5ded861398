"""A budget stops a run that would make more learners active than was foreseen, and nothing of it is done.

Who would be newly active is asked of metering (`rollbook.metering.reference`), of the learners alone that the run
concerns: whoever counts with its facts and not without them, in the window that runs or in the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rollbook.errors import Problem
from rollbook.metering import reference
from rollbook.metering.calendar import windows
from rollbook.metering.identities import FOREVER_US, accept, unit_at
from rollbook.model.fact import CORRECTIONS, LINKED, Fact
from rollbook.model.subscription import Subscription
from rollbook.roster.statuses import Decided
from rollbook.roster.view import standing

Unit = tuple[str, str, str]
"""(organisation, learner, object) of what counts; the organisation is '' where a learner is one in all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgeted:
    """What a budget says to a run.

    decided  the facts of the run, or none of them and why
    newly    whom it would make active
    """

    decided: Decided
    newly: frozenset[Unit]

    @property
    def stopped(self) -> bool:
        """Whether nothing is to be done until somebody has agreed."""
        return bool(self.decided.problems)


def within_budget(
    budget_learners_active: int,
    facts: Iterable[Fact],
    more: Sequence[Fact],
    subscription: Subscription,
    place: str = "rules.toml",
    *,
    agreed: bool = False,
) -> Budgeted:
    """The run whole, or nothing of it.

    facts   all that are there, unique by (source, id)
    more    what the run decided, at one instant
    place   what the problem names
    agreed  somebody has seen who would become active, and wants it
    """
    newly = newly_active(facts, more, subscription)
    if len(newly) <= budget_learners_active or agreed:
        return Budgeted(decided=Decided(facts=tuple(more)), newly=newly)
    rule = (
        f"this run would make {len(newly):,} learners newly active, and its budget is {budget_learners_active:,}: "
        "nothing was changed"
    )
    remedy = "see whom it concerns; then correct the rule, raise budget_learners_active, or agree to this run"
    return Budgeted(decided=Decided(problems=(Problem(f"{place}: budget_learners_active", rule, remedy),)), newly=newly)


def newly_active(facts: Iterable[Fact], more: Sequence[Fact], subscription: Subscription) -> frozenset[Unit]:
    """Who counts with these facts and not without, in the window in which they lie, or the one after it."""
    if not more:
        return frozenset()
    across = subscription.plan.meter.across
    known = list(facts)
    concerned = _concerned(known, more, across=across)
    within = [
        fact
        for fact in known
        if fact.type in CORRECTIONS or ("" if across else fact.organisation, fact.learner) in concerned
    ]
    horizon_us = horizon(subscription, max(fact.at_us for fact in more))
    present = {fact.key for fact in within}
    added = [fact for fact in more if fact.key not in present]
    first_us = min(fact.at_us for fact in more)
    running = [it.number for it in windows(subscription) if it.end_us > first_us and it.start_us < horizon_us]
    before, after = (
        {
            (it.window, "" if across else it.organisation, it.unit, it.object)
            for it in reference.meter(found, subscription, horizon_us).activations
            if it.window in running
        }
        for found in (within, [*within, *added])
    )
    return frozenset((organisation, unit, object_) for _, organisation, unit, object_ in after - before)


def horizon(subscription: Subscription, at_us: int) -> int:
    """Until when to meter so that the window of an instant counts, and the next one with whoever is carried into it."""
    term = windows(subscription)
    running = next((window for window in term if window.end_us > at_us), term[-1])
    return max(at_us, running.end_us) + 1


def _concerned(facts: Sequence[Fact], more: Sequence[Fact], *, across: bool) -> set[tuple[str, str]]:
    """(organisation, learner) of the facts that are to come, with every id that is linked to them.

    across  whether a learner is one in all organisations; then '' stands for them
    """
    linking: dict[str, list[Fact]] = {}
    for fact in standing((*facts, *more), FOREVER_US):
        if fact.type == LINKED:
            linking.setdefault("" if across else fact.organisation, []).append(fact)
    found = {("" if across else fact.organisation, fact.learner) for fact in more}
    for organisation, links in ((scope, accept(it)[0]) for scope, it in linking.items()):
        roots = {unit_at(links, learner, FOREVER_US) for scope, learner in found if scope == organisation}
        found |= {(organisation, root) for root in roots}
        found |= {(organisation, id_) for id_ in links if unit_at(links, id_, FOREVER_US) in roots}
    return found
