"""Tracking logs of Open edX: each trap has a file of its own, with what a person expects beside it."""

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
FIXTURES = sorted(path for path in (HERE / "open_edx").iterdir() if path.suffix != ".expected")
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
    assert not unexplained("open-edx")


def event(**changed: object) -> dict[str, Any]:
    """A learner plays a video, but for what is changed."""
    return {
        "username": "ann",
        "event_source": "server",
        "event_type": "play_video",
        "name": "play_video",
        "time": "2026-03-02T09:00:00+00:00",
        "page": "https://lms.example.org/courses/course-v1:Acme+Fire+2026/courseware/",
        "session": "s",
        "context": {"user_id": 7, "org_id": "Acme", "course_id": "course-v1:Acme+Fire+2026", "path": "/event"},
        "event": {"user_id": 7, "course_id": "course-v1:Acme+Fire+2026", "mode": "audit"},
        **changed,
    }


def test_an_enrolment_opens_and_closes_in_the_organisation_of_its_course() -> None:
    """Enrolled from the page of the course, and taken out of it from elsewhere, where no organisation is known."""
    outside = event(event_type="edx.course.enrollment.deactivated", context={"user_id": 2, "org_id": ""})
    read = read_rows(None, event(event_type="edx.course.enrollment.activated"), outside)
    assert {(fact.organisation, fact.learner, fact.object, fact.source) for fact in read.facts} == {
        ("Acme", "7", "course-v1:Acme+Fire+2026", "open-edx")
    }


def test_a_month_is_metered_without_page_views_the_anonymous_and_enrolments(tmp_path: Path) -> None:
    path = tmp_path / "tracking.log"
    rows = [
        event(event={}),
        event(context={"user_id": ""}, username="", event={}),
        event(context={"user_id": 8}, event_type="/courses/course-v1:Acme+Fire+2026/courseware/", name=""),
        event(context={"user_id": 9}, event_type="edx.course.enrollment.activated", event={"user_id": 9}),
        event(context={"user_id": 10}, event_source="browser", event_type="problem_check", name="problem_check"),
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ran = meter(path, "--plan", "monthly-activity", *MARCH)
    assert [(row["organisation"], row["unit"]) for row in ran.rows] == [("Acme", "7")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(mutated(event()), mutated(event(event_type="edx.course.enrollment.activated"))),
        min_size=1,
        max_size=6,
    )
)
def test_no_row_of_any_shape_is_lost_or_raises(rows: list[Any]) -> None:
    assert_none_is_lost("open-edx", rows)
