"""What a reader should see first: key figures, and the curves that charts draw. All of it is read off the account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from rollbook.accounting.account import Account
from rollbook.accounting.seats import quantity
from rollbook.metering.outcome import CLASSES
from rollbook.model.instants import DAY_US, from_us
from rollbook.model.money import Money
from rollbook.model.window import Window
from rollbook.reports.consumption import as_windows_have_it

POINTS_MAX = 400
"""Points of a curve over time; where a term has more days, it skips some."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure. `alarming` where more was used than is included."""

    label: str
    value: int | Money
    note: str = ""
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One window: units by class, in the order of `CLASSES`, and the allowance; None where there is none of its own."""

    window: Window
    units: tuple[int, ...]
    allowance: int | None


@dataclass(frozen=True, slots=True)
class Point:
    """A quantity at an instant, against a limit."""

    at: datetime
    units: int
    limit: int


def figures(found: Account) -> tuple[Figure, ...]:
    """The key figures of all pools together, in the latest window that has begun; none where none has."""
    if not found.consumption:
        return ()
    latest = max(it.window.number for it in found.consumption)
    now = found.of(latest)
    running = "so far" if any(it.is_open for it in now) else "at its end"
    left = sum(it.available for it in now)
    shown = [*(_seats(found) if found.seats else _units(found, latest, running))]
    word = "left" if left >= 0 else "beyond what is included"
    of_term = any(it.per_term for it in now) or bool(found.seats)
    where = "in the term" if of_term else f"in window {latest}, {running}"
    shown.append(Figure(word.capitalize(), abs(left), where, alarming=left < 0))
    over = [it for it in found.consumption if it.overage]
    if over and (left >= 0 or not of_term):
        windows = len({it.window.number for it in over})
        note = f"in {windows} of {latest} windows"
        shown.append(Figure("Beyond what is included", sum(it.overage for it in over), note, alarming=True))
    costs = found.total()
    if costs is not None:
        shown.append(Figure("Charges so far", costs, f"{latest} windows" if latest > 1 else "1 window"))
    return tuple(shown)


def _units(found: Account, latest: int, running: str) -> Iterator[Figure]:
    now = found.of(latest)
    used = sum(it.active for it in found.consumption)
    per_term = any(it.per_term for it in now)
    allowance = sum(it.allowance for it in now)
    included = f", of {allowance:,} included" if allowance and not per_term else ""
    yield Figure(f"Active in window {latest}", sum(it.active for it in now), running + included)
    granted = sum(it.granted for it in found.consumption)
    note = f"of {granted:,} included" if per_term and granted else f"the sum of {latest} windows"
    yield Figure("Used in the term", used, note)


def _seats(found: Account) -> Iterator[Figure]:
    now = found.seats[-1]
    yield Figure("Seats held", now.held_at_end, f"of {now.quantity:,}")
    yield Figure("Most at once", now.peak, f"in window {now.window.number}")
    yield Figure("Learners ever seated", now.ever, "in the term")


def bars(found: Account) -> tuple[Bar, ...]:
    """The active units of each window by class; all pools together. Of seats, none: they are a curve."""
    if found.seats:
        return ()
    drawn = []
    for window in found.windows:
        used = found.of(window.number)
        if used:
            units = tuple(sum(getattr(it, class_) for it in used) for class_ in CLASSES)
            shared = any(it.per_term for it in used)
            drawn.append(Bar(window, units, None if shared else sum(it.allowance for it in used)))
    return tuple(drawn)


def pool(found: Account) -> tuple[Point, ...]:
    """What the term has used from its start to the end of each window, or until now, against all that was granted."""
    used = granted = 0
    points: list[Point] = []
    for window in found.windows:
        of_window = [it for it in found.of(window.number) if it.per_term]
        if of_window:
            used += sum(it.active for it in of_window)
            granted += sum(it.granted for it in of_window)
            if not points:
                points.append(Point(window.start, 0, granted))
            points.append(Point(from_us(min(window.end_us, found.as_of_us)), used, granted))
    return tuple(points)


def seats_held(found: Account) -> tuple[Point, ...]:
    """Seats held at the end of each day of the term, against those that there are; of seats only."""
    there = found.timeline
    if there is None or not found.seats:
        return ()
    start_us, end_us = found.windows[0].start_us, min(found.windows[-1].end_us, found.as_of_us)
    step = max((end_us - start_us) // DAY_US // POINTS_MAX, 1) * DAY_US
    subscription = as_windows_have_it(found)

    def point(at_us: int, within: Window) -> Point:
        # Whoever takes or lets go at the instant itself does so in what follows.
        return Point(
            from_us(at_us), there.held_before(at_us), quantity(subscription, within, max(at_us - 1, within.start_us))
        )

    days = [Window(number, *ends) for number, ends in enumerate(pairwise([*range(start_us, end_us, step), end_us]), 1)]
    return (point(start_us, days[0]), *(point(it.end_us, it) for it in days))
