"""Made-up customers on the plans of all five documents, with facts up to now, to look around in.

Nobody in here is real. Everything follows from a seed and the day on which the sample was first loaded: loading it
again at the same instant changes nothing, and loading it later adds the days since. Nothing that is there is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from rollbook import plans
from rollbook.model.fact import Fact
from rollbook.model.instants import from_us, start_of_day_us, to_us
from rollbook.model.subscription import Quantity, Subscription
from rollbook.server import models
from rollbook.server.access import accounts
from rollbook.server.live import contracts, metering
from rollbook.server.receiving.ingest import Sender, ingest

SEED = 2026
SOURCE = "sample"
MONTHS_BEFORE = 4
"""Terms began on the first of the month, so many months before the sample was first loaded."""

HISTORY_DAYS = 30
"""Facts begin before the term: so many days of history."""

BATCH_FACTS = 10_000

FIRST = ("amina", "bruno", "chloe", "dinesh", "elif", "farid", "greta", "hugo", "ines", "jonas", "kofi", "leila")
LAST = ("abe", "berg", "costa", "diaz", "endo", "fox", "gupta", "holm", "ito", "jain")

Deeds = Callable[[Random, str], Iterator[tuple[str, str, str]]]
"""What a learner does on a day on which they do something: type, mode, object."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One customer.

    scheme     whose plan, in short: what is drawn follows from both names
    plans      plan, units bought, and the meter's name
    learners   how many, shared out over the organisations
    busy       the chance that a learner does something on a day
    deeds      what they do then
    accounts, enrolments   whether facts say how these stand
    """

    customer: str
    scheme: str
    organisations: tuple[str, ...]
    plans: tuple[tuple[str, int, str], ...]
    learners: int
    busy: float
    deeds: Deeds
    accounts: bool = True
    enrolments: bool = False
    guests: bool = False

    @property
    def seed(self) -> str:
        """What everything of it is drawn from."""
        return f"{SEED} {self.customer} ({self.scheme})"


@dataclass(slots=True)
class Loaded:
    """What is there, and how much of it is new."""

    customers: int = 0
    facts: int = 0
    new: int = 0


def _sessions(random: Random, _: str) -> Iterator[tuple[str, str, str]]:
    mode = random.choice(("live", "on-demand", "on-demand", "live-flexible"))
    for number in range(random.randrange(1, 4)):
        yield "session.entered", mode, f"world-{number + random.randrange(5)}"


def _training(random: Random, _: str) -> Iterator[tuple[str, str, str]]:
    course = f"course-{random.randrange(9)}"
    yield "login", "", ""
    yield "course.viewed", "", course
    if random.random() < 0.7:  # noqa: PLR2004 - how often each thing happens
        yield random.choice(("material.accessed", "ilt.attended")), "", course


def _lessons(random: Random, _: str) -> Iterator[tuple[str, str, str]]:
    course = f"course-{random.randrange(9)}"
    yield "course.viewed", "", course
    if random.random() < 0.8:  # noqa: PLR2004
        yield random.choice(("lesson.started", "lesson.resumed", "microlearning.opened")), "", course
    if random.random() < 0.1:  # noqa: PLR2004
        yield "course.completed", "", course


def _logins(random: Random, _: str) -> Iterator[tuple[str, str, str]]:
    for _number in range(random.randrange(1, 3)):
        yield "login", "", ""


SAMPLES = (
    Sample(
        "Harbour Safety", "Facilitate", ("harbour",), (("facilitate-annual", 30, ""),), 45, 0.05, _sessions, guests=True
    ),
    Sample("Meridian Insurance", "Docebo", ("meridian",), (("docebo-mau", 40, ""),), 60, 0.05, _training),
    Sample("Oakfield Hospital", "Articulate", ("oakfield",), (("reach360-starter", 0, ""),), 70, 0.09, _lessons),
    Sample("Kestrel Sales", "Second Nature, seats", ("kestrel",), (("secondnature-seats", 25, ""),), 30, 0.06, _logins),
    Sample("Tandem Telecom", "Second Nature, MAU", ("tandem",), (("secondnature-mau", 35, ""),), 50, 0.05, _logins),
    Sample(
        "Solstice Retail", "Second Nature, MAUC", ("solstice",), (("secondnature-mauc", 240, ""),), 50, 0.04, _logins
    ),
    Sample(
        "Wattle Colleges",
        "Wisenet",
        ("wattle-north", "wattle-south"),
        (("wisenet-elearning", 60, "elearning"), ("wisenet-lrm", 10, "lrm")),
        120,
        0.02,
        _training,
        enrolments=True,
    ),
)

PRICES: dict[str, tuple[str, str]] = {
    "facilitate-annual": ("3.50", "4.50"),
    "docebo-mau": ("4.00", ""),
    "secondnature-seats": ("60.00", ""),
    "secondnature-mau": ("2.90", ""),
    "secondnature-mauc": ("2.50", "3.00"),
    "wisenet-elearning": ("4.00", "5.00"),
    "wisenet-lrm": ("3.00", "3.50"),
}
"""What each customer pays for a unit that is bought, and for one beyond, in EUR: made up, as they are, for vendors
publish few prices. A plan that is not here has none, as published."""

ADMINISTERED = SAMPLES[4]
"""Whose administrator can sign in: everybody who logs in counts, so one fact shows what a fact does."""

OPERATOR, ADMINISTRATOR = "operator@example.org", "administrator@example.org"


def load(now_us: int) -> Loaded:
    """Loads the sample, up to an instant (UTC microseconds). Raises as `ingest` where the database does not answer."""
    loaded = Loaded(customers=len(SAMPLES))
    for sample in SAMPLES:
        start = _agreed(sample, now_us)
        facts = sorted(_facts(sample, start, now_us), key=lambda fact: fact.rank)
        for first in range(0, len(facts), BATCH_FACTS):
            receipt = ingest(facts[first : first + BATCH_FACTS], Sender("sample"), now_us)
            loaded.facts += receipt.received
            loaded.new += receipt.new
    _people()
    return loaded


def customer_of(sample: Sample) -> models.Customer:
    """Its customer, whatever it is called by now. The sample is loaded."""
    return models.Customer.objects.get(organisations__name=sample.organisations[0])


def _people() -> None:
    """An operator and a customer's administrator, where they are not there yet: without passwords, see `welcome`."""
    administered = customer_of(ADMINISTERED)
    for email, role, customer in (
        (OPERATOR, models.User.OPERATOR, None),
        (ADMINISTRATOR, models.User.ADMINISTRATOR, administered.pk),
    ):
        if not models.User.objects.filter(username=email).exists():
            accounts.add_user(accounts.COMMAND, email, role, customer, "")


