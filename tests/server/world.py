"""Customers, terms and facts to test with, in as few words as a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from rollbook import plans
from rollbook.model.fact import Fact
from rollbook.model.instants import start_of_day_us, to_us
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Quantity, Subscription
from rollbook.server.live import contracts, metering
from rollbook.server.models import Customer, Organisation
from rollbook.server.models import Subscription as SubscriptionRow
from rollbook.server.operation import recounting
from rollbook.server.receiving.ingest import Receipt, Sender, ingest, read_rows

START = date(2026, 1, 1)


def at(text: str) -> int:
    """`2026-03-01T09:30` in UTC, as microseconds."""
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def customer(name: str = "Northern Academy", organisations: Sequence[str] = ("north",)) -> Customer:
    """A customer with its organisations."""
    row, _ = Customer.objects.get_or_create(name=name)
    for organisation in organisations:
        Organisation.objects.get_or_create(name=organisation, customer=row)
    return row


def subscribe(
    row: Customer,
    plan: str | Plan = "monthly-login",
    start: date = START,
    *,
    quantity: int = 0,
    now: str = "2026-01-01T00:00",
    kind: str = "paid",
    organisations: tuple[str, ...] | None = None,
    **more: Any,
) -> SubscriptionRow:
    """A year of a plan, counted up to `now`."""
    found = plans.find_plan(plan) if isinstance(plan, str) else plan
    zone = more.pop("zone", found.window.zone)
    agreed = Subscription(
        plan=found,
        start=start,
        end=more.pop("end", start + relativedelta(years=1)),
        zone=zone,
        customer=row.name,
        organisations=organisations,
        quantities=(Quantity(start_of_day_us(start, ZoneInfo(zone)), quantity),) if quantity else (),
    )
    stored = contracts.subscribe(row, agreed, kind=kind, **more)
    metering.rebuild(stored, at(now))
    return stored


def own_plan(rules: str, id_: str = "made-up") -> Plan:
    """A plan of a few lines."""
    return parse_plan(f'id = "{id_}"\ntitle = "Made up"\nvendor = "nobody"\nsummary = ""\nsources = []\n{rules}')


def row(id_: str, learner: str, when: str, type_: str = "login", **more: Any) -> dict[str, Any]:
    """One canonical fact as JSON."""
    instant = when if when.endswith("Z") else f"{when}:00Z"
    return {
        "id": id_,
        "source": "lms",
        "occurred_at": instant,
        "organisation": "north",
        "learner": learner,
        "type": type_,
    } | more


def send(rows: Iterable[dict[str, Any] | Fact], now: str, sender: Sender | None = None) -> Receipt:
    """Sends facts as the vendor's platform, and gives the receipt."""
    return ingest(read_rows(list(rows)), sender or Sender("platform"), at(now))


def active(stored: SubscriptionRow, now: str) -> dict[int, int]:
    """How many counted, by window, as the server says."""
    stored.refresh_from_db()
    found = metering.account_of(contracts.live(stored), at(now) + 1)
    counts: dict[int, int] = {}
    for used in found.consumption:
        counts[used.window.number] = counts.get(used.window.number, 0) + used.active
    return counts


def drawn(random: Random, facts: int, *, learners: int, months: Sequence[str]) -> list[dict[str, Any]]:
    """Facts of two organisations, a quarter of them links and voids, in any order."""
    found = []
    for number in range(facts):
        who, other = random.sample([f"learner {n}" for n in range(learners)], 2)
        type_ = random.choices(("login", "course.viewed", "identity.linked", "fact.voided"), (7, 5, 2, 2))[0]
        more = {"organisation": random.choice(("north", "south")), "role": random.choice(("learner", "instructor"))}
        if type_ == "identity.linked":
            more |= {"object": other}
        if type_ == "fact.voided":
            more |= {"voids": str(random.randrange(facts))}
        when = f"{random.choice(months)}-{random.randrange(1, 10):02}T09:00"
        found.append(row(str(number), who, when, type_, **more))
    return found


def differences(stored: SubscriptionRow) -> list[str]:
    """What a count from nothing says otherwise: nothing, one hopes."""
    return recounting.recount(stored.pk).differences
