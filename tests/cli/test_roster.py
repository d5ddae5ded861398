"""The commands of a roster: facts out, and nothing done that was not said to be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.samples.rosters.__main__ import HERE as COLLEGE
from tests.intake.rosters import SCHOOL, school, zipped

from .calls import Ran, call

SEPTEMBER, OCTOBER = "2026-09-15T08:00:00Z", "2026-10-15T08:00:00Z"
PLAIN = "organisation,learner,course,start,end,status,active\n"
ROWS = (
    "north,ann,welding,2026-09-01,2026-12-01,enabled,yes\n"
    "north,bob,welding,2026-03-01,2026-06-01,enabled,yes\n"
    "north,cid,first-aid,2026-09-01,2026-12-01,disabled,yes\n"
)


@pytest.fixture
def facts(tmp_path: Path) -> str:
    """Ann and Bob are enabled in welding, Cid is disabled in first aid; all of them are active."""
    roster = tmp_path / "roster.csv"
    roster.write_text(PLAIN + ROWS, encoding="utf-8")
    return diffed(roster, SEPTEMBER, tmp_path / "facts.csv")


def diffed(roster: Path, at: str, to: Path, *more: str) -> str:
    """The facts of a roster, appended to a file."""
    before = ("--before", str(to)) if to.exists() else ()
    ran = call("roster", "diff", str(roster), *before, "--at", at, "--to", str(to), *more)
    assert ran.code == 0, ran.err
    return str(to)


def types(ran: Ran) -> dict[tuple[str, str], str]:
    """(learner, object) → type, of facts on standard output."""
    return {(row["learner"], row["object"]): row["type"] for row in ran.rows}


def shown(facts: str, *arguments: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(learner, course) → (status, active)."""
    ran = call("roster", "show", facts, *arguments, "--format", "csv")
    return {(row["learner"], row["course"]): (row["status"], row["active"]) for row in ran.rows}


def test_a_first_roster_begins_everything_and_marks_it_unknown_before(tmp_path: Path) -> None:
    ran = call("roster", "diff", str(school(tmp_path / "school")), "--at", SEPTEMBER)
    assert ran.code == 0
    # Bob is switched off, and was never seen on; e2 begins in October.
    assert [(row["learner"], row["object"], row["type"]) for row in ran.rows] == [
        ("ann", "", "account.created"),
        ("bob", "", "account.disabled"),
        ("ann", "e1", "enrolment.created"),
        ("ann", "e1", "enrolment.enabled"),
        ("ann", "e2", "enrolment.created"),
        ("bob", "e3", "enrolment.created"),
        ("bob", "e3", "enrolment.enabled"),
    ]
    assert {row["occurred_at"] for row in ran.rows} == {SEPTEMBER}
    assert "5 of these were so before this first roster; since when is unknown" in ran.err


def test_the_next_roster_says_what_began_changed_and_ended(tmp_path: Path) -> None:
    to = tmp_path / "facts.csv"
    diffed(school(tmp_path / "school"), SEPTEMBER, to)
    later = SCHOOL["enrollments.csv"].replace("e3,,,m7,s1,bob,student,,2026-09-01,2026-10-01\n", "")
    archive = zipped(tmp_path / "later.zip", {**SCHOOL, "enrollments.csv": later})
    ran = call("roster", "diff", str(archive), "--before", str(to), "--at", OCTOBER)
    # e2 began on 2 October, and Bob's e3 is no longer in the roster, which is whole.
    assert types(ran) == {("ann", "e2"): "enrolment.enabled", ("bob", "e3"): "enrolment.ended"}
    assert "1 enrolment is enabled" in ran.err
    assert "1 enrolment ended" in ran.err


def test_a_roster_taken_in_twice_adds_nothing(tmp_path: Path) -> None:
    to = tmp_path / "facts.csv"
    folder = school(tmp_path / "school")
    diffed(folder, SEPTEMBER, to)
    before = to.read_bytes()
    ran = call("roster", "diff", str(folder), "--before", str(to), "--at", SEPTEMBER, "--to", str(to))
    assert to.read_bytes() == before
    assert "7 of its changes are among the facts already" in ran.err
    again = call("roster", "diff", str(folder), "--before", str(to), "--at", "2026-09-16T08:00:00Z")
    assert (again.rows, "nothing has changed" in again.err) == ([], True)


