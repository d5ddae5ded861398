"""A college of a site whose roster is there to be changed: courses that are over, that run and that are to come.

It is on both plans of Wisenet: active learners (LRM), of which it has 120 and 100 included, and enabled enrolments. Its
roster came as one snapshot, so nobody knows since when what stood in it was so (S-33). Its platform is asked for what
is changed: of three enrolments it disabled one, refused another, and has not answered the third.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

NORTH, SOUTH = "banksia-north", "banksia-south"
OF_NORTH = 70
OVER, RUNNING, AID, COMING = "Seamanship 2025", "Seamanship", "Radio", "Welding"
UNITS = ("Knots", "Tides")
ASKED = ("chloe.gupta", "greta.gupta", "kofi.gupta")
"""Whose enrolment in Radio is disabled: the first was done, the second refused, the third is not answered."""

GROUPS = (
    (("Deck", "Boats"),),
    (("Deck", "Boats"), ("Deck", "Ropes"), ("Shore", "Workshop")),
    (("Deck", "Ropes"),),
    (("Shore", "Workshop"),),
    (("Shore",),),
    (),
)
"""In which groups learners are, in turn."""

WHY = "the course is archived, and <b>nothing</b> of it can be changed any more"
"""Why the platform refused."""

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
        roster=Roster(learners=learners, enrolments=enrolments),
        organisations=frozenset({NORTH, SOUTH}),
        says_groups=True,
    )
    at_us = now_us - 40 * 86_400_000_000
    ingest(list(diff(Roster(), snapshot, at_us)), Sender("roster"), now_us)
    ids = sorted({learner for _, learner in learners})
    erasure.name(COMMAND, customer, {it: (it.replace(".", " ").title(), f"{it}@banksia.example") for it in ids})
    _ask(customer, now_us)
    _rules(customer, now_us)
    return {f"l:{name}": str(people.surrogate(customer.pk, id_)) for name, id_ in (("banksia", "amina.abe"),)}


def _ask(customer: Any, now_us: int) -> None:
    """Disables Radio for three of the south, whose platform answers two."""
    from rollbook.roster.changes import Row  # noqa: PLC0415
    from rollbook.server.access.principals import Principal  # noqa: PLC0415
    from rollbook.server.models import Endpoint, RosterRequest  # noqa: PLC0415
    from rollbook.server.notices.webhooks import new_secret  # noqa: PLC0415
    from rollbook.server.receiving import roster, roster_requests  # noqa: PLC0415

    Endpoint.objects.create(
        customer=customer, url="https://lms.banksia.example/hook", secret=new_secret(), events=["roster.requested"]
    )
    who = Principal("administrator", "bea", frozenset(), customer.pk, vendor=False)
    rows = tuple(Row("1", "disable", SOUTH, it, AID) for it in ASKED)
    asked = roster.Asked(kind="rows", rows=rows)
    digest = roster.foresee(who, customer, asked, now_us).digest
    roster.confirm(who, customer, asked, digest, now_us)
    numbers = dict(RosterRequest.objects.values_list("person__learner", "pk"))
    answers = [roster_requests.Answer(numbers[ASKED[0]], "done")]
    answers.append(roster_requests.Answer(numbers[ASKED[1]], "refused", WHY))
    roster_requests.answer(who, answers, now_us)


RULES = """budget_learners_active = 20

[[cycle]]
name = "Terms"
courses = ["Welding", "Seamanship"]

[[cycle.steps]]
when = "begins"
after_days = {days}
do = "enable"

[[cycle.steps]]
when = "ends"
do = "disable"

[[rule]]
name = "Idle"
when = "idle"
days = 60
do = "notify"
"""


def _rules(customer: Any, now_us: int) -> None:
    """A version that is on and has run, and has stopped today, with another in trial."""
    from rollbook.model.instants import from_us  # noqa: PLC0415 - as above
    from rollbook.server.access.accounts import COMMAND  # noqa: PLC0415
    from rollbook.server.models import RulesRun  # noqa: PLC0415
    from rollbook.server.receiving import rules  # noqa: PLC0415

    before_us = now_us - 3 * 86_400_000_000
    made = rules.put(COMMAND, customer, RULES.format(days=-200), before_us, zone="Australia/Melbourne")
    rules.switch_on(COMMAND, customer, made.number, before_us)
    rules.put(COMMAND, customer, RULES.format(days=-2), now_us, zone="Australia/Melbourne")
    for days, state, decided, newly in (
        (2, RulesRun.DONE, {"enrolment.disabled": 12}, 0),
        (1, RulesRun.NOTHING, {}, 0),
        (0, RulesRun.STOPPED, {"enrolment.enabled": 34}, 31),
    ):
        at = from_us(now_us - days * 86_400_000_000)
        RulesRun.objects.create(
            customer=customer,
            version=made,
            day=at.date(),
            at=at,
            state=state,
            decided=decided,
            learners=sum(decided.values()),
            newly_active=newly,
            budget=20,
            digest="0" * 64,
            created_at=at,
        )


def _everybody(today: date) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Of each ten, one is enrolled in nothing; the others take turns in the courses."""
    from rollbook.model.roster import Enrolment, LearnerRecord, object_of  # noqa: PLC0415
    from rollbook.server.operation.demo import FIRST, LAST  # noqa: PLC0415

    learners, enrolments = {}, {}
    for nth, id_ in enumerate(f"{first}.{last}" for last in LAST for first in FIRST):
        organisation = NORTH if nth < OF_NORTH else SOUTH
        learners[organisation, id_] = LearnerRecord(
            organisation=organisation, learner=id_, groups=GROUPS[nth % len(GROUPS)]
        )
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
