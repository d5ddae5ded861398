"""Who is told of what: written with what happened, to those who may know, without learners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import transaction

from rollbook.server.models import Customer, Endpoint, Message, Subscription, User
from rollbook.server.notices.announce import announce
from rollbook.server.notices.events import COMMON, EVENTS, WINDOW
from rollbook.server.notices.webhooks import new_secret

from . import world

pytestmark = pytest.mark.usefixtures("ledger")

CLOSED: Mapping[str, Any] = {
    "window": 1,
    "from": "2026-01-01T00:00:00Z",
    "until": "2026-02-01T00:00:00Z",
    "statement": 1,
    "digest": "ab",
    "total": "10.00",
    "currency": "EUR",
}


def user(name: str, role: str, customer: Customer | None = None, *, email: str = "", active: bool = True) -> User:
    return User.objects.create(
        username=name, email=email or f"{name}@example.org", role=role, customer=customer, is_active=active
    )


def endpoint(customer: Customer | None, *events: str, active: bool = True) -> Endpoint:
    return Endpoint.objects.create(
        customer=customer,
        url="https://example.org/hook",
        secret=new_secret(),
        events=list(events),
        state="active" if active else "gone",
    )


@pytest.fixture
def people() -> tuple[Customer, Customer]:
    """Two customers, each with an administrator and a viewer, and the vendor's operator."""
    north = world.customer("Northern Academy", ["north"])
    south = world.customer("Southern Academy", ["south"])
    for customer, name in ((north, "north"), (south, "south")):
        user(f"{name}-admin", User.ADMINISTRATOR, customer)
        user(f"{name}-viewer", User.VIEWER, customer)
    user("operator", User.OPERATOR)
    return north, south


def mailed() -> list[str]:
    return sorted(Message.objects.filter(channel=Message.MAIL).values_list("address", flat=True))


def hooked() -> list[Endpoint | None]:
    return [it.endpoint for it in Message.objects.filter(channel=Message.WEBHOOK).order_by("endpoint_id")]


def test_the_customers_administrators_are_told_and_nobody_elses(people: tuple[Customer, Customer]) -> None:
    """A-28: its administrators, not its viewers, not another customer's."""
    row = world.subscribe(people[0])
    user("left", User.ADMINISTRATOR, people[0], active=False)
    assert announce("statement.closed", people[0], CLOSED, row) == 1
    assert mailed() == ["north-admin@example.org"]


def test_a_person_who_is_there_twice_is_told_once(people: tuple[Customer, Customer]) -> None:
    user("second-account", User.ADMINISTRATOR, people[0], email="north-admin@example.org")
    announce("statement.closed", people[0], CLOSED, world.subscribe(people[0]))
    assert mailed() == ["north-admin@example.org"]


def test_webhooks_go_to_the_customer_and_the_vendor_where_they_want_the_event(
    people: tuple[Customer, Customer],
) -> None:
    north, south = people
    wanted = [endpoint(north), endpoint(north, "statement.closed", "report.sent"), endpoint(None)]
    endpoint(north, "report.sent")
    endpoint(north, active=False)
    endpoint(south)
    endpoint(None, "facts.held")
    announce("statement.closed", north, CLOSED, world.subscribe(north))
    assert hooked() == wanted
    # Each has an id of its own, by which a receiver knows it when it comes again.
    ids = set(Message.objects.values_list("message_id", flat=True))
    assert len(ids) == Message.objects.count() == 4


@pytest.mark.parametrize("kind", ["pilot", "internal", "shadow"])
def test_what_is_not_shown_to_a_customer_is_told_to_the_vendor_alone(
    people: tuple[Customer, Customer], kind: str
) -> None:
    """S-22, S-36."""
    endpoint(people[0])
    vendors = endpoint(None)
    announce("statement.closed", people[0], CLOSED, world.subscribe(people[0], kind=kind))
    assert hooked() == [vendors]
    assert mailed() == ["operator@example.org"]


def test_a_plan_may_hide_itself(people: tuple[Customer, Customer]) -> None:
    plan = world.own_plan(
        '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n[governance]\nvisible_to_customer = false\n'
    )
    announce("statement.closed", people[0], CLOSED, world.subscribe(people[0], plan))
    assert mailed() == ["operator@example.org"]


@pytest.mark.parametrize("event", [name for name, it in EVENTS.items() if it.audience == "vendor"])
def test_what_is_the_vendors_business_never_reaches_a_customer(people: tuple[Customer, Customer], event: str) -> None:
    endpoint(people[0])
    announce(event, people[0], {}, world.subscribe(people[0]))
    assert hooked() == []
    assert mailed() == ["operator@example.org"]


def test_named_addresses_get_mail_instead_and_none_means_nobody(people: tuple[Customer, Customer]) -> None:
    row = world.subscribe(people[0])
    assert announce("statement.closed", people[0], CLOSED, row, mail=["a@example.org", "a@example.org"]) == 1
    assert announce("statement.closed", people[0], CLOSED, row, mail=()) == 0
    assert mailed() == ["a@example.org"]


def test_content_says_what_it_is_when_it_was_and_whom_it_is_about(people: tuple[Customer, Customer]) -> None:
    row = world.subscribe(people[0])
    announce("statement.closed", people[0], CLOSED, row)
    message = Message.objects.get()
    assert message.content.keys() == {"type", "timestamp", "data"}
    assert message.content["type"] == message.event == "statement.closed"
    assert message.content["timestamp"].endswith("Z")
    assert message.content["data"] == CLOSED | {
        "customer": "Northern Academy",
        "subscription": row.pk,
        "plan": "monthly-login",
        "zone": "UTC",
    }


def test_what_is_rolled_back_was_never_told(people: tuple[Customer, Customer]) -> None:
    row: Subscription = world.subscribe(people[0])

    def undone() -> None:
        with transaction.atomic():
            announce("statement.closed", people[0], CLOSED, row)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert not Message.objects.exists()


def test_an_event_or_a_key_that_is_not_documented_is_refused(people: tuple[Customer, Customer]) -> None:
    with pytest.raises(ValueError, match="not documented"):
        announce("learner.seen", people[0], {})
    with pytest.raises(ValueError, match="learner"):
        announce("statement.closed", people[0], {**CLOSED, "learner": "ann"})


def test_no_event_says_anything_of_a_learner() -> None:
    keys = set(COMMON) | set(WINDOW) | {key for it in EVENTS.values() for key in it.data}
    assert not keys & {"learner", "unit", "learners", "name", "email", "actor", "object", "session", "fact"}