def test_a_roster_of_which_a_row_is_rejected_removes_nobody_and_ends_with_3(tmp_path: Path) -> None:
    to = tmp_path / "facts.csv"
    diffed(school(tmp_path / "school"), SEPTEMBER, to)
    broken = school(tmp_path / "broken", enrollments=SCHOOL["enrollments.csv"].replace("e3,,,m7,s1,bob", "e3,,,m7,s1,"))
    ran = call("roster", "diff", str(broken), "--before", str(to), "--at", OCTOBER)
    assert ran.code == 3
    assert types(ran) == {("ann", "e2"): "enrolment.enabled"}
    assert "enrollments.csv:4: userSourcedId is empty; export it" in ran.err
    assert "nobody is taken to be missing: not all of it could be read" in ran.err


def test_every_problem_of_a_roster_and_of_actions_goes_to_the_file_for_them(tmp_path: Path, facts: str) -> None:
    roster, problems = tmp_path / "broken.csv", tmp_path / "problems.csv"
    roster.write_text("learner,course,status\n" + "ann,welding,perhaps\n" * 150, encoding="utf-8")
    ran = call("roster", "diff", str(roster), "--at", OCTOBER, "--problems", str(problems))
    assert (ran.code, len(problems.read_text(encoding="utf-8").splitlines())) == (3, 151)
    assert "and 50 more problems" in ran.err
    actions = tmp_path / "do.csv"
    actions.write_text("action,learner\nfly,ann\n", encoding="utf-8")
    call("roster", "change", facts, "--from", str(actions), "--at", OCTOBER, "--problems", str(problems))
    assert 'there is no action ""fly""' in problems.read_text(encoding="utf-8")


def test_statuses_that_people_decide_are_not_undone_by_the_next_roster(tmp_path: Path) -> None:
    to = tmp_path / "facts.csv"
    folder = school(tmp_path / "school")
    diffed(folder, SEPTEMBER, to)
    disable = ("--do", "disable", "--course", "m7", "--learner", "ann", "--at", "2026-09-20T08:00:00Z")
    assert call("roster", "change", str(to), *disable, "--to", str(to), "--yes").code == 0
    again = ("roster", "diff", str(folder), "--before", str(to), "--at", "2026-09-21T08:00:00Z")
    assert types(call(*again)) == {("ann", "e1"): "enrolment.enabled"}
    assert call(*again, "--keep-status").rows == []


def test_what_is_shown_reads_back_as_the_same_roster(tmp_path: Path, facts: str) -> None:
    ran = call("roster", "show", facts, "--at", OCTOBER, "--format", "csv")
    copy = tmp_path / "copy.csv"
    copy.write_text(ran.out, encoding="utf-8")
    again = call("roster", "diff", str(copy), "--before", facts, "--at", OCTOBER)
    assert (again.code, again.rows) == (0, [])


def test_a_roster_is_shown_as_of_an_instant(facts: str) -> None:
    assert shown(facts, "--at", OCTOBER) == {
        ("ann", "welding"): ("enabled", "yes"),
        ("bob", "welding"): ("enabled", "yes"),
        ("cid", "first-aid"): ("disabled", "yes"),
    }
    # Just before the first roster nobody was there.
    assert shown(facts, "--at", SEPTEMBER) == {}
    table = call("roster", "show", facts, "--at", OCTOBER)
    assert "3 enrolments, 2 of them enabled, of 2 learners" in table.out
    assert "unknown" in table.out


def test_nothing_is_written_without_yes(facts: str) -> None:
    before = Path(facts).read_bytes()
    ran = call("roster", "change", facts, "--do", "disable", "--course", "welding", "--at", OCTOBER, "--to", facts)
    assert "2 enrolments are disabled" in ran.out
    assert "nothing is written yet" in ran.err
    assert Path(facts).read_bytes() == before


