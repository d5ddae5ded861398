"""POST /v1/facts over HTTP: what is answered, what is stored, and that nothing else is."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import httpx
import pyarrow as pa
import pytest

from rollbook.server import clock
from rollbook.server.models import HeldFact, Refusal

from .forwarders import adds_up, code, nothing_stored, sender, stored
from .world import active, at, customer, differences, row, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-10T12:00"


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [row(f"{number:05}", f"learner-{number % 7}", "2026-03-01T09:00") for number in range(first, last)]


def test_facts_are_stored_when_the_call_returns(live_server: Any) -> None:
    customer()
    with sender(live_server) as http:
        answer = http.post("/v1/facts", json=rows(0, 3))
    assert answer.status_code == 200
    assert answer.json() == {"received": 3, "new": 3, "repeats": 0, "held": 0, "rejected": []}
    assert stored() == ["00000", "00001", "00002"]


def test_facts_are_counted_when_the_call_returns(live_server: Any) -> None:
    term = subscribe(customer(), "monthly-login", now="2026-03-01T00:00")
    logins = [
        row("1", "ana", "2026-03-01T09:00"),
        row("2", "bo", "2026-03-02T09:00"),
        row("3", "ana", "2026-03-03T09:00"),
    ]
    with sender(live_server) as http:
        http.post("/v1/facts", json=logins)
        assert active(term, NOW)[3] == 2
        http.post("/v1/facts", json=[row("4", "", NOW, "fact.voided", voids="2"), *logins])
    assert active(term, NOW)[3] == 1
    assert differences(term) == []


def test_a_list_and_lines_packed_and_not_say_the_same(live_server: Any) -> None:
    customer()
    listed = json.dumps(rows(0, 50)).encode()
    lines = b"\n".join(json.dumps(it).encode() for it in rows(0, 50))
    json_, ndjson = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
    packed = bytes(pa.compress(lines, codec="zstd", asbytes=True))
    with sender(live_server) as http:
        first = http.post("/v1/facts", content=listed, headers=json_)
        again = [
            http.post("/v1/facts", content=lines, headers=ndjson),
            http.post("/v1/facts", content=gzip.compress(listed), headers=json_ | {"Content-Encoding": "gzip"}),
            http.post("/v1/facts", content=packed, headers=ndjson | {"Content-Encoding": "zstd"}),
            http.post("/v1/facts", content=lines),
        ]
    assert first.json()["new"] == 50
    assert [it.json() for it in again] == [{"received": 50, "new": 0, "repeats": 50, "held": 0, "rejected": []}] * 4
    assert len(stored()) == 50


def test_what_is_wrong_with_one_fact_rejects_that_fact_only(live_server: Any) -> None:
    customer()
    wrong = [
        row("1", "ana", "2026-03-01T09:00"),
        row("2", "bo", "2026-03-01T09:00") | {"leaner": "x"},
        row("3", "", "2026-03-01T09:00", role="visitor"),
        7,
        row("4", "dee", "2026-03-01T09:00"),
    ]
    with sender(live_server) as http:
        answer = http.post("/v1/facts", json=wrong)
    receipt = answer.json()
    assert answer.status_code == 200
    assert (receipt["received"], receipt["new"]) == (5, 2)
    assert adds_up(receipt)
    assert [(it["index"], it["code"]) for it in receipt["rejected"]] == [
        (1, "unknown-field"),
        (2, "invalid"),
        (2, "invalid"),
        (3, "no-object"),
    ]
    assert receipt["rejected"][0]["rule"] == 'there is no field "leaner" (nearest: learner)'
    assert stored() == ["1", "4"]
    assert Refusal.objects.count() == 4


def test_a_line_that_is_no_json_rejects_that_line_only_and_blank_lines_have_no_index(live_server: Any) -> None:
    customer()
    good = json.dumps(row("1", "ana", "2026-03-01T09:00"))
    with sender(live_server, **{"Content-Type": "application/x-ndjson"}) as http:
        receipt = http.post("/v1/facts", content=f"\n{good}\n\n{{broken\n{good[:-1]}\n").json()
    assert (receipt["received"], receipt["new"]) == (3, 1)
    assert [(it["index"], it["code"]) for it in receipt["rejected"]] == [(1, "json-invalid"), (2, "json-invalid")]


def test_the_server_says_when_a_fact_was_recorded_unless_the_platform_does(live_server: Any) -> None:
    north = customer()
    told = row("1", "ana", "2026-03-01T09:00", recorded_at="2026-03-02T00:00:00Z")
    with sender(live_server, north) as http:
        http.post("/v1/facts", json=[told])
    with sender(live_server) as http:
        http.post("/v1/facts", json=[told | {"id": "2"}, row("3", "bo", "2026-03-01T09:00")])
    assert stored("id, recorded_us") == [("1", at(NOW)), ("2", at("2026-03-02T00:00")), ("3", at(NOW))]


def test_a_customer_sends_for_its_own_organisations_and_need_not_name_the_only_one(live_server: Any) -> None:
    north = customer()
    customer("Southern College", ("south",))
    with sender(live_server, north) as http:
        receipt = http.post(
            "/v1/facts",
            json=[
                row("1", "ana", "2026-03-01T09:00") | {"organisation": ""},
                row("2", "ana", "2026-03-01T09:00") | {"organisation": "south"},
                row("3", "ana", "2026-03-01T09:00") | {"organisation": "nowhere"},
            ],
        ).json()
    assert receipt["new"] == 1
    # What is another customer's and what is nobody's are told in the same words.
    assert [(it["index"], it["code"]) for it in receipt["rejected"]] == [(1, "organisation"), (2, "organisation")]
    assert stored("id, organisation") == [("1", "north")]


def test_facts_of_the_future_and_of_unknown_organisations_are_held(live_server: Any) -> None:
    customer()
    with sender(live_server) as http:
        receipt = http.post(
            "/v1/facts",
            json=[
                row("1", "ana", "2026-04-01T09:00"),
                row("2", "ana", "2026-03-01T09:00") | {"organisation": "west"},
            ],
        ).json()
    assert receipt == {"received": 2, "new": 0, "repeats": 0, "held": 2, "rejected": []}
    assert stored() == []
    assert HeldFact.objects.count() == 2


@pytest.mark.parametrize("half", ["all at once", "in two packings"])
def test_two_senders_of_overlapping_batches_store_each_fact_once(live_server: Any, half: str) -> None:
    customer()
    batches = [rows(0, 300), list(reversed(rows(100, 400)))]
    receipts: list[dict[str, Any]] = []
    ready = threading.Barrier(2)

    def send(batch: list[dict[str, Any]], http: httpx.Client) -> None:
        data, headers = json.dumps(batch).encode(), {"Content-Type": "application/json"}
        if half == "in two packings" and batch is batches[0]:
            data, headers = gzip.compress(data), headers | {"Content-Encoding": "gzip"}
        ready.wait()
        receipts.append(http.post("/v1/facts", content=data, headers=headers).json())

    with sender(live_server) as one, sender(live_server) as other:
        threads = [threading.Thread(target=send, args=pair) for pair in zip(batches, (one, other), strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(it["new"] for it in receipts) == 400
    assert sum(it["repeats"] for it in receipts) == 200
    assert all(adds_up(it) and not it["rejected"] for it in receipts)
    assert len(stored()) == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_facts_are_posted(live_server: Any, method: str) -> None:
    with sender(live_server) as http:
        answer = http.request(method, "/v1/facts")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_who_may_not_send_is_told_and_nothing_is_stored(live_server: Any) -> None:
    north = customer()
    with httpx.Client(base_url=live_server.url) as nobody:
        assert nobody.post("/v1/facts", json=rows(0, 1)).status_code == 401
    with sender(live_server, north, "usage:read") as reader:
        assert code(reader.post("/v1/facts", json=rows(0, 1))) == "forbidden"
    assert nothing_stored()


def test_a_key_may_come_as_basic(live_server: Any) -> None:
    customer()
    with sender(live_server) as http:
        prefix, secret = http.headers["Authorization"].removeprefix("Bearer rbk_").split("_", 1)
    with httpx.Client(base_url=live_server.url, auth=(prefix, secret)) as http:
        assert http.post("/v1/facts", json=rows(0, 1)).json()["new"] == 1
