"""Windows close themselves: when, by whom, what holds them up, and what is told.

Unless a test says otherwise: a month's logins count, 2 are included, each further one costs 3 EUR, closed after 2 days.
"""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, connections

from rollbook.books.verifying import verify
from rollbook.server import models
from rollbook.server.billing import approvals, closing, statements
from rollbook.server.live import people, snapshots
from rollbook.server.models import Audit, Closing, Endpoint, Message, Person, Statement, StatementFile
from rollbook.server.refusals import RefusedError
from tests.server import world
from tests.server.closings import book_of, close_at, events
from tests.server.world import at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

RULES = """
[meter]
counts = ["login"]

[window]
kind = "calendar-month"

[allowance]
per = "window"
quantity = 2

[tariff]
currency = "EUR"

[tariff.overage]
rate = 3

[governance]
grace_days = 2
"""
PLAN = own_plan(RULES, "two-a-month")
APPROVED = own_plan(RULES + 'close = "approve"\n', "two-a-month-approved")

JANUARY = [row(str(n), name, f"2026-01-0{n}T09:00") for n, name in enumerate(("ana", "bo", "cy", "di"), 1)]


@pytest.fixture
def _listening(ledger: None) -> None:  # noqa: ARG001 - it comes first
    """Somebody to be told."""
    Endpoint.objects.create(url="https://vendor.example/hook", secret="whsec_c2VjcmV0")  # noqa: S106 - made up


def january(plan=PLAN) -> models.Subscription:
    """A term with four learners in January: two beyond what is included."""
    term = subscribe(customer(), plan)
    send(JANUARY, "2026-01-31T12:00")
    return term


def test_a_window_closes_when_its_grace_is_over_and_never_twice() -> None:
    """January ends on 1 February 00:00 and has two days of grace. Four active, two beyond: 2 × 3 = 6 EUR."""
    term = january()
    assert close_at("2026-02-02T23:59") == 0
    assert close_at("2026-02-03T00:00") == 1
    assert close_at("2026-02-03T00:01") == 0
    statement = term.statements.get()
    assert (statement.number, statement.window_number, statement.closed_by) == (1, 1, "worker")
    assert statement.record["as_of"] == "2026-02-03T00:00:00Z"
    assert Decimal(statement.record["total"]) == 6


def test_a_customer_without_organisations_is_closed_and_left_alone_after_the_term() -> None:
    """Nobody's facts are theirs: twelve statements of nothing, and no note, whatever comes for others."""
    term = subscribe(customer("Nobody", []), PLAN)
    assert close_at("2027-02-01T00:00") == 12
    subscribe(customer(), PLAN)
    send(JANUARY, "2027-02-01T00:00")
    assert close_at("2027-02-02T00:00") == 12  # of the other one
    assert not term.closings.exclude(withheld="").exists()


SEATS = own_plan(
    '[meter]\nholds = { on = ["login"], off = ["account.disabled"], opens = "in-term" }\n'
    '[window]\nkind = "calendar-month"\n[allowance]\nper = "held"\n',
    "seats",
)


@pytest.mark.parametrize(
    "then",
    [
        [row("2", "ana", "2026-01-10T09:00", "account.disabled"), row("3", "bo", "2026-01-12T09:00")],
        [row("2", "ana2", "2026-01-10T09:00", "identity.linked", object="ana")],
    ],
    ids=["taken by another", "kept under another id"],
)
def test_a_seat_that_two_had_in_one_window_is_one_seat_and_the_next_window_closes(then) -> None:
    """ana sits from the 5th to the 10th, another from then on: one seat at most at once, of two units in evidence."""
    term = subscribe(customer(), SEATS, quantity=1)
    send([row("1", "ana", "2026-01-05T09:00"), *then], "2026-01-20T00:00")
    assert close_at("2026-02-03T00:00") == 1
    first = term.statements.get().record
    assert (first["seats"]["counted"], first["evidence"]["rows"]) == (1, 2)
    assert close_at("2026-03-03T00:00") == 1
    assert not term.closings.exclude(withheld="").exists()
    with statements.bundle(term, 2) as bundle:
        assert verify(bundle).holds