def test_a_course_is_disabled_in_bulk_and_only_those_that_are_on(facts: str) -> None:
    at = ("--at", OCTOBER, "--to", facts, "--yes")
    assert call("roster", "change", facts, "--do", "disable", "--course", "welding", "--learner", "ann", *at).code == 0
    later = ("--at", "2026-10-16T08:00:00Z", "--yes")
    ran = call("roster", "change", facts, "--do", "disable", "--course", "welding", *later, "--actor", "kirsten")
    assert types(ran) == {("bob", "welding"): "enrolment.disabled"}
    assert ran.rows[0]["actor"] == "kirsten"
    assert shown(facts, "--at", "2026-10-17T08:00:00Z")["ann", "welding"] == ("disabled", "yes")


def test_everybody_of_a_course_is_set_inactive_and_their_enrolments_stay(facts: str) -> None:
    call(
        "roster", "change", facts, "--do", "deactivate", "--course", "welding", "--at", OCTOBER, "--to", facts, "--yes"
    )
    assert shown(facts, "--at", "2026-10-16T08:00:00Z") == {
        ("ann", "welding"): ("enabled", "no"),
        ("bob", "welding"): ("enabled", "no"),
        ("cid", "first-aid"): ("disabled", "yes"),
    }


def test_an_action_done_twice_is_done_once(facts: str) -> None:
    again = ("roster", "change", facts, "--do", "enable", "--learner", "cid", "--at", OCTOBER, "--to", facts, "--yes")
    call(*again)
    before = Path(facts).read_bytes()
    ran = call(*again)
    assert Path(facts).read_bytes() == before
    assert "it is done already" in ran.out


def test_a_list_of_actions_does_what_can_be_done_and_tells_the_rest(tmp_path: Path, facts: str) -> None:
    actions = tmp_path / "do.csv"
    actions.write_text(
        "action,organisation,learner,course\nEnable,north,cid,first-aid\nenable,north,ann,welding\n"
        "deactivate,north,bob,\nfly,north,bob,\ndisable,north,dan,welding\n",
        encoding="utf-8",
    )
    ran = call("roster", "change", facts, "--from", str(actions), "--at", OCTOBER, "--yes")
    assert ran.code == 3
    assert types(ran) == {("cid", "first-aid"): "enrolment.enabled", ("bob", ""): "account.disabled"}
    assert "do.csv:3: it is enabled already; nothing to do" in ran.err
    assert 'do.csv:5: there is no action "fly"' in ran.err
    assert "do.csv:6: no learner of this organisation has this id" in ran.err


def test_a_file_of_actions_without_its_columns_and_one_that_is_none_do_nothing(tmp_path: Path, facts: str) -> None:
    actions = tmp_path / "do.csv"
    for content, said in (
        ("learner,course\nann,welding\n", "do.csv: there is no column action; give it under this name"),
        ("", "do.csv: is empty"),
        ("action,learner\nenable,a\0nn\n", "do.csv:2: learner is"),
    ):
        actions.write_text(content, encoding="utf-8")
        ran = call("roster", "change", facts, "--from", str(actions), "--at", OCTOBER, "--yes")
        assert (ran.code, ran.rows) == (3, [])
        assert said in ran.err
    assert "does not exist" in call("roster", "change", facts, "--from", "nowhere.csv", "--at", OCTOBER).err


def test_a_row_without_an_organisation_is_of_the_only_one_there_is(tmp_path: Path, facts: str) -> None:
    actions = tmp_path / "do.csv"
    actions.write_text("action,learner,id\ndisable,ann,welding\n", encoding="utf-8")
    ran = call("roster", "change", facts, "--from", str(actions), "--at", OCTOBER, "--yes")
    assert types(ran) == {("ann", "welding"): "enrolment.disabled"}


