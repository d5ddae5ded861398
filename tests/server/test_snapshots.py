"""Snapshots: the library counts a copy of the facts, and reports are its own on the same facts."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
from django.db import connection, transaction

import rollbook
from rollbook.errors import UsageError
from rollbook.model.fact import COLUMNS
from rollbook.model.instants import from_us, to_us
from rollbook.render.data import write_csv
from rollbook.reports.named import REPORTS
from rollbook.server.live import contracts, people, snapshots
from rollbook.server.models import Person
from rollbook.server.receiving.ingest import ingest
from rollbook.server.refusals import RefusedError
from tests.server.closings import PLATFORM, agreed
from tests.server.world import at, customer, own_plan, row, send, subscribe
from tests.statements.running import StatementCase, all_statement_cases

pytestmark = pytest.mark.usefixtures("ledger")

GUESTS = own_plan(
    """
    [meter]
    counts = ["session.entered"]
    guests = "each-entry"
    [window]
    kind = "calendar-month"
    [allowance]
    per = "window"
    quantity = 2
    """,
    "with-guests",
)

NOW = "2026-01-31T12:00"

CASES = [case for case in all_statement_cases() if len(case.arrivals) < 200]


def csv(content: bytes) -> list[list[str]]:
    return [line.split(",") for line in content.decode().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_report_is_the_library_s_own_on_the_same_facts(case: StatementCase) -> None:
    """The library is given the facts as they were sent; the server has surrogates, and gives the ids back."""
    rows, now_us = agreed(case), to_us(max(case.closings))
    facts = [fact for _, fact in case.arrivals if fact.at_us < now_us]
    ingest(facts, PLATFORM, now_us)
    for stored, term in zip(rows, case.terms, strict=True):
        with rollbook.meter(facts, contracts.subscription_of(stored), as_of=from_us(now_us)) as result:
            for report in REPORTS.values():
                for by in report.levels:
                    expected = io.StringIO()
                    write_csv(result.report(report.name, by), expected, for_spreadsheets=True)
                    _, _, content = snapshots.report(stored, report.name, by, named=True, as_of_us=now_us)
                    found = csv(content)
                    if found[0][-1] == "name":
                        found = [line[:-1] for line in found]
                    wanted = csv(expected.getvalue().encode())
                    assert found[0] == wanted[0], (report.name, by)
                    assert sorted(found[1:]) == sorted(wanted[1:]), (report.name, by, term.plan.id)


def test_all_columns_of_all_facts_are_copied_as_they_were_stored() -> None:
    subscribe(customer())
    full = row("1", "ana", "2026-01-05T09:00", object="c=1", session="s", attributes='{"a": "é\\n,\\""}', mode="live")
    bare = {"id": "2", "source": "lms", "occurred_at": "2026-01-05T09:00:00.000001Z", "organisation": "north"}
    bare |= {"type": "session.entered", "role": "guest"}
    send([full, bare], NOW)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "facts.parquet"
        with snapshots.one_view():
            copied = snapshots.copy_facts(["north"], path)
            some = snapshots.copy_facts(["north"], Path(folder) / "some.parquet", {"login"})
            none = snapshots.copy_facts(["south"], Path(folder) / "none.parquet")
        found = sorted(pq.read_table(path).to_pylist(), key=lambda it: it["id"])
    assert (copied.facts, some.facts, none.facts, none.last) == (2, 1, 0, 0)
    assert copied.latest_us == at("2026-01-05T09:00") + 1
    surrogate = people.surrogate(customer().pk, "ana")
    assert [tuple(it) for it in found] == [COLUMNS, COLUMNS]
    assert found[0] | {"recorded_at": None, "occurred_at": None} == {
        **dict.fromkeys(COLUMNS, ""),
        **{name: full.get(name, "") for name in COLUMNS},
        "learner": surrogate,
        "role": "learner",
        "recorded_at": None,
        "occurred_at": None,
    }
    assert [to_us(it["occurred_at"]) for it in found] == [at("2026-01-05T09:00"), at("2026-01-05T09:00") + 1]
    assert (found[1]["learner"], found[1]["role"]) == ("", "guest")


def test_facts_of_another_customer_are_never_copied() -> None:
    term = subscribe(customer())
    customer("Southern Academy", ("south",))
    send([row("1", "ana", "2026-01-05T09:00"), row("2", "zoe", "2026-01-05T09:00", organisation="south")], NOW)
    with snapshots.snapshot(term, at(NOW)) as result:
        assert result.store.facts == 1
        assert result.table("window")["active"].to_pylist() == [1]


def test_learners_are_surrogates_unless_names_are_asked_for() -> None:
    term = subscribe(customer())
    send([row("1", "ana", "2026-01-05T09:00"), row("2", "bo", "2026-01-06T09:00")], NOW)
    Person.objects.filter(learner="ana").update(name="Ana Pérez", email="ana@example.org")
    Person.objects.filter(learner="bo").update(learner="", erased_at="2026-01-07T00:00:00Z")
    _, _, plain = snapshots.report(term, "mau", "learner", as_of_us=at(NOW))
    assert "ana" not in plain.decode()
    assert "Pérez" not in plain.decode()
    _, _, content = snapshots.report(term, "mau", "learner", named=True, as_of_us=at(NOW))
    header, *found = csv(content)
    shown = [(line[header.index("learner")], line[header.index("name")]) for line in found]
    assert shown == [("ana", "Ana Pérez"), ("(erased)", "")]
    assert "ana@" not in content.decode()


def test_a_guest_s_entry_whose_id_looks_like_a_surrogate_is_nobody() -> None:
    """The entry of a guest has the id that is ana's number: it must not be shown as ana."""
    term = subscribe(customer(), GUESTS)
    send([row("a", "ana", "2026-01-05T09:00", "session.entered")], NOW)
    number = people.surrogate(term.customer_id, "ana")
    assert number is not None
    guest = {"id": number, "source": "lms", "occurred_at": "2026-01-06T09:00:00Z", "organisation": "north"}
    send([guest | {"type": "session.entered", "role": "guest"}], NOW)
    for report in ("mau", "metering-events"):
        _, _, content = snapshots.report(term, report, "learner", named=True, as_of_us=at(NOW))
        header, *found = csv(content)
        assert [line[header.index("learner")] for line in found] == ["ana", number]