def test_several_windows_that_are_due_close_one_after_the_other_in_one_run() -> None:
    term = january()
    send([row("9", "ana", "2026-02-20T09:00")], "2026-02-21T00:00")
    assert close_at("2026-04-10T00:00") == 3
    rows = list(term.statements.order_by("number").values_list("number", "window_number"))
    assert rows == [(1, 1), (2, 2), (3, 3)]
    assert [it["active"] for s in term.statements.order_by("number") for it in s.record["consumption"]] == [4, 1, 0]


def test_a_run_closes_at_most_as_many_as_it_may_and_the_next_goes_on() -> None:
    term = january()
    assert closing.close_due(at("2026-04-10T00:00"), 2) == 2
    assert closing.close_due(at("2026-04-10T00:00"), 2) == 1
    assert term.statements.count() == 3


def test_what_is_stored_is_byte_for_byte_the_book_of_a_folder() -> None:
    term = january()
    send([row("9", "ana", "2026-02-20T09:00")], "2026-02-21T00:00")
    close_at("2026-03-10T00:00")
    with book_of(term) as book:
        names = sorted(path.name for path in book.folder.iterdir())
        assert names == sorted(
            [f"000{n}.{end}" for n in (1, 2) for end in ("json", "evidence.parquet", "facts.parquet", "secret")]
            + [f"plan.{PLAN.digest}.toml"]
        )
        assert [it.digest for it in book.statements] == [it.digest for it in term.statements.order_by("number")]
        assert book.secret(1) != book.secret(2)
        assert len(book.secret(1)) == 32


@pytest.mark.usefixtures("_listening")
def test_a_close_is_told_with_its_figures_and_written_down() -> None:
    term = january()
    close_at("2026-02-03T00:00")
    statement = term.statements.get()
    [told] = events("statement.closed")
    assert told == {
        "customer": "Northern Academy",
        "subscription": term.pk,
        "plan": "two-a-month",
        "zone": "UTC",
        "window": 1,
        "from": "2026-01-01T00:00:00Z",
        "until": "2026-02-01T00:00:00Z",
        "statement": 1,
        "digest": statement.digest,
        "total": statement.record["total"],
        "currency": "EUR",
    }
    written = Audit.objects.get(action="statement.closed")
    assert (written.actor, written.details) == ("worker", {"statement": 1, "digest": statement.digest})


def test_a_fact_that_comes_late_is_adjusted_on_the_next_statement() -> None:
    """January was closed with 4 active and 6 EUR. One more comes in March: 5 active, 9 EUR, so +3 with February."""
    term = january()
    close_at("2026-02-03T00:00")
    before = term.statements.get().digest
    send([row("late", "eve", "2026-01-31T23:00")], "2026-03-02T00:00")
    close_at("2026-03-03T00:00")
    [adjustment] = term.statements.get(number=2).record["adjustments"]
    assert (adjustment["windows"], adjustment["added"], Decimal(adjustment["amount"])) == ([1], 1, 3)
    assert term.statements.get(number=2).adjusts == [1]
    assert term.statements.get(number=1).digest == before


def test_after_the_term_what_comes_late_is_booked_on_a_note_and_what_changes_nothing_is_not() -> None:
    term = january()
    assert close_at("2027-01-10T00:00") == 12
    assert close_at("2027-01-11T00:00") == 0
    send([row("again", "ana", "2026-01-20T09:00")], "2027-01-12T00:00")
    assert close_at("2027-01-13T00:00") == 0, "ana was active in January anyway"
    send([row("late", "eve", "2026-01-20T09:00")], "2027-01-14T00:00")
    assert close_at("2027-01-15T00:00") == 1
    note = term.statements.get(number=13)
    assert (note.window_number, note.record["window"], Decimal(note.record["total"])) == (None, None, 3)
    assert close_at("2027-01-16T00:00") == 0


def test_facts_of_a_clock_that_goes_ahead_hold_nothing_up_and_are_not_in_the_statement() -> None:
    """They are in the live count of February already, and after the instant at which January is closed."""
    term = january()
    send([row("ahead", "eve", "2026-02-03T00:02")], "2026-02-03T00:00")
    assert close_at("2026-02-03T00:00") == 1
    assert term.statements.get().record["facts"]["rows"] == 4


