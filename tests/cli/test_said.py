"""What is said beside the figures: sources, problems, notes, names; and that text stays text."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from rollbook.intake import Problems

from .calls import JANUARY, QUARTER, call, meter, raw_controls, write_facts


def test_each_source_says_its_first_and_last_fact_and_what_seems_to_be_missing(tmp_path: Path) -> None:
    days = [*range(1, 11), *range(21, 32)]
    facts = write_facts(
        tmp_path / "gap.csv",
        *(f"a{day},2026-01-{day:02}T12:00:00Z,o,ann,login,,,lms" for day in days),
        "b1,2026-01-01T00:00:00Z,o,bob,login,,,hub",
        "b2,2026-01-31T00:00:00Z,o,bob,login,,,hub",
    )
    err = meter(facts, *JANUARY).err
    assert "source lms: 21 from 2026-01-01T12:00:00Z to 2026-01-31T12:00:00Z\n" in err
    assert "none from 2026-01-11 to 2026-01-20" in err
    assert "source hub: 2 from 2026-01-01T00:00:00Z to 2026-01-31T00:00:00Z\n" in err
    assert err.count("none from") == 1, "nothing can be said about a source that delivers now and then"


def test_rejected_rows_are_listed_with_place_rule_and_remedy_and_the_rest_is_counted(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "mixed.csv",
        "1,2026-01-05T10:00:00Z,o,ann,login,,,lms",
        "2,yesterday,o,bob,login,,,lms",
        "3,2026-01-05T10:00:00Z,o,,login,learnr,,lms",
    )
    ran = meter(facts, *JANUARY)
    assert ran.code == 3
    assert ran.active == [1], "the result is still printed"
    assert ran.dispositions == {"counted": 1, "rejected": 2, "rows in": 3}
    assert f'{facts}:3: occurred_at is "yesterday", which is no time; write it as ' in ran.err
    assert f'{facts}:4: role is "learnr", which is none of the roles (nearest: learner); ' in ran.err
    assert f"{facts}:4: learner is empty; " in ran.err


def test_strict_prints_no_result_while_any_row_is_rejected(tmp_path: Path) -> None:
    good, bad = "1,2026-01-05T10:00:00Z,o,ann,login,,,lms", "2,yesterday,o,bob,login,,,lms"
    strict = meter(write_facts(tmp_path / "bad.csv", good, bad), *JANUARY, "--strict")
    assert (strict.code, strict.out) == (3, "")
    assert "bad.csv:3" in strict.err
    missing = meter(tmp_path / "nowhere.csv", *JANUARY, "--strict")
    assert (missing.code, missing.out) == (3, "")
    clean = meter(write_facts(tmp_path / "good.csv", good), *JANUARY, "--strict")
    assert (clean.code, clean.active) == (0, [1])


def test_links_that_contradict_each_other_are_problems_at_their_lines(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "links.csv",
        "1,2026-01-05T10:00:00Z,o,ann,login,,,lms",
        "2,2026-01-06T10:00:00Z,o,bob,identity.linked,,ann,lms",
        "3,2026-01-06T10:00:00Z,o,carl,identity.linked,,ann,lms",
    )
    ran = meter(facts, *JANUARY)
    assert (ran.code, ran.active) == (3, [1])
    assert f"{facts}:3: ann is linked to several survivors: bob and carl; " in ran.err
    assert f"{facts}:4: ann is linked to several survivors: bob and carl; " in ran.err
    assert meter(facts, *JANUARY, "--strict").out == ""


def test_the_file_of_problems_holds_all_of_them_where_the_terminal_shows_a_hundred(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "bad.csv", *(f"{n},never,o,ann,login,,,lms" for n in range(130)))
    file = tmp_path / "problems.csv"
    ran = meter(facts, *JANUARY, "--problems", str(file))
    with file.open(encoding="utf-8", newline="") as read:
        rows = list(csv.DictReader(read))
    assert [row["place"] for row in rows] == [f"{facts}:{line}" for line in range(2, 132)]
    assert {row["rule"] for row in rows} == {'occurred_at is "never", which is no time'}
    assert all(row["remedy"] for row in rows)
    assert ran.err.count("which is no time") == 100
    assert "and 30 more problems\n" in ran.err
    assert "--problems FILE writes them all" in meter(facts, *JANUARY).err


def test_the_file_of_problems_is_complete_or_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Problems.__init__, "__defaults__", (50,))
    facts = write_facts(tmp_path / "bad.csv", *(f"{n},never,o,ann,login,,,lms" for n in range(60)))
    file = tmp_path / "problems.csv"
    ran = meter(facts, *JANUARY, "--problems", str(file))
    assert ran.dispositions["rejected"] == 60
    assert file.read_text().count("\n") == 61 or "first 50" in ran.err


def test_the_file_of_problems_is_written_where_there_are_none(ledger: str, tmp_path: Path) -> None:
    file = tmp_path / "problems.csv"
    assert meter(ledger, *JANUARY, "--problems", str(file)).code == 0
    assert file.read_text() == "place,rule,remedy\n"


def test_unknown_types_and_types_that_never_occur_are_noted(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "types.csv", "1,2026-01-05T10:00:00Z,o,ann,logn,,,lms")
    ran = meter(facts, *JANUARY)
    assert ran.code == 0
    assert "note: logn: " in ran.err
    assert "(nearest: login)" in ran.err
    assert "no fact is of a type that this plan counts (login)" in ran.err


def test_a_plan_for_members_stops_until_membership_is_known_or_assumed(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "silent.csv", "1,2026-01-05T10:00:00Z,north,ann,material.accessed,,,lms")
    term = ("--plan", "docebo-mau", "--start", "2026-01-01", "--end", "2026-02-01", "--as-of", "2026-07-01")
    stopped = meter(facts, *term)
    assert (stopped.code, stopped.out) == (2, "")
    assert "north: " in stopped.err
    assert "--assume-members" in stopped.err
    assert meter(facts, *term, "--assume-members").active == [1]


def test_with_a_file_of_people_people_see_names(ledger: str, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("id,name,email\nann,Ann Ahl,ann@example.org\nbob,,bob@example.org\n", encoding="utf-8")
    ran = meter(ledger, *QUARTER, "--by", "learner", "--people", str(people))
    assert [row["unit"] for row in ran.rows] == ["ann", "bob", "ann"], "ids stay for programs"
    assert [row["name"] for row in ran.rows] == ["Ann Ahl (ann)", "bob@example.org (bob)", "Ann Ahl (ann)"]
    assert "Ann" in call("meter", ledger, *QUARTER, "--by", "learner", "--people", str(people)).out


@pytest.mark.parametrize("content", [None, "name,email\nx,y\n", '{"id": "ann"}\n'])
def test_people_that_cannot_be_read_are_named_and_change_no_figure(
    ledger: str, tmp_path: Path, content: str | None
) -> None:
    people = tmp_path / "people.csv"
    if content is not None:
        people.write_text(content)
    ran = meter(ledger, *QUARTER, "--people", str(people))
    assert str(people) in ran.err
    assert ran.code != 0 or ran.out == meter(ledger, *QUARTER).out


def test_a_guest_is_never_shown_under_the_name_of_somebody_else(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "guest.csv", "17,2026-01-05T10:00:00Z,o,,session.entered,guest,class,lms")
    people = tmp_path / "people.csv"
    people.write_text("id,name\n17,Ann Ahl\n")
    term = ("--plan", "facilitate-monthly", "--start", "2026-01-01", "--as-of", "2026-02-01")
    ran = meter(facts, *term, "--by", "learner", "--people", str(people))
    assert "Ann Ahl" not in ran.out


def test_names_cannot_write_to_the_terminal(ledger: str, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("id,name\nann,\x1b[31mAnn\x9b2J\n", encoding="utf-8")
    for output in ("table", "csv", "json"):
        ran = call("meter", ledger, *QUARTER, "--by", "learner", "--people", str(people), "--format", output)
        assert raw_controls(ran.out + ran.err) == set()


HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x9b2J",
    "a\u202eb\u2066c",
    "[bold red]x[/]",
    "[link=https://example.org]y[/link]",
    "\\[z]",
    "\x07\x08",
)


def test_markup_and_control_characters_in_facts_never_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.ndjson"
    with path.open("w") as file:
        for number, text in enumerate(HOSTILE):
            row = {
                "id": f"{number}{text}",
                "occurred_at": "2026-01-05T10:00:00Z",
                "type": "login",
                "learner": text,
                "organisation": text,
                "object": text,
            }
            file.write(json.dumps(row) + "\n")
            file.write(json.dumps({**row, "id": str(number), "role": text, "type": text}) + "\n")
    for by, output in (("learner", "table"), ("learner", "csv"), ("organisation", "json")):
        ran = call("meter", str(path), *JANUARY, "--by", by, "--format", output)
        assert ran.code == 3
        assert raw_controls(ran.out + ran.err) == set()
    table = call("meter", str(path), *JANUARY, "--by", "organisation").out
    assert "[bold red]x[/]" in table
    assert "[link=https://example.org]y[/link]" in table
    assert "\\[z]" in table
    assert "\u202e" not in table


def test_the_name_of_a_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    ran = meter(tmp_path / "\x1b[31mno\nwhere.csv", *JANUARY)
    assert raw_controls(ran.err) == set()
    assert "does not exist" in ran.err


def test_a_void_that_takes_nothing_back_is_noted_at_its_line(tmp_path: Path) -> None:
    facts = tmp_path / "voids.csv"
    facts.write_text(
        "id,occurred_at,organisation,learner,type,source,voids\n"
        "1,2026-01-05T10:00:00Z,o,ann,login,lms,\n"
        "2,2026-01-06T10:00:00Z,o,,fact.voided,lms,1\n"
        "3,2026-01-06T10:00:00Z,,,fact.voided,lms,1\n"
    )
    ran = meter(facts, *JANUARY)
    assert (ran.code, ran.active) == (0, [0])
    assert f'note: {facts}:4: it voids 1, and no fact of source "lms" and organisation "" has that id' in ran.err
    assert f"{facts}:3: it voids" not in ran.err


def test_windows_in_another_zone_than_the_times_are_noted_unless_that_was_chosen(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,2026-02-01T00:30:00,o,ann,login,,,lms")
    said = "times are read in Europe/Berlin, and windows begin at midnight in UTC"
    assert said in meter(facts, *JANUARY, "--input-zone", "Europe/Berlin").err
    assert said not in meter(facts, *JANUARY, "--input-zone", "Europe/Berlin", "--zone", "UTC").err
    assert said not in meter(facts, *JANUARY, "--input-zone", "UTC").err


def test_facts_that_all_lie_outside_the_term_are_noted(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,2026-03-01T00:00:00Z,o,ann,login,,,lms")
    assert "no fact lies within the term" in meter(facts, *JANUARY).err
