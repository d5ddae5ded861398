"""Thresholds that were reached: each is recorded once and told once, by whoever recorded it.

Percentages are compared in whole numbers: used x 100 against percent x allowance. Nothing is ever refused here: what
is beyond the allowance is charged or followed up (F-20, A-23), as the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from rollbook.accounting.account import Account
from rollbook.model.instants import iso
from rollbook.model.window import Window
from rollbook.server.models import Crossing, Subscription
from rollbook.server.notices import upgrade
from rollbook.server.notices.announce import announce

UNITS_MAX = 2**31 - 1
"""What a column of counts holds."""


@dataclass(frozen=True, slots=True)
class Level:
    """How full one pool is in a window that runs; of a term's pool, over all of the term so far."""

    window: Window
    pool: str
    used: int
    allowance: int
    per: str

    def reached(self, percent: int) -> bool:
        """Whether so much of the allowance is used. Where nothing is included there is nothing to come near to."""
        return self.allowance > 0 and self.used * 100 >= percent * self.allowance

    @property
    def beyond(self) -> bool:
        """Exactly the allowance is within it (A-22)."""
        return self.used > self.allowance


def levels(account: Account) -> Iterator[Level]:
    """Each pool in the windows that run, by the figures that everybody is shown."""
    per = account.subscription.plan.allowance.per
    for it in account.consumption:
        if it.is_open:
            yield Level(it.window, it.pool, *account.compared(it), per)


def is_any_reached(account: Account) -> bool:
    """Whether there could be anything to record: mostly there is not, and nothing need be asked of the database."""
    return any(
        level.beyond or any(map(level.reached, account.subscription.plan_at(level.window.start_us).limit.thresholds))
        for level in levels(account)
    )


def record_crossings(row: Subscription, account: Account) -> int:
    """Records and tells the thresholds that are newly reached; how many there were.

    row      the subscription, its customer at hand
    account  what was used up to now, by the counts that were just made

    Call it in the transaction that counted. Safe to call again, and at once: each threshold is told once.
    """
    known = set(
        Crossing.objects.filter(subscription=row, forecast=False).values_list("pool", "percent", "window_number")
    )
    told = 0
    for level in levels(account):
        plan = account.subscription.plan_at(level.window.start_us)
        once_a_term = {(pool, percent) for pool, percent, _ in known} if level.per == "term" else set()
        new = [
            percent
            for percent in sorted(set(plan.limit.thresholds))
            if level.reached(percent)
            and (level.pool, percent) not in once_a_term
            and (level.pool, percent, level.window.number) not in known
            and insert(row, level, percent)
        ]
        for percent in new:
            # A batch may reach several at once: programs learn of each, people of the highest.
            data = {**said(level, plan.limit.policy), "percent": percent}
            announce("threshold.crossed", row.customer, data, row, mail=None if percent == new[-1] else ())
        if plan.limit.policy == "notify" and level.beyond:
            upgrade.suggest(row, level.pool, level.used, level.allowance)
        told += len(new)
    return told


def said(level: Level, policy: str) -> dict[str, Any]:
    """What an event says of a level."""
    window = {"window": level.window.number, "from": iso(level.window.start_us), "until": iso(level.window.end_us)}
    used = {"pool": level.pool, "used": level.used, "allowance": level.allowance}
    return {**window, **used, "per": level.per, "policy": policy}


def insert(row: Subscription, level: Level, percent: int, *, forecast: bool = False) -> bool:
    """Records one crossing; False where it stands already, also where somebody else writes it at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into crossing (subscription_id, window_number, pool, percent, forecast, used, allowance, at)
               values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing""",
            [
                *(row.pk, level.window.number, level.pool, percent, forecast),
                *(min(level.used, UNITS_MAX), min(level.allowance, UNITS_MAX)),
                connection.ops.adapt_datetimefield_value(timezone.now()),
            ],
        )
        return bool(cursor.rowcount == 1)
