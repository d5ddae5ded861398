"""Forgetting people, and naming them: nothing that was counted changes, and no id stays behind."""

from __future__ import annotations

import json

import pytest
from django.db import connection

from rollbook.server.models import Audit, Person
from rollbook.server.receiving.ingest import Sender, ingest, read_rows
from tests.server import callers, world

pytestmark = pytest.mark.usefixtures("ledger")

ANA = "ana.secret-7@example.org"


@pytest.fixture
def counted(ledger):  # noqa: ARG001 - an empty database first
    """Ana and ben logged in in January; it is counted."""
    north = world.customer()
    row = world.subscribe(north, "monthly-login")
    facts = [world.row("f1", ANA, "2026-01-05T09:00"), world.row("f2", "ben", "2026-01-06T09:00")]
    receipt = ingest(read_rows(facts), Sender("test", north.pk), world.at("2026-01-31T00:00"))
    assert receipt.new == 2
    return row


def everything() -> str:
    """All that stands in the database, as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'select * from "{table}"')
            found += [str(line) for line in cursor.fetchall()]
    return "\n".join(found)


def activations() -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute("select * from activation order by 1, 2, 3, 4, 5")
        return cursor.fetchall()


def erase(caller, learner=ANA, **more):
    return caller.post("/people/erase", {"customer": world.customer().pk, "learner": learner, **more})


def test_erasing_changes_no_count_and_leaves_the_id_nowhere(counted):
    operator = callers.operator()
    operator.call(
        "PUT", "/people", {"customer": counted.customer_id, "people": [{"learner": ANA, "name": "Ana Secret"}]}
    )
    before, usage = activations(), operator.get(f"/subscriptions/{counted.pk}/usage?window=1").json()
    assert len(before) == 2
    assert ANA in everything()
    assert "Ana Secret" in everything()
    answer = erase(operator)
    assert answer.status_code == 200
    assert answer.json()["known"] is True
    assert activations() == before
    after = operator.get(f"/subscriptions/{counted.pk}/usage?window=1").json()
    assert after["windows" if "windows" in usage else "pools"] == usage["windows" if "windows" in usage else "pools"]
    assert ANA not in everything()
    assert "Ana Secret" not in everything()


def test_the_same_id_that_comes_again_is_the_same_person_without_a_name(counted):
    operator = callers.operator()
    number = Person.objects.get(learner=ANA).pk
    erase(operator)
    again = [world.row("f1", ANA, "2026-01-05T09:00"), world.row("f3", ANA, "2026-01-07T09:00")]
    receipt = ingest(read_rows(again), Sender("test", counted.customer_id), world.at("2026-01-31T00:00"))
    # f1 is a repeat, f3 is new; ana is counted once in January as before.
    assert (receipt.repeats, receipt.new) == (1, 1)
    assert len(activations()) == 2
    assert Person.objects.count() == 2
    person = Person.objects.get(pk=number)
    assert (person.learner, person.name) == ("", "")
    assert person.erased_at is not None


@pytest.mark.usefixtures("counted")
def test_erasing_twice_says_so_and_keeps_the_first_time():
    operator = callers.operator()
    first, second = erase(operator).json(), erase(operator).json()
    assert (first["erased_before"], second["erased_before"]) == (False, True)
    assert first["erased_at"] == second["erased_at"]


@pytest.mark.usefixtures("counted")
def test_an_id_of_which_nothing_was_said_makes_nobody():
    operator = callers.operator()
    answer = erase(operator, "nobody")
    assert (answer.status_code, answer.json()["known"]) == (200, False)
    assert Person.objects.count() == 2


@pytest.mark.usefixtures("counted")
def test_the_same_id_of_another_customer_stays():
    south = world.customer("Southern Academy", ("south",))
    facts = [{**world.row("s1", ANA, "2026-01-05T09:00"), "organisation": "south"}]
    ingest(read_rows(facts), Sender("test", south.pk), world.at("2026-01-31T00:00"))
    erase(callers.operator())
    assert list(Person.objects.filter(learner=ANA).values_list("customer", flat=True)) == [south.pk]


def test_the_audit_says_that_somebody_was_forgotten_and_not_who(counted):
    surrogate = Person.objects.get(learner=ANA).pk
    erase(callers.operator())
    row = Audit.objects.get(action="person.erased")
    assert (row.object, row.customer_id) == (f"person {surrogate}", counted.customer_id)
    assert ANA not in json.dumps([row.actor, row.action, row.object, row.details])


def test_names_are_written_by_id_and_the_erased_stay_without(counted):
    operator = callers.operator()
    erase(operator)
    people = [
        {"learner": ANA, "name": "Ana Again"},
        {"learner": "ben", "name": "Ben", "email": "ben@example.org"},
        {"learner": "new", "name": "Newcomer"},
    ]
    answer = operator.call("PUT", "/people", {"customer": counted.customer_id, "people": people})
    assert answer.json() == {"named": 2, "erased_before": 1}
    assert sorted(Person.objects.values_list("name", flat=True)) == ["", "Ben", "Newcomer"]
    assert "Ben" not in json.dumps(list(Audit.objects.values("actor", "object", "details")))


def test_a_customers_key_names_its_own_people_alone(counted):
    south = world.customer("Southern Academy", ("south",))
    caller = callers.by_key("facts:write", customer=south)
    mine = caller.call("PUT", "/people", {"people": [{"learner": "ben", "name": "Southern Ben"}]})
    assert mine.json() == {"named": 1, "erased_before": 0}
    theirs = {"customer": counted.customer_id, "people": [{"learner": "ben", "name": "Changed"}]}
    assert caller.call("PUT", "/people", theirs).status_code == 404
    assert Person.objects.get(customer=counted.customer_id, learner="ben").name == ""


@pytest.mark.usefixtures("counted")
def test_more_people_than_a_call_may_name_are_refused():
    people = [{"learner": str(number)} for number in range(2001)]
    answer = callers.operator().call("PUT", "/people", {"customer": world.customer().pk, "people": people})
    assert answer.status_code == 422