def _agreed(sample: Sample, now_us: int) -> date:
    """The customer with its organisations and subscriptions; the first day of its term."""
    owned = models.Organisation.objects.filter(name=sample.organisations[0]).select_related("customer").first()
    customer = owned.customer if owned else models.Customer.objects.create(name=sample.customer)
    for name in sample.organisations:
        models.Organisation.objects.get_or_create(name=name, defaults={"customer": customer})
    start = from_us(now_us).date().replace(day=1) - relativedelta(months=MONTHS_BEFORE)
    for plan_id, units, meter in sample.plans:
        known = customer.subscriptions.filter(meter=meter).order_by("start").first()
        if known is None:
            plan = plans.find_plan(plan_id)
            begins_us = start_of_day_us(start, ZoneInfo(plan.window.zone))
            agreed = Subscription(
                plan=plan,
                start=start,
                end=start + relativedelta(years=1),
                zone=plan.window.zone,
                customer=customer.name,
                quantities=(Quantity(begins_us, units),) if units else (),
            )
            row = contracts.subscribe(customer, agreed, meter=meter)
            row.quote = _quote(plan_id)
            row.save(update_fields=["quote"])
            metering.rebuild(row, now_us)
        else:
            start = known.start
    return start


def _quote(plan_id: str) -> str:
    """The prices of a plan for one customer, or nothing."""
    if plan_id not in PRICES:
        return ""
    bought, beyond = PRICES[plan_id]
    overage = f"overage = {{ rate = {beyond} }}\n" if beyond else ""
    return f'[tariff]\ncurrency = "EUR"\nbase = {{ rate = {bought} }}\n{overage}'


