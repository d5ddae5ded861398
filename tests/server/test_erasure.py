"""Whoever is forgotten stands nowhere any more: in no column of any table, in no file of a statement, in no mail to come.

A marker stands for the id, the name and the address of one learner. It is planted wherever the server takes anything in
that may name a learner, and then looked for in everything that the database holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.utils import timezone

from rollbook.server import clock
from rollbook.server.billing import closing, shelf
from rollbook.server.live import people
from rollbook.server.models import HeldFact, Message, Organisation, ReportOrder, Reservation, Subscription
from rollbook.server.notices import orders
from rollbook.server.notices.delivery import deliver
from rollbook.server.receiving.ingest import customers_waiting, release_held
from tests.server import callers, world
from tests.server.world import at, own_plan, row

pytestmark = pytest.mark.usefixtures("ledger")

ID, NAME, EMAIL = "mark-7f3e-ana", "Ana Mark-7f3e Muñoz", "mark-7f3e@example.org"
MARK = "mark-7f3e"

PLAN = own_plan(
    """
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
[allowance]
per = "window"
quantity = 50
[limit]
policy = "block-new"
[governance]
grace_days = 0
close = "auto"
visible_to_customer = true
"""
)
HOLDING = own_plan(
    """
[meter]
unit = "enrolment"
[meter.holds]
on = ["enrolment.enabled"]
off = ["enrolment.disabled"]
opens = "before-term"
[window]
kind = "calendar-month"
[allowance]
per = "window"
quantity = 50
[limit]
policy = "bill"
""",
    "holding",
)
NOW = "2026-03-10T12:00"


@pytest.fixture
def mails(settings: Any, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    return tmp_path / "mail"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Any:
    def to(text: str) -> None:
        monkeypatch.setattr(clock, "source_ns", lambda: at(text) * 1000)

    to(NOW)
    return to


def everything() -> Iterator[tuple[str, str]]:
    """Each value of each column of each table, as text, with its place."""
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f'select * from "{table}"')
            columns = [it[0] for it in cursor.description]
            for line in cursor.fetchall():
                for column, value in zip(columns, line, strict=True):
                    text = bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
                    yield f"{table}.{column}", text


def marked() -> set[str]:
    """The columns that have the marker, also where JSON was packed into JSON."""
    return {place for place, text in everything() if MARK in text.casefold()}


def sealed(term: Subscription, folder: Path) -> str:
    """Everything that the files of closed statements say, unpacked."""
    folder.mkdir()
    book = shelf.take_down(term, folder / "book")
    assert book.facts_files()
    texts = [str(pq.read_table(it).to_pylist()) for it in folder.rglob("*.parquet")]
    texts += [it.read_text(errors="replace") for it in folder.rglob("*.json")]
    return "\n".join(texts)


def held_by_another_plan(term: Subscription) -> None:
    """A term of the same customer that counts enrolments, beside the first."""
    world.subscribe(term.customer, HOLDING, now=NOW, kind="shadow")


def planted(term: Subscription) -> None:
    """Facts that name the learner, in every column and on every way by which an id may come."""
    words = json.dumps({"who": ID, "mail": EMAIL, "name": NAME})
    ascii_words = json.dumps({"called": NAME}, ensure_ascii=True)
    facts = [
        row("1", ID, "2026-01-05T09:00", attributes=words, object=ID, session=ID),
        row("2", "ben", "2026-01-06T09:00", attributes=json.dumps({"seen": ID}), actor=ID),
        row("3", "cleo", "2026-01-07T09:00", attributes=ascii_words, impersonator=ID, object=ID),
        row("4", "dan", "2026-02-07T09:00", attributes=json.dumps({"nothing": "of anybody"})),
        row("5", "eve", "2026-01-08T09:00", "identity.linked", object=ID),
        row("6", ID, "2026-03-01T09:00", attributes="by hand"),
        row("7", ID, "2026-01-05T09:00", "enrolment.enabled", object=ID),
    ]
    platform = callers.by_key("facts:write")
    assert platform.post("/facts", facts).json()["new"] == len(facts)
    ahead = row("8", ID, "2026-03-20T09:00", attributes=words, object=ID)
    nowhere = row("9", ID, "2026-03-02T09:00", organisation="nobody's", attributes=words)
    mentioned = row("10", "ben", "2026-03-02T09:00", organisation="nobody's", attributes=json.dumps({"of": ID}))
    later = row("11", ID, "2026-03-03T09:00", organisation="east", object=ID, attributes=words)
    assert platform.post("/facts", [ahead, nowhere, mentioned, later]).json()["held"] == 4
    Organisation.objects.create(name="east", customer=term.customer)
    # A customer's sender whose columns are in disorder: the refusal says which organisation there is not.
    own = callers.by_key("facts:write", "admissions:write", customer=term.customer)
    wrong = own.post("/facts", [row("12", "north", "2026-03-03T09:00", organisation=EMAIL)]).json()
    assert [it["code"] for it in wrong["rejected"]] == ["organisation"]
    people = [{"learner": ID, "name": NAME, "email": EMAIL}]
    assert own.call("PUT", "/people", {"people": people}).status_code == 200
    asked = own.post("/admissions", {"organisation": "north", "learner": ID, "object": ID})
    assert asked.json()["allowed"], asked.content


def erase(term: Subscription, **more: Any) -> dict[str, Any]:
    answer = callers.operator().post("/people/erase", {"customer": term.customer_id, "learner": ID, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


def counts() -> list[Any]:
    found = []
    with connection.cursor() as cursor:
        for table in ("activation", "holding", "opening", "fact_key"):
            cursor.execute(f"select * from {table}")
            found.append(sorted(cursor.fetchall(), key=repr))
    return found


def test_whoever_is_forgotten_stands_in_no_table_no_statement_and_no_mail(
    now: Any, mails: Path, tmp_path: Path
) -> None:
    term = world.subscribe(world.customer(), PLAN, now=NOW)
    held_by_another_plan(term)
    planted(term)
    closed = closing.close_subscription(term.pk, at(NOW))
    # January and February are over, without days of grace.
    assert closed == 2
    order = callers.operator().post(
        "/report-orders", {"subscription": term.pk, "report": "users", "address": "bob@example.org"}
    )
    ReportOrder.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert order.status_code == 201
    assert orders.order_reports(timezone.now()) == 1
    before = counts()
    assert marked() >= {
        "person.learner",
        "person.name",
        "person.email",
        "fact.attributes",
        "held_fact.content",
        "refusal.rule",
    }
    assert Reservation.objects.count() <= 1

    said = erase(term, discard_waiting=True)

    assert marked() == set()
    assert (said["known"], said["waiting"], said["elsewhere"]) == (True, 0, 0)
    assert MARK not in sealed(term, tmp_path / "sealed").casefold()
    deliver(timezone.now() + timedelta(seconds=1))
    assert Message.objects.get(event="report.sent", channel="mail").state == "sent"
    sent = "".join(it.read_text() for it in mails.iterdir())
    assert "Content-Disposition: attachment" in sent
    assert MARK not in sent.casefold()
    # Nothing that was counted is other than it was, and nobody else lost a word.
    assert counts() == before
    assert world.differences(term) == []
    assert HeldFact.objects.count() == 2
    with connection.cursor() as cursor:
        cursor.execute("select id, attributes from fact where attributes <> '' order by id")
        assert cursor.fetchall() == [("4", '{"nothing": "of anybody"}')]
    now("2026-04-10T12:00")
    for customer in customers_waiting(clock.now_us()):
        release_held(customer, clock.now_us())
    assert HeldFact.objects.count() == 0
    assert closing.close_subscription(term.pk, clock.now_us()) == 1
    # The facts that waited are the same person's: in March she counts once in each of two organisations.
    assert world.active(term, "2026-04-10T12:00")[3] == 2
    assert marked() == set()


def test_what_was_sent_before_is_a_repeat_after(now: Any) -> None:  # noqa: ARG001 - the clock
    term = world.subscribe(world.customer(), PLAN, now=NOW)
    sent = [row("1", ID, "2026-01-05T09:00", attributes=json.dumps({"who": ID}), object=ID, session=ID)]
    platform = callers.by_key("facts:write")
    assert platform.post("/facts", sent).json()["new"] == 1
    assert (term.customer_id, ID) in people._remembered
    erase(term)
    assert people._remembered == {}
    assert platform.post("/facts", sent).json()["repeats"] == 1


def test_facts_of_nobodys_organisation_are_told_and_kept_until_somebody_says_that_they_go(now: Any) -> None:  # noqa: ARG001
    term = world.subscribe(world.customer(), PLAN, now=NOW)
    platform = callers.by_key("facts:write")
    facts = [
        row("1", ID, "2026-03-02T09:00", organisation="nobody's"),
        row("2", "ben", "2026-03-02T09:00", organisation="nobody's"),
    ]
    assert platform.post("/facts", facts).json()["held"] == 2
    assert erase(term)["waiting"] == 1
    assert HeldFact.objects.count() == 2
    said = erase(term, discard_waiting=True)
    assert (said["waiting"], said["known"]) == (0, False)
    assert list(HeldFact.objects.values_list("fact_id", flat=True)) == ["2"]


def test_where_counts_rest_on_a_text_that_contains_the_id_that_is_told_and_it_stays(now: Any) -> None:  # noqa: ARG001
    term = world.subscribe(world.customer(), PLAN, now=NOW)
    facts = [
        row("1", ID, "2026-01-05T09:00", object=f"/users/{ID}/profile"),
        row(f"login-{ID}", ID, "2026-01-06T09:00"),
        row("3", ID, "2026-01-07T09:00", session=f"{ID}:1"),
        row("4", ID, "2026-01-08T09:00"),
    ]
    assert callers.by_key("facts:write").post("/facts", facts).json()["new"] == 4
    assert erase(term)["elsewhere"] == 3
    assert world.differences(term) == []


def test_a_short_id_empties_nobody_elses_attributes_that_only_contain_it(now: Any) -> None:  # noqa: ARG001
    term = world.subscribe(world.customer(), PLAN, now=NOW)
    facts = [
        row("1", "7", "2026-01-05T09:00", attributes='{"x": 1}'),
        row("2", "ben", "2026-01-06T09:00", attributes='{"course": "70", "page": 7}'),
        row("3", "cleo", "2026-01-06T09:00", attributes='{"seen": "7"}'),
    ]
    assert callers.by_key("facts:write").post("/facts", facts).json()["new"] == 3
    assert callers.operator().post("/people/erase", {"customer": term.customer_id, "learner": "7"}).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("select id, attributes from fact order by id")
        assert cursor.fetchall() == [("1", ""), ("2", '{"course": "70", "page": 7}'), ("3", "")]


def test_an_object_that_is_called_as_its_learner_counts_as_any_other(now: Any) -> None:  # noqa: ARG001
    """Hers is stored as the surrogate's; ben's object of that name is text like any other, which is told."""
    term = world.subscribe(world.customer(), PLAN, now=NOW)
    facts = [row("1", ID, "2026-01-05T09:00", object=ID), row("2", "ben", "2026-01-05T09:00", object=ID)]
    assert callers.by_key("facts:write").post("/facts", facts).json()["new"] == 2
    with connection.cursor() as cursor:
        cursor.execute("select id, object from fact order by id")
        stored = dict(cursor.fetchall())
    assert stored["1"].startswith("person ")
    assert stored["2"] == ID
    assert world.active(term, NOW)[1] == 2
    assert erase(term)["elsewhere"] == 1
