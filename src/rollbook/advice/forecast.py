"""When the allowance will be used up, judged by the windows so far.

The method is resampling. A window to come is like one of the complete windows before it, drawn by chance; the rest of
the window that runs is like the same rest of one of them. Which windows may be drawn is drawn first, with repetition,
once for each run: so the few windows that there are weigh as little as they deserve. Seats are forecast by months, and
what is drawn is by how much the most held at once changed from month to month.

It knows no season and no trend: a history that keeps rising is said to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations, pairwise
from random import Random

from rollbook.accounting.account import Account
from rollbook.accounting.grants import quantity
from rollbook.advice.draws import at_share, between
from rollbook.advice.estimate import Settings
from rollbook.metering.calendar import windows
from rollbook.model.plan import WindowRule
from rollbook.model.window import Window

COMPLETE_MIN = 3
"""With fewer complete windows there is no forecast."""

TREND_MIN = 4
"""With fewer complete windows no trend is told."""

TREND = 0.6
"""A trend is told where so much more of all pairs of windows rise than fall, of all pairs."""

BINS = 100
"""Parts of a window by which it is told when within it units become active."""

PROFILE_SQL = f"""
    select window_number, organisation,
           least(((first_us - start_us)::double / (end_us - start_us) * {BINS})::integer, {BINS - 1}) as part, count(*)
    from activations join windows using (window_number)
    group by all order by all
    """
"""(window, organisation, part of the window from 0, units first active in it)."""


def early_sql(fraction: float) -> str:
    """(window, organisation, units first active before this fraction of the window was over)."""
    return f"""
        select window_number, organisation, count(*) from activations join windows using (window_number)
        where first_us - start_us < {fraction!r} * (end_us - start_us)
        group by all order by all
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of one pool.

    per        what the allowance is of: `window`, `term` or `held`
    allowance  of each window, of the term, or of seats, by window to come; the running one first
    complete   counted in each complete window; for seats the most held at once
    by_now     the same, as early in each of them as the running window is now
    now        counted so far in the running window
    fraction   how much of the running window is over
    used       counted in complete windows, where the allowance is the term's
    coming     the running window, and those after it
    profile    units first active by each part of a window, `BINS` of them, over complete windows
    """

    per: str
    allowance: tuple[int, ...]
    complete: tuple[int, ...]
    by_now: tuple[int, ...]
    now: int
    fraction: float
    used: int
    coming: tuple[Window, ...]
    profile: tuple[int, ...]

    @property
    def already(self) -> bool:
        """Whether the allowance is exceeded as things are; of a window, that of the running one."""
        used = self.now + (self.used if self.per == "term" else 0)
        return bool(self.coming) and used > self.allowance[0]


Row = tuple[int, str, int, int]


def history(
    account: Account,
    pool: str,
    rows: Iterable[Row],
    early: Iterable[tuple[int, str, int]],
    fraction: float,
    facts_us: tuple[int, int],
) -> History:
    """What is known of one pool; `rows` and `early` answer `PROFILE_SQL` and `early_sql` for this fraction.

    Windows before the first or after the last of all facts (`facts_us`) are unknown, not empty.
    """
    subscription, as_of_us = account.subscription, account.as_of_us
    closed = [it for it in account.consumption if it.pool == pool and not it.is_open]
    complete = [it for it in closed if it.window.end_us > facts_us[0] and it.window.start_us <= facts_us[1]]
    numbers = {it.window.number for it in complete}
    coming = tuple(window for window in account.windows if window.end_us > as_of_us)
    by_now = dict.fromkeys(sorted(numbers), 0)
    for number, organisation, units in early:
        if number in numbers and pool in ("", organisation):
            by_now[number] += units
    profile = [0] * BINS
    for number, organisation, part, units in rows:
        if number in numbers and pool in ("", organisation):
            profile[part] += units
    per = subscription.plan.allowance.per
    ends = [subscription.end_us if per == "term" else window.end_us for window in coming]
    allowed = [
        quantity(subscription, account.organisations, pool, window, end_us - 1)
        for window, end_us in zip(coming, ends, strict=True)
    ]
    return History(
        per=per,
        allowance=tuple(allowed),
        complete=tuple(it.active for it in complete),
        by_now=tuple(by_now.values()),
        now=sum(it.active for it in account.consumption if it.pool == pool and it.is_open),
        fraction=fraction,
        used=sum(it.active for it in closed),
        coming=coming,
        profile=tuple(profile),
    )


def history_of_seats(account: Account, as_of_us: int) -> History:
    """What is known of seats, by months of the term, whatever the plan's own windows."""
    subscription = account.subscription
    monthly = replace(subscription.plan, window=WindowRule(kind="anniversary-month"))
    months = windows(replace(subscription, plan=monthly, changes=()))
    used = account.timeline.seats(subscription, months, named=False) if account.timeline else ()
    quantities = [quantity(subscription, account.organisations, "", month, month.end_us - 1) for month in months]
    complete = [it for it in used if not it.is_open]
    coming = [(month, units) for month, units in zip(months, quantities, strict=True) if month.end_us > as_of_us]
    running = next((it for it in used if it.is_open), None)
    length = running.window.end_us - running.window.start_us if running else 1
    return History(
        per="held",
        allowance=tuple(units for _, units in coming),
        complete=tuple(it.peak for it in complete),
        by_now=(),
        now=running.peak if running else 0,
        fraction=(as_of_us - running.window.start_us) / length if running else 0.0,
        used=0,
        coming=tuple(month for month, _ in coming),
        profile=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """One window to come, the running one among them.

    low, middle, high  what is compared with the allowance at its end: of the window, up to it, or held at most
    beyond             share of runs in which it goes beyond; of a term or seats: in it or before it
    """

    window: Window
    allowance: int
    low: int
    middle: int
    high: int
    beyond: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is to be expected, or why nothing can be said (`why_not`).

    early_us, middle_us, late_us  when the first unit goes beyond the allowance, of the runs in which any does;
                                  None where none does
    beyond                        share of runs in which any does
    trend                         1 rising, -1 falling, 0 neither
    """

    history: History
    settings: Settings
    why_not: str = ""
    coming: tuple[Coming, ...] = ()
    early_us: int | None = None
    middle_us: int | None = None
    late_us: int | None = None
    beyond: float = 0
    trend: int = 0


def forecast(history: History, settings: Settings) -> Forecast:
    """What the windows to come will use."""
    if not history.coming:
        return Forecast(history=history, settings=settings, why_not="the term is over: there is nothing to forecast")
    needed = COMPLETE_MIN + (history.per == "held")
    if len(history.complete) < needed:
        what = "months" if history.per == "held" else "windows"
        rule = (
            f"the history has {len(history.complete)} complete {what}, and {needed} are the least from which "
            "anything can be told"
        )
        return Forecast(history=history, settings=settings, why_not=rule)
    random = Random(settings.seed)  # noqa: S311 - chance that can be repeated, not secrecy
    runs = [_run(history, random) for _ in range(settings.runs)]
    levels = [list(_compared(history, run)) for run in runs]
    firsts = (_beyond_us(history, run, level) for run, level in zip(runs, levels, strict=True))
    times = sorted(at_us for at_us in firsts if at_us is not None)
    outside = (1 - settings.confidence) / 2
    early, middle, late = (at_share(times, share) if times else None for share in (outside, 0.5, 1 - outside))
    return Forecast(
        history=history,
        settings=settings,
        coming=tuple(_coming(history, levels, settings.confidence)),
        early_us=early,
        middle_us=middle,
        late_us=late,
        beyond=len(times) / len(runs),
        trend=trend(history.complete),
    )


def _run(history: History, random: Random) -> list[int]:
    """What is added by each window to come, as it may turn out; of the running one, what is still to come."""
    if history.per == "held":
        changes = [after - before for before, after in pairwise(history.complete)]
        pool = random.choices(changes, k=len(changes))
        return random.choices(pool, k=len(history.coming))
    places = random.choices(range(len(history.complete)), k=len(history.complete))
    drawn = random.choices(places, k=len(history.coming))
    first = history.complete[drawn[0]] - history.by_now[drawn[0]]
    return [first, *(history.complete[place] for place in drawn[1:])]


def _compared(history: History, run: Sequence[int]) -> Iterator[int]:
    """What is compared with the allowance, at the end of each window to come."""
    if history.per == "held":
        yield from accumulate(run[1:], initial=max(history.complete[-1] + run[0], history.now))
    elif history.per == "term":
        yield from accumulate(run[1:], initial=history.used + history.now + run[0])
    else:
        yield history.now + run[0]
        yield from run[1:]


def _beyond_us(history: History, run: Sequence[int], levels: Sequence[int]) -> int | None:
    """When the first unit goes beyond the allowance; None where none does."""
    for place, (level, allowance, window) in enumerate(zip(levels, history.allowance, history.coming, strict=True)):
        if level > allowance:
            return window.start_us + round(_position(history, place, run, level - allowance) * _length(window))
    return None


def _position(history: History, place: int, run: Sequence[int], too_many: int) -> float:
    """How much of a window is over when it goes beyond: as many of its units are yet to come as are too many.

    Units become active within a window as they did within complete ones.
    """
    cumulated = list(accumulate(history.profile))
    begun = history.fraction if place == 0 else 0.0
    added = run[place]
    if added < too_many:
        return begun
    share_now = _share(cumulated, begun)
    wanted = share_now + (1 - share_now) * (added - too_many + 1) / added
    return max(_part(cumulated, wanted), begun)


def _share(cumulated: Sequence[int], fraction: float) -> float:
    """Which share of units has come when so much of a window is over."""
    whole = min(int(fraction * BINS), BINS - 1)
    if not cumulated or not cumulated[-1]:
        return fraction
    before = cumulated[whole - 1] if whole else 0
    return (before + (cumulated[whole] - before) * (fraction * BINS - whole)) / cumulated[-1]


def _part(cumulated: Sequence[int], share: float) -> float:
    """How much of a window is over when this share of units has come."""
    if not cumulated or not cumulated[-1]:
        return share
    wanted = min(share, 1.0) * cumulated[-1]
    place = min(bisect_left(cumulated, wanted), BINS - 1)
    before = cumulated[place - 1] if place else 0
    within = (wanted - before) / (cumulated[place] - before) if cumulated[place] > before else 1.0
    return (place + within) / BINS


def _length(window: Window) -> int:
    return window.end_us - window.start_us


def _coming(history: History, levels: Sequence[Sequence[int]], confidence: float) -> Iterator[Coming]:
    already = [False] * len(levels)
    sticky = history.per != "window"
    for place, (window, allowance) in enumerate(zip(history.coming, history.allowance, strict=True)):
        values = [level[place] for level in levels]
        beyond = [value > allowance for value in values]
        if sticky:
            beyond = already = [one or other for one, other in zip(already, beyond, strict=True)]
        low, high = between(values, confidence)
        yield Coming(
            window=window,
            allowance=allowance,
            low=low,
            middle=at_share(values, 0.5),
            high=high,
            beyond=sum(beyond) / len(levels),
        )


def trend(complete: Sequence[int]) -> int:
    """1 where later windows are mostly larger, -1 where smaller, 0 where neither or too short to tell."""
    if len(complete) < TREND_MIN:
        return 0
    pairs = list(combinations(complete, 2))
    lean = sum((later > earlier) - (later < earlier) for earlier, later in pairs) / len(pairs)
    return 1 if lean >= TREND else -1 if lean <= -TREND else 0
