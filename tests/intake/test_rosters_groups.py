"""What a roster says of groups: a column of a plain one, and what lies below the organisation in OneRoster."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.intake.rosters import RosterReading
from rollbook.model.groups import Group
from rollbook.roster.snapshots import diff
from rollbook.roster.view import roster_of

from .rosters import SCHOOL, read, school, told

ORGS = """sourcedId,status,dateLastModified,name,type,parentSourcedId
d1,,,Shire,district,
s1,,,North,school,d1
s2,,,South,school,d1
sci,,,Science,department,s1
lab,,,Lab A/B,department,sci
art,,,Art,department,s2
"""
USERS = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username\n"


def plain(folder: Path, text: str) -> RosterReading:
    path = folder / "roster.csv"
    path.write_text(text, encoding="utf-8")
    return read(path)


def groups(reading: RosterReading) -> dict[str, tuple[Group, ...]]:
    return {key[1]: it.groups for key, it in reading.snapshot.roster.learners.items()}


def test_the_groups_of_a_learner_are_those_of_all_their_rows(tmp_path: Path) -> None:
    reading = plain(
        tmp_path,
        "learner,course,groups\nann,welding,Sales / North\nann,first-aid,Onboarding; Sales\nbob,,\nbob,,Ops\nbob,,Ops\n",
    )
    assert reading.snapshot.says_groups
    # Whoever is in Sales / North is in Sales.
    assert groups(reading) == {"ann": (("Onboarding",), ("Sales", "North")), "bob": (("Ops",),)}
    assert reading.fates == {"taken": 4, "repeats": 1}


def test_a_roster_without_the_column_says_nothing_of_groups(tmp_path: Path) -> None:
    first = plain(tmp_path, "learner,groups\nann,Sales\n").snapshot
    facts = diff(roster_of([], 1), first, 1)
    second = plain(tmp_path, "learner\nann\n").snapshot
    assert not second.says_groups
    assert diff(roster_of(facts, 2), second, 2) == ()
    third = plain(tmp_path, "learner,groups\nann,\n").snapshot
    [moved] = diff(roster_of(facts, 2), third, 2)
    assert moved.type == "account.changed"
    assert roster_of([*facts, moved], 3).learners["", "ann"].groups == ()


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("Sales //", "a group has an empty name"),
        (" / ".join("abcdefghi"), "a group has 9 levels, and at most 8 are kept"),
        (";".join(map(str, range(51))), "the learner is in 51 groups, and at most 50 are kept"),
    ],
)
def test_a_row_whose_groups_cannot_be_kept_is_rejected_with_its_place(tmp_path: Path, cell: str, problem: str) -> None:
    reading = plain(tmp_path, f"learner,groups\nann,Sales\nbob,{cell}\n")
    assert groups(reading) == {"ann": (("Sales",),)}
    assert any(it.startswith(f"roster.csv:3: {problem}; ") for it in told(reading)), told(reading)
    # Nobody is missing from a roster of which a row could not be read.
    assert not reading.snapshot.complete


def test_rows_that_together_name_too_many_groups_are_rejected_from_the_first_too_many_on(tmp_path: Path) -> None:
    rows = "".join(f"ann,{n}\n" for n in range(51))
    reading = plain(tmp_path, f"learner,groups\n{rows}")
    assert len(groups(reading)["ann"]) == 50
    assert reading.fates == {"taken": 50, "rejected": 1}


def test_what_lies_below_the_organisation_of_a_learner_is_a_group(tmp_path: Path) -> None:
    """Art is of the other school, and the district is above: neither is a group of North."""
    users = f'{USERS}ann,,,true,"s1,lab",student,ann\nbob,,,true,"s1,s2,art,d1",student,bob\ncy,,,true,"s2,art",student,cy\n'
    reading = read(school(tmp_path, orgs=ORGS, users=users))
    assert reading.snapshot.says_groups
    assert groups(reading) == {"ann": (("Science", "Lab A/B"),), "bob": (), "cy": (("Art",),)}
    assert {key[0] for key in reading.snapshot.roster.learners} == {"s1", "s2"}


def test_organisations_without_departments_say_nothing_of_groups(tmp_path: Path) -> None:
    assert not read(school(tmp_path)).snapshot.says_groups


def test_a_department_that_is_to_be_deleted_is_no_group_any_more(tmp_path: Path) -> None:
    orgs = ORGS.replace("sci,,,", "sci,tobedeleted,2026-09-30T00:00:00Z,")
    users = f'{USERS}ann,,,true,"s1,sci",student,ann\n'
    reading = read(school(tmp_path, orgs=orgs, users=users))
    assert reading.snapshot.says_groups
    assert groups(reading) == {"ann": ()}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("s1,,,North,school,lab\n", 'groups are left as they are: "s1" lies in a circle, or more than 8 levels below'),
        ("s1,,,No\x01rth,school,\n", "groups are left as they are: 1 organisations could not be read"),
    ],
)
def test_organisations_that_make_no_sense_move_nobody(tmp_path: Path, row: str, problem: str) -> None:
    orgs = ORGS.replace("s1,,,North,school,d1\n", row)
    users = f'{USERS}ann,,,true,"s1,lab",student,ann\n'
    reading = read(school(tmp_path, orgs=orgs, users=users))
    assert not reading.snapshot.says_groups
    [note] = [it.rule for it in reading.problems.notes if "groups" in it.rule]
    assert note.startswith(problem)
    assert groups(reading) == {"ann": ()}


def test_the_school_of_all_other_tests_has_no_departments() -> None:
    assert "department" not in SCHOOL["orgs.csv"]
