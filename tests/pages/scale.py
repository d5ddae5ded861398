"""A site with many learners: the sample's customers grown, and a back office with much to do.

Facts are stored as batches store them, with people known by digest, and every subscription is counted from them by
the server's own rebuild: what is live is as if metered, and a recount finds no difference. PostgreSQL only.

Activations are shared out as `GROWN` says; with them grow customers (one in a thousand activations), and what waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from dateutil.relativedelta import relativedelta

from rollbook.model.fact import Fact
from rollbook.model.instants import DAY_US, to_us

SOURCE = "grown"
BATCH_FACTS = 20_000
ACTIVE_TENTHS = 8
"""In how many months of ten somebody is active."""

INCLUDED_TENTHS = 9
"""Of those who are active in a month so many are included: the list has a first one beyond."""

HOUR_US = 3_600_000_000

Deed = tuple[int, str, str]
"""Instant, type, object."""

Months = list[tuple[int, int]]
"""First instant of each month of the term, and how long it has been going on; in microseconds."""

Life = Callable[[int, Months], Iterator[Deed]]
"""What learner n does."""


@dataclass(frozen=True, slots=True)
class Grown:
    """One customer. `percent` of all activations are its; `of_one` is how many a learner makes in five months."""

    short: str
    percent: int
    of_one: float
    life: Life
    others: tuple[str, ...] = ()
    per_term: bool = False


def _drawn(n: int, month: int) -> int:
    """A number that looks drawn, and is the same each time."""
    return (n * 2_654_435_761 + month * 97_003_519 + n // 7) % 2**32


def _active(n: int, months: Months) -> Iterator[tuple[int, int]]:
    """The months in which learner n is active, each with an instant."""
    for month, (start_us, length_us) in enumerate(months):
        drawn = _drawn(n, month)
        if drawn % 10 < ACTIVE_TENTHS and length_us > HOUR_US:
            yield month, start_us + drawn * 1_000_003 % (length_us - HOUR_US)


def _does(type_: str, account: str = "") -> Life:
    """Something in each active month; every third learner something more an hour later."""

    def life(n: int, months: Months) -> Iterator[Deed]:
        if account:
            yield months[0][0] - (1 + n % 30) * DAY_US - n % 1000, account, ""
        for month, at_us in _active(n, months):
            object_ = f"course-{_drawn(n, month) % 40}" if type_ != "login" else ""
            yield at_us, type_, object_
            if n % 3 == 0:
                yield at_us + HOUR_US - 1, type_, object_

    return life


def _seated(n: int, months: Months) -> Iterator[Deed]:
    """Takes a seat in one of the months, and every fifth leaves it."""
    start_us, length_us = months[n % len(months)]
    at_us = start_us + _drawn(n, 0) * 1_000_003 % max(length_us - HOUR_US, HOUR_US)
    yield at_us, "login", ""
    if n % 5 == 0:
        yield at_us + HOUR_US // 2, "account.disabled", ""


def _enrolled(n: int, months: Months) -> Iterator[Deed]:
    """Has an account, and a course that is on from some month on, of every second for two months only."""
    start_us = months[0][0] - (1 + n % 60) * DAY_US - n % 1000
    yield start_us, "account.created", ""
    month = n % len(months)
    at_us = months[month][0] + _drawn(n, month) * 1_000_003 % max(months[month][1] - HOUR_US, HOUR_US)
    yield at_us, "enrolment.enabled", f"unit-{n % 20}"
    if n % 2 == 0 and month + 2 < len(months):
        yield at_us + 60 * DAY_US, "enrolment.disabled", f"unit-{n % 20}"


GROWN = (
    Grown("mau", 43, 4.0, _does("login")),
    Grown("docebo", 15, 4.0, _does("material.accessed", "account.enabled")),
    Grown("mauc", 12, 4.0, _does("login"), per_term=True),
    Grown("facilitate", 6, 4.0, _does("session.entered")),
    Grown("reach", 5, 4.0, _does("lesson.started", "account.created"), per_term=True),
    Grown("elearning", 18, 7.5, _enrolled, ("lrm",)),
    Grown("seats", 1, 1.0, _seated),
)


def grow(rows: dict[str, Any], activations: int, now_us: int) -> None:
    """Grows the sample's subscriptions, by short name, until together they have about so many activations."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by then

    from rollbook.server.live import metering  # noqa: PLC0415

    for it in GROWN:
        _store(rows[it.short], it, _learners(it, activations), now_us)
    with connection.cursor() as cursor:
        _name(cursor)
        cursor.execute("vacuum analyze")
    for it in GROWN:
        for short in (it.short, *it.others):
            row = rows[short]
            _include(row, it, _learners(it, activations))
            metering.rebuild(row, now_us)
    _office(max(activations // 1000, 20), now_us)
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")


def _learners(it: Grown, activations: int) -> int:
    return max(round(activations * it.percent / 100 / it.of_one), 10)


def _store(row: Any, it: Grown, learners: int, now_us: int) -> None:
    """The facts of all learners, as batches of facts are stored."""
    from django.db import transaction  # noqa: PLC0415

    from rollbook.engines import database as engine  # noqa: PLC0415
    from rollbook.server.live import driver, people  # noqa: PLC0415

    organisations = list(row.customer.organisations.order_by("name").values_list("name", flat=True))
    months = _months(row.start, now_us)
    facts = (
        (f"{SOURCE}-{n}", Fact(id=f"{n} {nth}", at_us=at_us, type=type_, object=object_, source=SOURCE,
                               organisation=organisations[n % len(organisations)], role="learner"))
        for n in range(learners)
        for nth, (at_us, type_, object_) in enumerate(it.life(n, months))
        if at_us < now_us
    )  # fmt: skip
    while batch := list(islice(facts, BATCH_FACTS)):
        with transaction.atomic():
            known = people.surrogates(row.customer_id, [learner for learner, _ in batch])
            stored = [fact.replace(learner=known[learner]) for learner, fact in batch]
            with driver.own_cursor() as cursor:
                engine.store(cursor, stored, row.customer_id)


def _months(start: date, now_us: int) -> Months:
    """The months of a term that have begun."""
    begins = [start + relativedelta(months=n) for n in range(13)]
    cuts = [to_us(datetime(it.year, it.month, it.day, tzinfo=UTC)) for it in begins]
    return [(at_us, min(cuts[n + 1], now_us) - at_us) for n, at_us in enumerate(cuts[:-1]) if at_us < now_us]


def _include(row: Any, it: Grown, learners: int) -> None:
    """Nearly as many are bought as are used."""
    used = learners * ACTIVE_TENTHS // 10 if it.of_one == 4 else learners
    months = 5 if it.per_term else 1
    row.quantities.update(units=max(used * months * INCLUDED_TENTHS // 10, 1))


_SYLLABLES = "'{ba,del,fin,gor,hal,ka,len,mar,nor,os,pe,ran,sol,tam,ul,ver,wen,ya,zor,ber}'"


def _name(cursor: Any) -> None:
    """Everybody who was added has a name and an address; some are called alike."""
    from rollbook.server.operation.demo import FIRST  # noqa: PLC0415

    first = "'{" + ",".join(FIRST) + "}'"
    cursor.execute(
        f"""
        update person set name = made.first || ' ' || made.family, email = lower(learner) || '@example.org'
        from (select id, initcap(({first}::text[])[1 + n % {len(FIRST)}]) as first,
                     initcap(({_SYLLABLES}::text[])[1 + n / 12 % 20] || ({_SYLLABLES}::text[])[1 + n / 240 % 20]
                             || ({_SYLLABLES}::text[])[1 + n / 4800 % 20]) as family
              from (select id, cast(substring(learner from {len(SOURCE) + 2}) as bigint) as n from person
                    where learner like '{SOURCE}-%') as counted) as made
        where made.id = person.id
        """
    )


def _office(customers: int, now_us: int) -> None:
    """Customers with a plan each, and thousands of what the back office looks through."""
    from rollbook.server import models  # noqa: PLC0415 - Django is set up by then

    made = models.Customer.objects.bulk_create(models.Customer(name=f"Grown Customer {n:05}") for n in range(customers))
    models.Organisation.objects.bulk_create(
        models.Organisation(name=f"grown-{it.pk}-{n}", customer=it) for it in made for n in range(1 + it.pk % 3)
    )
    terms = list(_terms(made, now_us))
    _waiting(terms)
    _said(made, terms)


def _terms(customers: list[Any], now_us: int) -> Iterator[Any]:
    """A running term of each customer; of every fourth one that is over, too."""
    from rollbook.model.instants import from_us, start_of_day_us  # noqa: PLC0415
    from rollbook.server import models  # noqa: PLC0415
    from rollbook.server.live import contracts  # noqa: PLC0415

    plans = list(models.PlanVersion.objects.order_by("pk"))
    first = from_us(now_us).date().replace(day=1)
    rows = []
    for n, customer in enumerate(customers):
        start = first - relativedelta(months=5 + n % 6)
        year = relativedelta(years=1)
        plan = plans[n % len(plans)]
        zone = contracts.plan_of(plan).window.zone
        starts = [start - year, start] if n % 4 == 0 else [start]
        rows += [models.Subscription(customer=customer, plan=plan, start=it, end=it + year, zone=zone) for it in starts]
    found = models.Subscription.objects.bulk_create(rows)
    models.Quantity.objects.bulk_create(
        models.Quantity(subscription=it, from_us=start_of_day_us(it.start, ZoneInfo(it.zone)), units=100)
        for it in found
        if it.plan.plan_id != "reach360-starter"
    )
    for it in found:
        it.windows_begun = contracts.windows_begun(contracts.subscription_of(it), now_us)
    models.Subscription.objects.bulk_update(found, ["windows_begun"], batch_size=500)
    yield from found


def _waiting(terms: list[Any]) -> None:
    """Statements that are withheld or await an approval, upgrade tasks, counts that others reported."""
    from django.utils import timezone  # noqa: PLC0415

    from rollbook.server import models  # noqa: PLC0415

    now = timezone.now()
    models.Closing.objects.bulk_create(
        models.Closing(
            subscription=it,
            number=1,
            window_number=1,
            asked_at=now if n % 2 else None,
            withheld="" if n % 2 else "the live counts and a fresh count of all facts differ in window 1",
            withheld_at=None if n % 2 else now,
        )
        for n, it in enumerate(terms[::10])
    )
    models.UpgradeTask.objects.bulk_create(models.UpgradeTask(subscription=it, units_that_fit=200) for it in terms[::3])
    models.ReportedCount.objects.bulk_create(
        models.ReportedCount(
            subscription=it,
            at=now - timedelta(days=day),
            window_number=1,
            active=10,
            ours=10 + (n % 20 == 0),
            compared_at=now,
        )
        for day in (3, 2, 1)
        for n, it in enumerate(terms)
    )


def _said(customers: list[Any], terms: list[Any]) -> None:
    """Messages, refused and held facts, the audit, people and keys: some of each customer."""
    from django.utils import timezone  # noqa: PLC0415

    from rollbook.server import models  # noqa: PLC0415

    now = timezone.now()
    states = (*[models.Message.SENT] * 18, models.Message.DEAD, models.Message.WAITING)
    models.Message.objects.bulk_create(
        models.Message(
            message_id=f"msg_grown{number:06}",
            channel=models.Message.MAIL,
            event="statement.closed",
            customer=it.customer,
            address="finance@example.org",
            content={"type": "statement.closed", "data": {"subscription": it.pk}},
            state=states[number % 20],
            attempts=9 if states[number % 20] == models.Message.DEAD else 1,
            next_at=now + timedelta(days=1),
            sent_at=now if states[number % 20] == models.Message.SENT else None,
        )
        for number, it in enumerate(terms * 10)
    )
    models.Refusal.objects.bulk_create(
        models.Refusal(
            sender=f"key {n % 30:04}", customer=it, index=n, code=("role", "too-long", "conflict")[n % 3],
            rule="another fact has this source and id", remedy="give each fact an id of its own",
        )
        for n, it in enumerate(customers * 10)
    )  # fmt: skip
    models.HeldFact.objects.bulk_create(
        models.HeldFact(
            source="lms", fact_id=str(n), organisation=f"unknown-{n % 60}", reason=models.HeldFact.UNKNOWN,
            at_us=to_us(now) - n, content=msgspec.structs.asdict(_unowned(n, to_us(now) - n)),
        )
        for n in range(len(customers) * 5)
    )  # fmt: skip
    models.Audit.objects.bulk_create(
        models.Audit(
            actor=f"operator{n % 25}@example.org", action=("subscription.made", "statement.closed", "key.made")[n % 3],
            object=f"subscription {it.pk}", customer=it.customer, details={"number": n},
        )
        for n, it in enumerate(terms * 20)
    )  # fmt: skip
    models.User.objects.bulk_create(
        models.User(
            username=f"grown{it.pk}@example.org", email=f"grown{it.pk}@example.org", role="administrator", customer=it
        )
        for it in customers
    )
    models.ApiKey.objects.bulk_create(
        models.ApiKey(name="platform", prefix=f"g{it.pk:08}", digest="0" * 64, scopes=["facts:write"], customer=it)
        for it in customers
    )


def _unowned(n: int, at_us: int) -> Fact:
    """A fact of an organisation that nobody has."""
    return Fact(id=str(n), at_us=at_us, type="login", learner=f"x{n}", organisation=f"unknown-{n % 60}", source="lms")
