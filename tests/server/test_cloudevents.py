"""POST /v1/cloudevents: one event, a batch, or headers, as the library of CloudEvents writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .forwarders import adds_up, code, nothing_stored, sender, stored
from .test_facts_api_hostile import ANYTHING
from .world import at, customer

pytestmark = pytest.mark.usefixtures("ledger")

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "https://lms.example.org",
    "type": "lesson.started",
    "time": "2026-03-01T09:00:00Z",
    "subject": "ana",
    "data": {"organisation": "north", "object": "course-7"},
}


def post(server: Any, content: Any, kind: str = STRUCTURED, **headers: str) -> Any:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    with sender(server) as http:
        return http.post("/v1/cloudevents", content=data, headers={"Content-Type": kind} | headers)


def by_library(**changes: Any) -> CloudEvent:
    attributes = {name: value for name, value in EVENT.items() if name not in ("data", "time")}
    when = datetime(2026, 3, 1, 9, tzinfo=UTC)
    return CloudEvent({**attributes, "time": when} | changes, EVENT["data"])


def test_what_the_library_writes_in_either_mode_is_the_same_fact(live_server: Any) -> None:
    customer()
    one, other = to_structured(by_library(), JSONFormat()), to_binary(by_library(), JSONFormat())
    with sender(live_server) as http:
        first = http.post("/v1/cloudevents", content=one.body, headers=one.headers)
        again = http.post(
            "/v1/cloudevents", content=other.body, headers={"Content-Type": "application/json"} | other.headers
        )
    assert (first.status_code, first.json()["new"]) == (200, 1)
    assert (again.status_code, again.json()["repeats"]) == (200, 1)
    assert stored("source, id, at_us, type, organisation, object, role") == [
        (EVENT["source"], "e-1", at("2026-03-01T09:00"), "lesson.started", "north", "course-7", "learner")
    ]


def test_headers_are_decoded(live_server: Any) -> None:
    customer()
    message = to_binary(by_library(source="https://lms.example.org/ä b"), JSONFormat())
    with sender(live_server) as http:
        headers = {"Content-Type": "application/json"} | message.headers
        assert http.post("/v1/cloudevents", content=message.body, headers=headers).json()["new"] == 1
    assert stored("source") == ["https://lms.example.org/ä b"]


def test_a_batch_takes_what_is_right_and_names_what_is_not(live_server: Any) -> None:
    customer()
    events = [EVENT, EVENT | {"id": "e-2", "time": None}, {"specversion": "1.0"}, EVENT | {"id": "e-3"}, 7]
    answer = post(live_server, events, BATCH)
    receipt = answer.json()
    assert (answer.status_code, receipt["received"], receipt["new"]) == (200, 5, 2)
    assert adds_up(receipt)
    assert {it["index"] for it in receipt["rejected"]} == {1, 2, 4}
    assert stored() == ["e-1", "e-3"]


def test_a_single_event_that_is_rejected_is_refused_so_that_its_sender_learns_of_it(live_server: Any) -> None:
    customer()
    answer = post(live_server, EVENT | {"data": {"leaner": "ana"}})
    assert (answer.status_code, code(answer)) == (422, "unknown-field")
    assert nothing_stored()


def test_data_says_who_and_extensions_say_what_data_does_not(live_server: Any) -> None:
    customer()
    event = EVENT | {
        "data": {"learner": "bo", "role": "admin"},
        "organisation": "north",
        "role": "learner",
        "mode": "live",
        "traceparent": "00-1",
        "partitionkey": "7",
    }
    assert post(live_server, event).json()["new"] == 1
    assert stored("organisation, role, mode") == [("north", "admin", "live")]
    assert post(live_server, EVENT | {"id": "e-2", "subject": "bo"}).json()["new"] == 1
    learners = stored("id, learner")
    assert learners[0][1] == learners[1][1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time": None}, "time is missing"),
        ({"time": "2026-03-01T09:00:00"}, "time is"),
        ({"time": "yesterday"}, "time is"),
        ({"id": ""}, "id is missing"),
        ({"source": 7}, "source is missing, or no text"),
        ({"type": None}, "type is missing"),
        ({"specversion": "0.3"}, "specversion is not 1.0"),
        ({"specversion": None}, "specversion is not 1.0"),
        ({"subject": 7}, "subject is no text"),
        ({"data": "text"}, "data is no JSON object"),
        ({"data": None, "data_base64": "e30="}, "data is not JSON"),
        ({"datacontenttype": "text/xml"}, "data is not JSON"),
        ({"data": {"id": "2"}}, "data says id, which is the event's id"),
        ({"data": {"occurred_at": "2026-03-01T09:00:00Z"}}, "data says occurred_at, which is the event's time"),
    ],
)
def test_an_event_that_is_none_is_refused_in_words(live_server: Any, changes: dict[str, Any], words: str) -> None:
    customer()
    answer = post(live_server, EVENT | changes)
    assert answer.status_code == 422
    assert words in answer.json()["problems"][0]["rule"]
    assert nothing_stored()


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"{}", "text/plain", 415),
        (b"", STRUCTURED, 400),
        (b"{", STRUCTURED, 400),
        (b"{}", BATCH, 400),
        (b"[" + b"{}," * 10_000 + b"{}]", BATCH, 413),
        (b"[" * 100_000, BATCH, 400),
        (b'{"id": "\\ud800"}', STRUCTURED, 400),
    ],
)
def test_what_is_no_cloudevent_at_all(live_server: Any, content: bytes, kind: str, status: int) -> None:
    answer = post(live_server, content, kind)
    assert answer.status_code == status
    assert code(answer)
    assert nothing_stored()


def test_a_body_in_binary_mode_that_is_no_json_is_refused(live_server: Any) -> None:
    headers = {f"ce-{name}": value for name, value in EVENT.items() if name != "data"}
    assert post(live_server, b"<a/>", "text/xml", **headers).status_code == 422
    assert post(live_server, b"{", "application/json", **headers).status_code == 400
    assert post(live_server, b"{}", "application/json", **headers | {"ce-type": "%ff"}).status_code == 422
    assert nothing_stored()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(
        st.fixed_dictionaries({}, optional={name: st.just(value) | ANYTHING for name, value in EVENT.items()}),
        max_size=4,
    )
    | ANYTHING,
    kind=st.sampled_from([STRUCTURED, BATCH]),
)
def test_whatever_json_is_sent_its_receipt_adds_up(live_server: Any, body: Any, kind: str) -> None:
    customer()
    answer = post(live_server, body[0] if kind == STRUCTURED and isinstance(body, list) and body else body, kind)
    if answer.status_code == 200:
        assert adds_up(answer.json())
    else:
        assert answer.status_code in (400, 422)
        assert code(answer)
