"""Reports that a mapping file describes: those that are shipped, and an administrator's own."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.errors import UsageError
from rollbook.intake.report_mapping import ReportMapping, parse_mapping, read_mapping, shipped_mappings
from tests.cli.calls import meter
from tests.intake.producers.fixtures import expected, found
from tests.intake.reading import Read

HERE = Path(__file__).parent
NAMES = ("absorb_enrollments", "absorb_logins", "docebo_courses", "docebo_users", "talentlms_timeline")
FIXTURES = sorted(path for name in NAMES for path in (HERE / name).iterdir() if path.suffix != ".expected")
COURSES = HERE / "docebo_courses" / "one-row-is-a-fact-for-each-date.csv"

OWN = """
name = "staff-report"
title = "staff report"
recognised_by = ["Login name", "First opened"]
learner = ["Staff number", "Login name"]
organisation = ["Site"]
object = ["Course"]
source = "our-lms"
formats = ["%d %b %Y %H:%M", "unix"]
empty = ["never"]

[[facts]]
time = "First opened"
type = "course.started"
mode = "on-demand"
"""


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_each_fixture_gives_what_a_person_expects(path: Path) -> None:
    options, facts, problems = expected(path)
    found_facts, found_problems = found(path, **options)
    assert found_facts == facts
    assert len(found_problems) == len(problems)
    for told, short in zip(found_problems, problems, strict=True):
        assert told.startswith(short)


def test_every_shipped_mapping_has_fixtures() -> None:
    assert sorted(mapping.name.replace("-", "_") for mapping in shipped_mappings()) == sorted(NAMES)


def own(folder: Path, text: str = OWN) -> str:
    """The path of a mapping file."""
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return str(folder / "own.toml")


def test_a_mapping_of_their_own_reads_their_report(tmp_path: Path) -> None:
    """The first column that holds something decides; 1772530200 is 2026-03-03T09:30:00Z."""
    report = tmp_path / "report.csv"
    report.write_text(
        "LOGIN NAME;Staff number;Course; first opened;Site\n"
        "ann;7;Safety;01 Mar 2026 09:30;north\n"
        "bo;;Safety;2026-03-02T09:30:00Z;\n"
        "cy;9;Safety;1772530200;north\n"
        "di;10;Safety;never;north\n",
        encoding="utf-8",
    )
    read = Read(report, input=own(tmp_path), input_zone="UTC")
    assert [(fact.learner, fact.organisation, fact.type, fact.mode, fact.object) for fact in read.facts] == [
        ("7", "north", "course.started", "on-demand", "Safety"),
        ("bo", "", "course.started", "on-demand", "Safety"),
        ("9", "north", "course.started", "on-demand", "Safety"),
    ]
    assert [fact.occurred_at.day for fact in read.facts] == [1, 2, 3]
    assert {fact.occurred_at.strftime("%H:%M") for fact in read.facts} == {"09:30"}
    assert (read.rejected, read.adds_up()) == (1, True)


def test_a_mapping_of_their_own_unwraps_a_page_of_json(tmp_path: Path) -> None:
    mapping = own(tmp_path, 'kind = "json"\nenvelopes = ["our_rows"]\n' + OWN)
    page = tmp_path / "page.json"
    row = {"Login name": "ann", "First opened": 1772530200, "Course": "Safety"}
    page.write_text(json.dumps({"our_rows": [row, row]}, indent=1), encoding="utf-8")
    read = Read(page, input=mapping)
    assert [fact.learner for fact in read.facts] == ["ann", "ann"]


def test_their_vocabulary_is_asked_before_the_mapping(tmp_path: Path) -> None:
    words = tmp_path / "words.csv"
    words.write_text("event,type\nCourse First Access Date,material.accessed\n", encoding="utf-8")
    read = Read(COURSES, input_zone="UTC", vocabularies=(str(words),))
    types = {fact.type for fact in read.facts}
    assert "material.accessed" in types
    assert "course.started" not in types


def test_an_id_of_the_report_is_the_id_of_the_fact() -> None:
    read = Read(HERE / "absorb_logins" / "a-failed-attempt-is-no-login.csv", input_zone="UTC")
    assert [(fact.source, fact.id) for fact in read.facts] == [("absorb", "10"), ("absorb", "11")]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ((OWN, "name = "), "this is not TOML"),
        (('title = "staff report"', ""), "title is missing"),
        (('source = "our-lms"', "source = 5"), "source is no text"),
        (('["Site"]', '"Site"'), "organisation is no list of texts"),
        (("organisation", "organization"), 'there is no key "organization"'),
        (('"course.started"', '"fact.voided"'), "corrects other facts"),
        (('type = "course.started"', ""), "either type or event is needed"),
        (('time = "First opened"', ""), "facts 1: time is missing"),
        (("on-demand", "on demand"), "mode is 'on demand'"),
        (('mode = "on-demand"', 'otherwise = "login.failed"'), "only_if and otherwise belong together"),
        (('mode = "on-demand"', 'only_if = "Yes"\notherwise = "x"'), "only_if has not its shape"),
        (('empty = ["never"]', 'kind = "xml"'), "kind is 'xml'"),
        (('empty = ["never"]', "roles = 5"), "roles has not its shape"),
        (('empty = ["never"]', 'roles = { column = "Role", values = { A = "pupil" } }'), "role is 'pupil'"),
        (('empty = ["never"]', "events = { a = 5 }"), "events: a: has no type"),
        (("[[facts]]", "[facts]"), "facts is no list of tables"),
        (('"%d %b %Y %H:%M"', '"%d %b %Y %d"'), 'formats: "%d %b %Y %d" does not give a year, a month and a day'),
        (('"%d %b %Y %H:%M"', '"%d %b %H:%M"'), 'formats: "%d %b %H:%M" does not give a year'),
        (('"%d %b %Y %H:%M"', '"%Q"'), 'formats: "%Q" does not give a year'),
        (('"%d %b %Y %H:%M"', '"%"'), 'formats: "%" does not give a year'),
        (('"%d %b %Y %H:%M"', f'"%d %b %Y{" " * 90}"'), "does not give a year"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(change: tuple[str, str], rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mapping(OWN.replace(*change), "own.toml")
    assert rule in str(caught.value)


STAFF = """
name = "staff-report"
title = "staff report"
recognised_by = ["Login", "Opened"]
learner = ["Login"]
source = "our-lms"