def _facts(sample: Sample, start: date, now_us: int) -> Iterator[Fact]:
    """Everything that happened before `now_us`, the same each time for what was before it."""
    first = datetime(start.year, start.month, start.day, tzinfo=UTC) - timedelta(days=HISTORY_DAYS)
    days = min((from_us(now_us) - first).days + 1, HISTORY_DAYS + 366)
    for number in range(sample.learners):
        organisation = sample.organisations[number % len(sample.organisations)]
        learner = f"{FIRST[number % len(FIRST)]}.{LAST[number // len(FIRST)]}"
        for at, type_, role, mode, object_ in _life(sample, learner, first, days):
            if to_us(at) < now_us:
                yield _fact(organisation, learner, at, type_, role, mode, object_)
    if sample.guests:
        for at, nth in _entries(sample, first, days):
            if to_us(at) < now_us:
                yield _fact(sample.organisations[0], "", at, "session.entered", "guest", "live", f"open-day-{nth}")


Event = tuple[datetime, str, str, str, str]
"""When, type, role, mode, object."""


def _life(sample: Sample, learner: str, first: datetime, days: int) -> Iterator[Event]:
    """One learner: joins, has months of learning between months of nothing, and perhaps leaves."""
    random = Random(f"{sample.seed} {learner}")  # noqa: S311 - a sample that everybody has the same
    joined = random.randrange(0, 70)
    left = joined + random.randrange(60, 500)
    role = "facilitator" if sample.guests and random.random() < 0.1 else "learner"  # noqa: PLR2004
    idle = {month for month in range(14) if random.random() < 0.35}  # noqa: PLR2004
    # Everything is drawn, whether or not its day has come: what is drawn later must not depend on today.
    created, enabled, disabled = (_at(random, first, day) for day in (joined, joined, left))
    if sample.accounts and joined < days:
        yield created, "account.created", "learner", "", ""
        yield enabled + timedelta(hours=14), "account.enabled", "learner", "", ""
    if sample.accounts and left < days:
        yield disabled, "account.disabled", "admin", "", ""
    if sample.enrolments:
        yield from _enrolments(random, first, joined, min(left, days))
    for day in range(joined + 1, min(left, days)):
        today = Random(f"{sample.seed} {learner} {day}")  # noqa: S311
        if day // 30 not in idle and today.random() < sample.busy:
            at = _at(today, first, day)
            for nth, (type_, mode, object_) in enumerate(sample.deeds(today, learner)):
                yield at + timedelta(minutes=7 * nth), type_, role, mode, object_


def _enrolments(random: Random, first: datetime, joined: int, until: int) -> Iterator[Event]:
    """Courses that are enabled for a while. How long is drawn whether or not it is over yet."""
    for number in range(2):
        begins = joined + random.randrange(1, 90)
        ends = begins + random.randrange(0, 120)
        opened, closed = _at(random, first, begins), _at(random, first, ends) + timedelta(hours=12)
        if begins < until:
            yield opened, "enrolment.enabled", "learner", "", f"unit-{number}"
        if ends < until:
            yield closed, "enrolment.disabled", "admin", "", f"unit-{number}"


def _entries(sample: Sample, first: datetime, days: int) -> Iterator[tuple[datetime, int]]:
    """Guests with a session code, on one day of each week."""
    for day in range(5, days, 7):
        today = Random(f"{sample.seed} guests {day}")  # noqa: S311
        at = _at(today, first, day)
        for nth in range(today.randrange(0, 5)):
            yield at + timedelta(minutes=nth), day


def _at(random: Random, first: datetime, day: int) -> datetime:
    return first + timedelta(days=day, seconds=random.randrange(6 * 3600, 10 * 3600))


def _fact(organisation: str, learner: str, at: datetime, type_: str, role: str, mode: str, object_: str) -> Fact:
    at_us = to_us(at)
    who = learner or object_
    return Fact(
        id=f"{who} {type_} {object_} {at_us}",
        at_us=at_us,
        type=type_,
        learner=learner,
        organisation=organisation,
        role=role,
        mode=mode,
        object=object_,
        source=SOURCE,
    )
