"""May this learner start now? As the platform asks it, with its key, over every policy; and who waits for the last place.

It is 2 March 2026, 12:00. A month's logins count, and what is included says each test.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections

from rollbook.server import clock
from rollbook.server.access import keys
from rollbook.server.models import Crossing, Customer, Reservation, Subscription
from rollbook.server.receiving.admissions import RESERVED_MINUTES
from tests.server.callers import Caller, by_key
from tests.server.world import active, at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-02T12:00"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch):
    """Sets the clock; it is noon."""

    def to(text: str) -> None:
        monkeypatch.setattr(clock, "source_ns", lambda: at(text) * 1000)

    to(NOW)
    return to


def subscribed(policy: str, places: int, more: str = "") -> Subscription:
    rules = '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n[allowance]\nper = "window"\n'
    plan = own_plan(f'{rules}quantity = {places}\n[limit]\npolicy = "{policy}"\n{more}')
    return subscribe(customer(), plan, now="2026-03-01T00:00")


def ask(of: Customer, learner: str, **more: Any) -> dict[str, Any]:
    asked = {"organisation": "north", "learner": learner} | more
    answer = by_key("admissions:write", customer=of).post("/admissions", asked)
    assert answer.status_code == 200, answer.content
    return answer.json()


def log_in(*names: str, day: str = "02") -> None:
    send([row(f"{day} {name}", name, f"2026-03-{day}T09:00") for name in names], f"2026-03-{day}T10:00")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("bill", (True, True, True)),
        ("notify", (True, True, True)),
        ("block-new", (False, True, True)),
        ("block", (False, False, False)),
    ],
)
def test_who_is_turned_away_follows_from_the_policy(policy: str, expected: tuple[bool, ...]) -> None:
    """One place, and Ana and Bo have logged in: one too many. F-20 and A-23: nobody is refused but by a plan that blocks."""
    mine = subscribed(policy, 1).customer
    log_in("ana", "bo")
    asked = ({"learner": "new"}, {"learner": "ana"}, {"learner": "looker", "type": "course.viewed"})
    found = [ask(mine, **it, reserve=False) for it in asked]
    assert tuple(it["allowed"] for it in found) == expected
    said = [it["subscriptions"][0] for it in found]
    assert [(it["counted"], it["would_count"], it["remaining"]) for it in said] == [
        *((False, True, -1), (True, True, -1), (False, False, -1)),
    ]
    assert all(it["reason"] for it in said)


def test_what_is_asked_is_never_kept_but_for_the_place() -> None:
    term = subscribed("block-new", 3)
    assert ask(term.customer, "ana", reserve=False)["allowed"]
    assert not Reservation.objects.exists()
    assert ask(term.customer, "ana")["allowed"]
    assert Reservation.objects.count() == 1
    assert active(term, NOW) == {1: 0, 2: 0, 3: 0}


def test_whoever_acts_takes_the_place_that_was_kept_and_no_second_one() -> None:
    """Two places. Ana is let in: 1 is left for others, and still 1 when she has acted."""
    mine = subscribed("block-new", 2).customer
    assert ask(mine, "ana")["allowed"]
    assert ask(mine, "bo", reserve=False)["subscriptions"][0]["remaining"] == 1
    log_in("ana")
    assert ask(mine, "bo", reserve=False)["subscriptions"][0]["remaining"] == 1
    assert ask(mine, "bo")["allowed"]
    assert not ask(mine, "cy")["allowed"]


def test_a_place_that_nobody_takes_is_free_again(now) -> None:
    mine = subscribed("block-new", 1).customer
    assert RESERVED_MINUTES == 60
    assert ask(mine, "ana")["allowed"]
    assert not ask(mine, "bo")["allowed"]
    now("2026-03-02T12:59")
    assert not ask(mine, "bo")["allowed"]
    now("2026-03-02T13:00")
    assert ask(mine, "bo")["allowed"]
    assert not ask(mine, "ana")["allowed"]


def test_of_two_who_ask_for_the_last_place_at_once_one_gets_it() -> None:
    mine = subscribed("block-new", 1).customer
    _, key = keys.make(name="platform", scopes=["admissions:write"], customer=mine)
    begin = threading.Barrier(2)
    found: dict[str, tuple[int, bool]] = {}

    def asks(learner: str) -> None:
        try:
            caller = Caller(key=key)
            begin.wait(10)
            answer = caller.post("/admissions", {"organisation": "north", "learner": learner})
            found[learner] = (answer.status_code, answer.json()["allowed"])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=asks, args=(name,)) for name in ("ana", "bo")]
    for it in threads:
        it.start()
    for it in threads:
        it.join(30)
    assert sorted(found.values()) == [(200, False), (200, True)]
    assert Reservation.objects.count() == 1


def test_days_of_grace_begin_when_all_is_used_up(now) -> None:
    """Two days from 2 March, 10:00, when the crossing of 100 % was written; the one who came then is no newcomer."""
    mine = subscribed("block-new", 1, "grace_days = 2\n").customer
    log_in("ana")
    full = Crossing.objects.get(percent=100)
    Crossing.objects.filter(pk=full.pk).update(at="2026-03-02T10:00:00Z")
    assert ask(mine, "bo", reserve=False)["allowed"]
    now("2026-03-04T09:59")
    assert ask(mine, "bo", reserve=False)["allowed"]
    now("2026-03-04T10:00")
    assert not ask(mine, "bo", reserve=False)["allowed"]
    assert ask(mine, "ana", reserve=False)["allowed"]


def test_an_organisation_of_another_customer_is_not_there() -> None:
    subscribed("bill", 1)
    other = customer("Southern Academy", ("south",))
    answer = by_key("admissions:write", customer=other).post("/admissions", {"organisation": "north", "learner": "ana"})
    assert answer.status_code == 404
    assert not Reservation.objects.exists()
