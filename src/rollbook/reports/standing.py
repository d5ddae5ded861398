"""How things stand in one window, all pools together or one of them: what a reader is shown first.

Nothing is counted here; all of it is read off the account, by the figures that thresholds compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from rollbook.accounting.account import Account
from rollbook.accounting.seats import Seats
from rollbook.model.window import Window
from rollbook.reports.usage import percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One window, at its end or now.

    per         of what the allowance is: window, term or held
    active      units that counted in the window; of seats, those that are compared with the quantity
    used        what is compared with what is included: of the term so far where the pool is the term's, else `active`
    included    what it is compared with; 0 where nothing is included
    remaining   what is left; below 0 by how much was used beyond it. Of seats, those that are free
    percent     of what is included, to one decimal; None where nothing is
    pace        what an even use of what is included would have used by now; None for what lasts, or without any
    share       an even share of what is included for each window, of a pool of the term; else None
    over        part of the window, or of the term where the pool is the term's, that is over: from 0 to 1
    reached     the highest threshold of the plan that is reached, in percent; 0 below the first
    guests      of the active ones, entries of guests
    seats       what happened to the seats, where they are held
    is_open     whether the window still runs
    """

    window: Window
    per: str
    active: int
    used: int
    included: int
    remaining: int
    percent: float | None
    pace: Decimal | None
    share: Decimal | None
    over: float
    reached: int
    guests: int
    seats: Seats | None
    is_open: bool

    @property
    def figure(self) -> int:
        """The one figure to show where there is room for one only: seats that are held, or what is compared."""
        return self.seats.held_at_end if self.seats else self.used

    @property
    def beyond(self) -> int:
        """Units above what is included; exactly as many as are included are within it (A-22)."""
        return max(self.used - self.included, 0)


def standing(found: Account, pool: str | None = None) -> Standing | None:
    """How things stand in the latest window that has begun; `pool` for one of several. None before the term.

    Where several pools are put together, a threshold is reached when any of them reaches it.
    """
    if not found.consumption:
        return None
    number = found.consumption[-1].window.number
    of_window = [it for it in found.of(number) if pool in (None, it.pool)]
    compared = [found.compared(it) for it in of_window]
    window, per = of_window[0].window, found.subscription.plan.allowance.per
    used, included = (sum(it[place] for it in compared) for place in (0, 1))
    seats = found.seats[-1] if found.seats else None
    over = _over(found, window, per)
    # What lasts is there when a window begins: it does not come evenly.
    even = included and not found.subscription.plan.meter.holds
    thresholds = found.subscription.plan_at(window.start_us).limit.thresholds
    reached = [it for it in thresholds for units, of in compared if of and units * 100 >= it * of]
    return Standing(
        window=window,
        per=per,
        active=sum(it.active for it in of_window),
        used=used,
        included=included,
        remaining=seats.available if seats else sum(it.available for it in of_window),
        percent=percent(used, included),
        pace=_tenths(included * Decimal(over)) if even else None,
        share=_tenths(Decimal(included) / len(found.windows)) if even and per == "term" else None,
        over=over,
        reached=max(reached, default=0),
        guests=sum(it.guests for it in of_window),
        seats=seats,
        is_open=any(it.is_open for it in of_window),
    )


def _over(found: Account, window: Window, per: str) -> float:
    start_us, end_us = window.start_us, window.end_us
    if per == "term":
        start_us, end_us = found.windows[0].start_us, found.windows[-1].end_us
    return min((found.as_of_us - start_us) / (end_us - start_us), 1.0)


def _tenths(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1"), ROUND_HALF_UP)