[roles]
column = "Profile"
values = { Employee = "learner", Trainer = "instructor" }

[[facts]]
time = "Opened"
type = "course.started"
"""
GUARDED = 'only_if = { column = "Success", in = ["Yes"] }\notherwise = "course.failed"\n'


def of_rows(folder: Path, mapping: str, text: str, ending: str = "csv") -> Read:
    """What becomes of a report under a mapping."""
    report = folder / f"report.{ending}"
    report.write_text(text, encoding="utf-8")
    return Read(report, input=own(folder, mapping), input_zone="Europe/Paris")


def test_a_report_without_the_column_that_says_who_is_staff_is_refused(tmp_path: Path) -> None:
    read = of_rows(tmp_path, STAFF, "Login,Opened\nann,2026-03-01T09:30:00Z\n")
    assert (read.rows, read.counted) == (0, 0)
    [told] = read.files
    assert 'has no column "Profile", by which the mapping staff-report decides what a row is; export it with' in told


def test_a_report_without_the_column_that_says_whether_it_happened_is_refused(tmp_path: Path) -> None:
    read = of_rows(tmp_path, STAFF + GUARDED, "Login,Opened,PROFILE\nann,2026-03-01T09:30:00Z,Employee\n")
    assert read.counted == 0
    assert 'has no column "Success"' in read.files[0]


def test_an_object_without_what_says_who_is_staff_is_refused_alone(tmp_path: Path) -> None:
    """An empty profile is a learner's, as in a table; a profile that is not there says nothing."""
    rows = [
        {"Login": "ann", "Opened": "2026-03-01T09:30:00Z", "profile": "Trainer"},
        {"Login": "bo", "Opened": "2026-03-01T09:30:00Z"},
        {"Login": "cy", "Opened": "2026-03-01T09:30:00Z", "Profile": None},
        {"Login": "di", "Opened": "2026-03-01T09:30:00Z", "Profile": ["Trainer"]},
    ]
    for ending, text in (("json", json.dumps(rows)), ("ndjson", "\n".join(map(json.dumps, rows)))):
        read = of_rows(tmp_path, 'kind = "json"\n' + STAFF, text, ending)
        assert {fact.learner: fact.role for fact in read.facts} == {"ann": "instructor", "cy": "learner"}
        assert [message.partition(": ")[2].partition(";")[0] for message in read.messages] == [
            "Profile is missing, by which the mapping decides what the row is",
            "Profile is \"['Trainer']\", which the mapping does not know",
        ]


@pytest.mark.parametrize(
    ("format_", "written"),
    [
        ("%d %b %Y %H:%M %Z", "01 Mar 2026 09:30 UTC"),
        ("%d %b %Y %H:%M %Z", "01 Mar 2026 09:30 GMT"),
        ("%d %b %Y %H:%M UTC", "01 Mar 2026 09:30 UTC"),
        ("%Y%m%dT%H%M%SZ", "20260301T093000Z"),
        ("%d %b %Y %H:%M %z", "01 Mar 2026 10:30 +0100"),
        ("%d %b %Y %H:%M GMT%z", "01 Mar 2026 10:30 GMT+0100"),
    ],
)
def test_a_time_that_says_its_zone_is_read_in_it(tmp_path: Path, format_: str, written: str) -> None:
    """Whatever the zone that is stated for times without one, here Paris."""
    mapping = STAFF.replace("[roles]", f'formats = ["{format_}"]\n[roles]')
    read = of_rows(tmp_path, mapping, f"Login,Opened,Profile\nann,{written},Employee\n")
    assert [fact.occurred_at.isoformat() for fact in read.facts] == ["2026-03-01T09:30:00+00:00"]


