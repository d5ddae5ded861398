"""Caliper events: each trap has a file of its own, with what a person expects beside it."""

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
FIXTURES = sorted(path for path in (HERE / "caliper").iterdir() if path.suffix != ".expected")
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
    assert not unexplained("caliper")


def event(**changed: object) -> dict[str, Any]:
    """A learner starts an assessment, but for what is changed."""
    section = {"id": "https://lms.example.org/s/1", "type": "CourseSection"}
    return {
        "id": "urn:uuid:AAAAAAAA-0000-4000-8000-000000000001",
        "type": "AssessmentEvent",
        "actor": {"id": "urn:x:ann", "type": "Person", "extensions": {"com.instructure.canvas": {"entity_id": "7"}}},
        "action": "Started",
        "object": {"id": "urn:x:quiz", "type": "Assessment"},
        "eventTime": "2026-03-02T09:00:00.000Z",
        "edApp": {"id": "urn:x:app", "type": "SoftwareApplication"},
        "group": {"id": "urn:x:group", "type": "Group", "subOrganizationOf": section},
        "membership": {"id": "urn:x:m", "type": "Membership", "member": "urn:x:ann", "roles": ["Learner"], "status": "Active"},
        "session": {"id": "urn:x:session", "type": "Session"},
        **changed,
    }  # fmt: skip


def test_a_group_is_followed_to_its_course_and_uuids_are_compared_in_small_letters() -> None:
    [fact] = read_rows(None, event()).facts
    assert (fact.id, fact.object) == ("urn:uuid:aaaaaaaa-0000-4000-8000-000000000001", "https://lms.example.org/s/1")


def test_groups_that_contain_each_other_end_somewhere() -> None:
    group: dict[str, Any] = {"id": "urn:x:top", "type": "Group"}
    for number in range(50):
        group = {"id": f"urn:x:{number}", "type": "Group", "subOrganizationOf": group}
    assert [fact.object for fact in read_rows(None, event(group=group)).facts] == ["urn:x:quiz"]


def test_an_administrator_says_what_a_tool_is_for(tmp_path: Path) -> None:
    path, own = tmp_path / "events.ndjson", tmp_path / "own.csv"
    own.write_text("event,type\nToolUseEvent.Used,session.entered\n", encoding="utf-8")
    path.write_text(json.dumps(event(type="ToolUseEvent", action="Used")) + "\n", encoding="utf-8")
    options = ("--plan", "monthly-activity", *MARCH)
    assert meter(path, *options).rows == []
    assert [row["unit"] for row in meter(path, *options, "--vocabulary", str(own)).rows] == ["urn:x:ann"]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(mutated(event()), min_size=1, max_size=6), enveloped=st.booleans())
def test_no_row_of_any_shape_is_lost_or_raises(*, rows: list[Any], enveloped: bool) -> None:
    if enveloped:
        assert_none_is_lost("caliper", [{"sensor": "s", "data": rows}])
    else:
        assert_none_is_lost("caliper", rows)
