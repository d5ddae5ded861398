"""How `rollbook meter` is told what its facts are, and what it makes of odd ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from .calls import JANUARY, LEDGER, QUARTER, call, meter, write_facts


def test_several_files_are_one_ledger_and_what_comes_twice_is_a_duplicate(ledger: str, tmp_path: Path) -> None:
    more = write_facts(tmp_path / "more.csv", LEDGER[3], "6,2026-02-03T10:00:00Z,north,ann,login,,,lms")
    ran = call("meter", ledger, more, *QUARTER, "--format", "csv")
    assert ran.active == [2, 1, 1]
    assert ran.dispositions == {"counted": 5, "duplicate": 1, "not counted: type": 1, "rows in": 7}
    assert ran.code == 0


def test_times_without_an_offset_need_a_zone_to_be_read_in(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "local.csv", "1,2026-02-01T00:30:00,o,ann,login,,,lms", "2,2026-02-01T01:30:00,o,bob,login,,,lms"
    )
    refused = meter(facts, *JANUARY)
    assert (refused.code, refused.active) == (3, [0])
    assert "local.csv:2: occurred_at" in refused.err
    assert "--input-zone" in refused.err
    read = meter(facts, *JANUARY, "--input-zone", "Europe/Paris")
    assert (read.code, read.active) == (0, [1]), "half past midnight in Paris is still January in UTC"


@pytest.mark.parametrize(("order", "active"), [("dmy", [1, 0, 0]), ("mdy", [0, 0, 1])])
def test_the_order_of_day_and_month_is_stated_not_guessed(tmp_path: Path, order: str, active: list[int]) -> None:
    facts = write_facts(tmp_path / "days.csv", "1,03/01/2026 10:00:00Z,o,ann,login,,,lms")
    refused = meter(facts, *QUARTER)
    assert (refused.code, refused.active) == (3, [0, 0, 0])
    assert "--date-order" in refused.err
    assert meter(facts, *QUARTER, "--date-order", order).active == active


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("Log ID,When,User=Id,Event\n1,2026-01-05T10:00:00Z,ann,login\n")
    mapping = [
        part for pair in ("occurred_at=When", "learner=User=Id", "type=Event", "id=Log ID") for part in ("--map", pair)
    ]
    ran = meter(path, *JANUARY, *mapping, "--by", "learner")
    assert [(row["unit"], row["fact"]) for row in ran.rows] == [("ann", "1")]


@pytest.mark.parametrize(
    "name", ["it's.parquet", "a[1].parquet", "a*.parquet", "a?{b,c}.parquet", "-x.parquet", "zoë \n.parquet"]
)
def test_the_name_of_a_file_is_never_a_pattern_or_a_query(tmp_path: Path, name: str) -> None:
    for other in ("a1.parquet", "ab.parquet", "axb.parquet", name):
        learner = "the one" if other == name else "another"
        table = {"id": ["1"], "occurred_at": ["2026-01-05T10:00:00Z"], "type": ["login"], "learner": [learner]}
        parquet.write_table(pa.table(table), tmp_path / other)
    ran = meter(tmp_path / name, *JANUARY, "--by", "learner")
    assert [row["unit"] for row in ran.rows] == ["the one"]


def test_ids_that_look_like_queries_are_ids(tmp_path: Path) -> None:
    evil = "x'); drop table facts; --"
    path = tmp_path / "evil.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "occurred_at", "organisation", "learner", "type", "source"))
        writer.writerow((evil, "2026-01-05T10:00:00Z", evil, evil, evil, evil))
    plan = tmp_path / "evil.toml"
    plan.write_text(
        f'id = "{evil}"\ntitle = "{evil}"\n[meter]\ncounts = ["{evil}"]\n[window]\nkind = "calendar-month"\n'
    )
    term = (
        "--plan",
        str(plan),
        "--start",
        "2026-01-01",
        "--end",
        "2026-02-01",
        "--as-of",
        "2026-07-01",
        "--organisation",
        evil,
    )
    for engine in ("duckdb", "reference"):
        ran = meter(path, *term, "--by", "learner", "--engine", engine)
        assert [(row["organisation"], row["unit"], row["fact"], row["source"]) for row in ran.rows] == [(evil,) * 4]
    assert "COUNTED, new" in call("explain", str(path), *term, evil).out


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("nowhere.csv", None, "does not exist"),
        ("folder", "", "is a directory"),
        ("empty.csv", "", "is empty"),
        ("page.csv", "<html>", "is a page of HTML or XML"),
        ("other.csv", "a,b\n1,2\n", "there is no column occurred_at"),
    ],
)
def test_facts_that_cannot_be_read_are_named(tmp_path: Path, name: str, content: str | None, rule: str) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    ran = meter(path, *JANUARY)
    assert (ran.code, ran.out) == (2, "")
    assert f"{path}: {rule}" in ran.err
    assert "no result: nothing could be read" in ran.err


def test_what_one_file_lacks_is_said_before_the_figures_of_the_others(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", "1,2026-01-05T10:00:00Z,o,ann,login,,,lms", "2,,o,bob,login,,,lms")
    ran = call("meter", str(facts), str(tmp_path / "nowhere.csv"), *JANUARY, "--format", "csv")
    assert (ran.code, ran.active) == (3, [1])
    assert "INCOMPLETE: 1 of 2 rows were rejected" in ran.err
    assert "INCOMPLETE: not every file could be read to its end" in ran.err


def test_a_header_alone_is_no_mistake_and_is_said(tmp_path: Path) -> None:
    ran = meter(write_facts(tmp_path / "none.csv"), *JANUARY)
    assert (ran.code, ran.active) == (0, [0])
    assert "none.csv: has no rows" in ran.err
    assert ran.dispositions == {"rows in": 0}


def test_the_longest_id_counts_and_a_longer_one_is_rejected(tmp_path: Path) -> None:
    longest = "é" * 4096
    facts = write_facts(
        tmp_path / "long.csv",
        f"1,2026-01-05T10:00:00Z,o,{longest},login,,,lms",
        f"2,2026-01-05T10:00:00Z,o,{longest}x,login,,,lms",
    )
    ran = meter(facts, *JANUARY, "--by", "learner")
    assert [row["unit"] for row in ran.rows] == [longest]
    assert ran.code == 3
    assert "long.csv:3: learner has 4097 characters" in ran.err
    assert call("meter", facts, *JANUARY, "--by", "learner").code == 3, "and as a table"
