"""Bodies that no sender means: the right status, clear words, nothing stored, and never a fault of the server."""

from __future__ import annotations

import gzip
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollbook.model.fact import COLUMNS, TYPES

from .forwarders import adds_up, code, nothing_stored, sender
from .world import customer, row

pytestmark = pytest.mark.usefixtures("ledger")

MIB = 1024 * 1024
GOOD = row("1", "ana", "2026-03-01T09:00")
JSON, NDJSON = "application/json", "application/x-ndjson"


@pytest.mark.parametrize(
    ("data", "kind", "encoding", "status", "expected"),
    [
        pytest.param(gzip.compress(bytes(200 * MIB)), JSON, "gzip", 413, "too-large", id="a bomb of gzip"),
        pytest.param(
            bytes(pa.compress(bytes(200 * MIB), codec="zstd", asbytes=True)),
            JSON,
            "zstd",
            413,
            "too-large",
            id="zstd bomb",
        ),
        pytest.param(gzip.compress(b"[{}]")[:-5], JSON, "gzip", 400, "packing-damaged", id="gzip that is cut off"),
        pytest.param(b"[{}]", JSON, "gzip", 400, "packing-damaged", id="no gzip at all"),
        pytest.param(b"[{}]", JSON, "br", 415, "encoding", id="another packing"),
        pytest.param(gzip.compress(gzip.compress(b"[]")), JSON, "gzip, gzip", 415, "encoding", id="packed twice"),
        pytest.param(bytes(range(256)) * 40, JSON, "", 400, "not-utf-8", id="binary noise"),
        pytest.param(b"[" * MIB, JSON, "", 400, "too-deep", id="a deep list"),
        pytest.param(b'{"a":' * MIB, JSON, "", 400, "too-deep", id="a deep object"),
        pytest.param(b"[" + b"{}," * 100_000 + b"{}]", JSON, "", 413, "too-many", id="100,001 items"),
        pytest.param(b"{}\n" * 100_001, NDJSON, "", 413, "too-many", id="100,001 lines"),
        pytest.param(b"[" + b"0," * (10 * MIB) + b"0]", JSON, "", 413, "too-many", id="ten million numbers"),
        pytest.param(b"[" + b" " * (33 * MIB) + b"]", JSON, "", 413, "too-large", id="33 MiB of nothing"),
        pytest.param(b"", JSON, "", 400, "empty", id="nothing"),
        pytest.param(b"<html></html>", "text/html", "", 415, "media-type", id="a page"),
        pytest.param(b"[{}", JSON, "", 400, "json-invalid", id="a list that is cut off"),
        pytest.param(b"[]", f"{JSON}; charset=utf-16", "", 415, "charset", id="other letters"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(
    live_server: Any, data: bytes, kind: str, encoding: str, status: int, expected: str
) -> None:
    customer()
    headers = {"Content-Type": kind} | ({"Content-Encoding": encoding} if encoding else {})
    with sender(live_server) as http:
        answer = http.post("/v1/facts", content=data, headers=headers)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert nothing_stored()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b'{"learner": "' + b"x" * (10 * MIB) + b'"}', "too-long", id="a line of 10 MiB"),
        pytest.param(b'{"a":' * 100_000, "too-deep", id="a deep line"),
        pytest.param(b'{"attributes":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep", id="deep attributes"),
        pytest.param(b'{"id": ' + b"9" * 100_000 + b"}", "number-too-long", id="an endless number"),
        pytest.param(b'{"id": ' + b"9" * 100_000 + b".5}", "number-too-long", id="an endless fraction"),
        pytest.param(json.dumps(GOOD | {"learner": "a\0"}).encode(), "invalid", id="NUL"),
        pytest.param(json.dumps(GOOD | {"attributes": "a\0"}).encode(), "invalid", id="NUL in attributes"),
        pytest.param(json.dumps(GOOD | {"attributes": {"a": "\0"}}).encode() + b"", "", id="NUL within attributes"),
        pytest.param(json.dumps(GOOD | {"learner": "a\ud800"}).encode(), "invalid", id="half a character"),
        pytest.param(json.dumps(GOOD | {"attributes": {"a": "\ud800"}}).encode(), "invalid", id="half of one within"),
        pytest.param(b'{"learner": "\xff"}', "not-utf-8", id="other letters"),
        pytest.param(json.dumps(GOOD | {"learner": ["ana"]}).encode(), "invalid", id="a list for a learner"),
        pytest.param(json.dumps(GOOD | {"occurred_at": 1772357400}).encode(), "invalid", id="a number for a time"),
        pytest.param(json.dumps(GOOD | {"learner": True}).encode(), "invalid", id="true for a learner"),
        pytest.param(b'{"id": "1", "id": "2"}', "duplicate-key", id="a key twice"),
        pytest.param(json.dumps(GOOD | {"learner": "x" * 2000}).encode(), "too-long", id="a learner of 2,000 bytes"),
        pytest.param(
            json.dumps(GOOD | {"occurred_at": "9999-12-31T23:59:59Z"}).encode(), "invalid", id="the year 9999"
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_rejected_alone(live_server: Any, data: bytes, expected: str) -> None:
    customer()
    with sender(live_server, **{"Content-Type": NDJSON}) as http:
        answer = http.post("/v1/facts", content=data + b"\n")
    receipt = answer.json()
    assert answer.status_code == 200
    assert adds_up(receipt)
    if expected:
        assert {(it["index"], it["code"]) for it in receipt["rejected"]} >= {(0, expected)}
        assert nothing_stored()
    else:
        assert receipt["new"] == 1


def test_a_list_with_half_a_character_in_one_fact_takes_the_others(live_server: Any) -> None:
    customer()
    with sender(live_server) as http:
        data = json.dumps([GOOD, GOOD | {"id": "2", "learner": "a\ud83d"}]).encode()
        answer = http.post("/v1/facts", content=data, headers={"Content-Type": JSON})
    assert (answer.status_code, answer.json()["new"], answer.json()["rejected"][0]["index"]) == (200, 1, 1)


def test_a_body_that_ends_too_early_stores_nothing(live_server: Any) -> None:
    customer()
    with sender(live_server) as http:
        key = http.headers["Authorization"]
    parts = urlsplit(live_server.url)
    data = json.dumps([GOOD]).encode()
    head = f"POST /v1/facts HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {key}\r\nContent-Type: {JSON}\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as raw:
        raw.sendall(f"{head}Content-Length: {len(data) + 100}\r\nConnection: close\r\n\r\n".encode() + data)
        raw.shutdown(socket.SHUT_WR)
        answer = raw.makefile("rb").read()
    assert answer.split(b" ")[1:2] == [b"400"]
    assert b'"cut-off"' in answer
    assert nothing_stored()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
LIKELY = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["1", "2", "3", ""]) | ANYTHING,
        "occurred_at": st.sampled_from(["2026-03-01T09:00:00Z", "2026-03-01T10:00:00+02:00", "2199-01-01T00:00:00Z"]),
        "type": st.sampled_from(TYPES),
        "learner": st.sampled_from(["ana", "bo"]) | ANYTHING,
        "organisation": st.sampled_from(["north", "west", ""]),
    },
    optional={name: st.sampled_from(["1", "x"]) | ANYTHING for name in (*COLUMNS[5:], "other")},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(LIKELY | ANYTHING, max_size=6) | ANYTHING, lines=st.booleans())
def test_whatever_json_is_sent_its_receipt_adds_up(live_server: Any, *, body: Any, lines: bool) -> None:
    customer()
    listed = body if isinstance(body, list) else [body]
    data = "\n".join(map(json.dumps, listed)) if lines else json.dumps(body)
    with sender(live_server, **{"Content-Type": NDJSON if lines else JSON}) as http:
        answer = http.post("/v1/facts", content=data.encode())
    if answer.status_code == 200:
        assert adds_up(answer.json())
        assert answer.json()["received"] == len(listed)
    else:
        assert answer.status_code == 400
        assert code(answer) in ("json-invalid", "empty")
