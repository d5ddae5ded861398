"""People of a site who have a page of their own on the tour: named, erased, not counted, and a guest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any


def make(rows: dict[str, Any]) -> dict[str, str]:
    """Names people of two customers and erases one; gives numbers for addresses. `rows` are the subscriptions."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by then

    from rollbook.server import erasure  # noqa: PLC0415
    from rollbook.server.access.accounts import COMMAND  # noqa: PLC0415
    from rollbook.server.clock import now_us  # noqa: PLC0415
    from rollbook.server.live import people  # noqa: PLC0415
    from rollbook.server.models import Person  # noqa: PLC0415
    from rollbook.server.receiving.ingest import Sender, ingest, read_rows  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    for short in ("mau", "elearning"):
        customer = rows[short].customer
        ids = Person.objects.filter(customer=customer).values_list("learner", flat=True)
        erasure.name(
            COMMAND, customer, {it: (it.replace(".", " ").title(), f"{it}@example.org") for it in ids if "." in it}
        )
    erased = people.surrogate(rows["mau"].customer_id, "jonas.costa")
    erasure.erase(COMMAND, rows["mau"].customer, "jonas.costa")
    for short in ("mau", "reach"):
        _come_today(rows[short])
    # Only looking at courses is nothing that this plan counts.
    at = datetime.now(UTC) - timedelta(minutes=5)
    looked = [
        world.row(f"looked-{nth}", "nora.lund", at.strftime("%Y-%m-%dT%H:%M:%SZ"), type_, **more)
        for nth, (type_, more) in enumerate(
            (
                ("course.viewed", {"organisation": "oakfield", "object": "course-3"}),
                ("lesson.started", {"organisation": "oakfield", "object": "course-3", "impersonator": "admin"}),
            )
        )
    ]
    ingest(read_rows(looked), Sender("platform"), now_us())
    with connection.cursor() as cursor:
        asked = "select unit from activation where subscription = %s and guest order by first_us desc limit 1"
        cursor.execute(asked, [rows["facilitate"].pk])
        (entry,) = cursor.fetchone()
    return {
        "l:mau": str(people.surrogate(rows["mau"].customer_id, "amina.abe")),
        "l:erased": str(erased),
        "l:elearning": str(people.surrogate(rows["elearning"].customer_id, "amina.abe")),
        "l:reach": str(people.surrogate(rows["reach"].customer_id, "nora.lund")),
        "g:facilitate": entry,
    }


def _come_today(subscription: Any) -> None:
    """Everybody whose last name is Diaz, and two more, do what counts: on the first day of a window hardly anybody has."""
    from rollbook.server.clock import now_us  # noqa: PLC0415 - Django is set up by then
    from rollbook.server.live import contracts  # noqa: PLC0415
    from rollbook.server.models import Person  # noqa: PLC0415
    from rollbook.server.receiving.ingest import Sender, ingest, read_rows  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    known = Person.objects.filter(customer=subscription.customer, erased_at=None, learner__contains=".")
    ids = sorted(known.values_list("learner", flat=True))
    come = dict.fromkeys([*(it for it in ids if it.endswith(".diaz")), *ids[:2]])
    now = datetime.now(UTC)
    organisation = subscription.customer.organisations.order_by("name").first().name
    type_ = contracts.live(subscription).meter.types[0]
    rows = [
        world.row(
            f"today-{it}",
            it,
            (now - timedelta(seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            type_,
            organisation=organisation,
        )
        for n, it in enumerate(come)
    ]
    receipt = ingest(read_rows(rows), Sender("platform"), now_us())
    assert receipt.new == len(rows)
