"""/v1/xapi as a forwarder meets it: what the specification says of POST and PUT, and what is not here, in words."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import httpx
import pytest

from rollbook.server import clock
from rollbook.server.models import Refusal

from .forwarders import code, nothing_stored, sender, stored
from .world import at, customer

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-10T12:00"
VERSION, CONSISTENT = "X-Experience-API-Version", "X-Experience-API-Consistent-Through"
ID, OTHER = "fd41c918-b88b-4b20-a0a5-a4c32391aaa0", "12345678-1234-4234-8234-123456789012"
INITIALIZED = "http://adlnet.gov/expapi/verbs/initialized"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
STATEMENT: dict[str, Any] = {
    "id": ID,
    "actor": {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "ana"}},
    "verb": {"id": INITIALIZED, "display": {"en-US": "initialized"}},
    "object": {
        "id": "https://lms.example.org/courses/7",
        "definition": {"type": "http://adlnet.gov/expapi/activities/course"},
    },
    "timestamp": "2026-03-01T09:00:00.000Z",
}


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)


@pytest.fixture
def lrs(live_server: Any) -> Any:
    """A forwarder of a customer that has one organisation."""
    with sender(live_server, customer(), **{VERSION: "1.0.3"}) as http:
        yield http


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in STATEMENT.items() if key != name}


def post(http: httpx.Client, statements: Any, path: str = "/v1/xapi/statements", **headers: str) -> httpx.Response:
    return http.post(path, json=statements, headers=headers)


def put(http: httpx.Client, statement: Any, id_: str = ID) -> httpx.Response:
    return http.put("/v1/xapi/statements", params={"statementId": id_}, json=statement)


def test_a_statement_is_a_fact_and_its_id_is_the_answer(lrs: httpx.Client) -> None:
    answer = post(lrs, STATEMENT)
    assert (answer.status_code, answer.json()) == (200, [ID])
    assert stored("id, source, organisation, type, object, at_us, recorded_us") == [
        (ID, "xapi", "north", "course.started", "https://lms.example.org/courses/7", at("2026-03-01T09:00"), at(NOW))
    ]


def test_several_statements_are_answered_in_their_order_and_those_without_an_id_get_one(lrs: httpx.Client) -> None:
    answer = post(lrs, [without("id"), STATEMENT, without("id")])
    first, second, third = answer.json()
    assert second == ID
    assert first != third
    assert {str(uuid.UUID(it)) for it in (first, third)} == {first, third}
    assert sorted(stored()) == sorted([first, second, third])


def test_putting_a_statement_answers_nothing(lrs: httpx.Client) -> None:
    answer = put(lrs, without("id"))
    assert (answer.status_code, answer.content) == (204, b"")
    assert stored() == [ID]
    assert put(lrs, STATEMENT).status_code == 204


def test_every_answer_says_the_version_and_how_far_all_is_stored(lrs: httpx.Client, live_server: Any) -> None:
    answers = [
        post(lrs, STATEMENT),
        post(lrs, STATEMENT, **{VERSION: "1.0"}),
        post(lrs, STATEMENT, **{VERSION: "1.0.9"}),
        put(lrs, STATEMENT),
        post(lrs, {}),
        lrs.get("/v1/xapi/statements"),
        lrs.options("/v1/xapi/statements"),
        lrs.get("/v1/xapi/about"),
        httpx.post(f"{live_server.url}/v1/xapi/statements", json=STATEMENT, headers={VERSION: "1.0.3"}),
    ]
    assert [it.status_code for it in answers] == [200, 200, 200, 204, 400, 405, 204, 200, 401]
    assert {it.headers[VERSION] for it in answers} == {"1.0.3"}
    assert {it.headers[CONSISTENT] for it in answers} == {"2026-03-10T12:00:00Z"}
    assert post(lrs, STATEMENT, **{VERSION: "2.0.0"}).headers[VERSION] == "2.0.0"


@pytest.mark.parametrize("version", ["", "0.95", "1.1.0", "2.1", "1", "3.0.0", "1.0.x", "latest"])
def test_a_version_that_is_missing_or_not_spoken_is_refused(lrs: httpx.Client, version: str) -> None:
    answer = post(lrs, STATEMENT, **{VERSION: version})
    assert (answer.status_code, code(answer)) == (400, "version")
    assert nothing_stored()


def test_a_statement_again_changes_nothing_whatever_its_letters_and_its_time_look_like(lrs: httpx.Client) -> None:
    post(lrs, STATEMENT)
    same = STATEMENT | {
        "id": ID.upper(),
        "timestamp": "2026-03-01T10:00:00+01:00",
        "stored": "2026-03-01T09:00:01Z",
        "authority": {"mbox": "mailto:lrs@example.org"},
        "version": "1.0.0",
        "verb": {"id": INITIALIZED, "display": {"de": "begonnen"}},
    }
    answer = post(lrs, [same])
    assert (answer.status_code, answer.json()) == (200, [ID.upper()])
    assert stored() == [ID]


def test_the_same_id_with_other_content_is_a_conflict_and_nothing_of_the_batch_is_stored(lrs: httpx.Client) -> None:
    post(lrs, STATEMENT)
    other = STATEMENT | {"actor": {"mbox": "mailto:bo@example.org"}}
    answer = post(lrs, [without("id"), other])
    assert (answer.status_code, code(answer)) == (409, "conflict")
    assert answer.json()["problems"][0]["place"] == "statements[1]"
    assert put(lrs, other).status_code == 409
    assert stored() == [ID]
    assert Refusal.objects.filter(code="conflict").count() == 2


def test_a_statement_without_a_time_is_of_now_and_again_it_is_the_same(
    lrs: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeless = without("timestamp")
    assert post(lrs, [timeless]).status_code == 200
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-03-11T00:00") * 1000)
    assert post(lrs, [timeless, without("id") | {"id": OTHER}]).status_code == 200
    assert stored("id, at_us") == [(OTHER, at("2026-03-01T09:00")), (ID, at(NOW))]
    assert post(lrs, timeless | {"actor": {"mbox": "mailto:bo@example.org"}}).status_code == 409


def test_one_invalid_statement_refuses_its_batch(lrs: httpx.Client) -> None:
    answer = post(lrs, [STATEMENT, without("verb") | {"id": OTHER}, without("actor") | {"id": OTHER}])
    assert (answer.status_code, code(answer)) == (400, "statement-invalid")
    assert [(it["place"], it["rule"]) for it in answer.json()["problems"]] == [
        ("statements[1]", "verb: it is missing"),
        ("statements[2]", "actor: it is missing"),
    ]
    assert nothing_stored()
    assert Refusal.objects.count() == 2


def test_the_same_id_twice_in_a_batch_is_refused(lrs: httpx.Client) -> None:
    answer = post(lrs, [STATEMENT, STATEMENT | {"id": ID.upper()}])
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["rule"] == "it has the id of statements[0]"
    assert nothing_stored()


def test_what_says_nothing_that_counts_is_kept_under_its_own_name(lrs: httpx.Client) -> None:
    verb = "https://example.org/verbs/pondered"
    group = {"objectType": "Group", "member": [{"mbox": "mailto:bo@example.org"}]}
    assert post(lrs, [STATEMENT | {"verb": {"id": verb}}, without("id") | {"actor": group}]).status_code == 200
    assert sorted(stored("type, role")) == [("course.started", "system"), (verb, "learner")]


def test_voiding_takes_a_statement_back(lrs: httpx.Client) -> None:
    void = without("id") | {"verb": {"id": VOIDED}, "object": {"objectType": "StatementRef", "id": ID.upper()}}
    assert post(lrs, [STATEMENT, void]).status_code == 200
    assert sorted(stored("type, voids")) == [("course.started", ""), ("fact.voided", ID)]
    bad = void | {"object": STATEMENT["object"]}
    assert post(lrs, bad).json()["problems"][0]["rule"] == "object: a voiding statement names a StatementRef"


def test_an_organisation_may_stand_in_the_address(live_server: Any) -> None:
    north = customer(organisations=("north", "east"))
    customer("Southern College", ("south",))
    with sender(live_server, north, **{VERSION: "1.0.3"}) as http:
        assert post(http, STATEMENT).status_code == 400
        assert post(http, STATEMENT, "/v1/xapi/organisations/south/statements").status_code == 400
        assert nothing_stored()
        base = "/v1/xapi/organisations/east/statements"
        assert post(http, STATEMENT, base).json() == [ID]
        assert http.put(base, params={"statementId": OTHER}, json=without("id")).status_code == 204
    assert stored("organisation") == ["east", "east"]


def test_basic_with_prefix_and_secret_is_what_forwarders_send(live_server: Any) -> None:
    with sender(live_server, customer()) as http:
        prefix, secret = http.headers["Authorization"].removeprefix("Bearer rbk_").split("_", 1)
    with httpx.Client(base_url=live_server.url, auth=(prefix, secret), headers={VERSION: "1.0.3"}) as http:
        assert post(http, STATEMENT).json() == [ID]
    with httpx.Client(base_url=live_server.url, auth=(prefix, "wrong"), headers={VERSION: "1.0.3"}) as http:
        answer = post(http, STATEMENT)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_key_that_may_not_send_is_told(live_server: Any) -> None:
    with sender(live_server, customer(), "usage:read", **{VERSION: "1.0.3"}) as http:
        answer = post(http, STATEMENT)
    assert (answer.status_code, code(answer), answer.headers[VERSION]) == (403, "forbidden", "1.0.3")


@pytest.mark.parametrize("query", ["?method=PUT", "?limit=1", "?StatementId=x", "?statementId=" + ID])
def test_parameters_that_are_not_known_are_refused(lrs: httpx.Client, query: str) -> None:
    answer = post(lrs, STATEMENT, f"/v1/xapi/statements{query}")
    assert (answer.status_code, code(answer)) == (400, "parameter")
    assert nothing_stored()


def test_an_id_to_put_under_has_to_be_one(lrs: httpx.Client) -> None:
    for id_ in ("", "7", ID[:-1], "{" + ID + "}", ID.replace("-", "")):
        assert code(put(lrs, without("id"), id_)) == "statement-id"
    assert lrs.put("/v1/xapi/statements", json=STATEMENT).status_code == 400
    assert lrs.put(f"/v1/xapi/statements?statementid={ID}", json=STATEMENT).status_code == 400
    assert put(lrs, STATEMENT, OTHER).json()["problems"][0]["rule"] == "id: it is not that of the address"
    assert put(lrs, [STATEMENT]).status_code == 400
    assert nothing_stored()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_nothing_is_read_back_and_that_is_said(lrs: httpx.Client, method: str) -> None:
    answer = lrs.request(method, f"/v1/xapi/statements?statementId={ID}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, PUT, OPTIONS")
    if method != "HEAD":
        assert answer.json()["problems"][0]["rule"] == "statements are taken in here, and not read back"


def test_about_needs_no_key_and_no_version(live_server: Any) -> None:
    answer = httpx.get(f"{live_server.url}/v1/xapi/about")
    assert (answer.status_code, answer.json()) == (200, {"version": ["1.0.3", "2.0.0"]})
    assert httpx.head(f"{live_server.url}/v1/xapi/about").status_code == 200


def test_two_forwarders_of_overlapping_batches_store_each_statement_once(live_server: Any) -> None:
    north = customer()
    ids = [str(uuid.UUID(int=number + 2**100)) for number in range(60)]
    batches = [ids[:40], list(reversed(ids[20:]))]
    answers: list[httpx.Response] = []

    def forward(batch: list[str], http: httpx.Client) -> None:
        answers.append(post(http, [STATEMENT | {"id": it} for it in batch]))

    with (
        sender(live_server, north, **{VERSION: "1.0.3"}) as one,
        sender(live_server, north, **{VERSION: "1.0.3"}) as two,
    ):
        threads = [threading.Thread(target=forward, args=it) for it in zip(batches, (one, two), strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [it.status_code for it in answers] == [200, 200]
    assert stored() == sorted(ids)


def multipart(
    statements: Any, *parts: tuple[str, bytes], boundary: str = "abcABC0123'()+_,-./:=?"
) -> tuple[bytes, str]:
    """A body as the specification's example has it, and its kind."""
    mark = f"--{boundary}\r\n".encode()
    body = mark + b"Content-Type:application/json\r\n\r\n" + json.dumps(statements).encode() + b"\r\n"
    for digest, content in parts:
        head = f"Content-Type:text/plain\r\nContent-Transfer-Encoding:binary\r\nX-Experience-API-Hash:{digest}\r\n\r\n"
        body += mark + head.encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f'multipart/mixed; boundary="{boundary}"'


