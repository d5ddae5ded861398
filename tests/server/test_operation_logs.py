"""What is written to the log of a server that takes odd ids in: none of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import stamina
import structlog
from django.conf import settings
from django.test import Client

from rollbook.server import clock, configuration
from rollbook.server.observing import logs
from tests.server import world
from tests.server.callers import by_key, user

ODD = (
    "Zoë Ω-Quux",
    "quux'; drop table fact; --",
    "a/quux/b",
    "%2e%2e/quux",
    "quux\u2028line",
    "<quux>",
    "{quux}",
    "q" * 900,
)
"""Ids that would be seen wherever they were written."""

TRACES = ("quux", "Quux", "qqqq", "Zo\\u00eb", "Zoë")


@pytest.fixture
def written() -> Iterator[StringIO]:
    """Everything that any logger writes, as the server would write it."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter("json"))
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.usefixtures("ledger")
def test_no_line_names_a_learner_whatever_their_id_is(written: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: world.at("2026-02-01T00:00") * 1000)
    stored = world.subscribe(world.customer())
    sender = by_key("facts:write", "learners:read", "usage:read", "admissions:write")
    rows = [world.row(f"{number} {odd}", odd, "2026-01-05T10:00") for number, odd in enumerate(ODD)]
    # Good ones, repeats, others under the same ids, and what cannot be read.
    for sent in (rows, rows, [row | {"type": "quux.type"} for row in rows], [{"quux": odd} for odd in ODD]):
        assert sender.call("POST", "/facts", sent).status_code == 200
    for odd in ODD:
        sender.client.get(f"/v1/subscriptions/{stored.pk}/learners/{odd}")
        sender.client.get(f"/v1/subscriptions/{stored.pk}/learners", {"q": odd})
        sender.client.get(f"/quux/{odd}", headers={"x-request-id": odd.encode("ascii", "replace").decode()})
        sender.call("POST", "/admissions", {"organisation": "north", "learner": odd, "role": odd})
        Client().generic("QUUX", "/v1/facts")
    said = written.getvalue()
    assert len(lines(written)) >= 5 * len(ODD)
    assert not [trace for trace in TRACES if trace in said]


@pytest.mark.usefixtures("ledger")
def test_a_request_is_one_line_with_its_route_and_who_asked(written: StringIO) -> None:
    stored = world.subscribe(world.customer())
    asker = by_key("usage:read")
    answer = asker.get(f"/subscriptions/{stored.pk}/usage")
    [line] = lines(written)
    assert line["route"] == "v1/subscriptions/<number>/usage"
    assert (line["method"], line["status"], line["event"]) == ("GET", 200, "request")
    assert line["milliseconds"] > 0
    assert line["principal"].startswith("key ")
    assert "rbk_" not in line["principal"]
    assert line["request"] == answer["X-Request-Id"]


@pytest.mark.usefixtures("ledger")
def test_people_are_told_by_their_number_and_not_by_their_address(written: StringIO) -> None:
    known = user("operator")
    client = Client()
    client.force_login(known)
    client.get("/v1/session")
    assert f"{known.pk}" in lines(written)[-1]["principal"]
    assert "example.org" not in written.getvalue()


def test_a_proxy_that_is_trusted_names_requests_and_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"x-request-id": "0123456789abcdef"}
    assert Client().get("/healthz", headers=given)["X-Request-Id"] != given["x-request-id"]
    changed = configuration.Configuration({**settings.CONFIGURATION.values, "ROLLBOOK_TRUSTED_PROXIES": 1})
    monkeypatch.setattr(settings, "CONFIGURATION", changed)
    assert Client().get("/healthz", headers=given)["X-Request-Id"] == given["x-request-id"]
    for bad in ("short", "a" * 65, "with spaces in it", "new\tline-----"):
        assert Client().get("/healthz", headers={"x-request-id": bad})["X-Request-Id"] != bad


def test_an_error_is_told_by_its_kind_and_its_frames_and_not_by_its_words(written: StringIO) -> None:
    for log in (logging.getLogger("rollbook.anything"), structlog.get_logger("rollbook.anything")):
        try:
            int("Failing row contains (quux)")
        except ValueError:
            log.exception("broken")
    for line in lines(written):
        assert (line["event"], line["error"]) == ("broken", "ValueError")
        assert "test_operation_logs.py" in line["frames"][-1]
    assert len(lines(written)) == 2
    assert "quux" not in written.getvalue()


def test_what_is_tried_again_is_told_without_what_it_was_called_with(written: StringIO) -> None:
    failures = iter([True, False])

    @stamina.retry(on=OSError, attempts=2, wait_initial=0.001, wait_max=0.001, wait_jitter=0)
    def take(facts: list[str]) -> int:
        if next(failures):
            raise OSError("quux")
        return len(facts)

    assert take(["quux"]) == 1
    [line] = lines(written)
    assert (line["event"], line["error"], line["attempt"]) == ("retry", "OSError", 1)
    assert "quux" not in written.getvalue()


@pytest.mark.parametrize("name", logs.QUIET)
def test_libraries_that_would_write_addresses_and_statements_are_quiet(written: StringIO, name: str) -> None:
    logging.getLogger(name).error("Not Found: /v1/learners/quux")
    assert written.getvalue() == ""