def test_the_clean_up_sets_inactive_whose_enrolments_are_over_and_is_done_once(facts: str) -> None:
    first = call("roster", "clean-up", facts, "--at", OCTOBER)
    assert "1 learner is set inactive" in first.out
    assert call("roster", "clean-up", facts, "--at", OCTOBER, "--to", facts, "--yes").code == 0
    assert shown(facts, "--at", "2026-10-16T08:00:00Z")["bob", "welding"] == ("enabled", "no")
    for at in ("2027-01-01T00:00:00Z", "2026-10-01T00:00:00Z"):
        again = call("roster", "clean-up", facts, "--at", at, "--yes")
        assert again.code == 2
        assert "north: the clean-up was done on 2026-10-15" in again.err
        assert not again.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--do, --from: nothing says what is to be done"),
        (("--do", "enable"), "--course, --learner: nothing says to whom"),
        (("--do", "enable", "--learner", "ann", "--unit", "arc"), "--unit: a unit is one of a course"),
        (("--do", "enable", "--learner", "ann", "--actor", "k\x07"), "--actor: the name is"),
        (("--do", "enable", "--from", "x.csv"), "--from: the file says what is to be done, and to whom"),
        (("--do", "enable", "--course", "weldin"), '--course: nobody is enrolled in "weldin" (nearest: welding)'),
        (("--do", "enable", "--learner", "anne"), '--learner anne: nobody in "north" has this id (nearest: ann)'),
        (("--do", "enable", "--course", "welding", "--at", "soon"), '--at: "soon" is not an instant'),
        (("--do", "enable", "--course", "welding", "--zone", "Mars"), '--zone: there is no time zone "Mars"'),
        (("--do", "enable", "--course", "welding", "--to", "/nowhere/f.csv"), "there is no such folder"),
    ],
)
def test_a_wrong_call_changes_nothing_and_says_why(facts: str, arguments: tuple[str, ...], said: str) -> None:
    before = Path(facts).read_bytes()
    ran = call("roster", "change", facts, *arguments, "--yes")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert Path(facts).read_bytes() == before


def test_facts_are_appended_to_facts_only(tmp_path: Path, facts: str) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("dear diary\n", encoding="utf-8")
    doing = ("--do", "enable", "--learner", "cid", "--at", OCTOBER, "--yes", "--to")
    ran = call("roster", "change", facts, *doing, str(notes))
    assert ran.code == 2
    assert "it holds something else than canonical facts" in ran.err
    assert notes.read_text(encoding="utf-8") == "dear diary\n"
    assert "end the name in .csv" in call("roster", "change", facts, *doing, str(tmp_path / "f.ndjson")).err


def test_a_file_that_does_not_end_its_last_line_is_continued_on_a_new_one(facts: str) -> None:
    Path(facts).write_bytes(Path(facts).read_bytes().rstrip(b"\n"))
    call("roster", "change", facts, "--do", "enable", "--learner", "cid", "--at", OCTOBER, "--yes", "--to", facts)
    assert shown(facts, "--at", "2026-10-16T08:00:00Z")["cid", "first-aid"] == ("enabled", "yes")


def test_a_learner_that_a_spreadsheet_would_compute_stays_what_it_is_in_facts_and_is_harmless_in_what_is_shown(
    tmp_path: Path,
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("organisation,learner,course\nnorth,=1+1,welding\n", encoding="utf-8")
    to = diffed(roster, SEPTEMBER, tmp_path / "facts.csv")
    assert ",=1+1," in Path(to).read_text(encoding="utf-8")
    assert ",'=1+1," in call("roster", "show", to, "--at", OCTOBER, "--format", "csv").out


def test_of_several_organisations_one_is_named(tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("organisation,learner,course\nnorth,ann,welding\nsouth,ann,welding\n", encoding="utf-8")
    to = diffed(roster, SEPTEMBER, tmp_path / "facts.csv")
    doing = ("roster", "change", to, "--do", "enable", "--course", "welding", "--at", OCTOBER, "--yes")
    assert "--organisation: there are 2 organisations: north, south; name one of them" in call(*doing).err
    assert [row["organisation"] for row in call(*doing, "--organisation", "south").rows] == ["south"]


def test_the_counts_of_the_college_follow_from_its_rosters(tmp_path: Path) -> None:
    to = tmp_path / "facts.csv"
    plan = ("--subscription", str(COLLEGE / "lrm.toml"))
    diffed(COLLEGE / "august", "2026-08-17T09:00:00+10:00", to, *plan)
    diffed(COLLEGE / "october", "2026-10-06T09:00:00+11:00", to, *plan)
    ran = call("meter", str(to), *plan, "--as-of", "2026-12-01T00:00:00+11:00", "--format", "csv")
    # July: nobody was seen yet. August, September: 64. October: 64 at its start, of whom 5 leave, and 4 more come.
    # November: of the 59 who stayed 8 were set inactive by then, seven of the second term and one more; and the 4 new ones.
    assert ran.active == [0, 64, 64, 68, 55]
