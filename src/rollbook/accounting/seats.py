"""Seats are held from an instant, that one included, until another, that one excluded.

At one instant whoever lets go does so before whoever takes: the seat is free for the newcomer. So who lets go at the
first instant of a window held it in the window before only. A span that was switched off at once is taken and
released; it counts among the most at once.

A seat that was released and is not yet approved for others stays occupied, in the place of whoever took it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from rollbook.accounting.consumption import Consumption
from rollbook.accounting.grants import included_by_plan
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window

UnitKey = tuple[str, str, str]
"""(organisation, unit, object); the organisation is '' where a unit is one in all of them, see `Meter.across`."""


Rank = tuple[int, str, str]
"""When a seat was taken, and the source and id of the fact by which it was."""


class Held(NamedTuple):
    """One span: `key` holds a seat within [on_us, off_us), open where `off_us` is None; `source`, `fact` began it."""

    on_us: int
    source: str
    fact: str
    key: UnitKey
    off_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """What happened to the seats in one window.

    quantity                       seats that are included and bought, at its end
    held_at_start, held_at_end     seats held then
    taken, released                within the window
    peak                           the most at once, with those that are released and not yet approved for others
    awaiting                       released, and not yet approved for others
    ever                           distinct units that held one since the term began
    counted                        what is compared with the quantity: peak, held at the end, or ever
    beyond                         the units beyond it, in order: those who took their seats last, of all that were
                                   occupied when most were too many (for `peak`), or of all that are counted
    """

    window: Window
    quantity: int
    held_at_start: int
    held_at_end: int
    taken: int
    released: int
    peak: int
    awaiting: int
    ever: int
    counted: int
    beyond: tuple[UnitKey, ...]
    is_open: bool = False

    @property
    def overage(self) -> int:
        """Seats beyond the quantity."""
        return len(self.beyond)

    @property
    def available(self) -> int:
        """Seats that someone could take now; below 0 by how many too many are held."""
        return self.quantity - self.held_at_end - self.awaiting


def seats(
    subscription: Subscription, windows: Sequence[Window], held: Iterable[Held], as_of_us: int
) -> tuple[Seats, ...]:
    """What happened to the seats, window by window. `windows` are the term's, or any others in order."""
    return walked(subscription, windows, happened(subscription, held, as_of_us), as_of_us)


def walked(
    subscription: Subscription, windows: Sequence[Window], events: Sequence[Event], as_of_us: int
) -> tuple[Seats, ...]:
    """The same of what `happened`: for other windows of the same spans."""
    row = _Row(subscription, events)
    return tuple(row.window(window, as_of_us) for window in windows if window.start_us < as_of_us)


def quantity(subscription: Subscription, window: Window, at_us: int) -> int:
    """Seats that are included and bought at an instant of a window."""
    return included_by_plan(subscription, (), window) + subscription.bought(at_us)


def as_consumption(subscription: Subscription, used: Seats) -> Consumption:
    """Seats in the words of any other allowance; those who hold one throughout carry over from before."""
    within = used.counted - used.overage
    return Consumption(
        window=used.window,
        new=used.counted,
        granted=used.quantity,
        free=included_by_plan(subscription, (), used.window),
        included=within,
        overage=used.overage,
        overage_to_date=used.overage,
        balance=max(used.quantity - used.counted, 0),
        is_open=used.is_open,
    )


OFF, APPROVE, STEP, ON = range(4)
"""What happens first at one instant. A step is another quantity."""


Event = tuple[int, int, Rank, bool, UnitKey, int]
"""One thing that happens to seats: (at_us, phase, rank, at_once, key, seats). `seats` are approved at once.

Events sort in the order in which they happen. They are plain because a page of 10,000 seats makes 20,000 of them.
"""


def happened(subscription: Subscription, held: Iterable[Held], as_of_us: int) -> list[Event]:
    """Everything that happens to seats before an instant, in order.

    A unit that is one in all organisations has one seat, wherever it was taken.
    """
    nobody: UnitKey = ("", "", "")
    nothing: Rank = (0, "", "")
    found: list[Event] = [
        (approval.from_us, APPROVE, nothing, False, nobody, approval.seats) for approval in subscription.approvals
    ]
    found += [(step.from_us, STEP, nothing, False, nobody, 0) for step in subscription.quantities]
    across = subscription.plan.meter.across
    for on_us, source, fact, of, off_us in held:
        key = ("", of[1], of[2]) if across else of
        rank = (on_us, source, fact)
        found.append((on_us, ON, rank, False, key, 0))
        if off_us == on_us:
            found.append((on_us, ON, rank, True, key, 0))
        elif off_us is not None:
            found.append((off_us, OFF, rank, False, key, 0))
    found.sort()
    return found[: bisect_left(found, as_of_us, key=itemgetter(0))]