def test_somebody_whose_number_is_the_id_of_the_fact_that_proves_them_is_no_guest() -> None:
    """Ana counts in January by a fact that has her number for its id; nothing of this plan is a guest's."""
    term = subscribe(customer())
    number = people.surrogates(term.customer_id, ["ana"])["ana"]
    send([row(number, "ana", "2026-01-05T09:00")], NOW)
    _, _, content = snapshots.report(term, "metering-events", "learner", named=True, as_of_us=at(NOW))
    header, found = csv(content)
    assert (found[header.index("fact")], found[header.index("learner")]) == (number, "ana")


def test_who_is_a_guest_is_asked_of_the_count_and_not_of_how_an_id_looks() -> None:
    """Ana's number is the id of the fact that proves her and, from another source, of a guest's entry: both count."""
    term = subscribe(customer(), GUESTS)
    number = people.surrogates(term.customer_id, ["ana"])["ana"]
    send([row(number, "ana", "2026-01-05T09:00", "session.entered")], NOW)
    guest = {"id": number, "source": "door", "occurred_at": "2026-01-06T09:00:00Z", "organisation": "north"}
    send([guest | {"type": "session.entered", "role": "guest"}], NOW)
    for report in ("mau", "metering-events"):
        _, _, content = snapshots.report(term, report, "learner", named=True, as_of_us=at(NOW))
        header, *found = csv(content)
        assert [line[header.index("learner")] for line in found] == ["ana", number]