def test_a_close_copies_from_the_table_only_what_its_book_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The book has the four of January. New are a fact of February, one that came late, and one that lay ahead."""
    january()
    send([row("ahead", "eve", "2026-02-03T00:02")], "2026-02-03T00:00")
    copied, original = [], snapshots.copy_facts
    monkeypatch.setattr(snapshots, "copy_facts", lambda *given: copied.append(original(*given)) or copied[-1])
    close_at("2026-02-03T00:00")
    send([row("f", "ana", "2026-02-20T09:00"), row("late", "flo", "2026-01-20T09:00")], "2026-03-01T00:00")
    close_at("2026-03-03T00:00")
    close_at("2026-04-03T00:00")
    assert [it.facts for it in copied] == [5, 3, 0]
    assert [it.record["facts"]["rows"] for it in Statement.objects.order_by("number")] == [4, 3, 0]


@pytest.mark.parametrize(("asks", "assumed"), [(True, ["north"]), (False, [])])
def test_organisations_whose_learners_were_agreed_to_be_members_stand_in_the_statement(
    asks: bool,  # noqa: FBT001 - a case
    assumed: list[str],
) -> None:
    """No fact says who is a member; it was agreed for north. A plan that does not ask says nothing of it."""
    member = 'while = { on = ["account.enabled"], off = ["account.disabled"] }\n' if asks else ""
    plan = own_plan(RULES.replace('counts = ["login"]\n', f'counts = ["login"]\n{member}'), f"asks-{asks}".lower())
    term = subscribe(customer(), plan, assumed=["north", "elsewhere"])
    send(JANUARY, "2026-01-31T12:00")
    assert close_at("2026-02-03T00:00") == 1
    record = term.statements.get().record
    assert (record["assumed"], record["consumption"][0]["active"]) == (assumed, 4)
    with statements.bundle(term, 1) as path:
        assert verify(path).holds


@pytest.mark.usefixtures("_listening")
def test_where_live_counts_differ_from_the_facts_nothing_is_closed_and_operators_are_told_once() -> None:
    term = january()
    with connection.cursor() as cursor:
        cursor.execute("update tally set units = units + 1 where window_number = 1")
    assert close_at("2026-02-03T00:00") == 0
    assert close_at("2026-02-03T00:10") == 0
    assert term.statements.count() == 0
    assert world.differences(term) != []
    [told] = events("statement.withheld")
    assert told["window"] == 1
    assert told["reason"].startswith("its facts give 4 active, and the live count has 5")
    with connection.cursor() as cursor:
        cursor.execute("update tally set units = units - 1 where window_number = 1")
    assert close_at("2026-02-03T00:20") == 0, "it is tried again after an hour"
    assert close_at("2026-02-03T01:20") == 1
    assert Closing.objects.get(subscription=term).withheld == ""


def test_one_subscription_that_fails_stops_no_other() -> None:
    first = january()
    second = subscribe(customer("Southern Academy", ("south",)), PLAN)
    send([row("s", "zoe", "2026-01-05T09:00", organisation="south")], "2026-01-31T12:00")
    with connection.cursor() as cursor:
        cursor.execute("update tally set units = units + 1 where subscription = %s", [first.pk])
    assert close_at("2026-02-03T00:00") == 1
    assert (first.statements.count(), second.statements.count()) == (0, 1)


def test_shadows_close_nothing() -> None:
    subscribe(customer(), PLAN, kind="shadow")
    send(JANUARY, "2026-01-31T12:00")
    assert close_at("2026-02-03T00:00") == 0


@pytest.mark.usefixtures("_listening")
def test_where_a_plan_asks_operators_are_asked_once_and_it_closes_when_one_approves() -> None:
    term = january(APPROVED)
    assert close_at("2026-02-03T00:00") == 0
    assert close_at("2026-02-04T00:00") == 0
    [told] = events("statement.awaiting-approval")
    assert (told["window"], told["until"]) == (1, "2026-02-01T00:00:00Z")
    with pytest.raises(RefusedError, match="no such statement waits"):
        approvals.approve(term, 2, "nora")
    approvals.approve(term, 1, "nora")
    assert close_at("2026-02-05T00:00") == 1
    with pytest.raises(RefusedError, match="no such statement waits"):
        approvals.approve(term, 1, "nora")
    assert [*Audit.objects.order_by("id").values_list("actor", "action")] == [
        ("worker", "statement.awaiting-approval"),
        ("nora", "statement.approved"),
        ("worker", "statement.closed"),
    ]


def test_of_two_windows_that_wait_only_the_one_that_is_approved_closes() -> None:
    term = january(APPROVED)
    close_at("2026-03-10T00:00")
    approvals.approve(term, 1, "nora")
    assert close_at("2026-03-10T00:00") == 1
    assert [it.asked_at is not None for it in Closing.objects.filter(subscription=term).order_by("number")] == [
        True,
        True,
    ]


def test_a_note_after_the_term_is_asked_for_only_when_there_is_something_to_book() -> None:
    term = january(APPROVED)
    for _ in range(13):
        close_at("2027-01-10T00:00")
        for waiting in term.closings.filter(approved_at=None):
            approvals.approve(term, waiting.number, "nora")
    assert term.statements.count() == 12
    send([row("again", "ana", "2026-01-20T09:00")], "2027-01-12T00:00")
    close_at("2027-01-13T00:00")
    assert not term.closings.filter(number=13).exists()
    send([row("late", "eve", "2026-01-20T09:00")], "2027-01-14T00:00")
    assert close_at("2027-01-15T00:00") == 0
    approvals.approve(term, 13, "nora")
    assert close_at("2027-01-15T00:00") == 1


def test_a_worker_whose_round_began_before_anothers_close_tries_again_at_once() -> None:
    """It knew less than the last statement did: it closes nothing, and withholds nothing from the next round."""
    term = january()
    close_at("2027-01-10T00:00")
    assert term.statements.count() == 12
    send([row("late", "eve", "2026-01-20T09:00")], "2027-01-10T00:00")
    assert close_at("2027-01-09T23:59") == 0
    assert not term.closings.exclude(withheld="").exists()
    assert close_at("2027-01-10T00:01") == 1


def test_a_hold_stops_closing_until_it_is_released() -> None:
    term = january()
    approvals.hold(term, "the roster is being corrected", "nora")
    assert close_at("2026-02-03T00:00") == 0
    approvals.release(term, "nora")
    assert close_at("2026-02-03T00:00") == 1


def test_a_dispute_is_shown_changes_nothing_and_holds_later_closings_only_if_asked() -> None:
    term = january()
    close_at("2026-02-03T00:00")
    statement = term.statements.get()
    before = (statement.digest, statement.record)
    approvals.dispute(statement, "two of them are test accounts", "nora")
    assert close_at("2026-03-03T00:00") == 1
    approvals.dispute(statement, "two of them are test accounts", "nora", and_hold=True)
    assert close_at("2026-04-03T00:00") == 0
    approvals.resolve(statement, "nora")
    assert close_at("2026-04-03T00:00") == 0, "the hold stays until it is released"
    term.refresh_from_db()
    approvals.release(term, "nora")
    assert close_at("2026-04-03T00:00") == 1
    statement.refresh_from_db()
    assert ((statement.digest, statement.record), statement.disputed) == (before, "")


def test_a_reason_of_nothing_or_of_a_page_is_refused() -> None:
    term = january()
    for reason in ("  ", "x" * 501):
        with pytest.raises(RefusedError, match="reason"):
            approvals.hold(term, reason, "nora")
    term.refresh_from_db()
    assert term.close_on_hold == ""


def test_a_hold_that_comes_while_a_statement_is_made_throws_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    term = january()

    def held(*args: object) -> None:
        monkeypatch.undo()
        approvals.hold(models.Subscription.objects.get(pk=term.pk), "wait", "nora")
        return closing.refuse_difference(*args)

    monkeypatch.setattr(closing, "refuse_difference", held)
    assert close_at("2026-02-03T00:00") == 0
    assert (Statement.objects.count(), StatementFile.objects.count()) == (0, 0)


def test_facts_come_in_while_a_statement_is_counted_and_are_adjusted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the count: eve's fact is stored in the midst of it, and is late for it."""
    term = january()

    def meanwhile(*args: object) -> None:
        monkeypatch.undo()
        assert send([row("late", "eve", "2026-01-31T23:00")], "2026-02-03T00:00").new == 1
        return closing.refuse_difference(*args)

    monkeypatch.setattr(closing, "refuse_difference", meanwhile)
    assert close_at("2026-02-03T00:00") == 1
    assert term.statements.get().record["consumption"][0]["active"] == 4
    assert close_at("2026-03-03T00:00") == 1
    assert term.statements.get(number=2).record["adjustments"][0]["added"] == 1


