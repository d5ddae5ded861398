"""Plain rosters: a row for each enrolment, columns whatever their order, and no word guessed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.errors import UsageError
from rollbook.intake.rosters import RosterOptions
from rollbook.model.roster import object_of

from .rosters import DAY, enrolled, plain, read, told, zipped

HEADER = "organisation,learner,course,unit,start,end,status,active"


def test_a_row_is_an_enrolment_and_tells_of_its_learner(tmp_path: Path) -> None:
    reading = plain(
        tmp_path,
        f"{HEADER}\nnorth,ann,welding,arc,2026-09-01,2026-12-01,Enabled,yes\nnorth,ann,welding,,,,disabled,Yes\n"
        "south,bob,,,,,,no\n",
    )
    assert reading.kind == "CSV"
    assert enrolled(reading) == {
        "welding|arc": ("ann", "welding", "2026-09-01", "2026-12-01", True),
        "welding": ("ann", "welding", "", "", False),
    }
    assert {key: it.active for key, it in reading.snapshot.roster.learners.items()} == {
        ("north", "ann"): True,
        ("south", "bob"): False,
    }
    assert reading.snapshot.complete
    assert reading.fates == {"taken": 3}


def test_a_roster_of_learners_and_courses_alone_leaves_every_status_as_it_is(tmp_path: Path) -> None:
    reading = plain(tmp_path, "learner,course\nann,welding\n", organisation="north")
    assert (reading.snapshot.says_enabled, reading.snapshot.says_active) == (False, False)
    [enrolment] = reading.snapshot.roster.enrolments.values()
    assert (enrolment.organisation, enrolment.enabled) == ("north", False)


def test_an_empty_status_is_disabled_and_nobody_is_inactive_who_is_not_said_to_be(tmp_path: Path) -> None:
    reading = plain(tmp_path, "learner,course,status,active\nann,welding,,\n")
    [enrolment] = reading.snapshot.roster.enrolments.values()
    [learner] = reading.snapshot.roster.learners.values()
    assert (enrolment.enabled, learner.active) == (False, True)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_delimiters_and_unicodes_are_told_by_the_file(tmp_path: Path, delimiter: str, codec: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes("LEARNER,Course ,status\nzoë,welding,on\n".replace(",", delimiter).encode(codec))
    assert enrolled(read(path)) == {"welding": ("zoë", "welding", "", "", True)}


def test_a_column_of_another_name_is_mapped_and_one_that_is_nearly_known_is_told(tmp_path: Path) -> None:
    reading = plain(tmp_path, "Student,Course,Unit,strat\nann,welding,arc,2026-09-01\n", mapping={"learner": "student"})
    assert enrolled(reading)["welding|arc"][0] == "ann"
    assert [it.rule for it in reading.problems.notes] == ["the column strat is ignored (nearest: start)"]


def test_without_a_column_of_learners_nothing_is_read(tmp_path: Path) -> None:
    reading = plain(tmp_path, "lerner,course\nann,welding\n")
    assert told(reading) == ['roster.csv: there is no column learner (nearest: lerner); say --map learner="lerner"']
    assert not reading.snapshot.complete


def test_a_mapping_of_a_column_that_does_not_exist_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match=r'there is no column "lerner" \(nearest: learner\)'):
        RosterOptions(day=DAY, mapping={"lerner": "x"})


BAD = {
    ",,welding,,,,,": "learner is empty; give the learner's id, as the facts write it",
    "north,ann,,arc,,,,": "course is empty; name the course; leave the whole enrolment out where there is none",
    "north,ann,,,,,enabled,": "course is empty; name the course; leave the whole enrolment out where there is none",
    "north,ann,welding,,2026-09-02,2026-09-01,,": (
        "end 2026-09-01 is before start 2026-09-02; correct one of them; end is the first day after"
    ),
    "north,ann,welding,,,,enable,": 'status is "enable" (nearest: enabled); use enabled or disabled',
    "north,ann,welding,,,,,perhaps": 'active is "perhaps"; use yes or no',
    "north,ann,welding,,46266,,,": 'start is "46266", which is no day; write it as 2026-03-01',
    "north,bob,welding,,,,,no": 'the learner "bob" is active at roster.csv:2; say the same of one learner in every row',
    "north,ann\u0007,welding,,,,,": r'learner is "ann\x07", with control characters in it; take them out',
    "north,ann\ud800,welding,,,,,": "the line is not UTF-8; convert the file: it was probably written as Windows-1252 "
    "or Latin-1",
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_is_told_by_its_line_and_its_neighbours_stay(tmp_path: Path, row: str) -> None:
    reading = plain(tmp_path, f"{HEADER}\nnorth,bob,first-aid,,,,on,yes\n{row}\nnorth,cid,first-aid,,,,on,yes\n")
    assert told(reading) == [f"roster.csv:3: {BAD[row]}"]
    assert {key[1] for key in reading.snapshot.roster.enrolments} == {"bob", "cid"}
    assert not reading.snapshot.complete


def test_everything_that_is_wrong_with_a_row_is_told_at_once(tmp_path: Path) -> None:
    reading = plain(tmp_path, f"{HEADER}\nnorth,ann,,arc,1.2.2026,soon,may be,\n")
    assert [it.rule.split()[0] for it in reading.problems] == ["status", "start", "end", "course"]
    assert reading.fates == {"rejected": 1}


def test_rows_of_which_nothing_is_left_hide_nobody(tmp_path: Path) -> None:
    reading = plain(tmp_path, f"{HEADER}\nnorth,ann,welding,,,,on,\n,,,,,,,\n, ,,,,,,\n")
    assert reading.fates == {"taken": 1, "blank": 2}
    assert reading.snapshot.complete


def test_two_units_of_one_course_are_two_enrolments_and_one_twice_is_a_repeat(tmp_path: Path) -> None:
    rows = "north,ann,welding,arc,,,on,\nnorth,ann,welding,gas,,,on,\nnorth,ann,welding,arc,,,on,\n"
    reading = plain(tmp_path, f"{HEADER}\n{rows}")
    assert sorted(enrolled(reading)) == ["welding|arc", "welding|gas"]
    assert reading.fates == {"taken": 2, "repeats": 1}


def test_an_enrolment_that_is_on_in_one_row_and_off_in_another_is_neither(tmp_path: Path) -> None:
    reading = plain(tmp_path, f"{HEADER}\nn,ann,welding,,,,on,\nn,ann,welding,,,,off,\n")
    assert not reading.snapshot.roster.enrolments
    assert [it.place.rpartition(":")[2] for it in reading.problems] == ["2", "3"]
    assert reading.fates == {"rejected": 2}


def test_an_empty_roster_removes_nobody_unless_somebody_says_that_nobody_is_left(tmp_path: Path) -> None:
    failed = plain(tmp_path, f"{HEADER}\n", organisation="north")
    assert not failed.snapshot.complete
    assert failed.why_partial.startswith("nobody is in it, as where an export failed")
    closed = plain(tmp_path, f"{HEADER}\n", organisation="north", complete=True)
    assert (closed.snapshot.complete, closed.snapshot.organisations) == (True, {"north"})


def test_an_id_of_the_enrolment_is_what_its_facts_name(tmp_path: Path) -> None:
    reading = plain(tmp_path, "id,learner,course\nE-1,ann,welding\nE-2,ann,welding\n")
    assert sorted(enrolled(reading)) == ["E-1", "E-2"]


def test_an_id_a_spreadsheet_would_compute_is_an_id(tmp_path: Path) -> None:
    reading = plain(tmp_path, 'learner,course\n"=cmd|calc!A0",+1\n')
    assert enrolled(reading) == {"+1": ("=cmd|calc!A0", "+1", "", "", False)}


def test_one_csv_file_in_an_archive_is_a_plain_roster_and_several_are_none(tmp_path: Path) -> None:
    one = zipped(tmp_path / "one.zip", {"a/r.csv": "learner,course\nann,welding\n", "__MACOSX/a/._r.csv": b"\0\5"})
    assert enrolled(read(one)) == {"welding": ("ann", "welding", "", "", False)}
    two = read(zipped(tmp_path / "two.zip", {"a.csv": "learner\nann\n", "b.csv": "learner\nbob\n"}))
    assert not two.snapshot.roster.learners
    assert "holds 2 files, and none with the name of a file of OneRoster" in told(two)[0]


CELLS = st.sampled_from(
    ["", "ann", "bob", "zoë", "on", "off", "no", "2026-09-01", "2026-10-01", "01/02/2026", "\\", "|"]
)


@given(st.lists(st.lists(CELLS, min_size=8, max_size=8), max_size=12))
def test_rows_in_are_rows_out_and_their_order_moves_no_enrolment(rows: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        texts = [",".join(row) for row in rows]
        there, back = (plain(Path(folder), "\n".join([HEADER, *it]) + "\n") for it in (texts, texts[::-1]))
    assert there.rows == back.rows == len(rows)
    if there.fates.get("rejected", 0) == back.fates.get("rejected", 0) == 0:
        assert there.snapshot == back.snapshot
    for reading in (there, back):
        for it in reading.snapshot.roster.enrolments.values():
            assert it.object == object_of(it.course, it.unit)
