"""Allowances, seats and prices once more, as slowly and literally as can be: one credit, one chair, one unit at a time.

The laws hold the arithmetic to these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from rollbook.accounting.seats import Held
from rollbook.model.subscription import Subscription
from rollbook.model.tariff import Rate
from rollbook.model.window import Window


class Use(NamedTuple):
    """One activation."""

    at_us: int
    organisation: str


@dataclass
class Credit:
    """Serves one activation, within its life."""

    born_us: int
    dies_us: int
    spent_in: int = 0


@dataclass
class Account:
    """What one pool did in one window."""

    granted: int = 0
    carried: int = 0
    included: int = 0
    overage: int = 0
    expired: int = 0
    balance: int = 0
    beyond: list[int] = field(default_factory=list)


def entitled(to: Subscription, organisations: Sequence[str], pool: str, window: Window, at_us: int) -> int:
    """Units that a pool may have at an instant: found by replaying the year up to it."""
    plan = to.plan
    for change in to.changes:
        if change.from_us <= window.start_us:
            plan = change.plan
    own = plan.allowance.pool_scope == "organisation"
    units = 0
    for _ in organisations if plan.allowance.per_organisation and not own else [pool]:
        units += plan.allowance.quantity
    bought = 0
    for step in to.quantities:
        if step.organisation == pool and step.from_us <= at_us:
            bought = step.units
    return units + bought


def credits_of(to: Subscription, windows: Sequence[Window], organisations: Sequence[str], pool: str) -> list[Credit]:
    """Every credit of the term, one by one."""
    found: list[Credit] = []
    for place, window in enumerate(windows):
        if to.plan.allowance.per == "window":
            last = windows[place : place + to.plan.allowance.rollover_windows + 1][-1]
            number = entitled(to, organisations, pool, window, window.end_us - 1)
            found.extend(Credit(window.start_us, last.end_us) for _ in range(number))
            continue
        for at_us in sorted({window.start_us, *(it.from_us for it in to.quantities)}):
            if window.contains(at_us):
                while len(found) < entitled(to, organisations, pool, window, at_us):
                    found.append(Credit(at_us, to.end_us))
    return found


def account(
    to: Subscription,
    windows: Sequence[Window],
    organisations: Sequence[str],
    pool: str,
    uses: Iterable[Use],
    as_of_us: int,
) -> dict[int, Account]:
    """Each use takes the credit that dies first of all that are alive and unspent, in order of time."""
    all_of_them = [it for it in credits_of(to, windows, organisations, pool) if it.born_us < as_of_us]
    own = to.plan.allowance.pool_scope == "organisation"
    mine = sorted(it for it in uses if it.at_us < as_of_us and (not own or it.organisation == pool))
    found = {}
    for window in windows:
        if window.start_us >= as_of_us:
            continue
        here = found[window.number] = Account()
        for rank, use in enumerate((it for it in mine if window.contains(it.at_us)), 1):
            alive = [it for it in all_of_them if it.born_us <= use.at_us < it.dies_us and not it.spent_in]
            if alive:
                min(alive, key=lambda it: it.dies_us).spent_in = window.number
                here.included += 1
            else:
                here.overage += 1
                here.beyond.append(rank)
        unspent = [it for it in all_of_them if not it.spent_in]
        here.granted = sum(window.contains(it.born_us) for it in all_of_them)
        here.carried = sum(
            it.born_us < window.start_us < it.dies_us and it.spent_in in (0, window.number) for it in all_of_them
        )
        if window.end_us <= as_of_us:
            here.expired = sum(it.dies_us == window.end_us for it in unspent)
        if window.end_us > as_of_us:
            here.balance = sum(it.born_us < window.end_us and it.dies_us > window.start_us for it in unspent)
        else:
            here.balance = sum(it.born_us < window.end_us < it.dies_us for it in unspent)
    return found


@dataclass
class Chair:
    """A seat that is occupied: by whoever sits there, or for whoever left it."""

    who: tuple[str, str, str]
    rank: tuple[int, str, str]
    left: bool = False


@dataclass
class Sat:
    """What happened to the chairs in one window."""

    held_at_start: int = 0
    held_at_end: int = 0
    taken: int = 0
    released: int = 0
    peak: int = 0
    awaiting: int = 0
    ever: list[tuple[str, str, str]] = field(default_factory=list)
    beyond: list[tuple[str, str, str]] = field(default_factory=list)
    sitting: list[tuple[str, str, str]] = field(default_factory=list)


def sat(to: Subscription, windows: Sequence[Window], spans: Sequence[Held], as_of_us: int) -> dict[int, Sat]:
    """What happens to the chairs in each window, over every instant at which anything happens."""
    room = Room(to, windows, sorted(spans, key=lambda it: (it.on_us, it.source, it.fact)))
    instants = {it.on_us for it in spans} | {it.off_us for it in spans if it.off_us is not None}
    instants |= {it.from_us for it in (*to.quantities, *to.approvals)} | {it.start_us for it in windows}
    for at_us in sorted(it for it in instants if it < as_of_us):
        room.at(at_us)
    return room.found


@dataclass
class Room:
    """All chairs, and who ever sat on one."""

    to: Subscription
    windows: Sequence[Window]
    spans: Sequence[Held]
    chairs: list[Chair] = field(default_factory=list)
    left_in_order: list[Chair] = field(default_factory=list)
    ever: list[tuple[str, str, str]] = field(default_factory=list)
    here: Sat = field(default_factory=Sat)
    found: dict[int, Sat] = field(default_factory=dict)

    def at(self, at_us: int) -> None:
        """One instant: a window begins; some leave; some chairs are taken away; some sit down."""
        for window in self.windows:
            if window.start_us == at_us:
                self.here = self.found[window.number] = Sat(held_at_start=len(self.sitting()))
        for span in [it for it in self.spans if it.on_us < at_us == it.off_us]:
            self.leave(span)
        for approval in self.to.approvals:
            if approval.from_us == at_us:
                for chair in self.left_in_order[: approval.seats]:
                    self.take_away(chair)
        self.look(at_us)
        for span in [it for it in self.spans if it.on_us == at_us]:
            self.sit(span)
            self.look(at_us)
            if span.off_us == at_us:
                self.leave(span)
        self.here.sitting = self.sitting()
        self.here.held_at_end = len(self.here.sitting)
        self.here.awaiting = len(self.left_in_order)
        self.here.ever = list(self.ever)

    def sitting(self) -> list[tuple[str, str, str]]:
        """Who sits, by when they sat down."""
        return [it.who for it in sorted(self.chairs, key=lambda it: (it.rank, it.who)) if not it.left]

    def sit(self, span: Held) -> None:
        """On a chair of one's own: the one that was left goes."""
        self.here.taken += 1
        for chair in [it for it in self.left_in_order if it.who == span[3:6]]:
            self.take_away(chair)
        self.chairs.append(Chair(span[3:6], (span.on_us, span.source, span.fact)))
        if span[3:6] not in self.ever:
            self.ever.append(span[3:6])

    def leave(self, span: Held) -> None:
        """The chair stays where that is the rule."""
        self.here.released += 1
        [chair] = [it for it in self.chairs if it.who == span[3:6] and not it.left]
        chair.left = True
        self.left_in_order.append(chair)
        if not self.to.plan.allowance.reuse_requires_approval:
            self.take_away(chair)

    def take_away(self, chair: Chair) -> None:
        """A chair that was left goes."""
        self.left_in_order.remove(chair)
        self.chairs.remove(chair)

    def look(self, at_us: int) -> None:
        """Counts the chairs, and keeps those that are too many when most are."""
        self.here.peak = max(self.here.peak, len(self.chairs))
        window = next((it for it in self.windows if it.contains(at_us)), self.windows[0])
        too_many = len(self.chairs) - entitled(self.to, (), "", window, at_us)
        if too_many > len(self.here.beyond):
            in_order = sorted(self.chairs, key=lambda it: (it.rank, it.who))
            self.here.beyond = [it.who for it in in_order[-too_many:]]


def price(rate: Rate, units: int, tier_units: int) -> Decimal:
    """Unit by unit."""
    cost = Decimal(0)
    if rate.shape == "package":
        paid_for = 0
        while paid_for < units:
            paid_for += rate.size
            cost += rate.tiers[0].rate
        return cost
    for unit in range(1, units + 1):
        reached = unit if rate.shape == "graduated" else tier_units
        [*_, tier] = [it for it in rate.tiers if it.first <= max(reached, 1)]
        cost += tier.rate
        if unit == 1 or (rate.shape == "graduated" and tier.first == unit):
            cost += tier.flat
    return cost