@dataclass(slots=True)
class _Row:
    """The seats, walked through in time.

    holding, waiting   when those took their seats who hold one, or left it and are waited for
    passed             events that are behind
    taken, released    since they were last set to none
    high               the most that were occupied since then
    most, at           the most that were too many since then, and how many events had passed when they first were
    """

    subscription: Subscription
    events: Sequence[Event]
    holding: dict[UnitKey, Rank] = field(default_factory=dict)
    waiting: dict[UnitKey, Rank] = field(default_factory=dict)
    ever: dict[UnitKey, None] = field(default_factory=dict)
    passed: int = 0
    taken: int = 0
    released: int = 0
    high: int = 0
    most: int = 0
    at: int = 0

    def window(self, window: Window, as_of_us: int) -> Seats:
        """Walks through one window."""
        until_us = min(window.end_us, as_of_us)
        self._walk(window, (window.start_us, OFF))
        at_start = len(self.holding)
        self.taken = self.released = self.most = 0
        self._walk(window, (window.start_us, STEP))
        self.high = len(self.holding) + len(self.waiting)
        self.most = max(self.high - quantity(self.subscription, window, window.start_us), 0)
        self.at = self.passed
        begun = replace(self, holding=dict(self.holding), waiting=dict(self.waiting), ever={})
        self._walk(window, (until_us, OFF))
        bought = quantity(self.subscription, window, until_us - 1)
        counted, beyond = self.high, begun.latest(window, self.at, self.most) if self.most else []
        basis = self.subscription.plan_at(window.start_us).allowance.basis
        if basis == "end":
            counted, beyond = len(self.holding), _latest(self.holding, len(self.holding) - bought)
        elif basis == "ever":
            counted, beyond = len(self.ever), list(self.ever)[bought:]
        return Seats(
            window=window,
            quantity=bought,
            held_at_start=at_start,
            held_at_end=len(self.holding),
            taken=self.taken,
            released=self.released,
            peak=self.high,
            awaiting=len(self.waiting),
            ever=len(self.ever),
            counted=counted,
            beyond=tuple(beyond),
            is_open=as_of_us < window.end_us,
        )

    def latest(self, window: Window, at: int, number: int) -> list[UnitKey]:
        """Walks on to where so many events have passed; of all whose seats are occupied then, who took one last."""
        self._pass(window, at)
        return _latest(self.waiting | self.holding, number)

    def _walk(self, window: Window, until: tuple[int, int]) -> None:
        """Passes what happens before an instant, or at it in an earlier phase."""
        self._pass(window, bisect_left(self.events, until))

    def _pass(self, window: Window, end: int) -> None:
        """The same up to a place. It is one loop over local names because there may be very many."""
        holding, waiting, ever = self.holding, self.waiting, self.ever
        taken, released, high, most, at = self.taken, self.released, self.high, self.most, self.at
        approved = self.subscription.plan_at(window.start_us).allowance.reuse_requires_approval
        bought = quantity(self.subscription, window, window.start_us)
        for place, (at_us, phase, rank, at_once, key, let_in) in enumerate(self.events[self.passed : end], self.passed):
            if phase == ON and not at_once:
                holding[key] = rank
                ever.setdefault(key)
                # Whoever comes back sits down again where nobody else was let in: that needs no approval.
                waiting.pop(key, None)
                taken += 1
            elif phase == STEP:
                bought = quantity(self.subscription, window, at_us)
            elif phase == APPROVE:
                for left in list(islice(waiting, let_in)):
                    del waiting[left]
                continue
            else:
                seated = holding.pop(key)
                if approved:
                    waiting[key] = seated
                released += 1
                continue
            occupied = len(holding) + len(waiting)
            high = max(high, occupied)
            if occupied - bought > most:
                most, at = occupied - bought, place + 1
        self.passed = max(self.passed, end)
        self.taken, self.released, self.high, self.most, self.at = taken, released, high, most, at


def _latest(seated: Mapping[UnitKey, Rank], number: int) -> list[UnitKey]:
    """Those who took a seat last, in the order in which they took it."""
    in_order = sorted(seated, key=lambda key: (seated[key], key))
    return in_order[len(in_order) - min(number, len(in_order)) :] if number > 0 else []
