"""Who may start: whoever counts already is no newcomer, and places that are kept are nobody else's."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rollbook.server import clock
from rollbook.server.models import Person, Reservation
from rollbook.server.receiving.admissions import Asked, admit
from tests.server import callers, world
from tests.server.world import active, at, customer, differences, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

ONE_PLACE = """
[meter]
counts = ["{type}"]
{meter}
[window]
kind = "calendar-month"
[allowance]
per = "window"
quantity = 1
[limit]
policy = "{policy}"
"""


def one_place(type_: str = "login", meter: str = "", policy: str = "block-new"):
    return own_plan(ONE_PLACE.format(type=type_, meter=meter, policy=policy))


def asks(whose, now: str, **asked) -> bool:
    return bool(admit(Asked(**{"organisation": "north", "learner": "ana"} | asked), whose, at(now))["allowed"])


def test_who_counts_in_one_organisation_is_a_newcomer_in_another_that_is_counted_apart() -> None:
    """One place, taken by ana in north. In south she would be a second unit: 2 > 1."""
    mine = customer("Northern Academy", ["north", "south"])
    term = subscribe(mine, one_place(meter='dedupe = "organisation"'), now="2026-03-01T00:00")
    send([row("1", "ana", "2026-03-02T09:00")], "2026-03-02T10:00")
    assert asks(mine, "2026-03-02T11:00")
    assert not asks(mine, "2026-03-02T11:00", organisation="south")
    assert active(term, "2026-03-02T11:00")[3] == 1


def test_who_counts_in_one_course_is_a_newcomer_in_another_where_enrolments_count() -> None:
    """One place, taken by ana in course A. Course B would be a second enrolment: 2 > 1."""
    mine = customer()
    subscribe(mine, one_place("course.viewed", 'unit = "enrolment"'), now="2026-03-01T00:00")
    send([row("1", "ana", "2026-03-02T09:00", "course.viewed", object="A")], "2026-03-02T10:00")
    assert asks(mine, "2026-03-02T11:00", object="A")
    assert not asks(mine, "2026-03-02T11:00", object="B")


def test_a_place_is_kept_for_a_learner_in_one_course_where_enrolments_count() -> None:
    """Three places. Ana is admitted to A and to B: two. A again is the place she has; Ben's is the third, C is none."""
    mine = customer()
    plan = own_plan(
        ONE_PLACE.format(type="course.viewed", meter='unit = "enrolment"', policy="block-new").replace(
            "quantity = 1", "quantity = 3"
        )
    )
    subscribe(mine, plan, now="2026-03-01T00:00")
    assert asks(mine, "2026-03-02T09:00", object="A")
    assert asks(mine, "2026-03-02T09:00", object="B")
    assert Reservation.objects.count() == 2
    assert asks(mine, "2026-03-02T09:01", object="A")
    assert asks(mine, "2026-03-02T09:01", learner="ben", object="A")
    assert not asks(mine, "2026-03-02T09:02", object="C")
    # What was begun takes its own place and no other: B and Ben's are kept yet.
    send([row("1", "ana", "2026-03-02T09:03", "course.viewed", object="A")], "2026-03-02T09:03")
    assert not asks(mine, "2026-03-02T09:04", object="C")
    assert asks(mine, "2026-03-02T09:04", object="B")


def test_a_learner_has_one_place_whatever_they_begin_where_learners_count() -> None:
    mine = customer()
    subscribe(mine, one_place("course.viewed"), now="2026-03-01T00:00")
    assert asks(mine, "2026-03-02T09:00", object="A")
    assert asks(mine, "2026-03-02T09:00", object="B")
    assert [it.object for it in Reservation.objects.all()] == [""]


def test_a_learner_has_one_place_in_all_organisations_that_are_counted_together() -> None:
    """Two places; ana's is one, from wherever she is admitted, and the other is Ben's."""
    mine = customer("Northern Academy", ["north", "south"])
    two = ONE_PLACE.format(type="login", meter='dedupe = "customer"', policy="block-new")
    subscribe(mine, own_plan(two.replace("quantity = 1", "quantity = 2")), now="2026-03-01T00:00")
    assert asks(mine, "2026-03-02T09:00")
    assert asks(mine, "2026-03-02T09:00", organisation="south")
    assert asks(mine, "2026-03-02T09:00", learner="ben")
    assert not asks(mine, "2026-03-02T09:00", learner="cid")


@pytest.mark.parametrize("asked", [{"reserve": False}, {"learner": "ben"}], ids=["no-place-wanted", "turned-away"])
def test_whoever_gets_no_place_leaves_nothing_behind(asked) -> None:
    """One place, which is kept for ana."""
    mine = customer()
    term = subscribe(mine, one_place(), now="2026-01-01T00:00")
    assert asks(mine, "2026-03-02T09:00")
    kept = _everything()
    asks(mine, "2026-03-02T09:30", **{"learner": "cid"} | asked)
    assert _everything() == kept
    term.refresh_from_db()
    assert (Person.objects.count(), differences(term)) == (1, [])