def test_the_abbreviation_of_another_zone_is_no_offset(tmp_path: Path) -> None:
    mapping = STAFF.replace("[roles]", 'formats = ["%d %b %Y %H:%M %Z"]\n[roles]')
    read = of_rows(tmp_path, mapping, "Login,Opened,Profile\nann,01 Mar 2026 09:30 EST,Employee\n")
    assert read.counted == 0
    assert "the abbreviation of a zone is no offset" in read.messages[0]


def test_two_facts_of_one_time_keep_each_its_type(tmp_path: Path) -> None:
    """With an id in the report each has one of its own, and a vocabulary may change one of them."""
    again = '\n[[facts]]\ntime = "opened"\ntype = "login"\n'
    mapping = STAFF.replace('source = "our-lms"', 'source = "our-lms"\nid = ["No"]') + again
    text = "No,Login,Opened,Profile\n5,ann,2026-03-01T09:30:00Z,Employee\n"
    read = of_rows(tmp_path, mapping, text)
    assert sorted((fact.id, fact.type) for fact in read.facts) == [
        ("5/Opened/course.started", "course.started"),
        ("5/opened/login", "login"),
    ]
    words = tmp_path / "words.csv"
    words.write_text("event,type\nOpened/course.started,material.accessed\n", encoding="utf-8")
    read = Read(tmp_path / "report.csv", input=own(tmp_path, mapping), vocabularies=(str(words),))
    assert sorted(fact.type for fact in read.facts) == ["login", "material.accessed"]


def test_a_number_names_the_same_learner_on_lines_and_in_lists(tmp_path: Path) -> None:
    mapping = 'kind = "json"\nenvelopes = ["rows"]\n' + STAFF.partition("[roles]")[0] + STAFF.partition("}\n")[2]
    texts = [f'{{"login": {number}, "OPENED": "2026-03-01T09:30:00Z"}}' for number in ("17", "17.0", "18.5", "1e2")]
    for whole in ("\n".join(texts), f"[{', '.join(texts)}]", f'{{"rows": [{",".join(texts)}]}}'):
        read = of_rows(tmp_path, mapping, whole, "json")
        assert sorted(fact.learner for fact in read.facts) == ["100", "17", "17", "18.5"]


def test_a_mapping_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the mapping cannot be read"):
        Read(COURSES, input=str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match=r"a mapping file that ends in \.toml"):
        Read(COURSES, input="docebo-course")


def test_a_report_of_logins_is_metered_without_failed_attempts() -> None:
    path = HERE / "absorb_logins" / "a-failed-attempt-is-no-login.csv"
    options = ("--plan", "monthly-login", "--start", "2026-03-01", "--end", "2026-04-01", "--by", "learner")
    ran = meter(path, *options, "--input-zone", "UTC", "--format", "csv")
    assert ran.code == 0
    assert [row["unit"] for row in ran.rows] == ["ann"]


SCALARS = st.one_of(st.text(max_size=12), st.sampled_from(["-", "2026-03-01 08:00:00", "Student", "Yes", "1e400"]))
VALUES = st.one_of(
    SCALARS, st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.none(), max_size=1),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)  # fmt: skip


def columns(mapping: ReportMapping) -> list[str]:
    """Every column that a mapping names."""
    times = [name for fact in mapping.facts for name in (fact.time, fact.event, fact.column)]
    named = [*mapping.recognised_by, *mapping.learner, *mapping.object, *mapping.id, mapping.role_column, *times]
    return sorted({name for name in named if name})


@pytest.mark.parametrize("mapping", shipped_mappings(), ids=lambda mapping: mapping.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_report_no_row_is_lost(mapping: ReportMapping, data: st.DataObject) -> None:
    names = columns(mapping)
    values = VALUES if mapping.kind == "json" else SCALARS
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, values)), min_size=1, max_size=10))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report"
        if mapping.kind == "json":
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        else:
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, names)
            writer.writeheader()
            writer.writerows(rows)
            path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
        read = Read(path, input_zone="UTC", date_order="dmy", input=mapping.name)
    assert read.adds_up()
    assert mapping.kind == "csv" or read.rows >= len(rows)
    assert not [message for message in read.messages if "has not the shape of this export" in message]


def test_a_mapping_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("\ufeff" + OWN, encoding="utf-8")
    assert read_mapping(tmp_path / "own.toml").name == "staff-report"
