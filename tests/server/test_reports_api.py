"""Reports over the API: every one of them, to whoever may see it."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest

from rollbook.reports.named import REPORTS
from rollbook.server import clock, models
from rollbook.server.live import snapshots
from tests.server.callers import Caller, administrator, by_key, code, operator, viewer
from tests.server.test_closing import JANUARY, PLAN
from tests.server.world import at, customer, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def term(ledger: None, monkeypatch: pytest.MonkeyPatch) -> models.Subscription:  # noqa: ARG001 - it comes first
    """Four learners in January; it is noon on the 31st."""
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-01-31T12:00") * 1000)
    found = subscribe(customer(), PLAN)
    send(JANUARY, "2026-01-31T12:00")
    return found


def path(term: models.Subscription, rest: str = "") -> str:
    return f"/subscriptions/{term.pk}/reports{rest}"


def status(caller: Caller, where: str) -> int:
    answer = caller.get(where)
    if answer.streaming:
        content(answer)
    return answer.status_code


def content(answer) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def test_the_reports_are_listed_with_what_their_columns_mean(term: models.Subscription) -> None:
    found = viewer(customer()).get(path(term)).json()
    assert [it["name"] for it in found] == [*REPORTS]
    assert found[1]["by"] == ["company", "learner"]
    assert found[0]["columns"]["window"] == "counts from 1 within the term"


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_there_at_every_level_and_in_every_format(term: models.Subscription, name: str) -> None:
    caller = administrator(customer())
    for by in REPORTS[name].levels:
        for form, kind in snapshots.FORMATS.items():
            answer = caller.get(path(term, f"/{name}?by={by}&format={form}"))
            assert len(content(answer)) > 10
            assert answer["Content-Type"] == kind
            assert answer["Content-Disposition"] == f'attachment; filename="{name}-{by}.{form}"'


def test_an_administrator_sees_learners_by_the_ids_that_they_know(term: models.Subscription) -> None:
    found = json.loads(content(administrator(customer()).get(path(term, "/mau?by=learner&format=json"))))
    assert [it["learner"] for it in found["rows"]] == ["ana", "bo", "cy", "di"]
    assert [it["standing"] for it in found["rows"]] == ["included", "included", "extra", "extra"]


def test_a_report_can_be_had_of_each_organisation_and_together_they_are_the_whole(monkeypatch: pytest.MonkeyPatch):
    """Ana and bo are of north, cy of south: the rows of both organisations are all rows, in each report that has them."""
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-01-31T12:00") * 1000)
    mine = customer("Both", ["north", "south"])
    term = subscribe(mine, PLAN)
    term.organisations.set(mine.organisations.all())
    there = (("1", "ana", "north"), ("2", "bo", "north"), ("3", "cy", "south"))
    send([row(id_, who, "2026-01-05T09:00", organisation=where) for id_, who, where in there], "2026-01-31T12:00")
    caller = administrator(mine)

    def rows(name: str, by: str, organisation: str = "") -> list[dict[str, object]]:
        answer = caller.get(path(term, f"/{name}?by={by}&format=json&organisation={organisation}"))
        return json.loads(content(answer))["rows"]

    for name, by in (("metering-events", "company"), ("metering-events", "learner"), ("status", "learner")):
        whole, north, south = (rows(name, by, it) for it in ("", "north", "south"))
        assert north
        assert south
        assert [it for it in whole if it["organisation"] == "north"] == north
        assert len(whole) == len(north) + len(south)
    [january] = rows("metering-events", "company", "north")
    assert january["active"] == 2
    for wrong in ("/usage?organisation=north", "/status?organisation=nort"):
        answer = caller.get(path(term, wrong))
        assert answer.status_code == 422, answer.content
    assert "nearest: north" in answer.json()["problems"][0]["rule"]


def test_who_sees_what(term: models.Subscription) -> None:
    """A report by company names nobody; one by learner needs learners:read, also where that is its usual level."""
    callers = {
        "nobody": Caller(),
        "viewer": viewer(customer()),
        "statements": by_key("statements:read", customer=customer()),
        "figures": by_key("usage:read", customer=customer()),
        "learners": by_key("usage:read", "learners:read", customer=customer()),
        "administrator": administrator(customer()),
        "operator": operator(),
        "other": administrator(customer("Southern Academy", ("south",))),
    }
    asked = ("/usage", "/mau?by=company", "/mau?by=learner", "/users", "/guests?by=learner")
    found = {name: [status(it, path(term, rest)) for rest in asked] for name, it in callers.items()}
    assert found == {
        "nobody": [401] * 5,
        "viewer": [200, 200, 403, 403, 403],
        "statements": [403] * 5,
        "figures": [200, 200, 403, 403, 403],
        "learners": [200] * 5,
        "administrator": [200] * 5,
        "operator": [200] * 5,
        "other": [404] * 5,
    }


def test_what_does_not_exist_is_told(term: models.Subscription) -> None:
    caller = administrator(customer())
    for rest in ("/mua", "/usage?by=learner", "/usage?format=xls", "/usage?by=nobody"):
        assert caller.get(path(term, rest)).status_code == 422
    assert "mau" in caller.get(path(term, "/mua")).json()["problems"][0]["rule"]
    assert code(caller.get(path(term, "/mua"))) == "usage"


def test_an_id_that_a_spreadsheet_would_compute_is_text(term: models.Subscription) -> None:
    send([row("x", "=1+2", "2026-01-09T09:00")], "2026-01-31T12:00")
    caller = administrator(customer())
    assert ",'=1+2," in content(caller.get(path(term, "/mau?by=learner"))).decode()
    book = openpyxl.load_workbook(io.BytesIO(content(caller.get(path(term, "/mau?by=learner&format=xlsx")))))
    assert [it.data_type for line in book["Data"].iter_rows() for it in line if "1+2" in str(it.value)] == ["s"]
