"""Rosters: what a record proves, and since when."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.errors import UsageError
from rollbook.intake import ReadOptions
from tests.cli.calls import meter
from tests.intake.producers.fixtures import expected, found
from tests.intake.reading import Read

HERE = Path(__file__).parent
FIXTURES = sorted(
    path
    for folder in ("oneroster_users", "oneroster_enrollments")
    for path in (HERE / folder).iterdir()
    if path.suffix != ".expected"
)
NEW_USERS = HERE / "oneroster_users" / "roles-moved-to-a-file-of-their-own.csv"


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_each_fixture_gives_what_a_person_expects(path: Path) -> None:
    options, facts, problems = expected(path)
    found_facts, found_problems = found(path, **options)
    assert found_facts == facts
    assert len(found_problems) == len(problems)
    for told, short in zip(found_problems, problems, strict=True):
        assert told.startswith(short)


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        ("u1,secondary,student\nu1,primary,teacher", "instructor"),
        ("u1,primary,student\nu1,secondary,teacher", "learner"),
        ("u1,secondary,aide\nu1,secondary,student", "facilitator"),
    ],
)
def test_the_primary_role_decides_and_otherwise_the_first(tmp_path: Path, roles: str, role: str) -> None:
    table = tmp_path / "roles.csv"
    table.write_text(f"userSourcedId,roleType,role\n{roles}\n", encoding="utf-8")
    facts = Read(NEW_USERS, tables={"roles": str(table)}).facts
    assert {fact.learner: (fact.type, fact.role) for fact in facts}["u1"] == ("account.enabled", role)


def test_the_organisation_is_the_primary_one_or_the_first_and_of_an_enrolment_its_school() -> None:
    by_learner = {
        fact.learner: fact.organisation
        for name in ("a-delta-says-when-each-record-was-so.csv", "a-page-of-json-in-both-versions.json")
        for fact in Read(HERE / "oneroster_users" / name).facts
    }
    assert (by_learner["u4"], by_learner["u2"]) == ("s1", "s2")
    page = Read(HERE / "oneroster_enrollments" / "a-page-of-json.json", input_zone="UTC")
    assert [fact.organisation for fact in page.facts] == ["s1"]


def test_a_role_of_their_own_is_what_their_vocabulary_says(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("event,type,role\nenabled:ext:coach,account.enabled,facilitator\n", encoding="utf-8")
    read = Read(HERE / "oneroster_users" / "records-that-cannot-be-read.csv", vocabularies=(str(own),))
    assert [(fact.learner, fact.role) for fact in read.facts] == [("u3", "facilitator")]


def test_a_record_that_has_a_date_keeps_it_whenever_the_export_was_made() -> None:
    delta = HERE / "oneroster_users" / "a-delta-says-when-each-record-was-so.csv"
    stated = Read(delta, snapshot_at="2027-01-01T00:00:00Z")
    assert [fact.at_us for fact in stated.facts] == [fact.at_us for fact in Read(delta).facts]


@pytest.mark.parametrize("text", ["2026-09-10", "2026-09-10T00:00:00", "yesterday", ""])
def test_the_instant_of_an_export_has_an_offset(text: str) -> None:
    with pytest.raises(UsageError, match="is no instant with an offset"):
        ReadOptions(snapshot_at=text)


def test_a_bulk_roster_is_metered_as_it_stood_when_it_was_made() -> None:
    """u1 is on from 10 September; u2, who is off, and the days before the export show nobody."""
    path = HERE / "oneroster_users" / "a-bulk-export-has-no-dates.csv"
    ran = meter(
        path, "--plan", "wisenet-lrm", "--zone", "UTC", "--start", "2026-08-01", "--end", "2026-10-01", "--by", "learner",
        "--snapshot-at", "2026-09-10T00:00:00Z", "--as-of", "2026-10-01T00:00:00Z", "--format", "csv",
    )  # fmt: skip
    assert ran.code == 0
    assert [(row["window"], row["unit"]) for row in ran.rows] == [("2", "u1")]


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.lists(st.none(), max_size=2),
    st.dictionaries(st.sampled_from(["sourcedId", "role"]), st.text(max_size=3), max_size=2),
    st.sampled_from(["tobedeleted", "2026-09-01", "2026-09-01T00:00:00Z", "teacher", "\ud800", [{"role": "student"}]]),
)  # fmt: skip
USER = {"sourcedId": "u", "status": "active", "dateLastModified": "2026-09-01T00:00:00Z", "enabledUser": True,
        "role": "student", "roles": [], "orgs": [], "primaryOrg": {}}  # fmt: skip
ENROLMENT = {"sourcedId": "e", "status": "active", "dateLastModified": "2026-09-01T00:00:00Z", "role": "student",
             "user": {"sourcedId": "u"}, "class": {"sourcedId": "c"}, "school": None, "beginDate": "2026-09-01",
             "endDate": "2026-12-01"}  # fmt: skip


@pytest.mark.parametrize("record", [USER, ENROLMENT], ids=["user", "enrolment"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_record_no_record_is_lost(record: dict[str, object], data: st.DataObject) -> None:
    changes = data.draw(st.lists(st.dictionaries(st.sampled_from(sorted(record)), VALUES, max_size=4), max_size=15))
    lines = [json.dumps(record), *(json.dumps({**record, **changed}) for changed in changes)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.ndjson"
        path.write_text("\n".join(lines), encoding="utf-8")
        read = Read(path, input_zone="UTC")
    assert read.adds_up()
    assert read.rows >= len(lines)
    assert not [message for message in read.messages if "has not the shape of this export" in message]
