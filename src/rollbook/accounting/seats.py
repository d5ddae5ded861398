"""Seats are held from an instant, that one included, until another, that one excluded.

At one instant whoever lets go does so before whoever takes: the seat is free for the newcomer. So who lets go at the
first instant of a window held it in the window before only. A span that was switched off at once is taken and
released; it counts among the most at once.

A seat that was released and is not yet approved for others stays occupied, in the place of whoever took it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, compress, islice, pairwise
from operator import add, itemgetter, sub
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
    """One span: a unit holds a seat within [on_us, off_us), open where `off_us` is None; `source`, `fact` began it.

    A row of `questions.HELD_SQL`.
    """

    on_us: int
    source: str
    fact: str
    organisation: str
    unit: str
    object: str
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
    overage                        how many are beyond it
    beyond                         the units beyond it, in order: those who took their seats last, of all that were
                                   occupied when most were too many (for `peak`), or of all that are counted; none
                                   where nobody asked who they are
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
    overage: int
    beyond: tuple[UnitKey, ...]
    is_open: bool = False

    @property
    def available(self) -> int:
        """Seats that someone could take now; below 0 by how many too many are held."""
        return self.quantity - self.held_at_end - self.awaiting


def seats(
    subscription: Subscription, windows: Sequence[Window], held: Iterable[Held], as_of_us: int
) -> tuple[Seats, ...]:
    """What happened to the seats, window by window. `windows` are the term's, or any others in order."""
    return timeline(subscription, windows, held, as_of_us).seats(subscription, windows)


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


Event = tuple[int, int, int, str, str, bool, str, str, str, int]
"""One thing that happens to seats: (at_us, phase, *rank, leaves, *key, seats). `seats` are approved at once.

Events sort in the order in which they happen: who takes a seat and leaves it at once does so in that order. They are
flat and plain because a page of 10,000 seats makes 20,000 of them, and what is summed up is so without a loop.
"""

PHASE, LEAVES = itemgetter(1), itemgetter(5)
KEY: Callable[[Event], UnitKey] = itemgetter(6, 7, 8)
"""Parts of an event."""

NOBODY: UnitKey = ("", "", "")


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that happened to seats before an instant, walked through once; any windows are cut from it.

    events   in the order in which they happened
    taken    seats that were ever taken, after so many events; likewise
    held     seats that were held
    waiting  seats that were released, and not yet approved for others
    ever     distinct units that took one, after so many were taken
    steps    places of those events that are another quantity
    pieces   (end, approved): until so many events have passed, whether released seats wait for an approval
    """

    as_of_us: int
    events: Sequence[Event]
    taken: Sequence[int]
    held: Sequence[int]
    waiting: Sequence[int]
    ever: Sequence[int]
    steps: Sequence[int]
    pieces: Sequence[tuple[int, bool]]

    def held_before(self, at_us: int) -> int:
        """Seats held before anything happened at an instant."""
        return self.held[bisect_left(self.events, (at_us,))]

    def seats(self, subscription: Subscription, windows: Sequence[Window], *, named: bool = True) -> tuple[Seats, ...]:
        """What happened in each of these windows. `named` is whether it is asked who was beyond."""
        room = _Room(self)
        begun = (window for window in windows if window.start_us < self.as_of_us)
        return tuple(self._window(subscription, window, room if named else None) for window in begun)

    def _window(self, subscription: Subscription, window: Window, room: _Room | None) -> Seats:
        """`room` was walked through to this window at most."""
        until_us = min(window.end_us, self.as_of_us)
        # Who lets go at the first instant held it before only, and occupies no seat in this window.
        start, begun, end = (
            bisect_left(self.events, it) for it in ((window.start_us, OFF), (window.start_us, STEP), (until_us, OFF))
        )
        taken, ever = self.taken[end] - self.taken[start], self.ever[self.taken[end]]
        bought = quantity(subscription, window, until_us - 1)
        occupied = list(map(add, self.held[begun : end + 1], self.waiting[begun : end + 1]))
        basis = subscription.plan_at(window.start_us).allowance.basis
        at = end
        if basis == "peak":
            counted = max(occupied)
            overage, at = self._most(subscription, window, begun, occupied)
        else:
            counted = self.held[end] if basis == "end" else ever
            overage = max(counted - bought, 0)
        return Seats(
            window=window,
            quantity=bought,
            held_at_start=self.held[start],
            held_at_end=self.held[end],
            taken=taken,
            released=self.held[start] + taken - self.held[end],
            peak=max(occupied),
            awaiting=self.waiting[end],
            ever=ever,
            counted=counted,
            overage=overage,
            beyond=tuple(room.beyond(basis, at, overage)) if room and overage else (),
            is_open=self.as_of_us < window.end_us,
        )

    def _most(self, subscription: Subscription, window: Window, begun: int, occupied: Sequence[int]) -> tuple[int, int]:
        """(how many were too many when most were, how many events had passed when they first were)."""
        end = begun + len(occupied) - 1
        steps = self.steps[bisect_left(self.steps, begun) : bisect_left(self.steps, end)]
        bought = [quantity(subscription, window, it) for it in (window.start_us, *(self.events[it][0] for it in steps))]
        most, at = 0, begun
        # Between two steps the quantity is one.
        for units, (first, last) in zip(bought, pairwise([begun, *(it + 1 for it in steps), end + 1]), strict=True):
            some = occupied[first - begun : last - begun]
            if some and max(some) - units > most:
                most, at = max(some) - units, first + some.index(max(some))
        return most, at


def timeline(subscription: Subscription, windows: Sequence[Window], held: Iterable[Held], as_of_us: int) -> Timeline:
    """Everything that happened to the seats before an instant. `windows` are the term's: a window keeps its plan."""
    events = _happened(subscription, held, as_of_us)
    pieces: list[tuple[int, bool]] = []
    for number, window in enumerate(windows):
        following = windows[number + 1].start_us if number + 1 < len(windows) else None
        end = bisect_left(events, (following,)) if following is not None else len(events)
        pieces.append((end, subscription.plan_at(window.start_us).allowance.reuse_requires_approval))
    aside = accumulate(map((APPROVE, STEP).__contains__, map(PHASE, events)), initial=0)
    left = list(accumulate(map(LEAVES, events), initial=0))
    taken = list(map(sub, map(sub, range(len(events) + 1), left), aside))
    seen, ever = set[UnitKey](), [0]
    for key in map(KEY, compress(events, map(sub, islice(taken, 1, None), taken))):
        seen.add(key)
        ever.append(len(seen))
    made = Timeline(
        as_of_us=as_of_us,
        events=events,
        taken=taken,
        held=list(map(sub, taken, left)),
        waiting=[0] * (len(events) + 1),
        ever=ever,
        steps=[place for place, event in enumerate(events) if event[1] == STEP] if subscription.quantities else [],
        pieces=pieces,
    )
    if any(approved for _, approved in pieces):
        return replace(made, waiting=_Room(made).walk(len(events)))
    return made


