"""What will probably be used, told before it happens: each pool of a subscription at most once a window.

The forecast is `rollbook.advice.forecast`, on the live counts. Told is what is more likely than not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from rollbook.accounting.account import Account
from rollbook.accounting.grants import pools
from rollbook.advice import forecast as forecasting
from rollbook.advice.estimate import Settings
from rollbook.advice.forecast import BINS, Forecast, History
from rollbook.model.instants import from_us
from rollbook.server.models import Subscription
from rollbook.server.notices import crossings, upgrade
from rollbook.server.notices.announce import announce
from rollbook.server.notices.crossings import Level

SETTINGS = Settings(runs=2_000)
"""Fewer runs than a person asks for: what is told is no finer than one in a hundred."""

LIKELY = 0.5
"""Told is what happens in more than this share of the runs."""


def foresee(row: Subscription, account: Account) -> int:
    """Tells what will probably be used beyond the allowance, and sizes upgrades by it; how many events there were.

    row      the subscription, its customer and plan at hand
    account  what was used up to now
    """
    running = {it.pool: it for it in crossings.levels(account)}
    found = [(running[pool], it) for pool, it in forecasts(row, account) if pool in running]
    with transaction.atomic():
        return sum(_tell(row, account, level, it) for level, it in found if not it.why_not)


def _tell(row: Subscription, account: Account, level: Level, found: Forecast) -> int:
    policy = account.subscription.plan_at(level.window.start_us).limit.policy
    # A window's allowance is compared within the window that runs; a term's or seats, at any time to come.
    reach = found.coming[:1] if level.per == "window" else found.coming
    if level.beyond:
        if policy == "notify":
            upgrade.suggest(row, level.pool, level.used, level.allowance, max(it.high for it in found.coming))
        return 0
    likely = reach[-1].beyond
    if not level.allowance or likely <= LIKELY or found.middle_us is None:
        return 0
    if not crossings.insert(row, level, 100, forecast=True):
        return 0
    likely_us = min(found.middle_us, reach[-1].window.end_us)
    # With the end of a window is still within it: the day after has nothing to do with it.
    likely_us -= any(it.window.end_us == likely_us for it in found.coming)
    data = crossings.said(level, policy) | {
        "likely_on": from_us(likely_us).astimezone(ZoneInfo(row.zone)).date().isoformat(),
        "percent_likely": round(likely * 100),
    }
    announce("threshold.foreseen", row.customer, data, row)
    return 1


def forecasts(row: Subscription, account: Account) -> Iterator[tuple[str, Forecast]]:
    """What is to be expected of each pool, while the term runs."""
    for pool, history in _histories(row, account):
        yield pool, forecasting.forecast(history, SETTINGS)


def _histories(row: Subscription, account: Account) -> Iterator[tuple[str, History]]:
    """What is known of each pool."""
    subscription, as_of_us = account.subscription, account.as_of_us
    if subscription.plan.allowance.per == "held":
        yield "", forecasting.history_of_seats(account, account.as_of_us)
        return
    running = next(it for it in account.windows if it.contains(as_of_us - 1))
    fraction = (as_of_us - running.start_us) / (running.end_us - running.start_us)
    rows, early, first_us = _profile(row, account, fraction)
    for pool in pools(subscription, account.organisations):
        yield pool, forecasting.history(account, pool, rows, early, fraction, (first_us, as_of_us))


def _profile(
    row: Subscription, account: Account, fraction: float
) -> tuple[list[forecasting.Row], list[tuple[int, str, int]], int]:
    """When within windows units became active: `forecast.Row`s, units as early as now, and the first of all."""
    begun = [it for it in account.windows if it.start_us < account.as_of_us]
    values = ", ".join(
        f"({it.number}, {it.start_us}, {it.end_us}, {it.start_us + int(fraction * (it.end_us - it.start_us))})"
        for it in begun
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""with cut (number, start_us, end_us, early_us) as (values {values})
                select window_number, organisation, (first_us - start_us) * {BINS} / (end_us - start_us) as part,
                       count(*), sum(case when first_us < early_us then 1 else 0 end), min(first_us)
                from activation join cut on number = window_number
                where subscription = %s
                group by 1, 2, 3""",
            [row.pk],
        )
        found = [
            (int(n), str(name), int(part), int(all_), int(some), int(us)) for n, name, part, all_, some, us in cursor
        ]
    early: Counter[tuple[int, str]] = Counter()
    for number, name, _, _, some, _ in found:
        early[number, name] += some
    first_us = min((it[5] for it in found), default=account.as_of_us)
    rows = [(number, name, min(part, BINS - 1), units) for number, name, part, units, _, _ in found]
    return rows, [(number, name, units) for (number, name), units in early.items()], first_us
