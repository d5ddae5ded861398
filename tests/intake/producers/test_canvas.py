"""Live events and access logs of Canvas: each trap has a file of its own, with what a person expects beside it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.model.fact import TYPES
from tests.cli.calls import meter
from tests.intake.producers.mutations import assert_none_is_lost, compare, mutated, read_rows

HERE = Path(__file__).parent
FIXTURES = sorted(path for path in (HERE / "canvas").iterdir() if path.suffix != ".expected")
MARCH = ("--start", "2026-03-01", "--end", "2026-04-01", "--as-of", "2026-05-01", "--by", "learner")


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_trap_is_read_as_a_person_reads_it(path: Path) -> None:
    compare(path)


def unexplained(vocabulary: str) -> list[str]:
    """Events of types that no plan knows, without a note that says why."""
    file = Path(rollbook.__file__).parent / "intake/vocabularies" / f"{vocabulary}.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    known = (*TYPES, "forum.posted")
    return [row["event"] for row in rows if row["type"] not in known and not row["note"]]


def test_events_that_are_not_counted_say_why() -> None:
    assert not unexplained("canvas-live")
    assert not unexplained("canvas-access")


def event(name: str = "asset_accessed", **metadata: object) -> dict[str, Any]:
    """A learner opens a page, but for what is changed."""
    return {
        "metadata": {
            "event_name": name,
            "event_time": "2026-03-02T09:00:00.000Z",
            "user_id": "21070000000000007",
            "real_user_id": "21070000000000007",
            "root_account_id": "21070000000000001",
            "root_account_uuid": "u",
            "context_type": "Course",
            "context_id": "21070000000000565",
            "context_role": "StudentEnrollment",
            "session_id": "s",
            **metadata,
        },
        "body": {"asset_type": "wiki_page", "asset_subtype": None, "role": None, "user_id": "7", "workflow_state": "active"},
    }  # fmt: skip


REQUEST: dict[str, Any] = {
    "id": "a",
    "timestamp": "2026-03-02T09:00:00Z",
    "user_id": 7,
    "course_id": 565,
    "http_status": 200,
    "web_application_controller": "files",
    "web_application_action": "show",
    "session_id": "s",
}


def test_global_numbers_become_those_of_the_account_even_beyond_what_a_float_holds() -> None:
    [fact] = read_rows(None, event(user_id=21070000000000009, real_user_id=None)).facts
    assert (fact.learner, fact.object, fact.organisation) == ("9", "565", "u")


def test_a_month_is_metered_without_impersonation_jobs_and_logins(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    rows = [
        event(),
        event(user_id="9", real_user_id="1"),
        event(user_id=None, real_user_id=None, job_id="5"),
        event("logged_in", user_id="10", real_user_id=None),
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ran = meter(path, "--plan", "monthly-activity", *MARCH)
    assert [(row["organisation"], row["unit"]) for row in ran.rows] == [("u", "7")]


def test_requests_are_metered_by_what_they_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "web_logs.ndjson"
    failed = {**REQUEST, "id": "b", "user_id": 8, "http_status": 403}
    path.write_text(f"{json.dumps(REQUEST)}\n{json.dumps(failed)}\n", encoding="utf-8")
    assert [row["unit"] for row in meter(path, "--plan", "monthly-activity", *MARCH).rows] == ["7"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(mutated(event()), mutated(event("enrollment_created"))), min_size=1, max_size=6))
def test_no_live_event_of_any_shape_is_lost_or_raises(rows: list[Any]) -> None:
    assert_none_is_lost("canvas-live", rows)


@settings(max_examples=40, deadline=None)
@given(st.lists(mutated(REQUEST), min_size=1, max_size=6))
def test_no_request_of_any_shape_is_lost_or_raises(rows: list[Any]) -> None:
    assert_none_is_lost(None, [REQUEST, *rows])