def test_a_person_of_another_customer_is_never_named() -> None:
    """A surrogate that is somebody else's could only come from a guest or a mistake: it stays a number."""
    other = customer("Southern Academy", ("south",))
    number = people.surrogates(other.pk, ["zoe"])["zoe"]
    assert snapshots.people_of(customer().pk, {number, "9" * 30, "x", "²"}) == {}


@pytest.mark.parametrize("form", snapshots.FORMATS)
def test_a_report_is_the_same_in_every_format(form: str) -> None:
    term = subscribe(customer(), quantity=10)
    send([row(str(n), f"l{n}", "2026-01-05T09:00") for n in range(7)], NOW)
    filename, kind, content = snapshots.report(term, "mau", "company", form, as_of_us=at(NOW))
    assert (filename, kind) == (f"mau-company.{form}", snapshots.FORMATS[form])
    if form == "csv":
        header, line = csv(content)
        active = int(line[header.index("active")])
    elif form == "json":
        active = json.loads(content)["rows"][0]["active"]
    elif form == "xlsx":
        sheet = openpyxl.load_workbook(io.BytesIO(content))["Data"]
        active = dict(zip((it.value for it in sheet[1]), (it.value for it in sheet[2]), strict=True))["active"]
    else:
        active = pq.read_table(io.BytesIO(content)).column("active").to_pylist()[0]
    assert active == 7


def test_a_report_a_level_or_a_format_that_does_not_exist_is_told_with_the_nearest() -> None:
    term = subscribe(customer())
    for name, by, form, words in (
        ("mua", "", "csv", "mau"),
        ("usage", "learner", "csv", "no rows by learner"),
        ("mau", "", "xls", "xlsx"),
    ):
        with pytest.raises(UsageError, match=words):
            snapshots.report(term, name, by, form, as_of_us=at(NOW))


def test_a_fact_that_was_changed_in_the_table_is_never_counted() -> None:
    """Nothing does that; somebody with the database could. What has no type is no fact."""
    term = subscribe(customer())
    send([row("1", "ana", "2026-01-05T09:00")], NOW)
    with connection.cursor() as cursor:
        cursor.execute("update fact set type = ''")
    with (
        pytest.raises(rollbook.errors.BookError, match="1 stored facts cannot be read"),
        snapshots.snapshot(term, at(NOW)),
    ):
        pass


def test_a_view_of_one_moment_sees_nothing_that_comes_later_and_blocks_nobody() -> None:
    """Another connection stores a fact while the view is open."""
    term = subscribe(customer())
    send([row("1", "ana", "2026-01-05T09:00")], NOW)
    import threading  # noqa: PLC0415

    from django.db import connections  # noqa: PLC0415

    receipts = []

    def other() -> None:
        receipts.append(send([row("2", "bo", "2026-01-06T09:00")], NOW).new)
        connections.close_all()

    with tempfile.TemporaryDirectory() as folder:
        with snapshots.one_view():
            before = snapshots.copy_facts(["north"], Path(folder) / "a.parquet")
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(20)
            assert receipts == [1]
            assert snapshots.copy_facts(["north"], Path(folder) / "b.parquet") == before
        with snapshots.one_view():
            assert snapshots.copy_facts(["north"], Path(folder) / "c.parquet").facts == before.facts + 1
    assert term.pk


def test_a_view_is_refused_within_a_transaction_which_could_have_begun_before() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError), snapshots.one_view():
        pass


def test_more_reports_than_there_are_places_are_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "WAIT_SECONDS", 0.01)
    term = subscribe(customer())
    with snapshots.turn(), snapshots.turn(), pytest.raises(RefusedError) as refused:
        snapshots.report(term, "mau", as_of_us=at(NOW))
    assert (refused.value.status, refused.value.code) == (503, "busy")
    assert snapshots.report(term, "mau", as_of_us=at(NOW))[0] == "mau-company.csv", "the places are free again"
