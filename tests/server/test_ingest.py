"""A batch is one transaction: what it says when it returns is on disk and in the count."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from rollbook.model.instants import from_us
from rollbook.server.models import HeldFact, Person, Refusal
from rollbook.server.operation import jobs
from rollbook.server.receiving import ingest
from rollbook.server.receiving.ingest import Sender

from . import world
from .world import active, customer, differences, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")


def release_held(now_us: int) -> int:
    """What the worker does for facts that wait."""
    return jobs.release_held(from_us(now_us))


def stored() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from fact")
        return int(cursor.fetchone()[0])


def test_a_fact_counts_at_once() -> None:
    term = subscribe(customer(), quantity=10)
    receipt = send([row("1", "ana", "2026-01-05T09:00"), row("2", "bo", "2026-02-05T09:00")], "2026-02-10T00:00")
    assert (receipt.received, receipt.new, receipt.rejected) == (2, 2, [])
    assert active(term, "2026-02-10T00:00") == {1: 1, 2: 1}
    assert differences(term) == []


def test_a_repeat_changes_nothing_and_says_so() -> None:
    term = subscribe(customer())
    rows = [row("1", "ana", "2026-01-05T09:00"), row("2", "bo", "2026-01-06T09:00")]
    send(rows, "2026-01-10T00:00")
    receipt = send([*rows, row("3", "ana", "2026-01-07T09:00")], "2026-01-10T00:00")
    assert (receipt.new, receipt.repeats) == (1, 2)
    assert active(term, "2026-01-10T00:00") == {1: 2}
    assert stored() == 3


def test_the_same_id_with_other_content_is_refused_and_the_first_stands() -> None:
    term = subscribe(customer())
    send([row("1", "ana", "2026-01-05T09:00")], "2026-01-10T00:00")
    receipt = send([row("1", "bo", "2026-01-05T09:00")], "2026-01-10T00:00")
    assert [(it.index, it.code) for it in receipt.rejected] == [(0, "conflict")]
    assert active(term, "2026-01-10T00:00") == {1: 1}
    assert Refusal.objects.get().code == "conflict"


def test_a_fact_without_an_id_is_refused_because_a_repeat_could_not_be_told() -> None:
    customer()
    receipt = send([row("", "ana", "2026-01-05T09:00")], "2026-01-10T00:00")
    assert [(it.code, it.rule) for it in receipt.rejected] == [("id-missing", "id is empty")]


def test_everything_wrong_with_a_fact_is_told_with_its_place_in_the_batch() -> None:
    customer()
    bad = {"id": "2", "occurred_at": "yesterday", "type": "", "learner": "ana", "organisation": "north"}
    receipt = send([row("1", "ana", "2026-01-05T09:00"), bad], "2026-01-10T00:00")
    assert receipt.new == 1
    assert {it.index for it in receipt.rejected} == {1}
    assert {it.rule.split(" ")[0] for it in receipt.rejected} == {"occurred_at", "type"}


def test_a_fact_of_tomorrow_is_held_and_counts_when_its_time_has_come() -> None:
    term = subscribe(customer())
    receipt = send([row("1", "ana", "2026-01-11T09:00")], "2026-01-10T00:00")
    assert (receipt.new, receipt.held) == (0, 1)
    assert active(term, "2026-01-10T00:00") == {1: 0}
    again = send([row("1", "ana", "2026-01-11T09:00")], "2026-01-10T00:00")
    assert (again.held, again.repeats) == (0, 1)
    assert release_held(world.at("2026-01-11T08:59")) == 0
    assert release_held(world.at("2026-01-11T09:01")) == 1
    assert active(term, "2026-01-11T09:01") == {1: 1}
    assert not HeldFact.objects.exists()
    assert differences(term) == []


def test_two_customers_use_the_same_ids_without_noticing_each_other() -> None:
    """Both platforms are called lms and number from 1; the second is told nothing about the first."""
    north, south = subscribe(customer()), subscribe(customer("Others", ["south"]))
    send([row("1", "ana", "2026-01-05T09:00"), row("2", "bo", "2026-01-05T09:00")], "2026-01-10T00:00")
    receipt = send(
        [
            row("1", "zoe", "2026-01-06T09:00", organisation="south"),
            row("2", "yan", "2026-01-06T09:00", organisation="south"),
            row("3", "", "2026-01-07T09:00", "fact.voided", voids="2", organisation="south"),
        ],
        "2026-01-10T00:00",
    )
    assert (receipt.new, receipt.repeats, receipt.rejected) == (3, 0, [])
    assert active(north, "2026-01-10T00:00") == {1: 2}, "a void takes back nobody else's fact"
    assert active(south, "2026-01-10T00:00") == {1: 1}
    assert differences(north) == differences(south) == []


def test_facts_that_wait_are_told_apart_by_organisation_too() -> None:
    customer()
    customer("Others", ["south"])
    send([row("1", "ana", "2026-01-11T09:00")], "2026-01-10T00:00")
    south = row("1", "zoe", "2026-01-12T09:00", organisation="south")
    nobody_s = row("1", "yan", "2026-01-12T09:00", organisation="west")
    receipt = send([south, nobody_s], "2026-01-10T00:00")
    assert (receipt.held, receipt.repeats, receipt.rejected) == (2, 0, [])
    assert release_held(world.at("2026-01-13T00:00")) == 2
    assert stored() == 2


def test_a_fact_that_waits_is_a_conflict_with_other_content_and_the_first_stands() -> None:
    term = subscribe(customer())
    ana, bo = (row("1", who, "2026-01-11T09:00") for who in ("ana", "bo"))
    send([ana], "2026-01-10T00:00")
    receipt = send([ana, bo], "2026-01-10T00:00")
    assert (receipt.held, receipt.repeats) == (0, 1)
    assert [(it.index, it.code) for it in receipt.rejected] == [(1, "conflict")]
    receipt = send([row("2", "bo", "2026-01-11T09:00"), row("2", "carl", "2026-01-11T09:00")], "2026-01-10T00:00")
    assert (receipt.held, [(it.index, it.code) for it in receipt.rejected]) == (1, [(1, "conflict")])
    release_held(world.at("2026-01-11T09:01"))
    assert active(term, "2026-01-11T09:01") == {1: 2}


def test_a_fact_that_waited_for_its_organisation_is_a_repeat_afterwards() -> None:
    """Held with its ids while nobody had the organisation; sent again while it lies ahead, with surrogates."""
    ana = row("1", "ana", "2026-01-11T09:00")
    send([ana], "2026-01-10T00:00")
    customer()
    again = send([ana], "2026-01-10T00:00")
    assert (again.held, again.repeats, again.rejected) == (0, 1, [])
    assert HeldFact.objects.count() == 1


def test_a_held_fact_whose_id_was_taken_meanwhile_is_refused_where_refusals_are_looked_for() -> None:
    """ana's waits; then bo's comes under the same id and counts. What came first into the counts stands."""
    mine = customer()
    term = subscribe(mine)
    send([row("1", "ana", "2026-01-11T09:00")], "2026-01-10T00:00")
    send([row("1", "bo", "2026-01-09T09:00")], "2026-01-10T00:00")
    assert release_held(world.at("2026-01-12T00:00")) == 1
    assert active(term, "2026-01-12T00:00") == {1: 1}
    refusal = Refusal.objects.get()
    assert (refusal.code, refusal.customer, refusal.sender) == ("conflict", mine, "release of held facts")


def test_facts_that_cannot_come_in_keep_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = customer("Others", ["south"]), subscribe(customer())
    rows = [row("1", "zoe", "2026-01-11T09:00", organisation="south"), row("1", "ana", "2026-01-11T09:00")]
    send(rows, "2026-01-10T00:00")
    store = ingest.engine.store

    def failing(cursor: Any, facts: Any, owner: int, **how: Any) -> Any:
        if owner == bad.pk:
            raise RuntimeError
        return store(cursor, facts, owner, **how)

    monkeypatch.setattr(ingest.engine, "store", failing)
    assert release_held(world.at("2026-01-11T09:01")) == 1
    assert active(good, "2026-01-11T09:01") == {1: 1}
    assert [held.organisation for held in HeldFact.objects.all()] == ["south"]


def test_a_fact_that_names_no_organisation_is_refused_because_nobody_could_ever_own_it() -> None:
    customer()
    receipt = send([row("1", "ana", "2026-01-05T09:00", organisation="")], "2026-01-10T00:00")
    assert [(it.code, it.rule) for it in receipt.rejected] == [("organisation", "organisation is empty")]
    assert not HeldFact.objects.exists()


def test_a_held_fact_names_nobody_either() -> None:
    customer()
    send([row("1", "ana", "2026-01-11T09:00")], "2026-01-10T00:00")
    assert HeldFact.objects.get().content["learner"] == str(Person.objects.get().pk)


def test_a_fact_of_an_unknown_organisation_waits_until_somebody_owns_it() -> None:
    receipt = send([row("1", "ana", "2026-01-05T09:00")], "2026-01-10T00:00")
    assert receipt.held == 1
    term = subscribe(customer())
    assert release_held(world.at("2026-01-10T00:00")) == 1
    assert active(term, "2026-01-10T00:00") == {1: 1}


def test_a_customer_s_key_sends_for_its_own_organisations_only() -> None:
    customer("Others", ["south"])
    mine = customer()
    receipt = send(
        [row("1", "ana", "2026-01-05T09:00", organisation="south"), row("2", "ana", "2026-01-05T09:00")],
        "2026-01-10T00:00",
        Sender("key", mine.pk),
    )
    assert receipt.new == 1
    assert [(it.index, it.code) for it in receipt.rejected] == [(0, "organisation")]
    assert "south" in receipt.rejected[0].rule


def test_a_customer_with_one_organisation_need_not_name_it() -> None:
    mine = customer()
    term = subscribe(mine)
    receipt = send([row("1", "ana", "2026-01-05T09:00", organisation="")], "2026-01-10T00:00", Sender("key", mine.pk))
    assert receipt.new == 1
    assert active(term, "2026-01-10T00:00") == {1: 1}


def test_nobody_sends_what_only_the_server_decides_nor_takes_it_back() -> None:
    customer()
    receipt = send(
        [
            row("1", "ana", "2026-01-05T09:00", source="rollbook"),
            row("2", "", "2026-01-05T09:00", "fact.voided", source="rollbook", voids="1"),
            row("3", "ana", "2026-01-05T09:00", source="rollbooks"),
        ],
        "2026-01-10T00:00",
    )
    assert receipt.new == 1
    assert [(it.index, it.code) for it in receipt.rejected] == [(0, "source-reserved"), (1, "source-reserved")]


def test_texts_that_no_index_could_hold_are_refused_in_words() -> None:
    customer()
    receipt = send(
        [row("i" * 513, "ana", "2026-01-05T09:00"), row("é" * 300, "ana", "2026-01-05T09:00")], "2026-01-10T00:00"
    )
    assert [it.rule for it in receipt.rejected] == [
        "id has 513 bytes, more than 512",
        "id has 600 bytes, more than 512",
    ]


def test_facts_at_rest_carry_a_surrogate() -> None:
    subscribe(customer())
    send([row("1", "ana@example.org", "2026-01-05T09:00", impersonator="boss@example.org")], "2026-01-10T00:00")
    with connection.cursor() as cursor:
        cursor.execute("select learner, impersonator from fact")
        learner, impersonator = cursor.fetchone()
    assert {learner, impersonator} == {str(person.pk) for person in Person.objects.all()}
    assert {person.learner for person in Person.objects.all()} == {"ana@example.org", "boss@example.org"}


def test_the_same_id_in_two_customers_is_two_people() -> None:
    customer()
    customer("Others", ["south"])
    send(
        [row("1", "ana", "2026-01-05T09:00"), row("2", "ana", "2026-01-05T09:00", organisation="south")],
        "2026-01-10T00:00",
    )
    assert Person.objects.count() == 2


def test_a_void_takes_back_what_came_before_or_comes_after_it() -> None:
    term = subscribe(customer())
    send(
        [row("1", "ana", "2026-01-05T09:00"), row("v2", "", "2026-01-07T09:00", "fact.voided", voids="2")],
        "2026-01-10T00:00",
    )
    assert active(term, "2026-01-10T00:00") == {1: 1}
    send(
        [row("2", "bo", "2026-01-06T09:00"), row("v1", "", "2026-01-08T09:00", "fact.voided", voids="1")],
        "2026-01-10T00:00",
    )
    assert active(term, "2026-01-10T00:00") == {1: 0}
    assert differences(term) == []


def test_a_month_begins_without_anybody_acting_where_a_state_is_counted() -> None:
    term = subscribe(customer(), "wisenet-elearning", zone="UTC")
    send([row("1", "ana", "2026-01-05T09:00", "enrolment.enabled", object="A")], "2026-01-10T00:00")
    send([row("2", "bo", "2026-03-02T09:00", "enrolment.enabled", object="A")], "2026-03-03T00:00")
    assert active(term, "2026-03-03T00:00") == {1: 1, 2: 1, 3: 2}
    assert differences(term) == []


def test_batches_of_one_learner_at_once_count_them_once() -> None:
    term = subscribe(customer())
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(5):
                send(
                    [row(f"{number}-{n}-{m}", f"learner {m}", "2026-01-05T09:00") for m in range(5)], "2026-01-10T00:00"
                )
        except BaseException as error:  # noqa: BLE001 - it is told by the test, not by a thread
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored() == 4 * 5 * 5
    assert active(term, "2026-01-10T00:00") == {1: 5}
    assert differences(term) == []
