"""`rollbook explain`: window by window, whether somebody counted, why, and what became of everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from .calls import JANUARY, QUARTER, SAMPLE, call, process, raw_controls, shell, write_facts

LEDGER = (
    "1,2025-12-24T10:00:30Z,north,ann,login,,,lms",
    "2,2026-01-05T10:00:30Z,north,ann,login,,,lms",
    "3,2026-01-06T10:00:30Z,north,ann,course.viewed,,welding,lms",
    "4,2026-01-07T10:00:30Z,north,ann,login,,,lms",
    "5,2026-01-08T10:00:30Z,north,bob,login,,,lms",
    "6,2026-03-02T10:00:30Z,north,ann,login,system,,lms",
    "7,2026-04-02T10:00:30Z,north,ann,login,,,lms",
    "8,2026-08-02T10:00:30Z,north,ann,login,,,lms",
)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return write_facts(tmp_path / "ledger.csv", *LEDGER)


def test_every_window_says_whether_the_learner_counted_and_every_fact_what_became_of_it(ledger: str) -> None:
    ran = call("explain", ledger, *QUARTER, "ann")
    lines = [" ".join(line.split()) for line in ran.out.splitlines() if line]
    assert lines == [
        "Anyone who logs in, by calendar month (monthly-login) · 2026-01-01 until 2026-04-01 (excluded) · UTC",
        "rule: learners with login",
        "learner: ann",
        "before the term",
        "2025-12-24 10:00:30 login fact 1 history",
        "window 1: 2026-01-01 until 2026-02-01 (excluded)",
        "COUNTED, continuing: ann; fact 2 of lms at 2026-01-05 10:00:30 counts, and 1 more",
        "2026-01-05 10:00:30 login fact 2 counted: this fact decided",
        "2026-01-06 10:00:30 course.viewed welding fact 3 not counted: type",
        "2026-01-07 10:00:30 login fact 4 counted",
        "window 2: 2026-02-01 until 2026-03-01 (excluded)",
        "not counted: nothing happened",
        "window 3: 2026-03-01 until 2026-04-01 (excluded)",
        "not counted",
        "2026-03-02 10:00:30 login as system fact 6 not counted: system",
        "after what was metered",
        "2026-04-02 10:00:30 login fact 7 not counted: outside the term",
        "2026-08-02 10:00:30 login fact 8 not counted: held in the future",
    ]
    assert ran.code == 0


def test_standard_error_accounts_for_all_rows_as_meter_does(ledger: str) -> None:
    ran = call("explain", ledger, *QUARTER, "ann")
    assert ran.err == call("meter", ledger, *QUARTER).err
    assert ran.adds_up
    assert ran.dispositions["rows in"] == 8


def test_a_status_says_which_fact_switched_it_on_and_that_it_lasts(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "status.csv",
        "1,2026-01-10T10:00:30Z,north,ann,enrolment.enabled,,welding,lms",
        "2,2026-03-10T10:00:30Z,north,ann,enrolment.disabled,,welding,lms",
    )
    out = call(
        "explain", facts, "--plan", "wisenet-elearning", "--start", "2026-01-01", "--as-of", "2026-05-01", "ann"
    ).out
    assert "COUNTED, new: ann; fact 1 of lms switched it on at 2026-01-10 10:00:30\n" in out
    assert "COUNTED, continuing: ann; it was on when the window began, by fact 1 of lms\n" in out
    assert "fact 2  state: closed" in out
    assert "window 4: 2026-04-01 until 2026-05-01 (excluded)\n  not counted: nothing happened\n" in out


def test_quiet_windows_are_told_together(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "one.csv", "1,2026-05-10T10:00:30Z,north,ann,login,,,lms")
    plan = tmp_path / "daily.toml"
    plan.write_text(
        'id = "daily"\ntitle = "Daily"\n[meter]\ncounts = ["login"]\n[window]\nkind = "days"\nlength_days = 1\nterm_months = 600\n'
    )
    ran = call("explain", facts, "--plan", str(plan), "--start", "1990-01-01", "--as-of", "2040-01-01", "ann")
    assert "windows 1 to 13278: 1990-01-01 until 2026-05-10 (excluded)\n  not counted: nothing happened\n" in ran.out
    assert "window 13279: 2026-05-10 until 2026-05-11 (excluded)\n  COUNTED, new" in ran.out
    assert len(ran.out.splitlines()) < 20


def test_an_id_that_was_given_up_explains_the_person_with_all_ids(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "linked.csv",
        "1,2026-01-05T10:00:30Z,north,annie,login,,,lms",
        "2,2026-01-20T10:00:30Z,north,ann,identity.linked,,annie,lms",
        "3,2026-02-05T10:00:30Z,north,annie,login,,,lms",
    )
    by_old, by_new = (call("explain", facts, *QUARTER, id_).out for id_ in ("annie", "ann"))
    assert by_old == by_new
    assert "learner: ann, also known as annie\n" in by_old
    assert "COUNTED, new: annie; fact 1 " in by_old, "before the link the fact was of the old id"
    assert "COUNTED, continuing: ann; fact 3 " in by_old, "and after it of the one that survives"
    assert "correction" in by_old


def test_an_entry_of_a_guest_is_explained_by_its_fact(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "guests.csv", "g1,2026-01-05T10:00:30Z,north,,session.entered,guest,class,lms")
    term = ("--plan", "facilitate-monthly", "--start", "2026-01-01", "--end", "2026-02-01", "--as-of", "2026-07-01")
    ran = call("explain", facts, *term, "g1")
    assert ran.code == 0
    assert "COUNTED, new: guest entry g1; fact g1 of lms at 2026-01-05 10:00:30 counts\n" in ran.out


def test_a_guest_who_came_back_is_explained_as_the_whole_run_counted(tmp_path: Path) -> None:
    path = tmp_path / "guests.csv"
    path.write_text(
        "id,occurred_at,learner,type,role,object,session\n"
        "g1,2026-01-05T10:00:30Z,,session.entered,guest,class,c1\n"
        "g2,2026-01-05T10:05:00Z,,session.entered,guest,class,c1\n"
    )
    plan = tmp_path / "grace.toml"
    plan.write_text(
        'id = "grace"\ntitle = "Grace"\n[meter]\ncounts = ["session.entered"]\nguests = "each-entry"\n'
        'reconnect_grace_seconds = 600\n[window]\nkind = "term"\n'
    )
    ran = call("explain", str(path), "--plan", str(plan), "--start", "2026-01-01", "--as-of", "2026-07-01", "g2")
    assert "not counted: reconnected" in ran.err
    assert "not counted: reconnected" in ran.out
    assert "guest entry g2" not in ran.out


def test_only_the_chosen_organisations_count_and_the_others_are_said(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "two.csv",
        "1,2026-01-05T10:00:30Z,north,ann,login,,,lms",
        "2,2026-01-06T10:00:30Z,south,ann,login,,,lms",
    )
    out = call("explain", facts, *JANUARY, "--organisation", "north", "ann").out
    assert out.count("COUNTED") == 1
    assert "fact 2  not counted: other organisation" in out


def test_with_a_file_of_people_a_name_or_an_address_is_enough(ledger: str, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("id,name,email\nann,Ann Ahl,ann@example.org\nbob,Bo,\nbobby,Bo,\n")
    for who in ("ann", "ANN AHL", "ann@Example.org"):
        ran = call("explain", ledger, *QUARTER, "--people", str(people), who)
        assert "learner: Ann Ahl (ann)\n" in ran.out
    several = call("explain", ledger, *QUARTER, "--people", str(people), "Bo")
    assert (several.code, several.out) == (2, "")
    assert "2 people are called this; give the id: bob, bobby" in several.err


@pytest.mark.parametrize(
    ("learner", "said"),
    [
        (("an",), "an: no fact names this learner (nearest: ann)"),
        (("--", "-ann"), "-ann: no fact names this learner"),
        (("zzz",), "zzz: no fact names this learner; "),
        (("x" * 5000,), "no fact names this learner; "),
        (("ann' or '1'='1",), "no fact names this learner"),
        (("an\x1b[31m",), "no fact names this learner"),
    ],
)
def test_an_unknown_learner_is_a_wrong_call_that_names_the_nearest(
    ledger: str, learner: tuple[str, ...], said: str
) -> None:
    ran = call("explain", ledger, *QUARTER, *learner)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert raw_controls(ran.err) == set()


def test_ids_may_begin_with_a_dash_or_be_as_long_as_ids_may_be(tmp_path: Path) -> None:
    longest = "ä" * 4096
    facts = write_facts(
        tmp_path / "ids.csv",
        "1,2026-01-05T10:00:30Z,o,-ann,login,,,lms",
        f"2,2026-01-05T10:00:30Z,o,{longest},login,,,lms",
    )
    assert "COUNTED, new: -ann; " in call("explain", facts, *JANUARY, "--", "-ann").out
    assert f"COUNTED, new: {longest}; " in call("explain", facts, *JANUARY, longest).out


def test_nobody_cannot_be_explained(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "guests.csv", "1,2026-01-05T10:00:30Z,o,,session.entered,guest,class,lms")
    ran = call("explain", facts, *JANUARY, "")
    assert (ran.code, ran.out) == (2, "")


def test_markup_in_facts_is_shown_as_it_stands(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "markup.csv", "[b]1,2026-01-05T10:00:30Z,o,[red]ann[/red],login,,[link=x]y[/],[z]")
    ran = call("explain", facts, *JANUARY, "[red]ann[/red]")
    assert "COUNTED, new: [red]ann[/red]; fact [b]1 of [z] at " in ran.out
    assert "[link=x]y[/]" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ann",), "--plan, --subscription: nothing says what to count by"),
        (("--plan", "monthly-login", "ann"), "--start: the first day of the term is missing"),
        ((*JANUARY, "--zone", "Mars/Phobos", "ann"), "--zone: there is no time zone"),
        ((*JANUARY, "--map", "learner=nobody", "ann"), 'no export has a column "nobody"'),
        ((*JANUARY, "--by", "learner", "ann"), "--by"),
        (JANUARY, "Missing argument"),
    ],
)
def test_a_wrong_call_prints_no_result_and_says_what_is_wrong(
    ledger: str, arguments: tuple[str, ...], said: str
) -> None:
    ran = call("explain", ledger, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_rejected_rows_end_in_three_and_strict_explains_nothing(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "bad.csv", "1,2026-01-05T10:00:30Z,o,ann,login,,,lms", "2,never,o,ann,login,,,lms")
    problems = tmp_path / "problems.csv"
    ran = call("explain", facts, *JANUARY, "--problems", str(problems), "ann")
    assert (ran.code, ran.out.count("COUNTED")) == (3, 1)
    assert f"{facts}:3" in problems.read_text()
    strict = call("explain", facts, *JANUARY, "--strict", "ann")
    assert (strict.code, strict.out) == (3, "")


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
def test_every_option_of_meter_reads_the_same_facts(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "local.csv"
    path.write_text("id,when,organisation,learner,type\n1,01/02/2026 00:30:15,north,ann,material.accessed\n")
    file = tmp_path / "acme.toml"
    file.write_text('plan = "docebo-mau"\nstart = 2026-01-01\nend = 2026-02-01\nzone = "Europe/Paris"\n')
    said = ("--map", "occurred_at=when", "--date-order", "dmy", "--input-zone", "UTC", "--as-of", "2026-07-01")
    reading = (*said, "--assume-members", "--engine", engine)
    ran = call("explain", str(path), "--subscription", str(file), *reading, "ann")
    assert ran.code == 0
    assert "2026-02-01 01:30:15  material.accessed" in ran.out, "half past midnight in UTC, as Paris reads it"
    assert "not counted: outside the term" in ran.out


def test_the_console_command_explains_and_is_quiet_in_a_pipe() -> None:
    term = ("--plan", "reach360-starter", "--start", "2026-01-01", "--end", "2026-07-01", "--as-of", "2026-07-01")
    ran = process("explain", SAMPLE, *term, "ana")
    assert ran.code == 0
    assert "COUNTED, new: ana; " in ran.out
    assert raw_controls(ran.out + ran.err) == set()
    unknown = process("explain", SAMPLE, *term, "anna")
    assert (unknown.code, unknown.out) == (2, "")
    assert "(nearest: ana)" in unknown.err


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    ran = shell(f"rollbook explain {SAMPLE} --plan monthly-login --start 2026-01-01 --as-of 2026-07-01 ana | true")
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert "Broken" not in ran.err
