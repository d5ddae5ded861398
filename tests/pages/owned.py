"""Statements of a site, and what its customers manage themselves: made as the server makes them.

mau    four windows closed at the prices of the sample, the second corrected by the third, the first disputed
past   a whole term closed with prices, and a note after it for what came late
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

QUOTE = """
[tariff]
currency = "EUR"
base = { rate = 3.50 }
overage = { shape = "volume", tiers = [{ first = 1, rate = 4.50 }, { first = 11, rate = 4.00 }] }
"""


def close(rows: dict[str, Any], now_us: int) -> None:
    """Closes what is over of `mau` and `past`, and lets a fact come late for each."""
    from rollbook.server.access.accounts import COMMAND  # noqa: PLC0415 - Django is set up by then
    from rollbook.server.billing import approvals, closing  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    past, mau = rows["past"], rows["mau"]
    past.quote = QUOTE
    past.save(update_fields=["quote"])
    closing.close_subscription(past.pk, now_us)
    closing.close_subscription(mau.pk, now_us, 2)
    organisation = mau.customer.organisations.get().name
    late = [
        {"id": f"late-{it.pk}", "organisation": organisation}
        | {"source": "phone", "learner": f"late{it.pk}", "type": "login", "occurred_at": f"{day.isoformat()}T12:00:00Z"}
        for it, day in ((past, past.end - timedelta(days=9)), (mau, mau.start + timedelta(days=40)))
    ]
    when = closing.from_us(now_us).replace(tzinfo=None).isoformat()
    assert world.send(late, when).new == len(late)
    for row in (past, mau):
        closing.close_subscription(row.pk, now_us)
    approvals.dispute(mau.statements.get(number=1), "two of our testers are in it", COMMAND)


def make(rows: dict[str, Any], people: dict[str, str]) -> dict[str, int]:
    """What the customer of `mau` manages: the number of each thing by a short name."""
    from django.utils import timezone  # noqa: PLC0415 - Django is set up by then

    from rollbook.server import models  # noqa: PLC0415
    from rollbook.server.access import keys  # noqa: PLC0415
    from rollbook.server.notices import standing  # noqa: PLC0415

    row, now = rows["mau"], timezone.now()
    user = models.User.objects.get(username=people["administrator mau"])
    signed = {"secret": "whsec_made-up"}
    order = {"subscription": row, "address": "finance@example.org"}
    monthly = models.ReportOrder.objects.create(report="consumption", created_by=user, **order)
    paused = models.ReportOrder.objects.create(
        report="mau", by="learner", every="month", paused=standing.DISABLED, **order
    )
    key, _ = keys.make(
        name="Data warehouse", scopes=["usage:read", "statements:read"], customer=row.customer, created_by=user
    )
    keys.make(name="Old dashboard", scopes=["usage:read"], customer=row.customer, revoked_at=now, created_by=user)
    hook = models.Endpoint.objects.create(
        customer=row.customer, url="https://hooks.example.org/rollbook", **signed, created_by=user
    )
    gone = models.Endpoint.objects.create(
        customer=row.customer, url="https://old.example.org/rollbook", **signed, state="gone"
    )
    for number, (state, error) in enumerate((("sent", ""), ("dead", "it answered 500"), ("waiting", ""))):
        models.Message.objects.create(
            message_id=f"msg_owned{number}",
            channel="webhook",
            event="threshold.crossed",
            customer=row.customer,
            endpoint=hook,
            content={"type": "threshold.crossed", "data": {"subscription": row.pk}},
            state=state,
            attempts=9 if error else 1,
            next_at=now + timedelta(days=1),
            last_error=error,
        )
    viewer = models.User.objects.get(username=people["viewer mau"])
    return {
        "order": monthly.pk,
        "paused": paused.pk,
        "key": key.pk,
        "webhook": hook.pk,
        "gone": gone.pk,
        "viewer": viewer.pk,
    }