def test_two_workers_at_once_make_one_statement() -> None:
    """Both count behind one barrier, so both have a statement in hand before either stores it."""
    term = january()
    barrier, done, errors = threading.Barrier(2, timeout=30), [], []
    original = closing.refuse_difference

    def together(*args: object) -> None:
        barrier.wait()
        original(*args)

    def work() -> None:
        try:
            done.append(close_at("2026-02-03T00:00"))
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)
        finally:
            connections.close_all()

    closing.refuse_difference = together
    try:
        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    finally:
        closing.refuse_difference = original
    assert errors == []
    assert term.statements.count() == 1
    assert Audit.objects.filter(action="statement.closed").count() == 1
    with book_of(term) as book:
        assert len(book.statements) == 1


def test_the_database_itself_refuses_a_second_statement_of_a_number_or_a_window() -> None:
    term = january()
    close_at("2026-02-03T00:00")
    again = Statement.objects.get()
    for changes in ({"number": 2}, {"window_number": 2}):
        again.pk = None
        again.number, again.window_number = 1, 1
        vars(again).update(changes)
        with pytest.raises(IntegrityError):
            again.save(force_insert=True)
    assert term.statements.count() == 1


def test_a_bundle_from_the_server_verifies_also_after_people_were_erased() -> None:
    term = january()
    close_at("2026-02-03T00:00")
    send([row("late", "eve", "2026-01-31T23:00")], "2026-02-04T00:00")
    close_at("2026-03-03T00:00")
    Person.objects.filter(learner="ana").update(learner="", name="", email="", erased_at="2026-03-04T00:00:00Z")
    before = [*term.statements.order_by("number").values_list("digest", flat=True)]
    send([row("more", "ana", "2026-03-05T09:00")], "2026-03-06T00:00")
    close_at("2026-04-03T00:00")
    assert [*term.statements.order_by("number").values_list("digest", flat=True)][:2] == before
    for number in (1, 2, 3):
        with statements.bundle(term, number) as path:
            content = path.read_bytes()
            found = verify(path)
        assert found.holds, [it for it in found.checks if it.differences]
        assert not [name for name in (b",ana,", b",eve,", b'"ana"', b'"eve"') if name in content]
    with statements.bundle(term, 3) as path:
        assert path.read_bytes() == content, "the same statement gives the same bundle"


