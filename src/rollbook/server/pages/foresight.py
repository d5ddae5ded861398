"""What is to be expected, in words. It plays the term on thousands of times, so each answer is kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from rollbook.advice.forecast import COMPLETE_MIN, Coming, Forecast
from rollbook.server import clock
from rollbook.server.live import contracts, metering
from rollbook.server.models import Subscription
from rollbook.server.notices.foreseen import LIKELY, SETTINGS, forecasts

KEPT_SECONDS = 300
"""A forecast says nothing about the last five minutes."""

KEPT_MAX = 500


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Of one pool: what is to be expected at the end of the window, or of the term where the allowance is the term's.

    end       the window at whose end it is; None where nothing can be said
    needed    complete windows from which anything can be said; `known` is how many there are
    likely    percent of the runs in which it goes beyond what is included
    day_us    when it probably does; None where it probably does not, or does already
    already   whether it is beyond it now
    """

    pool: str
    per: str
    end: Coming | None
    needed: int
    known: int
    likely: int
    day_us: int | None
    already: bool
    trend: int
    confidence: int
    at_us: int


_kept: OrderedDict[int, tuple[int, list[Foreseen]]] = OrderedDict()
_lock = threading.Lock()


def foreseen(row: Subscription) -> list[Foreseen]:
    """What is to be expected of each pool; none outside the term."""
    now_us = clock.now_us()
    with _lock:
        known = _kept.get(row.pk)
        if known and 0 <= now_us - known[0] < KEPT_SECONDS * 1_000_000:
            return known[1]
    live = contracts.live(row)
    found = [] if not live.subscription.start_us <= now_us < live.subscription.end_us else _asked(row, now_us)
    with _lock:
        _kept[row.pk] = now_us, found
        while len(_kept) > KEPT_MAX:
            _kept.popitem(last=False)
    return found


def _asked(row: Subscription, now_us: int) -> list[Foreseen]:
    live = contracts.live(row)
    account = metering.account_of(live, now_us + 1)
    return [_said(pool, it, now_us) for pool, it in forecasts(row, account)]


def _said(pool: str, it: Forecast, now_us: int) -> Foreseen:
    per = it.history.per
    reach = it.coming[:1] if per == "window" else it.coming
    end = reach[-1] if reach else None
    likely = end.beyond if end and end.allowance else 0
    day_us = it.middle_us if likely > LIKELY and not it.history.already else None
    return Foreseen(
        pool=pool,
        per=per,
        end=end,
        needed=COMPLETE_MIN + (per == "held"),
        known=len(it.history.complete),
        likely=round(likely * 100),
        day_us=min(day_us, end.window.end_us - 1) if day_us is not None and end else None,
        already=it.history.already,
        trend=it.trend,
        confidence=round(SETTINGS.confidence * 100),
        at_us=now_us,
    )
