"""POST /v1/caliper: envelopes of sensors, answered as section 6 of Caliper 1.2 says, with a receipt."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .forwarders import adds_up, code, nothing_stored, sender, stored
from .test_facts_api_hostile import ANYTHING
from .world import at, customer

pytestmark = pytest.mark.usefixtures("ledger")

V1P1, V1P2 = "http://purl.imsglobal.org/ctx/caliper/v1p1", "http://purl.imsglobal.org/ctx/caliper/v1p2"
EVENT: dict[str, Any] = {
    "@context": V1P2,
    "id": "urn:uuid:3A648E68-F00D-4C08-AA59-8738E1884F2C",
    "type": "NavigationEvent",
    "actor": {"id": "https://example.edu/users/554433", "type": "Person"},
    "action": "NavigatedTo",
    "object": {"id": "https://example.edu/terms/201801/courses/7/sections/1", "type": "CourseSection"},
    "eventTime": "2026-03-01T10:15:00.000Z",
}
SESSION = EVENT | {"id": "urn:uuid:fcd495d0-3740-4298-9bec-1154571dc211", "type": "SessionEvent", "action": "LoggedIn"}


def envelope(*events: Any, **changes: Any) -> dict[str, Any]:
    said = {"sensor": "https://example.edu/sensors/1", "sendTime": "2026-03-01T10:15:01.000Z", "dataVersion": V1P2}
    return said | {"data": list(events)} | changes


def post(server: Any, content: Any, kind: str = "application/json", path: str = "/v1/caliper") -> httpx.Response:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    with sender(server, customer()) as http:
        return http.post(path, content=data, headers={"Content-Type": kind})


@pytest.mark.parametrize("version", [V1P1, V1P2, "http://purl.imsglobal.org/ctx/caliper/v1/Context"])
def test_the_events_of_an_envelope_become_facts(live_server: Any, version: str) -> None:
    answer = post(live_server, envelope(EVENT, SESSION, dataVersion=version))
    assert answer.status_code == 200
    assert answer.json() == {"received": 2, "new": 2, "repeats": 0, "held": 0, "rejected": []}
    assert post(live_server, envelope(SESSION, EVENT, dataVersion=version)).json()["repeats"] == 2
    assert stored("id, type, organisation, source, at_us") == [
        (EVENT["id"].lower(), "course.viewed", "north", "caliper", at("2026-03-01T10:15")),
        (SESSION["id"], "login", "north", "caliper", at("2026-03-01T10:15")),
    ]


def test_json_ld_is_json(live_server: Any) -> None:
    assert post(live_server, envelope(EVENT), "application/ld+json").json()["new"] == 1


def test_an_organisation_may_stand_in_the_address(live_server: Any) -> None:
    customer(organisations=("north", "north/two words"))
    assert {it["code"] for it in post(live_server, envelope(EVENT)).json()["rejected"]} == {"organisation"}
    path = "/v1/caliper/organisations/north%2Ftwo%20words"
    assert post(live_server, envelope(EVENT), path=path).json()["new"] == 1
    assert stored("organisation") == ["north/two words"]
    customer("Southern College", ("south",))
    other = post(live_server, envelope(SESSION), path="/v1/caliper/organisations/south").json()
    assert {it["code"] for it in other["rejected"]} == {"organisation"}


def test_what_is_no_event_is_named_and_the_others_are_taken(live_server: Any) -> None:
    described = {"@context": V1P2, "id": "https://example.edu/users/554433", "type": "Person"}
    long = EVENT | {"type": "x" * 5000}
    answer = post(live_server, envelope(described, EVENT, 7, EVENT | {"id": ""}, EVENT | {"eventTime": 7}, long))
    receipt = answer.json()
    assert (answer.status_code, receipt["received"], receipt["new"]) == (200, 6, 1)
    assert adds_up(receipt)
    assert [(it["index"], it["code"]) for it in receipt["rejected"]] == [
        *((0, "invalid"), (2, "no-object"), (3, "id-missing"), (4, "invalid"), (5, "too-long")),
    ]


@pytest.mark.parametrize(
    ("content", "kind", "status", "expected"),
    [
        (b"", "application/json", 400, "empty"),
        (b"{", "application/json", 400, "json-invalid"),
        (b"[]", "application/json", 400, "envelope-invalid"),
        (json.dumps(EVENT).encode(), "application/json", 400, "envelope-invalid"),
        (json.dumps(envelope(EVENT, sensor="")).encode(), "application/json", 400, "envelope-invalid"),
        (json.dumps(envelope(EVENT, sensor=7)).encode(), "application/json", 400, "envelope-invalid"),
        (json.dumps(envelope(EVENT, data=EVENT)).encode(), "application/json", 400, "envelope-invalid"),
        (json.dumps(envelope(EVENT, sendTime=None)).encode(), "application/json", 400, "envelope-invalid"),
        (json.dumps(envelope(EVENT, dataVersion="v9")).encode(), "application/json", 422, "version"),
        (json.dumps(envelope(EVENT)).encode(), "text/plain", 415, "media-type"),
        (b'{"data":[' + b"{}," * 10_000 + b'{}],"sensor":"s","sendTime":"t","dataVersion":"' + V1P2.encode() + b'"}',
         "application/json", 413, "too-many"),
        (b'{"data":' + b"[" * 100_000, "application/json", 400, "too-deep"),
    ],
)  # fmt: skip
def test_an_envelope_that_is_none_is_refused(
    live_server: Any, content: bytes, kind: str, status: int, expected: str
) -> None:
    answer = post(live_server, content, kind)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert nothing_stored()


def test_nobody_sends_without_a_key(live_server: Any) -> None:
    assert httpx.post(f"{live_server.url}/v1/caliper", json=envelope(EVENT)).status_code == 401


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.fixed_dictionaries({}, optional={name: st.just(value) | ANYTHING for name, value in EVENT.items()})
        | ANYTHING,
        max_size=4,
    )
)
def test_whatever_events_are_sent_the_receipt_adds_up(live_server: Any, events: list[Any]) -> None:
    answer = post(live_server, envelope(*events))
    if answer.status_code == 200:
        assert adds_up(answer.json())
        assert answer.json()["received"] == len(events)
    else:
        # Half a character in an envelope is nobody's in particular.
        assert (answer.status_code, code(answer)) == (400, "json-invalid")
