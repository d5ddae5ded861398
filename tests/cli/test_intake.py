"""`rollbook intake` says what is in exports, and writes them as canonical facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .calls import SAMPLE, call, meter, write_facts

FEBRUARY = ("--plan", "monthly-login", "--start", "2026-02-01", "--end", "2026-03-01", "--as-of", "2026-07-01")


def test_it_says_which_plans_cannot_be_metered_and_why(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,2026-02-03T10:00:00Z,o,ann,lesson.started,,,lms")
    ran = call("intake", facts)
    assert ran.code == 0
    assert "secondnature-mau     no: no fact is of a type that it counts (login)" in ran.out
    assert "docebo-mau           with --assume-members only" in ran.out
    assert "monthly-activity     yes" in ran.out
    assert "1 learners are named by account name, such as ann" in ran.out


def test_unknown_types_come_with_the_nearest_known_one(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,2026-02-03T10:00:00Z,o,ann,lesson.strated,,,lms")
    assert "not known (nearest: lesson.started)" in call("intake", facts).out


def test_identities_are_told_apart_by_their_kind(tmp_path: Path) -> None:
    ids = ("ann", "17", "bob@example.org", "0f8fad5b-d9cb-469f-a165-70867728950e", "https://id.example.org/ann")
    rows = [f"{n},2026-02-03T10:00:00Z,o,{id_},login,,,lms" for n, id_ in enumerate(ids)]
    said = call("intake", write_facts(tmp_path / "facts.csv", *rows)).out
    for kind in ("account name", "number", "e-mail", "UUID", "address"):
        assert f"1 learners are named by {kind}" in said


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (("2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z"), "every fact is at midnight UTC"),
        (("2026-02-03T10:15:00Z", "2026-02-04T11:20:00Z"), "every fact is at a whole minute"),
        (("2199-02-03T10:15:01Z", "2026-02-04T11:20:00Z"), "1 facts lie in the future"),
    ],
)
def test_times_that_no_clock_would_show_are_told(tmp_path: Path, times: tuple[str, str], words: str) -> None:
    rows = [f"{n},{time},o,ann,login,,,lms" for n, time in enumerate(times)]
    assert words in call("intake", write_facts(tmp_path / "facts.csv", *rows)).out


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
def test_canonical_facts_are_metered_like_the_exports_they_come_from(tmp_path: Path, ending: str) -> None:
    written = tmp_path / f"facts.{ending}"
    ran = call("intake", SAMPLE, "--to", str(written))
    assert ran.code == 0
    before, after = meter(SAMPLE, *FEBRUARY), meter(str(written), *FEBRUARY)
    assert before.active == after.active
    assert before.dispositions == after.dispositions
    again = tmp_path / f"again.{ending}"
    call("intake", str(written), "--to", str(again))
    assert again.read_bytes() == written.read_bytes()


def test_bad_rows_are_told_and_the_good_ones_are_written(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,never,o,ann,login,,,lms", "2,2026-02-03T10:00:00Z,o,ben,login,,,lms")
    ran = call("intake", facts, "--to", str(tmp_path / "facts.ndjson"))
    assert ran.code == 3
    assert "facts.csv:2: occurred_at" in ran.err
    assert "2 rows in: 1 facts + 0 repeats + 1 rejected" in ran.err
    [row] = [json.loads(line) for line in (tmp_path / "facts.ndjson").read_text().splitlines()]
    assert (row["id"], row["learner"]) == ("2", "ben")


def test_canonical_facts_are_never_written_over_what_is_read_nor_under_a_strange_name(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,2026-02-03T10:00:00Z,o,ann,login,,,lms")
    before = Path(facts).read_bytes()
    refused = call("intake", facts, "--to", facts)
    assert refused.code == 2
    assert Path(facts).read_bytes() == before
    assert 'not written as ".xlsx"' in call("intake", facts, "--to", str(tmp_path / "facts.xlsx")).err
    assert "cannot be written" in call("intake", facts, "--to", str(tmp_path / "none" / "facts.csv")).err


def test_an_unknown_kind_of_export_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,2026-02-03T10:00:00Z,o,ann,login,,,lms")
    ran = call("intake", facts, "--input", "moodel")
    assert ran.code == 2
    assert "there is no such export" in ran.err
