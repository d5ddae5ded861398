"""Rosters of OneRoster: who is there, who is enrolled, and who is missing, which is nobody where that is not certain."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from rollbook.errors import UsageError
from rollbook.samples.rosters import __main__ as samples

from .rosters import SCHOOL, enrolled, read, school, told, zipped

ENROLLMENTS = SCHOOL["enrollments.csv"]
HEADER = ENROLLMENTS.splitlines()[0]
DELTA = SCHOOL["manifest.csv"].replace("users,bulk", "users,delta").replace("enrollments,bulk", "enrollments,delta")


def test_a_whole_roster_says_who_is_there_and_which_enrolments_are_on(tmp_path: Path) -> None:
    reading = read(school(tmp_path))
    assert reading.kind == "OneRoster 1.1"
    assert enrolled(reading) == {
        # By the two terms of the class, which go on from autumn until the end of spring.
        "e1": ("ann", "m7", "2026-09-01", "2027-04-01", True),
        # It begins tomorrow.
        "e2": ("ann", "m8", "2026-10-02", "2026-11-01", False),
        # Its end no longer belongs to it, and is today.
        "e3": ("bob", "m7", "2026-09-01", "2026-10-01", False),
    }
    assert {key: it.active for key, it in reading.snapshot.roster.learners.items()} == {
        ("s1", "ann"): True,
        ("s1", "bob"): False,
    }
    assert reading.snapshot.organisations == {"s1", "s2"}
    assert reading.snapshot.complete
    assert (reading.snapshot.says_enabled, reading.snapshot.says_active) == (True, True)


def test_every_row_of_every_file_is_accounted_for(tmp_path: Path) -> None:
    # The manifest has 9 rows, and there are 2 organisations, 2 terms, 1 course and 2 classes; Tom is a user and enrolled.
    reading = read(school(tmp_path))
    assert reading.fates == {"taken": 5, "informs": 16, "not learners": 2}
    assert reading.rows == 23


@pytest.mark.parametrize("name", ["{}", "export/{}", "../../{}", "/etc/{}", "C:\\\\rosters\\\\{}", "EXPORT/{}"])
def test_a_zip_is_read_as_its_folder_is_whatever_paths_its_names_claim(tmp_path: Path, name: str) -> None:
    folder = read(school(tmp_path / "folder"))
    archive = zipped(tmp_path / "roster.zip", {name.format(it): text for it, text in SCHOOL.items()})
    reading = read(archive)
    assert reading.snapshot == folder.snapshot
    assert sorted(it.name for it in tmp_path.iterdir()) == ["folder", "roster.zip"]


def test_names_of_columns_and_files_are_told_whatever_their_case(tmp_path: Path) -> None:
    files = {
        name.upper(): text.split("\n", 1)[0].upper() + "\n" + text.split("\n", 1)[1] for name, text in SCHOOL.items()
    }
    reading = read(zipped(tmp_path / "r.zip", files))
    assert enrolled(reading) == enrolled(read(school(tmp_path / "folder")))


def test_days_that_neither_enrolment_nor_class_has_are_those_of_the_school_year(tmp_path: Path) -> None:
    reading = read(school(tmp_path, enrollments=f"{HEADER}\ne1,,,m8,s1,ann,student,,,\n"))
    assert enrolled(reading)["e1"] == ("ann", "m8", "2026-09-01", "2026-12-21", True)


@pytest.mark.parametrize(
    ("file", "row", "off_row"),
    [
        ("classes", "m7,,,", "m7,tobedeleted,2026-09-30T00:00:00Z,"),
        ("courses", "maths,,,", "maths,tobedeleted,2026-09-30T00:00:00Z,"),
        ("users", "ann,,,", "ann,tobedeleted,2026-09-30T00:00:00Z,"),
        ("users", "ann,,,", "ann,inactive,2026-09-30T00:00:00Z,"),
        ("enrollments", "e1,,,", "e1,ToBeDeleted,2026-09-30T00:00:00Z,"),
    ],
)
def test_what_is_to_be_deleted_is_off_with_all_that_hangs_on_it(
    tmp_path: Path, file: str, row: str, off_row: str
) -> None:
    reading = read(school(tmp_path, **{file: SCHOOL[f"{file}.csv"].replace(row, off_row)}))
    assert not enrolled(reading)["e1"][4]
    assert reading.snapshot.roster.learners["s1", "ann"].active == (file != "users")


def test_since_1_2_a_role_stands_in_its_own_file_and_the_primary_one_decides(tmp_path: Path) -> None:
    users = "sourcedId,status,dateLastModified,enabledUser,username\nann,,,true,ann\ntom,,,true,tom\neve,,,true,eve\n"
    roles = (
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId\n"
        "r1,,,ann,secondary,aide,,,s2\nr2,,,ann,primary,student,,,s1\nr3,,,tom,primary,teacher,,,s1\n"
    )
    manifest = SCHOOL["manifest.csv"].replace("version,1.1", "version,1.2") + "file.roles,bulk\n"
    reading = read(school(tmp_path, manifest=manifest, users=users, roles=roles, enrollments=f"{HEADER}\n"))
    assert reading.kind == "OneRoster 1.2"
    assert list(reading.snapshot.roster.learners) == [("s1", "ann")]
    assert told(reading) == ["users.csv:4: nothing says the role; add roles.csv: since OneRoster 1.2 roles stand there"]


def test_a_delta_removes_nobody_and_says_so(tmp_path: Path) -> None:
    text = f"{HEADER}\ne9,active,2026-09-30T10:00:00Z,m9,s1,eve,student,,,\n"
    reading = read(
        school(
            tmp_path,
            "users",
            "classes",
            "courses",
            "orgs",
            "academicSessions",
            manifest=("propertyName,value\noneroster.version,1.1\nfile.users,absent\nfile.enrollments,delta\n"),
            enrollments=text,
        )
    )
    assert not reading.snapshot.complete
    assert reading.why_partial == "it says itself that it holds changes only (delta)"
    # Nobody who is not in the file of users is missing from it, because there is none.
    assert enrolled(reading) == {"e9": ("eve", "m9", "", "", True)}
    assert not reading.snapshot.says_active


def test_a_delta_cannot_be_said_to_be_complete(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a delta: it holds changes only; leave it out"):
        read(school(tmp_path, manifest=DELTA), complete=True)


def test_an_enrolment_of_a_delta_keeps_its_days_where_its_class_is_not_sent_again(tmp_path: Path) -> None:
    view = read(school(tmp_path / "whole")).snapshot.roster
    text = f"{HEADER}\ne1,active,2026-09-30T10:00:00Z,m7,s1,ann,student,,,\n"
    delta = read(school(tmp_path / "delta", "classes", "courses", "academicSessions", enrollments=text, manifest=DELTA))
    [kept] = delta.over(view).roster.enrolments.values()
    assert (str(kept.start), str(kept.end)) == ("2026-09-01", "2027-04-01")
    assert "1 enrolments keep what days they had" in str(delta.problems.notes[0])


@pytest.mark.parametrize(
    ("without", "changed", "why"),
    [
        (("manifest",), {}, "no manifest.csv says that it is whole; say --complete if it is"),
        (("users",), {}, "not all of it could be read"),
        ((), {"manifest": SCHOOL["manifest.csv"].replace("file.users,bulk", "file.users,absent")}, "not all of it"),
        ((), {"manifest": DELTA}, "it says itself that it holds changes only (delta)"),
        ((), {"enrollments": ENROLLMENTS + "e5,,,m7,s1,ann,student,,31/31/2026,\n"}, "not all of it could be read"),
        ((), {"enrollments": ENROLLMENTS + '"e5'}, "not all of it could be read"),
    ],
)
def test_nobody_is_missing_from_a_roster_that_may_not_be_whole(
    tmp_path: Path, without: tuple[str, ...], changed: dict[str, str], why: str
) -> None:
    reading = read(school(tmp_path, *without, **changed))
    assert not reading.snapshot.complete
    assert reading.why_partial.startswith(why)


def test_a_set_without_a_manifest_is_whole_where_somebody_says_so(tmp_path: Path) -> None:
    assert read(school(tmp_path, "manifest"), complete=True).snapshot.complete
    assert not read(school(tmp_path), complete=False).snapshot.complete


def test_what_was_not_read_makes_it_partial_whatever_is_said(tmp_path: Path) -> None:
    broken = school(tmp_path, enrollments=ENROLLMENTS + "e5,,,,s1,ann,student,,,\n")
    assert not read(broken, complete=True).snapshot.complete


BAD = {
    "e5,,,m7,s1,,student,,,": "userSourcedId is empty; export it",
    "e5,,,,s1,ann,student,,,": "classSourcedId is empty; export it",
    ",,,m7,s1,ann,student,,,": "sourcedId is empty; export it",
    "e5,,,m7,s1,ann,,,,": "nothing says the role; export it",
    "e5,,,m7,s1,ann,pupil,,,": 'the role "pupil" is none of OneRoster; use student, teacher, aide, parent or another',
    "e5,gone,,m7,s1,ann,student,,,": 'status is "gone"; use active or tobedeleted, and nothing in bulk files',
    "e5,,,m7,s1,zoe,student,,,": 'no row of users.csv has the user "zoe"; add the user, or take this row out',
    "e5,,,m7,s1,ann,student,,2026-09-02,2026-09-01": (
        "endDate 2026-09-01 is before beginDate 2026-09-02; correct one of them"
    ),
    "e5,,,m7,s1,ann,student,,2027-05-01,": (
        "endDate 2027-04-01 is before beginDate 2027-05-01 of its term; correct one of them"
    ),
    "e5,,,m7,s1,ann,student,,03/04/2026,": (
        'beginDate is "03/04/2026", which could be two days; state the order of the day and the month: '
        "--date-order dmy or --date-order mdy"
    ),
    "e5,,,m7,s1,ann,student,,2026-09-01T08:00:00Z,": (
        'beginDate is "2026-09-01T08:00:00Z", and whole days are needed; write it as 2026-03-01'
    ),
    "e5,,,m7,s1,ann,student,,2026-02-30,": (
        'beginDate is "2026-02-30", which is no date of the calendar or no time of a day; write it as 2026-03-01'
    ),
    "e5,,,m7,s1,ann,student,,,9999-12-31": (
        'endDate is "9999-12-31", outside the years 1970 to 2199; correct the year; leave it empty where there is no '
        "such day"
    ),
    "e5,,,m7,s1,a\0nn,student,,,": r'userSourcedId is "a\x00nn", with control characters in it; take them out',
    "e5,,,m7,s1,ann,student": (
        "7 fields, where the header has 10; quote fields that contain the delimiter or a line break, and keep empty ones"
    ),
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_is_told_by_its_line_and_its_neighbours_stay(tmp_path: Path, row: str) -> None:
    lines = ENROLLMENTS.splitlines()
    reading = read(school(tmp_path, enrollments="\n".join((*lines[:2], row, *lines[2:])) + "\n"))
    assert told(reading) == [f"enrollments.csv:3: {BAD[row]}"]
    assert sorted(enrolled(reading)) == ["e1", "e2", "e3"]
    assert reading.fates["rejected"] == 1


def test_ambiguous_days_are_read_in_the_order_that_is_stated(tmp_path: Path) -> None:
    folder = school(tmp_path, enrollments=f"{HEADER}\ne1,,,m7,s1,ann,student,,03/10/2026,04/11/2026\n")
    assert enrolled(read(folder, date_order="dmy"))["e1"][2:4] == ("2026-10-03", "2026-11-04")
    assert enrolled(read(folder, date_order="mdy"))["e1"][2:4] == ("2026-03-10", "2026-04-11")


@pytest.mark.parametrize("day", ["2026-09-05T00:00:00.000Z", "2026-09-05 00:00", "2026/9/5", "5.9.2026"])
def test_midnight_behind_a_day_and_other_ways_of_writing_it_are_read(tmp_path: Path, day: str) -> None:
    folder = school(tmp_path, enrollments=f"{HEADER}\ne1,,,m7,s1,ann,student,,{day},\n")
    assert enrolled(read(folder, date_order="dmy"))["e1"][2] == "2026-09-05"


def test_the_same_enrolment_twice_is_a_repeat_and_two_that_differ_are_none(tmp_path: Path) -> None:
    again, other = ENROLLMENTS.splitlines()[1], "e2,,,m7,s1,ann,student,,,"
    reading = read(school(tmp_path, enrollments=f"{ENROLLMENTS}{again}\n{other}\n{other}\n"))
    assert sorted(enrolled(reading)) == ["e1", "e3"]
    assert (reading.fates["repeats"], reading.fates["rejected"]) == (1, 3)
    assert [it.split(":")[1] for it in told(reading)] == ["3", "7", "8"]
    assert 'says something else of the enrolment "e2"; keep the row that is right' in told(reading)[0]


def test_somebody_who_is_enrolled_elsewhere_is_enrolled_there(tmp_path: Path) -> None:
    reading = read(school(tmp_path, enrollments=f"{HEADER}\ne1,,,m7,s2,ann,student,,,\ne2,,,m7,,ann,student,,,\n"))
    assert sorted(reading.snapshot.roster.enrolments) == [("s1", "ann", "e2"), ("s2", "ann", "e1")]


def test_statuses_can_be_left_to_people_and_rules(tmp_path: Path) -> None:
    assert not read(school(tmp_path), keeps_status=True).snapshot.says_enabled


def test_a_lone_file_of_enrolments_is_told_by_its_columns_and_holds_nobody_missing(tmp_path: Path) -> None:
    path = tmp_path / "export-2026.csv"
    path.write_text(ENROLLMENTS, encoding="utf-8")
    reading = read(path)
    assert sorted(enrolled(reading)) == ["e1", "e2", "e3"]
    assert not reading.snapshot.complete
    # Nothing says who is active, so it stays as it is; learners are known by their enrolments.
    assert not reading.snapshot.says_active
    assert sorted(reading.snapshot.roster.learners) == [("s1", "ann"), ("s1", "bob")]


def test_a_lone_file_of_users_tells_who_is_active(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(SCHOOL["users.csv"], encoding="utf-8")
    reading = read(path)
    assert {key[1]: it.active for key, it in reading.snapshot.roster.learners.items()} == {"ann": True, "bob": False}
    assert not reading.snapshot.complete


def test_a_manifest_that_names_other_files_than_are_there_is_told(tmp_path: Path) -> None:
    manifest = (
        SCHOOL["manifest.csv"].replace("file.orgs,bulk", "file.orgs,absent") + "file.roles,bulk\nfile.results,no\n"
    )
    reading = read(school(tmp_path, manifest=manifest))
    assert told(reading) == [
        "manifest.csv: it says that orgs.csv is absent; say bulk or delta: it was not read",
        "manifest.csv: it says that there is a file roles.csv; add it, or say absent",
        'manifest.csv:12: file.results is "no"; use bulk, delta or absent',
    ]


def test_files_that_say_nothing_of_who_is_there_are_named(tmp_path: Path) -> None:
    folder = school(tmp_path)
    (folder / "demographics.csv").write_text("sourcedId\nann\n", encoding="utf-8")
    reading = read(folder)
    assert reading.snapshot.complete
    assert "were not read: demographics.csv" in str(reading.problems.notes[0])


def test_a_roster_comes_over_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(ENROLLMENTS.encode())

    monkeypatch.setattr("sys.stdin", Input)
    assert sorted(enrolled(read(Path("-")))) == ["e1", "e2", "e3"]
    assert tmp_path


def test_the_samples_are_what_their_generator_writes() -> None:
    for name, text in samples.files():
        assert (samples.HERE / name).read_text(encoding="utf-8") == text


def test_the_college_of_the_samples_is_whole_in_both_months() -> None:
    august, october = (read(samples.HERE / month) for month in ("august", "october"))
    assert august.snapshot.complete
    assert october.snapshot.complete
    assert not august.problems.total
    # 64 learners, of whom five leave, and four are new.
    assert (len(august.snapshot.roster.learners), len(october.snapshot.roster.learners)) == (64, 63)
