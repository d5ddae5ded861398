"""Who has gone beyond what is included under a plan that does not charge for it: the vendor's staff help (A-24).

One task is open for a pool at a time, with the size that fits (A-38): what is used, or what is foreseen where more is.
A task that was done is not opened again for the size that it named: only going beyond that is news.
"""

from __future__ import annotations

from django.db import connection
from django.utils import timezone

from rollbook.server.models import Subscription, UpgradeTask
from rollbook.server.notices.announce import announce

UNITS_MAX = 2**31 - 1
"""What a column of units holds."""


def suggest(row: Subscription, pool: str, used: int, allowance: int, foreseen: int = 0) -> bool:
    """Opens a task, or makes the open one larger; whether one was opened, which is told.

    used, allowance  units that counted, and that are included
    foreseen         units that will probably count; 0 where nothing is known

    Call it within a transaction.
    """
    fitting = min(max(used, foreseen), UNITS_MAX)
    tasks = UpgradeTask.objects.filter(subscription=row, pool=pool)
    largest = max(tasks.values_list("units_that_fit", "done_at"), key=lambda it: (it[1] is None, it[0]), default=None)
    if largest and largest[1] is None:
        tasks.filter(done_at=None, units_that_fit__lt=fitting).update(units_that_fit=fitting)
        return False
    if (largest and largest[0] >= used) or not _opened(row, pool, fitting):
        return False
    data = {"pool": pool, "used": used, "allowance": allowance, "units_that_fit": fitting}
    announce("subscription.upgrade-suggested", row.customer, data, row)
    return True


def _opened(row: Subscription, pool: str, fitting: int) -> bool:
    """Writes a task; False where somebody else opens one at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into upgrade_task (subscription_id, pool, units_that_fit, opened_at, note)
               values (%s, %s, %s, %s, '') on conflict do nothing""",
            [row.pk, pool, fitting, connection.ops.adapt_datetimefield_value(timezone.now())],
        )
        return bool(cursor.rowcount == 1)
