"""What the back office of a site has to look after: one of each thing that waits, made as the server makes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def make(rows: dict[str, Any]) -> None:
    """Adds it. `rows` are the subscriptions by short name."""
    from django.utils import timezone  # noqa: PLC0415 - Django is set up by then

    from rollbook.model.instants import to_us  # noqa: PLC0415
    from rollbook.server import models  # noqa: PLC0415
    from rollbook.server.access.accounts import COMMAND  # noqa: PLC0415
    from rollbook.server.billing import approvals  # noqa: PLC0415
    from rollbook.server.observing import heartbeat  # noqa: PLC0415
    from rollbook.server.receiving.ingest import Sender, ingest, read_rows  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    now = timezone.now()
    closed = {name: rows[name].statements.count() for name in ("docebo", "facilitate")}
    # A sample is never closed behind anybody's back: these are what the worker would leave.
    models.Closing.objects.create(
        subscription=rows["docebo"], number=closed["docebo"] + 1, window_number=closed["docebo"] + 1, asked_at=now
    )
    why = "the live counts and a fresh count of all facts differ in window 1: count the subscription again"
    models.Closing.objects.create(
        subscription=rows["facilitate"],
        number=closed["facilitate"] + 1,
        window_number=closed["facilitate"] + 1,
        withheld=why,
        withheld_at=now,
    )
    approvals.hold(rows["past"], "history is still to be taken in", COMMAND)
    models.UpgradeTask.objects.get_or_create(subscription=rows["mau"], pool="", defaults={"units_that_fit": 75})
    models.ReportedCount.objects.create(
        subscription=rows["mau"], at=now - timedelta(days=1), window_number=1, active=41, ours=43, compared_at=now
    )
    for number, state in enumerate((models.Message.DEAD, models.Message.WAITING, models.Message.SENT)):
        models.Message.objects.create(
            message_id=f"msg_{number:032}",
            channel=models.Message.MAIL,
            event="statement.closed",
            customer=rows["mau"].customer,
            address="somebody@example.org",
            content={"type": "statement.closed", "data": {"subscription": rows["mau"].pk}},
            state=state,
            attempts=9 if state == models.Message.DEAD else 0,
            next_at=now + timedelta(days=1),
            last_error="the mail server refused the address" if state == models.Message.DEAD else "",
        )
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    waits = world.row("1", "ada", stamp, organisation="harbour-college")
    wrong = world.row("2", "ada", "yesterday", organisation="tandem")
    ahead = (now + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    odd = [world.row("odd", "zed", stamp, "course.veiwed", organisation="meridian", object=it) for it in ("a", "b")]
    later = world.row("3", "zed", ahead, organisation="meridian")
    ingest(read_rows([waits, wrong, *odd, later]), Sender("key platform"), to_us(now))
    heartbeat.beat(now, "deliver")
