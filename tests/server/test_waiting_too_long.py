"""What waits for an organisation that nobody has is refused in the end, and nothing of it is lost silently; and facts of
types that nobody knows are noted, to be told.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from rollbook.server.models import HeldFact, Refusal, UnknownType
from rollbook.server.operation import jobs
from rollbook.server.receiving import expiry, unknown
from rollbook.server.receiving.ingest import Sender
from tests.server.callers import operator
from tests.server.world import active, customer, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

CAME = datetime(2026, 3, 1, tzinfo=UTC)


def waiting(*rows: dict) -> None:
    """Facts that came on 1 March at 00:00 UTC."""
    send(rows, "2026-03-01T00:00")
    HeldFact.objects.update(received_at=CAME)


def test_after_its_days_a_waiting_fact_is_refused_with_how_many_from_where_and_what_to_do() -> None:
    """90 days after 1 March is 30 May: at 00:00 the facts have waited for 90 days and not longer."""
    waiting(
        row("1", "ana", "2026-02-03T09:00", organisation="nowhere"),
        row("2", "bo", "2026-02-01T09:00", organisation="nowhere"),
        row("3", "bo", "2026-02-01T09:00", organisation="elsewhere"),
    )
    assert jobs.expire_held(CAME + timedelta(days=90)) == 0
    assert jobs.expire_held(CAME + timedelta(days=90, seconds=1)) == 3
    assert not HeldFact.objects.exists()
    [elsewhere, nowhere] = Refusal.objects.order_by("facts")
    assert (elsewhere.facts, nowhere.facts) == (1, 2)
    assert (nowhere.sender, nowhere.code, nowhere.customer) == ("facts that waited", "expired", None)
    assert nowhere.rule == (
        'no customer has the organisation "nowhere", and its facts from the source "lms" waited for 90 days'
    )
    assert nowhere.remedy == (
        "add the organisation to its customer, then let the source send again what happened "
        "from 2026-02-01T09:00:00Z to 2026-02-03T09:00:00Z"
    )
    found = operator().get("/refusals").json()
    assert found["counts"] == {"expired": 3}
    assert {it["facts"] for it in found["items"]} == {1, 2}


def test_how_long_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {**settings.CONFIGURATION.values, "ROLLBOOK_WAIT_DAYS": 7}
    monkeypatch.setattr(settings, "CONFIGURATION", type(settings.CONFIGURATION)(values))
    waiting(row("1", "ana", "2026-02-03T09:00", organisation="nowhere"))
    [shown] = operator().get("/held-facts").json()["items"]
    assert shown["expires_at"] == "2026-03-08T00:00:00Z"
    assert jobs.expire_held(CAME + timedelta(days=7, seconds=1)) == 1


def test_what_waits_for_its_time_or_has_its_organisation_by_now_does_not_expire() -> None:
    """ana's is of 2027. bo's organisation came late, but before the worker looked: it counts."""
    term = subscribe(customer())
    waiting(row("1", "ana", "2027-01-01T09:00"), row("2", "bo", "2026-02-01T09:00", organisation="south"))
    customer("Northern Academy", ("north", "south"))
    late = CAME + timedelta(days=400)
    assert jobs.expire_held(late) == 0
    assert HeldFact.objects.count() == 2
    assert jobs.release_held(CAME + timedelta(days=1)) == 1
    assert active(term, "2026-03-02T00:00")[2] == 1


def test_a_fact_that_expired_may_be_sent_again_and_counts() -> None:
    fact = row("1", "ana", "2026-01-05T09:00")
    waiting(fact)
    assert jobs.expire_held(CAME + timedelta(days=91)) == 1
    term = subscribe(customer())
    assert send([fact], "2026-06-10T00:00").new == 1
    assert active(term, "2026-06-10T00:00")[1] == 1


def test_so_many_are_refused_at_once_and_the_next_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "EXPIRED_MAX", 2)
    waiting(*(row(str(n), "ana", "2026-02-03T09:00", organisation="x" * 250) for n in range(3)))
    late = CAME + timedelta(days=91)
    assert [jobs.expire_held(late) for _ in range(3)] == [2, 1, 0]
    assert sum(it.facts for it in Refusal.objects.all()) == 3


def test_all_that_is_refused_when_waiting_facts_come_in_is_kept() -> None:
    """Nobody waits for an answer. 150 ids of facts that wait are taken by others meanwhile, which count."""
    customer()
    send([row(str(n), "ana", "2026-01-11T09:00") for n in range(150)], "2026-01-10T00:00")
    send([row(str(n), "bo", "2026-01-09T09:00") for n in range(150)], "2026-01-10T00:00")
    assert jobs.release_held(datetime(2026, 1, 12, tzinfo=UTC)) == 150
    assert Refusal.objects.filter(code="conflict").count() == 150


def test_facts_of_unknown_types_are_noted_once_each_with_their_first_and_last() -> None:
    """Two of a misspelt type, then one more; a repeat is none, a known type neither, a preview or rejected fact neither."""
    mine = customer()
    misspelt = [row(str(n), "ana", "2026-01-05T09:00", "course.veiwed") for n in range(2)]
    send(
        [*misspelt, row("3", "ana", "2026-01-05T09:00"), row("", "ana", "2026-01-05T09:00", "no.id")],
        "2026-01-06T00:00",
    )
    send([*misspelt, row("4", "bo", "2026-01-07T09:00", "course.veiwed")], "2026-01-08T00:00")
    noted = UnknownType.objects.get()
    assert (noted.customer, noted.type, noted.facts) == (mine, "course.veiwed", 3)
    assert (noted.organisation, noted.source) == ("north", "lms")
    assert (noted.first_at, noted.last_at) == (datetime(2026, 1, 6, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC))


def test_what_is_noted_of_a_customer_is_bounded_and_nothing_of_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "TYPES_MAX", 3)
    customer()
    send([row(str(n), "ana", "2026-01-05T09:00", f"type.{n}") for n in range(10)], "2026-01-06T00:00")
    send([row("11", "ana", "2026-01-05T09:00", "type.1")], "2026-01-06T00:00")
    found = {it.type: it.facts for it in UnknownType.objects.all()}
    assert len(found) == 4
    assert found[unknown.OTHERS] == 10 - 3
    assert sum(found.values()) == 11


def test_a_type_that_was_said_to_be_mended_is_told_again_when_it_comes_again() -> None:
    customer()
    send([row("1", "ana", "2026-01-05T09:00", "odd")], "2026-01-06T00:00")
    UnknownType.objects.update(resolved_at=CAME)
    send([row("2", "ana", "2026-01-05T09:00", "login")], "2026-01-06T00:00")
    assert UnknownType.objects.get().resolved_at is not None
    send([row("3", "ana", "2026-01-05T09:00", "odd")], "2026-01-06T00:00", Sender("key"))
    assert UnknownType.objects.get().resolved_at is None