def _happened(subscription: Subscription, held: Iterable[Held], as_of_us: int) -> list[Event]:
    """Everything that happens to seats before an instant, in order.

    A unit that is one in all organisations has one seat, wherever it was taken.
    """
    found: list[Event] = [
        (approval.from_us, APPROVE, 0, "", "", False, *NOBODY, approval.seats) for approval in subscription.approvals
    ]
    found += [(step.from_us, STEP, 0, "", "", False, *NOBODY, 0) for step in subscription.quantities]
    across = subscription.plan.meter.across
    for on_us, source, fact, of, unit, object_, off_us in held:
        organisation = "" if across else of
        found.append((on_us, ON, on_us, source, fact, False, organisation, unit, object_, 0))
        if off_us is not None:
            phase = ON if off_us == on_us else OFF
            found.append((off_us, phase, on_us, source, fact, True, organisation, unit, object_, 0))
    found.sort()
    return found[: bisect_left(found, (as_of_us,))]


class _Room:
    """The seats by name, walked through in time.

    holding, waiting   when those took their seats who hold one, or left it and are waited for
    passed             events that are behind
    """

    def __init__(self, there: Timeline) -> None:
        self.there = there
        self.holding: dict[UnitKey, Rank] = {}
        self.waiting: dict[UnitKey, Rank] = {}
        self.passed = 0

    def walk(self, to: int) -> list[int]:
        """Walks on until so many events have passed; how many waited where this began, and after each event."""
        waited = [len(self.waiting)]
        for end, approved in self.there.pieces:
            for event in self.there.events[self.passed : min(end, to)]:
                self._pass(event, approved=approved)
                waited.append(len(self.waiting))
            self.passed = max(self.passed, min(end, to))
        return waited

    def _pass(self, event: Event, *, approved: bool) -> None:
        phase, key = event[1], event[6:9]
        if event[5]:
            seated = self.holding.pop(key)
            if approved:
                self.waiting[key] = seated
        elif phase == ON:
            self.holding[key] = event[2:5]
            # Whoever comes back sits down again where nobody else was let in: that needs no approval.
            self.waiting.pop(key, None)
        elif phase == APPROVE:
            for left in list(islice(self.waiting, event[9])):
                del self.waiting[left]

    def beyond(self, basis: str, at: int, number: int) -> list[UnitKey]:
        """Those beyond what is bought when so many events have passed: whoever took a seat last, of all that count."""
        if basis == "ever":
            came = [it for it in dict.fromkeys(map(KEY, self.there.events[:at])) if it != NOBODY]
        else:
            self.walk(at)
            seated = self.holding if basis == "end" else self.waiting | self.holding
            came = sorted(seated, key=lambda key: (seated[key], key))
        return came[len(came) - number :]
