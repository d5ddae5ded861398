"""Statements over the API: what is shown, to whom, and what people decide."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest

from rollbook.books.proving import verify_proof_file
from rollbook.books.verifying import verify
from rollbook.proof.digests import canonical_record, digest
from rollbook.server import clock, models
from tests.server.callers import Caller, administrator, by_key, code, operator, viewer
from tests.server.closings import close_at
from tests.server.test_closing import APPROVED, JANUARY, PLAN
from tests.server.world import at, customer, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def term(ledger: None) -> models.Subscription:  # noqa: ARG001 - it comes first
    """January is closed: four learners, of whom two are beyond what is included, 6 EUR."""
    found = subscribe(customer(), PLAN)
    send(JANUARY, "2026-01-31T12:00")
    close_at("2026-02-03T00:00")
    return found


@pytest.fixture(autouse=True)
def _in_february(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-02-10T12:00") * 1000)


def content(answer) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def status(caller: Caller, where: str) -> int:
    answer = caller.get(where)
    content(answer)
    return answer.status_code


def path(term: models.Subscription, rest: str = "") -> str:
    return f"/subscriptions/{term.pk}/statements{rest}"


def test_a_statement_is_shown_with_its_record_and_the_digest_of_that(term: models.Subscription) -> None:
    answer = administrator(customer()).get(path(term, "/1"))
    assert answer.status_code == 200
    found = answer.json()
    assert (found["number"], found["window"], found["total"], found["currency"]) == (1, 1, "6.00", "EUR")
    assert digest(canonical_record(found["record"])) == found["digest"]
    [listed] = administrator(customer()).get(path(term)).json()["statements"]
    assert listed == {name: value for name, value in found.items() if name != "record"}


def test_a_statement_on_paper_is_the_same_every_time(term: models.Subscription) -> None:
    caller = administrator(customer())
    first, second = caller.get(path(term, "/1/pdf")), caller.get(path(term, "/1/pdf"))
    assert first.content[:5] == b"%PDF-"
    assert first.content == second.content
    assert first["Content-Disposition"] == f'attachment; filename="statement-{term.pk}-0001.pdf"'
    assert caller.get(path(term, "/1/pdf?locale=de")).content != first.content
    assert caller.get(path(term, "/1/pdf?locale=xx_nowhere")).status_code == 422


def test_a_bundle_that_was_fetched_verifies(term: models.Subscription, tmp_path: Path) -> None:
    answer = administrator(customer()).get(path(term, "/1/bundle.zip"))
    assert answer["Content-Type"] == "application/zip"
    file = tmp_path / "bundle.zip"
    file.write_bytes(content(answer))
    assert verify(file).holds
    with zipfile.ZipFile(file) as bundle:
        assert b"ana" not in bundle.read("facts.csv")


def test_the_proof_of_one_learner_is_asked_for_by_the_id_that_the_customer_knows(
    term: models.Subscription, tmp_path: Path
) -> None:
    caller = administrator(customer())
    answer = caller.get(path(term, "/1/proof?learner=cy"))
    assert answer.status_code == 200
    assert "cy" not in [it["row"]["unit"] for it in answer.json()["rows"]]
    file = tmp_path / "proof.json"
    file.write_bytes(answer.content)
    assert verify_proof_file(file).holds
    assert caller.get(path(term, "/1/proof?learner=nobody")).status_code == 404
    send([row("f", "eve", "2026-02-05T09:00")], "2026-02-06T00:00")
    absent = caller.get(path(term, "/1/proof?learner=eve"))
    assert (absent.status_code, code(absent)) == (422, "usage")
    assert "eve" not in absent.content.decode()


def test_charges_are_rows_with_keys(term: models.Subscription) -> None:
    caller = administrator(customer())
    [found] = csv.DictReader(io.StringIO(caller.get(f"/subscriptions/{term.pk}/charges").content.decode()))
    assert (found["units"], found["amount"], found["kind"]) == ("2", "6.00", "overage")
    rows = json.loads(caller.get(f"/subscriptions/{term.pk}/charges?format=json&statement=1").content)["rows"]
    assert [(it["key"], it["due"]) for it in rows] == [(found["key"], found["due"])]


def test_a_preview_is_of_the_window_that_runs_and_has_no_number(term: models.Subscription) -> None:
    send([row("f", "eve", "2026-02-05T09:00"), row("late", "flo", "2026-01-05T09:00")], "2026-02-06T00:00")
    caller = administrator(customer())
    found = caller.get(f"/subscriptions/{term.pk}/statement-preview").json()
    assert (found["number"], found["window"]["number"], found["consumption"][0]["active"]) == (None, 2, 1)
    assert [it["added"] for it in found["adjustments"]] == [1]
    closed = caller.get(f"/subscriptions/{term.pk}/statement-preview?window=1")
    assert (closed.status_code, code(closed)) == (409, "book")


def test_an_operator_approves_over_the_api() -> None:
    term = subscribe(customer("Western Academy", ("west",)), APPROVED)
    close_at("2026-02-03T00:00")
    caller = operator()
    [waiting] = caller.get(path(term)).json()["coming"]
    assert (waiting["number"], waiting["window"], waiting["approved_at"]) == (1, 1, None)
    assert caller.post(path(term, "/1/approve")).json()["approved_by"] == "operator operator@example.org"
    assert close_at("2026-02-04T00:00") == 1
    again = caller.post(path(term, "/1/approve"))
    assert (again.status_code, code(again)) == (409, "not-awaiting")
    assert caller.get(path(term)).json()["coming"] == []


def test_an_operator_holds_releases_disputes_and_resolves(term: models.Subscription) -> None:
    caller = operator()
    held = caller.post(f"/subscriptions/{term.pk}/hold", {"reason": "the roster is wrong"})
    assert held.json() == {"on_hold": True, "hold_reason": "the roster is wrong"}
    shown = administrator(customer()).get(path(term)).json()
    assert (shown["on_hold"], shown["hold_reason"]) == (True, ""), "why is the vendor's"
    assert close_at("2026-03-03T00:00") == 0
    assert caller.post(f"/subscriptions/{term.pk}/release").json() == {"on_hold": False, "hold_reason": ""}
    disputed = caller.post(path(term, "/1/dispute"), {"reason": "test accounts", "hold": True}).json()
    assert disputed["disputed"] == "test accounts"
    assert caller.get(path(term)).json()["hold_reason"] == "statement 1 is disputed: test accounts"
    assert caller.post(path(term, "/1/resolve")).json()["disputed"] == ""
    assert caller.post(f"/subscriptions/{term.pk}/hold", {"reason": ""}).status_code == 422


READS = ("", "/1", "/1/pdf", "/1/bundle.zip", "/1/proof?learner=ana")


def test_who_sees_what(term: models.Subscription) -> None:
    """Names of learners need learners:read; a viewer sees figures of usage and no statement."""
    callers = {
        "nobody": Caller(),
        "viewer": viewer(customer()),
        "usage": by_key("usage:read"),
        "statements": by_key("statements:read", customer=customer()),
        "both": by_key("statements:read", "learners:read", customer=customer()),
        "administrator": administrator(customer()),
        "operator": operator(),
        "other": administrator(customer("Southern Academy", ("south",))),
    }
    found = {name: [status(it, path(term, rest)) for rest in READS] for name, it in callers.items()}
    assert found == {
        "nobody": [401] * 5,
        "viewer": [403] * 5,
        "usage": [403] * 5,
        "statements": [200, 200, 200, 403, 403],
        "both": [200] * 5,
        "administrator": [200] * 5,
        "operator": [200] * 5,
        "other": [404] * 5,
    }


def test_a_customer_closes_and_holds_nothing(term: models.Subscription) -> None:
    """To close and to hold is for those who may close: operators, and keys that were made for it."""
    body = {"reason": "because I say so"}
    for caller in (administrator(customer()), viewer(customer()), by_key("statements:read", "learners:read")):
        assert caller.post(path(term, "/1/approve")).status_code == 403
        assert caller.post(path(term, "/1/dispute"), {**body, "hold": True}).status_code == 403
        assert caller.post(f"/subscriptions/{term.pk}/hold", body).status_code == 403
        assert caller.post(f"/subscriptions/{term.pk}/release").status_code == 403
    term.refresh_from_db()
    assert (term.close_on_hold, term.statements.get().disputed) == ("", "")


def test_an_administrator_disputes_the_vendor_is_told_and_ends_it_and_the_customer_learns_of_that(
    term: models.Subscription,
) -> None:
    """W-33. Who disputes and why is shown to both; no message says why, since a reason may name somebody."""
    theirs = administrator(customer())
    operator()
    why = {"reason": "Ana Smith left in December"}
    said = theirs.post(path(term, "/1/dispute"), why).json()
    assert (said["disputed"], said["disputed_by"]) == ("Ana Smith left in December", "customer")
    assert said["disputed_at"]
    # Other words are no other dispute: the vendor is told once.
    assert theirs.post(path(term, "/1/dispute"), {"reason": "Ana left in December"}).status_code == 200
    told = models.Message.objects.filter(event="statement.disputed")
    assert [(it.address, it.channel) for it in told] == [("operator@example.org", "mail")]
    assert "Ana" not in str(told[0].content)
    assert told[0].content["data"]["statement"] == 1
    assert operator().post(path(term, "/1/resolve")).json()["disputed_by"] == ""
    ended = models.Message.objects.filter(event="statement.dispute-ended")
    assert [it.address for it in ended] == [f"administrator{customer().pk}@example.org"]


def test_a_customer_withdraws_its_own_dispute_and_not_the_vendors(term: models.Subscription) -> None:
    theirs = administrator(customer())
    theirs.post(path(term, "/1/dispute"), {"reason": "it was a mistake"})
    assert theirs.post(path(term, "/1/resolve")).json()["disputed"] == ""
    # Nobody has to be told of what they did themselves.
    assert not models.Message.objects.filter(event="statement.dispute-ended").exists()
    operator().post(path(term, "/1/dispute"), {"reason": "testers are in it"})
    assert theirs.post(path(term, "/1/resolve")).status_code == 403
    assert theirs.post(path(term, "/1/dispute"), {"reason": "mine"}).status_code == 409
    assert term.statements.get().disputed == "testers are in it"


def test_nobody_but_an_administrator_disputes_for_a_customer(term: models.Subscription) -> None:
    for caller in (viewer(customer()), by_key("statements:read", "learners:read", customer=customer())):
        assert caller.post(path(term, "/1/dispute"), {"reason": "because"}).status_code == 403
    other = administrator(customer("Southern Academy", ("south",)))
    assert other.post(path(term, "/1/dispute"), {"reason": "because"}).status_code == 404
    assert term.statements.get().disputed == ""


def test_disputes_of_a_customer_are_told_ten_times_in_a_quarter_of_an_hour_and_no_more(
    term: models.Subscription,
) -> None:
    theirs, statuses = administrator(customer()), []
    for _ in range(11):
        statuses.append(theirs.post(path(term, "/1/dispute"), {"reason": "because"}).status_code)
        theirs.post(path(term, "/1/resolve"))
    assert statuses == [200] * 10 + [429]


def test_a_statement_that_is_not_there_is_not_there(term: models.Subscription) -> None:
    for rest in ("/2", "/2/pdf", "/2/bundle.zip", "/2/proof?learner=ana"):
        assert operator().get(path(term, rest)).status_code == 404
    assert operator().get(path(term, "/0")).status_code == 422
    assert operator().get(f"/subscriptions/{term.pk + 1}/statements").status_code == 404
    assert io.BytesIO(content(operator().get(path(term, "/1/bundle.zip")))).read(2) == b"PK"