def _everything() -> dict[str, list]:
    """All rows that the server has, by table."""
    with connection.cursor() as cursor:
        found = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"select * from {connection.ops.quote_name(table)}")
            found[table] = sorted(cursor.fetchall(), key=repr)
    return found


def test_a_place_that_is_kept_is_nobody_elses_until_it_is_taken_or_lapses() -> None:
    mine = customer()
    term = subscribe(mine, one_place(), now="2026-03-01T00:00")
    assert asks(mine, "2026-03-02T09:00")
    assert asks(mine, "2026-03-02T09:01")
    assert not asks(mine, "2026-03-02T09:59", learner="ben")
    assert asks(mine, "2026-03-02T10:02", learner="ben")
    send([row("1", "ben", "2026-03-02T10:03")], "2026-03-02T10:03")
    assert not asks(mine, "2026-03-02T10:04")
    assert active(term, "2026-03-02T10:04")[3] == 1
    assert differences(term) == []


def test_a_place_that_was_taken_by_whoever_is_linked_now_is_not_kept_twice() -> None:
    """ana was admitted and acted; her id became ana2. Two of two places: hers, and one that is free."""
    mine = customer()
    plan = own_plan(
        ONE_PLACE.format(type="login", meter="", policy="block-new").replace("quantity = 1", "quantity = 2")
    )
    subscribe(mine, plan, now="2026-03-01T00:00")
    assert asks(mine, "2026-03-02T09:00")
    send([row("1", "ana", "2026-03-02T09:01")], "2026-03-02T09:01")
    send([row("2", "ana2", "2026-03-02T09:02", "identity.linked", object="ana")], "2026-03-02T09:02")
    assert asks(mine, "2026-03-02T09:03", learner="ana2")
    assert asks(mine, "2026-03-02T09:03", learner="ben")
    assert not asks(mine, "2026-03-02T09:04", learner="cid")


def test_asking_costs_as_many_questions_however_many_places_are_kept() -> None:
    mine = customer()
    subscribe(mine, one_place(policy="notify"), now="2026-03-01T00:00")
    asks(mine, "2026-03-02T09:00", learner="nobody")
    counts = []
    for learners in (range(1, 3), range(3, 30)):
        for number in learners:
            asks(mine, "2026-03-02T09:00", learner=f"learner {number}")
        with CaptureQueriesContext(connection) as asked:
            asks(mine, "2026-03-02T09:00", learner="nobody")
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kind", ["pilot", "internal", "shadow"])
def test_what_is_not_shown_to_a_customer_is_not_in_the_answers_to_what_would_be(kind, monkeypatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-03-02T12:00") * 1000)
    mine = customer()
    hidden = subscribe(mine, one_place(), kind=kind, meter="other", now="2026-03-02T12:00")
    shown = subscribe(mine, now="2026-03-02T12:00")
    facts = {"facts": [row("1", "ana", "2026-03-02T11:00")]}
    who = {"organisation": "north", "learner": "ana", "reserve": False}
    for caller, expected in (
        (callers.by_key("usage:read", "admissions:write", customer=mine), {shown.pk}),
        (callers.by_key("usage:read", "admissions:write"), {shown.pk, hidden.pk}),
    ):
        changes = caller.post("/preview", facts).json()["changes"]
        assert {it["subscription"] for it in changes} == expected
        verdicts = caller.post("/admissions", who).json()["subscriptions"]
        assert {it["subscription"] for it in verdicts} == expected - ({hidden.pk} if kind == "shadow" else set())


def test_an_id_that_is_another_learners_number_tells_of_nobody() -> None:
    mine = customer()
    term = subscribe(mine, now="2026-03-03T00:00")
    send([row("1", "ana", "2026-03-02T00:00")], "2026-03-03T00:00")
    number = Person.objects.get().pk
    caller = callers.by_key("learners:read", customer=mine)
    assert caller.get(f"/subscriptions/{term.pk}/learners/ana").json()["ids"] == ["ana"]
    assert caller.get(f"/subscriptions/{term.pk}/learners/{number}").status_code == 404
    # Somebody who is known and did nothing is not the entry of a guest whose fact has the id of their number.
    world.send([row(str(number + 1), "", "2026-03-02T00:00", role="guest")], "2026-03-03T00:00")
    callers.operator().call("PUT", "/people", {"customer": mine.pk, "people": [{"learner": "ben", "name": "Ben"}]})
    assert Person.objects.get(learner="ben").pk == number + 1
    assert caller.get(f"/subscriptions/{term.pk}/learners/ben").status_code == 404
