"""A college of a site whose roster is there to be changed: courses that are over, that run and that are to come.

It is on both plans of Wisenet: active learners (LRM), of which it has 120 and 100 included, and enabled enrolments. Its
roster came as one snapshot, so nobody knows since when what stood in it was so (S-33).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

NORTH, SOUTH = "banksia-north", "banksia-south"
OF_NORTH = 70
OVER, RUNNING, AID, COMING = "Seamanship 2025", "Seamanship", "Radio", "Welding"
UNITS = ("Knots", "Tides")
OF_COURSE = (OVER, RUNNING, AID, COMING)

QUOTE = '[tariff]\ncurrency = "AUD"\nbase = {{ rate = {} }}\noverage = {{ rate = {} }}\n'


def make(rows: dict[str, Any], now_us: int) -> dict[str, str]:
    """Makes it, and gives numbers of learners for addresses. `rows` are the subscriptions, and get two more."""
    from rollbook.model.instants import from_us  # noqa: PLC0415 - Django is set up by then
    from rollbook.model.roster import Roster, Snapshot  # noqa: PLC0415
    from rollbook.roster.snapshots import diff  # noqa: PLC0415
    from rollbook.server import erasure  # noqa: PLC0415
    from rollbook.server.access.accounts import COMMAND  # noqa: PLC0415
    from rollbook.server.live import people  # noqa: PLC0415
    from rollbook.server.receiving.ingest import Sender, ingest  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    now = from_us(now_us)
    customer = world.customer("Banksia Colleges", (NORTH, SOUTH))
    start = rows["lrm"].start
    told = datetime.now(UTC).replace(tzinfo=None).isoformat()
    for name, plan, meter, rates in (
        ("roster", "wisenet-lrm", "lrm", ("3.00", "3.50")),
        ("roster-elearning", "wisenet-elearning", "elearning", ("4.00", "5.00")),
    ):
        row = world.subscribe(customer, plan, start, meter=meter, zone="Australia/Melbourne", now=told)
        row.quote = QUOTE.format(*rates)
        row.save(update_fields=["quote"])
        rows[name] = row
    learners, enrolments = _everybody(now.date())
    snapshot = Snapshot(
        roster=Roster(learners=learners, enrolments=enrolments), organisations=frozenset({NORTH, SOUTH})
    )
    at_us = now_us - 40 * 86_400_000_000
    ingest(list(diff(Roster(), snapshot, at_us)), Sender("roster"), now_us)
    ids = sorted({learner for _, learner in learners})
    erasure.name(COMMAND, customer, {it: (it.replace(".", " ").title(), f"{it}@banksia.example") for it in ids})
    return {f"l:{name}": str(people.surrogate(customer.pk, id_)) for name, id_ in (("banksia", "amina.abe"),)}


def _everybody(today: date) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Of each ten, one is enrolled in nothing; the others take turns in the courses."""
    from rollbook.model.roster import Enrolment, LearnerRecord, object_of  # noqa: PLC0415
    from rollbook.server.operation.demo import FIRST, LAST  # noqa: PLC0415

    learners, enrolments = {}, {}
    for nth, id_ in enumerate(f"{first}.{last}" for last in LAST for first in FIRST):
        organisation = NORTH if nth < OF_NORTH else SOUTH
        learners[organisation, id_] = LearnerRecord(organisation=organisation, learner=id_)
        if nth % 10 == 9:
            continue
        course = OF_COURSE[nth % 4]
        begins, ends = {
            OVER: (-300, -30),
            RUNNING: (-60, 90),
            AID: (-20, 20),
            COMING: (45, 200),
        }[course]
        for unit in UNITS if course in (OVER, RUNNING) else ("",):
            it = Enrolment(
                organisation=organisation,
                learner=id_,
                object=object_of(course, unit),
                course=course,
                unit=unit,
                start=today + timedelta(days=begins),
                end=today + timedelta(days=ends),
                enabled=course in (RUNNING, AID) or (course == OVER and unit == "Tides"),
            )
            enrolments[it.key] = it
    return learners, enrolments
