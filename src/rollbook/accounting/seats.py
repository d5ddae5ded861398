"""Seats are held from an instant, that one included, until another, that one excluded.

At one instant whoever lets go does so before whoever takes: the seat is free for the newcomer. So who lets go at the
first instant of a window held it in the window before only. A span that was switched off at once is taken and
released; it counts among the most at once.

A seat that was released and is not yet approved for others stays occupied, in the place of whoever took it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from rollbook.accounting.consumption import Consumption
from rollbook.accounting.grants import included_by_plan
from rollbook.model.allowance import Allowance
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


class Event(NamedTuple):
    """One thing that happens to seats; events sort in the order in which they happen. `seats` are approved at once."""

    at_us: int
    phase: int
    rank: Rank
    at_once: bool
    key: UnitKey
    seats: int = 0


def happened(subscription: Subscription, held: Iterable[Held], as_of_us: int) -> list[Event]:
    """Everything that happens to seats before an instant, in order.

    A unit that is one in all organisations has one seat, wherever it was taken.
    """
    nobody: UnitKey = ("", "", "")
    found = [
        Event(approval.from_us, APPROVE, (0, "", ""), False, nobody, approval.seats)
        for approval in subscription.approvals
    ]
    found += [Event(step.from_us, STEP, (0, "", ""), False, nobody) for step in subscription.quantities]
    across = subscription.plan.meter.across
    for on_us, source, fact, of, off_us in held:
        key = ("", of[1], of[2]) if across else of
        rank = (on_us, source, fact)
        found.append(Event(on_us, ON, rank, False, key))
        if off_us == on_us:
            found.append(Event(on_us, ON, rank, True, key))
        elif off_us is not None:
            found.append(Event(off_us, OFF, rank, False, key))
    found.sort()
    return found[: bisect_left(found, as_of_us, key=attrgetter("at_us"))]


class _Row:
    """The seats, walked through in time."""

    def __init__(self, subscription: Subscription, events: Sequence[Event]) -> None:
        self.subscription = subscription
        self.events = events
        self.passed = 0
        self.holding: dict[UnitKey, Rank] = {}
        self.waiting: dict[UnitKey, Rank] = {}
        self.ever: dict[UnitKey, None] = {}
        # Whose seats are occupied: those who hold them, and those who left them and are waited for.
        self.seated: dict[UnitKey, Rank] = {}
        # What became of them since most were too many, so that only then they need to be put in order, and once.
        self.undo: list[tuple[UnitKey, Rank | None]] = []

    def window(self, window: Window, as_of_us: int) -> Seats:
        """Walks through one window."""
        until_us = min(window.end_us, as_of_us)
        allowance = self.subscription.plan_at(window.start_us).allowance
        for _ in self._walk((window.start_us, OFF), allowance):
            pass
        at_start = len(self.holding)
        taken, released = 0, sum(event.phase == OFF for event in self._walk((window.start_us, STEP), allowance))
        high = self._occupied()
        bought = quantity(self.subscription, window, window.start_us)
        most = max(high - bought, 0)
        self.undo.clear()
        for event in self._walk((until_us, OFF), allowance):
            if event.phase == STEP:
                bought = quantity(self.subscription, window, event.at_us)
            elif event.phase == ON and not event.at_once:
                taken += 1
            elif event.phase != APPROVE:
                released += 1
                continue
            occupied = self._occupied()
            high = max(high, occupied)
            if occupied - bought > most and event.phase != APPROVE:
                most = occupied - bought
                self.undo.clear()
        counted, beyond = high, self._latest(self._seated_then(), most) if most else []
        if allowance.basis == "end":
            counted, beyond = len(self.holding), self._latest(self.holding, len(self.holding) - bought)
        elif allowance.basis == "ever":
            counted, beyond = len(self.ever), list(self.ever)[bought:]
        return Seats(
            window=window,
            quantity=bought,
            held_at_start=at_start,
            held_at_end=len(self.holding),
            taken=taken,
            released=released,
            peak=high,
            awaiting=len(self.waiting),
            ever=len(self.ever),
            counted=counted,
            beyond=tuple(beyond),
            is_open=as_of_us < window.end_us,
        )

    def _walk(self, until: tuple[int, int], allowance: Allowance) -> Iterator[Event]:
        """Applies and gives what happens before an instant, or at it in an earlier phase."""
        end = bisect_left(self.events, until)
        while self.passed < end:
            event = self.events[self.passed]
            self.passed += 1
            if event.phase == ON and not event.at_once:
                self.holding[event.key] = event.rank
                self._seat(event.key, event.rank)
                self.ever.setdefault(event.key)
                # Whoever comes back sits down again where nobody else was let in: that needs no approval.
                self.waiting.pop(event.key, None)
            elif event.phase == APPROVE:
                for key in list(islice(self.waiting, event.seats)):
                    del self.waiting[key]
                    self._seat(key, None)
            elif event.phase != STEP:
                rank = self.holding.pop(event.key)
                if allowance.reuse_requires_approval:
                    self.waiting[event.key] = rank
                else:
                    self._seat(event.key, None)
            yield event

    def _occupied(self) -> int:
        return len(self.holding) + len(self.waiting)

    def _seat(self, key: UnitKey, rank: Rank | None) -> None:
        """Somebody's seat is occupied from now on, or no longer."""
        self.undo.append((key, self.seated.get(key)))
        _put(self.seated, key, rank)

    def _seated_then(self) -> dict[UnitKey, Rank]:
        """Whose seats were occupied when most were too many."""
        then = dict(self.seated)
        for key, rank in reversed(self.undo):
            _put(then, key, rank)
        return then

    def _latest(self, seated: Mapping[UnitKey, Rank], number: int) -> list[UnitKey]:
        """Those who took a seat last, in the order in which they took it."""
        in_order = sorted(seated, key=lambda key: (seated[key], key))
        return in_order[len(in_order) - min(number, len(in_order)) :] if number > 0 else []


def _put(seated: dict[UnitKey, Rank], key: UnitKey, rank: Rank | None) -> None:
    if rank is None:
        seated.pop(key, None)
    else:
        seated[key] = rank
