"""Cuts a term into windows, and windows into rows of UTC days that a join can use.

Windows tile the term: each includes its start and excludes its end, where the next one begins. All cuts are
local midnights of the subscription's zone, so a window across a clock change is an hour shorter or longer,
and blocks of 30 days are calendar days (A-b).
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from rollbook.model.instants import DAY_US, start_of_day_us
from rollbook.model.plan import WindowRule
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window

_EVERY_MONTH = 28
"""Days that every month has."""


class DayRow(NamedTuple):
    """The part [from_us, to_us) of one UTC day that belongs to one window. `day` counts UTC days since 1970."""

    day: int
    from_us: int
    to_us: int
    window: int


def windows(subscription: Subscription) -> tuple[Window, ...]:
    """The windows of the term, numbered from 1."""
    return _numbered(*_how_cut(subscription), subscription.start, subscription.end)


@lru_cache(maxsize=4096)
def _numbered(rule: WindowRule, zone: str, anchor: date | None, start: date, end: date) -> tuple[Window, ...]:
    """The windows of a term. Every answer begins with them, and many subscriptions are cut alike."""
    return tuple(Window(number, *ends) for number, ends in enumerate(_tiles(rule, zone, anchor, start, end), 1))


def _how_cut(subscription: Subscription) -> tuple[WindowRule, str, date | None]:
    """What decides where windows begin, apart from the term: the rule, the zone, and the anchor where the rule asks."""
    rule = subscription.plan.window
    anchored = rule.kind == "anniversary-month"
    return rule, subscription.zone, (subscription.anchor or subscription.start) if anchored else None


def history(subscription: Subscription, first_us: int) -> tuple[Window, ...]:
    """The windows of the terms before this one, of the same length and cut the same way, numbered …, -1, 0.

    They reach back until `first_us`, the first fact, is inside. Activity in them informs the classes.
    """
    if first_us >= subscription.start_us:
        return ()
    cut = _how_cut(subscription)
    backwards: list[tuple[int, int]] = []
    for start, end in _earlier_terms(subscription):
        backwards += reversed(_tiles(*cut, start, end))
        if backwards and backwards[-1][0] <= first_us:
            break
    numbered = (Window(-n, *ends) for n, ends in enumerate(backwards))
    return tuple(window for window in numbered if window.end_us > first_us)[::-1]


def day_rows(windows: Sequence[Window]) -> Iterator[DayRow]:
    """The day calendar: each UTC day that a window touches, with the part of it inside."""
    for window in windows:
        for day in range(window.start_us // DAY_US, (window.end_us - 1) // DAY_US + 1):
            from_us, to_us = day * DAY_US, (day + 1) * DAY_US
            yield DayRow(day, max(from_us, window.start_us), min(to_us, window.end_us), window.number)


@lru_cache(maxsize=4096)
def _tiles(rule: WindowRule, zone: str, anchor: date | None, start: date, end: date) -> tuple[tuple[int, int], ...]:
    """The windows of one term as instants, in order."""
    midnights = ZoneInfo(zone)
    instants = [start_of_day_us(cut, midnights) for cut in _cuts(rule, start, end, anchor)]
    # A zone may skip a whole date (Samoa, 30 December 2011); a window of no length is none.
    return tuple((from_us, to_us) for from_us, to_us in pairwise(instants) if from_us < to_us)


def _cuts(rule: WindowRule, start: date, end: date, anchor: date | None) -> list[date]:
    """Every local date at which a window begins, and the term's end."""
    if rule.kind == "days":
        inner = _blocks(rule, start, end)
    elif rule.kind == "calendar-month":
        inner = _monthly(start.replace(day=1), start, end)
    elif anchor:
        inner = _monthly(anchor, start, end)
    else:
        inner = []
    return [start, *inner, end]


def _monthly(anchor: date, start: date, end: date) -> list[date]:
    """The monthly returns of `anchor` strictly inside the term, each reckoned from the original day."""
    months = (start.year - anchor.year) * 12 + start.month - anchor.month - 1
    found: list[date] = []
    while (cut := _months_later(anchor, months)) < end:
        if cut > start:
            found.append(cut)
        months += 1
    return found


def _months_later(day: date, months: int) -> date:
    """The return of a day, or the last day of a month that is too short for it: `relativedelta` takes ten µs for it."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    most = day.day if day.day <= _EVERY_MONTH else min(day.day, monthrange(year, month + 1)[1])
    return date(year, month + 1, most)


def _blocks(rule: WindowRule, start: date, end: date) -> list[date]:
    """Where the blocks after the first begin; with merge-last, days left over extend the final block (A-06)."""
    length = timedelta(days=rule.length_days)
    whole, left = divmod(end - start, length)
    blocks = whole + (1 if left and rule.remainder == "short-last" else 0)
    return [start + n * length for n in range(1, blocks)]


def _earlier_terms(subscription: Subscription) -> Iterator[tuple[date, date]]:
    """The terms before this one, latest first, back to 1970; whole months stay whole months."""
    start, end = subscription.start, subscription.end
    months = (end.year - start.year) * 12 + end.month - start.month
    whole = start + relativedelta(months=months) == end
    later = start
    for n in range(1, (start - date(1970, 1, 1)).days + 2):
        earlier = start - relativedelta(months=months * n) if whole and months else start - n * (end - start)
        if later <= date(1970, 1, 1):
            return
        yield max(earlier, date(1969, 1, 1)), later
        later = earlier
