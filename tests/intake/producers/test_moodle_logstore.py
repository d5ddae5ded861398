"""Dumps of Moodle's own table of events."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.errors import UsageError
from rollbook.intake.vocabulary import shipped
from tests.cli.calls import meter
from tests.intake.producers.fixtures import expected, found
from tests.intake.reading import Read

FOLDER = Path(__file__).parent / "moodle_logstore"
FIXTURES = sorted(path for path in FOLDER.iterdir() if path.suffix != ".expected")
DEEDS = FOLDER / "what-learners-do.csv"


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_each_fixture_gives_what_a_person_expects(path: Path) -> None:
    options, facts, problems = expected(path)
    assert found(path, **options) == (facts, problems)


def rows() -> list[dict[str, str]]:
    """The rows of what learners do."""
    return list(csv.DictReader(DEEDS.read_text(encoding="utf-8").splitlines()))


def test_both_forms_of_a_dump_hold_the_same_facts(tmp_path: Path) -> None:
    numbers = re.compile(r"\d+")
    objects = [{name: int(text) if numbers.fullmatch(text) else text for name, text in row.items()} for row in rows()]
    lines, list_ = tmp_path / "dump.ndjson", tmp_path / "dump.json"
    lines.write_text("".join(json.dumps(it) + "\n" for it in objects), encoding="utf-8")
    list_.write_text(json.dumps(objects, indent=1), encoding="utf-8")
    read = Read(DEEDS, lines, list_)
    assert (read.counted, read.duplicates, read.messages) == (8, 16, [])


def test_the_number_of_a_row_is_the_id_of_its_fact_and_of_the_second_with_a_word() -> None:
    read = Read(FOLDER / "staff-acts-on-learners.csv")
    ids = {fact.id: fact.type for fact in read.facts}
    assert ids["2"] == "enrolment.created"
    assert ids["2/enabled"] == "enrolment.enabled"
    assert {fact.source for fact in read.facts} == {"moodle-logstore"}


ROLES = """userid,courseid,contextid,contextlevel,instanceid,shortname,timemodified
123,5,,,,student,1711886400
123,5,,,,editingteacher,1711886404
124,,77,,,teacher,NULL
125,0,1,,,manager,1711886400
126,,78,50,5,Manager,
127,5,,,,auditor,1711886400
128,6,,,,teacher,1711886400
129,,900,50,6,teacher,1711886400
130,,,40,3,manager,1711886400
131,,,10,0,manager,1711886400
"""


@pytest.mark.parametrize(
    ("user", "second", "role"),
    [
        ("123", 3, "learner"),
        ("123", 4, "instructor"),
        ("124", 1, "instructor"),
        ("125", 1, "manager"),
        ("126", 1, "manager"),
        ("127", 1, "learner"),
        ("128", 1, "learner"),
        ("129", 1, "learner"),
        ("130", 1, "learner"),
        ("131", 1, "manager"),
        ("999", 1, "learner"),
    ],
)
def test_the_role_is_the_strongest_one_at_the_fact(tmp_path: Path, user: str, second: int, role: str) -> None:
    """Of a course, of its context or of the whole site; other courses and unknown roles say nothing here."""
    (tmp_path / "roles.csv").write_text(ROLES, encoding="utf-8")
    row = {**rows()[1], "userid": user, "timecreated": str(1711886400 + second)}
    (tmp_path / "dump.ndjson").write_text(json.dumps(row), encoding="utf-8")
    read = Read(tmp_path / "dump.ndjson", tables={"roles": str(tmp_path / "roles.csv")})
    assert [(fact.learner, fact.role) for fact in read.facts] == [(user, role)]


def test_a_job_stays_a_job_whoever_teaches_there(tmp_path: Path) -> None:
    (tmp_path / "roles.csv").write_text("userid,roleshortname\n123,manager\n", encoding="utf-8")
    read = Read(FOLDER / "jobs-and-the-not-logged-in-name-nobody.csv", tables={"roles": str(tmp_path / "roles.csv")})
    assert {fact.role for fact in read.facts if fact.type != "account.created"} >= {"system"}
    assert {fact.role for fact in read.facts if fact.attributes} == {"system"}


@pytest.mark.parametrize(("header", "missing"), [("user,shortname", "userid"), ("userid,roleid", "shortname")])
def test_a_table_of_roles_without_its_columns_is_refused(tmp_path: Path, header: str, missing: str) -> None:
    (tmp_path / "roles.csv").write_text(f"{header}\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"it has no column {missing}"):
        Read(DEEDS, tables={"roles": str(tmp_path / "roles.csv")})


def test_the_vocabulary_covers_what_moodle_logs() -> None:
    found_types = {meaning.type for meaning in shipped("moodle-logstore").values()}
    assert len(shipped("moodle-logstore")) >= 60
    assert {"login", "account.created", "account.deleted", "enrolment.created", "enrolment.ended"} <= found_types
    assert {"course.viewed", "material.accessed", "lesson.started", "lesson.resumed", "ilt.attended"} <= found_types


def test_a_month_of_a_dump_is_metered_without_staff_jobs_and_impersonation(tmp_path: Path) -> None:
    """Sam (123) and Bo (124) opened pages in March; of Cy (125) only an administrator acting as him did."""
    page = next(row for row in rows() if row["eventname"].startswith("\\mod_page"))
    moments = [
        {**page, "id": "1", "userid": "123"},
        {**page, "id": "2", "userid": "124", "origin": "ws"},
        {**page, "id": "3", "userid": "125", "realuserid": "2"},
        {**page, "id": "4", "userid": "126", "origin": "cli"},
        {**page, "id": "5", "userid": "0"},
    ]
    (tmp_path / "dump.ndjson").write_text("".join(json.dumps(it) + "\n" for it in moments), encoding="utf-8")
    options = ("--plan", "monthly-activity", "--start", "2024-03-01", "--end", "2024-04-01", "--by", "learner")
    ran = meter(tmp_path / "dump.ndjson", *options, "--format", "csv")
    assert ran.code == 0
    assert sorted(row["unit"] for row in ran.rows) == ["123", "124"]


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(["-1", "0", "1", "\\N", "cli", "restore", "NULL", 2**70, -(10**30), "\ud800", "9" * 400]),
)  # fmt: skip
EVENTS = st.sampled_from([*shipped("moodle-logstore"), "\\\\", "\x00", ""])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(EVENTS, st.dictionaries(st.sampled_from([*rows()[0], "Extra"]), VALUES, max_size=4), st.booleans()),
        min_size=1,
        max_size=20,
    )
)
def test_whatever_stands_in_an_object_no_row_is_lost(drawn: list[tuple[str, dict[str, object], bool]]) -> None:
    objects = [json.dumps({**rows()[0]})]
    for number, (event, changed, drop) in enumerate(drawn, 2):
        row: dict[str, object] = {**rows()[0], "id": number, "eventname": event, **changed}
        objects.append(json.dumps({name: row[name] for name in row if not drop or name not in changed}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump.ndjson"
        path.write_text("\n".join(objects), encoding="utf-8")
        read = Read(path)
        assert read.adds_up()
        assert read.rows >= len(objects)
        assert not [message for message in read.messages if "has not the shape of this export" in message]
