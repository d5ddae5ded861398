"""What was used of what is included: balance = granted - used - expired, and included + overage = counted.

Only numbers are needed: how many units of each class counted in a window, cut where a grant begins inside it. Who is
beyond the allowance follows from the order of first instants, by rank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rollbook.accounting.grants import Grant, grants, included_by_plan, pools
from rollbook.metering.outcome import CLASSES, CONTINUING, NEW, REACTIVATED
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window


@dataclass(frozen=True, slots=True, order=True)
class Tally:
    """How many units of one class counted in a window.

    segment  how many cuts of the window lie at or before their first instants, see `cuts`
    """

    window: int
    organisation: str
    segment: int
    class_: str
    guest: bool
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """What one pool used in one window.

    pool                           '' for the customer's, or an organisation
    new, continuing, reactivated   the units that counted, by class
    guests                         of these, entries of guests
    carried, granted               usable from before, and new in this window
    free                           of what is in force, the part that the plan itself includes
    included, overage              counted within the allowance, and beyond it
    expired                        ended unused with this window
    balance                        usable after it
    overage_to_date                beyond the allowance, in this window and those before it
    beyond                         ranks (first, last), both included, of those beyond, by (first instant, source, id)
    is_open                        not all of the window has happened yet
    per_term                       whether the allowance is the term's
    """

    window: Window
    pool: str = ""
    new: int = 0
    continuing: int = 0
    reactivated: int = 0
    guests: int = 0
    carried: int = 0
    granted: int = 0
    free: int = 0
    included: int = 0
    overage: int = 0
    expired: int = 0
    balance: int = 0
    overage_to_date: int = 0
    beyond: tuple[tuple[int, int], ...] = ()
    is_open: bool = False
    per_term: bool = False

    @property
    def active(self) -> int:
        """All that counted."""
        return self.new + self.continuing + self.reactivated

    @property
    def allowance(self) -> int:
        """All that was usable in this window."""
        return self.carried + self.granted

    @property
    def available(self) -> int:
        """What is left at the end, before any of it expires; below 0 by how much was used beyond it (S-40)."""
        return self.balance + self.expired or -(self.overage_to_date if self.per_term else self.overage)


def cuts(
    subscription: Subscription, windows: Sequence[Window], organisations: Sequence[str], as_of_us: int
) -> Mapping[int, tuple[int, ...]]:
    """Instants inside windows at which more becomes usable, by window number: tallies tell units before from after."""
    found = grants(subscription, windows, organisations, as_of_us)
    inside = {
        window.number: {grant.from_us for grant in found if window.start_us < grant.from_us < window.end_us}
        for window in windows
    }
    return {number: tuple(sorted(instants)) for number, instants in inside.items() if instants}


def consumption(
    subscription: Subscription,
    windows: Sequence[Window],
    tallies: Iterable[Tally],
    organisations: Sequence[str],
    as_of_us: int,
) -> tuple[Consumption, ...]:
    """What each pool used in each window that has begun, in order of windows.

    Of allowances that are held, see `seats`.
    """
    between = cuts(subscription, windows, organisations, as_of_us)
    shared = pools(subscription, organisations)
    counted: defaultdict[tuple[int, str], list[Tally]] = defaultdict(list)
    for tally in tallies:
        counted[tally.window, tally.organisation if shared != ("",) else ""].append(tally)
    allowed = grants(subscription, windows, organisations, as_of_us)
    found: list[Consumption] = []
    for name in shared:
        pool = _Pool(name, [grant for grant in allowed if grant.pool == name])
        for window in windows:
            if window.start_us < as_of_us:
                free = included_by_plan(subscription, organisations, window)
                used = pool.use(window, counted[window.number, name], between.get(window.number, ()), as_of_us)
                found.append(replace(used, free=free, per_term=subscription.plan.allowance.per == "term"))
    return tuple(sorted(found, key=lambda used: (used.window.number, used.pool)))


class _Pool:
    """What is usable, window by window. `usable` holds [grant, units left], those that end first before others."""

    def __init__(self, name: str, allowed: Sequence[Grant]) -> None:
        self.name = name
        self.coming = sorted(allowed, key=lambda grant: grant.from_us, reverse=True)
        self.usable: list[tuple[Grant, int]] = []
        self.overage = 0

    def use(self, window: Window, tallies: Sequence[Tally], between: Sequence[int], as_of_us: int) -> Consumption:
        """Uses what a window counted, and ends what ends with it."""
        carried = self._left()
        granted = included = overage = rank = 0
        beyond: list[tuple[int, int]] = []
        for segment, from_us in enumerate((window.start_us, *between)):
            granted += self._begin(from_us)
            units = sum(tally.units for tally in tallies if tally.segment == segment)
            drawn = self._draw(units)
            if drawn < units:
                beyond.append((rank + drawn + 1, rank + units))
            included, overage, rank = included + drawn, overage + units - drawn, rank + units
        self.overage += overage
        is_open = as_of_us < window.end_us
        of_class = {class_: sum(tally.units for tally in tallies if tally.class_ == class_) for class_ in CLASSES}
        return Consumption(
            window=window,
            pool=self.name,
            new=of_class[NEW],
            continuing=of_class[CONTINUING],
            reactivated=of_class[REACTIVATED],
            guests=sum(tally.units for tally in tallies if tally.guest),
            carried=carried,
            granted=granted,
            included=included,
            overage=overage,
            expired=0 if is_open else self._expire(window.end_us),
            balance=self._left(),
            overage_to_date=self.overage,
            beyond=tuple(_joined(beyond)),
            is_open=is_open,
        )

    def _begin(self, at_us: int) -> int:
        """Makes what begins by then usable; returns how much that is."""
        begun = 0
        while self.coming and self.coming[-1].from_us <= at_us:
            grant = self.coming.pop()
            self.usable.append((grant, grant.units))
            begun += grant.units
        self.usable.sort()
        return begun

    def _draw(self, units: int) -> int:
        """Takes up to so many units, from what ends first; returns how many there were."""
        wanted, left = units, []
        for grant, usable in self.usable:
            taken = min(wanted, usable)
            wanted -= taken
            left.append((grant, usable - taken))
        self.usable = left
        return units - wanted

    def _expire(self, at_us: int) -> int:
        """Ends what is usable until then only; returns how much of it was left."""
        before = self._left()
        self.usable = [(grant, units) for grant, units in self.usable if grant.until_us > at_us]
        return before - self._left()

    def _left(self) -> int:
        return sum(units for _, units in self.usable)


def _joined(ranks: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges that touch become one."""
    held: tuple[int, int] | None = None
    for first, last in ranks:
        if held and held[1] + 1 == first:
            held = (held[0], last)
            continue
        if held:
            yield held
        held = (first, last)
    if held:
        yield held