def attached(digest: str, **more: str) -> dict[str, Any]:
    attachment = {
        "usageType": "http://example.com/attachment-usage/test",
        "display": {"en-US": "A test attachment"},
        "contentType": "text/plain; charset=ascii",
        "length": 27,
        "sha2": digest,
    }
    return STATEMENT | {"attachments": [attachment | more]}


DIGEST = "495395e777cd98da653df9615d09c0fd6bb2f8d4788394cd53c56a3bfdcd848a"


def test_attachments_are_dropped_and_their_statements_taken(lrs: httpx.Client) -> None:
    body, kind = multipart(attached(DIGEST), (DIGEST, b"here is a \r\n\r\n\0\xff attachment"))
    answer = lrs.post("/v1/xapi/statements", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (200, [ID])
    body, kind = multipart([STATEMENT], boundary="plain")
    assert lrs.post("/v1/xapi/statements", content=body, headers={"Content-Type": kind}).status_code == 200
    assert post(lrs, attached(DIGEST, fileUrl="https://example.com/a")).status_code == 200


def test_an_attachment_that_is_nowhere_refuses_the_batch(lrs: httpx.Client) -> None:
    body, kind = multipart(attached(DIGEST), ("00", b"another"))
    for answer in (
        lrs.post("/v1/xapi/statements", content=body, headers={"Content-Type": kind}),
        post(lrs, attached(DIGEST)),
    ):
        assert answer.status_code == 400
        assert "no part of the body is it" in answer.json()["problems"][0]["rule"]
    assert nothing_stored()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "multipart/mixed; boundary=x", 400),
        (b"--x\r\n", "multipart/mixed; boundary=x", 400),
        (b"--x--\r\n", "multipart/mixed; boundary=x", 400),
        (b"--x\r\nContent-Type: application/json\r\n\r\n{}", "multipart/mixed; boundary=x", 400),
        (b"--x\r\nContent-Type: text/plain\r\n\r\n{}\r\n--x--", "multipart/mixed; boundary=x", 400),
        (b"--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\n\r\nno hash\r\n--x--", "multipart/mixed; boundary=x", 400),
        (b"--x--", "multipart/mixed", 400),
        (b"\r\n--x\r\nA:b\r\n\r\n" * 5000 + b"\r\n--x--", "multipart/mixed; boundary=x", 413),
        (b"[" + b"{}," * 10_000 + b"{}]", "application/json", 413),
        (b"[", "application/json", 400),
        (b"", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'[{"id": "\\ud800"}]', "application/json", 400),
        (b'{"a": 1, "a": 1}', "application/json", 400),
        (json.dumps(STATEMENT).encode(), "text/plain", 400),
        (b"method=PUT&content=%7B%7D", "application/x-www-form-urlencoded", 400),
    ],
)  # fmt: skip
def test_bodies_that_are_none_are_refused(lrs: httpx.Client, body: bytes, kind: str, status: int) -> None:
    answer = lrs.post("/v1/xapi/statements", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert code(answer)
    assert nothing_stored()


def test_an_empty_list_stores_nothing(lrs: httpx.Client) -> None:
    assert post(lrs, []).json() == []
    assert nothing_stored()


def test_text_that_no_database_keeps_is_refused_in_words(lrs: httpx.Client) -> None:
    for name in ("a\0", "x" * 2000):
        actor = {"account": {"homePage": "https://lms.example.org", "name": name}}
        answer = post(lrs, STATEMENT | {"actor": actor})
        assert answer.status_code == 400
        assert name not in answer.text
    assert nothing_stored()