def test_the_proof_of_one_learner_names_nobody_else() -> None:
    term = january()
    close_at("2026-02-03T00:00")
    unit = people.surrogate(term.customer_id, "cy")
    assert unit is not None
    found = statements.proof(term, 1, unit)
    assert found["unit"] == unit
    assert [it["row"]["unit"] for it in found["rows"]] == [unit]


def test_a_preview_says_what_has_accrued_and_writes_nothing() -> None:
    term = january()
    found = statements.preview(term, at("2026-01-31T13:00"))
    assert (found["number"], found["consumption"][0]["active"], Decimal(found["total"])) == (None, 4, 6)
    assert (Statement.objects.count(), StatementFile.objects.count()) == (0, 0)


def test_every_charge_has_a_key_of_its_own() -> None:
    term = january()
    close_at("2026-03-03T00:00")
    keys = statements.charges(term).column("key").to_pylist()
    assert len(keys) == len(set(keys)) > 0
    assert statements.charges(term, 1).num_rows < len(keys) or len(keys) == 1


@pytest.mark.usefixtures("_listening")
def test_nothing_that_names_a_learner_is_in_the_audit_or_in_messages() -> None:
    january()
    close_at("2026-02-03T00:00")
    said = [str(it.details) + it.object for it in Audit.objects.all()] + [
        str(it.content) for it in Message.objects.all()
    ]
    assert said
    assert not [it for it in said for name in ("ana", "'bo'", "'cy'") if name in it]
